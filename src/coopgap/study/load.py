"""From a study folder to a `Study`."""

from __future__ import annotations

import codecs
import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from coopgap.core.errors import StudyError, first_mark, refuse_marks
from coopgap.datasets.registry import SHIPPED, read_registry
from coopgap.study.benchmarks import check_margins, read_benchmarks
from coopgap.study.fitting import check_fitting
from coopgap.study.model import read_model
from coopgap.study.multiverse import check_multiverse
from coopgap.study.parts import (
    read_design,
    read_group,
    read_headline,
    read_minimum,
    read_negative_control,
    read_phone,
    read_where,
)
from coopgap.study.population import check_population, read_population
from coopgap.study.section import Section
from coopgap.study.spec import Design, Group, ModelSpec, Study, Variable
from coopgap.study.variables import read_variable

STUDY_FILE = "study.toml"
_KEYS = (
    "title",
    "survey",
    "encoding",
    "printed",
    "smallest_gap",
    "where",
    "group",
    "design",
    "headline",
    "phone",
    "disclosure",
    "negative_control",
    "variables",
    "benchmark",
)


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
    contents = {path.name: _read(path) for path in _files(folder)}
    tables = {name: _parse(name, content) for name, content in contents.items()}
    section = Section(tables.pop(STUDY_FILE), STUDY_FILE, _KEYS)
    group, variables = read_group(section), _variables(section)
    if not tables:
        raise StudyError(str(folder), "holds no model file", "add one, such as trust.toml")
    models = tuple(
        read_model(Path(name).stem, table, name, variables) for name, table in tables.items()
    )
    _check_group(group, models, variables)
    outcomes = tuple(dict.fromkeys(model.outcome for model in models))
    _check_roles(section, variables, outcomes)
    design = read_design(section, variables)
    printed = _printed(section, folder)
    if isinstance(printed, Path):
        contents[printed.name] = _read(printed)
        read_registry(printed.name, contents[printed.name])
    named = section.table("design").get("population")
    if named is not None:
        path = _named_file(section, folder, "design.population", named)
        contents[path.name] = _read(path)
        declared = read_population(path, contents[path.name], variables)
        design = replace(design, population=declared)
    check_population(models, design.population)
    _check_regions(models, design)
    for model in models:
        check_fitting(model, design)
    check_multiverse(models, design, group, variables)
    benchmarks = read_benchmarks(section, variables, outcomes, design.region)
    check_margins(benchmarks, design.population)
    return Study(
        name=folder.resolve().name,
        title=section.text("title"),
        survey=_survey(section, folder),
        encoding=_encoding(section),
        group=group,
        design=design,
        variables=variables,
        models=models,
        headline=read_headline(section, models, variables),
        folder=folder,
        sha256=_digest(contents),
        printed=printed,
        smallest_gap=section.share("smallest_gap", 0.05),
        disclosure_minimum=read_minimum(section),
        phone=read_phone(section, outcomes),
        benchmarks=benchmarks,
        negative_control=read_negative_control(section, variables, outcomes),
        where=read_where(section),
        files=contents,
    )


def load_printed(folder: Path) -> tuple[str, str | Path] | None:
    """Title and registry of a study folder that declares nothing else, having no survey.

    Parameters
    ----------
    folder
        With a study.toml.

    Returns
    -------
    tuple, or None
        None where it declares more: `load_study` reads that.

    Raises
    ------
    StudyError
        For a study.toml that cannot be read, a title or registry that is none.
    """
    table = _parse(STUDY_FILE, _read(_find(folder) / STUDY_FILE))
    if "printed" not in table or not {*table} <= {"title", "printed"}:
        return None
    section = Section(table, STUDY_FILE, _KEYS)
    title, printed = section.text("title"), _printed(section, folder)
    return None if printed is None else (title, printed)


def _find(study: str | Path) -> Path:
    given = Path(study)
    try:
        places = [given, *(shelf / given for shelf in _shelves() if len(given.parts) == 1)]
        for place in places:
            if (place / STUDY_FILE).is_file():
                return place
        there = given.parts and given.exists()
    except OSError as error:
        raise StudyError(str(study), "cannot be read", error.strerror or "check it") from error
    found = f"holds no {STUDY_FILE}" if there else "no such study folder"
    raise StudyError(str(study), found, f"shipped studies: {', '.join(shipped_studies())}")


def _files(folder: Path) -> list[Path]:
    """Files of the study in the order of their names; hidden files are an editor's, not ours."""
    files = (path for path in folder.glob("*.toml") if not path.name.startswith("."))
    return sorted(files, key=lambda path: path.name)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StudyError(path.name, "cannot be read", error.strerror or "check the file") from error


def _parse(name: str, content: bytes) -> dict[str, Any]:
    try:
        text = content.decode("utf-8-sig")
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise StudyError(name, "is not UTF-8", "save it as UTF-8") from error
    except ValueError as error:  # also a whole number of thousands of digits
        raise StudyError(name, f"is not TOML: {error}", "mend that line") from error
    except RecursionError as error:
        raise StudyError(name, "nests tables or lists too deeply", "flatten it") from error
    if _beyond(table):
        raise StudyError(name, "holds a whole number beyond 64 bits", "write it as text")
    refuse_marks(name, text)
    # An escape in the text is a mark only once it is read.
    if first_mark(json.dumps(table, default=str, ensure_ascii=False)):
        raise StudyError(name, "writes a mark that turns the direction of text", "delete it")
    return table


def _beyond(value: object) -> bool:
    """Whether a whole number is longer than TOML has them: Python cannot even print the longest."""
    if isinstance(value, int):
        return value.bit_length() > 64
    if isinstance(value, dict | list):
        return any(map(_beyond, value.values() if isinstance(value, dict) else value))
    return False


def _digest(contents: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(contents.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _named_file(section: Section, folder: Path, key: str, named: object) -> Path:
    """A CSV file that stands in the study folder and is hashed with it."""
    if not isinstance(named, str) or Path(named).name != named or not named.endswith(".csv"):
        raise section.refuse(
            key, "is no name of a CSV file", "allowed: FILE.csv in the study folder"
        )
    return folder / named


def _printed(section: Section, folder: Path) -> str | Path | None:
    """The name of a shipped registry, or a registry file in the study folder."""
    named = section.optional_text("printed")
    if named is None or named in SHIPPED:
        return named
    if not named.endswith(".csv"):
        allowed = f"{', '.join(SHIPPED)}, or FILE.csv in the study folder"
        raise section.refuse("printed", f'is "{named}"', f"allowed: {allowed}")
    return _named_file(section, folder, "printed", named)


def _encoding(section: Section) -> str | None:
    """Name of an encoding of text that Python knows."""
    name = section.optional_text("encoding")
    try:
        return name and codecs.lookup(name).name
    except LookupError as error:
        raise section.refuse(
            "encoding", f'is "{name}"', "allowed: an encoding such as UTF-8 or cp1252"
        ) from error


def _survey(section: Section, folder: Path) -> str | Path | None:
    survey = section.optional_text("survey")
    return survey if survey in (None, "example") else folder / survey


def _variables(section: Section) -> dict[str, Variable]:
    tables = section.table("variables")
    if not tables:
        raise section.refuse("variables", "is absent or empty", "declare the survey's questions")
    where = section.at("variables")
    return {name: read_variable(name, values, f"{where}.{name}") for name, values in tables.items()}


def _check_group(
    group: Group, models: Iterable[ModelSpec], variables: Mapping[str, Variable]
) -> None:
    """Refuse models that would explain membership by the membership question itself."""
    for model in models:
        for name in dict.fromkeys(
            name
            for spec in (model, *(one.spec for one in model.variants))
            for name in spec.variables
        ):
            if group.column in (variables[name].items or (variables[name].column,)):
                raise StudyError(
                    f"{model.name}.toml", f"uses {name}, the membership question", "leave it out"
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
