"""The list of specifications of a multiverse, built before anything is fitted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from types import MappingProxyType
from typing import Any

from coopgap.core.vocabulary import Population
from coopgap.study.model import KEYS, matching_covariates
from coopgap.study.multiverse import AXES, declared_region
from coopgap.study.spec import (
    NO_CALIPER,
    Coding,
    Matching,
    ModelSpec,
    Multiverse,
    RegionName,
    Study,
)
from coopgap.survey.records import ModeName

_STRATA = ("exact", "entropy")
"""Methods whose `on` is all they are about."""

_NO_CALIPER_TAKEN = "the same as another: the method takes no caliper"
_NO_MATCHING = "the same as another: a population of all complete rows needs no matching"
_SAME = "the same as another"
_NOTHING = "nothing is left to match on"
_OVERLAP = "overlap weights are about the overlap, no other population"


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """One combination of choices.

    `id` is its place in the list, by which run.json and sensitivity.csv name it; `choices`, by axis
    of the model's `[multiverse]`, what is chosen, without those that make no difference here;
    `spec` what a `[[variant]]` with them would be. The outcome is cut in two at a level `at`, if
    there is one. A `population` of None is the matched sample's; others are over all complete rows,
    by regression alone. `is_declared` where it is the model itself.
    """

    id: str
    choices: Mapping[str, str]
    spec: ModelSpec
    mode: ModeName
    at: str
    population: Population | None
    is_declared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Specifications:
    """A multiverse before it is fitted.

    `axes` have by choice its values by name; `listed` is what is to be fitted, in their order;
    `removed`, by reason, how many combinations are left out.
    """

    axes: Mapping[str, tuple[str, ...]]
    listed: tuple[Specification, ...]
    removed: Mapping[str, int]

    @property
    def n_combinations(self) -> int:
        """Product of the numbers of values."""
        return len(self.listed) + sum(self.removed.values())


def specifications(study: Study, spec: ModelSpec) -> Specifications:
    """Every combination of a model's choices, without those that cannot be or are another's."""
    values = {} if spec.multiverse is None else _values(spec.multiverse)
    distinct: dict[object, Specification] = {}
    removed: Counter[str] = Counter()
    own = _key(spec, "in person", "", _own_population(spec))
    for combination in product(*values.values()) if values else ():
        made = _make(study, spec, dict(zip(values, combination, strict=True)), own)
        if isinstance(made, str):
            removed[made] += 1
            continue
        key, reason, specification = made
        if key in distinct:
            removed[reason] += 1
        else:
            distinct[key] = specification
    return Specifications(
        axes={axis: tuple(name for name, _ in pairs) for axis, pairs in values.items()},
        listed=tuple(
            replace(one, id=f"specification {number}")
            for number, one in enumerate(distinct.values(), start=1)
        ),
        removed=MappingProxyType(removed),
    )


def _values(axes: Multiverse) -> dict[str, list[tuple[str, Any]]]:
    """By declared axis, its values with their names."""
    values: dict[str, list[tuple[str, Any]]] = {}
    for axis in AXES:
        declared = getattr(axes, axis)
        if axis == "covariates":
            values[axis] = list(declared.items())
        elif axis == "caliper":
            values[axis] = [(NO_CALIPER if one is None else f"{one:g}", one) for one in declared]
        else:
            values[axis] = [(one.name if axis == "coding" else one, one) for one in declared]
    return {axis: pairs for axis, pairs in values.items() if pairs}


def _make(
    study: Study, spec: ModelSpec, chosen: Mapping[str, tuple[str, Any]], own: object
) -> tuple[object, str, Specification] | str:
    """A specification with what tells it from others, or why there is none."""
    named = {axis: name for axis, (name, _) in chosen.items()}
    value = {axis: one for axis, (_, one) in chosen.items()}
    region = study.design.region
    method = value.get("method", spec.matching.method)
    asked = value.get("population")
    population = Population(asked) if asked else _own_population(spec)
    if method == "overlap" and population not in (None, Population.OVERLAP):
        return _OVERLAP
    matched = method == "overlap" or population in (None, Population.MEMBERS)
    handling = _handling(spec, region, value)
    covariates = _regressed(value.get("covariates", spec.covariates), region, handling, value)
    reason = _SAME
    if not matched:
        reason = _NO_MATCHING if spec.matching.is_declared else _SAME
        matching = Matching(method="none")
        named = _unmatched_names(named, region, covariates)
    else:
        matching = _matching(spec, method, covariates, region, handling)
        if "caliper" in KEYS[method]:
            matching = replace(matching, caliper=value.get("caliper", matching.caliper))
        elif named.pop("caliper", None) is not None:
            reason = _NO_CALIPER_TAKEN
        if not matching.on and not matching.covariates:
            return _NOTHING
    coding: Coding = value.get("coding", Coding(outcome=spec.outcome))
    made = Specification(
        id="",
        choices=named,
        spec=_changed(study, spec, coding, covariates, matching, value),
        mode="both" if value.get("mode") == "phone_joins" else "in person",
        at=coding.at,
        population=None if matched else population,
        is_declared=False,
    )
    key = _key(made.spec, made.mode, made.at, made.population)
    return key, reason, replace(made, is_declared=key == own)


def _own_population(spec: ModelSpec) -> Population | None:
    """The population of a model's own headline, None for that of its matched sample."""
    return None if spec.matching.is_declared else Population.ALL_MEMBERS


def _handling(spec: ModelSpec, region: str | None, value: Mapping[str, Any]) -> RegionName:
    """What becomes of the region, as chosen, or as chosen covariates leave it."""
    lost = region in spec.covariates and region not in value.get("covariates", spec.covariates)
    own: RegionName = "left_out" if lost else declared_region(spec, region)
    chosen: RegionName = value.get("region", own)
    return chosen


def _changed(
    study: Study,
    spec: ModelSpec,
    coding: Coding,
    covariates: tuple[str, ...],
    matching: Matching,
    value: Mapping[str, Any],
) -> ModelSpec:
    """The model with the choices made."""
    two = coding.at or len(study.variables[coding.outcome].levels) == 2
    free = () if two else tuple(one for one in spec.fitting.free if one in covariates)
    return replace(
        spec,
        outcome=coding.outcome,
        covariates=covariates,
        link=value.get("link", spec.link),
        population="members",
        matching=matching,
        hierarchical=None,
        fitting=replace(spec.fitting, free=free),
        variants=(),
        multiverse=None,
    )


def _unmatched_names(
    named: Mapping[str, str], region: str | None, covariates: tuple[str, ...]
) -> dict[str, str]:
    """Choices without those about the matching; what was a stratum is a covariate."""
    kept = {axis: name for axis, name in named.items() if axis not in ("method", "caliper")}
    if "region" in kept:
        kept["region"] = "covariate" if region in covariates else "left_out"
    return kept


def _regressed(
    names: tuple[str, ...], region: str | None, handling: RegionName, value: Mapping[str, Any]
) -> tuple[str, ...]:
    """Covariates of the regression; they have the region where its handling is chosen so."""
    if "region" not in value or region is None:
        return names
    rest = tuple(name for name in names if name != region)
    return rest if handling == "left_out" else (names if region in names else (*rest, region))


def _matching(
    spec: ModelSpec,
    method: Any,
    covariates: tuple[str, ...],
    region: str | None,
    handling: RegionName,
) -> Matching:
    """The matching by a method, about other covariates.

    The model's own method keeps its strata, with covariates exchanged. Another has all covariates
    as strata where strata are all it is about, else the region.
    """
    own = spec.matching
    if method == own.method:
        on = _exchanged(own.on, spec.covariates, covariates, grow=method in _STRATA)
    elif method in _STRATA:
        on = _exchanged((*own.on, *covariates), spec.covariates, covariates, grow=True)
    else:
        on = (region,) if region is not None and handling == "strata" else ()
    if region is not None:
        on = tuple(name for name in on if name != region or handling == "strata")
        on = on if handling != "strata" or region in on else (region, *on)
    if method != own.method:
        order = "largest" if method == "nearest" else "random"
        own = Matching(method=method, order=order, seed=own.seed)  # type: ignore[arg-type]
    about: tuple[str, ...] = ()
    if "covariates" in KEYS[method]:
        kept = _exchanged(own.covariates, spec.covariates, covariates, grow=True)
        kept = tuple(name for name in kept if name != region and name not in on)
        if handling == "covariate" and region is not None:
            kept = (*kept, region)
        about = kept if own.covariates and kept else matching_covariates(covariates, on)
    return replace(own, on=on, covariates=about, interactions=())


def _exchanged(
    names: tuple[str, ...], before: tuple[str, ...], after: tuple[str, ...], *, grow: bool
) -> tuple[str, ...]:
    """Names without covariates that are gone; with those that are new, if `grow`."""
    kept = [name for name in names if name in after or name not in before]
    new = [name for name in after if name not in before] if grow else []
    return tuple(dict.fromkeys((*kept, *new)))


def _key(spec: ModelSpec, mode: ModeName, at: str, population: Population | None) -> object:
    """What makes two specifications the same, whatever the order of their variables."""
    matching = replace(
        spec.matching,
        on=tuple(sorted(spec.matching.on)),
        covariates=tuple(sorted(spec.matching.covariates)),
        interactions=(),
    )
    return (
        frozenset(spec.covariates),
        None if population else matching,
        spec.link,
        spec.fitting,
        spec.outcome,
        at,
        mode,
        population,
    )
