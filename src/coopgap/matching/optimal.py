"""Optimal matching: the pairs of least total distance."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from scipy import optimize

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.matching.blocks import (
    Block,
    Side,
    blocks,
    count_tied,
    join_pairs,
    running_count,
)
from coopgap.matching.distances import Distance
from coopgap.matching.sample import MatchedSample
from coopgap.matching.sets import sample_from_pairs
from coopgap.matching.transport import transport

_QUICK = 500_000
"""Pairs of people up to which a stratum is solved person by person: instants, alike or not."""

_DENSE = 25_000_000
"""Pairs of people beyond which the distances of a stratum, person by person, pass a gigabyte."""

_REPEATED = 200
"""Pairs of people a pair of points from which the transportation problem is the faster one."""

Solver = Literal["person", "point"]


def optimal_match(
    stratum: IntArray,
    member: BoolArray,
    weight: FloatArray,
    distance: Distance,
    *,
    ratio: int = 1,
) -> MatchedSample:
    """Optimal matching within strata; arguments as in `optimal_pairs`, weights as from pairs.

    Raises
    ------
    NotEstimable
        No stratum holds both groups, or the caliper leaves no pair.
    """
    pairs = optimal_pairs(stratum, member, distance, ratio=ratio)
    n_tied = count_tied(stratum, member, distance, pairs)
    return replace(sample_from_pairs("optimal", pairs, member, weight), n_tied=n_tied)


def optimal_pairs(
    stratum: IntArray,
    member: BoolArray,
    distance: Distance,
    *,
    ratio: int = 1,
    solver: Solver | None = None,
) -> IntArray:
    """Pairs without replacement of least total distance.

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
    solver
        `person`: an assignment of people; `point`: people at one point are one row of a
        transportation problem. By default the one that `chosen_solver` names, in each stratum.

    Returns
    -------
    IntArray
        Shape (p, 2): rows of a member and a comparison person.

    Raises
    ------
    NotEstimable
        No stratum holds both groups, or the caliper leaves no pair.

    Notes
    -----
    In each stratum first as many members as the caliper and the comparison group allow get
    somebody, then as many pairs as possible are made, and among all such matchings the one of
    least total distance is found. Which of several with the same total is found depends on the
    solver and the order of the rows; it is the same on every run.

    References
    ----------
    Rosenbaum (1989), JASA 84(408); Crouse (2016), IEEE Transactions on Aerospace and Electronic
    Systems 52(4), for the assignment.
    """
    parts = []
    for block in blocks(stratum, member, distance):
        people = int(block.member.counts.sum()) * ratio * int(block.comparison.counts.sum())
        chosen = solver or chosen_solver(people, block.cost.size)
        parts.append((_by_person if chosen == "person" else _by_point)(block, ratio))
    return join_pairs(parts, member)


def chosen_solver(people: int, points: int) -> Solver:
    """Which of the two ways to solve a stratum costs less.

    Parameters
    ----------
    people
        Pairs of a member's seat and a comparison person: `ratio` seats a member.
    points
        Pairs of their distinct points.

    Notes
    -----
    The assignment's time grows with people whether they are alike or not, the transportation
    problem's with distinct points, some hundred times as fast: 600 and 600 people who all differ
    take 0.06 s one way and 12 s the other, 1,000 and 1,000 at 60 points 0.10 s and 0.04 s, 2,000
    and 2,000 at 60 points 0.34 s and 0.03 s.
    Beyond a gigabyte of distances there is the transportation problem alone.
    """
    few_points = people >= _REPEATED * points
    return "point" if people > _QUICK and (few_points or people > _DENSE) else "person"


def _by_person(block: Block, ratio: int) -> IntArray:
    members, others = (
        np.repeat(np.arange(side.counts.size), side.counts)
        for side in (block.member, block.comparison)
    )
    cost = block.cost[np.ix_(np.tile(members, ratio), others)]
    allowed = np.isfinite(cost)
    priced = _priced(cost, allowed, members.size)
    row, column = optimize.linear_sum_assignment(priced)
    made = allowed[row, column]
    at = row[made] % members.size
    return np.column_stack([block.member.rows[at], block.comparison.rows[column[made]]])


def _priced(cost: FloatArray, allowed: BoolArray, n_members: int) -> FloatArray:
    """Distances less a reward, so that more pairs beat any distance and more members any pairs.

    Rows after the first `n_members` are further copies of the members.
    """
    if allowed.all() and len(cost) in (n_members, min(cost.shape)):
        return cost
    pairs = min(cost.shape)
    reach = pairs * float(cost[allowed].max(initial=0.0)) + 1
    reward = np.full((len(cost), 1), reach)
    if len(cost) > n_members:
        reward[:n_members] *= pairs + 1
    return np.where(allowed, cost - reward, 0.0)


def _by_point(block: Block, ratio: int) -> IntArray:
    flow = transport(block.cost, block.member.counts, block.comparison.counts, ratio)
    return _people(flow, block.member, block.comparison)


def _people(flow: IntArray, member: Side, comparison: Side) -> IntArray:
    """Pairs of people from pairs of points.

    Members of a point take turns, so that none gets somebody twice before each has somebody;
    comparison people are taken in row order.
    """
    one, other = np.nonzero(flow)
    one, other = (np.repeat(end, flow[one, other]) for end in (one, other))
    chosen = []
    for side, end, turns in ((member, one, True), (comparison, other, False)):
        turn = running_count(end)
        turn = turn % side.counts[end] if turns else turn
        chosen.append(side.rows[side.starts[end] + turn])
    return np.column_stack(chosen)
