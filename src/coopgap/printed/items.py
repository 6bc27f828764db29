"""What a registry compares, found by rule: one item, one category, members and somebody else."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from coopgap.datasets.registry import ALL, KNOWN_GROUPS, Printed, Registry

DESIGN = "design"
"""The item that says how the sample was made, in its notes."""
_SECOND = re.compile(r"^(?P<stem>.+), of those .+$")
_HALF = 0.5
_PLAIN = {"", "yes", "agree", "cited"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Shares of one item that stand in one place.

    Attributes
    ----------
    slug
        The item's short name; where places print different values, the place's too.
    outcome
        The item's short name alone.
    label
        The item in words.
    categories
        Lowest first where they have an order.
    ordered
        Whether the categories have a declared order.
    single
        Whether the item has one category in the whole registry, which only affirms it and so
        needs no name.
    cells
        By group and category.
    same
        By id of a row: ids of rows elsewhere that print the same.
    first
        By id of a row that is a second stage: the first, where its base is printed.
    sums
        By group and categories: a percentage printed of all of these together, in any place.
    """

    slug: str
    outcome: str
    label: str
    item: str
    place: str
    role: str
    categories: tuple[str, ...]
    ordered: bool
    single: bool
    cells: Mapping[tuple[str, str], Printed]
    same: Mapping[str, tuple[str, ...]]
    first: Mapping[str, Printed]
    sums: Mapping[tuple[str, frozenset[str]], Printed]

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups in the order of the registry."""
        return tuple(dict.fromkeys(group for group, _ in self.cells))

    @property
    def thresholds(self) -> tuple[str, ...]:
        """Cumulative categories, the highest first; none without an order, nor of the sample."""
        cuts = self.categories[:0:-1] if self.ordered and self.role != "covariate" else ()
        return tuple(f">={name}" for name in cuts)

    def of(self, group: str) -> tuple[Printed, ...]:
        """A group's rows in the order of the categories."""
        return tuple(
            self.cells[group, name] for name in self.categories if (group, name) in self.cells
        )

    def is_whole(self, group: str) -> bool:
        """Whether a group's shares are there for every category and share out a whole."""
        rows = self.of(group)
        return len(rows) == len(self.categories) and is_distribution(rows)

    def whole(self, *, members: bool) -> list[str]:
        """Groups of members, or others, whose shares share out a whole."""
        return [one for one in self.groups if is_member(one) is members and self.is_whole(one)]


def is_member(group: str) -> bool:
    """Whether a group are members of the survey, all or some."""
    return group in ("member", "members") or group.endswith((" member", " members"))


def group_of(group: str) -> str:
    """A group of members as the column `group` says it."""
    some = re.sub(r" ?members?$", "", group)
    return f"members={some}" if some else ALL


def comparator_of(group: str) -> str:
    """A group that members are compared with, as the column `comparator` says it."""
    return KNOWN_GROUPS.get(group, group)


def stand_together(group: str, other: str) -> bool:
    """Whether members and others may be compared: women members with women non-members alone."""
    some = other.removesuffix(" non-members")
    return some == other or group_of(group) == f"members={some}"


def is_second(item: str) -> bool:
    """Whether an item is the second of two stages: of those who passed the first."""
    return _SECOND.match(item) is not None


def slug_of(text: str) -> str:
    """Words as a name."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:60].strip("_") or "item"


def name_of(row: Printed) -> str:
    """The short name of a row's item."""
    return row.name or slug_of(row.item)


def label_of(item: str) -> str:
    """An item as the reader meets it."""
    return item[:1].upper() + item[1:]


def is_distribution(rows: Sequence[Printed]) -> bool:
    """Whether rows of one group share out a whole: apart from one another, and summing to it.

    Each of k rounded percentages may be off by half of its last digit.
    """
    if len(rows) < 2 or len({row.stat for row in rows}) > 1 or overlap(rows):
        return False
    total = sum(row.value for row in rows)
    if rows[0].stat == "count":
        return total == rows[0].base
    slack = sum(_HALF * 0.1**row.decimals for row in rows)
    return abs(total - 100) <= slack + 1e-9


def overlap(rows: Iterable[Printed]) -> bool:
    """Whether one row's category is part of another's, as E is of "D or E"."""
    parts = [part for row in rows for part in row.category.split(" or ")]
    return len(parts) != len(set(parts))


def first_stage(registry: Registry, row: Printed) -> Printed | None:
    """The share of which a second stage is a share: the only other of its place and category.

    What the place prints of everybody under the second stage's own name is no first stage.
    """
    if not is_second(row.item):
        return None
    others = [
        other
        for other in registry.rows
        if (other.place, other.group, other.category) == (row.place, row.group, row.category)
        and other.is_share
        and not is_second(other.item)
        and other.item != stem_of(row.item)
    ]
    return others[0] if len(others) == 1 else None


def stem_of(item: str) -> str:
    """A second stage's item without whom it is of."""
    second = _SECOND.match(item)
    return second["stem"] if second else item


def tables(registry: Registry) -> tuple[Table, ...]:
    """Shares by item and place, each number once.

    Notes
    -----
    What one place prints of a category and another place prints too, group by group with the same
    values, is taken from the place that prints more, or else first. Where places print different
    values of the same, both stay, and their names end in the place.
    """
    rows = [row for row in registry.rows if row.is_share and row.group != ALL and not row.against]
    kept, same = _once(rows)
    values: dict[tuple[str, str, str], set[tuple[str, float]]] = defaultdict(set)
    by_table: dict[tuple[str, str], list[Printed]] = defaultdict(list)
    for row in rows:
        if (row.item, row.category, row.place) in kept:
            values[row.item, row.category, row.group].add((row.stat, row.value))
            by_table[row.item, row.place].append(row)
    differ = {key[:2] for key, printed in values.items() if len(printed) > 1}
    slugs = _slugs(registry)
    stages = ((row, first_stage(registry, row)) for row in registry.rows)
    first = {row.id: one for row, one in stages if one is not None and one.base is not None}
    by_item: dict[str, list[Printed]] = defaultdict(list)
    for row in rows:
        by_item[row.item].append(row)
    return tuple(
        _table(
            slugs[item],
            mine,
            by_item[item],
            place if any((item, row.category) in differ for row in mine) else "",
            same,
            first,
        )
        for (item, place), mine in by_table.items()
    )


def _once(
    rows: Iterable[Printed],
) -> tuple[set[tuple[str, str, str]], dict[str, tuple[str, ...]]]:
    """Items, categories and places that say something of their own, and ids of their repeats."""
    cells: dict[tuple[str, str, str], dict[str, Printed]] = defaultdict(dict)
    sizes: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        cells[row.item, row.category, row.place][row.group] = row
        sizes[row.item, row.place] += 1
    by_category: dict[tuple[str, str], list[str]] = defaultdict(list)
    for item, category, place in cells:
        by_category[item, category].append(place)
    kept, same = set(cells), defaultdict[str, tuple[str, ...]](tuple)
    for (item, category), places in by_category.items():
        holders: list[dict[str, Printed]] = []
        for place in sorted(places, key=lambda place: -sizes[item, place]):
            cell = cells[item, category, place]
            holder = next((other for other in holders if _within(cell, other)), None)
            if holder is None:
                holders.append(cell)
                continue
            kept.discard((item, category, place))
            for group, row in cell.items():
                same[holder[group].id] += (row.id,)
    return kept, same


def _within(cell: Mapping[str, Printed], other: Mapping[str, Printed]) -> bool:
    return all(
        group in other and (row.value, row.stat) == (other[group].value, other[group].stat)
        for group, row in cell.items()
    )


def _slugs(registry: Registry) -> dict[str, str]:
    slugs: dict[str, str] = {}
    for row in registry.rows:
        if row.item not in slugs:
            base = slug = name_of(row)
            number = 2
            while slug in slugs.values():
                slug, number = f"{base}_{number}", number + 1
            slugs[row.item] = slug
    return slugs


def _table(
    slug: str,
    rows: Sequence[Printed],
    of_item: Sequence[Printed],
    place: str,
    same: Mapping[str, tuple[str, ...]],
    first: Mapping[str, Printed],
) -> Table:
    """One table; `place` where places print different values of the same."""
    ranks = {row.category: row.rank for row in rows}
    ordered = len(ranks) > 1 and None not in ranks.values()
    names = {row.category for row in of_item}
    return Table(
        slug=f"{slug}_{slug_of(place)}" if place else slug,
        outcome=slug,
        label=label_of(rows[0].item) + (f" ({place})" if place else ""),
        item=rows[0].item,
        place=rows[0].place,
        role=rows[0].role,
        categories=tuple(sorted(ranks, key=lambda name: ranks[name] or 0) if ordered else ranks),
        ordered=ordered,
        single=len(names) == 1 and names < _PLAIN,
        cells={(row.group, row.category): row for row in rows},
        same={row.id: same[row.id] for row in rows if row.id in same},
        first=first,
        sums={
            (row.group, frozenset(row.category.split(" or "))): row
            for row in of_item
            if row.stat == "percent" and " or " in row.category
        },
    )
