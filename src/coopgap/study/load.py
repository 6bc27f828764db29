"""From a study folder to a `Study`."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from coopgap.errors import StudyError
from coopgap.study.model import read_model
from coopgap.study.section import Section
from coopgap.study.spec import (
    Benchmark,
    Design,
    Group,
    Mode,
    ModelSpec,
    Phone,
    Study,
    Variable,
)
from coopgap.study.variables import read_variable

__all__ = ["load_study", "shipped_studies"]

STUDY_FILE = "study.toml"
_KEYS = (
    "title",
    "survey",
    "printed",
    "smallest_gap",
    "group",
    "design",
    "headline",
    "phone",
    "variables",
    "benchmark",
)
_PRINTED = ("peru",)


def _shelves() -> tuple[Path, ...]:
    """Where shipped studies lie: inside the installed package, or beside `src` in a checkout."""
    package = Path(__file__).resolve().parents[1]
    return (package / "models", package.parents[1] / "models")


def shipped_studies() -> tuple[str, ...]:
    """Names of the studies that come with coopgap."""
    folders = (folder for shelf in _shelves() if shelf.is_dir() for folder in shelf.iterdir())
    return tuple(sorted({folder.name for folder in folders if (folder / STUDY_FILE).is_file()}))


def load_study(study: str | Path) -> Study:
    """Read and validate a study folder.

    Parameters
    ----------
    study
        A folder, or the name of a shipped study. A folder of that name wins.

    Returns
    -------
    Study

    Raises
    ------
    StudyError
        One line for the first thing that is wrong: file and key, what is there, what is allowed.
    """
    folder = _find(study)
    files = sorted(folder.glob("*.toml"), key=lambda path: path.name)
    contents = {path.name: _read(path) for path in files}
    tables = {name: _parse(name, content) for name, content in contents.items()}
    section = Section(tables.pop(STUDY_FILE), STUDY_FILE, _KEYS)
    variables = _variables(section)
    if not tables:
        raise StudyError(str(folder), "holds no model file", "add one, such as trust.toml")
    models = tuple(
        read_model(Path(name).stem, table, name, variables) for name, table in tables.items()
    )
    outcomes = tuple(dict.fromkeys(model.outcome for model in models))
    _check_roles(section, variables, outcomes)
    design = _design(section, variables)
    _check_regions(models, design)
    return Study(
        name=folder.resolve().name,
        title=section.text("title"),
        survey=_survey(section, folder),
        group=_group(section),
        design=design,
        variables=variables,
        models=models,
        headline=_headline(section, models),
        folder=folder,
        sha256=_digest(contents),
        printed=section.choice("printed", _PRINTED) if section.has("printed") else None,
        smallest_gap=_share(section, "smallest_gap", 0.05),
        phone=_phone(section, outcomes),
        benchmarks=_benchmarks(section, variables, outcomes),
    )


def _find(study: str | Path) -> Path:
    given = Path(study)
    if (given / STUDY_FILE).is_file():
        return given
    if given.exists() and (given.is_file() or len(given.parts) > 1):
        raise StudyError(str(study), f"holds no {STUDY_FILE}", "give a study folder")
    for shelf in _shelves():
        if len(given.parts) == 1 and (shelf / given / STUDY_FILE).is_file():
            return shelf / given
    raise StudyError(
        str(study), "no such study folder", f"shipped studies: {', '.join(shipped_studies())}"
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StudyError(path.name, "cannot be read", error.strerror or "check the file") from error


def _parse(name: str, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise StudyError(name, "is not UTF-8", "save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise StudyError(name, f"is not TOML: {error}", "mend that line") from error


def _digest(contents: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(contents.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _survey(section: Section, folder: Path) -> str | Path | None:
    survey = section.optional_text("survey")
    return survey if survey in (None, "example") else folder / survey


def _variables(section: Section) -> dict[str, Variable]:
    tables = section.table("variables")
    if not tables:
        raise section.refuse("variables", "is absent or empty", "declare the survey's questions")
    where = section.at("variables")
    return {name: read_variable(name, values, f"{where}.{name}") for name, values in tables.items()}


def _group(section: Section) -> Group:
    table = Section(
        section.table("group"),
        section.at("group"),
        ("column", "member", "comparison", "missing", "prevalence"),
    )
    member, comparison = table.code("member"), table.code("comparison")
    if member == comparison:
        raise table.refuse("comparison", "is the same as member", "give another value")
    prevalence = _share(table, "prevalence", None)
    return Group(
        column=table.text("column"),
        member=member,
        comparison=comparison,
        missing=table.codes("missing"),
        prevalence=prevalence,
    )


def _share[T: float | None](section: Section, key: str, default: T) -> float | T:
    """A number strictly between 0 and 1."""
    if not section.has(key):
        return default
    value = section.number(key)
    if not 0 < value < 1:
        raise section.refuse(key, f"is {value:g}", "allowed: between 0 and 1")
    return value


def _design(section: Section, variables: Mapping[str, Variable]) -> Design:
    table = Section(
        section.table("design"),
        section.at("design"),
        ("region", "zone", "weight", "id", "cluster", "mode"),
        {
            "population": "leave it out; gaps are standardised over members",
        },
    )
    region = table.optional_text("region")
    if region is not None and region not in variables:
        raise table.refuse(
            "region", f"no variable {region} is declared", f"declared: {', '.join(variables)}"
        )
    if table.has("cluster"):
        raise table.refuse(
            "cluster", "is not available in this version", "name the clusters as zone"
        )
    mode = None
    if table.has("mode"):
        values = Section(table.table("mode"), table.at("mode"), ("column", "in_person", "phone"))
        mode = Mode(
            column=values.text("column"),
            in_person=values.code("in_person"),
            phone=values.code("phone"),
        )
    return Design(
        region=region,
        zone=table.optional_text("zone"),
        weight=table.optional_text("weight"),
        id=table.optional_text("id"),
        mode=mode,
    )


def _check_regions(models: Iterable[ModelSpec], design: Design) -> None:
    for model in models:
        if model.hierarchical and design.region is None:
            raise StudyError(
                f"{model.name}.toml: hierarchical",
                "the study declares no region",
                f"name one under [design] in {STUDY_FILE}",
            )


def _check_roles(
    section: Section, variables: Mapping[str, Variable], outcomes: tuple[str, ...]
) -> None:
    for name, variable in variables.items():
        for outcome in variable.role:
            if outcome not in outcomes:
                raise section.refuse(
                    f"variables.{name}.role.{outcome}",
                    "is the outcome of no model",
                    f"allowed: {', '.join(outcomes)}",
                )


def _headline(section: Section, models: tuple[ModelSpec, ...]) -> dict[str, str]:
    declared = section.mapping("headline")
    by_name = {model.name: model for model in models}
    if not declared:
        raise section.refuse(
            "headline", "is absent or empty", "declare outcome = model file stem before fitting"
        )
    for outcome, name in declared.items():
        if name not in by_name or by_name[name].outcome != outcome:
            fitting = [model.name for model in models if model.outcome == outcome]
            raise section.refuse(
                f"headline.{outcome}",
                f"no model {name} has this outcome",
                f"allowed: {', '.join(fitting) or 'outcomes of the model files'}",
            )
    return declared


def _phone(section: Section, outcomes: tuple[str, ...]) -> Phone:
    table = Section(section.table("phone"), section.at("phone"), ("margin",))
    margins = Section(table.table("margin"), table.at("margin"), outcomes)
    return Phone(margin={name: _share(margins, name, 0.0) for name in margins.values})


def _benchmarks(
    section: Section, variables: Mapping[str, Variable], outcomes: tuple[str, ...]
) -> tuple[Benchmark, ...]:
    return tuple(
        _benchmark(
            Section(values, where, ("outcome", "source", "shares", "by", "n")), variables, outcomes
        )
        for where, values in section.tables("benchmark")
    )


def _benchmark(
    table: Section, variables: Mapping[str, Variable], outcomes: tuple[str, ...]
) -> Benchmark:
    outcome = table.choice("outcome", outcomes)
    levels = variables[outcome].levels
    shares = Section(table.table("shares"), table.at("shares"), levels)
    values = {level: shares.number(level) for level in shares.values}
    absent = [level for level in levels if level not in values]
    if absent:
        raise table.refuse("shares", f"lacks {', '.join(absent)}", "give every level")
    if min(values.values()) < 0 or not 99 <= sum(values.values()) <= 101:
        raise table.refuse(
            "shares", f"sum to {sum(values.values()):g}", "allowed: percent that sum to 100 ± 1"
        )
    n = table.whole("n") if table.has("n") else None
    if n is not None and n < 1:
        raise table.refuse("n", f"is {n}", "allowed: 1 or more")
    return Benchmark(
        outcome=outcome,
        source=table.text("source"),
        shares=values,
        by=table.mapping("by"),
        n=n,
    )
