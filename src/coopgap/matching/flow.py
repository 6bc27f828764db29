"""Optimal and full matching: pairs, or sets, of least total distance."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from scipy import optimize, sparse

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.matching.distances import Distance
from coopgap.matching.nearest import Block, Side, blocks, count_tied, join_pairs, running_count
from coopgap.matching.sample import MatchedSample, sample_from_pairs, sample_from_sets

_QUICK = 500_000
"""Pairs of people up to which a stratum is solved person by person: instants, alike or not."""

_DENSE = 25_000_000
"""Pairs of people beyond which the distances of a stratum, person by person, pass a gigabyte."""

_REPEATED = 200
"""Pairs of people a pair of points from which the transportation problem is the faster one."""

Solver = Literal["person", "point"]

SOLVER_SECONDS = 300.0
"""Of one stratum."""

MOST_PAIRS = 5_000_000
"""Of points in one stratum: beyond, the linear programme passes some gigabytes."""


def optimal_match(
    stratum: IntArray,
    member: BoolArray,
    weight: FloatArray,
    distance: Distance,
    *,
    ratio: int = 1,
) -> MatchedSample:
    """Optimal matching within strata; arguments as in `optimal_pairs`, weights as from pairs."""
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
    """Pairs (p, 2) without replacement of least total distance.

    `ratio` comparison people are sought for each member. `solver` is an assignment of each
    `person`, or by `point` a transportation problem in which people at one point are one row; by
    default the one that `chosen_solver` names, in each stratum. Raises NotEstimable if no stratum
    holds both groups, or the caliper leaves no pair.

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
    """Which way to solve a stratum costs less, by its pairs of people and of distinct points.

    The assignment's time grows with people whether they are alike or not, the transportation
    problem's with distinct points, some hundred times as fast: 600 and 600 people who all differ
    take 0.06 s one way and 12 s the other, 1,000 and 1,000 at 60 points 0.10 s and 0.04 s, 2,000
    and 2,000 at 60 points 0.34 s and 0.03 s. Beyond a gigabyte of distances there is the
    transportation problem alone.
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


def full_match(
    stratum: IntArray,
    member: BoolArray,
    weight: FloatArray,
    distance: Distance,
    *,
    max_comparison: int | None = None,
    max_members: int | None = None,
) -> MatchedSample:
    """Full matching within strata; arguments as in `full_sets`, weights set by set."""
    sets = full_sets(
        stratum, member, distance, max_comparison=max_comparison, max_members=max_members
    )
    ends = np.flatnonzero((sets >= 0) & (sets != np.arange(sets.size)))
    pairs = np.column_stack([ends, sets[ends]])
    turned = ~member[ends]
    pairs[turned] = pairs[turned, ::-1]
    n_tied = count_tied(stratum, member, distance, pairs)
    return replace(sample_from_sets("full", sets, member, weight), n_tied=n_tied)


def full_sets(
    stratum: IntArray,
    member: BoolArray,
    distance: Distance,
    *,
    max_comparison: int | None = None,
    max_members: int | None = None,
) -> IntArray:
    """Sets of the full matching (n,): the row of one person of the set, -1 for people in none.

    None are people in strata with one group only, and those without anybody within the caliper.
    `max_comparison` and `max_members` limit the comparison people to a member, and the reverse.
    Raises NotEstimable if no stratum holds both groups, the caliper leaves nobody, or the limits
    cannot be met.

    Notes
    -----
    The sets of least total distance between members and comparison people of the same set are a
    minimum-cost edge cover: everybody is paired at least once. Without limits a pair farther
    apart than its two ends' nearest people together is never needed and is left out at once.

    References
    ----------
    Rosenbaum (1991), JRSS B 53(3); Hansen & Klopfer (2006), Journal of Computational and
    Graphical Statistics 15(3).
    """
    sets = np.full(member.size, -1, dtype=np.int64)
    limits = (max_comparison, max_members)
    for block in blocks(stratum, member, distance):
        reached = np.isfinite(block.cost)
        one, other = reached.any(axis=1), reached.any(axis=0)
        if not one.any():
            continue
        inside = Block(
            member=_part(block.member, one),
            comparison=_part(block.comparison, other),
            cost=block.cost[np.ix_(one, other)],
        )
        _label(sets, inside, _tidy(_cover(inside, *limits), inside))
    if (sets < 0).all():
        raise NotEstimable(
            f"the caliper leaves nobody of {int(member.sum())} members and "
            f"{int((~member).sum())} comparison people"
        )
    return sets


def _part(side: Side, keep: BoolArray) -> Side:
    people = np.repeat(keep, side.counts)
    return Side(points=side.points[keep], counts=side.counts[keep], rows=side.rows[people])


def _cover(block: Block, max_comparison: int | None, max_members: int | None) -> IntArray:
    """Pairs between points of least total distance that leave nobody without one."""
    members, others = block.member.counts, block.comparison.counts
    wanted = np.isfinite(block.cost)
    if max_comparison is None and max_members is None:
        wanted &= block.cost <= block.cost.min(axis=1)[:, None] + block.cost.min(axis=0)
    one, other = np.nonzero(wanted)
    at, ones = np.arange(one.size), np.ones(one.size)
    ends = [
        sparse.csr_array((ones, (one, at)), shape=(members.size, one.size)),
        sparse.csr_array((ones, (other, at)), shape=(others.size, one.size)),
    ]
    rows, bounds = [-end for end in ends], [-members, -others]
    for end, counts, most in zip(
        ends, (members, others), (max_comparison, max_members), strict=True
    ):
        if most is not None:
            rows.append(end)
            bounds.append(counts * most)
    try:
        result = whole_solution(
            cost=block.cost[one, other],
            upper=np.full(one.size, np.inf),
            equal=None,
            equal_to=None,
            less=sparse.csr_array(sparse.vstack(rows)),
            less_than=np.concatenate(bounds).astype(np.float64),
        )
    except ValueError as error:
        raise NotEstimable(
            f"{int(members.sum())} members and {int(others.sum())} comparison people of one "
            f"stratum do not fit into sets within {_named(max_comparison, max_members)}"
        ) from error
    flow = np.zeros(block.cost.shape, dtype=np.int64)
    flow[one, other] = result
    return flow


def _named(max_comparison: int | None, max_members: int | None) -> str:
    limits = {"max_comparison": max_comparison, "max_members": max_members}
    return " and ".join(f"{key} = {value}" for key, value in limits.items() if value is not None)


def _tidy(flow: IntArray, block: Block) -> IntArray:
    """Take away pairs whose two points both have more than they need: sets become stars."""
    flow = flow.copy()
    spare_member = flow.sum(axis=1) - block.member.counts
    spare_other = flow.sum(axis=0) - block.comparison.counts
    for one, other in np.argwhere(flow > 0):
        extra = min(flow[one, other], spare_member[one], spare_other[other])
        if extra > 0:
            flow[one, other] -= extra
            spare_member[one] -= extra
            spare_other[other] -= extra
    return flow


def _label(sets: IntArray, block: Block, flow: IntArray) -> None:
    """Write the row of each set's centre over its people.

    At a point with as many pairs as people everybody has one; at another, pairs are dealt out
    evenly, and everybody at the far ends has just the one. So each pair has an end that is no
    centre.
    """
    one, other = np.nonzero(flow)
    one, other = (np.repeat(end, flow[one, other]) for end in (one, other))
    members, others = (
        side.rows[side.starts[end] + running_count(end) % side.counts[end]]
        for side, end in ((block.member, one), (block.comparison, other))
    )
    single = (flow.sum(axis=1) == block.member.counts)[one]
    centre = np.where(single, others, members)
    sets[members] = centre
    sets[others] = centre


def transport(cost: FloatArray, members: IntArray, comparison: IntArray, ratio: int) -> IntArray:
    """Pairs between points, shape (a, b), of least total distance `cost` (a, b); inf is forbidden.

    `members` (a,) and `comparison` (b,) count people; `ratio` comparison people are sought for each
    member. First as many members as possible are in a pair, then there are as many pairs as
    possible, then the total distance is least.

    Notes
    -----
    A maximum flow says how many members can be in a pair, a second one how many pairs there can
    be; both are reached together, for an augmenting path never takes a pair from a point. The
    linear programme that minimises the distance has those totals fixed. It is a network: its
    vertices are whole, and the simplex method returns one (Ahuja, Magnanti & Orlin 1993, Network
    Flows, chapters 6 and 9).
    """
    allowed = np.isfinite(cost)
    first = _largest(allowed, members, comparison)
    further = _largest(allowed, members * ratio, comparison) - first
    one, other = np.nonzero(allowed)
    a, b, arcs = len(members), len(comparison), one.size
    at = np.arange(arcs)
    by_member = sparse.csr_array((np.ones(arcs), (one, at)), shape=(a, arcs))
    by_other = sparse.csr_array((np.ones(arcs), (other, at)), shape=(b, arcs))
    blocks = [by_member, -sparse.eye_array(a), -sparse.eye_array(a)]
    total = np.zeros((2, arcs + 2 * a))
    total[0, arcs : arcs + a] = total[1, arcs + a :] = 1
    result = whole_solution(
        cost=np.concatenate([cost[allowed], np.zeros(2 * a)]),
        upper=np.concatenate([np.full(arcs, np.inf), members, members * (ratio - 1)]),
        equal=sparse.csr_array(sparse.vstack([sparse.hstack(blocks), sparse.csr_array(total)])),
        equal_to=np.concatenate([np.zeros(a), [first, further]]),
        less=sparse.csr_array(sparse.hstack([by_other, sparse.csr_array((b, 2 * a))])),
        less_than=comparison.astype(np.float64),
    )
    flow = np.zeros(cost.shape, dtype=np.int64)
    flow[one, other] = result[:arcs]
    return flow


def _largest(allowed: np.ndarray, supply: IntArray, demand: IntArray) -> int:
    """Most pairs that points can make, each within its number."""
    if allowed.all():
        return int(min(supply.sum(), demand.sum()))
    a, b = allowed.shape
    one, other = np.nonzero(allowed)
    source, sink = a + b, a + b + 1
    tail = np.concatenate([np.full(a, source), one, a + np.arange(b)])
    head = np.concatenate([np.arange(a), a + other, np.full(b, sink)])
    room = np.concatenate([supply, np.minimum(supply[one], demand[other]), demand])
    network = sparse.csr_array((room.astype(np.int32), (tail, head)), shape=(a + b + 2, a + b + 2))
    return int(sparse.csgraph.maximum_flow(network, source, sink).flow_value)


def whole_solution(
    *,
    cost: FloatArray,
    upper: FloatArray,
    equal: sparse.csr_array | None,
    equal_to: FloatArray | None,
    less: sparse.csr_array,
    less_than: FloatArray,
) -> IntArray:
    """Minimise `cost` over 0 ≤ x ≤ `upper` where vertices are whole, shape (v,).

    Under equal·x = equal_to and less·x ≤ less_than.

    Raises
    ------
    ValueError
        There is no solution.
    NotEstimable
        There are more than `MOST_PAIRS` pairs, or the solver was stopped after
        `SOLVER_SECONDS`.
    RuntimeError
        The solver stopped elsewhere than at a whole vertex.
    """
    if cost.size > MOST_PAIRS:
        raise NotEstimable(
            f"a stratum holds {cost.size:,} pairs of kinds of people, and at most {MOST_PAIRS:,} "
            "are matched: give finer strata"
        )
    result = optimize.linprog(  # type: ignore[call-overload]
        cost,
        A_ub=less,
        b_ub=less_than,
        A_eq=equal,
        b_eq=equal_to,
        bounds=np.column_stack([np.zeros(cost.size), upper]),
        method="highs-ds",
        options={"time_limit": SOLVER_SECONDS},
    )
    if result.status == 1:
        raise NotEstimable(
            f"the matching of {cost.size:,} pairs of points took more than {SOLVER_SECONDS:g} "
            "seconds: give finer strata"
        )
    if result.status == 2:
        raise ValueError("no solution")
    whole = np.round(result.x) if result.success else np.array([np.nan])
    if not result.success or np.abs(result.x - whole).max(initial=0.0) > 1e-6:
        raise RuntimeError(f"the solver found no whole vertex: {result.message}")
    return whole.astype(np.int64)
