"""Intervals for printed shares: only percentages and bases are known."""

from __future__ import annotations

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from coopgap.gap import Interval, wald

__all__ = [
    "SMALL",
    "clopper_pearson",
    "difference",
    "is_small",
    "newcombe",
    "ratio",
    "ratio_interval",
    "share_interval",
    "wilson",
]

_FARTHEST = 37.0  # standard deviations, beyond which a p-value is 0 in a float

SMALL = 10
"""A comparison with a count below it has exact intervals where there are any."""


def wilson(share: float, n: float, prob: float = 0.95) -> tuple[float, float]:
    """Score interval of one share.

    Parameters
    ----------
    share
        Observed share, 0 to 1.
    n
        People, or an effective number of people.
    prob
        Coverage probability.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference. JASA 22,
    209-212.
    """
    return _score(share, n, float(stats.norm.ppf((1 + prob) / 2)))


def _score(share: float, n: float, z: float) -> tuple[float, float]:
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At 0 and 1 the limit is the share itself, up to rounding.
    return max(float(centre - half), 0.0), min(float(centre + half), 1.0)


def clopper_pearson(share: float, n: float, prob: float = 0.95) -> tuple[float, float]:
    """Exact interval of one share; parameters as in `wilson`.

    References
    ----------
    Clopper & Pearson (1934), Biometrika 26, 404-413; with an effective number of people Korn &
    Graubard (1998), Survey Methodology 24, 193-201.
    """
    found, tail = share * n, (1 - prob) / 2
    lower = 0.0 if share <= 0 else float(stats.beta.ppf(tail, found, n - found + 1))
    upper = 1.0 if share >= 1 else float(stats.beta.ppf(1 - tail, found + 1, n - found))
    return lower, upper


def is_small(share: float, n: float | None) -> bool:
    """Whether fewer than `SMALL` people stand on one side of a share."""
    return n is not None and n * min(share, 1 - share) < SMALL


def share_interval(share: float, n: float, prob: float = 0.95) -> Interval:
    """One share: Wilson's interval, Clopper's and Pearson's where a count is small; no p-value."""
    limits = (clopper_pearson if is_small(share, n) else wilson)(share, n, prob)
    return Interval(share, float(np.sqrt(share * (1 - share) / n)), *limits, np.nan)


def newcombe(
    first: float, n_first: float, second: float, n_second: float | None, prob: float = 0.95
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
        of the widest such interval without zero: below 1 - `prob` exactly where zero is outside.

    References
    ----------
    Newcombe (1998), Interval estimation for the difference between independent proportions:
    comparison of eleven methods. Statistics in Medicine 17, 873-890.
    """
    low0, high0 = (second, second) if n_second is None else wilson(second, n_second, prob)
    found = _hybrid(first, n_first, second, n_second, wilson(first, n_first, prob), (low0, high0))
    return found._replace(p_value=_inverted_p(first, n_first, second, n_second))


def _inverted_p(first: float, n_first: float, second: float, n_second: float | None) -> float:
    """One minus the coverage at which the hybrid score interval reaches zero."""
    if first < second and n_second is not None:
        return _inverted_p(second, n_second, first, n_first)
    gap = abs(first - second)
    upward = first > second

    def excess(z: float) -> float:
        mine = _score(first, n_first, z)[0 if upward else 1]
        other = second if n_second is None else _score(second, n_second, z)[1]
        return float(np.hypot(first - mine, other - second)) - gap

    if gap == 0:
        return 1.0
    if excess(_FARTHEST) < 0:
        return 0.0
    return float(2 * stats.norm.sf(brentq(excess, 0.0, _FARTHEST, xtol=1e-12)))


def _hybrid(
    first: float,
    n_first: float,
    second: float,
    n_second: float | None,
    ends1: tuple[float, float],
    ends0: tuple[float, float],
) -> Interval:
    """Limits of a difference from the limits of each share."""
    gap = first - second
    variance = first * (1 - first) / n_first
    variance += 0.0 if n_second is None else second * (1 - second) / n_second
    std_error = float(np.sqrt(variance))
    return Interval(
        gap,
        std_error,
        gap - float(np.hypot(first - ends1[0], ends0[1] - second)),
        gap + float(np.hypot(ends1[1] - first, second - ends0[0])),
        np.nan,
    )


def difference(
    first: float, n_first: float, second: float, n_second: float | None, prob: float = 0.95
) -> Interval:
    """Difference of two shares, its limits from exact ones where a count is small.

    Parameters
    ----------
    first, n_first, second, n_second, prob
        As in `newcombe`.

    Returns
    -------
    Interval
        `newcombe`; where a count is below `SMALL`, the same hybrid of Clopper-Pearson limits,
        with Fisher's p-value of the nearest whole people, or the binomial one against a fixed
        share.

    Notes
    -----
    Over a grid of both shares the smallest coverage was 96.6 percent with 15 against 20 people and
    94.1 with 30 against 30; of `newcombe` alone 89.7 and 90.2.

    References
    ----------
    Zou & Donner (2008), Statistics in Medicine 27, 1693-1702, for a hybrid of any limits.
    """
    if not (is_small(first, n_first) or is_small(second, n_second)):
        return newcombe(first, n_first, second, n_second, prob)
    ends = (second, second) if n_second is None else clopper_pearson(second, n_second, prob)
    found = _hybrid(first, n_first, second, n_second, clopper_pearson(first, n_first, prob), ends)
    return found._replace(p_value=_exact_p(first, n_first, second, n_second))


def _exact_p(first: float, n_first: float, second: float, n_second: float | None) -> float:
    if n_second is None:
        return float(stats.binomtest(round(first * n_first), round(n_first), second).pvalue)
    return float(stats.fisher_exact(_table(first, n_first, second, n_second)).pvalue)


def _table(first: float, n_first: float, second: float, n_second: float) -> list[list[int]]:
    """Nearest whole people: yes and no of each group."""
    counts = [(round(first * n_first), round(n_first)), (round(second * n_second), round(n_second))]
    return [[yes, n - yes] for yes, n in counts]


def ratio_interval(
    first: float,
    n_first: float,
    second: float,
    n_second: float | None,
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

    def part(share: float, n: float | None) -> tuple[float, float]:
        value = share / (1 - share) if odds else share
        if n is None:
            return value, 0.0
        return value, 1 / (n * share * (1 - share)) if odds else (1 - share) / (n * share)

    (value1, variance1), (value0, variance0) = part(first, n_first), part(second, n_second)
    std_error = float(np.sqrt(variance1 + variance0))
    return wald(value1 / value0, std_error, df=np.inf, prob=prob, null=1.0, log=True)


def ratio(
    first: float,
    n_first: float,
    second: float,
    n_second: float | None,
    *,
    odds: bool,
    prob: float = 0.95,
) -> Interval:
    """Risk ratio or odds ratio, exact limits where a count is small.

    Parameters
    ----------
    first, n_first, second, n_second, odds, prob
        As in `ratio_interval`.

    Returns
    -------
    Interval
        `ratio_interval`; where a count is below `SMALL`, an odds ratio has Fisher's conditional
        limits of the nearest whole people, against a fixed share Clopper's and Pearson's. A risk
        ratio of two small samples keeps Wald limits, for want of an exact interval that is free
        of the common share. The p-value is exact wherever a count is small.
    """
    found = ratio_interval(first, n_first, second, n_second, odds=odds, prob=prob)
    if not (is_small(first, n_first) or is_small(second, n_second)):
        return found
    found = found._replace(p_value=_exact_p(first, n_first, second, n_second))
    if n_second is None:
        ends = (_over(end, second, odds=odds) for end in clopper_pearson(first, n_first, prob))
        return found._replace(**dict(zip(("lower", "upper"), ends, strict=True)))
    if not odds:
        return found
    table = _table(first, n_first, second, n_second)
    limits = stats.contingency.odds_ratio(table, kind="conditional").confidence_interval(prob)
    return found._replace(lower=float(limits.low), upper=float(limits.high))


def _over(share: float, fixed: float, *, odds: bool) -> float:
    if not odds:
        return share / fixed
    return np.inf if share >= 1 else share / (1 - share) * (1 - fixed) / fixed
