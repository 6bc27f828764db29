"""The `[multiverse]` table of a model file: values of each choice that are combined."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import Any, get_args

from coopgap.core.errors import StudyError
from coopgap.study.matching import KEYS
from coopgap.study.section import Section
from coopgap.study.spec import (
    Coding,
    Design,
    Group,
    LinkName,
    ModeHandlingName,
    ModelSpec,
    Multiverse,
    PopulationName,
    RegionName,
    Variable,
)
from coopgap.study.variables import refuse_numeric

AXES = ("method", "caliper", "covariates", "link", "coding", "region", "mode", "population")
"""Choices that a multiverse may combine."""

MOST_COMBINATIONS = 10_000

NO_CALIPER = "none"
"""In the table, that there is no caliper."""

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "method": tuple(KEYS),
    "link": get_args(LinkName),
    "region": get_args(RegionName),
    "mode": get_args(ModeHandlingName),
    "population": tuple(name for name in get_args(PopulationName) if name != "poststratified"),
}


def same_question(one: Variable, other: Variable) -> bool:
    """Whether two variables read a column in common."""
    columns = ({*variable.items} or {variable.column} for variable in (one, other))
    return not set.isdisjoint(*columns)


def read_multiverse(
    section: Section, spec: ModelSpec, variables: Mapping[str, Variable]
) -> Multiverse | None:
    """The multiverse of a model; None where none is declared.

    Parameters
    ----------
    section
        The model file.
    spec
        The model without its variants: its own choices have to be among the values, so that the
        declared gap is one of the multiverse's.
    variables
        The study's variables by name.

    Raises
    ------
    StudyError
        For anything that is not as the study folder's format says.
    """
    if not section.has("multiverse"):
        return None
    table = Section(section.table("multiverse"), section.at("multiverse"), AXES)
    if not table.values:
        raise StudyError(table.where, "combines nothing", f"give any of {', '.join(AXES)}")
    found: dict[str, Any] = {
        key: _chosen(table, key, options) for key, options in _CHOICES.items() if table.has(key)
    }
    if table.has("caliper"):
        found["caliper"] = tuple(_calipers(table))
    if table.has("coding"):
        found["coding"] = tuple(_codings(table, variables[spec.outcome], variables))
    if table.has("covariates"):
        outcomes = [spec.outcome, *(one.outcome for one in found.get("coding", ()))]
        found["covariates"] = dict(_sets(table, outcomes, variables))
    if not spec.matching.is_declared:
        _refuse_matching(table, found)
    _refuse_numeric(table, spec, found, variables)
    _require_own(table, spec, found)
    return Multiverse(**found)


def _chosen(table: Section, key: str, options: Sequence[str]) -> tuple[str, ...]:
    values = _filled(table, key, table.texts(key))
    for value in values:
        if value not in options:
            raise table.refuse(key, f'holds "{value}"', f"allowed: {', '.join(options)}")
    return values


def _filled(table: Section, key: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise table.refuse(key, "is empty", "give two values or more, or leave it out")
    return values


def _calipers(table: Section) -> Iterator[float | None]:
    values = _filled(table, "caliper", table.codes("caliper"))
    for value in values:
        if value != NO_CALIPER and (isinstance(value, str | bool) or not 0 < value < float("inf")):
            raise table.refuse(
                "caliper", "holds what is no caliper", f'allowed: numbers above 0, "{NO_CALIPER}"'
            )
        if values.count(value) > 1:
            raise table.refuse("caliper", f"holds {value} twice", "allowed: each once")
        yield None if isinstance(value, str) else float(value)


def _codings(
    table: Section, outcome: Variable, variables: Mapping[str, Variable]
) -> Iterator[Coding]:
    """Declared variables of the outcome's question, and levels at which it is cut in two."""
    alike = [name for name, one in variables.items() if same_question(one, outcome)]
    cuts = [f">={level}" for level in outcome.levels[1:]] if len(outcome.levels) > 2 else []
    for value in _filled(table, "coding", table.texts("coding")):
        if value not in (*alike, *cuts):
            raise table.refuse(
                "coding", f'holds "{value}"', f"allowed: {', '.join((*alike, *cuts))}"
            )
        refuse_numeric(table, "coding", {value} & {*alike}, variables, "an outcome has levels")
        if value in cuts:
            yield Coding(outcome=outcome.name, at=value.removeprefix(">="))
            continue
        if variables[value].type == "nominal" and len(variables[value].levels) > 2:
            raise table.refuse(
                "coding", f"{value} is nominal", "allowed: ordered variables, or of two levels"
            )
        yield Coding(outcome=value)


def _sets(
    table: Section, outcomes: Sequence[str], variables: Mapping[str, Variable]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Sets of covariates by name; those of a plain list are named by what they hold."""
    given = table.values["covariates"]
    if isinstance(given, dict):
        inner = Section(given, table.at("covariates"), tuple(given))
        sets = [(name, inner.texts(name)) for name in given]
    else:
        sets = [("", names) for _, names in table.groups("covariates")]
    found: list[frozenset[str]] = []
    for name, names in _filled(table, "covariates", tuple(sets)):
        if (isinstance(given, dict) and not name.strip()) or {*name} & {*";:"}:
            raise table.refuse("covariates", "has a name that is empty or holds ; or :", "mend it")
        for one in names:
            _covariate(table, one, outcomes, variables)
        if frozenset(names) in found:
            raise table.refuse("covariates", "holds a set twice", "allowed: each once")
        found.append(frozenset(names))
        yield name or " + ".join(names) or "none", names


def _covariate(
    table: Section, name: str, outcomes: Sequence[str], variables: Mapping[str, Variable]
) -> None:
    if name not in variables:
        raise table.refuse(
            "covariates", f"no variable {name} is declared", f"declared: {', '.join(variables)}"
        )
    for outcome in outcomes:
        if same_question(variables[name], variables[outcome]):
            raise table.refuse(
                "covariates", f"{name} is the outcome or reads its column", "leave it out"
            )


def _refuse_matching(table: Section, found: Mapping[str, Any]) -> None:
    """Refuse choices about a matching in a model that has none."""
    absent = "the model has no [matching]"
    for key in ("method", "caliper"):
        if key in found:
            raise table.refuse(key, f"is about a matching, but {absent}", "leave it out")
    for key, value in (("region", "strata"), ("population", "members")):
        if value in found.get(key, ()):
            rest = ", ".join(one for one in _CHOICES[key] if one != value)
            raise table.refuse(key, f"holds {value}, but {absent}", f"allowed: {rest}")


def _refuse_numeric(
    table: Section, spec: ModelSpec, found: Mapping[str, Any], variables: Mapping[str, Variable]
) -> None:
    """Refuse methods that would make strata or limits of a numeric covariate."""
    sets = (names for names in found.get("covariates", {}).values())
    names = dict.fromkeys((*spec.covariates, *(name for one in sets for name in one)))
    for method in found.get("method", (spec.matching.method,) if "covariates" in found else ()):
        if method in ("exact", "cardinality"):
            why = f"{method} matching on covariates needs levels"
            key = "method" if "method" in found else "covariates"
            refuse_numeric(table, key, names, variables, why)


def _require_own(table: Section, spec: ModelSpec, found: Mapping[str, Any]) -> None:
    """Refuse values without the model's own: its gap would be none of the multiverse's."""
    sets = [frozenset(names) for names in found.get("covariates", {}).values()]
    own_population = {"none": "all_members", "overlap": "overlap"}
    population = own_population.get(spec.matching.method, "members")
    caliper = spec.matching.caliper
    own: dict[str, tuple[bool, str]] = {
        "method": (spec.matching.method in found.get("method", ()), spec.matching.method),
        "caliper": (caliper in found.get("caliper", ()), f"{caliper or NO_CALIPER}"),
        "covariates": (frozenset(spec.covariates) in sets, ", ".join(spec.covariates) or "none"),
        "link": (spec.link in found.get("link", ()), spec.link),
        "coding": (Coding(outcome=spec.outcome) in found.get("coding", ()), spec.outcome),
        "mode": ("in_person" in found.get("mode", ()), "in_person"),
        "population": (population in found.get("population", ()), population),
    }
    for key, (there, value) in own.items():
        if key in found and not there:
            raise table.refuse(key, "lacks what the model itself has", f"add {value}")


def declared_region(spec: ModelSpec, region: str | None) -> RegionName:
    """How a model itself handles the region."""
    if region in spec.matching.on:
        return "strata"
    return "covariate" if region in (*spec.covariates, *spec.matching.covariates) else "left_out"


def check_multiverse(
    models: Iterable[ModelSpec], design: Design, group: Group, variables: Mapping[str, Variable]
) -> None:
    """Refuse choices that the study's design cannot have.

    Raises
    ------
    StudyError
        More than `MOST_COMBINATIONS`, regions or modes that are not declared, a model's own
        handling of the region left out, or the membership question among the variables.
    """
    for model in models:
        axes, where = model.multiverse, f"{model.name}.toml: multiverse"
        if axes is None:
            continue
        # Counted before the product is ever made.
        n = prod(max(len(getattr(axes, axis)), 1) for axis in AXES)
        if n > MOST_COMBINATIONS:
            raise StudyError(
                where, f"has {n:,} combinations", f"allowed: at most {MOST_COMBINATIONS:,}"
            )
        for name in axes.variables:
            if group.column in (variables[name].items or (variables[name].column,)):
                raise StudyError(where, f"uses {name}, the membership question", "leave it out")
        for key, there in (("region", design.region), ("mode", design.mode)):
            if getattr(axes, key) and there is None:
                raise StudyError(
                    f"{where}.{key}",
                    f"the study declares no {key}",
                    "name one under [design] in study.toml",
                )
        own = declared_region(model, design.region)
        if axes.region and own not in axes.region:
            raise StudyError(f"{where}.region", "lacks what the model itself has", f"add {own}")
