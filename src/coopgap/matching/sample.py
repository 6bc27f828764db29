"""The matched sample that every method returns, and the weights that matched sets give."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedSample:
    """Matching weights and sets over the n rows of a model.

    Attributes
    ----------
    method
        Name of the matching method.
    weight
        Shape (n,): matching weight. One for members kept, save with overlap weights, where it
        is one minus the propensity score, scaled to sum, over sampling weight times matching
        weight, to the sampling weight of the members kept; for the comparison group weights that
        sum in the same way to the sampling weight of the comparison people kept; zero for people
        left out.
    set_id, n_sets
        Shape (n,): matched set from 0, -1 for people in none; and how many hold both groups.
    n_tied
        Members for whom somebody as near as those chosen was left out, or shares a place with
        them; None for methods without a distance.
    reason
        Why nobody is kept, with the counts; empty where somebody is.
    """

    method: str
    weight: FloatArray
    set_id: IntArray
    n_sets: int
    n_tied: int | None = None
    reason: str = ""

    @classmethod
    def nobody(cls, method: str, n: int, reason: str) -> MatchedSample:
        """A matching of n people that keeps none of them, and why."""
        return cls(
            method=method,
            weight=np.zeros(n),
            set_id=np.full(n, -1, dtype=np.int64),
            n_sets=0,
            reason=reason,
        )

    @classmethod
    def everybody(cls, n: int) -> MatchedSample:
        """No matching of n people: each stands for themselves, in no set."""
        return cls(
            method="none", weight=np.ones(n), set_id=np.full(n, -1, dtype=np.int64), n_sets=0
        )

    def back(self, order: IntArray) -> MatchedSample:
        """The same people in the rows that they were taken from: at `order`, shape (n,)."""
        weight, set_id = np.empty_like(self.weight), np.empty_like(self.set_id)
        weight[order], set_id[order] = self.weight, self.set_id
        return replace(self, weight=weight, set_id=set_id)

    def take(self, keep: BoolArray, member: BoolArray) -> MatchedSample:
        """Rows where `keep` (n,) is true; weights stay as they are, sets are recounted."""
        sets = self.set_id[keep]
        inside, is_member = sets >= 0, member[keep]
        both = np.intersect1d(sets[inside & is_member], sets[inside & ~is_member])
        return replace(self, weight=self.weight[keep], set_id=sets, n_sets=int(both.size))


def combined_weight(sampling_weight: FloatArray, matching_weight: FloatArray) -> FloatArray:
    """Weight with which a person enters an estimate: sampling weight times matching weight.

    Every method makes its matching weights on top of the sampling weights, so the product applies
    each of them once. No other function multiplies the two.
    """
    return sampling_weight * matching_weight


def effective_size(weight: FloatArray) -> float:
    """Effective number of people of a weighted mean, (Σw)²/Σw² (Kish 1965); zero for no weight."""
    squares = float(weight @ weight)
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0


def sample_from_sets(
    method: str, set_id: IntArray, member: BoolArray, weight: FloatArray
) -> MatchedSample:
    """Weight the comparison group to the members set by set.

    `set_id` (n,) is any label from 0, -1 for people in none; `weight` (n,) are positive sampling
    weights. Sets that hold both groups are renumbered in the order of their labels; people of the
    other sets are left out. Raises NotEstimable if no set holds both groups.

    Notes
    -----
    With M_s and C_s the sampling weight of members and of the comparison group in set s, kept
    members have weight 1 and comparison people k·M_s/C_s, where k makes sampling weight times
    matching weight sum to the sampling weight of the comparison people kept (Iacus, King & Porro
    2012; the scaling is that of MatchIt, Ho, Imai, King & Stuart 2011).
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
    """Matched sample from distinct pairs (p, 2), rows of a member and of a comparison person.

    A set a member, in row order. Where somebody stands in several members' pairs the sets overlap,
    and there are none. A member's sampling weight is shared out over the comparison people paired
    with that member, in proportion to theirs. With unit weights and k people each that is 1/k a
    pair, summed over a person's pairs and scaled: the weights of MatchIt.
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


def exact_match(stratum: IntArray, member: BoolArray, weight: FloatArray) -> MatchedSample:
    """Weight the comparison group to the members stratum by stratum.

    Sets are the strata that hold both groups, in the order of `stratum` (n,), from 0; people of
    other strata have weight 0. Raises NotEstimable if no stratum holds both.
    """
    both = np.isin(stratum, np.intersect1d(stratum[member], stratum[~member]))
    if not both.any():
        raise NotEstimable(
            f"no stratum holds both groups ({int(member.sum())} members and "
            f"{int((~member).sum())} comparison people in {np.unique(stratum).size} strata)"
        )
    return sample_from_sets("exact", np.where(both, stratum, -1), member, weight)
