"""Where a printed report disagrees with itself, found by rule and not by list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from coopgap.core.estimate import DiagnosticRow
from coopgap.core.vocabulary import PRINTED, Diagnostic
from coopgap.datasets.ranges import Range
from coopgap.datasets.registry import ALL, Printed, Registry
from coopgap.printed.items import first_stage, is_member, is_second, overlap, stem_of

type Clash = tuple[float, str]
"""Size of a contradiction on the probability scale, and one sentence."""

_SLACK = 1e-12
# A table whose shares sum to less or more than this much off 100 is a list, not a distribution.
_CLOSE = 15.0
_OPPOSITES = [
    frozenset(pair)
    for pair in (("yes", "no"), ("agree", "disagree"), ("male", "female"), ("men", "women"))
]


def two_values(registry: Registry) -> Iterator[Clash]:
    """One item of one group, printed with two values that no count rounds to both of.

    Under one name, under two, in two stages, or of a part and of the whole it is part of.
    """
    by_item: dict[tuple[str, str, str], list[Printed]] = defaultdict(list)
    for row in registry.rows:
        if row.is_share:
            by_item[row.group, row.item, row.category].append(row)
    for rows in by_item.values():
        low, high = (choose(rows, key=lambda row: row.share) for choose in (min, max))
        if _differ(low, high):
            yield (
                high.share - low.share,
                f"{_named(low)}: {low.value:g} in {low.place}, {high.value:g} in {high.place}",
            )
    yield from _elsewhere(registry)
    yield from _staged(registry)
    for part in registry.rows:
        if part.is_share and not is_second(part.item):
            group = _whole_of(part.group)
            for whole in registry.find(item=part.item, category=part.category, group=group):
                yield from _part(part, whole)


def _differ(row: Printed, other: Printed) -> bool:
    """Whether no share rounds to both numbers."""
    (low1, high1), (low0, high0) = (one.range or (one.share, one.share) for one in (row, other))
    return max(low1, low0) > min(high1, high0) + _SLACK


def _named(row: Printed, *, group: bool = True) -> str:
    what = "" if row.category in ("yes", "agree") else f", {row.category}"
    return f"{row.group}: {row.item}{what}" if group else f"{row.item}{what}"


def _percentages(registry: Registry) -> Iterator[Printed]:
    return (row for row in registry.rows if row.stat == "percent")


def _elsewhere(registry: Registry) -> Iterator[Clash]:
    """Another value under another name, where the registry says that both are of the same."""
    by_id = {row.id: row for row in registry.rows}
    for row in _percentages(registry):
        other = by_id.get(row.same_as)
        if other is not None and _differ(row, other):
            yield (
                abs(other.value - row.value) / 100,
                f"{_named(row)}: {row.value:g} in {row.place}, {other.value:g} in {other.place}, "
                f"there named {_named(other, group=False)}",
            )


def _staged(registry: Registry) -> Iterator[Clash]:
    """A share of all that is printed beside two stages which do not give it."""
    for row in _percentages(registry):
        first = first_stage(registry, row)
        stages = None if first is None else row.after(first)
        if first is None or stages is None:
            continue
        low, high = stages[1]
        stem = stem_of(row.item)
        for other in registry.find(item=stem, group=row.group, category=row.category):
            limits = other.range if other.stat == "percent" else None
            if limits and (limits[1] < low - _SLACK or limits[0] > high + _SLACK):
                yield (
                    abs(other.share - first.share * row.share),
                    f"{_named(other)}: {other.value:g} in {other.place}, but {row.place} prints "
                    f"{first.value:g} and then {row.value:g} of those",
                )


def _whole_of(group: str) -> str:
    """The group that a group is part of; empty where it is part of none that is printed."""
    if group in ("member", "non-member"):
        return ALL
    if group.endswith(" non-members"):
        return "non-member"
    return "member" if is_member(group) else ""


def _part(part: Printed, whole: Printed) -> Iterator[Clash]:
    """People of a part who cannot be among the people of the whole that it is part of."""
    if part.range is None or whole.range is None or part.base is None or whole.base is None:
        return
    if not whole.is_share or part.base > whole.base:
        return
    (low1, high1), (low0, high0) = part.range, whole.range
    # Those with the answer, and those without it, are among those of the whole.
    over = max(low1 * part.base - high0 * whole.base, 0.0)
    under = max((1 - high1) * part.base - (1 - low0) * whole.base, 0.0)
    if max(over, under) > _SLACK * whole.base:
        yield (
            max(over, under) / whole.base,
            f"{_named(part)}: {part.value:g} of {part.base:,} in {part.place}, "
            f"{'more' if over > under else 'fewer'} than {whole.value:g} of {whole.base:,} in "
            f"{whole.place} allow",
        )


def sums(registry: Registry) -> Iterator[Clash]:
    """Shares of all levels that do not sum to 100, and printed sums of levels that do not fit.

    Each share may be off by half of its last digit, and where a base is printed it is a whole
    number of people.
    """
    by_table: dict[tuple[str, str, str], list[Printed]] = defaultdict(list)
    for row in registry.rows:
        if row.is_share:
            by_table[row.place, row.group, row.item].append(row)
    for (place, group, item), rows in by_table.items():
        total = 100 * sum(row.share for row in rows)
        if abs(total - 100) > _CLOSE or not _is_list_of_all(rows) or is_second(item):
            continue
        if not _fit(rows, (1.0, 1.0)):
            yield (
                abs(total - 100) / 100,
                f"{group}: {item}: the shares in {place} sum to {total:.4g}, not to 100"
                + (", unless some answers are not printed" if total < 100 else ""),
            )
    yield from _totals(registry)
    yield from _combined(registry)
    yield from _apart(registry)


def _is_list_of_all(rows: Sequence[Printed]) -> bool:
    """Whether levels may be all there are: three or more apart, or two that are opposites."""
    if overlap(rows):
        return False
    return len(rows) > 2 or frozenset(row.category for row in rows) in _OPPOSITES


def _fit(parts: Sequence[Printed], whole: Range) -> bool:
    """Whether shares behind the parts can sum to something within `whole`."""
    known = [row.range for row in parts if row.range is not None]
    if len(known) < len(parts):
        return True  # no whole number gives one of them: another rule says so
    low, high = (float(sum(side)) for side in zip(*known, strict=True))
    return low <= whole[1] + _SLACK and high >= whole[0] - _SLACK


def _totals(registry: Registry) -> Iterator[Clash]:
    """Counts of groups that do not make up the count of all."""
    by_cell: dict[tuple[str, str, str], list[Printed]] = defaultdict(list)
    for row in registry.rows:
        if row.stat == "count":
            by_cell[row.place, row.item, row.category].append(row)
    for (place, item, category), rows in by_cell.items():
        whole, parts = (
            [row.value for row in rows if (row.group == ALL) is side] for side in (True, False)
        )
        if whole and len(parts) > 1 and sum(parts) != whole[0]:
            yield (
                0.0,
                f"{item}, {category}: the groups in {place} sum to {sum(parts):g}, not to the "
                f"printed {whole[0]:g}",
            )


def _combined(registry: Registry) -> Iterator[Clash]:
    """A printed sum of levels that the levels do not give."""
    for row in _percentages(registry):
        names = row.category.split(" or ")
        rows = [registry.find(item=row.item, group=row.group, category=name) for name in names]
        parts = [printed[0] for printed in rows if printed and printed[0].is_share]
        if len(names) < 2 or len(parts) < len(names) or row.range is None:
            continue
        total = 100 * sum(part.share for part in parts)
        if not _fit(parts, row.range):
            yield (
                abs(total - row.value) / 100,
                f"{row.group}: {row.item}, {row.category}: {row.value:g} in {row.place}, "
                f"but the parts in {parts[0].place} sum to {total:.4g}",
            )


def _apart(registry: Registry) -> Iterator[Clash]:
    """Two shares that nobody can be in at once, and that together are more than everybody."""
    by_id = {row.id: row for row in registry.rows}
    seen = set[frozenset[str]]()
    for row in _percentages(registry):
        other = by_id.get(row.apart_from)
        if other is None or frozenset((row.id, other.id)) in seen:
            continue
        seen.add(frozenset((row.id, other.id)))
        if not _fit([row, other], (0.0, 1.0)):
            total = row.value + other.value
            yield (
                (total - 100) / 100,
                f"{_named(row)}: {row.value:g} in {row.place}, and {_named(other, group=False)}: "
                f"{other.value:g} in {other.place}, sum to {total:g}, though none can be both"
                + (f" ({row.note})" if row.note else ""),
            )


def misnamed(registry: Registry) -> Iterator[Clash]:
    """A number that the text gives to another group, as the registry's column `called` says."""
    for row in registry.rows:
        if row.called and row.called != row.group:
            yield (
                0.0,
                f"{row.item}, {row.category}: the {row.value:g} of the {row.group} in "
                f"{row.place} is called {row.called}s",
            )


def impossible(registry: Registry) -> Iterator[Clash]:
    """Percentages that no whole number of the printed base can give, alone or in two stages."""
    for row in _percentages(registry):
        first = first_stage(registry, row)
        if first is None or first.base is None:
            if row.base is not None and row.range is None:
                yield (
                    0.0,
                    f"{row.group}: {row.item}: no whole number of {row.base} rounds to "
                    f"{row.value:g} in {row.place}",
                )
            continue
        n, what = first.base, f"{row.group}: {row.item}, {row.category}"
        if row.after(first) is None:
            yield (
                0.0,
                f"{what}: no whole numbers of {n} round to {first.value:g} and then "
                f"{row.value:g} in {row.place}",
            )
        if row.base is None or first.range is None:
            continue
        low, high = (end * n for end in first.range)
        if not low - 0.5 <= row.base <= high + 0.5:
            yield (
                abs(row.base / n - first.share),
                f"{what}: of {row.base} in {row.place}, where {first.value:g} of {n} are "
                f"{low:.0f} to {high:.0f}",
            )


RULES: Final[dict[str, Callable[[Registry], Iterator[Clash]]]] = {
    "two_values": two_values,
    "sums": sums,
    "misnamed_comparator": misnamed,
    "impossible_percentage": impossible,
}
"""The rules by name."""


def contradictions(registry: Registry) -> Iterator[DiagnosticRow]:
    """A row for each contradiction."""
    for name, rule in RULES.items():
        for size, sentence in rule(registry):
            yield DiagnosticRow(
                model=PRINTED,
                diagnostic=Diagnostic.CONTRADICTION,
                about=name,
                value=size,
                passed=False,
                note=sentence,
                source=PRINTED,
            )
