"""The people of each region and of each declared group, matched as the whole model is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from coopgap.arrays import BoolArray
from coopgap.families.records import Sample
from coopgap.plan import ModelPlan, sample_for
from coopgap.study.spec import Study
from coopgap.survey.records import ModelRows

__all__ = ["domains"]


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
        People of both groups at that level, with their weights. Of a question that only members
        were asked, the members at that level and every comparison person, matched anew.
    """
    rows = model.rows
    region = study.design.region
    names = [name for name, variable in study.variables.items() if variable.groups]
    for name in dict.fromkeys(([region] if region else []) + names):
        if name not in rows.factors:
            continue
        prefix = "region" if name == region else name
        only_members = name != region and _only_members(rows, name)
        for code, level in enumerate(rows.factor_levels[name]):
            here = rows.factors[name] == code
            sample = _of_members(model, here) if only_members else model.sample.within(here)
            yield f"{prefix}={level}", sample


def _only_members(rows: ModelRows, name: str) -> bool:
    """Whether no comparison person has an answer and some member has."""
    answered = rows.factors[name] >= 0
    return bool(answered.any() and not (answered & ~rows.member).any())


def _of_members(model: ModelPlan, here: BoolArray) -> Sample:
    rows = model.rows.take(np.asarray(here | ~model.rows.member))
    sample, _ = sample_for(rows, model.spec)
    return sample.within(np.ones(rows.n, dtype=bool))
