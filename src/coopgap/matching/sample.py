"""The matched sample: what every matching method returns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray


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
    set_id
        Shape (n,): matched set from 0, -1 for people in none. All -1 for methods without sets.
    n_sets
        Number of matched sets that hold both groups.
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
        """Rows where `keep`, shape (n,), is true; weights stay as they are, sets are recounted.

        Parameters
        ----------
        keep
            Shape (n,).
        member
            Shape (n,): membership before the rows are taken.
        """
        sets = self.set_id[keep]
        inside, is_member = sets >= 0, member[keep]
        both = np.intersect1d(sets[inside & is_member], sets[inside & ~is_member])
        return replace(self, weight=self.weight[keep], set_id=sets, n_sets=int(both.size))
