"""What rounding hides: the whole-number counts that agree with printed percentages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np

from coopgap.arrays import FloatArray

__all__ = [
    "Range",
    "count_range",
    "joint_range",
    "mixed_range",
    "share_range",
    "superiority_range",
    "two_stage_ranges",
    "whole_people",
]

type Range = tuple[float, float]
"""Lowest and highest value."""

_SLACK = 1e-12


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
    """Lowest and highest share behind a printed percentage.

    Parameters
    ----------
    percent
        As printed.
    n
        The base; None where none is printed: then any share that rounds so.
    decimals
        Digits printed behind the decimal point.

    Returns
    -------
    tuple of float, or None
        None if no count of n gives the percentage.
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
    first: float | Fraction,
    second: float | Fraction,
    n: int,
    decimals: tuple[int, int] = (0, 0),
) -> tuple[Range, Range] | None:
    """Ranges behind two rounded stages, the second of those who pass the first.

    Parameters
    ----------
    first
        Percent of n that pass the first stage, as printed.
    second
        Percent of those that pass the second, as printed: its base is not known exactly.
    n
        People.
    decimals
        Digits printed behind the decimal points.

    Returns
    -------
    of_passed, of_all : tuple of float
        Lowest and highest share of the second stage, of those who passed and of all n; None if no
        counts give the two percentages.
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


def joint_range(chosen: Sequence[int], ranges: Sequence[Range], total: float = 1.0) -> Range | None:
    """Range of a sum of some parts of a whole, each known within a range.

    Parameters
    ----------
    chosen
        Positions of the parts that are summed.
    ranges
        Lowest and highest value of every part, in shares or in people.
    total
        What all parts sum to.

    Returns
    -------
    tuple of float, or None
        Sharp; whole numbers where the ranges and the total are. None if no parts sum to it.
    """
    low, high = (sum(side) for side in zip(*ranges, strict=True))
    if not low - _SLACK <= total <= high + _SLACK:
        return None
    inside = [ranges[place] for place in chosen]
    outside = [ranges[place] for place in range(len(ranges)) if place not in set(chosen)]
    lowest = max(sum(one[0] for one in inside), total - sum(one[1] for one in outside))
    highest = min(sum(one[1] for one in inside), total - sum(one[0] for one in outside))
    # One possible value may come out as two that differ in their last digit.
    return min(lowest, highest), highest


def superiority_range(member: Sequence[Range], other: Sequence[Range]) -> Range | None:
    """Range of P(member above other) + half P(equal) over rounded shares of ordered levels.

    Parameters
    ----------
    member, other
        Lowest and highest share of each level, lowest level first; every level's ends are
        themselves possible shares, as whole people over a base are.

    Returns
    -------
    tuple of float, or None
        None if a group's shares cannot sum to one.

    Notes
    -----
    The value rises whenever a member moves up a level and falls whenever another does. Filling the
    levels from one end, as far as the ranges allow, puts as many people as can be beyond every
    cut at once, so its extremes lie where both groups are filled, from opposite ends.
    """
    if joint_range((), member) is None or joint_range((), other) is None:
        return None
    upward = range(len(member))
    downward = upward[::-1]
    ends = []
    for order in (upward, downward):
        mine, others = _filled(order, member), _filled(order[::-1], other)
        ends.append(float(mine @ (others.cumsum() - others / 2)))
    return min(ends), max(ends)


def mixed_range(values: Sequence[float], parts: Sequence[Range]) -> Range | None:
    """Range of a weighted mean whose weights are parts of a whole, each known within a range.

    Parameters
    ----------
    values
        What is averaged, one a part.
    parts
        Lowest and highest share of each part.

    Returns
    -------
    tuple of float, or None
        Sharp; None if no parts sum to one.
    """
    if joint_range((), parts) is None:
        return None
    weights = np.asarray(values, dtype=np.float64)
    return _least(weights, parts), -_least(-weights, parts)


def _least(weights: FloatArray, ranges: Sequence[Range]) -> float:
    """Smallest weighted sum of parts within their ranges that make up one."""
    return float(weights @ _filled(np.argsort(weights, kind="stable").tolist(), ranges))


def _filled(order: Iterable[int], ranges: Sequence[Range]) -> FloatArray:
    """Parts within their ranges that make up one, the first of the order as large as can be."""
    parts = [one[0] for one in ranges]
    left = 1.0 - sum(parts)
    for place in order:
        more = min(left, ranges[place][1] - ranges[place][0])
        parts[place] += more
        left -= more
    return np.array(parts)


def whole_people(shares: Sequence[float], n: int) -> FloatArray:
    """Whole people of n nearest to shares that sum to one, by largest remainders.

    Returns
    -------
    FloatArray
        Shape (J,), summing to n.
    """
    wanted = np.asarray(shares, dtype=np.float64)
    wanted = wanted / wanted.sum() * n
    people = np.floor(wanted)
    left = round(n - people.sum())
    largest = np.argsort(-(wanted - people), kind="stable")[:left]
    people[largest] += 1
    return people
