"""Everything that is known before a fit: study, survey, complete rows, matched samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from coopgap.errors import NotEstimable, StudyError, SurveyError
from coopgap.estimate import DiagnosticRow
from coopgap.families.records import Sample
from coopgap.matching.dispatch import match
from coopgap.matching.feasibility import feasibility_rows
from coopgap.matching.sample import MatchedSample
from coopgap.study.load import load_study
from coopgap.study.spec import ModelSpec, Study, Variant
from coopgap.survey.codebook import apply_codebook, needed_columns
from coopgap.survey.complete import complete_rows
from coopgap.survey.frame import Columns
from coopgap.survey.read import RawTable, from_dataframe, read_table
from coopgap.survey.records import ModelRows, Survey

__all__ = ["ModelPlan", "Plan", "make_plan", "sample_for", "variant_sample"]


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


def make_plan(
    study: str | Path,
    data: str | Path | Columns | None = None,
    only: Sequence[str] = (),
    encoding: str | None = None,
) -> Plan:
    """Read and validate everything a run needs.

    Parameters
    ----------
    study
        A study folder, or the name of a shipped one.
    data
        A survey file or a table in memory; the study's own survey if absent.
    only
        Stems of the model files to keep; all if empty.
    encoding
        Of the survey file's text; as the study says, or as detected, if absent.

    Raises
    ------
    InputError
        Anything wrong with the study or the survey.
    """
    loaded = load_study(study)
    specs = _chosen(loaded, only)
    raw = _raw_table(loaded, data, encoding)
    survey = apply_codebook(raw, loaded).by_record()
    return Plan(
        study=loaded,
        survey=survey,
        models=tuple(_model_plan(survey, loaded, spec) for spec in specs),
    )


def _chosen(study: Study, only: Sequence[str]) -> tuple[ModelSpec, ...]:
    names = [spec.name for spec in study.models]
    for name in only:
        if name not in names:
            raise StudyError("--only", f"no model named {name}", f"allowed: {', '.join(names)}")
    return tuple(spec for spec in study.models if not only or spec.name in only)


def _raw_table(study: Study, data: str | Path | Columns | None, encoding: str | None) -> RawTable:
    columns = needed_columns(study)
    source = study.survey if data is None else data
    if source is None:
        raise SurveyError(
            str(study.folder / "study.toml"), "names no survey file", "pass one with --data"
        )
    if isinstance(source, str) and source == "example":
        from coopgap.survey.example import make_example

        return from_dataframe(make_example().data, columns, "example survey")
    if isinstance(source, str | Path):
        return read_table(Path(source), columns, encoding or study.encoding)
    return from_dataframe(source, columns)


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


def _model_plan(survey: Survey, study: Study, spec: ModelSpec) -> ModelPlan:
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
