"""Rows of the worst-case bounds over missing answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import Contrast, Interval
from coopgap.core.vocabulary import Check, Comparator, IntervalKind, Quantity, Verdict, Version
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.estimate import Estimate
from coopgap.families.plan import sample_for
from coopgap.families.sample import Sample, are_few, count_clusters, require_matched
from coopgap.regression.clusters import PERSON_KINDS
from coopgap.sensitivity.keys import NO_MATCHING, unanswered
from coopgap.sensitivity.missing.bounds import Bounds, imbens_manski, worst_case
from coopgap.sensitivity.missing.people import (
    Lacking,
    lacking,
    rows_with_covariates,
)
from coopgap.sensitivity.verdict import compared
from coopgap.study.spec import ModelSpec, Study
from coopgap.survey.records import Survey


def bounds_rows(
    survey: Survey, study: Study, spec: ModelSpec, declared: Estimate, labels: Keys
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
        `not_applicable`, where no outcome is missing or nobody is matched.
    """
    if not spec.matching.is_declared:
        reason = f"{NO_MATCHING} The bounds are of matched shares."
        return unanswered([Check.MISSING_BOUNDS], labels, Verdict.NOT_APPLICABLE, reason)
    who = lacking(survey, spec)
    if not sum(who.outcome):
        reason = "No answer to the outcome is missing."
        if sum(who.covariate):
            reason += f" {_covariates(who)}"
        return unanswered([Check.MISSING_BOUNDS], labels, Verdict.NOT_APPLICABLE, reason)
    sample = sample_for(rows_with_covariates(survey, study, spec), spec)
    try:
        found = sample_bounds(sample)
    except NotEstimable as error:
        return unanswered([Check.MISSING_BOUNDS], labels, Verdict.NOT_ASSESSED, error.reason)
    note, asked = _note(who), sum(who.people) - sum(who.covariate)
    return [
        replace(row, n=sum(who.outcome), of=asked)
        for contrast, bounds in found.items()
        if contrast.quantity is not Quantity.SUPERIORITY or len(labels.levels) > 2
        for row in _pair(contrast, bounds, sample, declared, labels, note, study.smallest_gap)
    ]


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
    declared: Estimate,
    labels: Keys,
    note: str,
    smallest_gap: float,
) -> Iterator[SensitivityRow]:
    first = declared.intervals.get(contrast)
    wide = imbens_manski(bounds, INTERVAL_PROB)
    ends = (
        (Version.BOUNDS, (bounds.lower, bounds.upper), None),
        (Version.BOUNDS_WITH_ERROR, wide, INTERVAL_PROB),
    )
    for variant, (lower, upper), prob in ends:
        row = SensitivityRow(
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
            note=note,
            source=labels.source,
        )
        if prob is None or first is None:
            yield row
        else:
            yield compared(row, first, *_ends(first, bounds, wide), smallest_gap)


def _ends(first: Interval, bounds: Bounds, wide: tuple[float, float]) -> tuple[Interval, Interval]:
    """The bounds as an interval about their middle, and how far off the gap could be at most."""
    middle = (bounds.lower + bounds.upper) / 2
    low, high = bounds.lower - first.estimate, bounds.upper - first.estimate
    difference = Interval(middle - first.estimate, 0.0, low, high, np.nan)
    return Interval(middle, 0.0, *wide, np.nan), difference


def _note(who: Lacking) -> str:
    comparison, member = (
        f"{missing:,} of {everybody - gone:,}"
        for missing, everybody, gone in zip(who.outcome, who.people, who.covariate, strict=True)
    )
    return (
        f"The outcome is missing from {member} members and {comparison} comparison people whose "
        f"covariates are known. {_covariates(who)}"
    )


def _covariates(who: Lacking) -> str:
    if not sum(who.covariate):
        return "No covariate is missing."
    comparison, member = who.covariate
    return (
        f"A covariate is missing from {member:,} of {who.people[1]:,} members and {comparison:,} "
        f"of {who.people[0]:,} comparison people, who are left out."
    )
