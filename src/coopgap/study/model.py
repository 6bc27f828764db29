"""Model files: one outcome, its covariates and the choices made for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from coopgap.core.errors import StudyError
from coopgap.study.components import component_variants
from coopgap.study.fitting import FITTING_KEYS, read_fitting
from coopgap.study.matching import read_matching
from coopgap.study.multiverse import read_multiverse, same_question
from coopgap.study.section import Section
from coopgap.study.spec import (
    Hierarchical,
    LinkName,
    Matching,
    ModelSpec,
    PopulationName,
    Variable,
    Variant,
)
from coopgap.study.variables import refuse_numeric

PRIORS = (
    "beta_sd",
    "region_sd",
    "gap_sd",
    "covariate_sd",
    "slope_sd",
    "zone_sd",
    "zone_gap_sd",
    "threshold_shift_sd",
)
"""Prior scales that a `[hierarchical]` table may set."""

_BODY = ("outcome", "covariates", "link", "population", *FITTING_KEYS, "matching", "hierarchical")
_OVERRIDES = ("covariates", "link", "form", "free", "std_errors", "fixed", "matching")
_VARIANT_LATER = {
    "outcome": "give the outcome a model file of its own",
    "population": "a variant redoes the gap over the matched members",
    "intervals": "only a model has coefficients; ask for it there",
    "hierarchical": "give it a model file of its own",
    "multiverse": "declare it once, for the model",
}


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
    section = Section(values, where, (*_BODY, "variant", "multiverse"))
    base = {key: value for key, value in values.items() if key in _BODY}
    spec = _body(name, base, where, variables)
    if spec.hierarchical and spec.link == "cloglog":
        raise section.refuse(
            "link", "is cloglog, but [hierarchical] has none", "allowed: logit, probit"
        )
    variants: list[Variant] = []
    for place, table in section.tables("variant"):
        one = Section(table, place, ("name", *_OVERRIDES), _VARIANT_LATER)
        title = one.text("name")
        if title in [variant.name for variant in variants]:
            raise one.refuse("name", f'"{title}" stands twice', "give each variant its own name")
        overrides = {key: value for key, value in one.values.items() if key != "name"}
        if not overrides:
            raise StudyError(place, "changes nothing", f"give one of {', '.join(_OVERRIDES)}")
        variants.append(Variant(name=title, spec=_body(name, base | overrides, place, variables)))
    return replace(
        spec,
        variants=(*variants, *component_variants(spec, variants, variables)),
        multiverse=read_multiverse(section, spec, variables),
    )


def _body(
    name: str, values: dict[str, Any], where: str, variables: Mapping[str, Variable]
) -> ModelSpec:
    section = Section(values, where, _BODY)
    outcome = _outcome(section, variables)
    covariates = section.texts("covariates")
    for covariate in covariates:
        _declared(section, "covariates", covariate, variables)
    matching = read_matching(section, covariates, variables)
    for key, names in (
        ("covariates", covariates),
        ("matching.on", matching.on),
        ("matching.covariates", matching.covariates),
    ):
        for one in names:
            if same_question(variables[one], variables[outcome]):
                raise section.refuse(
                    key, f"{one} is the outcome or reads its column", "leave it out"
                )
    population = _population(section, matching)
    link = section.choice("link", get_args(LinkName), "logit")
    return ModelSpec(
        name=name,
        outcome=outcome,
        covariates=covariates,
        link=link,  # type: ignore[arg-type]
        population=population,
        matching=matching,
        hierarchical=_hierarchical(section),
        fitting=read_fitting(section, variables[outcome], covariates),
    )


def _declared(section: Section, key: str, name: str, variables: Mapping[str, Variable]) -> str:
    if name not in variables:
        raise section.refuse(
            key, f"no variable {name} is declared", f"declared: {', '.join(variables)}"
        )
    return name


def _outcome(section: Section, variables: Mapping[str, Variable]) -> str:
    outcome = _declared(section, "outcome", section.text("outcome"), variables)
    refuse_numeric(section, "outcome", (outcome,), variables, "an outcome has levels")
    variable = variables[outcome]
    if variable.type == "nominal" and len(variable.levels) > 2:
        raise section.refuse(
            "outcome",
            f"{outcome} is nominal with {len(variable.levels)} levels",
            "declare it ordinal, lowest first, or join levels until two are left",
        )
    return outcome


def _population(section: Section, matching: Matching) -> PopulationName:
    """Whose covariates: the matched members', or without a matching all members'."""
    names: tuple[PopulationName, ...] = get_args(PopulationName)
    usual: PopulationName = "members" if matching.is_declared else "all_members"
    chosen = section.choice("population", names, usual)
    if chosen == "members" and not matching.is_declared:
        rest = ", ".join(name for name in names if name != chosen)
        raise section.refuse(
            "population",
            "is members, those who have a comparison, but the model has no [matching]",
            f"allowed without one: {rest}",
        )
    return next(name for name in names if name == chosen)


def _hierarchical(section: Section) -> Hierarchical | None:
    if not section.has("hierarchical"):
        return None
    table = Section(
        section.table("hierarchical"),
        section.at("hierarchical"),
        ("zones", "priors", "draws", "target_accept"),
    )
    usual = Hierarchical()
    priors = Section(table.table("priors"), table.at("priors"), PRIORS)
    scales = {key: priors.number(key) for key in priors.values}
    for key, scale in scales.items():
        if scale <= 0:
            raise priors.refuse(key, f"is {scale:g}", "allowed: above 0")
    draws = table.whole("draws", usual.draws)
    if draws < 100:
        raise table.refuse("draws", f"is {draws}", "allowed: 100 or more a chain")
    accept = table.number("target_accept", usual.target_accept)
    if not 0.5 <= accept < 1:
        raise table.refuse("target_accept", f"is {accept:g}", "allowed: 0.5 to below 1")
    zones = table.flag("zones", default=usual.zones)
    return Hierarchical(zones=zones, priors=scales, draws=draws, target_accept=accept)
