"""The tables of `study.toml` beside its variables: group, design, phone."""

from __future__ import annotations

from collections.abc import Mapping

from coopgap.study.section import Section
from coopgap.study.spec import Code, Design, Group, Mode, NegativeControl, Phone, Variable
from coopgap.study.values import normalise

__all__ = ["read_design", "read_group", "read_negative_control", "read_phone"]


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
        ("column", "member", "comparison", "missing"),
        {"prevalence": "it serves gaps over everyone; leave it out"},
    )
    column, member, comparison = (
        table.text("column"),
        table.code("member"),
        table.code("comparison"),
    )
    _refuse_equal(table, "comparison", comparison, "member", member)
    missing = table.codes("missing")
    for code in missing:
        _refuse_equal(table, "missing", code, "member", member)
        _refuse_equal(table, "missing", code, "comparison", comparison)
    return Group(column=column, member=member, comparison=comparison, missing=missing)


def _refuse_equal(table: Section, key: str, value: Code, other: str, taken: Code) -> None:
    if normalise(value) == normalise(taken):
        raise table.refuse(key, f"is the same value as {other}", "give another value")


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
        ("region", "zone", "weight", "id", "mode", "population"),
        {
            "cluster": "name the clusters as zone",
        },
    )
    region = table.optional_text("region")
    if region is not None and region not in variables:
        raise table.refuse(
            "region", f"no variable {region} is declared", f"declared: {', '.join(variables)}"
        )
    return Design(
        region=region,
        zone=table.optional_text("zone"),
        weight=table.optional_text("weight"),
        id=table.optional_text("id"),
        mode=_mode(table) if table.has("mode") else None,
    )


def _mode(design: Section) -> Mode:
    table = Section(design.table("mode"), design.at("mode"), ("column", "in_person", "phone"))
    column, in_person, phone = table.text("column"), table.code("in_person"), table.code("phone")
    _refuse_equal(table, "phone", phone, "in_person", in_person)
    return Mode(column=column, in_person=in_person, phone=phone)


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
