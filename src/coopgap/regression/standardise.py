"""Standardisation (g-computation) of a cumulative fit into the margins of both groups."""

from __future__ import annotations

import numpy as np

from coopgap.arrays import FloatArray, IntArray
from coopgap.errors import NotEstimable
from coopgap.gap import Margins
from coopgap.regression.covariance import unit_covariance
from coopgap.regression.ordinal import (
    CumulativeFit,
    probabilities,
    probability_jacobian,
    unit_scores,
)

__all__ = ["standardise"]


def standardise(
    fit: CumulativeFit,
    x: FloatArray,
    member_column: int,
    target: FloatArray,
    counts: FloatArray,
    squares: FloatArray,
    cluster: IntArray | None,
    *,
    fixed: bool = False,
) -> Margins:
    """Outcome distribution of the target people as members and as comparison people.

    Parameters
    ----------
    fit
        From `fit_ordinal` on `x` and `counts`.
    x
        Shape (c, k): design rows.
    member_column
        Position of the membership indicator in `x`.
    target
        Shape (c,): 1 for cells whose people are standardised over, else 0. A cell enters with
        `target` times its sum of weights.
    counts, squares
        Shape (c, J): sums of weights and of squared weights.
    cluster
        Shape (c,), or None for independent people.
    fixed
        Take the covariates of the target as fixed and the model as true: the delta method on
        the inverse information, for weights that count people. Degrees of freedom are infinite.

    Returns
    -------
    Margins
        By default from stacked scores, so that the target's covariates vary too; with clusters
        CR1 and G − 1 degrees of freedom.

    Raises
    ------
    NotEstimable
        If no weight lies in the target, or there are fewer than two clusters.

    Notes
    -----
    With T the weight of the target, p_c the predictions of cell c and m their mean, one person
    in cell c at level y moves the margins by target_c (p_c − m)/T + D B s_cy, D the mean
    gradient of the predictions, B the inverse information and s the person's score.

    References
    ----------
    Stefanski & Boos (2002), The calculus of M-estimation. The American Statistician 56, 29-38.
    """
    share = target * counts.sum(axis=1)
    total = float(share.sum())
    if not total > 0:
        raise NotEstimable("nobody to standardise over")
    inside = share > 0
    share = share[inside] / total
    predicted, slopes = [], []
    for value in (1.0, 0.0):
        rows = x[inside].copy()
        rows[:, member_column] = value
        predicted.append(probabilities(fit, rows))
        slopes.append(np.einsum("c,cjp->jp", share, probability_jacobian(fit, rows)))
    each, gradient = np.hstack(predicted), np.vstack(slopes)
    margins = share @ each
    n_levels = counts.shape[1]
    if fixed:
        cov, df = gradient @ fit.cov @ gradient.T, np.inf
    else:
        influence = unit_scores(fit, x) @ (gradient @ fit.bread).T
        influence[inside] += (target[inside, None] * (each - margins) / total)[:, None, :]
        found = unit_covariance(influence, counts, squares, cluster)
        cov, df = found.cov, found.df
    return Margins(member=margins[:n_levels], comparison=margins[n_levels:], cov=cov, df=df)
