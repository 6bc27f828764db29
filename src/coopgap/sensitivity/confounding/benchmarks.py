"""What a confounder as strong as a covariate that was asked would leave of the gap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import Contrast, Interval, contrasts, wald
from coopgap.core.vocabulary import (
    Check,
    Comparator,
    Family,
    IntervalKind,
    Quantity,
    Status,
    Verdict,
    Version,
)
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.estimate import FEW_CLUSTERS, Estimate
from coopgap.families.headline import headline_contrast
from coopgap.families.sample import Sample, are_few
from coopgap.sensitivity.confounding.omitted import (
    LinearGap,
    benchmark_strength,
    left_of,
    linear_gap,
)
from coopgap.sensitivity.confounding.robustness import Residual, value_rows
from coopgap.sensitivity.confounding.rows import no_estimate
from coopgap.sensitivity.verdict import compared, shifted
from coopgap.study.multiverse import same_question
from coopgap.study.spec import ModelSpec, Variable
from coopgap.survey.cells import collapse
from coopgap.survey.records import ModelRows

MULTIPLES: Final = (1, 2, 3)

_ROWS = (
    "Weighted linear model of all complete in-person rows beside these covariates, those of the "
    "declared variants among them"
)
_BEFORE = ", before matching: after it what was matched on no longer goes with membership"
_NOTE = (
    ". A confounder k times as strong explains k times the covariate's share of "
    "variance of membership and of the outcome, the covariate itself left aside. Shares of "
    "variance and the gap that is left are those of classical least squares; the interval takes "
    "the standard error clustered on zones times the factor of the classical one."
)


def measured_covariates(spec: ModelSpec, variables: Mapping[str, Variable]) -> tuple[str, ...]:
    """Covariates of a model, of its matching and of its declared variants, that are confounders.

    Of several that read one column, as a number and in bands, the first: beside another of them
    none has a strength of its own.

    Parameters
    ----------
    spec
        The model.
    variables
        By name, for their roles beside its outcome.
    """
    specs = (spec, *(variant.spec for variant in spec.variants))
    names = dict.fromkeys(name for one in specs for name in (*one.covariates, *one.matching.on))
    found: list[str] = []
    for name in names:
        again = any(same_question(variables[name], variables[other]) for other in found)
        if not again and variables[name].role_for(spec.outcome) == "confounder":
            found.append(name)
    return tuple(found)


def benchmark_rows(
    rows: ModelRows,
    covariates: tuple[str, ...],
    labels: Keys,
    smallest_gap: float,
    *,
    matched: bool = True,
) -> list[SensitivityRow]:
    """The linear gap at one threshold, and what confounders like each covariate would leave.

    Parameters
    ----------
    rows
        Complete rows of the outcome and the covariates.
    covariates
        From `measured_covariates`.
    labels
        Keys of the rows.
    smallest_gap
        The smallest gap that matters.
    matched
        Whether the model declares a matching, before which these rows stand.

    Returns
    -------
    list of SensitivityRow
        At the declared threshold, else at the one nearest to one half of everybody: the gap alone
        (`risk_difference`) with `bias_scale` and `df`; then by covariate (`about`) and multiple
        (`setting`) the gap left, `r2_membership` and `r2_outcome`. A confounder too strong to exist
        has no rows.
    """
    base = _base(labels)
    if not rows.n:
        note = "Benchmarks: nobody has an answer to the outcome and every covariate."
        return [replace(base, verdict=Verdict.NOT_ASSESSED, note=note)]
    contrast = headline_contrast(labels.levels, labels.at) if labels.at else _middle(rows)
    try:
        gap = _fit(rows, covariates, contrast.level)
    except NotEstimable as error:
        note = f"Benchmarks: not estimable, {error.reason}."
        return [replace(base, verdict=Verdict.NOT_ASSESSED, note=note)]
    note = f"{_ROWS}{_BEFORE if matched else ''}{_NOTE}"
    base = replace(base, category=contrast.category, note=note)
    alone = _interval(gap)
    result = [
        _gap_row(base, Version.NO_CONFOUNDER, alone),
        replace(
            base, variant=Version.NO_CONFOUNDER, quantity="bias_scale", estimate=gap.bias_scale
        ),
        replace(base, variant=Version.NO_CONFOUNDER, quantity="df", estimate=gap.df),
    ]
    for name in covariates:
        result += _benchmark(base, name, gap, alone, smallest_gap)
    return result


def covariate_robustness_rows(
    sample: Sample, estimate: Estimate, labels: Keys
) -> list[SensitivityRow]:
    """Robustness values of a model without matching, a pair a threshold.

    Those of the weighted linear model of all complete rows beside the model's covariates, in place
    of the linear family, which absorbs matched sets. One row with the reason where it has no fit,
    or the headline has none.
    """
    base, reason = _base(labels), ""
    if estimate.status is not Status.OK:
        return [replace(base, verdict=Verdict.NOT_APPLICABLE, note=no_estimate(estimate))]
    result: list[SensitivityRow] = []
    for contrast in contrasts(labels.levels):
        if not contrast.is_threshold_gap:
            continue
        try:
            gap = _fit(sample.rows, sample.covariates, contrast.level)
        except NotEstimable as error:
            reason = error.reason
            continue
        at = replace(base, category=contrast.category)
        result += value_rows(at, _interval(gap), Residual(gap.bias_scale, gap.df))
    if not result:
        note = f"Not estimable: {reason}."
        return [replace(base, verdict=Verdict.NOT_APPLICABLE, note=note)]
    return result


def _base(labels: Keys) -> SensitivityRow:
    return SensitivityRow(
        check=Check.ROBUSTNESS_VALUE,
        model=labels.model,
        family=Family.LINEAR,
        outcome=labels.outcome,
        comparator=Comparator.COMPARISON,
        group=labels.group,
        source=labels.source,
    )


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


def _gap_row(base: SensitivityRow, variant: str, interval: Interval) -> SensitivityRow:
    return replace(
        base,
        variant=variant,
        quantity=Quantity.RISK_DIFFERENCE,
        estimate=interval.estimate,
        std_error=interval.std_error,
        lower=interval.lower,
        upper=interval.upper,
        interval_prob=INTERVAL_PROB,
        interval_kind=IntervalKind.CONFIDENCE,
    )


def _benchmark(
    base: SensitivityRow, name: str, gap: LinearGap, alone: Interval, smallest_gap: float
) -> Iterator[SensitivityRow]:
    """Rows of one covariate; none where it has one level only."""
    covariate = gap.strengths.get(name)
    if covariate is None:
        return
    for multiple in MULTIPLES:
        strength = benchmark_strength(covariate, multiple)
        if strength is None:
            continue
        left = Interval(*left_of(gap, strength, prob=INTERVAL_PROB), np.nan)
        variant = f"{name} x {multiple}"
        like = replace(base, about=name, setting=float(multiple))
        row = _gap_row(like, variant, left)
        yield compared(row, alone, left, shifted(alone, left), smallest_gap)
        for quantity, value in zip(("r2_membership", "r2_outcome"), strength, strict=True):
            yield replace(like, variant=variant, quantity=quantity, estimate=value)
