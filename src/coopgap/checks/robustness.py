"""How much variance an unmeasured confounder would have to explain, and what measured ones do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from coopgap.checks.compare import compared, middle_gap, numbers_of, shifted
from coopgap.checks.context import Context
from coopgap.checks.omitted import (
    Residual,
    benchmark_strength,
    interval_value,
    left_of,
    linear_gap,
    value_at_zero,
    within_sets,
)
from coopgap.checks.registry import NotApplicable, NotAssessed, Topic, check
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Contrast, Interval, threshold_gaps
from coopgap.core.vocabulary import Check, Family, Quantity, Status, Version
from coopgap.families.estimate import Estimate
from coopgap.study.spec import ModelSpec, Variable
from coopgap.study.variables import same_question
from coopgap.survey.records import ModelRows, complete_rows

MULTIPLES: Final = (1, 2, 3)

_VALUE_NOTES: Final = {
    Version.ESTIMATE: (
        "A confounder that explains this share of the residual variance of both membership and "
        "outcome would account for the whole difference."
    ),
    Version.INTERVAL: (
        "A confounder that explains this share of the residual variance of both membership and "
        "outcome would bring zero into the interval; zero where the interval holds it already."
    ),
}
_ROWS: Final = (
    "Weighted linear model of all complete in-person rows beside these covariates, those of the "
    "declared variants among them"
)
_BEFORE: Final = ", before matching: after it what was matched on no longer goes with membership"
_LIKE: Final = (
    ". A confounder k times as strong explains k times the covariate's share of "
    "variance of membership and of the outcome, the covariate itself left aside. Shares of "
    "variance and the gap that is left are those of classical least squares; the interval takes "
    "the standard error clustered on zones times the factor of the classical one."
)


@check(
    Check.ROBUSTNESS_VALUE,
    title="Robustness values",
    question="How much variance would an unmeasured confounder have to explain?",
    topic=Topic.UNMEASURED,
    place=(100, 3),
)
def robustness_values(context: Context) -> Iterator[SensitivityRow]:
    """Robustness values of a linear gap, a pair a threshold: for the estimate and its interval.

    With a matching the linear family's, which absorbs matched sets; else those of the weighted
    linear model of all complete rows beside the model's covariates. The value for the estimate is
    algebra of least squares: it takes the classical standard error, whatever the clusters. The
    value for the interval takes the family's own interval.
    """
    matched = context.sample.is_matched
    estimate = context.headline
    if matched:
        estimate = next(one for one in context.estimates if one.family is Family.LINEAR)
    keys = {"family": Family.LINEAR, "population": estimate.population if matched else None}
    if estimate.status is not Status.OK:
        reason = estimate.reason or estimate.status
        raise NotApplicable(f"There is no estimate: {reason}.", **keys)
    rows: list[SensitivityRow] = []
    reason = "No threshold has a linear estimate with an error."
    for contrast in threshold_gaps(context.keys.levels):
        try:
            gap = _gap(context, contrast, estimate)
        except NotEstimable as error:
            reason = f"Not estimable: {error.reason}."
            continue
        if gap is None:
            continue
        interval, residual = gap
        for variant, value in (
            (Version.ESTIMATE, value_at_zero(abs(interval.estimate) / residual.bias_scale, 0.0)),
            (Version.INTERVAL, interval_value(interval, residual)),
        ):
            row = context.row(**keys, variant=variant, category=contrast.category)
            note = _VALUE_NOTES[variant]
            rows.append(replace(row, quantity="robustness_value", estimate=value, note=note))
    if not rows:
        raise NotApplicable(reason, **keys)
    yield from rows


def _gap(
    context: Context, contrast: Contrast, linear: Estimate
) -> tuple[Interval, Residual] | None:
    """The gap with its residuals; None where it has no error."""
    sample = context.sample
    if not sample.is_matched:
        return linear_gap(context.rows, sample.covariates, contrast.level)[:2]
    interval = linear.intervals.get(contrast)
    if interval is None or not interval.std_error > 0:
        return None
    above = (sample.rows.outcome >= contrast.level).astype(np.float64)
    residual = within_sets(above, sample.rows.member, sample.weight, sample.matched.set_id)
    return None if residual is None else (interval, residual)


def measured_covariates(spec: ModelSpec, variables: Mapping[str, Variable]) -> tuple[str, ...]:
    """Covariates of a model, of its matching and of its declared variants, that are confounders.

    Of several that read one column, as a number and in bands, the first: beside another of them
    none has a strength of its own.
    """
    specs = (spec, *(variant.spec for variant in spec.variants))
    names = dict.fromkeys(name for one in specs for name in (*one.covariates, *one.matching.on))
    kept: list[str] = []
    for name in names:
        again = any(same_question(variables[name], variables[other]) for other in kept)
        if not again and variables[name].role_for(spec.outcome) == "confounder":
            kept.append(name)
    return tuple(kept)


@check(Check.ROBUSTNESS_VALUE, place=(101, 0))
def benchmarks(context: Context) -> Iterator[SensitivityRow]:
    """The linear gap at one threshold, and what confounders like each covariate would leave."""
    names = measured_covariates(context.spec, context.survey.variables)
    spec = replace(context.spec, covariates=names)
    yield from benchmark_rows(context, complete_rows(context.survey, context.study, spec), names)


def benchmark_rows(
    context: Context, rows: ModelRows, covariates: tuple[str, ...]
) -> Iterator[SensitivityRow]:
    """Benchmarks on complete rows of the outcome and the covariates.

    At the declared threshold, else at the one nearest to one half of everybody: the gap alone
    (`risk_difference`) with `bias_scale` and `df`; then by covariate (`about`) and multiple
    (`setting`) the gap left, `r2_membership` and `r2_outcome`. A confounder too strong to exist
    has no rows.
    """
    keys = {"family": Family.LINEAR, "population": None}
    if not rows.n:
        note = "Benchmarks: nobody has an answer to the outcome and every covariate."
        raise NotAssessed(note, **keys)
    by_weight = np.bincount(rows.outcome, rows.weight, minlength=len(rows.levels))
    contrast = context.first if context.keys.at else middle_gap(rows.levels, by_weight)
    try:
        gap, residual, strengths = linear_gap(rows, covariates, contrast.level)
    except NotEstimable as error:
        raise NotAssessed(f"Benchmarks: not estimable, {error.reason}.", **keys) from error
    note = f"{_ROWS}{_BEFORE if context.sample.is_matched else ''}{_LIKE}"
    base = context.row(**keys, category=contrast.category, note=note)
    alone = replace(base, variant=Version.NO_CONFOUNDER)
    yield _gap_row(alone, gap)
    yield replace(alone, quantity="bias_scale", estimate=residual.bias_scale)
    yield replace(alone, quantity="df", estimate=residual.df)
    for name in (name for name in covariates if name in strengths):  # not of one level
        for multiple in MULTIPLES:
            strength = benchmark_strength(strengths[name], multiple)
            if strength is None:
                continue
            left = left_of(gap, residual, strength)
            variant = f"{name} x {multiple}"
            like = replace(base, variant=variant, about=name, setting=float(multiple))
            row = _gap_row(like, left)
            yield compared(row, gap, left, shifted(gap, left), context.smallest_gap)
            yield replace(like, quantity="r2_membership", estimate=strength.member)
            yield replace(like, quantity="r2_outcome", estimate=strength.outcome)


def _gap_row(row: SensitivityRow, interval: Interval) -> SensitivityRow:
    numbers = numbers_of(interval) | {"p_value": None}
    return replace(row, quantity=Quantity.RISK_DIFFERENCE, **numbers)
