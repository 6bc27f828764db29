"""What a design can find: its design effect, the gaps it could have found, and how wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import scipy

from coopgap.checks.by_mode import Group
from coopgap.checks.compare import unassessed, with_interval
from coopgap.checks.context import Context
from coopgap.checks.moved import movable, moved_margins, shift_moves
from coopgap.checks.registry import NotApplicable, check
from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow, finite
from coopgap.core.gap import Contrast, Margins, contrast_gradient, wald_interval
from coopgap.core.tails import t_above, t_quantile
from coopgap.core.vocabulary import Check, Comparator, Quantity, Version
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.dispatch import headline_estimate
from coopgap.families.headline import headline_first
from coopgap.families.sample import Sample
from coopgap.matching.sample import effective_size

DESIGN_EFFECTS = (1.0, 1.5, 2.0)
"""Design effects of a simple random sample of the same effective sizes."""


class Retrodesign(NamedTuple):
    """At a true gap: power, and among significant estimates the wrong signs and exaggeration.

    `power` is that of a two-sided test; `type_s` the probability that a significant estimate has
    the wrong sign, `type_m` its expected absolute value over the true gap's.
    """

    power: float
    type_s: float
    type_m: float


def retrodesign(
    gap: float, std_error: float, *, df: float = np.inf, alpha: float = 0.05
) -> Retrodesign:
    """Power, type S and type M error of a two-sided test at a true gap.

    Neither the gap nor the standard error, taken as known, may be zero; `df` is more than one for a
    finite `type_m`.

    Notes
    -----
    The estimate is gap + se·T, T with the t distribution F and density f. With λ = |gap|/se, z
    the two-sided critical value, a = z − λ and b = z + λ the power is F(−a) + F(−b), type S
    F(−b)/power. E[T; T > x] = f(x)(df + x²)/(df − 1), f(x) for the normal, so that type M is
    (λ F(−a) + E[T; T > a] − λ F(−b) + E[T; T > b])/(λ power).

    References
    ----------
    Gelman & Carlin (2014), Perspectives on Psychological Science 9(6), 641-651, whose
    `retrodesign` simulates type M; Lu, Qiu & Deng (2019), British Journal of Mathematical and
    Statistical Psychology 72(1), 1-17, for the closed form.
    """
    if gap == 0 or not std_error > 0:
        raise ValueError(f"gap {gap} and standard error {std_error}: neither may be zero")
    ratio = abs(gap) / std_error
    critical = t_quantile(1 - alpha / 2, df)
    ends = critical - ratio, critical + ratio
    right, wrong = (t_above(end, df) for end in ends)
    power = right + wrong
    size = ratio * (right - wrong) + sum(_mean_above(end, df) for end in ends)
    return Retrodesign(power=power, type_s=wrong / power, type_m=size / (ratio * power))


def _mean_above(end: float, df: float) -> float:
    """E[T; T > end], T standard t; infinite without a mean."""
    if df <= 1:
        return np.inf
    scale = 1.0 if np.isinf(df) else (df + end**2) / (df - 1)
    return float(scipy.stats.t.pdf(end, df)) * scale


def detectable_gap(
    std_error: float, *, df: float = np.inf, power: float = 0.8, alpha: float = 0.05
) -> float:
    """Smallest true gap that a two-sided test finds with some power: `retrodesign` turned round."""
    critical = t_quantile(1 - alpha / 2, df)

    def missing(ratio: float) -> float:
        return float(t_above(critical - ratio, df) + t_above(critical + ratio, df)) - power

    far = critical + t_quantile(power, df)
    return std_error * float(scipy.optimize.brentq(missing, 0.0, far, xtol=1e-12))


def superiority_error(shares: FloatArray, n_member: float, n_comparison: float) -> float:
    """Standard error of the probability of superiority of two simple random samples alike.

    `shares`, shape (J,), is the distribution of both. Variance (1 − Σp³)(1/n₁ + 1/n₀)/12, that of
    the Mann-Whitney statistic with ties; with two levels it is a fourth of that of the difference
    of the shares.
    """
    ties = 1.0 - float(np.sum(np.asarray(shares) ** 3))
    return float(np.sqrt(ties * (1 / n_member + 1 / n_comparison) / 12))


SCENARIOS: Final = (1.0, 1.5, 2.0, 3.0)
"""Design effects for which the interval is shown."""


@check(
    Check.DESIGN_EFFECT,
    title="Design effect",
    question="How much do zones widen the interval, and what if they did more?",
    formula=(
        "deff = V_clustered(Δ)/V_independent(Δ), the same weights in both; Δ ± "
        "z·√(k·V_independent), k = 1, 1.5, 2, 3"
    ),
    cost="full",
    place=(150, 80),
)
def design_effect(context: Context) -> Iterator[SensitivityRow]:
    """How much zones widen the headline gap, and its interval under stated design effects.

    `design_effect` is the variance with people clustered in zones over the variance with the same
    weights and independent people, the part of clustering alone: that of the weights is in both.
    Then normal limits with the second variance times each of `SCENARIOS`, without a verdict: the
    estimate stays. Kish (1965), Survey Sampling, section 8.2.
    """
    sample, declared, first = context.sample, context.declared, context.first
    # Without zones chosen pairs would cluster people by their sets.
    nobody = replace(sample.matched, set_id=np.full(sample.rows.n, -1), n_sets=0)
    independent = replace(sample, rows=replace(sample.rows, zone=None), matched=nobody)
    simple = None
    if declared is not None and sample.rows.zone is not None:
        simple = headline_estimate(independent).intervals.get(first)
    if declared is None or simple is None or not simple.std_error > 0:
        raise NotApplicable("The study declares no zone, or there is no estimate.")
    yield context.row(
        variant=Version.AS_ESTIMATED,
        quantity="design_effect",
        category=first.category,
        estimate=(declared.std_error / simple.std_error) ** 2,
        note="Variance with zones over the variance with the same weights and independent people.",
    )
    for factor in SCENARIOS:
        error = simple.std_error * factor**0.5
        again = wald_interval(
            first.quantity, declared.estimate, error, df=np.inf, prob=INTERVAL_PROB
        )
        row = context.row(variant=f"design effect {factor:g}", setting=factor)
        yield with_interval(row, first, again)


_POWER: Final = 0.8

_NOTES: Final = {
    "smallest_detectable": (
        "Smallest true gap found with 80 % probability by a two-sided test at 5 %; power is that "
        "at the declared gap."
    ),
    "type_s": "Chance that a significant estimate has the wrong sign if the declared gap is true.",
    "type_m": "How many times too large a significant estimate is on average if it is true.",
    "smallest_superiority": (
        "Smallest chance of a member to stand higher that is found with 80 % probability; the "
        "declared gap is one of shares and is read at each threshold only."
    ),
}


class _Design(NamedTuple):
    """A standard error at no gap and its degrees of freedom; `factor` is a stated design effect."""

    variant: str
    std_error: float
    df: float = np.inf
    factor: float | None = None


@check(
    Check.DESIGN_ANALYSIS,
    title="Design analysis",
    question="What gap could this design have found, and what would it make of a smaller one?",
    formula=(
        "least Δ with power F(−a) + F(−b) = 0.8; type S = F(−b)/power; type M = E|Δ̂| given "
        "significance, over |Δ|; a, b = t ∓ |Δ|/SE"
    ),
    needs=(Context.estimated,),
    place=(60, 90),
)
def design_analysis(context: Context) -> Iterator[SensitivityRow]:
    """Smallest detectable gap, and type S and type M errors at the declared one, read as true.

    At each threshold, for the matched design, for the phone interviews in its comparison group's
    place and for phone against in person. The headline also for a simple random sample of the same
    effective sizes under each design effect. On superiority no gap is declared: it has the smallest
    detectable value only, and the phone designs have thresholds only. Standard errors are those at
    no gap: of the matched design the comparison group's answers are moved by the coefficient of
    membership and everything is fitted anew.
    """
    rows = [*_in_person(context), *_by_phone(context)]
    if not rows:
        raise NotApplicable("No quantity has a standard error.")
    yield from rows


def _in_person(context: Context) -> Iterator[SensitivityRow]:
    at = movable(context.sample)
    free = at.fit.free
    slope = at.fit.freed[free.index(0)].mean() if 0 in free else at.fit.slopes[0]
    start = moved_margins(at, at.nothing())
    level = moved_margins(at, shift_moves(at, float(slope)))
    for contrast in headline_first(context.keys.levels, context.keys.at):
        interval, before = context.headline.intervals.get(contrast), start.variance(contrast)
        designs = []
        if interval is not None and interval.std_error > 0 and before > 0:
            error = interval.std_error * (level.variance(contrast) / before) ** 0.5
            designs.append(_Design(Version.IN_PERSON, error, interval.df))
        if contrast == context.first:
            designs += _simple(contrast, level.margins, context.sample)
        for design in designs:
            yield from _rows(design, contrast, context.smallest_gap, context.row())


def _simple(contrast: Contrast, margins: Margins, sample: Sample) -> Iterator[_Design]:
    """A simple random sample of the same effective sizes, both groups with the members' shares."""
    member = sample.rows.member
    sizes = [effective_size(sample.weight[one & sample.kept]) for one in (member, ~member)]
    if contrast.quantity is Quantity.SUPERIORITY:
        error = superiority_error(margins.member, *sizes)
    else:
        share = float(margins.member[contrast.level :].sum())
        error = (share * (1 - share) * sum(1 / size for size in sizes)) ** 0.5
    for factor in DESIGN_EFFECTS:
        yield _Design(f"design effect {factor:g}", error * factor**0.5, factor=factor)


def null_error(margins: Margins, level: int) -> float:
    """Standard error of the difference at a threshold, had both groups the first one's share.

    The second group's variance becomes that of the first group's share under its own design
    effect, the covariance moves with its root; NaN where everybody of it answers alike. `level` is
    the index of the level the threshold starts at.
    """
    n = margins.member.size
    pick = np.zeros((2, 2 * n))
    pick[0, level:n] = pick[1, n + level :] = 1.0
    cov = pick @ margins.cov @ pick.T
    first, second = (float(side[level:].sum()) for side in (margins.member, margins.comparison))
    if not 0 < second < 1:
        return np.nan
    scale = first * (1 - first) / (second * (1 - second))
    variance = cov[0, 0] + cov[1, 1] * scale - 2 * cov[0, 1] * scale**0.5
    return float(np.sqrt(max(variance, 0.0)))


def _by_phone(context: Context) -> Iterator[SensitivityRow]:
    """The same with the people called as comparison group, and against those asked in person."""
    phone = context.phone
    if not phone.called.n or not phone.comparison.n:
        return
    pairs: dict[str, Group] = {
        Version.PHONE_IN_PLACE: "members",
        Version.PHONE_AGAINST: "comparison",
    }
    for variant, people in pairs.items():
        base = context.row(variant=variant, comparator=Comparator.PHONE, family=None)
        try:
            margins = phone.balanced(people, "called", context.sample.covariates).margins
        except NotEstimable as error:
            note = f"The phone people cannot be balanced to the other group: {error.reason}."
            yield unassessed(base, note)
            continue
        for contrast in headline_first(context.keys.levels, context.keys.at):
            if contrast.is_threshold_gap:
                df = margins.df_for(contrast_gradient(contrast, margins))
                design = _Design(variant, null_error(margins, contrast.level), df)
                yield from _rows(design, contrast, context.smallest_gap, base)


def _rows(
    design: _Design, contrast: Contrast, gap: float, base: SensitivityRow
) -> Iterator[SensitivityRow]:
    if not design.std_error > 0:
        return
    smallest = detectable_gap(design.std_error, df=design.df, power=_POWER)
    row = replace(
        base,
        variant=design.variant,
        category=contrast.category,
        setting=design.factor,
        std_error=design.std_error,
    )
    if contrast.quantity is Quantity.SUPERIORITY:
        name = "smallest_superiority"
        yield replace(row, quantity=name, estimate=0.5 + smallest, note=_NOTES[name])
        return
    power, type_s, type_m = retrodesign(gap, design.std_error, df=design.df)
    numbers = {"smallest_detectable": smallest}
    if design.factor is None:
        numbers |= {"type_s": type_s, "type_m": type_m}
    for name, value in numbers.items():
        yield replace(
            row,
            quantity=name,
            estimate=finite(value),
            threshold=gap,
            power=power if name == "smallest_detectable" else None,
            note=_NOTES[name],
        )
