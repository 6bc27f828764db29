"""Standardisation (g-computation) of a cumulative fit into the margins of both groups."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from coopgap.arrays import BoolArray, FloatArray, IntArray
from coopgap.errors import NotEstimable
from coopgap.gap import Margins
from coopgap.regression.covariance import unit_covariance
from coopgap.regression.cumulative import (
    CumulativeFit,
    probabilities,
    probability_jacobian,
    unit_scores,
)

__all__ = ["margin_influence", "standardise"]


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

    """
    found = _predict(fit, x, member_column, target, counts)
    n_levels = counts.shape[1]
    if fixed:
        cov, df = found.gradient @ fit.cov @ found.gradient.T, np.inf
    else:
        sandwich = unit_covariance(_influence(fit, x, target, found), counts, squares, cluster)
        cov, df = sandwich.cov, sandwich.df
    return Margins(
        member=found.margins[:n_levels], comparison=found.margins[n_levels:], cov=cov, df=df
    )


def margin_influence(
    fit: CumulativeFit, x: FloatArray, member_column: int, target: FloatArray, counts: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Margins of both groups and what one person moves them by.

    Parameters
    ----------
    fit, x, member_column, target, counts
        As in `standardise`.

    Returns
    -------
    margins : FloatArray
        Shape (2J,): members' distribution, then the comparison group's.
    influence : FloatArray
        Shape (c, J, 2J), of a person of weight one in cell c at level j. Two fits on the same
        cells have a joint covariance through it.

    Raises
    ------
    NotEstimable
        If no weight lies in the target.

    Notes
    -----
    With T the weight of the target, p_c the predictions of cell c and m their mean, one person
    in cell c at level y moves the margins by target_c (p_c − m)/T + D B s_cy, D the mean
    gradient of the predictions, B the inverse information and s the person's score.

    References
    ----------
    Stefanski & Boos (2002), The calculus of M-estimation. The American Statistician 56, 29-38.
    """
    found = _predict(fit, x, member_column, target, counts)
    return found.margins, _influence(fit, x, target, found)


class _Predicted(NamedTuple):
    """Predictions, shape (target cells, 2J), their mean and its gradient, shape (2J, p)."""

    inside: BoolArray
    total: float
    each: FloatArray
    margins: FloatArray
    gradient: FloatArray


def _predict(
    fit: CumulativeFit, x: FloatArray, member_column: int, target: FloatArray, counts: FloatArray
) -> _Predicted:
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
    each = np.hstack(predicted)
    return _Predicted(inside, total, each, share @ each, np.vstack(slopes))


def _influence(
    fit: CumulativeFit, x: FloatArray, target: FloatArray, found: _Predicted
) -> FloatArray:
    influence = unit_scores(fit, x) @ (found.gradient @ fit.bread).T
    spread = (found.each - found.margins) / found.total
    influence[found.inside] += (target[found.inside, None] * spread)[:, None, :]
    return np.asarray(influence)
