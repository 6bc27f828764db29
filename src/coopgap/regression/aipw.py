"""Members' margins weighted and modelled at once (augmented inverse probability weighting)."""

from __future__ import annotations

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Margins
from coopgap.regression.clusters import CovarianceKind
from coopgap.regression.covariance import joint_margins
from coopgap.regression.cumulative import (
    CumulativeFit,
    cell_scores,
    probabilities,
    score_products,
    summed_jacobian,
)
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.sampled import Sampled


def doubly_robust(
    fit: CumulativeFit,
    x: FloatArray,
    member_column: int,
    counts: FloatArray,
    squares: FloatArray,
    sampled: Sampled | IntArray | None,
    *,
    z: FloatArray | None = None,
    target: FloatArray | None = None,
    kind: CovarianceKind | None = None,
) -> Margins:
    """Outcome distribution of the members, and of the comparison group at members' covariates.

    Parameters
    ----------
    fit, x, member_column, counts, squares, sampled
        As in `standardise`; column `member_column` of `x` is 0 or 1.
    z
        Shape (c, q − 1): design rows of the membership model, a logit with intercept; the other
        columns of `x` if absent.
    target
        Shape (c,): 1 for cells, of either group, whose covariates belong to the population, else
        0; it may depend on covariates only. All cells if absent.
    kind
        As in `cluster_covariance`, without CR2, CR1S, HC1 and HC3.

    Returns
    -------
    Margins
        `member` are the members' shares. `comparison` is right in large samples if either the
        outcome model or the membership model is. Entries may leave [0, 1] in small samples.

    Raises
    ------
    NotEstimable
        If no member lies in the target, the membership model has no finite estimate (some
        covariates are had by one group only) or there are too few clusters.

    Notes
    -----
    With T the weight of the members, m₀ the predictions as comparison person and o the odds of
    membership, the comparison margin is Σ w {M m₀ + (1 − M) o (1(Y = j) − m₀)}/T. Its
    influence stacks the scores of both models.

    References
    ----------
    Robins, Rotnitzky & Zhao (1994), J. American Statistical Association 89, 846-866.
    Moodie, Saarela & Stephens (2018), Stat 7, e205.
    """
    sampled = Sampled.of(sampled)
    chosen = sampled.require_kind(kind)
    if chosen in ("CR2", "HC3", "CR1S", "HC1"):
        raise ValueError(f"{chosen} is not offered for two models at once")
    inside = np.ones(len(x)) if target is None else target
    member = x[:, member_column] == 1
    weight = counts.sum(axis=1)
    total = float((weight * inside)[member].sum())
    if not total > 0:
        raise NotEstimable("nobody to standardise over")
    inside = inside / total
    share = inside * member
    # The membership model, its odds and what a person moves its coefficients by.
    z = np.delete(x, member_column, axis=1) if z is None else z
    sides = np.eye(2)[member.astype(np.int64)]
    logit = fit_ordinal(z, weight[:, None] * sides)
    odds = np.divide(*probabilities(logit, z).T[::-1])
    moved = cell_scores(logit, z, sides) @ logit.bread
    tilt = inside * ~member * odds
    rows = x.copy()
    rows[:, member_column] = 0.0
    predicted = probabilities(fit, rows)
    residual = counts - weight[:, None] * predicted
    own = share @ counts
    other = (weight * share) @ predicted + tilt @ residual
    by_outcome = summed_jacobian(fit, rows, weight * (share - tilt))
    by_membership = residual.T @ (tilt[:, None] * np.column_stack([z, -np.ones(len(z))]))
    each = np.eye(counts.shape[1])[None]
    influence = tilt[:, None, None] * (each - predicted[:, None])
    influence += (share[:, None] * (predicted - other) + moved @ by_membership.T)[:, None]
    influence += score_products(fit, x, (by_outcome @ fit.bread).T)
    influence = np.concatenate([share[:, None, None] * (each - own), influence], axis=2)
    result = sampled.covariance(influence, counts, squares, kind=chosen)
    return joint_margins(np.concatenate([own, other]), result.cov, result.df, influence)
