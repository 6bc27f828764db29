"""Quantiles and tails of the normal, t, chi-square and F distributions.

They are the functions that `scipy.stats` calls in the end, with the same digits. Its methods take a
hundred times as long for one number, and half a second to import, which a dry run would wait for.
"""

from __future__ import annotations

import math
from functools import lru_cache

from scipy import special

__all__ = ["chi2_above", "f_above", "normal_above", "normal_quantile", "t_above", "t_quantile"]


@lru_cache(maxsize=4096)
def t_quantile(prob: float, df: float) -> float:
    """Quantile of Student's t; of the normal if `df` is infinite, NaN if it is not positive."""
    if prob == 0 and df > 0:
        return -math.inf
    return float(special.stdtrit(df, prob)) if df > 0 else math.nan


def t_above(value: float, df: float) -> float:
    """P(T > value) of Student's t; of the normal if `df` is infinite, NaN if it is not positive."""
    return float(special.stdtr(df, -value)) if df > 0 else math.nan


def normal_quantile(prob: float) -> float:
    """Quantile of the standard normal."""
    return float(special.ndtri(prob))


def normal_above(value: float) -> float:
    """P(Z > value) of the standard normal."""
    return float(special.ndtr(-value))


def chi2_above(value: float, df: float) -> float:
    """P(X > value) of the chi-square, value not below 0, df finite; NaN if it is not positive."""
    return float(special.chdtrc(df, value)) if df > 0 else math.nan


def f_above(value: float, df: float, df_error: float) -> float:
    """P(X > value) of the F, value not below 0, both df finite; NaN if one is not positive."""
    return float(special.fdtrc(df, df_error, value)) if min(df, df_error) > 0 else math.nan
