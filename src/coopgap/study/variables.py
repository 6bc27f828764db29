"""The rules of a `[variables.NAME]` table, and what needs the levels of a variable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import groupby, pairwise
from typing import Annotated

from pydantic import AfterValidator

from coopgap.study.keys import ByKind, Refusal, require_among, require_apart
from coopgap.study.spec import Variable
from coopgap.study.values import Code, normalise

_LEVELLED = ("column", "label", "groups", "role", "missing", "collapse", "levels")
_KEYS: Mapping[str, tuple[str, ...]] = {
    "binary": (*_LEVELLED, "codes", "yes", "no"),
    "ordinal": (*_LEVELLED, "codes"),
    "nominal": (*_LEVELLED, "codes"),
    "banded": (*_LEVELLED, "cuts", "codes", "range"),
    "count_of": (*_LEVELLED, "items", "yes", "no", "at_least"),
    "numeric": ("column", "label", "role", "missing", "knots", "range"),
}


def require_levels(
    names: Iterable[str], variables: Mapping[str, Variable], why: str, key: str
) -> None:
    """Refuse numeric variables where levels are needed, `why` saying by what."""
    for name in names:
        if variables[name].is_numeric:
            way = 'declare it banded: type = "banded" with cuts'
            raise Refusal(f"{name} is numeric, and {why}", way, key)


def require_declared(names: Iterable[str], variables: Iterable[str], key: str) -> None:
    """Refuse names of no variable."""
    for name in names:
        if name not in variables:
            allowed = f"declared: {', '.join(variables)}"
            raise Refusal(f"no variable {name} is declared", allowed, key)


def same_question(one: Variable, other: Variable) -> bool:
    """Whether two variables read a column in common."""
    return not {*one.columns}.isdisjoint(other.columns)


def _with_levels(variable: Variable) -> Variable:
    """The variable as its table declares it, with its final levels."""
    declared = _levels(variable)
    _check_values(variable, declared)
    _check_collapse(variable, declared)
    final = tuple(level for level in declared if level not in variable.collapse)
    return replace(variable, levels=final, declared_levels=declared)


def _levels(variable: Variable) -> tuple[str, ...]:
    levels, kind = variable.levels, variable.type
    if kind == "numeric":
        return ()
    if kind == "banded":
        levels = _bands(variable.cuts, levels)
    elif kind in ("binary", "count_of"):
        levels = levels or ("no", "yes")
        if len(levels) != 2:
            raise Refusal(f"has {len(levels)} levels", "give two, no before yes", "levels")
    elif not levels:
        order = "lowest first" if kind == "ordinal" else "reference first"
        raise Refusal("is absent", f"give the levels, {order}", "levels")
    if len(levels) < 2:
        raise Refusal("has one level", "give at least two", "levels")
    if len({_text(level) for level in levels}) < len(levels):
        raise Refusal("hold one level written in two ways", "allowed: each once", "levels")
    return levels


def _bands(cuts: tuple[float, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    if not cuts:
        raise Refusal("is absent or empty", "give increasing numbers", "cuts")
    if names:
        if len(names) != len(cuts) + 1:
            made = f"{len(cuts)} cuts make {len(cuts) + 1}"
            raise Refusal(f"has {len(names)} levels", made, "levels")
        return names
    if all(cut == int(cut) for cut in cuts):
        whole = [int(cut) for cut in cuts]
        between = [
            f"{low}-{high - 1}" if high - low > 1 else f"{low}" for low, high in pairwise(whole)
        ]
        return (f"<{whole[0]}", *between, f"{whole[-1]}+")
    between = [f"[{low:g}, {high:g})" for low, high in pairwise(cuts)]
    return (f"<{cuts[0]:g}", *between, f"{cuts[-1]:g}+")


def _text(code: Code) -> str:
    """A code as text: whether "1.1" and "1.10" are one answer is known once a column is read."""
    return normalise(code, numeric=False)


def _check_values(variable: Variable, levels: tuple[str, ...]) -> None:
    """Refuse codes of no level, values with two meanings, and a count or a yes that lacks some."""
    kind, codes, yes, no = variable.type, variable.codes, variable.yes, variable.no
    if kind == "count_of":
        if not variable.items:
            raise Refusal("is absent or empty", "give the columns to count", "items")
        if variable.at_least is None:
            raise Refusal("is absent", "give a whole number", "at_least")
        if variable.at_least > len(variable.items):
            raise Refusal(
                f"is {variable.at_least}", f"allowed: 1 to {len(variable.items)}", "at_least"
            )
    if (kind == "count_of" or not codes) and bool(yes) != bool(no):
        raise Refusal("is absent", "give the values of both yes and no", "no" if yes else "yes")
    if kind == "count_of" and not yes:
        raise Refusal("is absent", "give the values that count", "yes")
    for code, level in codes.items():
        require_among(level, levels, f"codes.{code}", f'names no level "{level}"')
    coded = {_text(code) for code in codes}
    if len(coded) < len(codes):
        raise Refusal("hold one code written in two ways", "give it once", "codes")
    themselves = kind in ("ordinal", "nominal") or (kind == "binary" and not yes)
    plain = [level for level in variable.levels if themselves and _text(level) not in coded]
    values = {"levels": plain, "codes": codes, "yes": yes, "no": no, "missing": variable.missing}
    require_apart(values, numeric=False)


def _check_collapse(variable: Variable, levels: tuple[str, ...]) -> None:
    collapse = variable.collapse
    for level, into in collapse.items():
        key = f"collapse.{level}"
        for named in (level, into):
            require_among(named, levels, key, f'names no level "{named}"')
        if into in collapse or into == level:
            raise Refusal(f'"{into}" is itself collapsed', "name a level that stays", key)
    if collapse and len(levels) - len(collapse) < 2:
        raise Refusal("leaves one level", "leave at least two", "collapse")
    joined = [collapse.get(level, level) for level in levels]
    if variable.type in ("ordinal", "banded") and len(list(groupby(joined))) > len(set(joined)):
        raise Refusal(
            "joins levels that are not neighbours", "join neighbours, to keep the order", "collapse"
        )


VariableTable = Annotated[Variable, ByKind(_KEYS, by="type"), AfterValidator(_with_levels)]
"""As it stands in study.toml, without its name."""


def named_variables(variables: Mapping[str, Variable]) -> dict[str, Variable]:
    """Variables with their names, which are those of their columns unless they say."""
    return {
        name: replace(one, name=name, column=one.column or name) for name, one in variables.items()
    }
