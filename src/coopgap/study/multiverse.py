"""The `[multiverse]` table of a model file beside the model and the study that it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from math import prod

from coopgap.study.keys import Refusal, require_among
from coopgap.study.spec import (
    NO_CALIPER,
    Coding,
    Design,
    Group,
    ModelSpec,
    Multiverse,
    RegionName,
    Variable,
)
from coopgap.study.variables import require_declared, require_levels, same_question

AXES = tuple(item.name for item in fields(Multiverse))
"""Choices that a multiverse may combine."""

MOST_COMBINATIONS = 10_000


def complete_multiverse(
    axes: Multiverse, spec: ModelSpec, variables: Mapping[str, Variable]
) -> Multiverse:
    """The multiverse of a model, its cuts those of the model's outcome.

    The model's own choices have to be among the values, so that the declared gap is one of the
    multiverse's.
    """
    if axes == Multiverse():
        raise Refusal("combines nothing", f"give any of {', '.join(AXES)}", "multiverse")
    codings = _codings(axes.coding, variables[spec.outcome], variables)
    outcomes = {spec.outcome, *(coding.outcome for coding in codings)}
    for name in (name for names in axes.covariates.values() for name in names):
        require_declared((name,), variables, "multiverse.covariates")
        if any(same_question(variables[name], variables[outcome]) for outcome in outcomes):
            found = f"{name} is the outcome or reads its column"
            raise Refusal(found, "leave it out", "multiverse.covariates")
    axes = replace(axes, coding=codings)
    if not spec.matching.is_declared:
        _refuse_matching(axes)
    _refuse_numeric(axes, spec, variables)
    _require_own(axes, spec)
    return axes


def _codings(
    codings: Sequence[Coding], outcome: Variable, variables: Mapping[str, Variable]
) -> tuple[Coding, ...]:
    """Declared variables of the outcome's question, and levels at which it is cut in two."""
    alike = [name for name, one in variables.items() if same_question(one, outcome)]
    cuts = [f">={level}" for level in outcome.levels[1:]] if len(outcome.levels) > 2 else []
    key = "multiverse.coding"
    for coding in codings:
        require_among(coding.name, (*alike, *cuts), key, f'holds "{coding.name}"')
        if coding.at:
            continue
        require_levels((coding.outcome,), variables, "an outcome has levels", key)
        variable = variables[coding.outcome]
        if variable.type == "nominal" and len(variable.levels) > 2:
            allowed = "allowed: ordered variables, or of two levels"
            raise Refusal(f"{coding.outcome} is nominal", allowed, key)
    return tuple(replace(one, outcome=one.outcome or outcome.name) for one in codings)


def _refuse_matching(axes: Multiverse) -> None:
    """Refuse choices about a matching in a model that has none."""
    absent = "the model has no [matching]"
    for key in ("method", "caliper"):
        if getattr(axes, key):
            raise Refusal(f"is about a matching, but {absent}", "leave it out", f"multiverse.{key}")
    for key, value, rest in (
        ("region", "strata", "covariate, left_out"),
        ("population", "members", "all_members, pooled, overlap"),
    ):
        if value in getattr(axes, key):
            raise Refusal(f"holds {value}, but {absent}", f"allowed: {rest}", f"multiverse.{key}")


def _refuse_numeric(axes: Multiverse, spec: ModelSpec, variables: Mapping[str, Variable]) -> None:
    """Refuse methods that would make strata or limits of a numeric covariate."""
    sets = (name for names in axes.covariates.values() for name in names)
    names = dict.fromkeys((*spec.covariates, *sets))
    for method in axes.method or ((spec.matching.method,) if axes.covariates else ()):
        if method in ("exact", "cardinality"):
            why = f"{method} matching on covariates needs levels"
            key = "method" if axes.method else "covariates"
            require_levels(names, variables, why, f"multiverse.{key}")


def _require_own(axes: Multiverse, spec: ModelSpec) -> None:
    """Refuse values without the model's own: its gap would be none of the multiverse's."""
    sets = [frozenset(names) for names in axes.covariates.values()]
    caliper, method = spec.matching.caliper, spec.matching.method
    population = {"none": "all_members", "overlap": "overlap"}.get(method, "members")
    own: dict[str, tuple[bool, str]] = {
        "method": (method in axes.method, method),
        "caliper": (caliper in axes.caliper, f"{caliper or NO_CALIPER}"),
        "covariates": (frozenset(spec.covariates) in sets, ", ".join(spec.covariates) or "none"),
        "link": (spec.link in axes.link, spec.link),
        "coding": (Coding(outcome=spec.outcome) in axes.coding, spec.outcome),
        "mode": ("in_person" in axes.mode, "in_person"),
        "population": (population in axes.population, population),
    }
    for key, (there, value) in own.items():
        if getattr(axes, key) and not there:
            lacks = "lacks what the model itself has"
            raise Refusal(lacks, f"add {value}", f"multiverse.{key}")


def declared_region(spec: ModelSpec, region: str | None) -> RegionName:
    """How a model itself handles the region."""
    if region in spec.matching.on:
        return "strata"
    return "covariate" if region in (*spec.covariates, *spec.matching.covariates) else "left_out"


def check_multiverse(
    model: ModelSpec, design: Design, group: Group, variables: Mapping[str, Variable]
) -> None:
    """Refuse choices that the study's design cannot have, and too many of them."""
    axes = model.multiverse
    if axes is None:
        return
    # Counted before the product is ever made.
    n = prod(max(len(getattr(axes, axis)), 1) for axis in AXES)
    if n > MOST_COMBINATIONS:
        allowed = f"allowed: at most {MOST_COMBINATIONS:,}"
        raise Refusal(f"has {n:,} combinations", allowed, "multiverse")
    for name in axes.variables:
        if group.column in variables[name].columns:
            raise Refusal(f"uses {name}, the membership question", "leave it out", "multiverse")
    for key, there in (("region", design.region), ("mode", design.mode)):
        if getattr(axes, key) and there is None:
            name = "name one under [design] in study.toml"
            raise Refusal(f"the study declares no {key}", name, f"multiverse.{key}")
    own = declared_region(model, design.region)
    if axes.region and own not in axes.region:
        raise Refusal("lacks what the model itself has", f"add {own}", "multiverse.region")
