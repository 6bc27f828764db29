"""Model files: one outcome, its covariates and the choices made for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict

from coopgap.study.keys import ByKind, Flag, Refusal, Text, Texts, at, require_among
from coopgap.study.multiverse import complete_multiverse
from coopgap.study.spec import (
    Design,
    Fitting,
    FormName,
    Hierarchical,
    LinkName,
    Matching,
    ModelSpec,
    Multiverse,
    PopulationName,
    StdErrorsName,
    Variable,
    Variant,
)
from coopgap.study.variables import require_declared, require_levels, same_question

_DISTANCE = ("on", "distance", "covariates", "caliper")
KEYS: Mapping[str, tuple[str, ...]] = {
    "exact": ("on", "interactions"),
    "entropy": ("on", "interactions"),
    "nearest": (*_DISTANCE, "ratio", "replace", "order", "ties", "seed", "interactions"),
    "optimal": (*_DISTANCE, "ratio", "seed", "interactions"),
    "full": (*_DISTANCE, "max_comparison", "max_members", "seed", "interactions"),
    "cardinality": ("on", "covariates", "limit", "time_limit", "seed", "interactions"),
    "overlap": ("on", "covariates", "interactions"),
}
"""Keys beside `method` that each method takes."""


def matching_covariates(covariates: tuple[str, ...], on: tuple[str, ...]) -> tuple[str, ...]:
    """What a matching is about unless it says: covariates that are no strata, or else all."""
    return tuple(name for name in covariates if name not in on) or covariates


def _with_order(table: Any) -> Any:
    """A table whose method is one, with the usual order of those who choose by a score."""
    if not isinstance(table, dict):
        return table
    method = table.get("method", "exact")
    if method == "none":
        raise Refusal('is "none"', f"allowed: {', '.join(KEYS)}, or no [matching]", "method")
    scored = method == "nearest" and table.get("distance", "propensity") == "propensity"
    return {"order": "largest", **table} if scored else table


def _checked(matching: Matching) -> Matching:
    if matching.order != "random" and matching.distance != "propensity":
        found = f"is {matching.order}, but {matching.distance} orders nobody"
        raise Refusal(found, "allowed: random", "order")
    if matching.ties == "all" and not matching.replace:
        raise Refusal("is all, which shares people", "allowed: with replace = true", "ties")
    sets = [frozenset(names) for names in matching.interactions]
    for number, names in enumerate(sets):
        if names in sets[:number]:
            raise Refusal("stands twice", "allowed: each once", f"interactions[{number + 1}]")
    return matching


MatchingTable = Annotated[
    Matching,
    BeforeValidator(_with_order),
    ByKind(KEYS, "method", "exact"),
    AfterValidator(_checked),
]
"""As it stands in a model file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantTable:
    """What is shown beside the declared model: a table given replaces the whole table."""

    name: Text
    """How its rows call it."""
    covariates: Texts | None = None
    """As of the model."""
    link: LinkName | None = None
    """As of the model."""
    form: FormName | None = None
    """As of the model."""
    free: Texts | None = None
    """As of the model."""
    std_errors: StdErrorsName | None = None
    """As of the model."""
    fixed: Flag | None = None
    """As of the model."""
    matching: MatchingTable | None = None
    """As of the model."""


# Without slots: a record of two bases may have them from one alone.
@dataclass(frozen=True, kw_only=True)
class _Model:
    outcome: Text
    """A variable with levels: ordered, or two."""
    covariates: Texts = ()
    """Variables that are adjusted for."""
    link: LinkName = "logit"
    """Link of the regressions."""
    population: PopulationName | None = None
    """Whose covariates the gap is over; members who have a comparison, without a matching all."""
    matching: MatchingTable | None = None
    """How a comparison group is made; leave it out to adjust by regression alone."""
    hierarchical: Hierarchical | None = None
    """Fit the model by region too."""
    variant: tuple[VariantTable, ...] = ()
    """Variants shown beside the model."""
    multiverse: Multiverse | None = None
    """Choices of which the full checks fit every combination."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile(Fitting, _Model):
    """One outcome, its covariates and the choices made for it."""

    __pydantic_config__ = ConfigDict(extra="forbid")


def read_model(
    name: str, file: ModelFile, where: str, variables: Mapping[str, Variable]
) -> ModelSpec:
    """The model of a file with its variants, those included that follow from roles.

    Raises
    ------
    StudyError
        For what does not fit the study's variables.
    """
    with at(where):
        spec = _spec(name, file, variables)
        if spec.hierarchical and spec.link == "cloglog":
            found = "is cloglog, but [hierarchical] has none"
            raise Refusal(found, "allowed: logit, probit", "link")
    variants: list[Variant] = []
    overrides = [item.name for item in fields(VariantTable) if item.name != "name"]
    for number, table in enumerate(file.variant, start=1):
        with at(f"{where}: variant[{number}]"):
            if table.name in [variant.name for variant in variants]:
                found = f'"{table.name}" stands twice'
                raise Refusal(found, "give each variant its own name", "name")
            given = {key: getattr(table, key) for key in overrides}
            changes = {key: value for key, value in given.items() if value is not None}
            if not changes:
                raise Refusal("changes nothing", f"give one of {', '.join(overrides)}")
            changed = _spec(name, replace(file, **changes), variables)
        variants.append(Variant(name=table.name, spec=changed))
    with at(where):
        multiverse = file.multiverse and complete_multiverse(file.multiverse, spec, variables)
    return replace(
        spec,
        variants=(*variants, *component_variants(spec, variants, variables)),
        multiverse=multiverse,
    )


def _spec(name: str, file: ModelFile, variables: Mapping[str, Variable]) -> ModelSpec:
    _check_outcome(file.outcome, variables)
    require_declared(file.covariates, variables, "covariates")
    matching = _complete_matching(
        file.matching or Matching(method="none"), file.covariates, variables
    )
    for key, names in (
        ("covariates", file.covariates),
        ("matching.on", matching.on),
        ("matching.covariates", matching.covariates),
    ):
        for one in names:
            if same_question(variables[one], variables[file.outcome]):
                raise Refusal(f"{one} is the outcome or reads its column", "leave it out", key)
    population = file.population or ("members" if matching.is_declared else "all_members")
    if population == "members" and not matching.is_declared:
        raise Refusal(
            "is members, those who have a comparison, but the model has no [matching]",
            "allowed without one: all_members, pooled, overlap, poststratified",
            "population",
        )
    return ModelSpec(
        name=name,
        outcome=file.outcome,
        covariates=file.covariates,
        link=file.link,
        population=population,
        matching=matching,
        hierarchical=file.hierarchical,
        fitting=_fitting(file, variables[file.outcome]),
    )


def _complete_matching(
    matching: Matching, covariates: tuple[str, ...], variables: Mapping[str, Variable]
) -> Matching:
    """The matching of a model with these covariates, about them unless it says."""
    if not matching.is_declared:
        return matching
    on, method = matching.on, matching.method
    require_declared(on, variables, "matching.on")
    require_declared(matching.covariates, variables, "matching.covariates")
    about: tuple[str, ...] = ()
    if "covariates" in KEYS[method]:
        about = matching.covariates or matching_covariates(covariates, on)
    if not (on or about):
        raise Refusal("is absent or empty", "give the variables to match on", "matching.on")
    known = tuple(dict.fromkeys((*covariates, *on, *about)))
    for number, names in enumerate(matching.interactions, start=1):
        key = f"matching.interactions[{number}]"
        for name in names:
            found = f"{name} is no covariate of the model or the matching, and no stratum"
            require_among(name, known, key, found)
        require_levels(names, variables, "interactions cross levels", key)
    if method != "entropy":
        require_levels(on, variables, "strata have levels", "matching.on")
    if method == "cardinality":
        require_levels(about, variables, "cardinality balances levels", "matching.covariates")
    return replace(matching, covariates=about)


def _check_outcome(outcome: str, variables: Mapping[str, Variable]) -> None:
    require_declared((outcome,), variables, "outcome")
    require_levels((outcome,), variables, "an outcome has levels", "outcome")
    variable = variables[outcome]
    if variable.type == "nominal" and len(variable.levels) > 2:
        raise Refusal(
            f"{outcome} is nominal with {len(variable.levels)} levels",
            "declare it ordinal, lowest first, or join levels until two are left",
            "outcome",
        )


def _fitting(file: ModelFile, outcome: Variable) -> Fitting:
    fitting = Fitting(**{item.name: getattr(file, item.name) for item in fields(Fitting)})
    for key in ("form", "free"):
        if getattr(fitting, key) != getattr(Fitting(), key) and len(outcome.levels) == 2:
            raise Refusal(f"{outcome.name} has two levels and one threshold", "leave it out", key)
    for name in fitting.free:
        if name not in file.covariates:
            allowed = f"covariates: {', '.join(file.covariates) or 'none'}"
            raise Refusal(f"{name} is no covariate of the model", allowed, "free")
    if fitting.free and fitting.intervals == "profile":
        found = "is profile, but freed slopes have none"
        raise Refusal(found, 'leave free out or give "wald"', "intervals")
    return fitting


def check_design(spec: ModelSpec, design: Design) -> None:
    """Refuse what the study's design cannot have, in a model or one of its variants.

    Raises
    ------
    Refusal
        Regions, clustered standard errors without zones, a profile likelihood of sampling
        weights, or a declared population that is absent or by what is no covariate.
    """
    if spec.hierarchical and design.region is None:
        name = "name one under [design] in study.toml"
        raise Refusal("the study declares no region", name, "hierarchical")
    for fitting in (spec.fitting, *(variant.spec.fitting for variant in spec.variants)):
        if fitting.std_errors.startswith("CR") and not design.zone:
            raise Refusal(
                f"is {fitting.std_errors}, but the study declares no zone",
                "name one under [design] in study.toml, or choose HC1 or HC3",
                "std_errors",
            )
        if design.replicates is not None and fitting.std_errors != "default":
            found = f"is {fitting.std_errors}, but the study declares replicates, which make them"
            raise Refusal(found, "leave it out", "std_errors")
        if design.replicates is not None and fitting.fixed:
            raise Refusal("is true, but covariates vary with replicates", "leave it out", "fixed")
        if fitting.intervals == "profile" and design.weight is not None:
            found = "is profile, but sampling weights make no likelihood"
            raise Refusal(found, 'leave it out or give "wald"', "intervals")
    if spec.population != "poststratified":
        return
    if design.population is None:
        raise Refusal(
            "is poststratified, but the study declares no population",
            'name its file under [design] in study.toml: population = "FILE.csv"',
            "population",
        )
    for name in (name for margin in design.population.margins for name in margin.variables):
        if name not in spec.covariates:
            raise Refusal(
                f"is poststratified, and {design.population.file} is by {name}, no covariate here",
                f"add it to covariates: {', '.join(spec.covariates) or 'none'}",
                "population",
            )


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
