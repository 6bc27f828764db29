"""A transportation problem between points: whom to pair when people at one point are alike."""

from __future__ import annotations

import numpy as np
from scipy import optimize, sparse

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.errors import NotEstimable

SOLVER_SECONDS = 300.0
"""Of one stratum."""

MOST_PAIRS = 5_000_000
"""Of points in one stratum: beyond, the linear programme passes some gigabytes."""


def transport(cost: FloatArray, members: IntArray, comparison: IntArray, ratio: int) -> IntArray:
    """Pairs between points of least total distance.

    Parameters
    ----------
    cost
        Shape (a, b): distances; infinite for pairs that are forbidden.
    members
        Shape (a,): members at each point.
    comparison
        Shape (b,): comparison people at each point.
    ratio
        Comparison people sought for each member.

    Returns
    -------
    IntArray
        Shape (a, b): number of pairs. First as many members as possible are in one, then there
        are as many pairs as possible, then the total distance is least.

    Notes
    -----
    A maximum flow says how many members can be in a pair, a second one how many pairs there can
    be; both are reached together, for an augmenting path never takes a pair from a point. The
    linear programme that minimises the distance has those totals fixed. It is a network: its
    vertices are whole, and the simplex method returns one.

    References
    ----------
    Ahuja, Magnanti & Orlin (1993), Network Flows, chapters 6 and 9.
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
    found = whole_solution(
        cost=np.concatenate([cost[allowed], np.zeros(2 * a)]),
        upper=np.concatenate([np.full(arcs, np.inf), members, members * (ratio - 1)]),
        equal=sparse.csr_array(sparse.vstack([sparse.hstack(blocks), sparse.csr_array(total)])),
        equal_to=np.concatenate([np.zeros(a), [first, further]]),
        less=sparse.csr_array(sparse.hstack([by_other, sparse.csr_array((b, 2 * a))])),
        less_than=comparison.astype(np.float64),
    )
    flow = np.zeros(cost.shape, dtype=np.int64)
    flow[one, other] = found[:arcs]
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
    """Solve a linear programme whose vertices are whole, x ≥ 0.

    Parameters
    ----------
    cost, upper
        Shape (v,): coefficients to be minimised, and upper bounds.
    equal, equal_to, less, less_than
        equal·x = equal_to and less·x ≤ less_than.

    Returns
    -------
    IntArray
        Shape (v,).

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
    found = optimize.linprog(  # type: ignore[call-overload]
        cost,
        A_ub=less,
        b_ub=less_than,
        A_eq=equal,
        b_eq=equal_to,
        bounds=np.column_stack([np.zeros(cost.size), upper]),
        method="highs-ds",
        options={"time_limit": SOLVER_SECONDS},
    )
    if found.status == 1:
        raise NotEstimable(
            f"the matching of {cost.size:,} pairs of points took more than {SOLVER_SECONDS:g} "
            "seconds: give finer strata"
        )
    if found.status == 2:
        raise ValueError("no solution")
    whole = np.round(found.x) if found.success else np.array([np.nan])
    if not found.success or np.abs(found.x - whole).max(initial=0.0) > 1e-6:
        raise RuntimeError(f"the solver found no whole vertex: {found.message}")
    return whole.astype(np.int64)
