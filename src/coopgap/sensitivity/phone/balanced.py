"""Outcome shares of one group beside those of another, balanced to its margins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.gap import Margins
from coopgap.families.difference import Influence
from coopgap.matching.sample import MatchedSample, combined_weight, effective_size
from coopgap.matching.weighting import common_support, entropy_match, margin_columns
from coopgap.sensitivity.phone.sides import require_clusters, side_errors
from coopgap.survey.records import ModelRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Balanced:
    """Margins of a group and of another one balanced to it.

    Attributes
    ----------
    margins
        `member` is the group whose margins are reproduced, `comparison` the balanced group.
    influence
        What each person kept moves them by.
    matched
        The weights.
    lost
        By `VARIABLE=LEVEL`, people of the first group without anybody at their level.
    ess
        Effective size of the balanced group.
    """

    margins: Margins
    influence: Influence
    matched: MatchedSample
    lost: Mapping[str, int]
    ess: float


class Contributions(NamedTuple):
    """Shares of a group and of one balanced to it, person by person.

    Attributes
    ----------
    rows
        The n people kept.
    matched
        Weights of everybody, kept or not.
    shares
        Shape (2, J): of the first group, of the balanced one.
    unit
        Shape (n, 2J): what each person adds to the errors of both, `shares` laid end to end.
    ess
        Effective size of the balanced group.
    """

    rows: ModelRows
    matched: MatchedSample
    shares: FloatArray
    unit: FloatArray
    ess: float


def balanced_margins(rows: ModelRows, covariates: Sequence[str]) -> Balanced:
    """Balance the comparison people of `rows` to the margins of its members.

    Parameters
    ----------
    rows
        The group that gives the margins is `member`; the other one is weighted.
    covariates
        Factors whose margins are reproduced.

    Returns
    -------
    Balanced

    Raises
    ------
    NotEstimable
        The margins cannot be reproduced, or there are too few clusters.

    Notes
    -----
    The covariance counts the weights as estimated. With w the weights, x the margins, B the
    weighted least-squares slopes of the outcome indicators on x within the balanced group and
    t the mean of x in the first group, the balanced share has the linearisation
    Σ w_i (y_i − ȳ − B'(x_i − t)) over the balanced group plus Σ q_j B'(x_j − t) over the first
    one, to which entropy balancing and the regression estimator are both equivalent at first
    order. Contributions are summed by cluster as in `side_errors`: degrees of freedom are those of
    Satterthwaite over the two groups, at most the clusters of both less one.

    References
    ----------
    Zhao & Percival (2017), Journal of Causal Inference 5(1); Deville & Särndal (1992), JASA 87.
    """
    factors = {name: rows.factors[name] for name in covariates}
    labels = {name: rows.factor_levels[name] for name in covariates}
    found = contributions(rows, covariates)
    errors = side_errors(found.unit, found.rows.member, found.rows.zone)
    member, comparison = found.shares
    return Balanced(
        margins=Margins(
            member=member,
            comparison=comparison,
            cov=errors.cov,
            df=errors.df,
            df_of=errors.df_of,
        ),
        influence=_influence(found),
        matched=found.matched,
        lost=common_support(factors, labels, rows.member, rows.numeric).lost,
        ess=found.ess,
    )


def _influence(found: Contributions) -> Influence:
    """Contributions person by person: each is a cell of its own."""
    n = found.rows.n
    return Influence(
        people=found.rows.index,
        cell=np.arange(n),
        level=np.zeros(n, dtype=np.int64),
        weight=np.ones(n),
        unit=found.unit[:, None, :],
        cluster=found.rows.zone,
        second=None,
        corrected=False,
    )


def contributions(rows: ModelRows, covariates: Sequence[str]) -> Contributions:
    """Balance as `balanced_margins` does, and give what each person adds to the errors.

    Raises
    ------
    NotEstimable
        As `balanced_margins`.
    """
    require_clusters(rows)
    factors = {name: rows.factors[name] for name in covariates}
    labels = {name: rows.factor_levels[name] for name in covariates}
    matched = entropy_match(factors, labels, rows.member, rows.weight, rows.numeric)
    kept = rows.take(np.asarray(matched.weight > 0))
    weight = combined_weight(kept.weight, matched.weight[matched.weight > 0])
    n_levels = len(kept.levels)
    answers = np.asarray(kept.outcome[:, None] == np.arange(n_levels), dtype=np.float64)
    x = columns(kept, covariates)
    target, balanced, unit = balanced_units(answers, kept.member, weight, x)
    size = effective_size(weight[~kept.member])
    return Contributions(kept, matched, np.stack([target, balanced]), unit, size)


def columns(rows: ModelRows, covariates: Sequence[str]) -> FloatArray:
    """Columns whose means are balanced, shape (n, k): levels after the first, numbers, in order."""
    parts = (
        margin_columns(name, rows.factors[name], len(rows.factor_levels[name]), rows.numeric)
        for name in covariates
    )
    return np.hstack([np.zeros((rows.n, 0)), *parts])


def balanced_units(
    answers: FloatArray, first: BoolArray, weight: FloatArray, x: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weighted means of both groups and what each person moves them by.

    Parameters
    ----------
    answers
        Shape (n, J).
    first
        Shape (n,): the group whose margins are reproduced.
    weight
        Shape (n,): sampling weight times balancing weight.
    x
        Shape (n, k): what was balanced.

    Returns
    -------
    target, balanced : FloatArray
        Shape (J,): means of the first and of the balanced group.
    unit : FloatArray
        Shape (n, 2J): linearised contributions to `target` and `balanced`, as in
        `balanced_margins`.
    """
    size = answers.shape[1]
    q = weight / np.where(first, weight[first].sum(), weight[~first].sum())
    target, balanced = q[first] @ answers[first], q[~first] @ answers[~first]
    centred = x - q[first] @ x[first]
    fitted = centred @ slopes(centred[~first], answers[~first] - balanced, q[~first])
    unit = np.zeros((first.size, 2 * size))
    unit[first, :size] = answers[first] - target
    unit[:, size:] = np.where(first[:, None], fitted, answers - balanced - fitted)
    return target, balanced, unit * q[:, None]


def slopes(x: FloatArray, y: FloatArray, q: FloatArray) -> FloatArray:
    """Weighted least squares; the minimum-norm solution where margins are collinear.

    Parameters
    ----------
    x
        Shape (n, k): centred, as is `y`.
    y
        Shape (n, J).
    q
        Shape (n,): weights.

    Returns
    -------
    FloatArray
        Shape (k, J).
    """
    root = np.sqrt(q)[:, None]
    return np.asarray(np.linalg.lstsq(x * root, y * root, rcond=1e-10)[0])


def swapped(margins: Margins) -> Margins:
    """The same margins with the groups exchanged."""
    n = margins.member.size
    order: IntArray = np.concatenate([np.arange(n, 2 * n), np.arange(n)])
    df_of = margins.df_of
    return Margins(
        member=margins.comparison,
        comparison=margins.member,
        cov=margins.cov[np.ix_(order, order)],
        df=margins.df,
        df_of=None if df_of is None else lambda direction: df_of(direction[order]),
    )
