"""Predictive mean matching: missing numbers are taken from people of much the same prediction."""

from __future__ import annotations

import numpy as np
from scipy import linalg
from scipy.spatial import KDTree

from coopgap.core.arrays import FloatArray, IntArray

DONORS = 5
"""People among whom one gives the number."""

_RIDGE = 1e-5


def nearest_donors(
    x: FloatArray, y: FloatArray, lacking: FloatArray, rng: np.random.Generator
) -> IntArray:
    """For each person who lacks a number, the person who gives it.

    Parameters
    ----------
    x
        Shape (n, k): columns of the people who answered; no constant.
    y
        Shape (n,): their numbers.
    lacking
        Shape (q, k): columns of the others.
    rng
        Source of every draw.

    Returns
    -------
    IntArray
        Shape (q,): positions among the n.

    Notes
    -----
    Linear regression with a ridge of 1e-5 of the diagonal; its residual variance and slopes are
    drawn from their posterior under a flat prior. Predictions of those who answered are by the
    estimated slopes, of the others by the drawn ones; one of the five nearest, and of all as near
    as the fifth, gives the number at random: with few levels many are predicted alike.

    References
    ----------
    Little (1988), Journal of Business & Economic Statistics 6, 287-296; van Buuren (2018),
    Flexible Imputation of Missing Data, 2nd ed., section 3.4, type 1 matching.
    """
    own, others = (np.column_stack([np.ones(len(one)), one]) for one in (x, lacking))
    cross = own.T @ own
    root = linalg.cholesky(cross + _RIDGE * np.diag(np.diag(cross)), lower=True)
    slopes = linalg.cho_solve((root, True), own.T @ y)
    rest = y - own @ slopes
    sigma = np.sqrt(rest @ rest / rng.chisquare(max(len(y) - own.shape[1], 1)))
    noise = linalg.solve_triangular(root, rng.standard_normal(slopes.size), lower=True, trans="T")
    predicted, drawn = own @ slopes, others @ (slopes + sigma * noise)
    order = np.argsort(predicted, kind="stable")
    near, k = KDTree(predicted[:, None]), min(DONORS, len(y))
    far = near.query(drawn[:, None], k=[k])[0][:, 0] * (1 + 1e-9) + 1e-9 * np.ptp(predicted)
    low = np.searchsorted(predicted[order], drawn - far, side="left")
    high = np.searchsorted(predicted[order], drawn + far, side="right")
    return np.asarray(order[rng.integers(low, high)])
