"""Nearest-neighbour matching: one member after the other takes the nearest who is left."""

from __future__ import annotations

from typing import Literal

import numpy as np

from coopgap.arrays import BoolArray, FloatArray, IntArray
from coopgap.matching.blocks import Block, blocks, join_pairs
from coopgap.matching.distances import Distance
from coopgap.matching.sample import MatchedSample
from coopgap.matching.sets import sample_from_pairs

__all__ = ["nearest_match", "nearest_pairs"]

type Order = Literal["largest", "smallest", "data"]


def nearest_match(
    stratum: IntArray,
    member: BoolArray,
    weight: FloatArray,
    distance: Distance,
    *,
    ratio: int = 1,
    replace: bool = False,
    order: Order = "data",
) -> MatchedSample:
    """Greedy matching within strata; arguments as in `nearest_pairs`, weights as from pairs.

    Raises
    ------
    NotEstimable
        No stratum holds both groups, or the caliper leaves no pair.
    """
    pairs = nearest_pairs(stratum, member, distance, ratio=ratio, replace=replace, order=order)
    return sample_from_pairs("nearest", pairs, member, weight)


def nearest_pairs(
    stratum: IntArray,
    member: BoolArray,
    distance: Distance,
    *,
    ratio: int = 1,
    replace: bool = False,
    order: Order = "data",
) -> IntArray:
    """Pairs of the greedy matching.

    Parameters
    ----------
    stratum
        Shape (n,): people are paired within strata only.
    member
        Shape (n,).
    distance
        Points and caliper of the same n people.
    ratio
        Comparison people sought for each member.
    replace
        Whether a comparison person may serve several members.
    order
        Which member chooses first: the one with the largest or the smallest propensity score, or
        the first row. Equal scores choose in row order.

    Returns
    -------
    IntArray
        Shape (p, 2): rows of a member and a comparison person. Without replacement everybody
        chooses once before anybody chooses a second time. Of equally near people the first row
        is taken.

    Raises
    ------
    NotEstimable
        No stratum holds both groups, or the caliper leaves no pair.

    References
    ----------
    Rubin (1973), Biometrics 29(1); Ho, Imai, King & Stuart (2011), MatchIt.
    """
    choose = _with_replacement if replace else _without_replacement
    parts = [
        choose(block, ratio, _choosers(block, distance.score, order))
        for block in blocks(stratum, member, distance)
    ]
    return join_pairs(parts, member)


def _choosers(block: Block, score: FloatArray, order: Order) -> IntArray:
    """Positions in `block.member.rows` in the order in which they choose."""
    rows = block.member.rows
    if order == "data":
        return np.argsort(rows)
    own = np.repeat(score[block.member.points], block.member.counts)
    return np.lexsort((rows, -own if order == "largest" else own))


def _without_replacement(block: Block, ratio: int, choosers: IntArray) -> IntArray:
    side = block.comparison
    cost = block.cost.copy()
    point = np.repeat(np.arange(block.member.counts.size), block.member.counts)
    following, ends = side.starts.copy(), side.starts + side.counts
    front = side.rows[following]
    found: list[tuple[int, int]] = []
    left = int(side.counts.sum())
    for at in np.tile(choosers, ratio):
        if not left:
            break
        own = cost[point[at]]
        nearest = np.flatnonzero(own == own.min())
        chosen = int(nearest[front[nearest].argmin()]) if nearest.size > 1 else int(nearest[0])
        if np.isinf(own[chosen]):
            continue
        found.append((int(block.member.rows[at]), int(front[chosen])))
        left -= 1
        following[chosen] += 1
        if following[chosen] < ends[chosen]:
            front[chosen] = side.rows[following[chosen]]
        else:
            cost[:, chosen] = np.inf
    return np.asarray(found, dtype=np.int64).reshape(-1, 2)


def _with_replacement(block: Block, ratio: int, choosers: IntArray) -> IntArray:
    side = block.comparison
    parts: list[IntArray] = []
    for point, own in enumerate(block.cost):
        each = np.repeat(own, side.counts)
        nearest = np.lexsort((side.rows, each))[:ratio]
        chosen = side.rows[nearest[np.isfinite(each[nearest])]]
        start = block.member.starts[point]
        people = block.member.rows[start : start + block.member.counts[point]]
        parts.append(
            np.column_stack([np.repeat(people, chosen.size), np.tile(chosen, people.size)])
        )
    return np.concatenate(parts)
