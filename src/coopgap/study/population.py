"""The file of a declared population: how many people there are at the levels of some variables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from math import isfinite, prod
from pathlib import Path

from coopgap.core.errors import StudyError, refuse_marks
from coopgap.study.spec import DeclaredPopulation, Margin, ModelSpec, Variable

_COUNT = "population"
# Raking reaches its margins to a little more than this, and cannot reach two that differ.
_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class _Line:
    """One row of the file: levels of the variables that it does not leave blank, and people."""

    names: tuple[str, ...]
    levels: tuple[str, ...]
    people: float


def read_population(
    path: Path, content: bytes, variables: Mapping[str, Variable]
) -> DeclaredPopulation:
    """Margins of a population from a CSV file.

    Parameters
    ----------
    path
        The file; its name says whose population it is.
    content
        What stands in it: a column `population` of people, and a column for each of some
        declared variables with its levels. A blank cell means all levels of that variable, so
        that one file may hold several margins.
    variables
        The study's variables by name.

    Raises
    ------
    StudyError
        For a column that is no variable, an unknown level, a number that is none, and a margin
        that lacks a combination of levels or has one twice.
    """
    name = path.name
    try:
        text = content.decode("utf-8-sig")
        refuse_marks(name, text)
        rows = csv.DictReader(io.StringIO(text), strict=True)
        header = [*(rows.fieldnames or ())]
        _check_header(name, header, variables)
        lines = [_line(name, number, row, variables) for number, row in enumerate(rows, start=2)]
    except UnicodeDecodeError as error:
        raise StudyError(name, "is not UTF-8", "save it as UTF-8") from error
    except csv.Error as error:
        raise StudyError(name, f"is not CSV: {error}", "mend that line") from error
    patterns = dict.fromkeys(line.names for line in lines)
    if not patterns:
        raise StudyError(name, "holds no row", "give the people at each level")
    margins = tuple(
        _margin(name, names, [line for line in lines if line.names == names], variables)
        for names in patterns
    )
    _check_agreement(name, margins)
    return DeclaredPopulation(file=name, margins=margins)


def check_population(models: Iterable[ModelSpec], declared: DeclaredPopulation | None) -> None:
    """Refuse models over a declared population that is absent, or by what is no covariate.

    Raises
    ------
    StudyError
        Naming the model.
    """
    for model in models:
        if model.population != "poststratified":
            continue
        where = f"{model.name}.toml: population"
        if declared is None:
            raise StudyError(
                where,
                "is poststratified, but the study declares no population",
                'name its file under [design] in study.toml: population = "FILE.csv"',
            )
        for margin in declared.margins:
            for name in margin.variables:
                if name not in model.covariates:
                    raise StudyError(
                        where,
                        f"is poststratified, and {declared.file} is by {name}, no covariate here",
                        f"add it to covariates: {', '.join(model.covariates) or 'none'}",
                    )


def _check_header(name: str, header: list[str], variables: Mapping[str, Variable]) -> None:
    if _COUNT not in header or len(header) < 2:
        raise StudyError(
            name,
            f"has columns {', '.join(header) or 'none'}",
            f"give {_COUNT} and a column for each of some variables",
        )
    for column in header:
        if header.count(column) > 1:
            raise StudyError(name, f"has the column {column} twice", "allowed: each once")
        if column != _COUNT and column not in variables:
            raise StudyError(
                f"{name}: {column}", "is no declared variable", f"declared: {', '.join(variables)}"
            )
        if column != _COUNT and variables[column].is_numeric:
            raise StudyError(
                f"{name}: {column}", "is numeric, and margins are by level", "declare it banded"
            )


def _line(
    name: str, number: int, row: Mapping[str | None, str | None], variables: Mapping[str, Variable]
) -> _Line:
    where = f"{name}: line {number}"
    if None in row or None in row.values():
        raise StudyError(where, "has another number of cells than the header", "mend that line")
    cells = {str(key): (value or "").strip() for key, value in row.items()}
    try:
        people = float(cells.pop(_COUNT))
    except ValueError:
        people = -1.0
    if not (isfinite(people) and people >= 0):
        raise StudyError(where, f"{_COUNT} is no number of people", "allowed: 0 or more")
    given = {key: value for key, value in cells.items() if value}
    if not given:
        raise StudyError(where, "names no level", "give one at least")
    for key, level in given.items():
        if level not in variables[key].levels:
            raise StudyError(
                where,
                f'{key} has no level "{level}"',
                f"allowed: {', '.join(variables[key].levels)}",
            )
    return _Line(tuple(given), tuple(given.values()), people)


def _margin(
    name: str, names: tuple[str, ...], lines: list[_Line], variables: Mapping[str, Variable]
) -> Margin:
    found: dict[tuple[str, ...], float] = {}
    for line in lines:
        if line.levels in found:
            raise StudyError(name, f"has {_said(names, line.levels)} twice", "give it once")
        found[line.levels] = line.people
    levels_of = [variables[one].levels for one in names]
    # There may be billions of combinations: one by one, they end soon after the rows do.
    absent = next((levels for levels in product(*levels_of) if levels not in found), None)
    if absent is not None:
        n = prod(len(levels) for levels in levels_of)
        raise StudyError(
            name,
            f"lacks {_said(names, absent)}",
            f"give every combination of levels: {n:,} by {', '.join(names)}",
        )
    total = sum(found.values())
    if not total > 0:
        raise StudyError(name, f"has nobody by {', '.join(names)}", "give people")
    return Margin(
        variables=names, shares={levels: found[levels] / total for levels in product(*levels_of)}
    )


def _check_agreement(name: str, margins: tuple[Margin, ...]) -> None:
    """Refuse margins that give one level of a variable two shares."""
    seen: dict[tuple[str, str], tuple[float, Margin]] = {}
    for margin in margins:
        for at, one in enumerate(margin.variables):
            for level in dict.fromkeys(levels[at] for levels in margin.shares):
                share = sum(s for levels, s in margin.shares.items() if levels[at] == level)
                other, where = seen.setdefault((one, level), (share, margin))
                if abs(share - other) > _TOLERANCE:
                    first, second = (", ".join(by.variables) for by in (where, margin))
                    raise StudyError(
                        f"{name}: {one}",
                        f"has {100 * other:.10g} percent of {level} by {first} and "
                        f"{100 * share:.10g} by {second}",
                        "give margins of one population",
                    )


def _said(names: tuple[str, ...], levels: tuple[str, ...]) -> str:
    return ", ".join(f"{one}={level}" for one, level in zip(names, levels, strict=True))
