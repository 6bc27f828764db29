"""Covariance of estimates that were made again with each replicate weight, or nearly so."""

from __future__ import annotations

import numpy as np

from coopgap.core.arrays import FloatArray


def replicate_deviations(
    estimates: FloatArray, scale: float, rscales: FloatArray | None = None
) -> FloatArray:
    """Deviations of R replicates whose products are variances and covariances.

    Parameters
    ----------
    estimates
        Shape (R, q): with each replicate weight; or what each moves the estimates by.
    scale, rscales
        Factor of all squares, and shape (R,) of each replicate's, ones if absent.

    Returns
    -------
    FloatArray
        D of shape (R, q): DᵀD is the covariance, with R − 1 degrees of freedom.

    Notes
    -----
    With θ_r the estimates, a the scale, b_r the factors and θ̄ the mean of the replicates of
    positive factor, the covariance is a Σ b_r (θ_r − θ̄)(θ_r − θ̄)ᵀ: that of `svrVar` of R's
    survey, whose default, `mse = FALSE`, takes deviations from the mean of the replicates.

    References
    ----------
    Wolter (2007), Introduction to Variance Estimation, chapters 3 to 5. Lumley (2010), Complex
    Surveys, chapter 2.
    """
    rscales = np.ones(len(estimates)) if rscales is None else rscales
    root = np.sqrt(scale * rscales)
    return np.asarray((estimates - estimates[rscales > 0].mean(axis=0)) * root[:, None])


def replicate_covariance(
    estimates: FloatArray, scale: float, rscales: FloatArray | None = None
) -> FloatArray:
    """Covariance of q estimates by R replicates, shape (q, q), as in `replicate_deviations`."""
    away = replicate_deviations(estimates, scale, rscales)
    return np.asarray(away.T @ away)


def linearised_replicates(
    moves: FloatArray, weight: FloatArray, replicates: FloatArray
) -> FloatArray:
    """What each replicate moves estimates by to first order, shape (R, q).

    `moves` (m, q) is what each person adds with all their weight, `weight` (m,) their sampling
    weight and `replicates` (m, R) that of each replicate: Σ (w_ri/w_i − 1) moves_i. Whatever else
    a person's weight is made of, such as a matching weight, is held fixed.
    """
    return np.asarray((replicates / weight[:, None] - 1).T @ moves)
