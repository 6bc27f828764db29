"""Lines to be estimated: a share of members, one of somebody else, or both.

A line sets members beside others that the registry prints, beside what it declares itself, or
beside outside shares that a study declares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.vocabulary import Comparator
from coopgap.datasets.ranges import Range
from coopgap.datasets.registry import ALL, Printed, Registry
from coopgap.families.benchmark import standardised_name
from coopgap.printed.items import (
    Table,
    comparator_of,
    group_of,
    is_member,
    is_second,
    label_of,
    slug_of,
    stand_together,
    stem_of,
    tables,
)
from coopgap.printed.rounding import joint_range, mixed_range
from coopgap.study.spec import Benchmark, OutsideShares


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One group's share with what is known of it.

    Attributes
    ----------
    value
        As printed, on the probability scale; a sum or product of printed shares where it is one.
    n
        People asked; None where no base is printed.
    range
        Lowest and highest share that rounding allows; None where nothing is rounded, or where no
        whole number of the base gives the percentage.
    fixed
        Taken as exact: shares of a population that no sample of this report is behind.
    ids
        Of the printed numbers.
    """

    value: float
    n: int | None
    range: Range | None
    fixed: bool
    ids: tuple[str, ...]

    @property
    def people(self) -> float:
        """People behind it: infinitely many where it is taken as exact, NaN where not known."""
        if self.n is not None:
            return float(self.n)
        return np.inf if self.fixed else np.nan

    @property
    def ends(self) -> Range:
        """What rounding allows; the value alone where nothing is rounded."""
        return self.range or (self.value, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of a comparison, before it is estimated.

    Attributes
    ----------
    slug, outcome, label
        The item's short name, with the place's where places differ; without it; the item in words.
    category
        A level, a threshold, or empty.
    group, comparator
        As in gaps.csv; the comparator is empty without one.
    threshold
        Whether it is a cumulative share of ordered categories.
    whole
        Whether it is a share of everybody asked, not of some of them.
    role
        `covariate` or empty.
    within
        People by which the two counts differ at most, where the report says so.
    """

    slug: str
    outcome: str
    label: str
    place: str
    category: str = ""
    group: str = ALL
    comparator: str = ""
    member: Share | None = None
    other: Share | None = None
    threshold: bool = False
    whole: bool = True
    role: str = ""
    within: int | None = None

    @property
    def sides(self) -> tuple[float, float, float, float]:
        """Share and people of the members, then of the others; NaN where there is no share."""
        member, other = (
            (np.nan, np.nan) if side is None else (side.value, side.people)
            for side in (self.member, self.other)
        )
        return *member, *other

    @property
    def is_used(self) -> bool:
        """Whether it has rows: two shares, or one whose base is printed."""
        if self.member is not None and self.other is not None:
            return True
        side = self.member or self.other
        return side is not None and side.n is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """Members and a comparator over the same ordered categories, lowest first.

    Attributes
    ----------
    model
        Of its coefficients: the item's, with the comparator where members stand beside several.
    line
        What both say of themselves, with the shares of the lowest category.
    """

    model: str
    line: Line
    levels: tuple[str, ...]
    member: tuple[Share, ...]
    other: tuple[Share, ...]

    def shares(self) -> tuple[FloatArray, FloatArray]:
        """Printed shares of both, scaled to sum to one."""
        sides = (np.array([part.value for part in side]) for side in (self.member, self.other))
        member, other = (side / side.sum() for side in sides)
        return member, other


def lines(registry: Registry) -> tuple[Line, ...]:
    """Every line that the registry's numbers give, in its order."""
    found = tables(registry)
    return (*(line for table in found for line in _table_lines(table)), *_declared(registry, found))


def ordered(registry: Registry) -> Iterator[Ordered]:
    """Every pair of distributions over ordered categories."""
    for table in tables(registry):
        pairs = [
            (group, other)
            for group in table.whole(members=True)
            for other in table.whole(members=False)
            if stand_together(group, other)
        ]
        for group, other in pairs if table.ordered else ():
            member, others = (
                tuple(_share(table, row) for row in table.of(side)) for side in (group, other)
            )
            line = replace(
                _blank(table),
                group=group_of(group),
                comparator=comparator_of(other),
                member=member[0],
                other=others[0],
            )
            named = ""
            if len(pairs) > 1:
                some = "" if line.group == ALL else f"{slug_of(group)}_"
                named = f"_{some}against_{slug_of(line.comparator)}"
            yield Ordered(
                model=f"printed_{table.slug}{named}",
                line=line,
                levels=table.categories,
                member=member,
                other=others,
            )


def _blank(table: Table) -> Line:
    """A line of a table without shares."""
    return Line(
        slug=table.slug,
        outcome=table.outcome,
        label=table.label,
        place=table.place,
        whole=not is_second(table.item),
        role=table.role,
    )


def _table_lines(table: Table) -> Iterator[Line]:
    shares = {
        key: share for group in table.groups for key, share in _group_shares(table, group).items()
    }
    yield from _category_lines(table, table.groups, shares)
    if is_second(table.item):
        yield from _staged(table)


def _category_lines(
    table: Table, groups: Sequence[str], shares: Mapping[tuple[str, str], Share]
) -> Iterator[Line]:
    """By threshold and category: members against each other group, or a group alone."""
    levels = table.categories[::-1] if table.ordered else table.categories
    for category in (*table.thresholds, *levels):
        base = replace(
            _blank(table),
            category="" if table.single else category,
            threshold=category in table.thresholds,
        )
        there = [group for group in groups if (group, category) in shares]
        members, others = ([g for g in there if is_member(g) is side] for side in (True, False))
        for group in members:
            own = replace(base, group=group_of(group), member=shares[group, category])
            beside = [other for other in others if stand_together(group, other)]
            for other in beside:
                yield replace(
                    own,
                    comparator=comparator_of(other),
                    other=shares[other, category],
                    within=_within(table, group, other, category),
                )
            if not beside:
                yield own
        for other in others:
            if not any(stand_together(group, other) for group in members):
                yield replace(base, comparator=comparator_of(other), other=shares[other, category])


def _within(table: Table, group: str, other: str, category: str) -> int | None:
    """How far the report says two counts differ at most; None unless it says so of both."""
    rows = [table.cells.get((side, category)) for side in (group, other)]
    most = [row.within for row in rows if row is not None and row.within is not None]
    return max(most) if len(most) == len(rows) else None


def _group_shares(table: Table, group: str) -> dict[tuple[str, str], Share]:
    """A group's shares by category, and by threshold where the categories are ordered.

    Where they share out a whole, rounding is bounded jointly: they sum to one, and levels whose
    sum is printed too sum to that. Counts, and percentages that no count gives, have no bounds.
    """
    parts = {row.category: _share(table, row) for row in table.of(group)}
    if not table.is_whole(group):
        return {(group, name): share for name, share in parts.items()}
    ranges = [part.range for part in parts.values() if part.range is not None]
    names, bounded = list(parts), len(ranges) == len(parts)
    shares = {}
    for place, name in enumerate(names):
        limits = joint_range([place], ranges) if bounded else parts[name].range
        shares[group, name] = replace(parts[name], range=limits)
    for place in range(1, len(names)) if table.thresholds else ():
        upper = [parts[name] for name in names[place:]]
        limits = joint_range(range(place, len(names)), ranges) if bounded else None
        shares[group, f">={names[place]}"] = replace(
            upper[0],
            # Where nobody stands below, rounding may leave the sum beside 1.
            value=round(sum(part.value for part in upper), 15),
            range=_within_sums(table, group, place, limits),
            ids=tuple(name for part in upper for name in part.ids),
        )
    return shares


def _within_sums(table: Table, group: str, place: int, limits: Range | None) -> Range | None:
    """Bounds of a threshold within those of its levels' printed sum, and of the rest's."""
    for turned in (False, True):
        levels = table.categories[:place] if turned else table.categories[place:]
        row = table.sums.get((group, frozenset(levels)))
        printed = None if row is None else row.range
        if printed is None or limits is None:
            continue
        low, high = (1 - printed[1], 1 - printed[0]) if turned else printed
        both = max(limits[0], low), min(limits[1], high)
        # Sums that contradict their parts bound nothing; the contradiction is told elsewhere.
        limits = both if both[0] <= both[1] else limits
    return limits


def _share(table: Table, row: Printed) -> Share:
    limits = row.range
    if row.id in table.first:  # a second stage's base is rounded too
        stages = row.after(table.first[row.id])
        limits = None if stages is None else stages[0]
    return Share(
        value=row.share,
        n=row.base,
        range=limits if row.stat == "percent" else None,
        fixed=row.base is None and comparator_of(row.group) == Comparator.NATIONAL,
        ids=(row.id, *table.same.get(row.id, ())),
    )


def _staged(table: Table) -> Iterator[Line]:
    """Shares of everybody who passed both stages."""
    both = {}
    for key, row in table.cells.items():
        first = table.first.get(row.id)
        if first is not None:
            stages = row.after(first)
            both[key] = Share(
                value=first.share * row.share,
                n=first.base,
                range=None if stages is None else stages[1],
                fixed=False,
                ids=(first.id, row.id),
            )
    stem = stem_of(table.item)
    name = f"{slug_of(stem)}_of_all"
    everyone = replace(
        table,
        slug=name,
        outcome=name,
        label=f"{label_of(stem)}, of all asked",
        item=stem,
        ordered=False,
    )
    yield from _category_lines(everyone, table.groups, both)


def _declared(registry: Registry, found: Sequence[Table]) -> Iterator[Line]:
    """Numbers that the registry itself sets against another."""
    by_id = {row.id: row for row in registry.rows}
    staged = [line for table in found if is_second(table.item) for line in _staged(table)]
    for row in registry.rows:
        if not row.against:
            continue
        target = by_id[row.against]
        table = next(
            table
            for table in found
            for cell in table.cells.values()
            if target.id in (cell.id, *table.same.get(cell.id, ()))
        )
        line = replace(
            _blank(table),
            place=row.place,
            category="" if table.single else target.category,
            group=group_of(target.group),
            comparator=row.item,
            member=_share(table, target),
            other=replace(_share(table, row), fixed=row.base is None),
        )
        yield line
        # The same number beside what two printed stages give of the target.
        outcome, names = f"{slug_of(target.item)}_of_all", (target.category, line.category)
        for stage in staged:
            same = (stage.outcome, stage.group) == (outcome, line.group)
            if same and stage.member is not None and stage.category in names:
                yield replace(stage, place=line.place, comparator=line.comparator, other=line.other)
                break


# Outside shares that a study declares


class _Part(NamedTuple):
    """Outside shares of some people, and what part of the comparison they make up."""

    outside: OutsideShares
    weight: float = 1.0
    printed: Printed | None = None


def outside_lines(registry: Registry, benchmarks: Sequence[Benchmark]) -> Iterator[Line]:
    """Lines of members against outside shares, where a printed item has their levels.

    Against everybody, and against the regions' shares weighted as the registry's members live
    where it prints their regions by the same names. Outside shares with a size have the error of a
    simple random sample of it, or of one sample a region; bounds run over every mix of regions
    that prints the same.
    """
    found = tables(registry)
    for benchmark in benchmarks:
        shares = benchmark.whole or next(iter(benchmark.regions.values()))
        sides = list(_outside_sides(benchmark, found))
        for table in found:
            named = {comparator_of(group) for group in table.groups}
            if set(table.categories) != set(shares.shares) or benchmark.name in named:
                continue
            for group in table.whole(members=True):
                own = _group_shares(table, group)
                for name, parts in sides:
                    other = {(name, at): _outside(parts, at, table) for _, at in own}
                    yield from _category_lines(table, [group, name], own | other)


def _outside_sides(
    benchmark: Benchmark, found: Sequence[Table]
) -> Iterator[tuple[str, list[_Part]]]:
    """By comparator, what makes it up: everybody, and the regions as the members live in them."""
    if benchmark.whole is not None:
        yield benchmark.name, [_Part(benchmark.whole)]
    regions = benchmark.regions
    for table in found if regions else ():
        groups = table.whole(members=True)
        if groups and set(table.categories) == set(regions):
            rows = table.of(groups[0])
            total = sum(row.share for row in rows)
            parts = [_Part(regions[row.category], row.share / total, row) for row in rows]
            yield standardised_name(benchmark.name), parts
            return


def _outside(parts: Sequence[_Part], category: str, table: Table) -> Share:
    """The weighted share at a category or threshold, with the size it is worth."""
    names = table.categories
    threshold = category.startswith(">=")
    levels = names[names.index(category[2:]) :] if threshold else (category,)
    shares = [
        sum(part.outside.shares[name] for name in levels) / sum(part.outside.shares.values())
        for part in parts
    ]
    value = sum(part.weight * share for part, share in zip(parts, shares, strict=True))
    sizes = [part.outside.size for part in parts if part.outside.size is not None]
    fixed, size = len(sizes) < len(parts), sum(sizes)
    if not fixed:
        variance = sum(
            part.weight**2 * share * (1 - share) / n
            for part, share, n in zip(parts, shares, sizes, strict=True)
        )
        size = value * (1 - value) / variance if variance > 0 else size
    rows = [part.printed for part in parts if part.printed is not None]
    ranges = [row.range for row in rows if row.range is not None and row.stat == "percent"]
    return Share(
        value=value,
        n=None if fixed else max(round(size), 1),
        range=mixed_range(shares, ranges) if ranges and len(ranges) == len(rows) else None,
        fixed=fixed,
        ids=tuple(row.id for row in rows),
    )
