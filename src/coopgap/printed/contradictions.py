"""Where the printed report disagrees with itself, found by rule and not by list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from coopgap.estimate import DiagnosticRow
from coopgap.printed.registry import Printed, Registry
from coopgap.printed.rounding import count_range
from coopgap.vocabulary import PRINTED

__all__ = ["RULES", "contradictions", "impossible", "misnamed", "sums", "two_values"]

type Found = tuple[float, str]
"""Size of a contradiction on the probability scale, and one sentence."""

_HALVES = 0.5
# A table whose shares sum to less or more than this much off 100 is a list, not a distribution.
_CLOSE = 15.0


def two_values(registry: Registry) -> Iterator[Found]:
    """One item of one group, printed with two values."""
    places: dict[tuple[str, str, str], list[Printed]] = defaultdict(list)
    for row in _percentages(registry):
        places[row.group, row.item, row.category].append(row)
    for (group, item, category), rows in places.items():
        values = {row.value for row in rows}
        if len(values) > 1:
            low, high = min(rows, key=_value), max(rows, key=_value)
            what = f"{item}, {category}" if category not in ("yes", "agree") else item
            yield (
                high.share - low.share,
                f"{group}: {what}: {low.value:g} in {low.place}, {high.value:g} in {high.place}",
            )


def sums(registry: Registry) -> Iterator[Found]:
    """Shares of all levels that do not sum to 100, and printed sums of levels that do not fit.

    Each of k rounded shares may be off by half a point, so a sum may be off by k halves.
    """
    tables: dict[tuple[str, str, str], list[Printed]] = defaultdict(list)
    for row in _percentages(registry):
        tables[row.place, row.group, row.item].append(row)
    for (place, group, item), rows in tables.items():
        total = sum(row.value for row in rows)
        if len(rows) < 3 or abs(total - 100) > _CLOSE or _overlap(rows):
            continue
        if abs(total - 100) > _HALVES * len(rows):
            yield (
                abs(total - 100) / 100,
                f"{group}: {item}: the shares in {place} sum to {total:g}, not to 100",
            )
    yield from _combined(registry)


def _overlap(rows: list[Printed]) -> bool:
    """Whether one row's category is part of another's, as E is of "D or E"."""
    parts = [part for row in rows for part in row.category.split(" or ")]
    return len(parts) != len(set(parts))


def _combined(registry: Registry) -> Iterator[Found]:
    for row in _percentages(registry):
        parts = row.category.split(" or ")
        if len(parts) < 2:
            continue
        values = [registry.find(item=row.item, group=row.group, category=part) for part in parts]
        if not all(values):
            continue
        total = sum(found[0].value for found in values)
        if abs(total - row.value) > _HALVES * (len(parts) + 1):
            yield (
                abs(total - row.value) / 100,
                f"{row.group}: {row.item}, {row.category}: {row.value:g} in {row.place}, "
                f"but the parts in {values[0][0].place} sum to {total:g}",
            )


def misnamed(registry: Registry) -> Iterator[Found]:
    """A comparator that the text calls by another group's name, by the registry's note."""
    groups = {row.group for row in registry.rows}
    for row in registry.rows:
        called = [name for name in sorted(groups) if f"'{name}s'" in row.note]
        for name in called:
            if name != row.group:
                yield (
                    0.0,
                    f"{row.item}, {row.category}: the {row.value:g} of the {row.group} in "
                    f"{row.place} is called {name}s",
                )


def impossible(registry: Registry) -> Iterator[Found]:
    """Percentages that no whole number of the printed base can give."""
    for row in _percentages(registry):
        if row.base is not None and count_range(row.value, row.base) is None:
            yield (
                0.0,
                f"{row.group}: {row.item}: no whole number of {row.base} rounds to "
                f"{row.value:g} in {row.place}",
            )


def _percentages(registry: Registry) -> Iterable[Printed]:
    return (row for row in registry.rows if row.stat == "percent")


def _value(row: Printed) -> float:
    return row.value


RULES: Final[dict[str, Callable[[Registry], Iterator[Found]]]] = {
    "two values": two_values,
    "sums": sums,
    "misnamed comparator": misnamed,
    "impossible percentage": impossible,
}
"""The rules by name."""


def contradictions(registry: Registry) -> Iterator[DiagnosticRow]:
    """A row for each contradiction."""
    for rule in RULES.values():
        for size, sentence in rule(registry):
            yield DiagnosticRow(
                model=PRINTED,
                diagnostic="contradiction",
                value=size,
                passed=False,
                note=sentence,
                source=PRINTED,
            )
