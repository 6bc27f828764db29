"""The people of each region and of each declared group, matched as the whole model is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from coopgap.core.arrays import BoolArray
from coopgap.families.plan import ModelPlan, sample_for
from coopgap.families.records import Sample
from coopgap.study.spec import Study
from coopgap.survey.records import ModelRows


def domains(study: Study, model: ModelPlan) -> Iterator[tuple[str, Sample]]:
    """Samples within the levels of the region and of declared groups.

    Parameters
    ----------
    study
        Where region and groups are declared.
    model
        A model of it.

    Yields
    ------
    name : str
        `region=NAME` or `VARIABLE=LEVEL`.
    sample : Sample
        People of both groups at that level. Of a question that only members were asked, the
        members at that level and every comparison person.

    Notes
    -----
    Weights that balance a covariate over everybody need not balance it at one level. So the
    whole model's weights and sets stay only where the variable of the domain is an exact stratum
    and whatever else was matched on is in the outcome model: then every set lies within one
    level. In every other case, and always with entropy balancing and overlap weights, which have
    no sets, the people of the domain are matched anew by the model's own design.
    """
    rows = model.rows
    region = study.design.region
    names = [name for name, variable in study.variables.items() if variable.groups]
    for name in dict.fromkeys(([region] if region else []) + names):
        if name not in rows.factors:
            continue
        prefix = "region" if name == region else name
        only_members = name != region and _only_members(rows, name)
        sets_inside = _sets_inside(model, name)
        for code, level in enumerate(rows.factor_levels[name]):
            here = rows.factors[name] == code
            if only_members:
                here = np.asarray(here | ~rows.member)
            sample = model.sample.within(here) if sets_inside else _anew(model, here)
            yield f"{prefix}={level}", sample


def _only_members(rows: ModelRows, name: str) -> bool:
    """Whether no comparison person has an answer and some member has."""
    answered = rows.factors[name] >= 0
    return bool(answered.any() and not (answered & ~rows.member).any())


def _sets_inside(model: ModelPlan, name: str) -> bool:
    """Whether sets lie within levels of a variable, and the rest is in the outcome model."""
    adjusted = {*model.sample.covariates, *model.sample.strata}
    inside = name in model.sample.strata and not model.reason
    return inside and adjusted.issuperset(model.spec.matching.covariates)


def _anew(model: ModelPlan, keep: BoolArray) -> Sample:
    rows = model.rows.take(keep)
    return sample_for(rows, model.spec).within(np.ones(rows.n, dtype=bool))
