"""What is known from outside the survey: shares of an outcome, and the people of a population."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import inf, isfinite, prod
from typing import Annotated

from pydantic import AfterValidator, Field, Strict

from coopgap.core.errors import StudyError, refuse_marks
from coopgap.core.vocabulary import AT_REGIONS, Comparator
from coopgap.study.keys import Refusal, Text, Whole, at, require_among, require_keys
from coopgap.study.spec import (
    Area,
    Benchmark,
    DeclaredPopulation,
    Design,
    Margin,
    OutsideShares,
    Variable,
)

_TAKEN = (Comparator.COMPARISON, Comparator.PHONE)
_COUNT = "population"
# Raking reaches its margins to a little more than this, and cannot reach two that differ.
_TOLERANCE = 1e-10


def _free_name(name: str) -> str:
    name = name.strip()
    if name.casefold() in _TAKEN:
        raise Refusal(f"is {name}, a group of the survey", "give another name")
    if name.casefold().endswith(AT_REGIONS):
        raise Refusal(f'ends in "{AT_REGIONS}"', "give another name")
    return name


def _percent(shares: Mapping[str, float]) -> Mapping[str, float]:
    if not 99 <= sum(shares.values()) <= 101:
        total = f"sum to {sum(shares.values()):g}"
        raise Refusal(total, "allowed: percent that sum to 100 ± 1")
    return shares


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkTable:
    """Shares of an outcome of everybody, or of one region."""

    outcome: Text
    """Outcome of a model file."""
    name: Annotated[Text, AfterValidator(_free_name)] = str(Comparator.NATIONAL)
    """Who the outside people are: the rows' comparator."""
    source: Text
    """Where the shares are from."""
    shares: Annotated[
        Mapping[str, Annotated[float, Strict(), Field(ge=0, le=101)]], AfterValidator(_percent)
    ]
    """Percent of every level."""
    by: Annotated[Mapping[str, str], Field(min_length=1)] = field(default_factory=dict)
    """The one region whose shares they are, by the variable of the regions."""
    n: Annotated[Whole, Field(ge=1, le=10_000_000_000)] | None = None
    """People asked, where the shares are a sample's."""
    design_effect: Annotated[float, Strict(), Field(ge=0.1, le=1000)] | None = None
    """By which those people count for fewer; a simple random sample if absent."""


def join_benchmarks(
    tables: Sequence[BenchmarkTable],
    variables: Mapping[str, Variable],
    outcomes: Sequence[str],
    region: str | None,
) -> tuple[Benchmark, ...]:
    """Tables of one outcome and name are one benchmark, by region or not."""
    joined: dict[tuple[str, str], dict[str | None, int]] = {}
    for number, table in enumerate(tables):
        with at(f"study.toml: benchmark[{number + 1}]"):
            _check_benchmark(table, variables, outcomes, region)
            level = table.by.get(region) if region else None
            places = joined.setdefault((table.outcome, table.name), {})
            if level in places:
                place = f"for {level} " if level else ""
                raise Refusal(
                    f'{table.outcome} has two benchmarks {place}named "{table.name}"',
                    "give each a name of its own",
                    "outcome",
                )
            places[level] = number
            if table.source != tables[next(iter(places.values()))].source:
                differs = f'differs from that of "{table.name}" before'
                raise Refusal(differs, "give it another name", "source")
    levels = variables[region].levels if region else ()
    return tuple(_joined(tables, places, levels) for places in joined.values())


def _check_benchmark(
    table: BenchmarkTable,
    variables: Mapping[str, Variable],
    outcomes: Sequence[str],
    region: str | None,
) -> None:
    require_among(table.outcome, outcomes, "outcome")
    levels = variables[table.outcome].levels
    require_keys(table.shares, levels, "shares")
    absent = [level for level in levels if level not in table.shares]
    if absent:
        raise Refusal(f"lacks {', '.join(absent)}", "give every level", "shares")
    if table.design_effect is not None and table.n is None:
        raise Refusal("is given without n", "give both, or neither", "design_effect")
    if table.by and region is None:
        raise Refusal("needs a region", "declare one in [design]", "by")
    for key, level in table.by.items():
        require_keys((key,), (str(region),), "by")
        require_among(level, variables[key].levels, f"by.{key}")


def _joined(
    tables: Sequence[BenchmarkTable], places: Mapping[str | None, int], levels: Sequence[str]
) -> Benchmark:
    first = next(iter(places.values()))
    name = tables[first].name
    regions = {level: tables[places[level]] for level in levels if level in places}
    with at(f"study.toml: benchmark[{first + 1}]"):
        absent = [level for level in levels if level not in regions]
        if regions and absent:
            lacks = f'"{name}" lacks {", ".join(absent)}'
            raise Refusal(lacks, "give every region, or none", "by")
        without = [level for level, table in regions.items() if table.n is None]
        if 0 < len(without) < len(regions):
            lacks = f'of "{name}" is absent for {", ".join(without)}'
            raise Refusal(lacks, "give all regions n, or none", "n")

    def outside(table: BenchmarkTable) -> OutsideShares:
        effect = 1.0 if table.design_effect is None else table.design_effect
        return OutsideShares(shares=table.shares, n=table.n, design_effect=effect)

    return Benchmark(
        outcome=tables[first].outcome,
        source=tables[first].source,
        name=name,
        whole=outside(tables[places[None]]) if None in places else None,
        regions={level: outside(table) for level, table in regions.items()},
    )


def read_population(
    name: str, content: bytes, variables: Mapping[str, Variable]
) -> DeclaredPopulation:
    """Margins of a population from a CSV file.

    It has a column `population` of people, and a column for each of some variables with its
    levels. A blank cell means all levels of that variable, so that one file may hold several
    margins.

    Raises
    ------
    StudyError
        For a column that is no variable, an unknown level, a number that is none, and a margin
        that lacks a combination of levels or has one twice.
    """
    with at(name):
        header, rows = _read_csv(name, content)
        _check_header(header, variables)
        tables = _tables(rows, variables)
        if not tables:
            raise Refusal("holds no row", "give the people at each level")
        margins = tuple(_margin(names, people, variables) for names, people in tables.items())
        _check_agreement(margins)
    return DeclaredPopulation(file=name, margins=margins)


def read_area(name: str, content: bytes, design: Design, variables: Mapping[str, Variable]) -> Area:
    """Numbers of departments from a CSV file, and their regions where it has that column.

    It has a column of the departments, named as their variable, with each level once, and a column
    for each of some numbers.

    Raises
    ------
    StudyError
        For a column that is absent, twice, or another variable's, a department that is absent or
        twice, a number that is none, and numbers that are all alike.
    """
    with at(name):
        header, rows = _read_csv(name, content)
        if design.department is None or design.region is None:
            raise Refusal("the study declares no department", "name one under [design]")
        department, region = design.department, design.region
        columns = [column for column in header if column not in (department, region)]
        for column in (column for column in columns if column in variables or not column.strip()):
            raise Refusal("is a variable of the survey or empty", "give it another name", column)
        _check_once(header)
        if department not in header or not columns:
            found = f"has columns {', '.join(header) or 'none'}"
            raise Refusal(found, f"give {department} and a column for each of some numbers")
        levels, regions = variables[department].levels, variables[region].levels
        numbers: dict[str, dict[str, float]] = {column: {} for column in columns}
        lies_in: dict[str, str] = {}
        seen: set[str] = set()
        for number, row in enumerate(rows, start=2):
            key = f"line {number}"
            cells = _cells(row, key)
            level = cells[department]
            require_among(level, levels, key, f'{department} has no level "{level}"')
            if level in seen:
                raise Refusal(f"has {department}={level} twice", "give it once", key)
            seen.add(level)
            for column in columns:
                numbers[column][level] = _finite(cells[column], column, key)
            if cells.get(region):
                found = f'{region} has no level "{cells[region]}"'
                require_among(cells[region], regions, key, found)
                lies_in[level] = cells[region]
        absent = [level for level in levels if level not in seen]
        if absent:
            raise Refusal(f"lacks {department}={absent[0]}", f"give all {len(levels)} once")
        for column, values in numbers.items():
            if len({*values.values()}) < 2:
                raise Refusal("is the same for every department", "leave it out", column)
    return Area(file=name, numbers=numbers, regions=lies_in)


def _finite(text: str, column: str, key: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = inf
    if not isfinite(value):
        raise Refusal(f"{column} is no number", "allowed: a number, with a decimal point", key)
    return value


def known_regions(
    design: Design, areas: Iterable[Area], variables: Mapping[str, Variable]
) -> dict[str, str]:
    """Regions by department, as the files of a study say: those of areas, and the population.

    Raises
    ------
    StudyError
        If two files, or two rows, put a department into two regions.
    """
    region, department = design.region, design.department
    if region is None or department is None:
        return {}
    pairs = [(area.file, *pair) for area in areas for pair in area.regions.items()]
    for margin in design.population.margins if design.population else ():
        if {region, department} <= {*margin.variables}:
            at_department, at_region = map(margin.variables.index, (department, region))
            file = design.population.file if design.population else ""
            pairs += [
                (file, levels[at_department], levels[at_region])
                for levels, share in margin.shares.items()
                if share > 0
            ]
    found: dict[str, str] = {}
    for file, level, place in pairs:
        if found.setdefault(level, place) != place:
            raise StudyError(
                f"{file}: {department}",
                f"puts {level} into {place}, and another row or file into {found[level]}",
                "each department lies in one region",
            )
    return found


def check_margins(declared: DeclaredPopulation, benchmarks: Sequence[Benchmark]) -> None:
    """Refuse a declared population by what is set beside outside shares."""
    outcomes = {benchmark.outcome for benchmark in benchmarks}
    for name in (name for margin in declared.margins for name in margin.variables):
        if name in outcomes:
            raise StudyError(
                f"{declared.file}: {name}",
                "is the outcome of a benchmark",
                "give margins of other variables",
            )


def _read_csv(name: str, content: bytes) -> tuple[list[str], list[dict[str | None, str | None]]]:
    """Header and rows of a CSV file in the study folder."""
    try:
        text = content.decode("utf-8-sig")
        refuse_marks(name, text)
        rows = csv.DictReader(io.StringIO(text), strict=True)
        return [*(rows.fieldnames or ())], [*rows]
    except UnicodeDecodeError as error:
        raise Refusal("is not UTF-8", "save it as UTF-8") from error
    except csv.Error as error:
        raise Refusal(f"is not CSV: {error}", "mend that line") from error


def _check_once(header: Sequence[str]) -> None:
    for column in header:
        if header.count(column) > 1:
            raise Refusal(f"has the column {column} twice", "allowed: each once")


def _cells(row: Mapping[str | None, str | None], key: str) -> dict[str, str]:
    """A row's texts by column."""
    if None in row or None in row.values():
        raise Refusal("has another number of cells than the header", "mend that line", key)
    return {str(name): (value or "").strip() for name, value in row.items()}


def _check_header(header: Sequence[str], variables: Mapping[str, Variable]) -> None:
    if _COUNT not in header or len(header) < 2:
        columns = f"has columns {', '.join(header) or 'none'}"
        raise Refusal(columns, f"give {_COUNT} and a column for each of some variables")
    _check_once(header)
    for column in header:
        if column == _COUNT:
            continue
        if column not in variables:
            allowed = f"declared: {', '.join(variables)}"
            raise Refusal("is no declared variable", allowed, column)
        if variables[column].is_numeric:
            found = "is numeric, and margins are by level"
            raise Refusal(found, "declare it banded", column)


def _tables(
    rows: Iterable[Mapping[str | None, str | None]], variables: Mapping[str, Variable]
) -> dict[tuple[str, ...], dict[tuple[str, ...], float]]:
    """People by levels, for each set of variables that a row does not leave blank."""
    tables: dict[tuple[str, ...], dict[tuple[str, ...], float]] = {}
    for number, row in enumerate(rows, start=2):
        levels, people = _line(row, variables, f"line {number}")
        table = tables.setdefault(tuple(levels), {})
        if tuple(levels.values()) in table:
            raise Refusal(f"has {_named(levels, levels.values())} twice", "give it once")
        table[tuple(levels.values())] = people
    return tables


def _line(
    row: Mapping[str | None, str | None], variables: Mapping[str, Variable], key: str
) -> tuple[dict[str, str], float]:
    """Levels by variable and how many people have them."""
    cells = _cells(row, key)
    try:
        people = float(cells.pop(_COUNT))
    except ValueError:
        people = -1.0
    if not (isfinite(people) and people >= 0):
        raise Refusal(f"{_COUNT} is no number of people", "allowed: 0 or more", key)
    levels = {name: level for name, level in cells.items() if level}
    if not levels:
        raise Refusal("names no level", "give one at least", key)
    for name, level in levels.items():
        require_among(level, variables[name].levels, key, f'{name} has no level "{level}"')
    return levels, people


def _margin(
    names: tuple[str, ...],
    people: Mapping[tuple[str, ...], float],
    variables: Mapping[str, Variable],
) -> Margin:
    levels_of = [variables[name].levels for name in names]
    # There may be billions of combinations: one by one, they end soon after the rows do.
    absent = next((levels for levels in product(*levels_of) if levels not in people), None)
    if absent is not None:
        n = prod(len(levels) for levels in levels_of)
        raise Refusal(
            f"lacks {_named(names, absent)}",
            f"give every combination of levels: {n:,} by {', '.join(names)}",
        )
    total = sum(people.values())
    if not total > 0:
        raise Refusal(f"has nobody by {', '.join(names)}", "give people")
    shares = {levels: people[levels] / total for levels in product(*levels_of)}
    return Margin(variables=names, shares=shares)


def _check_agreement(margins: Sequence[Margin]) -> None:
    """Refuse margins that give one level of a variable two shares."""
    seen: dict[tuple[str, str], tuple[float, Margin]] = {}
    for margin in margins:
        for k, name in enumerate(margin.variables):
            for level in dict.fromkeys(levels[k] for levels in margin.shares):
                share = sum(s for levels, s in margin.shares.items() if levels[k] == level)
                other, where = seen.setdefault((name, level), (share, margin))
                if abs(share - other) > _TOLERANCE:
                    first, second = (", ".join(by.variables) for by in (where, margin))
                    raise Refusal(
                        f"has {100 * other:.10g} percent of {level} by {first} and "
                        f"{100 * share:.10g} by {second}",
                        "give margins of one population",
                        name,
                    )


def _named(names: Iterable[str], levels: Iterable[str]) -> str:
    return ", ".join(f"{name}={level}" for name, level in zip(names, levels, strict=True))
