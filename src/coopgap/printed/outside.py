"""Printed shares of members beside outside shares that a study declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coopgap.datasets.registry import Printed, Registry
from coopgap.families.benchmark import standardised_name
from coopgap.printed.items import Table, comparator_of, is_member, tables
from coopgap.printed.lines import category_lines, group_shares, is_whole
from coopgap.printed.records import Line, Share
from coopgap.printed.rounding import mixed_range
from coopgap.study.spec import Benchmark, OutsideShares


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Outside shares of some people, and what part of the comparison they make up."""

    outside: OutsideShares
    part: float
    printed: Printed | None = None


def outside_lines(registry: Registry, benchmarks: Sequence[Benchmark]) -> Iterator[Line]:
    """Lines of members against outside shares over the same categories.

    Parameters
    ----------
    registry
        The printed numbers.
    benchmarks
        Of any outcome; one is compared with the printed item that has its levels as categories.

    Yields
    ------
    Line
        Against everybody, and against the regions' shares weighted as the registry's members live
        where it prints their regions by the same names. Outside shares with a size have the error
        of a simple random sample of it, or of one sample a region; bounds run over every mix of
        regions that prints the same.
    """
    found = tables(registry)
    for benchmark in benchmarks:
        shares = benchmark.whole or next(iter(benchmark.regions.values()))
        for table in found:
            named = {comparator_of(one) for one in table.groups}
            if set(table.categories) == set(shares.shares) and benchmark.name not in named:
                yield from _table_lines(table, benchmark, _mix(found, benchmark))


def _table_lines(table: Table, benchmark: Benchmark, mix: Sequence[Printed]) -> Iterator[Line]:
    sides: list[tuple[str, list[_Part]]] = []
    if benchmark.whole is not None:
        sides.append((benchmark.name, [_Part(outside=benchmark.whole, part=1.0)]))
    if mix:
        total = sum(row.share for row in mix)
        parts = [
            _Part(outside=benchmark.regions[row.category], part=row.share / total, printed=row)
            for row in mix
        ]
        sides.append((standardised_name(benchmark.name), parts))
    for group in table.groups:
        if not (is_member(group) and is_whole(table, group)):
            continue
        own = group_shares(table, group)
        for name, parts in sides:
            both = own | {(name, one): _share(parts, one, table) for _, one in own}
            for category in (*table.thresholds, *table.categories[::-1]):
                yield from category_lines(
                    table, category, [group, name], both, threshold=category.startswith(">=")
                )


def _mix(found: Sequence[Table], benchmark: Benchmark) -> tuple[Printed, ...]:
    """Shares of the members by region, where they are printed by the benchmark's names."""
    for table in found:
        if benchmark.regions and set(table.categories) == set(benchmark.regions):
            for group in filter(is_member, table.groups):
                if is_whole(table, group):
                    return table.of(group)
    return ()


def _share(parts: Sequence[_Part], category: str, table: Table) -> Share:
    """The weighted share at a category or threshold, with the size it is worth."""
    threshold = category.startswith(">=")
    names = table.categories
    at = names[names.index(category[2:]) :] if threshold else (category,)
    value = variance = 0.0
    found = [_at(one.outside, at) for one in parts]
    for one, share in zip(parts, found, strict=True):
        value += one.part * share
        if one.outside.size is not None:
            variance += one.part**2 * share * (1 - share) / one.outside.size
    sizes = [one.outside.size for one in parts]
    fixed = None in sizes
    size = sum(n for n in sizes if n is not None)
    if variance > 0:
        size = value * (1 - value) / variance
    rows = [one.printed for one in parts if one.printed is not None]
    return Share(
        value=value,
        n=None if fixed else max(round(size), 1),
        range=_range(found, rows),
        fixed=fixed,
        ids=tuple(row.id for row in rows),
    )


def _at(outside: OutsideShares, names: Sequence[str]) -> float:
    return sum(outside.shares[name] for name in names) / sum(outside.shares.values())


def _range(shares: Sequence[float], mix: Sequence[Printed]) -> tuple[float, float] | None:
    """What rounding of the printed mix leaves; None where it is not printed in percent."""
    if not mix or mix[0].stat != "percent":
        return None
    ranges = [row.range for row in mix]
    known = [one for one in ranges if one is not None]
    return mixed_range(shares, known) if len(known) == len(ranges) else None
