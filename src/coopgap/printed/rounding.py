"""What the rounding of several percentages together leaves open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.datasets.ranges import Range

_SLACK = 1e-12


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
