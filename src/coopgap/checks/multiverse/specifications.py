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
    ChoosingOrder,
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

_OF_MATCHING = ("method", "caliper")

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
        choice = _Choice(study, spec, dict(zip(values, combination, strict=True)))
        made = choice.specification()
        if isinstance(made, str):
            removed[made] += 1
            continue
        key = _key(made.spec, made.mode, made.at, made.population)
        if key in distinct:
            removed[choice.reason] += 1
        else:
            number = f"specification {len(distinct) + 1}"
            distinct[key] = replace(made, id=number, is_declared=key == own)
    return Specifications(
        axes={axis: tuple(name for name, _ in pairs) for axis, pairs in values.items()},
        listed=tuple(distinct.values()),
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


class _Choice:
    """One combination of values; what no axis is about stays as the model has it."""

    def __init__(
        self, study: Study, spec: ModelSpec, chosen: Mapping[str, tuple[str, Any]]
    ) -> None:
        self.study, self.spec, self.region = study, spec, study.design.region
        self.named = {axis: name for axis, (name, _) in chosen.items()}
        self.value = {axis: one for axis, (_, one) in chosen.items()}
        self.names: tuple[str, ...] = self.value.get("covariates", spec.covariates)
        self.method = self.value.get("method", spec.matching.method)
        population = self.value.get("population")
        self.population = Population(population) if population else _own_population(spec)
        lost = self.region in spec.covariates and self.region not in self.names
        own = "left_out" if lost else declared_region(spec, self.region)
        self.handling: RegionName = self.value.get("region", own)
        self.reason = _SAME
        """Why it is left out where it is another's."""

    def specification(self) -> Specification | str:
        """The specification, without a number, or why there is none."""
        spec, named, overlap = self.spec, self.named, self.method == "overlap"
        if overlap and self.population not in (None, Population.OVERLAP):
            return _OVERLAP
        matched = overlap or self.population in (None, Population.MEMBERS)
        covariates, matching = self._regressed(), Matching(method="none")
        if matched:
            matching = self._matching(covariates)
            if "caliper" not in KEYS[self.method] and named.pop("caliper", None) is not None:
                self.reason = _NO_CALIPER_TAKEN
            if not matching.on and not matching.covariates:
                return _NOTHING
        else:
            # What was a stratum is a covariate.
            self.reason = _NO_MATCHING if spec.matching.is_declared else _SAME
            named = {axis: name for axis, name in named.items() if axis not in _OF_MATCHING}
            if "region" in named:
                named["region"] = "covariate" if self.region in covariates else "left_out"
        coding: Coding = self.value.get("coding", Coding(outcome=spec.outcome))
        two = coding.at or len(self.study.variables[coding.outcome].levels) == 2
        free = () if two else tuple(one for one in spec.fitting.free if one in covariates)
        changed = replace(
            spec,
            outcome=coding.outcome,
            covariates=covariates,
            link=self.value.get("link", spec.link),
            population="members",
            matching=matching,
            hierarchical=None,
            fitting=replace(spec.fitting, free=free),
            variants=(),
            multiverse=None,
        )
        return Specification(
            id="",
            choices=named,
            spec=changed,
            mode="both" if self.value.get("mode") == "phone_joins" else "in person",
            at=coding.at,
            population=None if matched else self.population,
            is_declared=False,
        )

    def _regressed(self) -> tuple[str, ...]:
        """Covariates of the regression; they have the region where its handling is chosen so."""
        names, region = self.names, self.region
        if "region" not in self.value or region is None:
            return names
        rest = tuple(name for name in names if name != region)
        if self.handling == "left_out":
            return rest
        return names if region in names else (*rest, region)

    def _matching(self, covariates: tuple[str, ...]) -> Matching:
        """The matching by the method, about other covariates.

        The model's own method keeps its strata, with covariates exchanged. Another has all
        covariates as strata where strata are all it is about, else the region.
        """
        own, method, region = self.spec.matching, self.method, self.region
        before, strata = self.spec.covariates, self.handling == "strata"
        if method == own.method:
            on = _exchanged(own.on, before, covariates, grow=method in _STRATA)
        elif method in _STRATA:
            on = _exchanged((*own.on, *covariates), before, covariates, grow=True)
        else:
            on = (region,) if region is not None and strata else ()
        if region is not None:
            on = tuple(name for name in on if name != region or strata)
            on = (region, *on) if strata and region not in on else on
        if method != own.method:
            order: ChoosingOrder = "largest" if method == "nearest" else "random"
            own = Matching(method=method, order=order, seed=own.seed)
        about: tuple[str, ...] = ()
        if "covariates" in KEYS[method]:
            kept = _exchanged(own.covariates, before, covariates, grow=True)
            kept = tuple(name for name in kept if name != region and name not in on)
            if self.handling == "covariate" and region is not None:
                kept = (*kept, region)
            about = kept if own.covariates and kept else matching_covariates(covariates, on)
        caliper = own.caliper
        if "caliper" in KEYS[method]:
            caliper = self.value.get("caliper", caliper)
        return replace(own, on=on, covariates=about, interactions=(), caliper=caliper)


def _own_population(spec: ModelSpec) -> Population | None:
    """The population of a model's own headline, None for that of its matched sample."""
    return None if spec.matching.is_declared else Population.ALL_MEMBERS


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
