"""Strata as distinct points, one row of a problem each, and nearest-neighbour matching on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.matching.distances import Distance
from coopgap.matching.sample import MatchedSample, sample_from_pairs

MOST_DISTANCES = 100_000_000
"""In one stratum: 0.8 GB."""

type Order = Literal["largest", "smallest", "random"]
type Ties = Literal["key", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One group in one stratum, by point.

    `points` (a,) are the distinct points, as numbered by the distance, in the order of the rows of
    their first people: among solutions alike a solver takes another where rows stand otherwise.
    `counts` (a,) are the people at each, `rows` (n,) these people point by point, in row order.
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
        """Position in `rows` of the first person at each point, shape (a,)."""
        return np.cumsum(self.counts) - self.counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The two groups of one stratum and the distances between their points, shape (a, b)."""

    member: Side
    comparison: Side
    cost: FloatArray


def blocks(stratum: IntArray, member: BoolArray, distance: Distance) -> Iterator[Block]:
    """Strata that hold both groups, in order; refuses if none does, or one has too many kinds."""
    order = np.argsort(stratum, kind="stable")
    bounds = np.flatnonzero(np.diff(stratum[order])) + 1
    result = False
    for people in np.split(order, bounds):
        is_member = member[people]
        if is_member.all() or not is_member.any():
            continue
        result = True
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
    if not result:
        raise NotEstimable(
            f"no stratum holds both groups ({int(member.sum())} members and "
            f"{int((~member).sum())} comparison people in {bounds.size + 1} strata)"
        )


def join_pairs(parts: list[IntArray], member: BoolArray) -> IntArray:
    """Pairs of all strata, shape (p, 2), by the member's row; refuses if there is none."""
    pairs = np.concatenate([np.zeros((0, 2), dtype=np.int64), *parts])
    if not len(pairs):
        raise NotEstimable(
            f"the caliper leaves no pair ({int(member.sum())} members and "
            f"{int((~member).sum())} comparison people)"
        )
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def count_tied(stratum: IntArray, member: BoolArray, distance: Distance, pairs: IntArray) -> int:
    """Members for whom somebody as near as a person chosen was not; `pairs` are rows (p, 2)."""
    result = 0
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
        result += np.unique(chosen[there[chosen[:, 1]] > times, 0]).size
    return result


def running_count(label: IntArray) -> IntArray:
    """How often each entry's label stood before it."""
    order = np.argsort(label, kind="stable")
    counts = np.bincount(label)
    starts = np.cumsum(counts) - counts
    result = np.empty(label.size, dtype=np.int64)
    result[order] = np.arange(label.size) - starts[label[order]]
    return result


def nearest_match(
    stratum: IntArray,
    member: BoolArray,
    weight: FloatArray,
    distance: Distance,
    *,
    ratio: int = 1,
    replace: bool = False,
    order: Order = "random",
    ties: Ties = "key",
) -> MatchedSample:
    """Greedy matching within strata; arguments as in `nearest_pairs`, weights as from pairs."""
    pairs = nearest_pairs(
        stratum, member, distance, ratio=ratio, replace=replace, order=order, ties=ties
    )
    n_tied = count_tied(stratum, member, distance, pairs)
    if ties == "all":
        n_tied = int((np.bincount(pairs[:, 0]) > ratio).sum())
    return dataclasses.replace(sample_from_pairs("nearest", pairs, member, weight), n_tied=n_tied)


def nearest_pairs(
    stratum: IntArray,
    member: BoolArray,
    distance: Distance,
    *,
    ratio: int = 1,
    replace: bool = False,
    order: Order = "random",
    ties: Ties = "key",
) -> IntArray:
    """Pairs (p, 2) of the greedy matching: one member after the other takes the nearest left.

    Parameters
    ----------
    stratum, member, distance
        People (n,) are paired within strata only; points and caliper of the same people.
    ratio, replace
        Comparison people sought for each member, and whether one may serve several members.
    order
        Which member chooses first: the one with the largest or the smallest propensity score, or
        the first row, `random` where rows stand in a random order. Equal scores choose in row
        order. Without replacement everybody chooses once before anybody chooses a second time.
    ties
        `key`: of equally near people the first rows are taken; with replacement the members of a
        point take turns, so that they do not all get the same person. `all`: with replacement,
        everybody as near as the last one sought is taken.

    References
    ----------
    Rubin (1973), Biometrics 29(1); Ho, Imai, King & Stuart (2011), MatchIt; Abadie & Imbens
    (2006), Econometrica 74(1), for the set of all who are as near as the last one sought.
    """
    if ties == "all" and not replace:
        raise ValueError("without replacement not everybody as near can be taken")
    parts = [
        _with_replacement(block, ratio, ties)
        if replace
        else _without_replacement(block, ratio, _choosers(block, distance.score, order))
        for block in blocks(stratum, member, distance)
    ]
    return join_pairs(parts, member)


def _choosers(block: Block, score: FloatArray, order: Order) -> IntArray:
    """Positions in `block.member.rows` in the order in which they choose."""
    rows = block.member.rows
    if order == "random":
        return np.argsort(rows)
    own = np.repeat(score[block.member.points], block.member.counts)
    return np.lexsort((rows, -own if order == "largest" else own))


def _without_replacement(block: Block, ratio: int, choosers: IntArray) -> IntArray:
    side = block.comparison
    cost = block.cost.copy()
    point = np.repeat(np.arange(block.member.counts.size), block.member.counts)
    following, ends = side.starts.copy(), side.starts + side.counts
    front = side.rows[following]
    result: list[tuple[int, int]] = []
    left = int(side.counts.sum())
    for at in np.tile(choosers, ratio):
        if not left:
            break
        own = cost[point[at]]
        nearest = np.flatnonzero(own == own.min())
        chosen = int(nearest[front[nearest].argmin()]) if nearest.size > 1 else int(nearest[0])
        if np.isinf(own[chosen]):
            continue
        result.append((int(block.member.rows[at]), int(front[chosen])))
        left -= 1
        following[chosen] += 1
        if following[chosen] < ends[chosen]:
            front[chosen] = side.rows[following[chosen]]
        else:
            cost[:, chosen] = np.inf
    return np.asarray(result, dtype=np.int64).reshape(-1, 2)


def _with_replacement(block: Block, ratio: int, ties: Ties) -> IntArray:
    side = block.comparison
    parts: list[IntArray] = []
    for point, own in enumerate(block.cost):
        each = np.repeat(own, side.counts)
        sought = min(ratio, each.size)
        last = np.partition(each, sought - 1)[sought - 1]
        nearer, equal = side.rows[each < last], np.sort(side.rows[each == last])
        places = equal.size if ties == "all" else sought - nearer.size
        if np.isinf(last):
            places = 0
        start = block.member.starts[point]
        people = block.member.rows[start : start + block.member.counts[point]]
        turns = equal[np.arange(people.size * places) % equal.size].reshape(people.size, places)
        chosen = np.hstack([np.tile(nearer, (people.size, 1)), turns])
        parts.append(np.column_stack([np.repeat(people, chosen.shape[1]), chosen.ravel()]))
    return np.concatenate(parts)
