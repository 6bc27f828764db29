"""Observed information of a cumulative fit, split by the people or clusters it comes from."""

from __future__ import annotations

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.regression.clusters import sum_by
from coopgap.regression.cumulative import CumulativeFit, curvature, cut_points, split_columns
from coopgap.regression.links import LINKS
from coopgap.regression.ordinal import Problem

_NUMBERS_AT_ONCE = 4_000_000


def cell_information(fit: CumulativeFit, x: FloatArray, counts: FloatArray) -> FloatArray:
    """Observed information of each cell at the estimates, shape (c, p, p).

    Parameters
    ----------
    fit
        From `fit_ordinal`.
    x
        Shape (c, k): design rows.
    counts
        Shape (c, J): sums of weights.

    Notes
    -----
    In the cut points η of a cell the negative Hessian is tridiagonal. Natural parameters move η
    linearly, so the information is DᵀHD with D the derivative of η. Levels that nobody has, and
    thresholds at infinity, add nothing.
    """
    at = curvature(cut_points(fit, x), counts, LINKS[fit.link])
    jacobian = _cut_point_jacobian(fit, x)
    right = at.diagonal[:, :, None] * jacobian
    right[:, :-1] += at.off[:, :, None] * jacobian[:, 1:]
    right[:, 1:] += at.off[:, :, None] * jacobian[:, :-1]
    return np.asarray(jacobian.swapaxes(1, 2) @ right)


def total_information(fit: CumulativeFit, x: FloatArray, counts: FloatArray) -> FloatArray:
    """Observed information of all cells together, shape (p, p); arguments of `cell_information`."""
    fixed, freed = split_columns(x, fit.free)
    sides, link = np.column_stack([-freed, np.ones(len(x))]), LINKS[fit.link]
    at = curvature(cut_points(fit, x), counts, link)
    return Problem(fixed, sides, counts, link).information(at)


def cluster_information(
    fit: CumulativeFit, x: FloatArray, counts: FloatArray, cluster: IntArray
) -> FloatArray:
    """Observed information of each cluster, shape (G, p, p).

    Parameters
    ----------
    fit, x, counts
        As in `cell_information`.
    cluster
        Shape (c,): cluster of each cell.

    Returns
    -------
    FloatArray
        In increasing order of the clusters that have weight; over the levels that somebody has
        the sum is the inverse of `fit.cov`.
    """
    used = np.flatnonzero(counts.sum(axis=1) > 0)
    _, index = np.unique(cluster[used], return_inverse=True)
    p = fit.params.size
    n = int(index.max(initial=-1)) + 1
    total = np.zeros((n, p, p))
    step = max(1, _NUMBERS_AT_ONCE // (p * p))
    for start in range(0, used.size, step):
        rows = used[start : start + step]
        part = cell_information(fit, x[rows], counts[rows])
        total += sum_by(index[start : start + step], part, n)
    return total


def unit_information(fit: CumulativeFit, x: FloatArray) -> FloatArray:
    """Observed information of one person of weight one in cell c at level j, (c, J, p, p)."""
    n_levels = fit.present.size
    by_level = []
    for level in range(n_levels):
        one = np.zeros((len(x), n_levels))
        one[:, level] = fit.present[level]
        by_level.append(cell_information(fit, x, one))
    return np.stack(by_level, axis=1)


def _cut_point_jacobian(fit: CumulativeFit, x: FloatArray) -> FloatArray:
    """Derivative of the cut points in every parameter, shape (c, J − 1, p)."""
    fixed, free = split_columns(x, fit.free)
    cuts, level = fit.thresholds.size, np.arange(fit.thresholds.size)
    jacobian = np.zeros((len(x), cuts, fit.params.size))
    jacobian[:, :, : fit.slopes.size] = -fixed[:, None, :]
    for number, side in enumerate((*-free.T, np.ones(len(x)))):
        start = fit.slopes.size + number * cuts
        jacobian[:, level, start + level] = side[:, None]
    return jacobian
