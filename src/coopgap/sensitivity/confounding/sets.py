"""Matched sets under a hidden bias of at most Γ, two answers: extended hypergeometric counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, special

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.tails import normal_above

__all__ = ["SetCounts", "binary_bound", "gamma_at", "set_counts"]

_EXACT = 20_000
"""Largest number of members at the answer whose distribution is still made by convolution."""

_MOST = 1e6
"""Largest Γ that is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCounts:
    """Kinds of matched sets that carry something about two answers.

    Attributes
    ----------
    people, members, upper
        Shape (K,): people of a set, members among them, and people with the upper answer.
    sets
        Shape (K,): how many sets are of this kind.
    observed
        Members with the upper answer, over all of them.
    """

    people: IntArray
    members: IntArray
    upper: IntArray
    sets: IntArray
    observed: int

    @property
    def n_sets(self) -> int:
        """Sets that carry something."""
        return int(self.sets.sum())

    @property
    def expected(self) -> float:
        """Members with the upper answer that chance alone leads one to expect."""
        return float(self.sets @ (self.members * self.upper / self.people))

    @property
    def mirrored(self) -> SetCounts:
        """The same sets with the two answers exchanged."""
        total = int(self.sets @ self.members)
        return replace(self, upper=self.people - self.upper, observed=total - self.observed)


def set_counts(above: BoolArray, member: BoolArray, set_id: IntArray) -> SetCounts:
    """Counts of the sets that hold both groups and both answers.

    Parameters
    ----------
    above, member
        Shape (n,): the upper answer, and membership.
    set_id
        Shape (n,): matched set from 0, −1 for people in none.
    """
    inside = set_id >= 0
    of_set = set_id[inside]
    size = int(of_set.max(initial=-1)) + 1
    marks = (np.ones(of_set.size, bool), member[inside], above[inside], (member & above)[inside])
    people, members, upper, both = (np.bincount(of_set[mark], minlength=size) for mark in marks)
    kept = (members > 0) & (members < people) & (upper > 0) & (upper < people)
    kinds, sets = np.unique(
        np.column_stack([people, members, upper])[kept], axis=0, return_counts=True
    )
    return SetCounts(
        people=kinds[:, 0],
        members=kinds[:, 1],
        upper=kinds[:, 2],
        sets=sets.astype(np.int64),
        observed=int(both[kept].sum()),
    )


def binary_bound(counts: SetCounts, gamma: float, *, exact: bool | None = None) -> float:
    """Largest one-sided p-value, members with the upper answer too many, at a hidden bias of Γ.

    Parameters
    ----------
    counts
        The sets that carry something.
    gamma
        Γ ≥ 1: the odds of two people of one set for being the member differ by at most this.
    exact
        Convolve the sets, or take the normal distribution with their exact mean and variance and
        a continuity correction; by default exact up to 20,000 members at the answer.

    Returns
    -------
    float
        P(T ≥ t) with T a sum of independent extended hypergeometric counts of odds Γ, one a set:
        the number of members among those with the upper answer, the worst unmeasured covariate
        being the answer itself. With one member a set it is Poisson-binomial, with pairs the
        binomial of Γ/(1 + Γ), at Γ = 1 the exact Mantel–Haenszel test.

    References
    ----------
    Rosenbaum (1987), Biometrika 74, 13-26; (2002), Observational Studies, section 4.4.
    """
    if not counts.n_sets:
        return 1.0
    parts = [
        _hypergeometric(*kind, gamma)
        for kind in zip(counts.people, counts.members, counts.upper, strict=True)
    ]
    least = int(sum(n * low for n, (low, _) in zip(counts.sets, parts, strict=True)))
    width = int(sum(n * (pmf.size - 1) for n, (_, pmf) in zip(counts.sets, parts, strict=True)))
    if width <= _EXACT if exact is None else exact:
        whole = np.ones(1)
        for n, (_, pmf) in zip(counts.sets, parts, strict=True):
            whole = np.convolve(whole, _power(pmf, int(n)))
        return min(float(whole[max(counts.observed - least, 0) :].sum()), 1.0)
    mean = variance = 0.0
    for n, (low, pmf) in zip(counts.sets, parts, strict=True):
        at = low + np.arange(pmf.size)
        middle = float(pmf @ at)
        mean += n * middle
        variance += n * float(pmf @ (at - middle) ** 2)
    return normal_above((counts.observed - 0.5 - mean) / np.sqrt(variance))


def _hypergeometric(people: int, members: int, upper: int, gamma: float) -> tuple[int, FloatArray]:
    """Least value and probabilities of Fisher's noncentral hypergeometric distribution."""
    low, high = max(0, members + upper - people), min(members, upper)
    at = np.arange(low, high + 1)
    logs = at * np.log(gamma) - (
        special.gammaln(at + 1)
        + special.gammaln(upper - at + 1)
        + special.gammaln(members - at + 1)
        + special.gammaln(people - upper - members + at + 1)
    )
    weight = np.exp(logs - logs.max())
    return low, weight / weight.sum()


def _power(pmf: FloatArray, times: int) -> FloatArray:
    """Distribution of a sum of several independent counts, by squaring."""
    result = np.ones(1)
    while times:
        if times & 1:
            result = np.convolve(result, pmf)
        times >>= 1
        pmf = np.convolve(pmf, pmf) if times else pmf
    return result


def gamma_at(bound: Callable[[float], float], alpha: float) -> float:
    """Γ at which the largest p-value reaches a level; one if it is there without any bias.

    Parameters
    ----------
    bound
        Largest one-sided p-value at Γ, not decreasing in it.
    alpha
        The level.

    Returns
    -------
    float
        Infinite where the level is not reached at a million.
    """

    def away(log_gamma: float) -> float:
        # On the normal scale the bound is nearly straight in log Γ.
        p_value = min(max(bound(float(np.exp(log_gamma))), 1e-300), 1 - 1e-15)
        return float(special.ndtri(p_value) - special.ndtri(alpha))

    if away(0.0) >= 0:
        return 1.0
    upper = 0.5
    while away(upper) < 0:
        upper *= 2
        if upper > np.log(_MOST):
            return float("inf")
    return float(np.exp(optimize.brentq(away, 0.0, upper, xtol=1e-7)))
