"""The tables of `study.toml` beside its variables: group, design, headline, phone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from coopgap.study.section import Section
from coopgap.study.spec import (
    MEMBERS,
    NON_MEMBERS,
    Code,
    Design,
    Group,
    Headline,
    Mode,
    ModelSpec,
    NegativeControl,
    Phone,
    Variable,
)
from coopgap.study.values import normalise
from coopgap.study.variables import refuse_numeric

_LEAST = 3
"""Smaller numbers of people hide nobody."""


def read_where(section: Section) -> dict[str, tuple[Code, ...]]:
    """Values of the rows to keep, by column, from the study's `[where]`.

    Raises
    ------
    StudyError
        For anything that is not as the study folder's format says.
    """
    values = section.table("where")
    table = Section(values, section.at("where"), tuple(values))
    return {column: table.one_or_more(column) for column in values}


def read_group(section: Section) -> Group:
    """The membership question, from the study's `[group]`.

    Raises
    ------
    StudyError
        For anything that is not as the study folder's format says.
    """
    table = Section(
        section.table("group"),
        section.at("group"),
        ("column", "member", "comparison", "missing", "member_label", "comparison_label"),
        {"prevalence": "it serves gaps over everyone; leave it out"},
    )
    column, member, comparison = (
        table.text("column"),
        table.one_or_more("member"),
        table.one_or_more("comparison"),
    )
    _refuse_equal(table, "comparison", comparison, "member", member)
    missing = table.codes("missing")
    _refuse_equal(table, "missing", missing, "member", member)
    _refuse_equal(table, "missing", missing, "comparison", comparison)
    return Group(
        column=column,
        member=member,
        comparison=comparison,
        missing=missing,
        member_label=table.text("member_label", MEMBERS),
        comparison_label=table.text("comparison_label", NON_MEMBERS),
    )


def _refuse_equal(
    table: Section, key: str, values: Iterable[Code], other: str, taken: Iterable[Code]
) -> None:
    if {normalise(value) for value in values} & {normalise(value) for value in taken}:
        raise table.refuse(key, f"has a value that {other} has too", "give it once")


def read_design(section: Section, variables: Mapping[str, Variable]) -> Design:
    """How people were sampled, from the study's `[design]`.

    Raises
    ------
    StudyError
        For anything that is not as the study folder's format says.
    """
    table = Section(
        section.table("design"),
        section.at("design"),
        ("region", "zone", "weight", "id", "mode", "population", "missing"),
        {
            "cluster": "name the clusters as zone",
        },
    )
    region = table.optional_text("region")
    if region is not None and region not in variables:
        raise table.refuse(
            "region", f"no variable {region} is declared", f"declared: {', '.join(variables)}"
        )
    if region is not None:
        refuse_numeric(table, "region", (region,), variables, "regions have levels")
    design = Design(
        region=region,
        zone=_zone(table),
        weight=table.optional_text("weight"),
        id=table.optional_text("id"),
        mode=_mode(table) if table.has("mode") else None,
    )
    return replace(design, missing=_missing(table, design))


def _zone(design: Section) -> tuple[str, ...]:
    """The column of the zones, or several that name a zone together."""
    if not isinstance(design.values.get("zone"), list):
        named = design.optional_text("zone")
        return () if named is None else (named,)
    columns = design.texts("zone")
    if not columns:
        raise design.refuse("zone", "is an empty list", "allowed: a column, or a list of columns")
    return columns


def _missing(design: Section, declared: Design) -> dict[str, tuple[Code, ...]]:
    """Codes for no answer, by the key whose column holds them."""
    table = Section(design.table("missing"), design.at("missing"), tuple(declared.columns))
    missing = {key: table.codes(key) for key in table.values}
    if declared.mode is not None:
        named = missing.get("mode", ())
        _refuse_equal(table, "mode", named, "in_person", declared.mode.in_person)
        _refuse_equal(table, "mode", named, "phone", declared.mode.phone)
    return missing


def _mode(design: Section) -> Mode:
    table = Section(design.table("mode"), design.at("mode"), ("column", "in_person", "phone"))
    column = table.text("column")
    in_person, phone = table.one_or_more("in_person"), table.one_or_more("phone")
    _refuse_equal(table, "phone", phone, "in_person", in_person)
    return Mode(column=column, in_person=in_person, phone=phone)


def read_headline(
    section: Section, models: Iterable[ModelSpec], variables: Mapping[str, Variable]
) -> dict[str, tuple[Headline, ...]]:
    """The models that answer each question, from the study's `[headline]`.

    Raises
    ------
    StudyError
        For anything that is not as the study folder's format says.
    """
    declared = section.table("headline")
    if not declared:
        raise section.refuse(
            "headline", "is absent or empty", "declare outcome = model file stem before fitting"
        )
    outcomes = {model.name: model.outcome for model in models}
    found: dict[str, tuple[Headline, ...]] = {}
    answers: dict[str, str] = {}
    for question, value in declared.items():
        key = f"headline.{question}"
        entries = value if isinstance(value, list) else [value]
        if not entries:
            raise section.refuse(key, "is an empty list", f"allowed: {_ENTRIES}")
        for number, entry in enumerate(entries):
            place = f"{key}[{number + 1}]" if isinstance(value, list) else key
            table = _entry(section, place, entry)
            name = table.text("model")
            allowed = [one for one in outcomes if number or outcomes[one] == question]
            if name not in allowed:
                lacks = "is in the study folder" if number else "has this outcome"
                names = ", ".join(allowed) or "outcomes of the model files"
                raise section.refuse(place, f"no model {name} {lacks}", f"allowed: {names}")
            if name in answers:
                told = f"model {name} answers {answers[name]} already"
                raise section.refuse(place, told, "allowed: each model once, under one question")
            answers[name] = question
            one = Headline(model=name, at=_threshold(table, variables[outcomes[name]]))
            found[question] = (*found.get(question, ()), one)
        _refuse_mixed(section, key, [outcomes[one.model] for one in found[question]], variables)
    return found


_ENTRIES = 'stem of a model file, { model = "stem", at = ">=LEVEL" }, or a list of these'


def _entry(section: Section, place: str, value: object) -> Section:
    """One model that answers a question, as a table."""
    if not isinstance(value, str | dict):
        raise section.refuse(place, "is neither a text nor a table", f"allowed: {_ENTRIES}")
    given = {"model": value} if isinstance(value, str) else value
    return Section(given, section.at(place), ("model", "at"))


def _threshold(table: Section, outcome: Variable) -> str:
    """The threshold put first, by the outcome's final levels; empty where none is declared."""
    at = table.optional_text("at")
    if at is None:
        return ""
    if len(outcome.levels) == 2:
        raise table.refuse("at", f"{outcome.name} has two levels", "leave it out")
    offered = [f">={level}" for level in outcome.levels[:0:-1]]
    if at not in offered:
        raise table.refuse("at", f'is "{at}"', f"allowed: {', '.join(offered)}")
    return at


def _refuse_mixed(
    section: Section, place: str, outcomes: Sequence[str], variables: Mapping[str, Variable]
) -> None:
    """Controls are left out where p-values are adjusted: none may stand among other outcomes."""
    controls = [one for one in outcomes if variables[one].role_for(one) == "negative_control"]
    if controls and len(controls) < len(outcomes):
        raise section.refuse(
            place,
            f"holds the negative control {controls[0]} among other outcomes",
            "give it a question of its own",
        )


def read_phone(section: Section, outcomes: tuple[str, ...]) -> Phone:
    """Equivalence margins by outcome, from the study's `[phone]`.

    Raises
    ------
    StudyError
        For anything that is not as the study folder's format says.
    """
    table = Section(section.table("phone"), section.at("phone"), ("margin",))
    margins = Section(table.table("margin"), table.at("margin"), outcomes)
    return Phone(margin={name: margins.share(name) for name in margins.values})


def read_minimum(section: Section) -> int:
    """People that no output may tell apart, from `[disclosure]`; 0 where that is off.

    Raises
    ------
    StudyError
        For anything that is not as the study folder's format says.
    """
    table = Section(section.table("disclosure"), section.at("disclosure"), ("minimum",))
    minimum = table.whole("minimum", 0)
    if minimum and minimum < _LEAST:
        raise table.refuse("minimum", f"is {minimum}", f"allowed: 0 for off, or {_LEAST} and above")
    return minimum


def read_negative_control(
    section: Section, variables: Mapping[str, Variable], outcomes: tuple[str, ...]
) -> NegativeControl | None:
    """The exclusion that lets a control's gap be taken off, from `[negative_control]`.

    Raises
    ------
    StudyError
        For anything that is not as the study folder's format says.
    """
    if not section.has("negative_control"):
        return None
    table = Section(
        section.table("negative_control"),
        section.at("negative_control"),
        ("variable", "outcomes", "exclusion"),
    )
    variable = table.choice("variable", outcomes)
    if variables[variable].role_for(variable) != "negative_control":
        raise table.refuse(
            "variable",
            f"{variable} has not that role",
            f'give it role = {{ {variable} = "negative_control" }}',
        )
    others = tuple(
        name for name in outcomes if variables[name].role_for(name) != "negative_control"
    )
    named = table.texts("outcomes")
    if not named:
        raise table.refuse("outcomes", "is absent or empty", f"allowed: {', '.join(others)}")
    for name in named:
        if name not in others:
            raise table.refuse(
                "outcomes",
                f'holds "{name}"',
                f"allowed: outcomes other than controls: {', '.join(others)}",
            )
    return NegativeControl(variable=variable, outcomes=named, exclusion=table.text("exclusion"))
