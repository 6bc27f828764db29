"""Model files: one outcome, its covariates and the choices made for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from coopgap.errors import StudyError
from coopgap.study.section import Section
from coopgap.study.spec import (
    Hierarchical,
    LinkName,
    Matching,
    MatchingMethod,
    ModelSpec,
    PopulationName,
    Variable,
    Variant,
)

__all__ = ["PRIORS", "read_model"]

PRIORS = ("beta_sd", "region_sd", "gap_sd", "covariate_sd", "threshold_shift_sd")
"""Prior scales that a `[hierarchical]` table may set."""

_BODY = ("outcome", "covariates", "link", "population", "matching", "hierarchical")
_MATCHING_LATER = dict.fromkeys(
    ("distance", "covariates", "caliper", "ratio", "replace"),
    "it belongs to methods other than exact and entropy; leave it out",
)


def read_model(
    name: str, values: dict[str, Any], where: str, variables: Mapping[str, Variable]
) -> ModelSpec:
    """One model file.

    Parameters
    ----------
    name
        The file's stem.
    values
        Its content.
    where
        The file, for messages.
    variables
        The study's variables by name.

    Raises
    ------
    StudyError
        For anything that is not as the study folder's format says.
    """
    later = {"multiverse": "declare single choices as [[variant]]"}
    section = Section(values, where, (*_BODY, "variant"), later)
    base = {key: value for key, value in values.items() if key != "variant"}
    spec = _body(name, base, where, variables)
    variants: list[Variant] = []
    for place, table in section.tables("variant"):
        one = Section(table, place, ("name", *_BODY), later)
        title = one.text("name")
        if title in [variant.name for variant in variants]:
            raise one.refuse("name", f'"{title}" stands twice', "give each variant its own name")
        overrides = {key: value for key, value in one.values.items() if key != "name"}
        if not overrides:
            raise StudyError(place, "changes nothing", f"give one of {', '.join(_BODY)}")
        variants.append(Variant(name=title, spec=_body(name, base | overrides, place, variables)))
    return ModelSpec(
        **{field: getattr(spec, field) for field in spec.__slots__ if field != "variants"},
        variants=tuple(variants),
    )


def _body(
    name: str, values: dict[str, Any], where: str, variables: Mapping[str, Variable]
) -> ModelSpec:
    section = Section(values, where, _BODY)
    outcome = _declared(section, "outcome", section.text("outcome"), variables)
    covariates = section.texts("covariates")
    for covariate in covariates:
        _declared(section, "covariates", covariate, variables)
        if covariate == outcome:
            raise section.refuse("covariates", f"holds the outcome {outcome}", "leave it out")
    matching = _matching(section, variables)
    if outcome in matching.on:
        raise section.refuse("matching.on", f"holds the outcome {outcome}", "leave it out")
    population = section.choice(
        "population", (*get_args(PopulationName), "overlap", "poststratified"), "members"
    )
    if population not in get_args(PopulationName):
        raise section.refuse(
            "population",
            f"{population} is not available in this version",
            f"allowed: {', '.join(get_args(PopulationName))}",
        )
    return ModelSpec(
        name=name,
        outcome=outcome,
        covariates=covariates,
        link=section.choice("link", get_args(LinkName), "logit"),  # type: ignore[arg-type]
        population=population,  # type: ignore[arg-type]
        matching=matching,
        hierarchical=_hierarchical(section),
    )


def _declared(section: Section, key: str, name: str, variables: Mapping[str, Variable]) -> str:
    if name not in variables:
        raise section.refuse(
            key, f"no variable {name} is declared", f"declared: {', '.join(variables)}"
        )
    return name


def _matching(section: Section, variables: Mapping[str, Variable]) -> Matching:
    table = Section(
        section.table("matching"), section.at("matching"), ("method", "on"), _MATCHING_LATER
    )
    known = ("nearest", "optimal", "full", "cardinality", "overlap")
    method = table.choice("method", (*get_args(MatchingMethod), *known), "exact")
    if method in known:
        raise table.refuse(
            "method",
            f"{method} is not available in this version",
            f"allowed: {', '.join(get_args(MatchingMethod))}",
        )
    on = table.texts("on")
    if not on:
        raise table.refuse("on", "is absent or empty", "give the variables to match on")
    for name in on:
        _declared(table, "on", name, variables)
    return Matching(method=method, on=on)  # type: ignore[arg-type]


def _hierarchical(section: Section) -> Hierarchical | None:
    if not section.has("hierarchical"):
        return None
    table = Section(
        section.table("hierarchical"),
        section.at("hierarchical"),
        ("zones", "priors", "draws", "target_accept"),
    )
    if table.flag("zones", default=False):
        raise table.refuse("zones", "true is not available in this version", "allowed: false")
    priors = Section(table.table("priors"), table.at("priors"), PRIORS)
    scales = {key: priors.number(key) for key in priors.values}
    for key, scale in scales.items():
        if scale <= 0:
            raise priors.refuse(key, f"is {scale:g}", "allowed: above 0")
    draws = table.whole("draws", 1000)
    if draws < 100:
        raise table.refuse("draws", f"is {draws}", "allowed: 100 or more a chain")
    accept = table.number("target_accept", 0.99)
    if not 0.5 <= accept < 1:
        raise table.refuse("target_accept", f"is {accept:g}", "allowed: 0.5 to below 1")
    return Hierarchical(zones=False, priors=scales, draws=draws, target_accept=accept)
