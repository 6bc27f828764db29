"""What is to be fitted: models with their people, matched, their domains, and what is foreseen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from coopgap.bayes.cells import Departments, hierarchical_cells
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import DiagnosticRow, Keys
from coopgap.core.vocabulary import Status
from coopgap.families.headline import declared_at
from coopgap.families.sample import Sample, require_matched
from coopgap.matching.dispatch import match
from coopgap.matching.feasibility import feasibility_rows
from coopgap.matching.sample import MatchedSample
from coopgap.study.spec import ModelSpec, Study, Variant
from coopgap.survey.records import ModelRows, Survey, complete_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """One model before it is fitted: its people, matched, and what the design can reach."""

    spec: ModelSpec
    sample: Sample
    feasibility: tuple[DiagnosticRow, ...]

    @property
    def rows(self) -> ModelRows:
        """Complete in-person rows."""
        return self.sample.rows

    @property
    def reason(self) -> str:
        """Why the matching leaves nobody; empty where it leaves somebody."""
        return self.sample.matched.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A study, its survey and its models, ready to be fitted."""

    study: Study
    survey: Survey
    models: tuple[ModelPlan, ...]

    def keys(self, model: ModelPlan) -> Keys:
        """What every row of a model says of itself."""
        return Keys(
            model=model.spec.name,
            outcome=model.spec.outcome,
            source=self.survey.source,
            levels=model.rows.levels,
            at=declared_at(self.study, model.spec.name),
        )


def sample_for(rows: ModelRows, spec: ModelSpec) -> Sample:
    """The rows of a model, matched.

    Where the matching leaves nobody the reason stands in `matched`: families that need no matching
    can still be estimated, the others refuse with it.
    """
    try:
        matched = match(rows, spec.matching)
    except NotEstimable as error:
        matched = MatchedSample.nobody(spec.matching.method, rows.n, error.reason)
    return Sample(
        rows=rows,
        matched=matched,
        covariates=spec.covariates,
        link=spec.link,
        fitting=spec.fitting,
        strata=spec.matching.on if spec.matching.method not in ("entropy", "overlap") else (),
    )


def variant_sample(plan: Plan, variant: Variant) -> Sample:
    """The complete rows of a variant, matched by its own design."""
    return sample_for(complete_rows(plan.survey, plan.study, variant.spec), variant.spec)


def model_plan(survey: Survey, study: Study, spec: ModelSpec) -> ModelPlan:
    """One model of a study, matched."""
    rows = complete_rows(survey, study, spec)
    sample = sample_for(rows, spec)
    feasibility = feasibility_rows(
        rows,
        spec.matching,
        None if sample.matched.reason else sample.matched,
        model=spec.name,
        source=survey.source,
    )
    return ModelPlan(spec=spec, sample=sample, feasibility=tuple(feasibility))


def domains(study: Study, model: ModelPlan) -> Iterator[tuple[str, Sample]]:
    """By `region=NAME` or `VARIABLE=LEVEL`, people of both groups at that level, matched.

    Of a question that only members were asked, the members at that level and every comparison
    person. A department without people of both groups is no domain.

    Notes
    -----
    Weights that balance a covariate over everybody need not balance it at one level. So the
    whole model's weights and sets stay only where the variable of the domain is an exact stratum
    and whatever else was matched on is in the outcome model: then every set lies within one
    level. In every other case, and always with entropy balancing and overlap weights, which have
    no sets, the people of the domain are matched anew by the model's own design.
    """
    rows = model.rows
    places, department = study.design.places, study.design.department
    names = [name for name, variable in study.variables.items() if variable.groups]
    for name in dict.fromkeys([*places, *names]):
        if name not in rows.factors:
            continue
        only_members = name not in places and _only_members(rows, name)
        sets_inside = _sets_inside(model, name)
        for code, level in enumerate(rows.factor_levels[name]):
            here = rows.factors[name] == code
            if name == department and len({*rows.member[here].tolist()}) < 2:
                continue
            if only_members:
                here = np.asarray(here | ~rows.member)
            if sets_inside:
                sample = model.sample.within(here)
            else:
                anew = sample_for(rows.take(here), model.spec)
                sample = anew.within(np.ones(anew.rows.n, dtype=bool))
            yield f"{places.get(name, name)}={level}", sample


def _only_members(rows: ModelRows, name: str) -> bool:
    """Whether no comparison person has an answer and some member has."""
    answered = rows.factors[name] >= 0
    return bool(answered.any() and not (answered & ~rows.member).any())


def _sets_inside(model: ModelPlan, name: str) -> bool:
    """Whether sets lie within levels of a variable, and the rest is in the outcome model."""
    adjusted = {*model.sample.covariates, *model.sample.strata}
    inside = name in model.sample.strata and not model.reason
    return inside and adjusted.issuperset(model.spec.matching.covariates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """Estimates of a model that will have no number, and why."""

    model: str
    families: str
    group: str
    reason: str


def foreseen(plan: Plan) -> tuple[Foreseen, ...]:
    """What of a plan will not be estimable: for want of people, of a match or of zones.

    A fit may still fail for reasons that only the fit finds, such as separation.
    """
    return tuple(one for model in plan.models for one in _of_model(plan, model))


def _of_model(plan: Plan, model: ModelPlan) -> Iterator[Foreseen]:
    whole = _why_not(model.sample)
    if whole:
        families, reason = whole
        yield Foreseen(model=model.spec.name, families=families, group="all", reason=reason)
    if whole is None or whole[0] != _EVERY:
        for group, sample in domains(plan.study, model):
            found = _why_not(sample)
            if found:
                families, reason = found
                yield Foreseen(model=model.spec.name, families=families, group=group, reason=reason)
        reason = _no_region_model(plan, model)
        if reason:
            yield Foreseen(
                model=model.spec.name, families="hierarchical", group="all", reason=reason
            )


_EVERY, _MATCHED = "every family", "matched families"
_WITHIN_SETS = "conditional and linear families"


def _why_not(sample: Sample) -> tuple[str, str] | None:
    """Which families of a sample will have no number, and why; None where all may have one.

    A domain with one zone has numbers without an interval, and is no exception of a run.
    """
    of_whom = {_EVERY: None} | ({_MATCHED: sample.kept} if sample.is_matched else {})
    for families, keep in of_whom.items():
        try:
            if keep is not None:
                require_matched(sample)
            sample.standing(keep)
        except NotEstimable as error:
            return None if error.status is Status.FEW_CLUSTERS else (families, error.reason)
    if sample.is_matched and not sample.domain and not sample.matched.n_sets:
        return _WITHIN_SETS, "this matching makes no sets"
    return None


def _no_region_model(plan: Plan, model: ModelPlan) -> str:
    """Why the model by region cannot be fitted; empty where it can, or is not asked for."""
    region, asked = plan.study.design.region, model.spec.hierarchical
    if asked is None or region is None:
        return ""
    zones = asked.zones and model.rows.zone is not None
    departments = model_departments(plan, model)
    try:
        hierarchical_cells(
            model.rows, model.spec.covariates, region, zones=zones, departments=departments
        )
    except NotEstimable as error:
        return error.reason
    return ""


def model_departments(plan: Plan, model: ModelPlan) -> Departments | None:
    """The departments that a model by region tells apart, with what its file says of them."""
    name, asked = plan.study.design.department, model.spec.hierarchical
    if name is None or plan.survey.department_region is None:
        return None
    levels = plan.survey.variables[name].levels
    known = asked.area.numbers if asked and asked.area else {}
    area = {of: np.array([values[level] for level in levels]) for of, values in known.items()}
    return Departments(variable=name, region=plan.survey.department_region, area=area)
