"""Quantiles and tails of the normal, t, chi-square and F distributions, and max-t bands.

Tails are the functions that `scipy.stats` calls in the end, with the same digits. Its methods take
a hundred times as long for one number. SciPy loads its parts when they are asked for, so that a dry
run, which asks for none, does not wait for them.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy

from coopgap.core.arrays import FloatArray

_DIRECTIONS_LOG2, _GROUPS = 13, 256
_RANK = 1e-9


@lru_cache(maxsize=4096)
def t_quantile(prob: float, df: float) -> float:
    """Quantile of Student's t; of the normal if `df` is infinite, NaN if it is not positive."""
    if prob == 0 and df > 0:
        return -math.inf
    return float(scipy.special.stdtrit(df, prob)) if df > 0 else math.nan


def t_above(value: float, df: float) -> float:
    """P(T > value) of Student's t; of the normal if `df` is infinite, NaN if it is not positive."""
    return float(scipy.special.stdtr(df, -value)) if df > 0 else math.nan


def normal_quantile(prob: float) -> float:
    """Quantile of the standard normal."""
    return float(scipy.special.ndtri(prob))


def normal_above(value: float) -> float:
    """P(Z > value) of the standard normal."""
    return float(scipy.special.ndtr(-value))


def chi2_above(value: float, df: float) -> float:
    """P(X > value) of the chi-square, value not below 0, df finite; NaN if it is not positive."""
    return float(scipy.special.chdtrc(df, value)) if df > 0 else math.nan


def f_above(value: float, df: float, df_error: float) -> float:
    """P(X > value) of the F, value not below 0, both df finite; NaN if one is not positive."""
    return float(scipy.special.fdtrc(df, df_error, value)) if min(df, df_error) > 0 else math.nan


class Band(NamedTuple):
    """A critical value for all estimates together, and each one's p-value adjusted for all."""

    critical: float
    p_values: FloatArray


def max_t_band(
    estimates: FloatArray, cov: FloatArray, df: float, prob: float = 0.95
) -> Band | None:
    """The value that the largest of several |t| stays below with probability `prob`.

    Parameters
    ----------
    estimates
        Shape (k,): differences from what is tested.
    cov
        Shape (k, k): their covariance.
    df
        Degrees of freedom of the t distribution; infinity for the normal.
    prob
        Probability of the whole band.

    Returns
    -------
    Band or None
        `p_values` are the probability of a largest |t| beyond each one's own. None where no
        estimate has a variance; estimates without one take no part and have no p-value.

    Notes
    -----
    With T = Lu·R, LLᵀ the correlation of rank r, u uniform on the sphere and R²/r distributed as
    F(r, df), P(max|T| ≤ c) is the mean over u of F_{r,df}((c/max|Lu|)²/r). The radius is
    integrated exactly and the directions by fixed low-discrepancy points, so that the same
    covariance has the same band; the error of c is below 1e-3 for up to four
    estimates and below 2.5e-3 for up to nine.

    References
    ----------
    Genz & Bretz (2009), Computation of Multivariate Normal and t Probabilities, chapter 4.
    Hothorn, Bretz & Westfall (2008), Biometrical Journal 50, 346-363.
    """
    variances = np.diag(cov)
    used = variances > _RANK * max(float(variances.max(initial=0.0)), 0.0)
    if not used.any():
        return None
    errors = np.sqrt(variances[used])
    reach = _reach(cov[np.ix_(used, used)] / np.outer(errors, errors))
    p_values = np.full(estimates.shape, np.nan)
    p_values[used] = [_beyond(reach, abs(t), df) for t in estimates[used] / errors]
    low, high = (-t_quantile((1 - prob) / 2 / k, df) for k in (1, int(used.sum())))
    if high - low < 1e-9:
        return Band(low, p_values)
    critical = scipy.optimize.brentq(
        lambda c: _beyond(reach, c, df) - (1 - prob), low - 1e-6, high + 1e-3, xtol=1e-7
    )
    return Band(float(critical), p_values)


class _Reach(NamedTuple):
    """max|Lu| over directions u, means of groups of like ones, and the rank r."""

    most: FloatArray
    rank: int


def _reach(correlation: FloatArray) -> _Reach:
    values, vectors = np.linalg.eigh(correlation)
    kept = values > _RANK * values[-1]
    half = vectors[:, kept] * np.sqrt(values[kept])
    rank = int(kept.sum())
    most = np.sort(np.abs(_directions(rank) @ half.T).max(axis=1))
    # Chances are smooth in max|Lu|: the mean of a narrow group stands for it to 1e-6.
    groups = most.reshape(min(_GROUPS, most.size), -1)
    return _Reach(groups.mean(axis=1), rank)


def _beyond(reach: _Reach, c: float, df: float) -> float:
    """P(max|T| > c)."""
    if c <= 0:
        return 1.0
    squared = (c / reach.most) ** 2
    if np.isinf(df):
        return float(scipy.special.chdtrc(reach.rank, squared).mean())
    return float(scipy.special.fdtrc(reach.rank, df, squared / reach.rank).mean())


@lru_cache(maxsize=16)
def _directions(rank: int) -> FloatArray:
    """Points spread over the unit sphere of a dimension; max|Lu| is the same at u and −u."""
    n = 2**_DIRECTIONS_LOG2
    if rank == 1:
        return np.ones((1, 1))
    if rank == 2:
        angle = np.pi * (np.arange(n) + 0.5) / n
        return np.column_stack([np.cos(angle), np.sin(angle)])
    points = scipy.stats.qmc.Sobol(rank, scramble=True, rng=20200131).random(n)
    normal = scipy.special.ndtri(np.clip(points, 1e-12, 1 - 1e-12))
    return np.asarray(normal / np.linalg.norm(normal, axis=1, keepdims=True))
