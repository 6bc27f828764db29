"""Which counts of one group of people may be shown, so that they give none of its small ones away.

Each group is looked at by itself: where groups add up to everybody, as regions or the levels of one
variable do, what the others show may still leave a small count of one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from coopgap.arrays import BoolArray, IntArray

__all__ = [
    "FEW",
    "GIVES_AWAY",
    "SMALLEST_COUNT",
    "Shown",
    "count_words",
    "gives_away",
    "hidden_levels",
    "is_few",
    "shown_counts",
]

SMALLEST_COUNT = 10
"""Numbers with fewer people than this behind them are suppressed."""

FEW = f"fewer than {SMALLEST_COUNT}"
"""What stands in the place of a small count."""

GIVES_AWAY = f"which would show {FEW} people or let them be worked out"
"""Why numbers are suppressed."""

type _Found = tuple[tuple[int, int, int], int]
"""Where a run starts, and what is withheld up to its end: thresholds, levels, and the people on the
smaller side of all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What may be shown of one group's people over J ordered levels.

    Attributes
    ----------
    thresholds
        Shape (J,): whether the people who reach level j may be; at 0 everybody, which always may.
    levels
        Shape (J,): whether the people at level j may be.
    """

    thresholds: BoolArray
    levels: BoolArray


def is_few(number: int) -> bool:
    """Whether a count is above zero and too small to be shown."""
    return 0 < number < SMALLEST_COUNT


def count_words(number: int) -> str:
    """A count of people, or that it is below the smallest one shown."""
    return FEW if is_few(number) else f"{number:,}"


def gives_away(parts: Sequence[int]) -> bool:
    """Whether the total of some counts gives away what the small ones of them are together."""
    return is_few(sum(part for part in parts if is_few(part)))


def shown_counts(people: IntArray) -> Shown:
    """Thresholds and levels of one group that together give no small count away.

    Parameters
    ----------
    people
        Shape (J,): people by level, lowest first. Their total counts as known.

    Returns
    -------
    Shown

    Notes
    -----
    A number is withheld where fewer than ten people are behind it or behind its complement. The
    thresholds that are left cut the levels into runs. The total of a run is the difference of two
    shown numbers, and what the shown levels of a run leave of it is the total of its withheld
    levels; every sum of levels that shown numbers give is made of these. So in no run may the
    withheld levels hold between one and nine people together. Where they would, further levels or
    thresholds are withheld: the fewest thresholds that do, of these the fewest levels, of these
    the fewest people on the smaller side of what is withheld, and of equals the lowest threshold.
    A count of zero may be worked out.

    The choice rests on one group's counts alone, so that tables about the same people agree.

    References
    ----------
    Willenborg & de Waal (2001), Elements of Statistical Disclosure Control, on secondary
    suppression.
    """
    return _chosen(tuple(int(count) for count in people))


@lru_cache(maxsize=4096)
def _chosen(people: tuple[int, ...]) -> Shown:
    """What the cheapest runs show."""
    small = _small(people)
    thresholds = np.zeros(len(people), dtype=np.bool_)
    levels = np.ones(len(people), dtype=np.bool_)
    for start, end in _runs(people, small):
        thresholds[start] = True
        levels[_withheld(people, small, start, end)] = False
    for marks in (thresholds, levels):
        marks.flags.writeable = False
    return Shown(thresholds=thresholds, levels=levels)


def _runs(people: Sequence[int], small: Sequence[bool]) -> list[tuple[int, int]]:
    """The cheapest runs, highest first, by dynamic programming over their ends."""
    total, n_levels = sum(people), len(people)
    below = [sum(people[:start]) for start in range(n_levels)]
    behind = [min(count, total - count) for count in below]
    # A small total has no company to hide in: then everything but the total is withheld.
    nothing: _Found = ((n_levels, n_levels, total), 0)
    best: list[_Found] = [((0, 0, 0), 0)]
    for end in range(1, n_levels + 1):
        found = []
        for start in range(end):
            withheld = _withheld(people, small, start, end)
            if start and behind[start] < SMALLEST_COUNT:
                continue
            if is_few(sum(people[at] for at in withheld)):
                continue
            extra = [people[at] for at in withheld if not small[at]]
            lost = sum(behind[start + 1 : end]) + sum(extra)
            before = best[start][0]
            cost = (before[0] + end - start - 1, before[1] + len(extra), before[2] + lost)
            found.append((cost, start))
        best.append(min(found, default=nothing, key=lambda one: (one[0], -one[1])))
    runs, end = [], n_levels
    while end:
        runs.append((best[end][1], end))
        end = best[end][1]
    return runs


def _withheld(people: Sequence[int], small: Sequence[bool], start: int, end: int) -> list[int]:
    """Levels of a run that are withheld: the small ones, and one more where those are few.

    The one more is the least of the others, whose ten people or more are company enough.
    """
    withheld = [at for at in range(start, end) if small[at]]
    others = [at for at in range(start, end) if not small[at]]
    if others and is_few(sum(people[at] for at in withheld)):
        withheld.append(min(others, key=lambda at: people[at]))
    return withheld


def hidden_levels(people: IntArray) -> BoolArray:
    """Levels without order that are not shown of any of several groups.

    Parameters
    ----------
    people
        Shape (G, J): people by group and level.

    Returns
    -------
    BoolArray
        Shape (J,): whether some group's own counts ask for it, as in one run of `shown_counts`.
    """
    hidden = np.zeros(people.shape[1], dtype=np.bool_)
    for group in people.tolist():
        hidden[_withheld(group, _small(group), 0, len(group))] = True
    return hidden


def _small(people: Sequence[int]) -> list[bool]:
    """Levels of few people, or of all but few."""
    total = sum(people)
    return [min(count, total - count) < SMALLEST_COUNT for count in people]
