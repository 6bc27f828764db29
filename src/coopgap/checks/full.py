"""Checks that repeat a fit many times: `--checks full`."""

from __future__ import annotations

import numpy as np

from coopgap.checks.asked import Asked
from coopgap.families.estimate import Tables
from coopgap.families.proportional import bootstrap_row
from coopgap.sensitivity.design_effect import design_effect_rows
from coopgap.sensitivity.leave_one import leave_one_rows
from coopgap.sensitivity.matching_ties import matching_ties_rows
from coopgap.sensitivity.missing.imputed import imputation_rows
from coopgap.sensitivity.multiverse.rows import multiverse_rows
from coopgap.sensitivity.phone.borrow import borrowed_rows
from coopgap.sensitivity.phone.reference import reference_rows
from coopgap.sensitivity.resampled import bootstrap_rows


def full_checks(tables: Tables, one: Asked) -> None:
    """Add the rows of the checks that only `--checks full` has.

    Parameters
    ----------
    tables
        Gets the rows.
    one
        The model.
    """
    _phone(tables, one)
    _again(tables, one)
    imputed, settled = imputation_rows(
        one.plan.survey, one.plan.study, one.spec, one.headline, one.labels, one.seed
    )
    tables.sensitivity += imputed
    tables.diagnostics += settled


def _phone(tables: Tables, one: Asked) -> None:
    """The phone answers among in-person subsamples, and borrowed in part."""
    region = one.plan.study.design.region
    rows = reference_rows(one.phone, region, one.labels, one.seed)
    study = one.plan.study
    rows += borrowed_rows(one.phone, one.labels, study.smallest_gap)
    tables.sensitivity += rows


def _again(tables: Tables, one: Asked) -> None:
    """Zones drawn again, ties broken again, places left out, and every combination of choices."""
    if len(one.rows.levels) > 2 and np.ptp(one.rows.weight) == 0:
        tables.diagnostics.append(bootstrap_row(one.sample, one.labels, one.seed))
    tables.sensitivity += bootstrap_rows(one.sample, one.beside, one.labels, one.seed)
    tables.sensitivity += design_effect_rows(one.sample, one.headline, one.labels)
    tables.sensitivity += matching_ties_rows(
        one.plan, one.model, one.headline, one.labels, quick=False
    )
    tables.sensitivity += leave_one_rows(
        one.sample,
        one.beside,
        one.labels,
        region=one.plan.study.design.region,
        zone_labels=one.plan.survey.zone_labels,
    )
    tables.sensitivity += multiverse_rows(
        one.plan.survey,
        one.plan.study,
        one.spec,
        one.headline,
        one.labels,
        seed=one.seed,
        jobs=one.jobs,
        scheduler=one.scheduler,
    )
