"""The printed numbers, re-analysed: real, and kept apart from whatever the survey is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coopgap.estimate import DiagnosticRow, GapRow
from coopgap.report.content.printed_items import (
    Item,
    comparator_of,
    estimate_text,
    found_at,
    gap_texts,
    grouped,
    interval_text,
    item_label,
    item_name,
    limits_text,
    own_levels,
    share_text,
)
from coopgap.report.document import Block, Items, Paragraph, Section, Table
from coopgap.report.values import (
    DASH,
    count,
    estimate_words,
    interval_name,
    number,
    percent,
    quantity_words,
)
from coopgap.report.view import View
from coopgap.report.words import (
    category_words,
    clean,
    comparator_words,
    group_words,
    once,
    readable,
)
from coopgap.vocabulary import Quantity

__all__ = ["printed_section"]

_MARK = "printed numbers"
_RATIOS = (Quantity.RISK_RATIO, Quantity.ODDS_RATIO, Quantity.CUMULATIVE_ODDS_RATIO)

_INTRODUCTION = (
    "These are the numbers the published report prints, with the uncertainty that its sample sizes "
    "imply. Nothing here comes from a survey file. Intervals treat people as drawn independently, "
    "so they are narrower than the truth where answers cluster in zones. Rounding bounds say how "
    "far a gap could move if every printed share were exact before it was rounded. A quota sample "
    "has no formal margin of error: the intervals rest on a model. Every gap is an association."
)
_NATIONAL = (
    "The national average holds members too, and people of all regions in another mix than the "
    "members': it is not a group of non-members. Intervals take it as exact."
)


def printed_section(view: View) -> Section | None:
    """Printed gaps with intervals and rounding bounds; None where nothing printed was read."""
    if not view.printed and not view.printed_diagnostics:
        return None
    items, rest = grouped(view.printed)
    two = {key: item for key, item in items.items() if not own_levels(item)}
    blocks: list[Block] = [Paragraph(text=_INTRODUCTION)]
    if two:
        blocks += [_gap_table(view, two)]
    for key, item in items.items():
        blocks += _classes(view, key, item) if own_levels(item) else []
    if two:
        blocks += _ratio_table(view, two)
    blocks += [_rest_table(view, rest)] if rest else []
    blocks += _implied(view.printed_diagnostics)
    blocks += _contradictions(view.printed_diagnostics)
    return Section(
        title="What the printed report holds",
        anchor="printed",
        blocks=tuple(blocks),
        tone="printed",
    )


def _gap_table(view: View, items: Mapping[tuple[str, str], Item]) -> Table:
    comparators = list(dict.fromkeys(comparator_of(item) for item in items.values()))
    several = len(comparators) > 1
    first = next(iter(items.values()))
    lines = []
    for key, item in items.items():
        gap = found_at(item, Quantity.RISK_DIFFERENCE)
        lines.append(
            (
                item_label(view, key),
                *((comparator_words(comparator_of(item)),) if several else ()),
                share_text(found_at(item, Quantity.SHARE, own=True)),
                share_text(found_at(item, Quantity.SHARE)),
                *gap_texts(item),
                count(gap.n_member if gap else None),
                count(gap.n_comparison if gap else None),
            )
        )
    against = "" if several else f": members against {comparator_words(comparators[0])}"
    return Table(
        caption=f"Printed gaps{against}",
        header=(
            "Item",
            *(("Compared with",) if several else ()),
            "Members",
            "Others",
            "Gap, points",
            interval_text(first),
            "Rounding bounds",
            "Members asked",
            "Others asked",
        ),
        rows=tuple(lines),
        leading=2 if several else 1,
        mark=_MARK,
    )


def _classes(view: View, key: tuple[str, str], item: Item) -> list[Block]:
    """Level by level, then threshold by threshold."""
    levels = view.levels(key[1])
    other = comparator_words(comparator_of(item))
    national = comparator_of(item) == "national"
    by_level = Table(
        caption=f"{item_label(view, key)}: members against the {other}",
        header=(
            "Level",
            "Members",
            other.capitalize(),
            "Gap, points",
            interval_text(item),
            "Rounding bounds",
        ),
        rows=tuple(
            (
                category_words(level, levels),
                share_text(found_at(item, Quantity.SHARE, level, own=True)),
                share_text(found_at(item, Quantity.SHARE, level)),
                *gap_texts(item, level),
            )
            for level in own_levels(item)
        ),
        notes=(_NATIONAL,) if national else (),
        mark=_MARK,
    )
    blocks: list[Block] = [by_level, *_thresholds(view, key, item)]
    stands = found_at(item, Quantity.SUPERIORITY)
    if stands is not None and stands.estimate is not None:
        text = (
            "A member drawn at random stands higher than a person drawn from the "
            f"{other} with probability {percent(stands.estimate)} ({interval_text(item)} "
            f"{limits_text(stands)}), ties counted as half; {percent(0.5)} would be no gap."
        )
        blocks.append(Paragraph(text=text))
    return blocks


def _thresholds(view: View, key: tuple[str, str], item: Item) -> list[Block]:
    thresholds = [
        k[3]
        for k in item
        if k[0] == Quantity.RISK_DIFFERENCE and not k[1] and k[3].startswith(">=")
    ]
    if not thresholds:
        return []
    shown = [name for name in _RATIOS if any(k[0] == name and not k[1] for k in item)]
    table = Table(
        caption=f"{item_label(view, key)}: gap at each threshold",
        header=("At", "Gap, points", *(_capital(quantity_words(name)) for name in shown)),
        rows=tuple(
            (
                category_words(at, view.levels(key[1])),
                estimate_text(found_at(item, Quantity.RISK_DIFFERENCE, at)),
                *(estimate_text(found_at(item, name, at)) for name in shown),
            )
            for at in thresholds
        ),
        notes=(f"In brackets: {interval_text(item)}.",),
        mark=_MARK,
    )
    return [table]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _ratio_table(view: View, items: Mapping[tuple[str, str], Item]) -> list[Block]:
    shown = [
        name for name in _RATIOS if any(found_at(item, name) is not None for item in items.values())
    ]
    if not shown:
        return []
    first = next(iter(items.values()))
    heads = [head for name in shown for head in (_capital(quantity_words(name)), "Rounding bounds")]
    lines = [
        (
            item_label(view, key),
            *(
                cell
                for name in shown
                for cell in (
                    estimate_text(found_at(item, name)),
                    limits_text(found_at(item, name, rounding=True)),
                )
            ),
        )
        for key, item in items.items()
    ]
    table = Table(
        caption="The same gaps as ratios",
        header=("Item", *heads),
        rows=tuple(lines),
        notes=(f"In brackets: {interval_text(first)}.",),
        mark=_MARK,
        brief=False,
    )
    return [table]


def _rest_table(view: View, rows: Sequence[GapRow]) -> Table:
    lines = [
        (
            item_label(view, (item_name(row.model), row.outcome)),
            comparator_words(row.comparator),
            group_words(row.group),
            quantity_words(row.quantity),
            category_words(row.category, view.levels(row.outcome)) or DASH,
            estimate_words(row.quantity, row.estimate, row.lower, row.upper, row.status),
            interval_name(row.interval_prob, row.interval_kind) if row.interval_kind else DASH,
        )
        for row in rows
    ]
    return Table(
        caption="What else was computed from the printed numbers",
        header=("Item", "Compared with", "Who", "What", "At", "Estimate and limits", "Limits are"),
        rows=once(lines),
        leading=5,
        trailing=1,
        mark=_MARK,
        brief=False,
    )


def _implied(rows: Sequence[DiagnosticRow]) -> list[Block]:
    """What the printed margins alone imply: one line a note, lower and upper ends together."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if not row.diagnostic.startswith("contradiction"):
            note = clean(row.note) or readable(row.diagnostic)
            found.setdefault(note, []).append(_printed_value(row))
    if not found:
        return []
    items = tuple((f"{' to '.join(values)}.", note) for note, values in found.items())
    return [Paragraph(text="What the printed margins alone imply:"), Items(items=items)]


def _printed_value(row: DiagnosticRow) -> str:
    name = row.diagnostic
    if name.endswith(("_lower", "_upper")):
        return percent(row.value)
    if name.endswith("_smd"):
        bar = "" if row.bar is None else f" (bar {number(row.bar, 1)})"
        return number(row.value, 2) + bar
    whole = row.value is not None and row.value == int(row.value)
    return number(row.value, 0 if whole else 1)


def _contradictions(rows: Sequence[DiagnosticRow]) -> list[Block]:
    notes = [clean(row.note) for row in rows if row.diagnostic.startswith("contradiction")]
    if not notes:
        return []
    return [
        Paragraph(text="Where the printed numbers do not agree with one another:"),
        Items(items=tuple(("", f"{_capital(note).rstrip('.')}.") for note in notes)),
    ]
