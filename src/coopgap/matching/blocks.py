"""Strata in which people are paired, and people of the same point as one row of a problem."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from coopgap.arrays import BoolArray, FloatArray, IntArray
from coopgap.errors import NotEstimable
from coopgap.matching.distances import Distance

__all__ = ["Block", "Side", "blocks", "join_pairs", "running_count"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One group in one stratum, by point.

    Attributes
    ----------
    points
        Shape (a,): the distinct points, as numbered by the distance.
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
        points, where, counts = np.unique(cell[rows], return_inverse=True, return_counts=True)
        return cls(points=points, counts=counts, rows=rows[np.argsort(where, kind="stable")])

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
        No stratum holds both groups.
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


def running_count(label: IntArray) -> IntArray:
    """How often each entry's label stood before it."""
    order = np.argsort(label, kind="stable")
    counts = np.bincount(label)
    starts = np.cumsum(counts) - counts
    result = np.empty(label.size, dtype=np.int64)
    result[order] = np.arange(label.size) - starts[label[order]]
    return result
