"""Outside shares, from the `[[benchmark]]` tables of `study.toml`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from coopgap.core.errors import StudyError
from coopgap.core.vocabulary import AT_REGIONS, Comparator
from coopgap.study.section import Section
from coopgap.study.spec import Benchmark, DeclaredPopulation, OutsideShares, Variable

_KEYS = ("outcome", "name", "source", "shares", "by", "n", "design_effect")
_TAKEN = (Comparator.COMPARISON, Comparator.PHONE)
_MOST = 10_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """One table: shares of everybody, or of one region."""

    section: Section
    outcome: str
    name: str
    source: str
    region: str | None
    outside: OutsideShares


def read_benchmarks(
    section: Section,
    variables: Mapping[str, Variable],
    outcomes: tuple[str, ...],
    region: str | None,
) -> tuple[Benchmark, ...]:
    """Outside shares; tables of one outcome and name are one benchmark, by region or not.

    Parameters
    ----------
    section
        The study file.
    variables, outcomes
        Declared variables, and those that have a model.
    region
        The region variable.

    Raises
    ------
    StudyError
        For anything that is not as the study folder's format says: two tables for one place, a
        benchmark by region that lacks one.
    """
    found: dict[tuple[str, str], list[_Table]] = {}
    for where, values in section.tables("benchmark"):
        one = _table(Section(values, where, _KEYS), variables, outcomes, region)
        group = found.setdefault((one.outcome, one.name), [])
        for other in group:
            if other.region == one.region:
                place = f"for {one.region} " if one.region else ""
                raise one.section.refuse(
                    "outcome",
                    f'{one.outcome} has two benchmarks {place}named "{one.name}"',
                    "give each a name of its own",
                )
            if other.source != one.source:
                raise one.section.refuse(
                    "source", f'differs from that of "{one.name}" before', "give it another name"
                )
        group.append(one)
    levels = variables[region].levels if region else ()
    return tuple(_joined(tables, levels) for tables in found.values())


def check_margins(benchmarks: Iterable[Benchmark], declared: DeclaredPopulation | None) -> None:
    """Refuse a declared population by what is set beside outside shares.

    Raises
    ------
    StudyError
        Naming the population's file.
    """
    if declared is None:
        return
    outcomes = {one.outcome for one in benchmarks}
    for name in (name for margin in declared.margins for name in margin.variables):
        if name in outcomes:
            raise StudyError(
                f"{declared.file}: {name}",
                "is the outcome of a benchmark",
                "give margins of other variables",
            )


def _joined(tables: list[_Table], levels: tuple[str, ...]) -> Benchmark:
    first = tables[0]
    places = {table.region: table.outside for table in tables}
    whole = places.pop(None, None)
    absent = [level for level in levels if level not in places]
    if places and absent:
        raise first.section.refuse(
            "by", f'"{first.name}" lacks {", ".join(absent)}', "give every region, or none"
        )
    if len({outside.n is None for outside in places.values()}) > 1:
        without = [str(level) for level, outside in places.items() if outside.n is None]
        raise first.section.refuse(
            "n",
            f'of "{first.name}" is absent for {", ".join(without)}',
            "give all regions n, or none",
        )
    return Benchmark(
        outcome=first.outcome,
        source=first.source,
        name=first.name,
        whole=whole,
        regions={level: places[level] for level in levels if places},
    )


def _table(
    table: Section,
    variables: Mapping[str, Variable],
    outcomes: tuple[str, ...],
    region: str | None,
) -> _Table:
    outcome = table.choice("outcome", outcomes)
    n = table.whole("n") if table.has("n") else None
    if n is not None and not 1 <= n <= _MOST:
        raise table.refuse("n", f"is {n}", f"allowed: 1 to {_MOST:,}")
    return _Table(
        section=table,
        outcome=outcome,
        name=_name(table),
        source=table.text("source"),
        region=_region(table, variables, region) if table.has("by") else None,
        outside=OutsideShares(
            shares=_shares(table, variables[outcome].levels),
            n=n,
            design_effect=_design_effect(table),
        ),
    )


def _name(table: Section) -> str:
    name = (table.optional_text("name") or str(Comparator.NATIONAL)).strip()
    if name.casefold() in _TAKEN:
        raise table.refuse("name", f"is {name}, a group of the survey", "give another name")
    if name.casefold().endswith(AT_REGIONS):
        raise table.refuse("name", f'ends in "{AT_REGIONS}"', "give another name")
    return name


def _design_effect(table: Section) -> float:
    value = table.number("design_effect", 1.0)
    if table.has("design_effect") and not table.has("n"):
        raise table.refuse("design_effect", "is given without n", "give both, or neither")
    if not 0.1 <= value <= 1000:
        raise table.refuse("design_effect", f"is {value:g}", "allowed: 0.1 to 1000")
    return value


def _region(table: Section, variables: Mapping[str, Variable], region: str | None) -> str:
    if region is None:
        raise table.refuse("by", "needs a region", "declare one in [design]")
    by = Section(table.table("by"), table.at("by"), (region,))
    if not by.has(region):
        raise table.refuse("by", "names no region", f"allowed: {{ {region} = LEVEL }}")
    return by.choice(region, variables[region].levels)


def _shares(table: Section, levels: tuple[str, ...]) -> dict[str, float]:
    shares = Section(table.table("shares"), table.at("shares"), levels)
    values = {level: shares.number(level) for level in shares.values}
    absent = [level for level in levels if level not in values]
    if absent:
        raise table.refuse("shares", f"lacks {', '.join(absent)}", "give every level")
    for level, share in values.items():
        if share < 0:
            raise shares.refuse(level, f"is {share:g}", "allowed: percent, 0 or more")
    if not 99 <= sum(values.values()) <= 101:
        raise table.refuse(
            "shares", f"sum to {sum(values.values()):g}", "allowed: percent that sum to 100 ± 1"
        )
    return values
