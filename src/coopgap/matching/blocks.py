"""Strata in which people are paired, and people of the same point as one row of a problem."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.matching.distances import Distance

MOST_DISTANCES = 100_000_000
"""In one stratum: 0.8 GB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One group in one stratum, by point.

    Attributes
    ----------
    points
        Shape (a,): the distinct points, as numbered by the distance, in the order of the rows of
        their first people: among solutions alike a solver takes another where rows stand
        otherwise.
    counts
        Shape (a,): people at each.
    rows
        Shape (n,): the people, point by point, in row order at each.
    """

    points: IntArray
    counts: IntArray
    rows: IntArray

    @classmethod
    def of(cls, rows: IntArray, cell: IntArray) -> Side:
        """People `rows`, ascending, whose points are `cell[rows]`."""
        points, first, where, counts = np.unique(
            cell[rows], return_index=True, return_inverse=True, return_counts=True
        )
        order = np.argsort(first)
        place = np.argsort(order)[where]
        return cls(
            points=points[order],
            counts=counts[order],
            rows=rows[np.argsort(place, kind="stable")],
        )

    @property
    def starts(self) -> IntArray:
        """Shape (a,): position in `rows` of the first person at each point."""
        return np.cumsum(self.counts) - self.counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The two groups of one stratum and the distances between their points, shape (a, b)."""

    member: Side
    comparison: Side
    cost: FloatArray


def blocks(stratum: IntArray, member: BoolArray, distance: Distance) -> Iterator[Block]:
    """Strata that hold both groups, in order.

    Raises
    ------
    NotEstimable
        No stratum holds both groups, or one holds too many kinds of people.
    """
    order = np.argsort(stratum, kind="stable")
    bounds = np.flatnonzero(np.diff(stratum[order])) + 1
    found = False
    for people in np.split(order, bounds):
        is_member = member[people]
        if is_member.all() or not is_member.any():
            continue
        found = True
        sides = [Side.of(people[group], distance.cell) for group in (is_member, ~is_member)]
        points = [side.counts.size for side in sides]
        if points[0] * points[1] > MOST_DISTANCES:
            raise NotEstimable(
                f"a stratum holds {points[0]:,} kinds of members and {points[1]:,} kinds of "
                f"comparison people, and at most {MOST_DISTANCES:,} distances are taken: give "
                "finer strata"
            )
        yield Block(
            member=sides[0],
            comparison=sides[1],
            cost=distance.between(sides[0].points, sides[1].points),
        )
    if not found:
        raise NotEstimable(
            f"no stratum holds both groups ({int(member.sum())} members and "
            f"{int((~member).sum())} comparison people in {bounds.size + 1} strata)"
        )


def join_pairs(parts: list[IntArray], member: BoolArray) -> IntArray:
    """Pairs of all strata, shape (p, 2), by the member's row.

    Raises
    ------
    NotEstimable
        There is no pair: no two people of one stratum lie within the caliper.
    """
    pairs = np.concatenate([np.zeros((0, 2), dtype=np.int64), *parts])
    if not len(pairs):
        raise NotEstimable(
            f"the caliper leaves no pair ({int(member.sum())} members and "
            f"{int((~member).sum())} comparison people)"
        )
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def count_tied(stratum: IntArray, member: BoolArray, distance: Distance, pairs: IntArray) -> int:
    """Members for whom their stratum holds somebody as near as a person chosen, who was not chosen.

    Parameters
    ----------
    stratum, member, distance
        What was matched.
    pairs
        Shape (p, 2): rows of a member and a comparison person.
    """
    found = 0
    point = np.zeros(member.size, dtype=np.int64)
    for block in blocks(stratum, member, distance):
        for side in (block.member, block.comparison):
            point[side.rows] = np.repeat(np.arange(side.counts.size), side.counts)
        mine = pairs[stratum[pairs[:, 0]] == stratum[block.member.rows[0]]]
        at, other = point[mine].T
        near = block.cost[at, other]
        # Distances are rounded, so that equal ones are one level.
        levels, level = np.unique(np.column_stack([at, near]), axis=0, return_inverse=True)
        there = np.array(
            [block.comparison.counts[block.cost[int(i)] == d].sum() for i, d in levels]
        )
        chosen, times = np.unique(np.column_stack([mine[:, 0], level]), axis=0, return_counts=True)
        found += np.unique(chosen[there[chosen[:, 1]] > times, 0]).size
    return found


def running_count(label: IntArray) -> IntArray:
    """How often each entry's label stood before it."""
    order = np.argsort(label, kind="stable")
    counts = np.bincount(label)
    starts = np.cumsum(counts) - counts
    result = np.empty(label.size, dtype=np.int64)
    result[order] = np.arange(label.size) - starts[label[order]]
    return result
