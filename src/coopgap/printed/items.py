"""What a registry compares, found by rule: one item, one category, members and somebody else."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from coopgap.datasets.registry import ALL, KNOWN_GROUPS, Printed, Registry

DESIGN, MATCHED_ON = "design", "matched on"
"""Items that say how the sample was made, in their notes, and what the groups were matched on."""
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
    same: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    first: Mapping[str, Printed] = field(default_factory=dict)
    sums: Mapping[tuple[str, frozenset[str]], Printed] = field(default_factory=dict)

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups in the order of the registry."""
        return tuple(dict.fromkeys(group for group, _ in self.cells))

    @property
    def thresholds(self) -> tuple[str, ...]:
        """Cumulative categories, the highest first; none without an order, nor of the sample."""
        asked = self.ordered and self.role != "covariate"
        return tuple(f">={one}" for one in self.categories[:0:-1]) if asked else ()

    def of(self, group: str) -> tuple[Printed, ...]:
        """A group's rows in the order of the categories."""
        return tuple(
            self.cells[group, one] for one in self.categories if (group, one) in self.cells
        )


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


def tables(registry: Registry) -> tuple[Table, ...]:
    """Shares by item and place, each number once.

    Notes
    -----
    What one place prints of a category and another place prints too, group by group with the same
    values, is taken from the place that prints more, or else first. Where places print different
    values of the same, both stay, and their names end in the place.
    """
    rows = [row for row in registry.rows if row.is_share and row.group != ALL and not row.against]
    cells: dict[tuple[str, str, str], dict[str, Printed]] = defaultdict(dict)
    for row in rows:
        cells[row.item, row.category, row.place][row.group] = row
    kept, same = _once(cells, _sizes(rows))
    differ = _differing(cells, kept)
    slugs = _slugs(registry)
    by_table: dict[tuple[str, str], list[Printed]] = defaultdict(list)
    for row in rows:
        if (row.item, row.category, row.place) in kept:
            by_table[row.item, row.place].append(row)
    first = _first_stages(registry)
    found = []
    for (item, _), mine in by_table.items():
        twice = any((item, row.category) in differ for row in mine)
        categories = {row.category for row in rows if row.item == item}
        plain = len(categories) == 1 and categories < _PLAIN
        made = _table(slugs[item], mine, same, named=twice, single=plain)
        sums = {
            (row.group, frozenset(row.category.split(" or "))): row
            for row in rows
            if row.item == item and row.stat == "percent" and " or " in row.category
        }
        found.append(replace(made, first=first, sums=sums))
    return tuple(found)


def _first_stages(registry: Registry) -> dict[str, Printed]:
    stages = ((row, first_stage(registry, row)) for row in registry.rows)
    return {row.id: first for row, first in stages if first is not None and first.base is not None}


def _sizes(rows: Iterable[Printed]) -> dict[tuple[str, str], int]:
    """How many numbers a place prints of an item."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        found[row.item, row.place] += 1
    return found


def _once(
    cells: Mapping[tuple[str, str, str], Mapping[str, Printed]],
    sizes: Mapping[tuple[str, str], int],
) -> tuple[set[tuple[str, str, str]], dict[str, tuple[str, ...]]]:
    """Cells that say something of their own, and ids of those that repeat them."""
    kept = set(cells)
    same: dict[str, tuple[str, ...]] = defaultdict(tuple)
    by_category: dict[tuple[str, str], list[tuple[str, str, str]]] = defaultdict(list)
    for key in cells:
        by_category[key[:2]].append(key)
    for keys in by_category.values():
        order = sorted(keys, key=lambda key: -sizes[key[0], key[2]])
        for place, key in enumerate(order):
            larger = [one for one in order[:place] if one in kept]
            holder = next((one for one in larger if _within(cells[key], cells[one])), None)
            if holder is None:
                continue
            kept.discard(key)
            for group, row in cells[key].items():
                same[cells[holder][group].id] += (row.id,)
    return kept, same


def _within(one: Mapping[str, Printed], other: Mapping[str, Printed]) -> bool:
    return all(
        group in other and (row.value, row.stat) == (other[group].value, other[group].stat)
        for group, row in one.items()
    )


def _differing(
    cells: Mapping[tuple[str, str, str], Mapping[str, Printed]],
    kept: Iterable[tuple[str, str, str]],
) -> set[tuple[str, str]]:
    """Items and categories that places print differently for one group."""
    values: dict[tuple[str, str, str], set[tuple[str, float]]] = defaultdict(set)
    for item, category, place in kept:
        for group, row in cells[item, category, place].items():
            values[item, category, group].add((row.stat, row.value))
    return {key[:2] for key, found in values.items() if len(found) > 1}


def _slugs(registry: Registry) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in registry.rows:
        slug = row.name or slug_of(row.item)
        number = 2
        while slug in [name for item, name in found.items() if item != row.item]:
            slug, number = f"{row.name or slug_of(row.item)}_{number}", number + 1
        found.setdefault(row.item, slug)
    return found


def _table(
    slug: str,
    rows: Sequence[Printed],
    same: Mapping[str, tuple[str, ...]],
    *,
    named: bool,
    single: bool,
) -> Table:
    item, place = rows[0].item, rows[0].place
    ranks = {row.category: row.rank for row in rows}
    ordered = len(ranks) > 1 and None not in ranks.values()
    categories = sorted(ranks, key=lambda one: ranks[one] or 0) if ordered else list(ranks)
    ids = {row.id for row in rows}
    return Table(
        slug=f"{slug}_{slug_of(place)}" if named else slug,
        outcome=slug,
        label=label_of(item) + (f" ({place})" if named else ""),
        item=item,
        place=place,
        role=rows[0].role,
        categories=tuple(categories),
        ordered=ordered,
        single=single,
        cells={(row.group, row.category): row for row in rows},
        same={row: others for row, others in same.items() if row in ids},
    )


def first_stage(registry: Registry, row: Printed) -> Printed | None:
    """The share of which a second stage is a share: the only other of its place and category.

    What the place prints of everybody under the second stage's own name is no first stage.
    """
    if not is_second(row.item):
        return None
    found = [
        one
        for one in registry.rows
        if (one.place, one.group, one.category) == (row.place, row.group, row.category)
        and one.is_share
        and not is_second(one.item)
        and one.item != stem_of(row.item)
    ]
    return found[0] if len(found) == 1 else None


def stem_of(item: str) -> str:
    """A second stage's item without whom it is of."""
    found = _SECOND.match(item)
    return found["stem"] if found else item
