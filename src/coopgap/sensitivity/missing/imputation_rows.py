"""Rows of multiple imputation and of shifted imputations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from coopgap.errors import NotEstimable
from coopgap.estimate import DiagnosticRow, SensitivityRow
from coopgap.families.records import FamilyEstimate
from coopgap.families.rows import Labels
from coopgap.families.suppression import is_suppressed
from coopgap.gap import Contrast, Interval, null_value
from coopgap.sensitivity.again import same_conclusion
from coopgap.sensitivity.keys import Keys, suppressed, unanswered, with_interval
from coopgap.sensitivity.missing.chained import ROUNDS
from coopgap.sensitivity.missing.completed import Imputation, imputation
from coopgap.sensitivity.missing.imputed import (
    DELTAS,
    ImputedGaps,
    imputations,
    imputed_gaps,
    interval_of,
    turning,
)
from coopgap.sensitivity.missing.people import Lacking, lacking, said_count
from coopgap.sensitivity.missing.pool import Pooled
from coopgap.study.spec import ModelSpec, Study
from coopgap.survey.records import Survey
from coopgap.vocabulary import Check, Comparator, Verdict

__all__ = ["CONVERGED", "IMPUTED", "TURNS", "delta_name", "imputation_rows"]

IMPUTED = "multiple imputation"
"""Variant of the pooled gaps."""

TURNS = "delta that changes the conclusion"
"""Beginning of the variant that says where the conclusion changes."""

CONVERGED = 1.2
"""Split R-hat of the imputed shares that still counts as settled."""

_WHO = {True: "members", False: "comparison people"}


def imputation_rows(
    survey: Survey,
    study: Study,
    spec: ModelSpec,
    declared: FamilyEstimate,
    labels: Labels,
    seed: int,
) -> tuple[list[SensitivityRow], list[DiagnosticRow]]:
    """The matched gap with missing answers imputed, and with the imputed ones shifted.

    Parameters
    ----------
    survey, study, spec
        What the model is asked of.
    declared
        The matched family on complete cases, whose conclusion is compared.
    labels
        Model, outcome and source.
    seed
        The same seed gives the same rows.

    Returns
    -------
    sensitivity : list
        `multiple imputation`: a row a threshold, superiority of more than two levels, and the
        fraction of missing information (`fmi`) of the row that stands for the whole
        distribution. `delta …`: that row with the missing outcomes of one group shifted on the
        log odds, judged beside no shift, and the shift at which the conclusion changes. One row,
        `not_applicable`, where nothing is missing.
    diagnostics : list
        Whether the chains settled.
    """
    keys = Keys(model=labels.model, outcome=labels.outcome, source=labels.source)
    who = lacking(survey, spec)
    if not who.incomplete:
        reason = "No answer that the model needs is missing."
        return unanswered([Check.MISSING_IMPUTATION], keys, Verdict.NOT_APPLICABLE, reason), []
    try:
        how = imputation(survey, study, spec)
        found = imputed_gaps(how, study, spec, m=imputations(who), seed=seed)
    except NotEstimable as error:
        return unanswered([Check.MISSING_IMPUTATION], keys, Verdict.NOT_ASSESSED, error.reason), []
    base = SensitivityRow(
        check=Check.MISSING_IMPUTATION,
        variant=IMPUTED,
        model=labels.model,
        family=declared.family,
        outcome=labels.outcome,
        comparator=Comparator.COMPARISON,
        group=labels.group,
        population=found.population,
        note=_note(who, how, found, study),
        source=labels.source,
    )
    rows = [*_pooled_rows(found, declared, base), *_shifted_rows(found, declared, base)]
    return rows, [_settled(found, labels)]


def delta_name(delta: float, member: bool) -> str:
    """Variant of a shift."""
    return f"delta {delta:g}, {_WHO[member]}"


def _pooled_rows(
    found: ImputedGaps, declared: FamilyEstimate, base: SensitivityRow
) -> Iterator[SensitivityRow]:
    for contrast, pooled in found.pooled.items():
        yield _row(contrast, pooled, declared, base, declared.intervals.get(contrast))
    contrast, pooled = list(found.pooled.items())[-1]
    if not is_suppressed(declared, contrast):
        yield replace(
            base, quantity="fmi", category=contrast.category, estimate=pooled.fmi, verdict=None
        )


def _shifted_rows(
    found: ImputedGaps, declared: FamilyEstimate, base: SensitivityRow
) -> Iterator[SensitivityRow]:
    contrast, unshifted = list(found.pooled.items())[-1]
    none = interval_of(unshifted, contrast.quantity)
    for member, curve in found.shifted.items():
        by_delta = {0.0: none}
        for delta, pooled in zip(DELTAS, curve, strict=True):
            named = replace(base, variant=delta_name(delta, member))
            yield _row(contrast, pooled, declared, named, none)
            by_delta[delta] = interval_of(pooled, contrast.quantity)
        if is_suppressed(declared, contrast):
            continue
        shifts = sorted(by_delta)
        turns = turning(np.array(shifts), [by_delta[at] for at in shifts], contrast.quantity)
        yield replace(
            base,
            variant=f"{TURNS}, {_WHO[member]}",
            quantity="delta",
            category=contrast.category,
            estimate=turns,
            verdict=Verdict.HOLDS if turns is None else Verdict.CHANGES,
        )


def _row(
    contrast: Contrast,
    pooled: Pooled,
    declared: FamilyEstimate,
    base: SensitivityRow,
    beside: Interval | None,
) -> SensitivityRow:
    """One pooled contrast, judged beside another interval where there is one."""
    interval = interval_of(pooled, contrast.quantity)
    verdict = Verdict.NOT_ASSESSED
    if beside is not None:
        holds = same_conclusion(beside, interval, null_value(contrast.quantity))
        verdict = Verdict.HOLDS if holds else Verdict.CHANGES
    row = replace(
        with_interval(base, interval),
        quantity=contrast.quantity,
        category=contrast.category,
        verdict=verdict,
    )
    return suppressed(row) if is_suppressed(declared, contrast) else row


def _note(who: Lacking, how: Imputation, found: ImputedGaps, study: Study) -> str:
    together = "apart" if how.separate else "together"
    entering = "the region is a predictor, zones are not; " if study.design.region else ""
    return (
        f"{found.m} imputations; {said_count(who.incomplete)} of {sum(who.people):,} people "
        f"incomplete; members and comparison people imputed {together}; {entering}matched anew "
        "each time. Delta is added to the log odds of a higher answer where the outcome is missing."
    )


def _settled(found: ImputedGaps, labels: Labels) -> DiagnosticRow:
    return DiagnosticRow(
        model=labels.model,
        diagnostic="imputation_convergence",
        value=found.r_hat,
        bar=CONVERGED,
        passed=found.r_hat <= CONVERGED,
        note=(
            f"largest split R-hat of the imputed shares over {found.m} chains, "
            f"the last eight of {ROUNDS} rounds"
        ),
        source=labels.source,
    )
