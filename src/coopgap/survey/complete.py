"""Complete cases, once a model: one explicit, counted drop."""

from __future__ import annotations

from typing import Literal

import numpy as np

from coopgap.core.arrays import BoolArray
from coopgap.study.spec import ModelSpec, Study
from coopgap.survey.records import Drop, ModelRows, Survey

ModeName = Literal["in person", "phone", "both"]


def complete_rows(
    survey: Survey, study: Study, spec: ModelSpec, mode: ModeName = "in person"
) -> ModelRows:
    """Rows of one model that have an answer to everything it needs.

    Parameters
    ----------
    survey
        Validated answers.
    study
        Where the region and the groups are declared.
    spec
        The model.
    mode
        Which interviews: `in person`, `phone` or `both`. Rows of another mode are no drop.

    Returns
    -------
    ModelRows
        `dropped` counts each person once, at the first variable without an answer, in the order
        outcome, covariates, variables of the matching. Region and declared groups do not drop
        anybody: they hold -1 where the answer is missing, unless the model needs them.
    """
    keep = _of_mode(survey, mode)
    dropped = []
    for name in spec.variables:
        lacking = keep & (survey.codes[name] < 0)
        if lacking.any():
            dropped.append(Drop(reason=f"{name} missing", count=int(lacking.sum())))
            keep &= ~lacking
    index = np.flatnonzero(keep)
    factors = _factors(survey, study, spec)
    return ModelRows(
        index=index,
        outcome=survey.codes[spec.outcome][index],
        levels=survey.variables[spec.outcome].levels,
        member=survey.member[index],
        factors={name: survey.codes[name][index] for name in factors},
        factor_levels={name: survey.variables[name].levels for name in factors},
        zone=None if survey.zone is None else survey.zone[index],
        weight=np.ones(index.size) if survey.weight is None else survey.weight[index],
        tie=survey.tie[index],
        dropped=tuple(dropped),
        numeric=survey.numeric,
    )


def _of_mode(survey: Survey, mode: ModeName) -> BoolArray:
    match mode:
        case "in person":
            return ~survey.phone
        case "phone":
            return survey.phone.copy()
        case "both":
            return np.ones(survey.n, dtype=bool)


def _factors(survey: Survey, study: Study, spec: ModelSpec) -> tuple[str, ...]:
    """Covariates, strata, region and declared groups, once each; never the outcome itself."""
    region = () if study.design.region is None else (study.design.region,)
    groups = tuple(name for name, variable in survey.variables.items() if variable.groups)
    names = dict.fromkeys((*spec.variables, *region, *groups))
    return tuple(name for name in names if name != spec.outcome)
