"""The exact interval of a difference of two small shares."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from scipy.special import gammaln, xlog1py, xlogy

from coopgap.core.arrays import FloatArray

LARGEST: Final = 10_000
"""Product of the two groups' sizes up to which every table is looked at."""

_NUISANCE = 201  # shares of the second group over which the p-value is the largest
_DIFFERENCES = 81  # from -1 to 1, between which the ends are found by halving
_HALVINGS = 30


class Exact(NamedTuple):
    """Limits of a difference, and the p-value of no difference."""

    lower: float
    upper: float
    p_value: float


@lru_cache(maxsize=512)
def exact_difference(yes1: int, n1: int, yes0: int, n0: int, prob: float = 0.95) -> Exact:
    """Invert the exact unconditional test of the score statistic, two-sided.

    Parameters
    ----------
    yes1, n1
        People with the answer, and all people, in the first group.
    yes0, n0
        In the second; `n1` times `n0` is at most `LARGEST`.
    prob
        Coverage probability.

    Returns
    -------
    Exact
        From the least to the greatest difference whose p-value is 1 - `prob` or more. `p_value` is
        the largest one at no difference and beyond it: below 1 - `prob` exactly where zero lies
        outside the limits.

    Notes
    -----
    Differences are looked at in steps of a fortieth, and the ends by halving: a p-value that rises
    again within a step is not seen. A difference's p-value is the probability, at the shares of the
    second group that make it largest, of a table whose score statistic is at least as far from
    zero as the one observed.

    References
    ----------
    Agresti & Min (2001), On small-sample confidence intervals for parameters in discrete
    distributions. Biometrics 57, 963-971; Miettinen & Nurminen (1985), Statistics in Medicine 4,
    213-226, for the statistic.
    """
    if n1 * n0 > LARGEST:
        raise ValueError(f"at most {LARGEST} tables, not {n1 * n0}")
    if yes1 / n1 < yes0 / n0:
        turned = exact_difference(yes0, n0, yes1, n1, prob)
        return Exact(-turned.upper, -turned.lower, turned.p_value)
    tables = (yes1, n1, yes0, n0)
    gap, alpha = yes1 / n1 - yes0 / n0, 1 - prob
    below = np.unique([*np.linspace(-1, 1, _DIFFERENCES), 0.0])
    above = below[below > gap]
    below = below[below < gap]
    p_below = [_p_value(float(one), *tables) for one in below]
    p_above = [_p_value(float(one), *tables) for one in above[::-1]]
    at_most_none = [p for one, p in zip(below, p_below, strict=True) if one <= 0]
    return Exact(
        _end(below, p_below, gap, alpha, tables),
        _end(above[::-1], p_above, gap, alpha, tables),
        max(at_most_none) if gap > 0 else 1.0,
    )


def _end(
    differences: FloatArray,
    p_values: list[float],
    gap: float,
    alpha: float,
    tables: tuple[int, int, int, int],
) -> float:
    """The first difference, from the outside, that is not refused."""
    kept = [place for place, p in enumerate(p_values) if p >= alpha]
    inside = float(differences[kept[0]]) if kept else gap
    if kept and kept[0] == 0:
        return inside
    outside = float(differences[kept[0] - 1 if kept else -1]) if differences.size else gap
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if _p_value(middle, *tables) >= alpha:
            inside = middle
        else:
            outside = middle
    return inside


def _p_value(difference: float, yes1: int, n1: int, yes0: int, n0: int) -> float:
    """Largest probability of tables as far out as the one observed, if that is the difference."""
    statistic = _score(difference, n1, n0)
    # Tables of the same statistic may differ in its last digits.
    extreme = statistic >= statistic[yes1, yes0] * (1 - 1e-9)
    low, high = max(0.0, -difference), min(1.0, 1.0 - difference)
    second = np.linspace(low, high, _NUISANCE)[:, None]
    first = np.clip(second + difference, 0.0, 1.0)
    chance = _binomial(n1, first) @ extreme.astype(np.float64) * _binomial(n0, second)
    return min(float(chance.sum(axis=1).max()), 1.0)


def _binomial(n: int, share: FloatArray) -> FloatArray:
    """Probabilities of 0 to n, shape (m, n + 1), for shares of shape (m, 1)."""
    yes = np.arange(n + 1)
    return np.exp(_coefficients(n) + xlogy(yes, share) + xlog1py(n - yes, -share))


@lru_cache(maxsize=64)
def _coefficients(n: int) -> FloatArray:
    """Logarithms of the binomial coefficients."""
    yes = np.arange(n + 1)
    found: FloatArray = gammaln(n + 1) - gammaln(yes + 1) - gammaln(n - yes + 1)
    return found


def _score(difference: float, n1: int, n0: int) -> FloatArray:
    """Absolute score statistic of every table, shape (n1 + 1, n0 + 1).

    Its variance is at the likeliest shares with that difference, the root of a cubic equation.
    """
    share1 = np.arange(n1 + 1)[:, None] / n1
    share0 = np.arange(n0 + 1)[None, :] / n0
    ratio = n0 / n1
    a = 1 + ratio
    b = -(1 + ratio + share1 + ratio * share0 + difference * (ratio + 2))
    c = difference**2 + difference * (2 * share1 + ratio + 1) + share1 + ratio * share0
    d = -share1 * difference * (1 + difference)
    v = b**3 / (27 * a**3) - b * c / (6 * a**2) + d / (2 * a)
    u = np.where(v < 0, -1.0, 1.0) * np.sqrt(np.maximum(b**2 / (9 * a**2) - c / (3 * a), 0.0))
    cube = np.divide(v, u**3, out=np.zeros_like(v), where=u != 0)
    angle = (np.pi + np.arccos(np.clip(cube, -1.0, 1.0))) / 3
    likely1 = np.clip(2 * u * np.cos(angle) - b / (3 * a), 0.0, 1.0)
    likely0 = np.clip(likely1 - difference, 0.0, 1.0)
    variance = likely1 * (1 - likely1) / n1 + likely0 * (1 - likely0) / n0
    away = np.abs(share1 - share0 - difference)
    sure = np.where(away > 1e-12, np.inf, 0.0)
    found: FloatArray = np.divide(away, np.sqrt(variance), out=sure, where=variance > 1e-15)
    return found
