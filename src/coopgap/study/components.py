"""Variants that follow from roles: with and without the components of an outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from coopgap.study.matching import matching_covariates
from coopgap.study.spec import Matching, ModelSpec, Variable, Variant


def component_variants(
    spec: ModelSpec, declared: Sequence[Variant], variables: Mapping[str, Variable]
) -> tuple[Variant, ...]:
    """The model with and without every variable that is an ingredient of its outcome.

    Parameters
    ----------
    spec
        A model without its variants.
    declared
        Variants declared for it.
    variables
        By name; a component has that role for the outcome.

    Returns
    -------
    tuple of Variant
        What differs from the model itself and from every declared variant; none where no
        variable is a component.
    """
    parts = [name for name, one in variables.items() if one.role_for(spec.outcome) == "component"]
    if not parts:
        return ()
    named = ", ".join(parts)
    offered = (
        Variant(name=f"with {named} (component)", spec=_with(spec, parts, variables)),
        Variant(name=f"without {named} (component)", spec=_without(spec, parts)),
    )
    known = [_design(spec), *(_design(variant.spec) for variant in declared)]
    return tuple(variant for variant in offered if _design(variant.spec) not in known)


def _design(spec: ModelSpec) -> tuple[object, ...]:
    """What makes two designs of a model the same, whatever the order of its variables."""
    matching = replace(spec.matching, on=tuple(sorted(spec.matching.on)), interactions=())
    return (frozenset(spec.covariates), matching, spec.link, spec.fitting)


def _with(spec: ModelSpec, parts: Sequence[str], variables: Mapping[str, Variable]) -> ModelSpec:
    """With the parts as covariates, and as strata too where they have levels."""
    strata = [name for name in parts if not variables[name].is_numeric]
    on = tuple(dict.fromkeys((*spec.matching.on, *strata)))
    covariates = tuple(dict.fromkeys((*spec.covariates, *parts)))
    return replace(
        spec, covariates=covariates, matching=_matching(spec.matching, on, covariates, parts)
    )


def _without(spec: ModelSpec, parts: Sequence[str]) -> ModelSpec:
    on = tuple(name for name in spec.matching.on if name not in parts)
    covariates = tuple(name for name in spec.covariates if name not in parts)
    free = tuple(name for name in spec.fitting.free if name not in parts)
    return replace(
        spec,
        covariates=covariates,
        matching=_matching(spec.matching, on, covariates, parts),
        fitting=replace(spec.fitting, free=free),
    )


def _matching(
    matching: Matching, on: tuple[str, ...], covariates: tuple[str, ...], parts: Sequence[str]
) -> Matching:
    """The matching with other strata, its own covariates and interactions rid of the parts."""
    if not matching.is_declared:
        return matching
    crossed = tuple(names for names in matching.interactions if not {*names} & {*parts})
    matching = replace(matching, interactions=crossed)
    if not matching.covariates:
        return replace(matching, on=on)
    rest = tuple(name for name in matching.covariates if name not in parts)
    return replace(matching, on=on, covariates=rest or matching_covariates(covariates, on))
