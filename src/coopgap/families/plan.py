"""What is to be fitted: a study's models with their people and matched samples."""

from __future__ import annotations

from dataclasses import dataclass

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import DiagnosticRow
from coopgap.families.records import Sample
from coopgap.matching.dispatch import match
from coopgap.matching.feasibility import feasibility_rows
from coopgap.matching.sample import MatchedSample
from coopgap.study.spec import ModelSpec, Study, Variant
from coopgap.survey.records import ModelRows, Survey, complete_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """One model before it is fitted.

    Attributes
    ----------
    sample
        Complete in-person rows with the matched sample.
    feasibility
        Counts, positivity and what the design can reach.
    """

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


def sample_for(rows: ModelRows, spec: ModelSpec) -> Sample:
    """Match the rows of a model.

    Returns
    -------
    Sample
        With nobody kept where the matching leaves nobody, and the reason in `matched`: families
        that need no matching can still be estimated, the others refuse with it.
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
