"""From a family's estimate to rows of gaps.csv and coefficients.csv."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from coopgap.core.estimate import CoefficientRow, DiagnosticRow, GapRow, Keys
from coopgap.core.gap import Contrast, Interval, smallest_count
from coopgap.core.vocabulary import (
    BLANK,
    FEW_PEOPLE,
    Comparator,
    Diagnostic,
    Family,
    IntervalKind,
    Kind,
    Status,
)
from coopgap.families.dispatch import expected_contrasts
from coopgap.families.records import FEW_CLUSTERS, INTERVAL_PROB, FamilyEstimate
from coopgap.study.spec import DeclaredPopulation


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


def gap_rows(estimate: FamilyEstimate, labels: Keys) -> Iterator[GapRow]:
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


def coefficient_rows(estimate: FamilyEstimate, labels: Keys) -> Iterator[CoefficientRow]:
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


def _of_estimate(name: Diagnostic, estimate: FamilyEstimate, labels: Keys) -> DiagnosticRow:
    """A row about an estimate, without its value; `about` are the outside shares, if it has any."""
    return DiagnosticRow(
        model=labels.model,
        diagnostic=name,
        about=estimate.comparator if estimate.family is Family.BENCHMARK else "",
        family=estimate.family,
        group=labels.group,
        population=estimate.population,
        source=labels.source,
    )


def ess_row(estimate: FamilyEstimate, labels: Keys) -> DiagnosticRow | None:
    """How many people the raked weights are worth; None where nothing is raked."""
    if estimate.ess_own is None:
        return None
    return replace(
        _of_estimate(Diagnostic.EFFECTIVE_SIZE, estimate, labels),
        value=estimate.ess_own,
        kind=Kind.COUNT,
        note="people that the raked weights are worth",
    )


def reason_row(estimate: FamilyEstimate, labels: Keys) -> DiagnosticRow:
    """Why a family could not be estimated."""
    row = _of_estimate(Diagnostic(estimate.status), estimate, labels)
    return replace(row, passed=False, note=estimate.reason)


def fallback_row(estimate: FamilyEstimate, labels: Keys) -> DiagnosticRow:
    """Why weighted shares stand in the place of a fit with membership free by threshold."""
    row = _of_estimate(Diagnostic.SHARES_INSTEAD, estimate, labels)
    return replace(row, passed=False, note=estimate.fell_back)


def decimals_row(estimate: FamilyEstimate, labels: Keys) -> DiagnosticRow:
    """How many decimals of the coefficients are settled."""
    return replace(
        _of_estimate(Diagnostic.CORRECT_DECIMALS, estimate, labels),
        value=estimate.correct_decimals,
        kind=Kind.PLAIN,
        note="decimals of the coefficients that one more Newton step leaves as they are",
    )


def constant_row(estimate: FamilyEstimate, labels: Keys) -> DiagnosticRow:
    """Which covariates the matched sets leave nothing to say about."""
    return replace(
        _of_estimate(Diagnostic.CONSTANT_WITHIN_SETS, estimate, labels),
        value=len(estimate.constant),
        kind=Kind.PLAIN,
        note=f"left out of the conditional fit: {', '.join(estimate.constant)}",
    )


def population_row(declared: DeclaredPopulation, labels: Keys) -> DiagnosticRow:
    """Whose population the poststratified gaps are over; `value` is the number of margins."""
    by = "; ".join(" by ".join(margin.variables) for margin in declared.margins)
    return DiagnosticRow(
        model=labels.model,
        diagnostic=Diagnostic.POSTSTRATIFIED,
        about=declared.file,
        value=len(declared.margins),
        kind=Kind.PLAIN,
        note=f"both groups' people are raked to the shares of {declared.file}: {by}",
        source=labels.source,
    )


def std_errors_row(estimate: FamilyEstimate, labels: Keys) -> DiagnosticRow:
    """How the standard errors of a family's gaps are made; `value` is the number of clusters."""
    few = ", degrees of freedom after Satterthwaite" if "CR2" in estimate.std_errors else ""
    kind, semicolon, rest = estimate.std_errors.partition(";")
    return replace(
        _of_estimate(Diagnostic.STD_ERRORS, estimate, labels),
        value=estimate.n_clusters,
        kind=Kind.COUNT,
        note=f"{kind}{few}{semicolon}{rest}",
    )


def cut_rows(estimate: FamilyEstimate, labels: Keys) -> Iterator[DiagnosticRow]:
    """Sets that tell something at each cut of a conditional ordinal fit."""
    for cut in estimate.cuts:
        yield replace(
            _of_estimate(Diagnostic.DISCORDANT_SETS, estimate, labels),
            value=cut.n_sets,
            kind=Kind.COUNT,
            note=cut.reason or "sets that hold both groups and both sides of the cut",
            category=cut.category,
        )


def infinite_row(estimate: FamilyEstimate, labels: Keys) -> DiagnosticRow:
    """Which terms had no finite maximum-likelihood estimate, and what stands instead."""
    return replace(
        _of_estimate(Diagnostic.BIAS_REDUCED, estimate, labels),
        value=len(estimate.infinite),
        note=(
            "separation: no finite maximum-likelihood estimate for "
            f"{', '.join(estimate.infinite)}; bias-reduced estimates stand instead"
        ),
    )
