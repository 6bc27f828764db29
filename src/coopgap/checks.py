"""What stands beside the estimates of one model: thresholds, variants and sensitivity checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from coopgap.families.dispatch import MATCHED, doubly_estimate, freed_estimate, matched_estimate
from coopgap.families.proportional import bootstrap_row, proportionality_rows
from coopgap.families.records import FamilyEstimate
from coopgap.families.wild import wild_score_row
from coopgap.matching.feasibility import variant_row
from coopgap.plan import ModelPlan, Plan, variant_sample
from coopgap.sensitivity.again import doubly_variants, variant_rows
from coopgap.sensitivity.confounding.benchmarks import benchmark_rows, measured_covariates
from coopgap.sensitivity.confounding.control import MatchedModel
from coopgap.sensitivity.confounding.e_values import e_value_rows
from coopgap.sensitivity.confounding.robustness import robustness_rows
from coopgap.sensitivity.confounding.rosenbaum import rosenbaum_rows
from coopgap.sensitivity.design_analysis import design_rows
from coopgap.sensitivity.design_effect import design_effect_rows
from coopgap.sensitivity.freed import freed_coefficients, freed_rows
from coopgap.sensitivity.keys import Keys
from coopgap.sensitivity.leave_one import leave_one_rows
from coopgap.sensitivity.missing.bounds_rows import bounds_rows
from coopgap.sensitivity.missing.imputation_rows import imputation_rows
from coopgap.sensitivity.multiverse.rows import multiverse_rows
from coopgap.sensitivity.phone.data import PhoneData
from coopgap.sensitivity.phone.linked import linked_rows
from coopgap.sensitivity.phone.mode_term import mode_rows
from coopgap.sensitivity.phone.reference import reference_rows
from coopgap.sensitivity.phone.rows import borrowed_rows, phone_rows
from coopgap.sensitivity.phone.shift import phone_shifts
from coopgap.sensitivity.resampled import bootstrap_rows
from coopgap.sensitivity.tipping import tipping_rows
from coopgap.survey.complete import complete_rows
from coopgap.tables import Tables, model_labels
from coopgap.vocabulary import Family

__all__ = ["check_model", "matched_model"]


def check_model(
    tables: Tables,
    plan: Plan,
    model: ModelPlan,
    estimates: Mapping[Family, FamilyEstimate],
    *,
    checks: Literal["quick", "full"],
    seed: int,
    jobs: int | None = None,
) -> None:
    """Add the rows of every check of one model.

    Parameters
    ----------
    tables
        Gets the rows.
    plan, model
        What is run.
    estimates
        The model's families.
    checks
        `full` adds checks that repeat the fit many times.
    seed
        Seed of everything random.
    jobs
        Processes of the checks that repeat the fit many times.
    """
    phone = PhoneData(
        in_person=model.rows,
        phone=complete_rows(plan.survey, plan.study, model.spec, mode="phone"),
    )
    _thresholds(tables, plan, model, estimates)
    _variants(tables, plan, model, estimates)
    _checks(tables, plan, model, estimates, phone, seed)
    if checks == "full":
        _full_checks(tables, plan, model, estimates, phone, seed, jobs)


def _variants(
    tables: Tables, plan: Plan, model: ModelPlan, estimates: Mapping[Family, FamilyEstimate]
) -> None:
    """The gap again under each declared variant, and weighted and modelled at once."""
    labels = model_labels(plan, model)
    base = _matched(estimates)
    for variant in model.spec.variants:
        sample = variant_sample(plan, variant)
        again = matched_estimate(sample)
        tables.sensitivity += variant_rows(variant.name, again, base.intervals, labels)
        tables.diagnostics.append(
            variant_row(
                variant.name,
                sample.rows,
                sample.matched,
                model=labels.model,
                source=labels.source,
            )
        )
    for name, population in doubly_variants(model.spec):
        doubly = doubly_estimate(model.sample, population)
        tables.sensitivity += variant_rows(name, doubly, base.intervals, labels)


def _thresholds(
    tables: Tables, plan: Plan, model: ModelPlan, estimates: Mapping[Family, FamilyEstimate]
) -> None:
    """Whether one odds ratio holds at every threshold, and the gap where it need not."""
    labels, sample = model_labels(plan, model), model.sample
    if len(labels.levels) == 2:
        return
    tables.diagnostics += proportionality_rows(sample, labels)
    freed = freed_estimate(sample)
    tables.sensitivity += freed_rows(sample, freed, _matched(estimates), labels)
    tables.coefficients += freed_coefficients(freed, labels)


def _checks(
    tables: Tables,
    plan: Plan,
    model: ModelPlan,
    estimates: Mapping[Family, FamilyEstimate],
    phone: PhoneData,
    seed: int,
) -> None:
    """Few clusters, phone interviews, tipping points, power, confounding, missing answers."""
    labels, rows = model_labels(plan, model), model.rows
    tables.sensitivity += phone_rows(phone, model.spec, plan.study, labels.source)
    tables.sensitivity += mode_rows(phone, model.sample, _matched(estimates), labels)
    tables.sensitivity += linked_rows(plan.survey, plan.study, model.spec, rows, labels.source)
    if rows.zone is not None:
        tables.diagnostics.append(wild_score_row(model.sample, _matched(estimates), labels, seed))
    shifts = phone_shifts(phone, model.spec.covariates, model.spec.link)
    tables.sensitivity += tipping_rows(model.sample, _matched(estimates), labels, shifts)
    tables.sensitivity += design_rows(
        model.sample, _matched(estimates), phone, plan.study.smallest_gap, labels
    )
    tables.sensitivity += e_value_rows(_matched(estimates), labels)
    tables.sensitivity += rosenbaum_rows(model.sample, _matched(estimates), labels)
    tables.sensitivity += robustness_rows(estimates[Family.LINEAR], labels)
    names = measured_covariates(model.spec, plan.survey.variables)
    measured = complete_rows(plan.survey, plan.study, replace(model.spec, covariates=names))
    tables.sensitivity += benchmark_rows(measured, names, labels)
    tables.sensitivity += bounds_rows(
        plan.survey, plan.study, model.spec, _matched(estimates), labels
    )


def _full_checks(
    tables: Tables,
    plan: Plan,
    model: ModelPlan,
    estimates: Mapping[Family, FamilyEstimate],
    phone: PhoneData,
    seed: int,
    jobs: int | None,
) -> None:
    """Checks that repeat the fit many times."""
    keys = Keys(model=model.spec.name, outcome=model.spec.outcome, source=plan.survey.source)
    tables.sensitivity += reference_rows(
        phone, model.spec.covariates, plan.study.design.region, keys, seed
    )
    if len(model.rows.levels) > 2 and np.ptp(model.rows.weight) == 0:
        row = bootstrap_row(model.sample, model_labels(plan, model), seed)
        tables.diagnostics.append(row)
    tables.sensitivity += bootstrap_rows(
        model.sample, _matched(estimates), model_labels(plan, model), seed
    )
    tables.sensitivity += design_effect_rows(
        model.sample, _matched(estimates), model_labels(plan, model)
    )
    tables.sensitivity += borrowed_rows(phone, model.spec, model_labels(plan, model).source)
    tables.sensitivity += leave_one_rows(
        model.sample,
        _matched(estimates),
        model_labels(plan, model),
        region=plan.study.design.region,
        zone_labels=plan.survey.zone_labels,
    )
    tables.sensitivity += multiverse_rows(
        plan.survey,
        plan.study,
        model.spec,
        _matched(estimates),
        model_labels(plan, model),
        seed=seed,
        jobs=jobs,
    )
    imputed, settled = imputation_rows(
        plan.survey,
        plan.study,
        model.spec,
        _matched(estimates),
        model_labels(plan, model),
        seed,
    )
    tables.sensitivity += imputed
    tables.diagnostics += settled


def matched_model(
    plan: Plan, model: ModelPlan, estimates: Mapping[Family, FamilyEstimate]
) -> MatchedModel:
    """A model with its matched family, for checks that look at several models."""
    return MatchedModel(
        labels=model_labels(plan, model), sample=model.sample, estimate=_matched(estimates)
    )


def _matched(estimates: Mapping[Family, FamilyEstimate]) -> FamilyEstimate:
    return next(one for family, one in estimates.items() if family in MATCHED)
