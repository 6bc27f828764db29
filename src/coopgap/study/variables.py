"""The `[variables.NAME]` tables of a study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby, pairwise
from typing import get_args

from coopgap.study.section import Section
from coopgap.study.spec import Code, Role, Variable, VariableType
from coopgap.study.values import normalise

_LEVELLED = ("column", "type", "label", "groups", "role", "missing", "collapse", "levels")
_KEYS: Mapping[str, tuple[str, ...]] = {
    "binary": (*_LEVELLED, "codes", "yes", "no"),
    "ordinal": (*_LEVELLED, "codes"),
    "nominal": (*_LEVELLED, "codes"),
    "banded": (*_LEVELLED, "cuts", "codes"),
    "count_of": (*_LEVELLED, "items", "yes", "no", "at_least"),
    "numeric": ("column", "type", "label", "role", "missing", "knots", "range"),
}
_ALL = tuple(dict.fromkeys(key for keys in _KEYS.values() for key in keys))


def refuse_numeric(
    section: Section, key: str, names: Iterable[str], variables: Mapping[str, Variable], why: str
) -> None:
    """Refuse numeric variables where levels are needed.

    Parameters
    ----------
    section, key
        Where they are named.
    names
        Declared variables.
    variables
        The study's variables by name.
    why
        What needs levels, after "is numeric, and".

    Raises
    ------
    StudyError
        Naming the first.
    """
    for name in names:
        if variables[name].is_numeric:
            raise section.refuse(
                key, f"{name} is numeric, and {why}", 'declare it banded: type = "banded" with cuts'
            )


def read_variable(name: str, values: object, where: str) -> Variable:
    """One variable.

    Parameters
    ----------
    name
        The table's name.
    values
        The table.
    where
        File and key, for messages.

    Raises
    ------
    StudyError
        For anything that is not as the study folder's format says.
    """
    section = Section(values, where, _ALL)
    kind = section.choice("type", get_args(VariableType))
    section = Section(values, where, _KEYS[kind])
    declared = () if kind == "numeric" else _levels(section, kind)
    collapse = _collapse(section, kind, declared) if declared else {}
    role = section.mapping("role")
    for outcome, value in role.items():
        if value not in get_args(Role):
            raise section.refuse(
                f"role.{outcome}", f'is "{value}"', f"allowed: {', '.join(get_args(Role))}"
            )
    yes, no = _yes_no(section, kind)
    codes = section.mapping("codes")
    for code, level in codes.items():
        if level not in declared:
            raise section.refuse(
                f"codes.{code}", f'names no level "{level}"', f"allowed: {', '.join(declared)}"
            )
    missing = section.codes("missing")
    _one_meaning(section, kind, {"codes": tuple(codes), "yes": yes, "no": no, "missing": missing})
    items = section.texts("items")
    return Variable(
        name=name,
        column=section.text("column", name),
        type=kind,  # type: ignore[arg-type]
        levels=tuple(level for level in declared if level not in collapse),
        declared_levels=declared,
        label=section.optional_text("label") or "",
        groups=section.flag("groups", default=False),
        role=role,  # type: ignore[arg-type]
        codes=codes,
        missing=missing,
        collapse=collapse,
        yes=yes,
        no=no,
        cuts=section.numbers("cuts"),
        items=items,
        at_least=_at_least(section, items) if kind == "count_of" else None,
        knots=_knots(section),
        range=_range(section),
    )


def _knots(section: Section) -> tuple[float, ...]:
    """Knots of a natural spline, the outer two its boundaries; none where there is no spline."""
    knots = section.numbers("knots")
    if section.has("knots") and len(knots) < 3:
        raise section.refuse(
            "knots", f"has {len(knots)}", "give three or more, or none for a straight line"
        )
    if any(high <= low for low, high in pairwise(knots)):
        raise section.refuse("knots", "do not increase", "give increasing numbers")
    return knots


def _range(section: Section) -> tuple[float, ...]:
    """The smallest and the largest number there can be; none where nothing is said of them."""
    ends = section.numbers("range")
    if section.has("range") and not (len(ends) == 2 and ends[0] < ends[1]):
        raise section.refuse("range", "is no pair of increasing numbers", "give [LOWEST, HIGHEST]")
    return ends


def _levels(section: Section, kind: str) -> tuple[str, ...]:
    levels = section.texts("levels")
    if kind == "banded":
        levels = _bands(section, levels)
    elif kind in ("binary", "count_of"):
        levels = levels or ("no", "yes")
        if len(levels) != 2:
            raise section.refuse("levels", f"has {len(levels)} levels", "give two, no before yes")
    elif not levels:
        order = "lowest first" if kind == "ordinal" else "reference first"
        raise section.refuse("levels", "is absent", f"give the levels, {order}")
    if len(levels) < 2:
        raise section.refuse("levels", "has one level", "give at least two")
    if len({_text(level) for level in levels}) < len(levels):
        raise section.refuse("levels", "hold one level written in two ways", "allowed: each once")
    return levels


def _bands(section: Section, names: tuple[str, ...]) -> tuple[str, ...]:
    cuts = section.numbers("cuts")
    if not cuts or any(high <= low for low, high in pairwise(cuts)):
        raise section.refuse("cuts", "are absent or do not increase", "give increasing numbers")
    if names:
        if len(names) != len(cuts) + 1:
            raise section.refuse(
                "levels", f"has {len(names)} levels", f"{len(cuts)} cuts make {len(cuts) + 1}"
            )
        return names
    if all(cut == int(cut) for cut in cuts):
        whole = [int(cut) for cut in cuts]
        between = [
            f"{low}-{high - 1}" if high - low > 1 else f"{low}" for low, high in pairwise(whole)
        ]
        return (f"<{whole[0]}", *between, f"{whole[-1]}+")
    between = [f"[{low:g}, {high:g})" for low, high in pairwise(cuts)]
    return (f"<{cuts[0]:g}", *between, f"{cuts[-1]:g}+")


def _one_meaning(section: Section, kind: str, values: Mapping[str, tuple[Code, ...]]) -> None:
    """Refuse a value of the file that is given two meanings."""
    levels: tuple[Code, ...] = ()
    if kind in ("ordinal", "nominal") or (kind == "binary" and not values["yes"]):
        coded = {_text(code) for code in values["codes"]}
        levels = tuple(level for level in section.texts("levels") if _text(level) not in coded)
    first: dict[str, str] = {}
    for key, codes in (("levels", levels), *values.items()):
        for code in codes:
            known = first.setdefault(_text(code), key)
            if known != key:
                raise section.refuse(key, f"holds a value that {known} holds too", "give it once")
        if key == "codes" and len({_text(code) for code in codes}) < len(codes):
            raise section.refuse(key, "hold one code written in two ways", "give it once")


def _text(code: Code) -> str:
    """A code as text: whether "1.1" and "1.10" are one answer is known once a column is read."""
    return normalise(code, numeric=False)


def _collapse(section: Section, kind: str, levels: tuple[str, ...]) -> dict[str, str]:
    collapse = section.mapping("collapse")
    for level, into in collapse.items():
        for named in (level, into):
            if named not in levels:
                raise section.refuse(
                    f"collapse.{level}",
                    f'names no level "{named}"',
                    f"allowed: {', '.join(levels)}",
                )
        if into in collapse or into == level:
            raise section.refuse(
                f"collapse.{level}", f'"{into}" is itself collapsed', "name a level that stays"
            )
    if len(levels) - len(collapse) < 2:
        raise section.refuse("collapse", "leaves one level", "leave at least two")
    joined = [collapse.get(level, level) for level in levels]
    if kind in ("ordinal", "banded") and len(list(groupby(joined))) > len(set(joined)):
        raise section.refuse(
            "collapse", "joins levels that are not neighbours", "join neighbours, to keep the order"
        )
    return collapse


def _yes_no(section: Section, kind: str) -> tuple[tuple[Code, ...], tuple[Code, ...]]:
    yes, no = section.codes("yes"), section.codes("no")
    needed = kind == "count_of" or (kind == "binary" and not section.has("codes"))
    if needed and bool(yes) != bool(no):
        absent = "no" if yes else "yes"
        raise section.refuse(absent, "is absent", "give the values of both yes and no")
    if kind == "count_of" and not yes:
        raise section.refuse("yes", "is absent", "give the values that count")
    return yes, no


def _at_least(section: Section, items: tuple[str, ...]) -> int:
    if not items:
        raise section.refuse("items", "is absent or empty", "give the columns to count")
    at_least = section.whole("at_least")
    if not 1 <= at_least <= len(items):
        raise section.refuse("at_least", f"is {at_least}", f"allowed: 1 to {len(items)}")
    return at_least
