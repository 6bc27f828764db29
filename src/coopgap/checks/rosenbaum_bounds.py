"""Rosenbaum bounds: how large a hidden bias within matched sets the association survives.

Under a hidden bias of at most Γ sets have a largest p-value, of two answers or of several. A set's
members' scores say who stands higher in it; of two answers the members at the upper one are a sum
of extended hypergeometric counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from scipy import optimize, special

from coopgap.checks.compare import NO_MATCHING
from coopgap.checks.context import Context
from coopgap.checks.registry import NotApplicable, Topic, check
from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Contrast, headline_contrasts, null_value
from coopgap.core.tails import normal_above
from coopgap.core.vocabulary import Check, Direction, Version
from coopgap.families.sample import Sample

_EXACT = 20_000
"""Largest number of members at the answer whose distribution is still made by convolution."""

_MOST = 1e6
"""Largest Γ that is looked for."""

_EVERY = 200
"""Every cut of a set of at most one person more is tried as the worst unmeasured covariate."""

_EVEN, _LARGE = 40, 5_000
"""Of larger sets cuts between two answers are, and up to so many people so many at even distances:
with 200 even cuts p-values of .006 were the same to five digits, in sets beyond 1,000 without any.
"""

_SPREAD = 12.0
"""Standard deviations within which the members above a cut are counted."""

_STEPS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SetScores:
    """A kind of matched set: what a person adds to the statistic as a member.

    `scores`, shape (n,), highest first: people of the set who stand lower, less those who stand
    higher, over n; with the `members` in the set and how many `sets` are of this kind.
    """

    scores: FloatArray
    members: int
    sets: int

    @property
    def upper(self) -> int:
        """People with the highest answer."""
        return int((self.scores == self.scores[0]).sum())


def set_scores(
    outcome: IntArray, member: BoolArray, set_id: IntArray
) -> tuple[tuple[SetScores, ...], float]:
    """Kinds of sets that hold both groups and different answers, and the statistic observed.

    Shape (n,) each: level of the answer, membership, matched set from 0, −1 for people in none. The
    statistic is the sum of the members' scores: over sets, pairs in which the member stands higher
    less pairs in which the comparison person does, each set's over its people. With two answers it
    is the excess of members at the upper answer of the Mantel–Haenszel test.
    """
    inside = set_id >= 0
    size, levels = int(set_id.max(initial=-1)) + 1, int(outcome.max(initial=0)) + 1
    slot = set_id * levels + outcome
    counts, of_member = (
        np.bincount(slot[inside & who], minlength=size * levels).reshape(size, levels)
        for who in (np.ones(member.size, bool), member)
    )
    people, members = counts.sum(axis=1), of_member.sum(axis=1)
    kept = (members > 0) & (members < people) & ((counts > 0).sum(axis=1) > 1)
    counts, of_member, people = counts[kept], of_member[kept], people[kept]
    below = np.cumsum(counts, axis=1) - counts
    each = (2 * below + counts - people[:, None]) / people[:, None]
    keys, first, number = np.unique(
        np.column_stack([members[kept], counts]), axis=0, return_index=True, return_counts=True
    )
    kinds = tuple(
        SetScores(
            scores=np.repeat(each[at], counts[at])[::-1], members=int(key[0]), sets=int(times)
        )
        for key, at, times in zip(keys, first, number, strict=True)
    )
    return kinds, float((of_member * each).sum())


def mirrored(kinds: Sequence[SetScores], observed: float) -> tuple[tuple[SetScores, ...], float]:
    """The same sets with the order of the answers turned round."""
    turned = (replace(kind, scores=-kind.scores[::-1]) for kind in kinds)
    return tuple(turned), -observed


def binary_bound(
    kinds: Sequence[SetScores], observed: float, gamma: float, *, exact: bool | None = None
) -> float:
    """Largest one-sided p-value of two answers, members higher, at a hidden bias of Γ ≥ 1.

    P(T ≥ t) with T, members with the upper answer, a sum of independent extended hypergeometric
    counts of odds Γ, one a set, the worst unmeasured covariate being the answer itself. With one
    member a set it is Poisson-binomial, with pairs the binomial of Γ/(1 + Γ), at Γ = 1 the exact
    Mantel–Haenszel test. `exact` convolves the sets, by default up to 20,000 members at the answer;
    else the normal distribution has their mean and variance, continuity corrected.
    Rosenbaum (1987), Biometrika 74, 13-26; (2002), Observational Studies, section 4.4.
    """
    if not kinds:
        return 1.0
    parts = [(kind.sets, *_hypergeometric(kind, gamma)) for kind in kinds]
    width = sum(n * (pmf.size - 1) for n, _, pmf in parts)
    if not (width <= _EXACT if exact is None else exact):
        return score_bound(kinds, observed - 0.5, gamma)
    by_chance = sum(kind.sets * kind.members * kind.upper / kind.scores.size for kind in kinds)
    least = sum(n * low for n, low, _ in parts)
    whole = np.ones(1)
    for n, _, pmf in parts:
        whole = np.convolve(whole, _power(pmf, n))
    return min(float(whole[max(round(observed + by_chance) - least, 0) :].sum()), 1.0)


def _hypergeometric(kind: SetScores, gamma: float) -> tuple[int, FloatArray]:
    """Least value and probabilities of Fisher's noncentral hypergeometric distribution."""
    at, logs = _ways(kind.scores.size, kind.members, (kind.upper,))
    logs = logs[0] + at[0] * np.log(gamma)
    weight = np.exp(logs - logs.max())
    return int(at[0, 0]), weight / weight.sum()


@lru_cache(maxsize=1024)
def _ways(n: int, m: int, above: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Members above each cut, from the fewest, and the logarithms of the ways to choose them."""
    k = np.array(above, dtype=np.float64)
    return _log_ways(n, m, k, np.maximum(0.0, m + k - n), np.minimum(k, float(m)))


def _log_ways(
    n: int, m: int, k: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Counts from `low`, shape (cuts, most), and logarithms; minus infinity beyond `high`."""
    at = low[:, None] + np.arange(int((high - low).max()) + 1)
    parts = (at, k[:, None] - at, m - at, n - m - k[:, None] + at)
    logs = -sum(special.gammaln(np.maximum(part, 0) + 1) for part in parts)
    return at, np.where(at <= high[:, None], logs, -np.inf)


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
    """Γ at which the largest p-value reaches a level: 1 if without bias, infinite beyond 10⁶."""

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


def score_bound(kinds: Sequence[SetScores], observed: float, gamma: float) -> float:
    """Largest one-sided p-value, members too high, at a hidden bias of Γ ≥ 1: normal approximation.

    In one set the worst unmeasured covariate is one for those with the k highest scores and zero
    for the rest, for some k; members among the former are extended hypergeometric, and given
    their number both parts are simple random samples, which gives mean and variance exactly. The
    k of each set is first chosen by the largest mean, the larger variance among equals
    (asymptotically separable), then by mean + variance · (t − μ)/(2σ²), the linear approximation
    to the whole deviate, as long as that makes the p-value larger. Of a set of more than 201
    people only some cuts are tried.

    References
    ----------
    Rosenbaum & Krieger (1990), JASA 85, 493-498.
    Gastwirth, Krieger & Rosenbaum (2000), JRSS B 62, 545-555.
    Rosenbaum (2018), Annals of Applied Statistics 12, 2312-2334.
    """
    if not kinds:
        return 1.0
    times = np.array([kind.sets for kind in kinds], dtype=np.float64)
    moments = [_moments(kind, gamma) for kind in kinds]

    def at(slope: float) -> tuple[float, float]:
        chosen = [_best(mean, variance, slope) for mean, variance in moments]
        means, variances = np.array(chosen).T
        return float(times @ means), float(times @ variances)

    mean, variance = at(0.0)
    best = (observed - mean) / np.sqrt(variance)
    for _ in range(_STEPS):
        if observed <= mean:
            break
        mean, variance = at((observed - mean) / (2 * variance))
        deviate = (observed - mean) / np.sqrt(variance)
        if not deviate < best - 1e-12:
            break
        best = deviate
    return normal_above(best)


def _best(mean: FloatArray, variance: FloatArray, slope: float) -> tuple[float, float]:
    """The cut of the largest mean + slope · variance, of the larger variance among equals."""
    value = mean + slope * variance
    near = np.flatnonzero(value >= value.max() - 1e-12 * (1 + abs(value.max())))
    at = near[np.argmax(variance[near])]
    return float(mean[at]), float(variance[at])


def _moments(kind: SetScores, gamma: float) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of the members' sum of scores for every cut of a set's people."""
    scores, m = kind.scores, kind.members
    n = scores.size
    k = _cuts(scores)
    upper, lower = _parts(scores, k)
    count, square = _count_moments(n, m, k, gamma)
    away = upper[0] - lower[0]
    mean = m * lower[0] + away * count
    # Sums of simple random samples of M from k and of m − M from n − k people.
    inside = upper[1] * np.divide(k * count - square, k - 1, where=k > 1, out=np.zeros(k.size))
    left = m * (n - k - m) + (2 * m - n + k) * count - square
    rest = n - k
    outside = lower[1] * np.divide(left, rest - 1, where=rest > 1, out=np.zeros(k.size))
    return mean, away**2 * (square - count**2) + inside + outside


def _cuts(scores: FloatArray) -> FloatArray:
    """How many people stand above the cut: any number; in a large set some, and where it jumps."""
    n = scores.size
    if n - 1 <= _EVERY:
        return np.arange(1, n, dtype=np.float64)
    jumps = np.flatnonzero(np.diff(scores)) + 1.0
    even = np.round(np.linspace(1, n - 1, _EVEN if n <= _LARGE else 0))
    return np.unique(np.append(even, jumps))


def _parts(
    scores: FloatArray, k: FloatArray
) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
    """Mean and variance of the scores above and below each cut."""
    n, at = scores.size, k.astype(np.int64) - 1
    first, second = np.cumsum(scores), np.cumsum(scores**2)
    above, above2 = first[at] / k, second[at] / k
    below, below2 = (first[-1] - first[at]) / (n - k), (second[-1] - second[at]) / (n - k)
    return (above, above2 - above**2), (below, below2 - below**2)


def _count_moments(n: int, m: int, k: FloatArray, gamma: float) -> tuple[FloatArray, FloatArray]:
    """First and second moment of the members above each cut, extended hypergeometric."""
    if n - 1 <= _EVERY:
        at, logs = _ways(n, m, tuple(range(1, n)))
    else:
        at, logs = _log_ways(n, m, k, *_support(n, m, k, gamma))
    logs = logs + at * np.log(gamma)
    weight = np.exp(logs - logs.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    return (weight * at).sum(axis=1), (weight * at**2).sum(axis=1)


def _support(n: int, m: int, k: FloatArray, gamma: float) -> tuple[FloatArray, FloatArray]:
    """Members possible above each cut, around Cornfield's mean (McCullagh & Nelder 1989, 7.3.2)."""
    low, high = np.maximum(0.0, m + k - n), np.minimum(k, float(m))
    a, b, c = gamma - 1, (n - m - k) + gamma * (m + k), gamma * m * k
    # The smaller root of a μ² − b μ + c = 0, in a form that holds at a = 0.
    mean = np.clip(2 * c / (b + np.sqrt(np.maximum(b**2 - 4 * a * c, 0.0))), low, high)
    parts = (mean, k - mean, m - mean, n - m - k + mean)
    variance = 1 / sum(1 / np.maximum(part, 0.5) for part in parts)
    half = np.ceil(_SPREAD * np.sqrt(variance) + _SPREAD)
    middle = np.round(mean)
    return np.maximum(low, middle - half), np.minimum(high, middle + half)


GAMMAS: Final = (1.0, 1.1, 1.25, 1.5, 2.0, 3.0)
"""Hidden biases at which the largest p-value is shown."""

ALPHAS: Final = (0.025, 0.05)
"""One-sided levels whose Γ is looked for."""

P_BOUND: Final = "p_bound"

_NOTE = (
    "Largest p-value, one-sided in the direction observed, that nobody's answer differs by "
    "membership, if two people of one matched set may differ in the odds of being a member by at "
    "most Γ. Only sets with both groups and different answers carry it. Sets are taken as "
    "independent, so zones are ignored, and so are sampling weights; Γ is not on the scale of "
    "the gap."
)
_OVERALL = (
    "The whole distribution counts in each set who stands higher (scores over the people of the "
    "set); its p-values are normal approximations, those of a threshold exact for up to 20,000 "
    "members at the answer."
)

_POINTS: Final = {
    Direction.MEMBERS_HIGHER: "Direction observed in the sets: members higher.",
    Direction.MEMBERS_LOWER: "Direction observed in the sets: members lower.",
}
_OPPOSED: Final = " The gap is the other way."
"""Notes of a row `n_sets`: which way its p-values look, and whether the gap looks there."""

type _Bound = Callable[[float], float]


@check(
    Check.ROSENBAUM,
    title="Rosenbaum bounds",
    question="How large a hidden bias within matched sets does the association survive?",
    formula=(
        "max p over biases u ∈ [0, 1] with odds of membership within a set between 1/Γ and Γ; "
        "the Γ at which p = α"
    ),
    topic=Topic.UNMEASURED,
    place=(90, 2),
)
def rosenbaum(context: Context) -> Iterator[SensitivityRow]:
    """Largest p-values over a grid of Γ, and the Γ at which they reach a level.

    At each threshold, and with more than two levels for the whole distribution: the number of sets
    that carry it (`n_sets`), the largest p-value (`p_bound`, in `p_value`, with Γ in `threshold`)
    and Γ (`gamma`, with the level in `threshold`). A Γ of one: the level is not reached even
    without hidden bias. `direction` says which way the sets point: they count alike whatever their
    size, so it may not be that of the gap (`opposed`). Γ and the level stand in `setting` too.
    """
    sample, levels = context.sample, context.keys.levels
    if not sample.matched.n_sets:
        none = "This matching makes no sets." if sample.is_matched else NO_MATCHING
        raise NotApplicable(sample.matched.reason or none)
    rows: list[SensitivityRow] = []
    for contrast in sorted(headline_contrasts(levels), key=lambda one: one.is_threshold_gap):
        note = _NOTE if contrast.is_threshold_gap else _OVERALL
        base = context.row(category=contrast.category, note=note)
        rows += _rows(base, contrast, context, *_bounded(sample, contrast))
    if not rows:
        raise NotApplicable("No matched set holds both groups and different answers.")
    yield from rows


def _bounded(sample: Sample, contrast: Contrast) -> tuple[int, _Bound, bool]:
    """Sets that carry a contrast, the bound in the direction observed, whether it is up."""
    rows, of_threshold = sample.rows, contrast.is_threshold_gap
    outcome = (rows.outcome >= contrast.level).astype(np.int64) if of_threshold else rows.outcome
    kinds, observed = set_scores(outcome, rows.member, sample.matched.set_id)
    # Sets that point neither way are off zero by rounding.
    higher = observed >= -1e-9
    kinds, observed = (kinds, observed) if higher else mirrored(kinds, observed)
    largest = binary_bound if of_threshold else score_bound
    n_sets = sum(kind.sets for kind in kinds)
    return n_sets, lambda gamma: largest(kinds, observed, gamma), higher


def _rows(
    row: SensitivityRow,
    contrast: Contrast,
    context: Context,
    n_sets: int,
    bound: _Bound,
    higher: bool,
) -> Iterator[SensitivityRow]:
    """Rows of one contrast, with the way its sets point and whether the gap points otherwise."""
    if not n_sets:
        return
    gap = context.headline.intervals.get(contrast)
    away = 0.0 if gap is None else gap.estimate - null_value(contrast.quantity)
    direction = Direction.MEMBERS_HIGHER if higher else Direction.MEMBERS_LOWER
    row = replace(row, direction=direction, opposed=bool(away) and (away > 0) != higher)
    note = _POINTS[direction] + (_OPPOSED if row.opposed else "")
    yield replace(row, variant=Version.SETS, quantity="n_sets", estimate=float(n_sets), note=note)
    for gamma in GAMMAS:
        at = replace(row, quantity=P_BOUND, threshold=gamma, setting=gamma)
        yield replace(at, variant=f"largest p, Γ {gamma:g}", p_value=bound(gamma))
    for alpha in ALPHAS:
        at = replace(row, quantity="gamma", threshold=alpha, setting=alpha)
        yield replace(at, variant=f"Γ at p {alpha:g}", estimate=gamma_at(bound, alpha))
