"""Printed shares of members beside outside shares that a study declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from coopgap.families.benchmark import standardised_name
from coopgap.printed.items import Table, comparator_of, is_member, tables
from coopgap.printed.lines import category_lines, group_shares, is_whole
from coopgap.printed.records import Line, Share
from coopgap.printed.registry import Registry
from coopgap.study.spec import Benchmark, OutsideShares

__all__ = ["outside_lines"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Outside shares of some people, and what part of the comparison they make up."""

    outside: OutsideShares
    part: float


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
        of a simple random sample of it, or of one sample a region; the printed mix of regions is
        taken as exact.
    """
    found = tables(registry)
    for benchmark in benchmarks:
        shares = benchmark.whole or next(iter(benchmark.regions.values()))
        for table in found:
            named = {comparator_of(one) for one in table.groups}
            if set(table.categories) == set(shares.shares) and benchmark.name not in named:
                yield from _table_lines(table, benchmark, _mix(found, benchmark))


def _table_lines(table: Table, benchmark: Benchmark, mix: Mapping[str, float]) -> Iterator[Line]:
    sides: list[tuple[str, list[_Part]]] = []
    if benchmark.whole is not None:
        sides.append((benchmark.name, [_Part(outside=benchmark.whole, part=1.0)]))
    if mix:
        parts = [_Part(outside=benchmark.regions[name], part=mix[name]) for name in mix]
        sides.append((standardised_name(benchmark.name), parts))
    for group in table.groups:
        if not (is_member(group) and is_whole(table, group)):
            continue
        own = group_shares(table, group)
        for name, parts in sides:
            both = own | {(name, one): _share(parts, one, table) for _, one in own}
            levels = table.categories[::-1]
            thresholds = [f">={one}" for one in levels[:-1]] if table.ordered else []
            for category in (*thresholds, *levels):
                yield from category_lines(
                    table, category, [group, name], both, threshold=category.startswith(">=")
                )


def _mix(found: Sequence[Table], benchmark: Benchmark) -> dict[str, float]:
    """Shares of the members by region, where they are printed by the benchmark's names."""
    for table in found:
        if benchmark.regions and set(table.categories) == set(benchmark.regions):
            for group in filter(is_member, table.groups):
                if is_whole(table, group):
                    values = {row.category: row.share for row in table.of(group)}
                    total = sum(values.values())
                    return {name: value / total for name, value in values.items()}
    return {}


def _share(parts: Sequence[_Part], category: str, table: Table) -> Share:
    """The weighted share at a category or threshold, with the size it is worth."""
    threshold = category.startswith(">=")
    names = table.categories
    at = names[names.index(category[2:]) :] if threshold else (category,)
    value = variance = 0.0
    for one in parts:
        shares = one.outside.shares
        share = sum(shares[name] for name in at) / sum(shares.values())
        value += one.part * share
        if one.outside.n is not None:
            variance += one.part**2 * share * (1 - share) / one.outside.n
    sizes = [one.outside.n for one in parts]
    fixed = None in sizes
    size = sum(n for n in sizes if n is not None)
    if variance > 0:
        size = round(value * (1 - value) / variance)
    return Share(value=value, n=None if fixed else size, range=None, fixed=fixed, ids=())
