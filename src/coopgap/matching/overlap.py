"""Overlap weights: members and comparison people where the two groups meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.matching.distances import linear_propensity
from coopgap.matching.sample import MatchedSample
from coopgap.survey.records import ModelRows


def overlap_match(rows: ModelRows, stratum: IntArray, covariates: Sequence[str]) -> MatchedSample:
    """Weight members by the probability of the other group, and comparison people by that of this.

    Parameters
    ----------
    rows
        Complete rows; `rows.factors` holds every variable of `covariates`.
    stratum
        Shape (n,): exact strata; they enter the propensity score as one factor.
    covariates
        Factors of the propensity score.

    Returns
    -------
    MatchedSample
        Members have weight 1 − e and comparison people e, e the propensity score, each scaled so
        that sampling weight times matching weight sums to the sampling weight of the people
        kept. Strata with one group only are left out. There are no sets, and the people behind
        the gap are those of the overlap, not the members.

    Raises
    ------
    NotEstimable
        No stratum holds both groups, or the propensity score is separated; the terms are named.

    Notes
    -----
    The score equations of the logistic regression are Σ w(m − e)x = 0: both weighted groups have
    the same mean of every term, strata included.

    References
    ----------
    Li, Morgan & Zalinsky (2018), JASA 113(521), theorem 3.
    """
    both = np.isin(stratum, np.intersect1d(stratum[rows.member], stratum[~rows.member]))
    if not both.any():
        raise NotEstimable(
            f"no stratum holds both groups ({int(rows.member.sum())} members and "
            f"{int((~rows.member).sum())} comparison people in {np.unique(stratum).size} strata)"
        )
    named = {"stratum": np.unique(stratum[both], return_inverse=True)[1]}
    kept = _with_stratum(rows.take(both), named)
    log_odds = linear_propensity(kept, ("stratum", *covariates))
    weight = np.zeros(rows.n)
    weight[both] = _scaled(1 / (1 + np.exp(np.where(kept.member, log_odds, -log_odds))), kept)
    return MatchedSample(
        method="overlap", weight=weight, set_id=np.full(rows.n, -1, dtype=np.int64), n_sets=0
    )


def _with_stratum(rows: ModelRows, named: dict[str, IntArray]) -> ModelRows:
    labels = {name: tuple(map(str, range(int(codes.max()) + 1))) for name, codes in named.items()}
    return replace(
        rows,
        factors={**rows.factors, **named},
        factor_levels={**rows.factor_levels, **labels},
    )


def _scaled(weight: FloatArray, rows: ModelRows) -> FloatArray:
    """Weights that sum, times sampling weights, to the sampling weight of each group."""
    result = weight.copy()
    for group in (rows.member, ~rows.member):
        own = rows.weight[group]
        result[group] *= own.sum() / (own @ weight[group])
    return result
