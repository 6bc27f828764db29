"""From a family's estimate to rows of gaps.csv and coefficients.csv."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from coopgap.estimate import CoefficientRow, DiagnosticRow, GapRow
from coopgap.families.dispatch import expected_contrasts
from coopgap.families.records import FEW_CLUSTERS, INTERVAL_PROB, FamilyEstimate
from coopgap.gap import Contrast, Interval, smallest_count
from coopgap.study.spec import DeclaredPopulation
from coopgap.vocabulary import BLANK, FEW_PEOPLE, Comparator, Family, IntervalKind, Kind, Status

__all__ = [
    "Labels",
    "coefficient_rows",
    "constant_row",
    "cut_rows",
    "decimals_row",
    "ess_name",
    "ess_row",
    "fallback_row",
    "gap_rows",
    "infinite_row",
    "interval_numbers",
    "population_row",
    "reason_row",
    "std_errors_row",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What a row says of itself besides its numbers; `at` is the threshold declared to be first."""

    model: str
    outcome: str
    levels: tuple[str, ...]
    source: str
    group: str = "all"
    at: str = ""


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def interval_numbers(interval: Interval) -> dict[str, Any]:
    """The estimate, with limits where people or zones differ: a share of zero has no error."""
    if not interval.std_error > 0:
        return {"estimate": _finite(interval.estimate)}
    return {
        "estimate": _finite(interval.estimate),
        "std_error": _finite(interval.std_error),
        "lower": _finite(interval.lower),
        "upper": _finite(interval.upper),
        "p_value": _finite(interval.p_value),
    }


def _status(estimate: FamilyEstimate, contrast: Contrast) -> Status:
    if estimate.status is not Status.OK:
        return estimate.status
    if estimate.intervals.get(contrast) is None:
        return Status.NOT_ESTIMABLE
    if estimate.n_clusters is not None and estimate.n_clusters < FEW_CLUSTERS:
        return Status.FEW_CLUSTERS
    few = smallest_count(estimate.people, contrast) < FEW_PEOPLE
    return Status.FEW_PEOPLE if few else Status.OK


def gap_rows(estimate: FamilyEstimate, labels: Labels) -> Iterator[GapRow]:
    """Rows of one estimate: every contrast of its family, with the reason where one is blank."""
    comparison, member = estimate.people.sum(axis=1)
    inside = estimate.comparator == Comparator.COMPARISON
    for contrast in expected_contrasts(estimate.family, labels.levels):
        if contrast.of_member and not estimate.own_shares:
            continue
        status = _status(estimate, contrast)
        interval = estimate.intervals.get(contrast)
        shown = interval is not None and status not in BLANK
        limits = shown and interval is not None and interval.std_error > 0
        row = GapRow(
            model=labels.model,
            family=estimate.family,
            outcome=labels.outcome,
            comparator="" if contrast.of_member else estimate.comparator,
            group=labels.group,
            population=estimate.population,
            quantity=contrast.quantity,
            category=contrast.category,
            interval_prob=INTERVAL_PROB if limits else None,
            interval_kind=IntervalKind.CONFIDENCE if limits else None,
            n_member=int(member),
            n_comparison=int(comparison) if inside else None,
            ess_comparison=estimate.ess_comparison,
            n_sets=estimate.sets_at(contrast),
            n_fewest=smallest_count(estimate.people, contrast),
            status=status,
            form=estimate.form,
            source=labels.source,
            **(interval_numbers(interval) if shown and interval is not None else {}),
        )
        yield row
        if contrast in estimate.joint:
            yield _joint(row, estimate.joint[contrast], shown=shown)


def _joint(row: GapRow, band: Interval, *, shown: bool) -> GapRow:
    """The same gap with the limits that hold at all thresholds together."""
    return replace(
        row,
        lower=band.lower if shown else None,
        upper=band.upper if shown else None,
        p_value=_finite(band.p_value) if shown else None,
        interval_prob=INTERVAL_PROB,
        interval_kind=IntervalKind.JOINT,
    )


def coefficient_rows(estimate: FamilyEstimate, labels: Labels) -> Iterator[CoefficientRow]:
    """Rows of one estimate's coefficients."""
    for item in estimate.coefficients:
        interval = item.interval
        yield CoefficientRow(
            model=labels.model,
            family=estimate.family,
            outcome=labels.outcome,
            term=item.term,
            scale=item.scale,
            statistic=_finite(interval.estimate / interval.std_error)
            if interval.std_error
            else None,
            interval_prob=INTERVAL_PROB,
            interval_kind=IntervalKind.CONFIDENCE,
            std_error_kind=item.std_error_kind,
            n_obs=int(estimate.people.sum()),
            n_clusters=estimate.n_clusters,
            source=labels.source,
            **interval_numbers(interval),
        )


def _named(estimate: FamilyEstimate) -> str:
    """The family, and which outside shares."""
    outside = f", {estimate.comparator}" if estimate.family is Family.BENCHMARK else ""
    return f"{estimate.family}{outside}"


def ess_name(comparator: str, group: str, population: str) -> str:
    """Name of the diagnostic that `ess_row` writes."""
    return f"effective_size: {Family.BENCHMARK}, {comparator}, {group}, {population}"


def ess_row(estimate: FamilyEstimate, labels: Labels) -> DiagnosticRow | None:
    """How many people the raked weights are worth; None where nothing is raked."""
    if estimate.ess_own is None:
        return None
    return DiagnosticRow(
        model=labels.model,
        diagnostic=ess_name(estimate.comparator, labels.group, estimate.population),
        value=estimate.ess_own,
        kind=Kind.COUNT,
        note="people that the raked weights are worth",
        source=labels.source,
    )


def reason_row(estimate: FamilyEstimate, labels: Labels) -> DiagnosticRow:
    """Why a family could not be estimated."""
    outside = estimate.family is Family.BENCHMARK
    return DiagnosticRow(
        model=labels.model,
        diagnostic=f"{estimate.status}: {estimate.family}, {labels.group}, {estimate.population}",
        passed=False,
        note=f"against {estimate.comparator}: {estimate.reason}" if outside else estimate.reason,
        source=labels.source,
    )


def fallback_row(estimate: FamilyEstimate, labels: Labels) -> DiagnosticRow:
    """Why weighted shares stand in the place of a fit with membership free by threshold."""
    return DiagnosticRow(
        model=labels.model,
        diagnostic=f"shares_instead: {estimate.family}, {labels.group}, {estimate.population}",
        passed=False,
        note=estimate.fell_back,
        source=labels.source,
    )


def decimals_row(estimate: FamilyEstimate, labels: Labels) -> DiagnosticRow:
    """How many decimals of the coefficients are settled."""
    return DiagnosticRow(
        model=labels.model,
        diagnostic=f"correct_decimals: {estimate.family}",
        value=estimate.correct_decimals,
        kind=Kind.PLAIN,
        note="decimals of the coefficients that one more Newton step leaves as they are",
        source=labels.source,
    )


def constant_row(estimate: FamilyEstimate, labels: Labels) -> DiagnosticRow:
    """Which covariates the matched sets leave nothing to say about."""
    return DiagnosticRow(
        model=labels.model,
        diagnostic=f"constant_within_sets: {estimate.family}, {labels.group}",
        value=len(estimate.constant),
        kind=Kind.PLAIN,
        note=f"left out of the conditional fit: {', '.join(estimate.constant)}",
        source=labels.source,
    )


def population_row(declared: DeclaredPopulation, labels: Labels) -> DiagnosticRow:
    """Whose population the poststratified gaps are over; `value` is the number of margins."""
    by = "; ".join(" by ".join(margin.variables) for margin in declared.margins)
    return DiagnosticRow(
        model=labels.model,
        diagnostic=f"poststratified: {declared.file}",
        value=len(declared.margins),
        kind=Kind.PLAIN,
        note=f"both groups' people are raked to the shares of {declared.file}: {by}",
        source=labels.source,
    )


def std_errors_row(estimate: FamilyEstimate, labels: Labels) -> DiagnosticRow:
    """How the standard errors of a family's gaps are made; `value` is the number of clusters."""
    few = ", degrees of freedom after Satterthwaite" if "CR2" in estimate.std_errors else ""
    kind, semicolon, rest = estimate.std_errors.partition(";")
    return DiagnosticRow(
        model=labels.model,
        diagnostic=f"std_errors: {_named(estimate)}, {estimate.population}",
        value=estimate.n_clusters,
        kind=Kind.COUNT,
        note=f"{kind}{few}{semicolon}{rest}",
        source=labels.source,
    )


def cut_rows(estimate: FamilyEstimate, labels: Labels) -> Iterator[DiagnosticRow]:
    """Sets that tell something at each cut of a conditional ordinal fit."""
    for cut in estimate.cuts:
        yield DiagnosticRow(
            model=labels.model,
            diagnostic=f"discordant_sets: {estimate.family}, {cut.category}",
            value=cut.n_sets,
            kind=Kind.COUNT,
            note=cut.reason or "sets that hold both groups and both sides of the cut",
            source=labels.source,
        )


def infinite_row(estimate: FamilyEstimate, labels: Labels) -> DiagnosticRow:
    """Which terms had no finite maximum-likelihood estimate, and what stands instead."""
    return DiagnosticRow(
        model=labels.model,
        diagnostic=f"bias_reduced: {estimate.family}, {labels.group}, {estimate.population}",
        value=len(estimate.infinite),
        note=(
            "separation: no finite maximum-likelihood estimate for "
            f"{', '.join(estimate.infinite)}; bias-reduced estimates stand instead"
        ),
        source=labels.source,
    )
