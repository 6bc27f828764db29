"""Nearest-neighbour matching: one member after the other takes the nearest who is left."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.matching.blocks import Block, blocks, count_tied, join_pairs
from coopgap.matching.distances import Distance
from coopgap.matching.sample import MatchedSample
from coopgap.matching.sets import sample_from_pairs

type Order = Literal["largest", "smallest", "random"]
type Ties = Literal["key", "all"]


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
    """Greedy matching within strata; arguments as in `nearest_pairs`, weights as from pairs.

    Raises
    ------
    NotEstimable
        No stratum holds both groups, or the caliper leaves no pair.
    """
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
        the first row, `random` where rows stand in a random order. Equal scores choose in row
        order.
    ties
        `key`: of equally near people the first rows are taken; with replacement the members of a
        point take turns, so that they do not all get the same person. `all`: with replacement,
        everybody as near as the last one sought is taken.

    Returns
    -------
    IntArray
        Shape (p, 2): rows of a member and a comparison person. Without replacement everybody
        chooses once before anybody chooses a second time.

    Raises
    ------
    NotEstimable
        No stratum holds both groups, or the caliper leaves no pair.

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
