"""Matching weights from matched sets: the same rule for every method that makes sets."""

from __future__ import annotations

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.matching.sample import MatchedSample


def sample_from_sets(
    method: str, set_id: IntArray, member: BoolArray, weight: FloatArray
) -> MatchedSample:
    """Weight the comparison group to the members set by set.

    Parameters
    ----------
    method
        Name of the method.
    set_id
        Shape (n,): any label from 0 of the set of each person, -1 for people in none.
    member
        Shape (n,).
    weight
        Shape (n,): sampling weights, positive.

    Returns
    -------
    MatchedSample
        Sets that hold both groups, renumbered in the order of their labels; people of the other
        sets are left out.

    Raises
    ------
    NotEstimable
        No set holds both groups.

    Notes
    -----
    With M_s and C_s the sampling weight of members and of the comparison group in set s, kept
    members have weight 1 and comparison people k·M_s/C_s, where k makes sampling weight times
    matching weight sum to the sampling weight of the comparison people kept.

    References
    ----------
    Iacus, King & Porro (2012), Political Analysis 20(1); the scaling is that of MatchIt
    (Ho, Imai, King & Stuart 2011).
    """
    size = int(set_id.max(initial=-1)) + 1
    inside = set_id >= 0
    members, others = (
        np.bincount(set_id[inside & group], weights=weight[inside & group], minlength=size)
        for group in (member, ~member)
    )
    both = (members > 0) & (others > 0)
    if not both.any():
        raise NotEstimable(
            f"no set holds both groups ({int(member.sum())} members and "
            f"{int((~member).sum())} comparison people)"
        )
    ratio = np.divide(members, others, out=np.zeros(size), where=both)
    scale = others[both].sum() / members[both].sum()
    kept = np.append(both, False)[set_id]
    number = np.cumsum(both) - 1
    return MatchedSample(
        method=method,
        weight=np.where(kept, np.where(member, 1.0, scale * np.append(ratio, 0.0)[set_id]), 0.0),
        set_id=np.where(kept, np.append(number, -1)[set_id], -1).astype(np.int64),
        n_sets=int(both.sum()),
    )


def sample_from_pairs(
    method: str, pairs: IntArray, member: BoolArray, weight: FloatArray
) -> MatchedSample:
    """Matched sample from pairs in which a comparison person may stand several times.

    Parameters
    ----------
    method
        Name of the method.
    pairs
        Shape (p, 2): rows of a member and of a comparison person; no pair stands twice.
    member, weight
        Shape (n,): membership, and sampling weights.

    Returns
    -------
    MatchedSample
        A set a member, in row order. Where somebody stands in several members' pairs the sets
        overlap, and there are none.

    Raises
    ------
    NotEstimable
        There is no pair.

    Notes
    -----
    A member's sampling weight is shared out over the comparison people paired with that member,
    in proportion to theirs. With unit weights and k people each that is 1/k a pair, summed over
    a person's pairs and scaled: the weights of MatchIt.
    """
    of_member, other = pairs.T
    set_id = np.full(member.size, -1, dtype=np.int64)
    set_id[of_member] = of_member
    set_id[other] = of_member
    repeated = np.unique(other).size < other.size
    sample = sample_from_sets(method, set_id, member, weight)
    if not repeated:
        return sample
    shared = np.bincount(of_member, weights=weight[other], minlength=member.size)
    each = weight[of_member] / shared[of_member]
    made = np.bincount(other, weights=each, minlength=member.size)
    scale = weight[made > 0].sum() / (weight @ made)
    result = made * scale
    result[of_member] = 1.0
    return MatchedSample(
        method=method, weight=result, set_id=np.full(member.size, -1, dtype=np.int64), n_sets=0
    )
