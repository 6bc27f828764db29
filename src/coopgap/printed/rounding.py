"""What rounding hides: the whole-number counts that agree with a printed percentage."""

from __future__ import annotations

import math
from fractions import Fraction

__all__ = ["count_range", "share_range", "two_stage_ranges"]

_HALF = Fraction(1, 2)


def count_range(percent: float, n: int) -> tuple[int, int] | None:
    """Smallest and largest count of n whose percentage rounds to `percent`; None if none does.

    A percentage that falls half way between two whole ones may have been rounded either way.
    """
    value = Fraction(percent)
    lowest = math.ceil((value - _HALF) * n / 100)
    highest = math.floor((value + _HALF) * n / 100)
    lowest, highest = max(lowest, 0), min(highest, n)
    return (lowest, highest) if lowest <= highest else None


def share_range(percent: float, n: int | None) -> tuple[float, float]:
    """Lowest and highest share behind a printed percentage.

    Parameters
    ----------
    percent
        As printed, in whole percent.
    n
        The base; None where none is printed: then any share within half a point.

    Raises
    ------
    ValueError
        If no count of n gives the percentage.
    """
    if n is None:
        return max(percent - 0.5, 0.0) / 100, min(percent + 0.5, 100.0) / 100
    counts = count_range(percent, n)
    if counts is None:
        raise ValueError(f"no count of {n} rounds to {percent:g} percent")
    return counts[0] / n, counts[1] / n


def two_stage_ranges(
    first: float, second: float, n: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ranges behind two rounded stages, the second of those who pass the first.

    Parameters
    ----------
    first
        Percent of n that pass the first stage, as printed.
    second
        Percent of those that pass the second, as printed: its base is not known exactly.
    n
        People.

    Returns
    -------
    of_passed, of_all : tuple of float
        Lowest and highest share of the second stage, of those who passed and of all n.

    Raises
    ------
    ValueError
        If no counts give the two percentages.
    """
    passed = count_range(first, n)
    bases = range(passed[0], passed[1] + 1) if passed else ()
    ends = [(base, counts) for base in bases if (counts := count_range(second, base))]
    if not ends:
        raise ValueError(f"no counts of {n} round to {first:g} and then {second:g} percent")
    return (
        (min(low / base for base, (low, _) in ends), max(high / base for base, (_, high) in ends)),
        (min(low for _, (low, _) in ends) / n, max(high for _, (_, high) in ends) / n),
    )
