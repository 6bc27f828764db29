"""What the rounding of several percentages together leaves open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.datasets.ranges import Range

_SLACK = 1e-12


def joint_range(chosen: Sequence[int], ranges: Sequence[Range]) -> Range | None:
    """Range of a sum of some parts of a whole, each known within a range.

    Parameters
    ----------
    chosen
        Positions of the parts that are summed.
    ranges
        Lowest and highest share of every part; they sum to one.

    Returns
    -------
    tuple of float, or None
        Sharp; whole people where the ends are. None if no parts sum to one.
    """
    low, high = (sum(side) for side in zip(*ranges, strict=True))
    if not low - _SLACK <= 1.0 <= high + _SLACK:
        return None
    inside = [ranges[place] for place in chosen]
    outside = [ranges[place] for place in range(len(ranges)) if place not in set(chosen)]
    lowest = max(sum(low for low, _ in inside), 1.0 - sum(high for _, high in outside))
    highest = min(sum(high for _, high in inside), 1.0 - sum(low for low, _ in outside))
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
    ends = []
    for order in (upward, upward[::-1]):
        members, others = _filled(order, member), _filled(order[::-1], other)
        ends.append(float(members @ (others.cumsum() - others / 2)))
    return min(ends), max(ends)


def mixed_range(values: Sequence[float], parts: Sequence[Range]) -> Range | None:
    """Sharp range of the mean of `values` weighted by parts of a whole, each within a range."""
    if joint_range((), parts) is None:
        return None
    weights = np.asarray(values, dtype=np.float64)
    order = np.argsort(weights, kind="stable").tolist()
    low, high = (float(weights @ _filled(way, parts)) for way in (order, order[::-1]))
    return low, high


def _filled(order: Iterable[int], ranges: Sequence[Range]) -> FloatArray:
    """Parts within their ranges that make up one, the first of the order as large as can be."""
    parts = [low for low, _ in ranges]
    left = 1.0 - sum(parts)
    for place in order:
        more = min(left, ranges[place][1] - ranges[place][0])
        parts[place] += more
        left -= more
    return np.array(parts)


def whole_people(shares: Sequence[float], n: int) -> FloatArray:
    """Whole people of n nearest to shares that sum to one, shape (J,), by largest remainders."""
    wanted = np.asarray(shares, dtype=np.float64)
    wanted = wanted / wanted.sum() * n
    people = np.floor(wanted)
    largest = np.argsort(-(wanted - people), kind="stable")[: round(n - people.sum())]
    people[largest] += 1
    return people
