"""Rows of the worst-case bounds over missing answers."""

from __future__ import annotations

from collections.abc import Iterator

from coopgap.disclosure import SMALLEST_COUNT
from coopgap.errors import NotEstimable
from coopgap.estimate import SensitivityRow
from coopgap.families.records import (
    INTERVAL_PROB,
    FamilyEstimate,
    Sample,
    are_few,
    count_clusters,
    require_matched,
)
from coopgap.families.rows import Labels
from coopgap.gap import Contrast, Interval, null_value, wald
from coopgap.plan import sample_for
from coopgap.regression.clusters import PERSON_KINDS
from coopgap.sensitivity.again import same_conclusion
from coopgap.sensitivity.keys import Keys, suppressed, unanswered, why_small
from coopgap.sensitivity.missing.bounds import Bounds, imbens_manski, worst_case
from coopgap.sensitivity.missing.people import (
    Lacking,
    lacking,
    rows_with_covariates,
    said_count,
)
from coopgap.study.spec import ModelSpec, Study
from coopgap.survey.records import Survey
from coopgap.vocabulary import (
    Check,
    Comparator,
    IntervalKind,
    Quantity,
    Verdict,
)

__all__ = ["BOUNDS", "WITH_ERROR", "bounds_rows", "ends_hold"]

BOUNDS = "bounds"
"""Variant of the identified set."""

WITH_ERROR = "bounds with sampling error"
"""Variant of the interval around it."""


def bounds_rows(
    survey: Survey, study: Study, spec: ModelSpec, declared: FamilyEstimate, labels: Labels
) -> list[SensitivityRow]:
    """The gap of the matched shares under every way of filling in missing outcomes.

    Parameters
    ----------
    survey, study, spec
        What the model is asked of.
    declared
        The matched family on complete cases, whose conclusion is compared.
    labels
        Model, outcome and source.

    Returns
    -------
    list
        Two rows a threshold, and two for superiority of more than two levels: `bounds`, the
        identified set, and `bounds with sampling error`, Imbens and Manski's interval. People
        whose covariates are known are matched anew, whether or not they answered; the gap is
        that of weighted shares. People who lack a covariate are left out and counted. One row,
        `not_applicable`, where no outcome is missing; `not_assessed` where it is missing from
        fewer than ten people of a group, whose number the width of the bounds gives away.
    """
    keys = Keys(model=labels.model, outcome=labels.outcome, source=labels.source)
    who = lacking(survey, spec)
    if not sum(who.outcome):
        reason = "No answer to the outcome is missing."
        if sum(who.covariate):
            reason += f" {_covariates(who)}"
        return unanswered([Check.MISSING_BOUNDS], keys, Verdict.NOT_APPLICABLE, reason)
    sample = sample_for(rows_with_covariates(survey, study, spec), spec)
    try:
        found = sample_bounds(sample)
    except NotEstimable as error:
        return unanswered([Check.MISSING_BOUNDS], keys, Verdict.NOT_ASSESSED, error.reason)
    if any(0 < count < SMALLEST_COUNT for count in (*_silent(sample), *who.outcome)):
        return unanswered([Check.MISSING_BOUNDS], keys, Verdict.NOT_ASSESSED, _FEW)
    rows = sample.rows
    people = rows.people_by_level(sample.kept & (rows.outcome >= 0))
    note = _note(who)
    return [
        suppressed(row, why) if why else row
        for contrast, bounds in found.items()
        for why in [why_small(people, contrast)]
        if contrast.quantity is not Quantity.SUPERIORITY or len(labels.levels) > 2
        for row in _pair(contrast, bounds, sample, declared, labels, note)
    ]


_FEW = (
    f"Suppressed: the outcome is missing from fewer than {SMALLEST_COUNT} members or comparison "
    "people, whose number the bounds would give away."
)


def _silent(sample: Sample) -> tuple[int, int]:
    """Matched people without an answer by group, comparison people first."""
    silent = sample.kept & (sample.rows.outcome < 0)
    member = sample.rows.member
    return int((silent & ~member).sum()), int((silent & member).sum())


def ends_hold(first: Interval, bounds: Bounds, null: float) -> bool:
    """Whether both ends of the bounds, each with its own interval, say what `first` says.

    Parameters
    ----------
    first
        The declared interval.
    bounds
        The lowest and the highest gap with their standard errors.
    null
        Value of no difference.
    """
    ends = ((bounds.lower, bounds.lower_error), (bounds.upper, bounds.upper_error))
    return all(
        same_conclusion(first, wald(end, error, df=bounds.df, prob=INTERVAL_PROB, null=null), null)
        for end, error in ends
    )


def sample_bounds(sample: Sample) -> dict[Contrast, Bounds]:
    """Bounds of a matched sample whose outcome may be -1, clustered as its family is.

    Raises
    ------
    NotEstimable
        If the matching keeps nobody, or clusters are too few.
    """
    require_matched(sample)
    rows, kept = sample.rows, sample.kept
    by_person = sample.fitting.std_errors in PERSON_KINDS
    n_clusters = count_clusters(sample, kept, by_person=by_person)
    first = None if by_person else sample.clusters[0]
    return worst_case(
        rows.outcome[kept],
        rows.member[kept],
        sample.weight[kept],
        rows.levels,
        None if first is None else first[kept],
        few=are_few(n_clusters),
    )


def _pair(
    contrast: Contrast,
    bounds: Bounds,
    sample: Sample,
    declared: FamilyEstimate,
    labels: Labels,
    note: str,
) -> Iterator[SensitivityRow]:
    first = declared.intervals.get(contrast)
    wide = imbens_manski(bounds, INTERVAL_PROB)
    ends = ((BOUNDS, (bounds.lower, bounds.upper), None), (WITH_ERROR, wide, INTERVAL_PROB))
    for variant, (lower, upper), prob in ends:
        verdict = None
        if prob is not None and first is not None:
            holds = ends_hold(first, bounds, null_value(contrast.quantity))
            verdict = Verdict.HOLDS if holds else Verdict.CHANGES
        yield SensitivityRow(
            check=Check.MISSING_BOUNDS,
            variant=variant,
            model=labels.model,
            family=declared.family,
            outcome=labels.outcome,
            comparator=Comparator.COMPARISON,
            group=labels.group,
            population=sample.population,
            quantity=contrast.quantity,
            category=contrast.category,
            lower=lower,
            upper=upper,
            interval_prob=prob,
            interval_kind=IntervalKind.BOUNDS,
            verdict=verdict,
            note=note,
            source=labels.source,
        )


def _note(who: Lacking) -> str:
    comparison, member = (said_count(count) for count in who.outcome)
    known = [everybody - gone for everybody, gone in zip(who.people, who.covariate, strict=True)]
    # Beside everybody, those whose covariates are known would give away a few who lack one.
    of = ["", ""]
    if not any(0 < gone < SMALLEST_COUNT for gone in who.covariate):
        of = [f" of {count:,}" for count in known]
    return (
        f"The outcome is missing from {member}{of[1]} members and {comparison}{of[0]} "
        f"comparison people whose covariates are known. {_covariates(who)}"
    )


def _covariates(who: Lacking) -> str:
    if not sum(who.covariate):
        return "No covariate is missing."
    comparison, member = (said_count(count) for count in who.covariate)
    return (
        f"A covariate is missing from {member} of {who.people[1]:,} members and {comparison} of "
        f"{who.people[0]:,} comparison people, who are left out."
    )
