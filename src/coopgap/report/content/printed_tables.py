"""Tables of printed comparisons, for the opening section and for the printed report."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.report.content.printed_items import (
    Entry,
    compared_with,
    entry_label,
    estimate_text,
    gap_cells,
    interval_text,
    item_label,
    limits_text,
    ratios,
    share_text,
    who,
)
from coopgap.report.document import Block, Paragraph, Table
from coopgap.report.values import count, interval_name, percent, quantity_words
from coopgap.report.view import View
from coopgap.report.words import capital, category_words
from coopgap.vocabulary import Comparator, Quantity

__all__ = ["MARK", "gap_table", "level_blocks", "ratio_table", "standing_text"]

MARK = "printed numbers"
_NATIONAL = (
    "The national average holds members too, and people of all regions in another mix than the "
    "members': it is not a group of non-members. Intervals take it as exact."
)


def gap_table(view: View, found: Sequence[Entry], caption: str, notes: Sequence[str] = ()) -> Table:
    """A line a comparison: both shares, the gap, its interval, what rounding leaves."""
    comparators = [*dict.fromkeys(entry.comparator for entry in found)]
    several = len(comparators) > 1
    others = "Others" if several else capital(compared_with(comparators[0]))
    based = not several or any(entry.gap and entry.gap.n_comparison for entry in found)
    lines = [
        (
            _named(view, entry),
            *((compared_with(entry.comparator),) if several else ()),
            share_text(entry.own),
            share_text(entry.other),
            *gap_cells(entry),
            count(entry.gap.n_member if entry.gap else None),
            *((count(entry.gap.n_comparison if entry.gap else None),) if based else ()),
        )
        for entry in found
    ]
    return Table(
        caption=caption,
        header=(
            "Item",
            *(("Compared with",) if several else ()),
            "Members",
            others,
            "Gap, points",
            interval_text(found),
            "Rounding bounds",
            "Members asked",
            *((f"{others} asked",) if based else ()),
        ),
        rows=tuple(lines),
        leading=1 + several,
        notes=tuple(notes),
        mark=MARK,
    )


def _named(view: View, entry: Entry) -> str:
    """The item, and which members where it is not all."""
    label = entry_label(view, entry)
    return label if entry.group == "all" else f"{label}, {who(entry.group)}"


def ratio_table(view: View, found: Sequence[Entry], caption: str) -> list[Block]:
    """The same comparisons as ratios, each with what rounding leaves."""
    shown = ratios(found)
    if not shown:
        return []
    heads = [head for name in shown for head in (capital(quantity_words(name)), "Rounding bounds")]
    lines = [
        (
            _named(view, entry),
            *(
                cell
                for name in shown
                for cell in (
                    estimate_text(entry.rows.get(name)),
                    limits_text(entry.bounds.get(name)),
                )
            ),
        )
        for entry in found
    ]
    table = Table(
        caption=caption,
        header=("Item", *heads),
        rows=tuple(lines),
        notes=_brackets(found),
        mark=MARK,
    )
    return [table]


def _brackets(found: Sequence[Entry]) -> tuple[str, ...]:
    """What stands in brackets, if anything does."""
    some = any(row.interval_kind for entry in found for row in entry.rows.values())
    return (f"In brackets: {interval_text(found)}.",) if some else ()


def _the(other: str) -> str:
    """With its article, unless it is a name."""
    return other if other[:1].isupper() else f"the {other}"


def level_blocks(view: View, found: Sequence[Entry]) -> list[Block]:
    """Level by level, then threshold by threshold, then where a member stands."""
    first = found[0]
    other, levels = compared_with(first.comparator), view.levels(first.outcome)
    label = item_label(view, first.name, first.outcome)
    by_level = [entry for entry in found if not entry.is_threshold]
    said = standing_text(view, first)
    table = Table(
        caption=f"{label}: members against {_the(other)}",
        header=(
            "Level",
            "Members",
            capital(other),
            "Gap, points",
            interval_text(found),
            "Rounding bounds",
        ),
        rows=tuple(
            (
                category_words(entry.category, levels),
                share_text(entry.own),
                share_text(entry.other),
                *gap_cells(entry),
            )
            for entry in by_level
        ),
        notes=(_NATIONAL,) if first.comparator == Comparator.NATIONAL else (),
        mark=MARK,
    )
    return [table, *_thresholds(view, found, label), *([Paragraph(text=said)] if said else [])]


def _thresholds(view: View, found: Sequence[Entry], label: str) -> list[Block]:
    cuts = [entry for entry in found if entry.is_threshold]
    if not cuts:
        return []
    shown = ratios(cuts)
    levels = view.levels(cuts[0].outcome)
    table = Table(
        caption=f"{label}: gap at each threshold",
        header=("At", "Gap, points", *(capital(quantity_words(name)) for name in shown)),
        rows=tuple(
            (
                category_words(entry.category, levels),
                estimate_text(entry.gap),
                *(estimate_text(entry.rows.get(name)) for name in shown),
            )
            for entry in cuts
        ),
        notes=_brackets(found),
        mark=MARK,
    )
    return [table]


def standing_text(view: View, first: Entry) -> str:
    """The chance that a member stands higher than one of those beside them; empty without any."""
    rows = [
        row
        for row in view.printed
        if row.quantity == Quantity.SUPERIORITY
        and (row.outcome, row.group, row.comparator)
        == (first.outcome, first.group, first.comparator)
        and row.estimate is not None
    ]
    if not rows:
        return ""
    row, bounds = rows[0], [one for one in rows[1:] if one.model.endswith("_rounding")]
    parts = []
    if row.interval_kind:
        parts.append(f"{interval_name(row.interval_prob, row.interval_kind)} {limits_text(row)}")
    parts += [f"rounding leaves {limits_text(bounds[0])}"] if bounds else []
    within = f" ({'; '.join(parts)})" if parts else ""
    return (
        "A member drawn at random stands higher than a person drawn from the "
        f"{compared_with(first.comparator)} with probability {percent(row.estimate)}{within}, ties "
        f"counted as half; {percent(0.5)} would be no gap."
    )
