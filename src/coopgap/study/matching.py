"""The `[matching]` table of a model file: a method and the choices it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from coopgap.study.section import Section
from coopgap.study.spec import (
    ChoosingOrder,
    DistanceName,
    Matching,
    TiesName,
    Variable,
)
from coopgap.study.variables import refuse_numeric

KEYS: Mapping[str, tuple[str, ...]] = {
    "exact": ("on", "interactions"),
    "entropy": ("on", "interactions"),
    "nearest": (
        "on",
        "distance",
        "covariates",
        "caliper",
        "ratio",
        "replace",
        "order",
        "ties",
        "seed",
        "interactions",
    ),
    "optimal": ("on", "distance", "covariates", "caliper", "ratio", "seed", "interactions"),
    "full": (
        "on",
        "distance",
        "covariates",
        "caliper",
        "max_comparison",
        "max_members",
        "seed",
        "interactions",
    ),
    "cardinality": ("on", "covariates", "limit", "time_limit", "seed", "interactions"),
    "overlap": ("on", "covariates", "interactions"),
}
"""Keys beside `method` that each method takes."""


def matching_covariates(covariates: tuple[str, ...], on: tuple[str, ...]) -> tuple[str, ...]:
    """What a matching is about unless it says: covariates that are no strata, or else all."""
    return tuple(name for name in covariates if name not in on) or covariates


def read_matching(
    section: Section, covariates: tuple[str, ...], variables: Mapping[str, Variable]
) -> Matching:
    """The matching of a model or of a variant; of one without `[matching]` the method `none`.

    Parameters
    ----------
    section
        The model file's body.
    covariates
        The model's covariates.
    variables
        The study's variables by name.

    Raises
    ------
    StudyError
        For anything that is not as the study folder's format says; a key that the method does
        not use is refused.
    """
    every = dict.fromkeys(key for keys in KEYS.values() for key in keys)
    if not section.has("matching"):
        return Matching(method="none")
    table = Section(section.table("matching"), section.at("matching"), ("method", *every))
    method = table.choice("method", tuple(KEYS), "exact")
    for key in table.values:
        if key not in ("method", *KEYS[method]):
            raise table.refuse(
                key, f"is not used by {method} matching", f"allowed: {', '.join(KEYS[method])}"
            )
    choices: dict[str, Any] = {"on": _names(table, "on", variables)}
    if "covariates" in KEYS[method]:
        declared = _names(table, "covariates", variables)
        choices["covariates"] = declared or matching_covariates(covariates, choices["on"])
    if not choices["on"] and not choices.get("covariates"):
        raise table.refuse("on", "is absent or empty", "give the variables to match on")
    known = dict.fromkeys((*covariates, *choices["on"], *choices.get("covariates", ())))
    choices["interactions"] = tuple(_interactions(table, tuple(known)))
    _refuse_numeric(table, method, choices, variables)
    if "distance" in KEYS[method]:
        choices |= _distance(table, method)
    choices |= _numbers(table)
    return Matching(method=method, **choices)  # type: ignore[arg-type]


def _refuse_numeric(
    table: Section, method: str, choices: Mapping[str, Any], variables: Mapping[str, Variable]
) -> None:
    """Refuse numeric variables where a method has strata or limits the shares of levels."""
    if method != "entropy":
        refuse_numeric(table, "on", choices["on"], variables, "strata have levels")
    if method == "cardinality":
        about = choices["covariates"]
        refuse_numeric(table, "covariates", about, variables, "cardinality balances levels")
    crossed = (name for names in choices["interactions"] for name in names)
    refuse_numeric(table, "interactions", crossed, variables, "interactions cross levels")


def _names(table: Section, key: str, variables: Mapping[str, Variable]) -> tuple[str, ...]:
    names = table.texts(key)
    for name in names:
        if name not in variables:
            raise table.refuse(
                key, f"no variable {name} is declared", f"declared: {', '.join(variables)}"
            )
    return names


def _interactions(table: Section, known: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Variables that are crossed, each of them one that the model needs anyway."""
    found: list[frozenset[str]] = []
    for place, names in table.groups("interactions"):
        for name in names:
            if name not in known:
                raise table.refuse(
                    place,
                    f"{name} is no covariate of the model or the matching, and no stratum",
                    f"allowed: {', '.join(known)}",
                )
        if len(names) < 2:
            raise table.refuse(place, "names fewer than two variables", "allowed: two or more")
        if frozenset(names) in found:
            raise table.refuse(place, "stands twice", "allowed: each once")
        found.append(frozenset(names))
        yield names


def _distance(table: Section, method: str) -> dict[str, Any]:
    """Distance, and for nearest who chooses first and what becomes of equals."""
    distance = table.choice("distance", get_args(DistanceName), "propensity")
    if method != "nearest":
        return {"distance": distance}
    usual = "largest" if distance == "propensity" else "random"
    order = table.choice("order", get_args(ChoosingOrder), usual)
    if order != "random" and distance != "propensity":
        raise table.refuse("order", f"is {order}, but {distance} orders nobody", "allowed: random")
    replace = table.flag("replace", default=False)
    ties = table.choice("ties", get_args(TiesName), "key")
    if ties == "all" and not replace:
        raise table.refuse("ties", "is all, which shares people", "allowed: with replace = true")
    return {"distance": distance, "order": order, "replace": replace, "ties": ties}


def _numbers(table: Section) -> dict[str, Any]:
    """Whole numbers from 1 and numbers above 0, where they are declared."""
    found: dict[str, Any] = {}
    for key in ("ratio", "max_comparison", "max_members"):
        if table.has(key):
            found[key] = table.whole(key)
            if found[key] < 1:
                raise table.refuse(key, f"is {found[key]}", "allowed: 1 or more")
    if table.has("seed"):
        found["seed"] = table.whole("seed")
        if found["seed"] < 0:
            raise table.refuse("seed", f"is {found['seed']}", "allowed: 0 or more")
    for key in ("caliper", "limit", "time_limit"):
        if table.has(key):
            found[key] = table.number(key)
            if found[key] <= 0:
                raise table.refuse(key, f"is {found[key]:g}", "allowed: above 0")
    return found
