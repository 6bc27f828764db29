"""Full matching: everybody in a set of one member and several others, or the reverse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.matching.blocks import Block, Side, blocks, count_tied, running_count
from coopgap.matching.distances import Distance
from coopgap.matching.sample import MatchedSample
from coopgap.matching.sets import sample_from_sets
from coopgap.matching.transport import whole_solution


def full_match(
    stratum: IntArray,
    member: BoolArray,
    weight: FloatArray,
    distance: Distance,
    *,
    max_comparison: int | None = None,
    max_members: int | None = None,
) -> MatchedSample:
    """Full matching within strata; arguments as in `full_sets`, weights set by set.

    Raises
    ------
    NotEstimable
        No stratum holds both groups, the caliper leaves nobody, or the limits cannot be met.
    """
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
    """Sets of the full matching.

    Parameters
    ----------
    stratum
        Shape (n,): sets lie within strata.
    member
        Shape (n,).
    distance
        Points and caliper of the same n people.
    max_comparison, max_members
        Most comparison people to a member, and most members to a comparison person.

    Returns
    -------
    IntArray
        Shape (n,): the row of one person of the set, -1 for people in none: those in strata with
        one group only, and those without anybody within the caliper.

    Raises
    ------
    NotEstimable
        No stratum holds both groups, the caliper leaves nobody, or the limits cannot be met.

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
        found = whole_solution(
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
    flow[one, other] = found
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
