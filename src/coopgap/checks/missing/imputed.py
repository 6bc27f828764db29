"""The headline gap on every completed survey, pooled, and with missing answers shifted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from coopgap.checks.compare import compared, judge, numbers_of, shifted
from coopgap.checks.context import Context
from coopgap.checks.missing.bounds import Lacking, lacking
from coopgap.checks.missing.chained import ROUNDS, Completed, Imputation, imputation
from coopgap.checks.registry import Answer, NotApplicable, NotAssessed, Topic, check
from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import DiagnosticRow, SensitivityRow
from coopgap.core.gap import Contrast, Interval, wald, wald_interval
from coopgap.core.vocabulary import (
    Check,
    Diagnostic,
    Population,
    Quantity,
    Verdict,
    Version,
)
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
    topic=Topic.MISSING,
    cost="full",
    of_model=True,
    order=190,
    page=2,
)
def imputed(context: Context) -> Iterator[Answer]:
    """The headline gap with missing answers imputed, and with the imputed ones shifted.

    Yields
    ------
    SensitivityRow
        `multiple imputation`: a row a threshold, superiority of more than two levels, and the
        fraction of missing information (`fmi`) of the headline. The headline with the missing
        outcomes of one group (`about`) shifted on the log odds by `setting`, judged beside no
        shift, and the shift at which it changes, `delta`.
    DiagnosticRow
        Whether the chains settled.
    """
    survey, study, spec, keys = context.survey, context.study, context.spec, context.keys
    who = lacking(survey, spec)
    if not who.incomplete:
        raise NotApplicable("No answer that the model needs is missing.")
    try:
        how = imputation(survey, study, spec)
        m = imputations(who)
        gaps = imputed_gaps(how, study, spec, context.headline, m=m, seed=context.seed)
    except NotEstimable as error:
        raise NotAssessed(error.reason) from None
    base = context.row(
        check=Check.MISSING_IMPUTATION,
        variant=Version.IMPUTED,
        population=gaps.population,
        n=who.incomplete,
        of=sum(who.people),
        note=_note(who, how, gaps, study, matched=spec.matching.is_declared),
    )
    yield from _pooled_rows(gaps, context.headline, base, context.first, context.smallest_gap)
    yield from _shifted_rows(gaps, base, context.first, context.smallest_gap)
    yield DiagnosticRow(
        model=keys.model,
        diagnostic=Diagnostic.IMPUTATION_CONVERGENCE,
        value=gaps.r_hat,
        bar=CONVERGED,
        passed=gaps.r_hat <= CONVERGED,
        note=(
            f"largest split R-hat of the imputed shares over {gaps.m} chains, "
            f"the last eight of {ROUNDS} rounds"
        ),
        source=keys.source,
    )


def _pooled_rows(
    gaps: ImputedGaps,
    declared: Estimate,
    base: SensitivityRow,
    first: Contrast,
    smallest_gap: float,
) -> Iterator[SensitivityRow]:
    for contrast, pooled in gaps.pooled.items():
        row, own = _row(contrast, pooled, base), declared.intervals.get(contrast)
        if own is None or contrast not in gaps.apart:
            yield replace(row, verdict=Verdict.NOT_ASSESSED)
            continue
        again = pooled.interval(contrast.quantity)
        yield compared(row, own, again, gaps.apart[contrast], smallest_gap)
    fmi = gaps.pooled[first].fmi
    yield replace(base, quantity="fmi", category=first.category, estimate=fmi)


def _shifted_rows(
    gaps: ImputedGaps, base: SensitivityRow, contrast: Contrast, smallest_gap: float
) -> Iterator[SensitivityRow]:
    none = gaps.pooled[contrast].interval(contrast.quantity)
    for member, curve in gaps.shifted.items():
        by_delta, whose = {0.0: none}, _WHO[member]
        for delta, pooled in zip(DELTAS, curve, strict=True):
            name = f"delta {delta:g}, {whose}"
            named = replace(base, variant=name, about=whose, setting=delta)
            again = by_delta[delta] = pooled.interval(contrast.quantity)
            row = _row(contrast, pooled, named)
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


def _row(contrast: Contrast, pooled: Pooled, base: SensitivityRow) -> SensitivityRow:
    """One pooled contrast."""
    return replace(
        replace(base, **numbers_of(pooled.interval(contrast.quantity))),
        quantity=contrast.quantity,
        category=contrast.category,
    )


def _note(who: Lacking, how: Imputation, gaps: ImputedGaps, study: Study, *, matched: bool) -> str:
    together = "apart" if how.separate else "together"
    again = "matched" if matched else "fitted"
    entering = "the region is a predictor, zones are not; " if study.design.region else ""
    return (
        f"{gaps.m} imputations; {who.incomplete:,} of {sum(who.people):,} people "
        f"incomplete; members and comparison people imputed {together}; {entering}{again} anew "
        "each time. Delta is added to the log odds of a higher answer where the outcome is missing."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImputedGaps:
    """Pooled gaps.

    Attributes
    ----------
    pooled
        By contrast (`shown`).
    apart
        By contrast, how far the gaps lie from the declared one's, on the people that both have.
    population
        Of the completed samples.
    shifted
        By group (True for members) with missing outcomes, the whole-distribution contrast at each
        of `DELTAS`.
    r_hat
        Largest split R-hat of the imputed shares over the last eight rounds.
    m
        Completed surveys.
    """

    pooled: Mapping[Contrast, Pooled]
    apart: Mapping[Contrast, Interval]
    population: Population
    shifted: Mapping[bool, tuple[Pooled, ...]]
    r_hat: float
    m: int


def imputations(who: Lacking) -> int:
    """Completed surveys: at least the percentage of incomplete people, at least twenty.

    References
    ----------
    White, Royston & Wood (2011), Statistics in Medicine 30, 377-399, section 7.
    """
    return max(FEWEST, math.ceil(100 * who.incomplete / sum(who.people)))


def shown(contrasts: Sequence[Contrast], n_levels: int) -> list[Contrast]:
    """Gaps at thresholds, and of more than two levels superiority, which comes last."""
    return [
        contrast
        for contrast in contrasts
        if contrast.is_threshold_gap or (n_levels > 2 and contrast.quantity is Quantity.SUPERIORITY)
    ]


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

    Raises
    ------
    NotEstimable
        If some completed survey has no matched gap.

    Notes
    -----
    Shifts follow the delta adjustment of van Buuren (2018, section 3.8): the model draws a
    missing answer as if it had been given, and its log odds are then moved in one group.
    """
    sides = [side for side in (True, False) if _any_outcome(how, spec, side)]
    plain: list[Estimate] = []
    shifted: dict[bool, list[list[Estimate]]] = {side: [] for side in sides}
    traces = []
    for completed in how.completed(spec.name, seed, m):
        sample = sample_for(complete_rows(completed.survey, study, spec), spec)
        plain.append(_estimate(sample))
        traces.append(completed.trace)
        for side in sides:
            shifted[side].append([_at(sample, completed, spec, delta, side) for delta in DELTAS])
    levels = how.survey.variables[spec.outcome].levels
    asked = shown(tuple(plain[0].intervals), len(levels))
    first = headline_contrast(levels, declared_at(study, spec.name))
    return ImputedGaps(
        pooled={contrast: _pool(plain, contrast) for contrast in asked},
        apart={
            contrast: pool_difference(
                [one.difference(declared, contrast) for one in plain], INTERVAL_PROB
            )
            for contrast in asked
            if declared.margins is not None
        },
        population=plain[0].population,
        shifted={
            side: tuple(_pool(column, first) for column in zip(*found, strict=True))
            for side, found in shifted.items()
        },
        r_hat=largest_r_hat(np.array(traces)[:, _SETTLED:]),
        m=m,
    )


def turning(
    shifts: FloatArray, intervals: Sequence[Interval], quantity: Quantity, smallest_gap: float
) -> float | None:
    """The shift nearest to none at which the gap `changes` from that of no shift.

    Parameters
    ----------
    shifts
        Shape (s,), increasing, zero among them.
    intervals
        s pooled intervals.
    quantity
        A difference or superiority.
    smallest_gap
        On the probability scale.

    Returns
    -------
    float or None
        To `STEP`, estimates and limits linear between shifts; None where no shift changes it.
    """
    none = intervals[int(np.flatnonzero(shifts == 0)[0])]
    ends = np.array([(one.estimate, one.lower, one.upper) for one in intervals])
    steps = round((shifts[-1] - shifts[0]) / STEP)
    tried = np.linspace(shifts[0], shifts[-1], steps + 1)
    for at in sorted(tried, key=abs):
        estimate, lower, upper = (np.interp(at, shifts, column) for column in ends.T)
        again = Interval(estimate, 0.0, lower, upper, np.nan)
        found = judge(none, again, shifted(none, again), quantity, smallest_gap)
        if found is Verdict.CHANGES:
            return float(at)
    return None


def _any_outcome(how: Imputation, spec: ModelSpec, side: bool) -> bool:
    """Whether anybody of a group lacks the outcome, with or without a covariate."""
    survey = how.survey
    mine = ~survey.phone & (survey.member == side)
    return bool((survey.codes[spec.outcome][mine] < 0).any())


def _at(
    sample: Sample, completed: Completed, spec: ModelSpec, delta: float, side: bool
) -> Estimate:
    """The fit with one group's answers shifted; the outcome takes no part in the matching."""
    outcome = completed.outcome(spec.outcome, delta, side)[sample.rows.index]
    return _estimate(replace(sample, rows=replace(sample.rows, outcome=outcome)))


def _estimate(sample: Sample) -> Estimate:
    found = headline_estimate(sample)
    if not found.intervals:
        raise NotEstimable(f"a completed survey has no matched gap: {found.reason}", found.status)
    return found


def _pool(estimates: Sequence[Estimate], contrast: Contrast) -> Pooled:
    found = [one.intervals.get(contrast) for one in estimates]
    intervals = [one for one in found if one is not None]
    if len(intervals) < len(found) or not all(one.std_error > 0 for one in intervals):
        raise NotEstimable("a completed survey has no standard error")
    return pool_intervals(intervals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """Several estimates as one: `df` after Barnard and Rubin, `fmi` of missing information."""

    estimate: float
    variance: float
    df: float
    fmi: float

    def interval(self, quantity: Quantity, prob: float = INTERVAL_PROB) -> Interval:
        """Interval on Student's t of a risk difference or superiority."""
        std_error = float(np.sqrt(self.variance))
        return wald_interval(quantity, self.estimate, std_error, df=self.df, prob=prob)


def pool(estimates: FloatArray, variances: FloatArray, df_complete: float) -> Pooled:
    """Pool by Rubin's rules.

    Of m completed surveys, at least two; `df_complete` are the degrees of freedom if nothing were
    missing, those of the clusters.

    Notes
    -----
    T = U + (1 + 1/m) B. With λ = (1 + 1/m) B / T the degrees of freedom are
    1 / (λ²/(m − 1) + 1/ν), ν = (d + 1)/(d + 3) · d (1 − λ), d the complete-data ones. The
    fraction of missing information is (r + 2/(f + 3)) / (r + 1), r = (1 + 1/m) B / U, with
    Rubin's f = (m − 1)/λ²: with Barnard and Rubin's degrees of freedom in its place few clusters
    would count as missing information.

    References
    ----------
    Rubin (1987), Multiple Imputation for Nonresponse in Surveys, chapter 3.
    Barnard & Rubin (1999), Biometrika 86, 948-955.
    """
    m = estimates.size
    within = float(variances.mean())
    between = (1 + 1 / m) * float(estimates.var(ddof=1))
    total = within + between
    share = max(between / total, _SMALLEST_SHARE)
    precision = share**2 / (m - 1)
    if np.isfinite(df_complete):
        d = df_complete
        precision += 1 / ((d + 1) / (d + 3) * d * (1 - share))
    r = between / within
    return Pooled(
        estimate=float(estimates.mean()),
        variance=total,
        df=1 / precision,
        fmi=(r + 2 / ((m - 1) / share**2 + 3)) / (r + 1),
    )


def pool_intervals(intervals: Sequence[Interval]) -> Pooled:
    """Pool Wald intervals; their mean degrees of freedom are the complete-data ones."""
    return pool(
        np.array([one.estimate for one in intervals]),
        np.array([one.std_error**2 for one in intervals]),
        float(np.mean([one.df for one in intervals])),
    )


def pool_difference(differences: Sequence[Interval], prob: float) -> Interval:
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
    values = np.array([one.estimate for one in differences])
    within = float(np.mean([one.std_error**2 for one in differences]))
    between = float(values.var(ddof=1))
    variance = max(within - between, 0.0) + between / values.size
    df = float(np.mean([one.df for one in differences]))
    return wald(float(values.mean()), float(np.sqrt(variance)), df=df, prob=prob, null=0.0)


def largest_r_hat(trace: FloatArray) -> float:
    """Largest split R-hat of several quantities over several chains.

    `trace` has shape (chains, rounds, q), an even number of rounds. The result is 1 where nothing
    moves, and without quantities.

    Notes
    -----
    Halves of chains count as chains, so that a drift common to all is seen. Few people imputed
    make it move in steps: it is a rough guide.

    References
    ----------
    Gelman & Rubin (1992), Statistical Science 7, 457-472.
    """
    chains, rounds, q = trace.shape
    n = rounds // 2
    halves = trace.reshape(chains * 2, n, q)
    within = halves.var(axis=1, ddof=1).mean(axis=0)
    between = halves.mean(axis=1).var(axis=0, ddof=1)
    moves = within > 0
    ratio = (n - 1) / n + between[moves] / within[moves]
    return float(np.sqrt(ratio).max(initial=1.0))
