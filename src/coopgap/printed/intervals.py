"""Intervals for printed shares: only percentages and bases are known."""

from __future__ import annotations

import numpy as np
from scipy import stats

from coopgap.gap import Interval, wald

__all__ = ["newcombe", "ratio_interval", "wilson"]


def wilson(share: float, n: int, prob: float = 0.95) -> tuple[float, float]:
    """Score interval of one share.

    Parameters
    ----------
    share
        Observed share, 0 to 1.
    n
        People.
    prob
        Coverage probability.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference. JASA 22,
    209-212.
    """
    z = float(stats.norm.ppf((1 + prob) / 2))
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return float(centre - half), float(centre + half)


def newcombe(
    first: float, n_first: int, second: float, n_second: int | None, prob: float = 0.95
) -> Interval:
    """Difference of two shares, hybrid of their score intervals (method 10).

    Parameters
    ----------
    first, n_first
        Share and people of the first group.
    second, n_second
        Of the second; `n_second` None takes its share as fixed, without sampling error.
    prob
        Coverage probability.

    Returns
    -------
    Interval
        `std_error` is the unpooled one; the limits are the hybrid score limits, the p-value that
        of the unpooled z.

    References
    ----------
    Newcombe (1998), Interval estimation for the difference between independent proportions:
    comparison of eleven methods. Statistics in Medicine 17, 873-890.
    """
    low1, high1 = wilson(first, n_first, prob)
    low0, high0 = (second, second) if n_second is None else wilson(second, n_second, prob)
    gap = first - second
    variance = first * (1 - first) / n_first
    variance += 0.0 if n_second is None else second * (1 - second) / n_second
    std_error = float(np.sqrt(variance))
    return Interval(
        gap,
        std_error,
        gap - float(np.hypot(first - low1, high0 - second)),
        gap + float(np.hypot(high1 - first, second - low0)),
        float(2 * stats.norm.sf(abs(gap) / std_error)),
    )


def ratio_interval(
    first: float,
    n_first: int,
    second: float,
    n_second: int | None,
    *,
    odds: bool,
    prob: float = 0.95,
) -> Interval:
    """Risk ratio or odds ratio of two shares, Wald on the logarithm.

    Parameters
    ----------
    first, n_first, second, n_second
        As in `newcombe`; shares strictly between 0 and 1.
    odds
        Odds ratio instead of risk ratio.
    prob
        Coverage probability.
    """

    def part(share: float, n: int | None) -> tuple[float, float]:
        value = share / (1 - share) if odds else share
        if n is None:
            return value, 0.0
        return value, 1 / (n * share * (1 - share)) if odds else (1 - share) / (n * share)

    (value1, variance1), (value0, variance0) = part(first, n_first), part(second, n_second)
    std_error = float(np.sqrt(variance1 + variance0))
    return wald(value1 / value0, std_error, df=np.inf, prob=prob, null=1.0, log=True)
