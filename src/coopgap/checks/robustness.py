"""How much variance an unmeasured confounder would have to explain, and what measured ones do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from coopgap.checks.compare import compared, numbers_of, shifted
from coopgap.checks.context import Context
from coopgap.checks.omitted import (
    LinearGap,
    Residual,
    benchmark_strength,
    interval_value,
    left_of,
    linear_gap,
    value_at_zero,
    within_sets,
)
from coopgap.checks.registry import NotApplicable, NotAssessed, Topic, check, rows_of
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Contrast, Interval, contrasts, wald
from coopgap.core.vocabulary import Check, Family, Quantity, Status, Version
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.estimate import FEW_CLUSTERS
from coopgap.families.sample import are_few
from coopgap.study.spec import ModelSpec, Variable
from coopgap.study.variables import same_question
from coopgap.survey.cells import collapse
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
    order=100,
    page=3,
)
def robustness_values(context: Context) -> Iterator[SensitivityRow]:
    """Robustness values of a linear gap, a pair a threshold: for the estimate and its interval.

    With a matching the linear family's, which absorbs matched sets; else those of the weighted
    linear model of all complete rows beside the model's covariates. The value for the estimate is
    algebra of least squares: it takes the classical standard error, whatever the clusters. The
    value for the interval takes the family's own interval.
    """
    sample = context.sample
    family = context.family(Family.LINEAR) if sample.is_matched else context.headline
    base = context.row(family=Family.LINEAR, population=None)
    if sample.is_matched:
        base = context.row(family=family.family, population=family.population)
    keys = {"family": base.family, "population": base.population}
    if family.status is not Status.OK:
        reason = family.reason or family.status
        raise NotApplicable(f"There is no estimate: {reason}.", **keys)
    found, reason = False, "No threshold has a linear estimate with an error."
    for contrast in contrasts(context.keys.levels):
        if not contrast.is_threshold_gap:
            continue
        try:
            gap = _absorbed(context, contrast) if sample.is_matched else _beside(context, contrast)
        except NotEstimable as error:
            reason = f"Not estimable: {error.reason}."
            continue
        if gap is None:
            continue
        found, (interval, residual) = True, gap
        values = {
            Version.ESTIMATE: value_at_zero(abs(interval.estimate) / residual.bias_scale, 0.0),
            Version.INTERVAL: interval_value(interval, residual),
        }
        for variant, value in values.items():
            yield replace(
                base,
                variant=variant,
                quantity="robustness_value",
                category=contrast.category,
                estimate=value,
                note=_VALUE_NOTES[variant],
            )
    if not found:
        raise NotApplicable(reason, **keys)


def _absorbed(context: Context, contrast: Contrast) -> tuple[Interval, Residual] | None:
    """The linear family's gap with its residuals; None where it has no error."""
    sample, interval = context.sample, context.family(Family.LINEAR).intervals.get(contrast)
    if interval is None or not interval.std_error > 0:
        return None
    above = (sample.rows.outcome >= contrast.level).astype(np.float64)
    residual = within_sets(above, sample.rows.member, sample.weight, sample.matched.set_id)
    return None if residual is None else (interval, residual)


def _beside(context: Context, contrast: Contrast) -> tuple[Interval, Residual]:
    """The gap beside the model's covariates with its residuals."""
    gap = _fit(context.rows, context.sample.covariates, contrast.level)
    return _interval(gap), Residual(gap.bias_scale, gap.df)


def measured_covariates(spec: ModelSpec, variables: Mapping[str, Variable]) -> tuple[str, ...]:
    """Covariates of a model, of its matching and of its declared variants, that are confounders.

    Of several that read one column, as a number and in bands, the first: beside another of them
    none has a strength of its own.
    """
    specs = (spec, *(variant.spec for variant in spec.variants))
    names = dict.fromkeys(name for one in specs for name in (*one.covariates, *one.matching.on))
    found: list[str] = []
    for name in names:
        again = any(same_question(variables[name], variables[other]) for other in found)
        if not again and variables[name].role_for(spec.outcome) == "confounder":
            found.append(name)
    return tuple(found)


@rows_of(Check.ROBUSTNESS_VALUE, order=101)
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
    contrast = context.first if context.keys.at else _middle(rows)
    try:
        gap = _fit(rows, covariates, contrast.level)
    except NotEstimable as error:
        raise NotAssessed(f"Benchmarks: not estimable, {error.reason}.", **keys) from error
    note = f"{_ROWS}{_BEFORE if context.sample.is_matched else ''}{_LIKE}"
    base = context.row(**keys, category=contrast.category, note=note)
    none, alone = replace(base, variant=Version.NO_CONFOUNDER), _interval(gap)
    yield _gap_row(none, alone)
    yield replace(none, quantity="bias_scale", estimate=gap.bias_scale)
    yield replace(none, quantity="df", estimate=gap.df)
    for name in covariates:
        if name not in gap.strengths:  # a covariate of one level
            continue
        for multiple in MULTIPLES:
            strength = benchmark_strength(gap.strengths[name], multiple)
            if strength is None:
                continue
            left = Interval(*left_of(gap, strength, prob=INTERVAL_PROB), np.nan)
            like = replace(
                base, variant=f"{name} x {multiple}", about=name, setting=float(multiple)
            )
            moved = shifted(alone, left)
            yield compared(_gap_row(like, left), alone, left, moved, context.smallest_gap)
            yield replace(like, quantity="r2_membership", estimate=strength.member)
            yield replace(like, quantity="r2_outcome", estimate=strength.outcome)


def _gap_row(row: SensitivityRow, interval: Interval) -> SensitivityRow:
    numbers = numbers_of(interval) | {"p_value": None}
    return replace(row, quantity=Quantity.RISK_DIFFERENCE, **numbers)


def _interval(gap: LinearGap) -> Interval:
    return wald(gap.estimate, gap.std_error, df=gap.df_interval, prob=INTERVAL_PROB, null=0.0)


def _middle(rows: ModelRows) -> Contrast:
    """The threshold that nearest to half of all people reach, by weight."""
    share = np.bincount(rows.outcome, rows.weight, minlength=len(rows.levels)) / rows.weight.sum()
    reach = np.cumsum(share[::-1])[::-1]
    offered = [one for one in contrasts(rows.levels) if one.is_threshold_gap]
    return min(offered, key=lambda one: abs(float(reach[one.level]) - 0.5))


def _fit(rows: ModelRows, covariates: tuple[str, ...], level: int) -> LinearGap:
    if rows.zone is not None and np.unique(rows.zone).size < FEW_CLUSTERS:
        raise NotEstimable("too few zones for a standard error")
    columns = [rows.member.astype(np.int64), *(rows.factors[name] for name in covariates)]
    columns += [] if rows.zone is None else [rows.zone]
    above = (rows.outcome >= level).astype(np.int64)
    cells = collapse([*columns, above], np.zeros_like(above), 1, rows.weight)
    codes = dict(zip(covariates, cells.codes[:, 1:].T, strict=False))
    return linear_gap(
        cells.codes[:, -1].astype(np.float64),
        cells.codes[:, 0] == 1,
        cells.counts[:, 0],
        cells.people[:, 0],
        codes,
        rows.factor_levels,
        None if rows.zone is None else cells.codes[:, -2],
        numeric=rows.numeric,
        kind="CR2" if rows.zone is not None and are_few(np.unique(rows.zone).size) else "CR1",
    )
