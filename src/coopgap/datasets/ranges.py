"""What one printed percentage leaves open: the whole-number counts that round to it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache

type Range = tuple[float, float]
"""Lowest and highest value."""


def count_range(percent: float | Fraction, n: int, decimals: int = 0) -> tuple[int, int] | None:
    """Smallest and largest count of n whose percentage rounds to `percent`; None if none does.

    A percentage that falls half way between two printable ones may have been rounded either way.
    """
    value = _fraction(percent, decimals)
    half = Fraction(1, 2 * 10**decimals)
    lowest, highest = math.ceil((value - half) * n / 100), math.floor((value + half) * n / 100)
    lowest, highest = max(lowest, 0), min(highest, n)
    return (lowest, highest) if lowest <= highest else None


def _fraction(percent: float | Fraction, decimals: int) -> Fraction:
    return percent if isinstance(percent, Fraction) else Fraction(f"{percent:.{decimals}f}")


def share_range(percent: float | Fraction, n: int | None, decimals: int = 0) -> Range | None:
    """Lowest and highest share behind a printed percentage; None if no count of n gives it.

    Where no base n is printed, any share that rounds so; `decimals` digits are printed.
    """
    if n is None:
        value, half = _fraction(percent, decimals), Fraction(1, 2 * 10**decimals)
        return float(max(value - half, Fraction(0)) / 100), float(
            min(value + half, Fraction(100)) / 100
        )
    counts = count_range(percent, n, decimals)
    return None if counts is None else (counts[0] / n, counts[1] / n)


@lru_cache(maxsize=1024)
def two_stage_ranges(
    first: float | Fraction, second: float | Fraction, n: int, decimals: tuple[int, int] = (0, 0)
) -> tuple[Range, Range] | None:
    """Lowest and highest share of a second stage, of those who passed the first and of all n.

    Both are printed in percent with so many decimals, the second of those who passed the first:
    its base is not known exactly. None if no counts give the two.
    """
    passed = count_range(first, n, decimals[0])
    bases = range(max(passed[0], 1), passed[1] + 1) if passed else ()
    ends = list(_second_stage(bases, _fraction(second, decimals[1]), decimals[1]))
    if not ends:
        return None
    return (
        (min(low / base for base, (low, _) in ends), max(high / base for base, (_, high) in ends)),
        (min(low for _, (low, _) in ends) / n, max(high for _, (_, high) in ends) / n),
    )


def _second_stage(
    bases: Iterable[int], value: Fraction, decimals: int
) -> Iterator[tuple[int, tuple[int, int]]]:
    """Every base with its smallest and largest count; in whole numbers, for there may be many."""
    half = Fraction(1, 2 * 10**decimals)
    low, high = max(value - half, Fraction(0)) / 100, min(value + half, Fraction(100)) / 100
    for base in bases:
        lowest = -(-low.numerator * base // low.denominator)
        highest = high.numerator * base // high.denominator
        if lowest <= highest:
            yield base, (lowest, highest)
