"""Checks of every run: each takes a fit or a few."""

from __future__ import annotations

from dataclasses import replace

from coopgap.checks.asked import Asked
from coopgap.families.dispatch import doubly_estimate, freed_estimate, matched_estimate
from coopgap.families.proportional import proportionality_rows
from coopgap.families.wild import wild_score_row
from coopgap.matching.feasibility import variant_row
from coopgap.plan import variant_sample
from coopgap.sensitivity.again import doubly_variants, variant_rows
from coopgap.sensitivity.confounding.benchmarks import benchmark_rows, measured_covariates
from coopgap.sensitivity.confounding.e_values import e_value_rows
from coopgap.sensitivity.confounding.robustness import robustness_rows
from coopgap.sensitivity.confounding.rosenbaum import rosenbaum_rows
from coopgap.sensitivity.design_analysis import design_rows
from coopgap.sensitivity.freed import freed_coefficients, freed_rows
from coopgap.sensitivity.keys import Keys, unanswered
from coopgap.sensitivity.missing.bounds_rows import bounds_rows
from coopgap.sensitivity.phone.data import truthful
from coopgap.sensitivity.phone.linked import linked_rows
from coopgap.sensitivity.phone.mode_term import mode_rows
from coopgap.sensitivity.phone.rows import phone_rows
from coopgap.sensitivity.phone.shift import phone_shifts
from coopgap.sensitivity.tipping import tipping_rows
from coopgap.survey.complete import complete_rows
from coopgap.tables import Tables
from coopgap.vocabulary import Check, Family, Verdict

__all__ = ["quick_checks"]


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
        tables.diagnostics.append(wild_score_row(one.sample, one.matched, one.labels, one.seed))
    _answers(tables, one)
    _confounding(tables, one)


def _thresholds(tables: Tables, one: Asked) -> None:
    """Whether one odds ratio holds at every threshold, and the gap where it need not."""
    if len(one.labels.levels) == 2:
        return
    tables.diagnostics += proportionality_rows(one.sample, one.labels)
    freed = freed_estimate(one.sample)
    tables.sensitivity += freed_rows(one.sample, freed, one.matched, one.labels)
    tables.coefficients += freed_coefficients(freed, one.labels)


def _variants(tables: Tables, one: Asked) -> None:
    """The gap again under each declared variant, and weighted and modelled at once."""
    labels, declared = one.labels, one.matched.intervals
    for variant in one.spec.variants:
        sample = variant_sample(one.plan, variant)
        again = matched_estimate(sample)
        tables.sensitivity += variant_rows(variant.name, again, declared, labels)
        tables.diagnostics.append(
            variant_row(
                variant.name,
                sample.rows,
                sample.matched,
                model=labels.model,
                source=labels.source,
            )
        )
    for name, population in doubly_variants(one.spec):
        doubly = doubly_estimate(one.sample, population)
        tables.sensitivity += variant_rows(name, doubly, declared, labels)
    if not declared:
        reason = f"There is no declared gap to compare with: {one.matched.reason}."
        keys = Keys(model=labels.model, outcome=labels.outcome, source=labels.source)
        tables.sensitivity += unanswered([Check.VARIANT], keys, Verdict.NOT_ASSESSED, reason)


def _phone(tables: Tables, one: Asked) -> None:
    """Who was reached by phone, whether they answer alike, and the gap with them."""
    survey, study, source = one.plan.survey, one.plan.study, one.labels.source
    rows = phone_rows(one.phone, one.spec, study, source)
    rows += mode_rows(one.phone, one.sample, one.matched, one.labels)
    tables.sensitivity += truthful(rows, one.phone)
    tables.sensitivity += linked_rows(survey, study, one.spec, one.rows, source)


def _answers(tables: Tables, one: Asked) -> None:
    """How many answers would have to be off, or were missing, and what could be detected."""
    survey, study = one.plan.survey, one.plan.study
    shifts = phone_shifts(one.phone, one.spec.covariates, one.spec.link)
    tables.sensitivity += tipping_rows(one.sample, one.matched, one.labels, shifts)
    tables.sensitivity += design_rows(
        one.sample, one.matched, one.phone, study.smallest_gap, one.labels
    )
    tables.sensitivity += bounds_rows(survey, study, one.spec, one.matched, one.labels)


def _confounding(tables: Tables, one: Asked) -> None:
    """How strong a confounder that nobody asked about would have to be."""
    survey, study = one.plan.survey, one.plan.study
    tables.sensitivity += e_value_rows(one.matched, one.labels)
    tables.sensitivity += rosenbaum_rows(one.sample, one.matched, one.labels)
    tables.sensitivity += robustness_rows(one.sample, one.estimates[Family.LINEAR], one.labels)
    names = measured_covariates(one.spec, survey.variables)
    measured = complete_rows(survey, study, replace(one.spec, covariates=names))
    tables.sensitivity += benchmark_rows(measured, names, one.labels)
