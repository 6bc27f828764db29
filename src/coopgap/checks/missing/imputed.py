"""The headline gap on every completed survey, pooled, and with missing answers shifted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from coopgap.checks.compare import compared, judge, shifted, unassessed, with_interval
from coopgap.checks.context import Context
from coopgap.checks.missing.bounds import Lacking, lacking
from coopgap.checks.missing.chained import ROUNDS, Completed, Imputation, imputation
from coopgap.checks.registry import Answer, NotApplicable, NotAssessed, Topic, check
from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import DiagnosticRow, SensitivityRow
from coopgap.core.gap import Contrast, Interval, headline_contrasts, wald, wald_interval
from coopgap.core.vocabulary import Check, Diagnostic, Population, Quantity, Verdict, Version
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate
from coopgap.families.headline import declared_at, headline_contrast
from coopgap.families.plan import sample_for
from coopgap.families.sample import Sample
from coopgap.study.spec import ModelSpec, Study
from coopgap.survey.records import complete_rows

DELTAS = (-1.0, -0.5, 0.5, 1.0)
"""Shifts of the log odds of missing answers, beside none."""

FEWEST = 20
"""Completed surveys, where no more than this percentage of people is incomplete."""

STEP = 0.01
"""Of the shifts among which the one is sought at which the gap changes."""

CONVERGED = 1.2
"""Split R-hat of the imputed shares that still counts as settled."""

_SETTLED = ROUNDS - 8
"""Rounds that the convergence of the chains is not judged by."""

_SMALLEST_SHARE = 1e-4
"""Least share of the variance that counts as between imputations, as in mice."""

_WHO = {True: "members", False: "comparison people"}


@check(
    Check.MISSING_IMPUTATION,
    title="Missing answers: multiple imputation",
    question="What is the gap with missing answers imputed, and imputed answers shifted?",
    formula=(
        "Q̄ = ΣQ_i/m, T = W̄ + (1 + 1/m)B, Barnard and Rubin's degrees of freedom; shifted: "
        "logit p + δ"
    ),
    topic=Topic.MISSING,
    cost="full",
    of_model=True,
    place=(190, 2),
)
def imputed(context: Context) -> Iterator[Answer]:
    """The headline gap with missing answers imputed, and with the imputed ones shifted.

    `multiple imputation`: a row a threshold, superiority of more than two levels, and the
    fraction of missing information (`fmi`) of the headline. The headline with the missing
    outcomes of one group (`about`) shifted on the log odds by `setting`, judged beside no
    shift, and the shift at which it changes, `delta`. Last whether the chains settled.
    """
    study, spec, keys = context.study, context.spec, context.keys
    who = lacking(context.survey, spec)
    if not who.incomplete:
        raise NotApplicable("No answer that the model needs is missing.")
    try:
        how = imputation(context.survey, study, spec)
        m = imputations(who)
        gaps = imputed_gaps(how, study, spec, context.headline, m=m, seed=context.seed)
    except NotEstimable as error:
        raise NotAssessed(error.reason) from None
    base = context.row(
        population=gaps.population,
        n=who.incomplete,
        of=sum(who.people),
        note=_note(who, how, m, study, matched=spec.matching.is_declared),
    )
    yield from _pooled_rows(gaps, context, replace(base, variant=Version.IMPUTED))
    yield from _shifted_rows(gaps, base, context.first, context.smallest_gap)
    yield DiagnosticRow(
        model=keys.model,
        diagnostic=Diagnostic.IMPUTATION_CONVERGENCE,
        value=gaps.r_hat,
        bar=CONVERGED,
        passed=gaps.r_hat <= CONVERGED,
        note=f"largest split R-hat of the imputed shares over {m} chains, "
        f"the last eight of {ROUNDS} rounds",
        source=keys.source,
    )


def _pooled_rows(
    gaps: ImputedGaps, context: Context, base: SensitivityRow
) -> Iterator[SensitivityRow]:
    for contrast, pooled in gaps.pooled.items():
        again, own = pooled.interval(contrast), context.headline.intervals.get(contrast)
        row = with_interval(base, contrast, again)
        if own is None or contrast not in gaps.apart:
            yield unassessed(row, row.note)
        else:
            yield compared(row, own, again, gaps.apart[contrast], context.smallest_gap)
    first = context.first
    fmi = gaps.pooled[first].fmi
    yield replace(base, quantity="fmi", category=first.category, estimate=fmi)


def _shifted_rows(
    gaps: ImputedGaps, base: SensitivityRow, contrast: Contrast, smallest_gap: float
) -> Iterator[SensitivityRow]:
    none = gaps.pooled[contrast].interval(contrast)
    for member, curve in gaps.shifted.items():
        whose, by_delta = _WHO[member], {0.0: none}
        for delta, pooled in zip(DELTAS, curve, strict=True):
            again = by_delta[delta] = pooled.interval(contrast)
            row = replace(base, variant=f"delta {delta:g}, {whose}", about=whose, setting=delta)
            row = with_interval(row, contrast, again)
            yield compared(row, none, again, shifted(none, again), smallest_gap)
        shifts = sorted(by_delta)
        curves = [by_delta[at] for at in shifts]
        turns = turning(np.array(shifts), curves, contrast.quantity, smallest_gap)
        yield replace(
            base,
            variant=f"delta that changes the gap, {whose}",
            about=whose,
            quantity="delta",
            category=contrast.category,
            estimate=turns,
            verdict=Verdict.HOLDS if turns is None else Verdict.CHANGES,
        )


def _note(who: Lacking, how: Imputation, m: int, study: Study, *, matched: bool) -> str:
    together = "apart" if how.separate else "together"
    again = "matched" if matched else "fitted"
    entering = "the region is a predictor, zones are not; " if study.design.region else ""
    return (
        f"{m} imputations; {who.incomplete:,} of {sum(who.people):,} people "
        f"incomplete; members and comparison people imputed {together}; {entering}{again} anew "
        "each time. Delta is added to the log odds of a higher answer where the outcome is missing."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImputedGaps:
    """Gaps of the completed samples, pooled by contrast.

    `apart` are how far they lie from the declared one's, on the people that both have; `shifted`,
    by group (True for members) with missing outcomes, the contrast put first at each of `DELTAS`;
    `r_hat` is the largest split R-hat of the imputed shares over the last eight rounds.
    """

    pooled: Mapping[Contrast, Pooled]
    apart: Mapping[Contrast, Interval]
    population: Population
    shifted: Mapping[bool, tuple[Pooled, ...]]
    r_hat: float


def imputations(who: Lacking) -> int:
    """Completed surveys: the percentage of incomplete people, at least 20 (White et al. 2011)."""
    return max(FEWEST, math.ceil(100 * who.incomplete / sum(who.people)))


def imputed_gaps(
    how: Imputation,
    study: Study,
    spec: ModelSpec,
    declared: Estimate,
    *,
    m: int,
    seed: int,
) -> ImputedGaps:
    """Complete the survey `m` times, at least two, match and fit anew, and pool.

    Shifts follow the delta adjustment of van Buuren (2018, section 3.8): the model draws a missing
    answer as if it had been given, and its log odds are then moved in one group. Raises
    `NotEstimable` if some completed survey has no matched gap.
    """
    survey = how.survey
    lacks = (survey.codes[spec.outcome] < 0) & ~survey.phone
    sides = [side for side in (True, False) if (lacks & (survey.member == side)).any()]
    plain: list[Estimate] = []
    moved: dict[bool, list[list[Estimate]]] = {side: [] for side in sides}
    traces = []
    for completed in how.completed(spec.name, seed, m):
        sample = sample_for(complete_rows(completed.survey, study, spec), spec)
        plain.append(_estimate(sample))
        traces.append(completed.trace)
        for side in sides:
            moved[side].append([_at(sample, completed, spec, delta, side) for delta in DELTAS])
    levels = survey.variables[spec.outcome].levels
    wanted = [one for one in headline_contrasts(levels) if one in plain[0].intervals]
    first = headline_contrast(levels, declared_at(study, spec.name))
    return ImputedGaps(
        pooled={contrast: _pooled(plain, contrast) for contrast in wanted},
        apart={
            contrast: pool_difference([one.difference(declared, contrast) for one in plain])
            for contrast in wanted
            if declared.margins is not None
        },
        population=plain[0].population,
        shifted={
            side: tuple(_pooled(column, first) for column in zip(*estimates, strict=True))
            for side, estimates in moved.items()
        },
        r_hat=largest_r_hat(np.array(traces)[:, _SETTLED:]),
    )


def turning(
    shifts: FloatArray, intervals: Sequence[Interval], quantity: Quantity, smallest_gap: float
) -> float | None:
    """The shift nearest to none at which the gap `changes` from that of no shift; None without any.

    `shifts`, increasing, have zero among them, and one interval each. To `STEP`, estimates and
    limits linear between shifts.
    """
    none = intervals[int(np.flatnonzero(shifts == 0)[0])]
    ends = np.array([(one.estimate, one.lower, one.upper) for one in intervals])
    steps = round((shifts[-1] - shifts[0]) / STEP)
    tried = np.linspace(shifts[0], shifts[-1], steps + 1)
    for at in sorted(tried, key=abs):
        estimate, lower, upper = (np.interp(at, shifts, column) for column in ends.T)
        again = Interval(estimate, 0.0, lower, upper, np.nan)
        verdict = judge(none, again, shifted(none, again), quantity, smallest_gap)
        if verdict is Verdict.CHANGES:
            return float(at)
    return None


def _at(
    sample: Sample, completed: Completed, spec: ModelSpec, delta: float, side: bool
) -> Estimate:
    """The fit with one group's answers shifted; the outcome takes no part in the matching."""
    outcome = completed.outcome(spec.outcome, delta, side)[sample.rows.index]
    return _estimate(replace(sample, rows=replace(sample.rows, outcome=outcome)))


def _estimate(sample: Sample) -> Estimate:
    estimate = headline_estimate(sample)
    if not estimate.intervals:
        reason = f"a completed survey has no matched gap: {estimate.reason}"
        raise NotEstimable(reason, estimate.status)
    return estimate


def _pooled(estimates: Sequence[Estimate], contrast: Contrast) -> Pooled:
    intervals = [one.intervals.get(contrast) for one in estimates]
    known = [one for one in intervals if one is not None and one.std_error > 0]
    if len(known) < len(intervals):
        raise NotEstimable("a completed survey has no standard error")
    return pool(known)


class Pooled(NamedTuple):
    """Several estimates as one: `df` after Barnard and Rubin, `fmi` of missing information."""

    estimate: float
    variance: float
    df: float
    fmi: float

    def interval(self, contrast: Contrast) -> Interval:
        """Interval on Student's t of a risk difference or superiority."""
        error = float(np.sqrt(self.variance))
        return wald_interval(
            contrast.quantity, self.estimate, error, df=self.df, prob=INTERVAL_PROB
        )


def _parts(intervals: Sequence[Interval]) -> tuple[float, float, float, float]:
    """Mean, variance within and between, and the mean degrees of freedom, of the clusters."""
    values = np.array([one.estimate for one in intervals])
    within = float(np.mean([one.std_error**2 for one in intervals]))
    df = float(np.mean([one.df for one in intervals]))
    return float(values.mean()), within, float(values.var(ddof=1)), df


def pool(intervals: Sequence[Interval]) -> Pooled:
    """Pool Wald intervals of m completed surveys, at least two, by Rubin's rules.

    Notes
    -----
    T = U + (1 + 1/m) B. With λ = (1 + 1/m) B / T the degrees of freedom are
    1 / (λ²/(m − 1) + 1/ν), ν = (d + 1)/(d + 3) · d (1 − λ), d the complete-data ones, those of the
    clusters. The fraction of missing information is (r + 2/(f + 3)) / (r + 1), r = (1 + 1/m) B / U,
    with Rubin's f = (m − 1)/λ²: with Barnard and Rubin's degrees of freedom in its place few
    clusters would count as missing information.

    References
    ----------
    Rubin (1987), Multiple Imputation for Nonresponse in Surveys, chapter 3.
    Barnard & Rubin (1999), Biometrika 86, 948-955.
    """
    m = len(intervals)
    mean, within, variance, d = _parts(intervals)
    between = (1 + 1 / m) * variance
    total = within + between
    share = max(between / total, _SMALLEST_SHARE)
    precision = share**2 / (m - 1)
    if np.isfinite(d):
        precision += 1 / ((d + 1) / (d + 3) * d * (1 - share))
    r = between / within
    fmi = (r + 2 / ((m - 1) / share**2 + 3)) / (r + 1)
    return Pooled(mean, total, 1 / precision, fmi)


def pool_difference(differences: Sequence[Interval]) -> Interval:
    """A pooled estimate less one of the same survey's complete rows.

    `differences` are of m completed surveys, each estimate less that of the complete rows, on the
    people that both have.

    Notes
    -----
    The variance is U − B + B/m, never below B/m, on the mean degrees of freedom. Rubin's U + B is
    that of a pooled estimate about what it estimates. The estimate of the complete rows is no such
    unknown: it is known with what was observed, as the pooled one is but for m. A completed
    survey's difference varies by U, of which B is what was drawn and not observed. Where the
    imputation model says no more than the complete rows do, U is B and nothing but B/m is left.
    """
    mean, within, between, df = _parts(differences)
    variance = max(within - between, 0.0) + between / len(differences)
    return wald(mean, float(np.sqrt(variance)), df=df, prob=INTERVAL_PROB, null=0.0)


def largest_r_hat(trace: FloatArray) -> float:
    """Largest split R-hat of several quantities over several chains, (chains, rounds, q).

    Rounds are even. Halves of chains count as chains, so that a drift common to all is seen. Few
    people imputed make it move in steps: it is a rough guide. 1 where nothing moves, and without
    quantities. Gelman & Rubin (1992), Statistical Science 7, 457-472.
    """
    chains, rounds, q = trace.shape
    n = rounds // 2
    halves = trace.reshape(chains * 2, n, q)
    within = halves.var(axis=1, ddof=1).mean(axis=0)
    between = halves.mean(axis=1).var(axis=0, ddof=1)
    moves = within > 0
    ratio = (n - 1) / n + between[moves] / within[moves]
    return float(np.sqrt(ratio).max(initial=1.0))
