"""Checks of every run: each takes a fit or a few."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coopgap.checks.asked import Asked
from coopgap.core.vocabulary import Check, Family, Verdict
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate, Tables
from coopgap.families.plan import sample_for, variant_sample
from coopgap.families.proportional import proportionality_rows, wild_score_row
from coopgap.families.sample import Sample
from coopgap.matching.feasibility import variant_row
from coopgap.sensitivity.again import variant_rows
from coopgap.sensitivity.confounding.benchmarks import (
    benchmark_rows,
    covariate_robustness_rows,
    measured_covariates,
)
from coopgap.sensitivity.confounding.e_values import e_value_rows
from coopgap.sensitivity.confounding.robustness import robustness_rows
from coopgap.sensitivity.confounding.rosenbaum import rosenbaum_rows
from coopgap.sensitivity.design_analysis import design_rows
from coopgap.sensitivity.keys import unanswered
from coopgap.sensitivity.matching_ties import matching_ties_rows
from coopgap.sensitivity.missing.bounds import bounds_rows
from coopgap.sensitivity.phone.equivalence import phone_shifts
from coopgap.sensitivity.phone.gaps import mode_rows
from coopgap.sensitivity.phone.linked import linked_rows
from coopgap.sensitivity.phone.rows import phone_rows
from coopgap.sensitivity.tipping import tipping_rows
from coopgap.study.spec import ModelSpec
from coopgap.survey.complete import complete_rows


def quick_checks(tables: Tables, one: Asked) -> None:
    """Add the rows of every check that `--checks quick` has.

    Parameters
    ----------
    tables
        Gets the rows.
    one
        The model.
    """
    _thresholds(tables, one)
    _variants(tables, one)
    _phone(tables, one)
    if one.rows.zone is not None:
        tables.diagnostics.append(wild_score_row(one.sample, one.headline, one.labels, one.seed))
    _answers(tables, one)
    _confounding(tables, one)


def _thresholds(tables: Tables, one: Asked) -> None:
    """Whether one odds ratio holds at every threshold."""
    if len(one.labels.levels) > 2:
        tables.diagnostics += proportionality_rows(one.sample, one.labels)


def _variants(tables: Tables, one: Asked) -> None:
    """The gap again under each declared variant, and by the other families of its people."""
    labels = one.labels
    if not one.headline.intervals:
        reason = f"There is no declared gap to compare with: {one.headline.reason}."
        tables.sensitivity += unanswered([Check.VARIANT], labels, Verdict.NOT_ASSESSED, reason)
    for variant in one.spec.variants:
        sample = variant_sample(one.plan, variant)
        again = headline_estimate(sample)
        pair = _same_people(one, variant.spec, sample, again)
        found = variant_rows(variant.name, again, one.beside, labels, pair)
        tables.sensitivity += (replace(row, about=variant.name) for row in found)
        tables.diagnostics.append(
            variant_row(
                variant.name,
                sample.rows,
                sample.matched,
                model=labels.model,
                source=labels.source,
            )
        )
    others = _OTHERS[one.sample.is_matched]
    for estimate in one.estimates:
        if estimate.family in others and estimate.intervals:
            name = f"{estimate.family}, {estimate.population}"
            tables.sensitivity += variant_rows(name, estimate, one.beside, labels)
    tables.sensitivity += matching_ties_rows(one.plan, one.model, one.headline, labels, quick=True)


_OTHERS = {
    True: (Family.MATCHED_PROPORTIONAL, Family.SHARES, Family.DOUBLY_ROBUST),
    False: (Family.ADJUSTED_PROPORTIONAL, Family.DOUBLY_ROBUST),
}
"""Families that answer the headline's question otherwise, with a matching and without."""


def _same_people(
    one: Asked, spec: ModelSpec, sample: Sample, again: Estimate
) -> tuple[Estimate, Estimate] | None:
    """Both estimates on the people complete in both; None where these are everybody's.

    Another set of covariates leaves other people complete.
    """
    keep, stay = (
        np.isin(a.index, b.index) for a, b in ((sample.rows, one.rows), (one.rows, sample.rows))
    )
    if keep.all() and stay.all():
        return None
    found = [again, one.headline]
    if not keep.all():
        found[0] = headline_estimate(sample_for(sample.rows.take(keep), spec))
    if not stay.all():
        found[1] = headline_estimate(sample_for(one.rows.take(stay), one.spec))
    return found[0], found[1]


def _phone(tables: Tables, one: Asked) -> None:
    """Who was reached by phone, whether they answer alike, and the gap with them."""
    survey, study, source = one.plan.survey, one.plan.study, one.labels.source
    rows = phone_rows(one.phone, one.spec, study, source)
    rows += mode_rows(one.phone, one.sample, one.beside, one.labels)
    tables.sensitivity += rows
    tables.sensitivity += linked_rows(survey, study, one.spec, one.rows, source)


def _answers(tables: Tables, one: Asked) -> None:
    """How many answers would have to be off, or were missing, and what could be detected."""
    survey, study = one.plan.survey, one.plan.study
    shifts = phone_shifts(one.phone, one.spec.link)
    tables.sensitivity += tipping_rows(one.sample, one.headline, one.labels, shifts)
    tables.sensitivity += design_rows(
        one.sample, one.headline, one.phone, study.smallest_gap, one.labels
    )
    tables.sensitivity += bounds_rows(survey, study, one.spec, one.headline, one.labels)


def _confounding(tables: Tables, one: Asked) -> None:
    """How strong a confounder that nobody asked about would have to be."""
    survey, study = one.plan.survey, one.plan.study
    tables.sensitivity += e_value_rows(one.headline, one.labels)
    tables.sensitivity += rosenbaum_rows(one.sample, one.headline, one.labels)
    if one.sample.is_matched:
        tables.sensitivity += robustness_rows(one.sample, one.family(Family.LINEAR), one.labels)
    else:
        tables.sensitivity += covariate_robustness_rows(one.sample, one.headline, one.labels)
    names = measured_covariates(one.spec, survey.variables)
    measured = complete_rows(survey, study, replace(one.spec, covariates=names))
    tables.sensitivity += benchmark_rows(
        measured, names, one.labels, study.smallest_gap, matched=one.sample.is_matched
    )
