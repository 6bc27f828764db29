"""Rows of multiple imputation and of shifted imputations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import DiagnosticRow, Keys, SensitivityRow
from coopgap.core.gap import Contrast
from coopgap.core.vocabulary import Check, Comparator, Diagnostic, Verdict, Version
from coopgap.families.estimate import Estimate
from coopgap.families.headline import headline_contrast
from coopgap.sensitivity.keys import unanswered, with_interval
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
from coopgap.sensitivity.missing.people import Lacking, lacking
from coopgap.sensitivity.missing.pool import Pooled
from coopgap.sensitivity.verdict import compared, shifted
from coopgap.study.spec import ModelSpec, Study
from coopgap.survey.records import Survey

CONVERGED = 1.2
"""Split R-hat of the imputed shares that still counts as settled."""

_WHO = {True: "members", False: "comparison people"}


def imputation_rows(
    survey: Survey,
    study: Study,
    spec: ModelSpec,
    declared: Estimate,
    labels: Keys,
    seed: int,
) -> tuple[list[SensitivityRow], list[DiagnosticRow]]:
    """The headline gap with missing answers imputed, and with the imputed ones shifted.

    Parameters
    ----------
    survey, study, spec
        What the model is asked of.
    declared
        The headline's family on complete cases, whose conclusion is compared.
    labels
        Model, outcome and source.
    seed
        The same seed gives the same rows.

    Returns
    -------
    sensitivity : list
        `multiple imputation`: a row a threshold, superiority of more than two levels, and the
        fraction of missing information (`fmi`) of the headline. The headline with the missing
        outcomes of one group (`about`) shifted on the log odds by `setting`, judged beside no
        shift, and the shift at which it changes, `delta`. One row, `not_applicable`, where
        nothing is missing.
    diagnostics : list
        Whether the chains settled.
    """
    who = lacking(survey, spec)
    if not who.incomplete:
        reason = "No answer that the model needs is missing."
        return unanswered([Check.MISSING_IMPUTATION], labels, Verdict.NOT_APPLICABLE, reason), []
    try:
        how = imputation(survey, study, spec)
        found = imputed_gaps(how, study, spec, declared, m=imputations(who), seed=seed)
    except NotEstimable as error:
        return unanswered(
            [Check.MISSING_IMPUTATION], labels, Verdict.NOT_ASSESSED, error.reason
        ), []
    base = SensitivityRow(
        check=Check.MISSING_IMPUTATION,
        variant=Version.IMPUTED,
        model=labels.model,
        family=declared.family,
        outcome=labels.outcome,
        comparator=Comparator.COMPARISON,
        group=labels.group,
        population=found.population,
        n=who.incomplete,
        of=sum(who.people),
        note=_note(who, how, found, study, matched=spec.matching.is_declared),
        source=labels.source,
    )
    first = headline_contrast(labels.levels, labels.at)
    rows = [
        *_pooled_rows(found, declared, base, first, study.smallest_gap),
        *_shifted_rows(found, base, first, study.smallest_gap),
    ]
    return rows, [_settled(found, labels)]


def _pooled_rows(
    found: ImputedGaps,
    declared: Estimate,
    base: SensitivityRow,
    first: Contrast,
    smallest_gap: float,
) -> Iterator[SensitivityRow]:
    for contrast, pooled in found.pooled.items():
        row, own = _row(contrast, pooled, base), declared.intervals.get(contrast)
        if own is None or contrast not in found.apart:
            yield replace(row, verdict=Verdict.NOT_ASSESSED)
            continue
        again = interval_of(pooled, contrast.quantity)
        yield compared(row, own, again, found.apart[contrast], smallest_gap)
    fmi = found.pooled[first].fmi
    yield replace(base, quantity="fmi", category=first.category, estimate=fmi)


def _shifted_rows(
    found: ImputedGaps, base: SensitivityRow, contrast: Contrast, smallest_gap: float
) -> Iterator[SensitivityRow]:
    none = interval_of(found.pooled[contrast], contrast.quantity)
    for member, curve in found.shifted.items():
        by_delta, whose = {0.0: none}, _WHO[member]
        for delta, pooled in zip(DELTAS, curve, strict=True):
            name = f"delta {delta:g}, {whose}"
            named = replace(base, variant=name, about=whose, setting=delta)
            again = by_delta[delta] = interval_of(pooled, contrast.quantity)
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
        with_interval(base, interval_of(pooled, contrast.quantity)),
        quantity=contrast.quantity,
        category=contrast.category,
    )


def _note(who: Lacking, how: Imputation, found: ImputedGaps, study: Study, *, matched: bool) -> str:
    together = "apart" if how.separate else "together"
    again = "matched" if matched else "fitted"
    entering = "the region is a predictor, zones are not; " if study.design.region else ""
    return (
        f"{found.m} imputations; {who.incomplete:,} of {sum(who.people):,} people "
        f"incomplete; members and comparison people imputed {together}; {entering}{again} anew "
        "each time. Delta is added to the log odds of a higher answer where the outcome is missing."
    )


def _settled(found: ImputedGaps, labels: Keys) -> DiagnosticRow:
    return DiagnosticRow(
        model=labels.model,
        diagnostic=Diagnostic.IMPUTATION_CONVERGENCE,
        value=found.r_hat,
        bar=CONVERGED,
        passed=found.r_hat <= CONVERGED,
        note=(
            f"largest split R-hat of the imputed shares over {found.m} chains, "
            f"the last eight of {ROUNDS} rounds"
        ),
        source=labels.source,
    )
