"""From a study folder to a `Study`."""

from __future__ import annotations

import codecs
import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError

from coopgap.core.errors import StudyError, first_mark, refuse_marks
from coopgap.datasets.registry import SHIPPED, read_registry
from coopgap.study.keys import (
    OneOrMore,
    Refusal,
    Share,
    Text,
    Values,
    Whole,
    adapter,
    apart,
    at,
    require_among,
    require_apart,
    require_keys,
)
from coopgap.study.model import ModelFile, check_design, read_model
from coopgap.study.multiverse import check_multiverse
from coopgap.study.outside import (
    BenchmarkTable,
    check_margins,
    join_benchmarks,
    known_regions,
    read_area,
    read_population,
)
from coopgap.study.spec import (
    Design,
    Group,
    Headline,
    ModelSpec,
    NegativeControl,
    Phone,
    Replicates,
    Study,
    Variable,
    csv_name,
)
from coopgap.study.variables import (
    VariableTable,
    named_variables,
    require_declared,
    require_levels,
)

STUDY_FILE = "study.toml"


def _encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError as error:
        raise Refusal(f'is "{name}"', "allowed: an encoding such as UTF-8 or cp1252") from error


def _printed(name: str) -> str:
    if name in SHIPPED:
        return name
    if not name.endswith(".csv"):
        shipped = ", ".join(SHIPPED)
        raise Refusal(f'is "{name}"', f"allowed: {shipped}, or FILE.csv in the study folder")
    return csv_name(name)


def _registry(name: str, folder: Path) -> str | Path:
    return name if name in SHIPPED else folder / name


def _headlines(value: object) -> object:
    """Entries as tables, a text naming a model."""
    entries = value if isinstance(value, list) else [value]
    return [{"model": one} if isinstance(one, str) else one for one in entries]


def _usable(design: Design) -> Design:
    require_keys(design.missing, design.columns, "missing")
    if design.mode is not None:
        modes = {"in_person": design.mode.in_person, "phone": design.mode.phone}
        require_apart({**modes, "missing.mode": design.missing.get("mode", ())})
    if design.replicates is not None:
        _check_replicates(design.replicates, design)
    return design


def _check_replicates(replicates: Replicates, design: Design) -> None:
    """What can be known of replicate weights before the survey is read."""
    for key in ("strata", "fpc", "lonely"):
        if getattr(design, key):
            found = "stands beside replicates, which hold it already"
            raise Refusal(found, "declare one or the other", key)
    if design.weight is None:
        found = "need the weight of the whole sample beside them"
        raise Refusal(found, "name its column: weight", "replicates")
    rscales, key = replicates.rscales, "replicates.rscales"
    if replicates.type == "JKn" and not rscales:
        raise Refusal("is absent", "JKn needs a number a replicate, or one of all", key)
    if rscales and not any(rscales):
        raise Refusal("holds nothing but 0", "give numbers above 0", key)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedFile:
    """What a study without a survey declares."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    title: Text
    """Title of the report."""
    printed: Annotated[Text, AfterValidator(_printed)]
    """Published numbers to be re-analysed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """What an official release may not tell."""

    minimum: Literal[0] | Annotated[Whole, Field(ge=3)] = 0
    """People that no output may tell apart: fewer are blank, counts are rounded to it; 0 is off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFile:
    """A survey: what its columns mean, who is compared, and what is declared before fitting."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    title: Text
    """Title of the report."""
    survey: Text | None = None
    """The survey file, from the study folder, or "example"; if absent, `--data` names it."""
    encoding: Annotated[Text, AfterValidator(_encoding)] | None = None
    """Encoding of the file's text, where it is not detected."""
    printed: Annotated[Text, AfterValidator(_printed)] | None = None
    """Published numbers to be re-analysed: a shipped registry, or a CSV file beside study.toml."""
    smallest_gap: Share = 0.05
    """Smallest gap that matters, on the probability scale."""
    where: Mapping[str, OneOrMore] = field(default_factory=dict)
    """Values of the rows that are kept, by column; the others are counted."""
    group: Annotated[Group, apart("member", "comparison", "missing")]
    """The membership question, and which of its values are whose."""
    design: Annotated[Design, AfterValidator(_usable)] = field(default_factory=Design)
    """How people were sampled."""
    headline: Annotated[
        Mapping[
            str,
            Annotated[
                tuple[Headline, ...],
                Field(min_length=1),
                BeforeValidator(
                    _headlines, json_schema_input_type=Text | Headline | Values[Text | Headline]
                ),
            ],
        ],
        Field(min_length=1),
    ]
    """Models that answer a question, named by its outcome, declared before fitting."""
    phone: Phone = field(default_factory=Phone)
    """How far phone answers may differ and still count as alike."""
    disclosure: Disclosure = field(default_factory=Disclosure)
    """What an official release may not tell."""
    negative_control: NegativeControl | None = None
    """An exclusion that lets a negative control's gap be taken off."""
    variables: Annotated[
        Mapping[str, VariableTable], Field(min_length=1), AfterValidator(named_variables)
    ]
    """The survey's questions by name."""
    benchmark: tuple[BenchmarkTable, ...] = ()
    """Outside shares of an outcome, of everybody or by region."""


def _shelves() -> tuple[Path, ...]:
    """Where shipped studies lie: inside the installed package, or beside `src` in a checkout."""
    package = Path(__file__).resolve().parents[1]
    return (package / "models", package.parents[1] / "models")


def shipped_folder(name: str) -> Path:
    """The folder of a shipped study."""
    return next(shelf / name for shelf in _shelves() if (shelf / name).is_dir())


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
    file: StudyFile = record(StudyFile, STUDY_FILE, tables.pop(STUDY_FILE))
    if not tables:
        raise StudyError(str(folder), "holds no model file", "add one, such as trust.toml")
    models = tuple(
        read_model(Path(name).stem, record(ModelFile, name, table), name, file.variables)
        for name, table in tables.items()
    )
    outcomes = tuple(dict.fromkeys(model.outcome for model in models))
    printed = file.printed
    if printed is not None and printed not in SHIPPED:
        contents[printed] = _read(folder / printed)
        read_registry(printed, contents[printed])
    design = file.design
    if design.population is not None:
        name = design.population.file
        contents[name] = _read(folder / name)
        population = read_population(name, contents[name], file.variables)
        design = replace(design, population=population)
    with at(STUDY_FILE):
        _check_study(file, models, outcomes)
    models = tuple(_with_area(model, folder, design, file.variables, contents) for model in models)
    areas = [one.hierarchical.area for one in models if one.hierarchical and one.hierarchical.area]
    for model in models:
        with at(f"{model.name}.toml"):
            _check_model(model, file.group, file.variables)
            check_design(model, design)
            check_multiverse(model, design, file.group, file.variables)
    benchmarks = join_benchmarks(file.benchmark, file.variables, outcomes, design.region)
    if design.population is not None:
        check_margins(design.population, benchmarks)
    return Study(
        name=folder.resolve().name,
        title=file.title,
        survey=file.survey if file.survey in (None, "example") else folder / file.survey,
        encoding=file.encoding,
        group=file.group,
        design=design,
        variables=file.variables,
        models=models,
        headline=file.headline,
        folder=folder,
        sha256=_digest(contents),
        printed=printed and _registry(printed, folder),
        smallest_gap=file.smallest_gap,
        disclosure_minimum=file.disclosure.minimum,
        phone=file.phone,
        benchmarks=benchmarks,
        negative_control=file.negative_control,
        where=file.where,
        department_regions=known_regions(design, areas, file.variables),
        files=contents,
    )


def _with_area(
    model: ModelSpec,
    folder: Path,
    design: Design,
    variables: Mapping[str, Variable],
    contents: dict[str, bytes],
) -> ModelSpec:
    """The model with what the file of its areas says, whose content is kept."""
    if model.hierarchical is None or model.hierarchical.area is None:
        return model
    name = model.hierarchical.area.file
    contents[name] = _read(folder / name)
    area = read_area(name, contents[name], design, variables)
    return replace(model, hierarchical=replace(model.hierarchical, area=area))


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
    file: PrintedFile = record(PrintedFile, STUDY_FILE, table)
    return file.title, _registry(file.printed, folder)


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


def record(kind: type, name: str, table: dict[str, Any]) -> Any:
    """The record of a table as a TOML file has one; a StudyError names the file or `name`."""
    try:
        return adapter(kind).validate_python(table)
    except ValidationError as error:
        # Loaded where it is needed: what writes a schema takes a tenth of a second.
        from coopgap.study.schema import study_error

        raise study_error(kind, name, table, error) from None


def _check_study(file: StudyFile, models: Sequence[ModelSpec], outcomes: Sequence[str]) -> None:
    """What the tables of study.toml say of each other and of the models."""
    variables, region = file.variables, file.design.region
    for key in ("region", "department"):
        name = getattr(file.design, key)
        if name is not None:
            require_declared((name,), variables, f"design.{key}")
            require_levels((name,), variables, f"{key}s have levels", f"design.{key}")
    if file.design.department is not None:
        if region is None:
            found = "is finer than region, and the study declares none"
            raise Refusal(found, "name one: region = VARIABLE", "design.department")
        if file.design.department == region:
            raise Refusal("is the region", "leave it out", "design.department")
    for name, variable in variables.items():
        for outcome in variable.role:
            key = f"variables.{name}.role.{outcome}"
            require_among(outcome, outcomes, key, "is the outcome of no model")
    require_keys(file.phone.margin, outcomes, "phone.margin")
    _check_headline(file.headline, models, variables)
    if file.negative_control is not None:
        _check_control(file.negative_control, outcomes, variables)


def _check_headline(
    headline: Mapping[str, Sequence[Headline]],
    models: Sequence[ModelSpec],
    variables: Mapping[str, Variable],
) -> None:
    outcomes = {model.name: model.outcome for model in models}
    answers: dict[str, str] = {}
    for question, entries in headline.items():
        for number, entry in enumerate(entries):
            key = f"headline.{question}" + (f"[{number + 1}]" if len(entries) > 1 else "")
            allowed = [one for one in outcomes if number or outcomes[one] == question]
            if entry.model not in allowed:
                lacks = "is in the study folder" if number else "has this outcome"
                names = ", ".join(allowed) or "outcomes of the model files"
                raise Refusal(f"no model {entry.model} {lacks}", f"allowed: {names}", key)
            if entry.model in answers:
                raise Refusal(
                    f"model {entry.model} answers {answers[entry.model]} already",
                    "allowed: each model once, under one question",
                    key,
                )
            answers[entry.model] = question
            _check_threshold(entry.at, variables[outcomes[entry.model]], f"{key}.at")
        _refuse_mixed(question, [outcomes[entry.model] for entry in entries], variables)


def _check_threshold(threshold: str, outcome: Variable, key: str) -> None:
    """The threshold put first is one of the outcome's final levels."""
    if threshold and len(outcome.levels) == 2:
        raise Refusal(f"{outcome.name} has two levels", "leave it out", key)
    if threshold:
        require_among(threshold, [f">={level}" for level in outcome.levels[:0:-1]], key)


def _refuse_mixed(
    question: str, outcomes: Sequence[str], variables: Mapping[str, Variable]
) -> None:
    """Controls are left out where p-values are adjusted: none may stand among other outcomes."""
    controls = [one for one in outcomes if variables[one].role_for(one) == "negative_control"]
    if controls and len(controls) < len(outcomes):
        raise Refusal(
            f"holds the negative control {controls[0]} among other outcomes",
            "give it a question of its own",
            f"headline.{question}",
        )


def _check_control(
    control: NegativeControl, outcomes: Sequence[str], variables: Mapping[str, Variable]
) -> None:
    name, key = control.variable, "negative_control.variable"
    require_among(name, outcomes, key)
    if variables[name].role_for(name) != "negative_control":
        way = f'give it role = {{ {name} = "negative_control" }}'
        raise Refusal(f"{name} has not that role", way, key)
    others = [one for one in outcomes if variables[one].role_for(one) != "negative_control"]
    for outcome in control.outcomes:
        if outcome not in others:
            raise Refusal(
                f'holds "{outcome}"',
                f"allowed: outcomes other than controls: {', '.join(others)}",
                "negative_control.outcomes",
            )


def _check_model(model: ModelSpec, group: Group, variables: Mapping[str, Variable]) -> None:
    """Refuse models that would explain membership by the membership question itself."""
    for spec in (model, *(variant.spec for variant in model.variants)):
        for name in spec.variables:
            if group.column in variables[name].columns:
                raise Refusal(f"uses {name}, the membership question", "leave it out")
