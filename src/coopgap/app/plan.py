"""Everything that is known before a fit: study, survey, complete rows, matched samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from coopgap.core.errors import StudyError, SurveyError
from coopgap.families.plan import Plan, model_plan
from coopgap.study.load import load_study
from coopgap.study.spec import ModelSpec, Study
from coopgap.survey.codebook import apply_codebook, needed_columns
from coopgap.survey.raw import Columns, RawTable, choose, from_answers, from_dataframe


def make_plan(
    study: str | Path,
    data: str | Path | Columns | None = None,
    only: Sequence[str] = (),
    encoding: str | None = None,
) -> Plan:
    """Read and validate everything a run needs, as `coopgap.run` takes it, or `InputError`."""
    loaded = load_study(study)
    specs = _chosen(loaded, only)
    raw = _raw_table(loaded, data, encoding)
    survey = apply_codebook(raw, loaded).by_record()
    return Plan(
        study=loaded,
        survey=survey,
        models=tuple(model_plan(survey, loaded, spec) for spec in specs),
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

        example = make_example().columns
        chosen = {name: example[name] for name in choose([*example], columns)}
        return from_answers(chosen, "example survey")
    if isinstance(source, str | Path):
        from coopgap.survey.read import read_table

        return read_table(Path(source), columns, encoding or study.encoding)
    return from_dataframe(source, columns)
