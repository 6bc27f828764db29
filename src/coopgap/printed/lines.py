"""Lines to be estimated: a share of members, one of somebody else, or both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from coopgap.core.vocabulary import Comparator
from coopgap.datasets.registry import ALL, Printed, Registry
from coopgap.printed.items import (
    Table,
    comparator_of,
    group_of,
    is_distribution,
    is_member,
    is_second,
    label_of,
    slug_of,
    stand_together,
    stem_of,
    tables,
)
from coopgap.printed.records import Line, Ordered, Share
from coopgap.printed.rounding import joint_range


def lines(registry: Registry) -> tuple[Line, ...]:
    """Every line that the registry's numbers give, in its order."""
    found: list[Line] = []
    for table in tables(registry):
        found += _table_lines(table)
    found += _set_beside(registry)
    return tuple(found)


def ordered(registry: Registry) -> tuple[Ordered, ...]:
    """Every pair of distributions over ordered categories."""
    found: list[Ordered] = []
    for table in tables(registry):
        pairs = [one for one in _pairs(table) if all(is_whole(table, side) for side in one)]
        for group, other in pairs if table.ordered else ():
            named = _against(group, other) if len(pairs) > 1 else ""
            found.append(
                Ordered(
                    model=f"printed_{table.slug}{named}",
                    slug=table.slug,
                    outcome=table.outcome,
                    label=table.label,
                    place=table.place,
                    role=table.role,
                    group=group_of(group),
                    comparator=comparator_of(other),
                    levels=table.categories,
                    member=tuple(_share(table, row) for row in table.of(group)),
                    other=tuple(_share(table, row) for row in table.of(other)),
                )
            )
    return tuple(found)


def _against(group: str, other: str) -> str:
    """Ending of a model's name: whom members are set beside, and which members unless all."""
    some = "" if group_of(group) == ALL else f"{slug_of(group)}_"
    return f"_{some}against_{slug_of(comparator_of(other))}"


def _pairs(table: Table) -> Iterator[tuple[str, str]]:
    for group in table.groups:
        if is_member(group):
            yield from (
                (group, other)
                for other in table.groups
                if not is_member(other) and stand_together(group, other)
            )


def is_whole(table: Table, group: str) -> bool:
    """Whether a group's shares are there for every category and share out a whole."""
    rows = table.of(group)
    return len(rows) == len(table.categories) and is_distribution(rows)


def _table_lines(table: Table) -> Iterator[Line]:
    shares = {
        key: share for group in table.groups for key, share in group_shares(table, group).items()
    }
    whole = {group: is_whole(table, group) for group in table.groups}
    levels = table.categories[::-1] if table.ordered else table.categories
    for category in (*table.thresholds, *levels):
        threshold = category in table.thresholds
        there = [
            one
            for one in table.groups
            if (one, category) in shares and (whole[one] or not threshold)
        ]
        yield from category_lines(table, category, there, shares, threshold=threshold)
    if is_second(table.item):
        yield from _staged(table)


def category_lines(
    table: Table,
    category: str,
    groups: Sequence[str],
    shares: dict[tuple[str, str], Share],
    *,
    threshold: bool,
) -> Iterator[Line]:
    """Lines of one category or threshold: members against each other group, or a group alone.

    Parameters
    ----------
    table
        What the lines say of themselves.
    category
        A category of it, or a threshold `>=CATEGORY`.
    groups
        Those with a share there.
    shares
        By group and category.
    threshold
        Whether `category` is one.
    """
    members = [one for one in groups if is_member(one)]
    others = [one for one in groups if not is_member(one)]
    base = Line(
        slug=table.slug,
        outcome=table.outcome,
        label=table.label,
        place=table.place,
        category="" if table.single else category,
        group=ALL,
        comparator="",
        member=None,
        other=None,
        threshold=threshold,
        whole=not is_second(table.item),
        role=table.role,
    )
    for group in members:
        mine = replace(base, group=group_of(group), member=shares[group, category])
        beside = [other for other in others if stand_together(group, other)]
        for other in beside:
            yield replace(
                mine,
                comparator=comparator_of(other),
                other=shares[other, category],
                within=_within(table, group, other, category),
            )
        if not beside:
            yield mine
    for other in others:
        if not any(stand_together(group, other) for group in members):
            yield replace(base, comparator=comparator_of(other), other=shares[other, category])


def _within(table: Table, group: str, other: str, category: str) -> int | None:
    """How far the report says two counts differ at most; None unless it says so of both."""
    rows = [table.cells.get((one, category)) for one in (group, other)]
    said = [row.within for row in rows if row is not None and row.within is not None]
    return max(said) if len(said) == len(rows) else None


def group_shares(table: Table, group: str) -> dict[tuple[str, str], Share]:
    """A group's shares by category, and by threshold where the categories are ordered.

    Where they share out a whole, rounding is bounded jointly: they sum to one, and levels whose
    sum is printed too sum to that. Counts, and percentages that no count gives, have no bounds.
    """
    alone = {row.category: _share(table, row) for row in table.of(group)}
    if not is_whole(table, group):
        return {(group, name): share for name, share in alone.items()}
    ranges = [one.range for one in alone.values()]
    known = [one for one in ranges if one is not None] if None not in ranges else []
    names = list(alone)

    def together(places: Sequence[int]) -> tuple[float, float] | None:
        return joint_range(places, known) if known else None

    found = {
        (group, name): replace(alone[name], range=together([place]) if known else alone[name].range)
        for place, name in enumerate(names)
    }
    for place in range(1, len(names)) if table.thresholds else ():
        parts = [alone[name] for name in names[place:]]
        limits = _within_sums(table, group, place, together(range(place, len(names))))
        found[group, f">={names[place]}"] = _sum(parts, limits)
    return found


def _within_sums(
    table: Table, group: str, place: int, limits: tuple[float, float] | None
) -> tuple[float, float] | None:
    """Bounds of a threshold within those of its levels' printed sum, and of the rest's."""
    above, below = (frozenset(one) for one in (table.categories[place:], table.categories[:place]))
    for levels, turned in ((above, False), (below, True)):
        row = table.sums.get((group, levels))
        printed = None if row is None else row.range
        if printed is None or limits is None:
            continue
        low, high = (1 - printed[1], 1 - printed[0]) if turned else printed
        both = max(limits[0], low), min(limits[1], high)
        # Sums that contradict their parts bound nothing; the contradiction is told elsewhere.
        limits = both if both[0] <= both[1] else limits
    return limits


def _sum(parts: Sequence[Share], limits: tuple[float, float] | None) -> Share:
    return replace(
        parts[0],
        value=sum(one.value for one in parts),
        range=limits,
        ids=tuple(one for part in parts for one in part.ids),
    )


def _share(table: Table, row: Printed) -> Share:
    return Share(
        value=row.share,
        n=row.base,
        range=_limits(table, row),
        fixed=row.base is None and comparator_of(row.group) == Comparator.NATIONAL,
        ids=(row.id, *table.same.get(row.id, ())),
    )


def _limits(table: Table, row: Printed) -> tuple[float, float] | None:
    """What rounding leaves; a second stage's base is rounded too."""
    if row.stat != "percent":
        return None
    if row.id in table.first:
        found = row.after(table.first[row.id])
        return None if found is None else found[0]
    return row.range


def _staged(table: Table) -> Iterator[Line]:
    """Shares of everybody who passed both stages."""
    for category in table.categories:
        both = {}
        for group in table.groups:
            row = table.cells.get((group, category))
            first = None if row is None else table.first.get(row.id)
            if row is None or first is None:
                continue
            found = row.after(first)
            both[group, category] = Share(
                value=first.share * row.share,
                n=first.base,
                range=None if found is None else found[1],
                fixed=False,
                ids=(first.id, row.id),
            )
        everyone = replace(
            table,
            slug=f"{slug_of(stem_of(table.item))}_of_all",
            outcome=f"{slug_of(stem_of(table.item))}_of_all",
            label=f"{label_of(stem_of(table.item))}, of all asked",
            item=stem_of(table.item),
        )
        there = [one for one in table.groups if (one, category) in both]
        yield from category_lines(everyone, category, there, both, threshold=False)


def _set_beside(registry: Registry) -> Iterator[Line]:
    """Numbers that the registry itself sets against another."""
    by_id = {row.id: row for row in registry.rows}
    found = tables(registry)
    made = [(table, row) for table in found for row in table.cells.values()]
    staged = [line for table in found if is_second(table.item) for line in _staged(table)]
    for row in registry.rows:
        if not row.against:
            continue
        target = by_id[row.against]
        table = next(
            table for table, one in made if target.id in (one.id, *table.same.get(one.id, ()))
        )
        other = replace(_share(table, row), fixed=row.base is None)
        alone = Line(
            slug=table.slug,
            outcome=table.outcome,
            label=table.label,
            place=row.place,
            category="" if table.single else target.category,
            group=group_of(target.group),
            comparator=row.item,
            member=_share(table, target),
            other=other,
            whole=not is_second(target.item),
            role=table.role,
        )
        yield alone
        yield from _beside_stages(alone, target, staged)


def _beside_stages(alone: Line, target: Printed, staged: Sequence[Line]) -> Iterator[Line]:
    """The same number beside what two printed stages give of the target."""
    outcome = f"{slug_of(target.item)}_of_all"
    for line in staged:
        same = (line.outcome, line.group) == (outcome, alone.group)
        if same and line.member is not None and line.category in (target.category, alone.category):
            yield replace(line, place=alone.place, comparator=alone.comparator, other=alone.other)
            return
