"""The report on a printed report: every comparison, every figure, every number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from coopgap.estimate import GapRow
from coopgap.printed.items import DESIGN, MATCHED_ON
from coopgap.printed.rows import PrintedResult
from coopgap.report.content.printed import (
    INTRODUCTION,
    asked,
    contradiction_blocks,
    two_group,
)
from coopgap.report.content.printed_association import association_blocks
from coopgap.report.content.printed_checks import (
    design_effect_table,
    phone_table,
    proportional_blocks,
)
from coopgap.report.content.printed_items import (
    Entry,
    by_level,
    compared_with,
    entries,
    entry_label,
    item_label,
    limits_text,
    share_text,
    who,
)
from coopgap.report.content.printed_outside import printed_outside_blocks
from coopgap.report.content.printed_samples import sample_blocks
from coopgap.report.content.printed_tables import (
    MARK,
    gap_table,
    level_blocks,
    ratio_table,
    standing_text,
)
from coopgap.report.document import Block, Figure, Items, Paragraph, Section, Table
from coopgap.report.figures.names import PRINTED_GAPS, place_name
from coopgap.report.values import count, interval_name, number, points, spread
from coopgap.report.view import View
from coopgap.report.wording import quoted_words, registry_words
from coopgap.report.words import capital, clean
from coopgap.vocabulary import Comparator, Quantity

__all__ = ["printed_sections"]


def printed_sections(
    view: View, drawn: Sequence[str], result: PrintedResult, figures: Sequence[str] = ()
) -> list[Section]:
    """Every section.

    Parameters
    ----------
    view
        The tables.
    drawn
        Names of the figures that exist.
    result
        What the tables were made from: places and the registry's own words.
    figures
        Texts in the figures, for the rule on words.
    """
    found = entries(view.printed)
    samples = sample_blocks(view, found, drawn, result)
    numbers: list[Block] = [Paragraph(text=_WRITTEN), _traced(result)]
    made = (
        ("In short", "short", _short(view, found)),
        ("Members and non-members", "gaps", _compared(view, found, drawn)),
        (
            "Members and everybody else they are set beside",
            "others",
            [*_beside(view, found), *printed_outside_blocks(found, result.benchmarks)],
        ),
        ("How alike the two samples are", "samples", samples),
        ("Figure by figure", "figures", _figures(drawn, result)),
        ("Printed of one group alone", "alone", _alone(view, found)),
        (
            "What an association would need to be more",
            "association",
            association_blocks(view, result),
        ),
        (
            "Where every printed number went",
            "numbers",
            numbers,
        ),
    )
    told = [
        Section(title=title, anchor=anchor, blocks=tuple(blocks), tone="real")
        for title, anchor, blocks in made
        if blocks
    ]
    said = quoted_words(registry_words(result.registry), told, "the printed report", figures)
    last = Paragraph(lead="Wording.", text=f"{capital(said)}.")
    return [*told[:-1], replace(told[-1], blocks=(*told[-1].blocks, last))]


def _short(view: View, found: Sequence[Entry]) -> list[Block]:
    based = any(row.interval_prob is not None for row in view.printed)
    blocks: list[Block] = [Paragraph(text=INTRODUCTION if based else _UNBASED)]
    items = tuple(
        (f"{entry_label(view, entry)}.", _sentence(entry))
        for entry in two_group(view, found)
        if not entry.category
    )
    classes = [
        (f"{item_label(view, first.name, first.outcome)}.", standing_text(view, first))
        for first, *_ in by_level(view, asked(view, found)).values()
    ]
    items += tuple((lead, text) for lead, text in classes if text)
    blocks += [Items(items=items)] if items else []
    return blocks + contradiction_blocks(view.printed_diagnostics)


def _sentence(entry: Entry) -> str:
    row, bounds = entry.gap, entry.bounds.get(Quantity.RISK_DIFFERENCE)
    size = points(row.estimate if row else None, signed=True)
    text = f"{share_text(entry.own)} of members, {share_text(entry.other)} of non-members: {size}"
    if row is not None and row.interval_kind:
        name = interval_name(row.interval_prob, row.interval_kind)
        text += f" points ({name} {limits_text(row)})"
    else:
        text += " points, without an interval: no base is printed"
    return text + (f"; rounding alone leaves {limits_text(bounds)}." if bounds else ".")


def _compared(view: View, found: Sequence[Entry], drawn: Sequence[str]) -> list[Block]:
    flat = two_group(view, found)
    if not flat:
        return []
    blocks: list[Block] = []
    if PRINTED_GAPS in drawn:
        caption = "What is printed of all members and of non-members: the gap between them."
        blocks.append(Figure(name=PRINTED_GAPS, caption=caption, mark=MARK))
    blocks.append(gap_table(view, flat, "Members against non-members"))
    blocks += ratio_table(view, flat, "The same gaps as ratios")
    blocks += design_effect_table(view, flat)
    return blocks + phone_table(view)


def _beside(view: View, found: Sequence[Entry]) -> list[Block]:
    """Ordered levels, then members of one kind, then numbers set beside one another."""
    mine = asked(view, found)
    levels = by_level(view, mine)
    blocks: list[Block] = []
    explained = bool(design_effect_table(view, two_group(view, found)))
    for entries_ in levels.values():
        blocks += level_blocks(view, entries_)
        cuts = [one for one in entries_ if one.is_threshold]
        made = design_effect_table(view, cuts, explained=explained)
        blocks, explained = blocks + made, explained or bool(made)
    blocks += proportional_blocks(view)
    shown = {id(one) for entries_ in levels.values() for one in entries_}
    flat = {id(one) for one in two_group(view, found)}
    rest = [
        one
        for one in found
        if one.gap is not None
        and one.own is not None
        and id(one) not in shown | flat
        and (one in mine or one.comparator != Comparator.COMPARISON)
    ]
    if rest:
        note = (
            "A share without a base has no interval. Shares of a population, and of a census, are "
            "taken as exact."
        )
        blocks.append(gap_table(view, rest, "Other comparisons", (note,)))
        blocks += ratio_table(view, rest, "The same comparisons as ratios")
    bare = [one for one in found if one.gap is not None and one.own is None]
    items = tuple((f"{entry_label(view, one)}.", f"{_points(one)} points.") for one in bare)
    if items:
        text = "Printed as a difference alone, neither share given: nothing more can be said of it."
        blocks += [Paragraph(text=text), Items(items=items)]
    return blocks


def _points(entry: Entry) -> str:
    return points(entry.gap.estimate if entry.gap else None, signed=True)


def _figures(drawn: Sequence[str], result: PrintedResult) -> list[Block]:
    blocks: list[Block] = []
    places = sorted({line.place for line in result.lines}, key=in_order)
    for place in places:
        if place_name(place) in drawn:
            blocks.append(Figure(name=place_name(place), caption=f"{clean(place)}.", mark=MARK))
    if blocks:
        blocks.insert(0, Paragraph(text=_DRAWN))
    absent = tuple(
        (f"{clean(row.place)}.", f"{capital(clean(row.note)) or 'No number is printed'}.")
        for row in result.registry.rows
        if row.stat == "not printed" and row.item not in (DESIGN, MATCHED_ON)
    )
    if absent:
        blocks += [Paragraph(text="Named without a number, and so not drawn:"), Items(items=absent)]
    return blocks


def in_order(place: str) -> list[tuple[int, str]]:
    """Figure 2 before Figure 10."""
    return [(int(part or 0), "") if part.isdigit() else (0, part) for part in _DIGITS.split(place)]


_DIGITS = re.compile(r"(\d+)")
_DRAWN = (
    "Filled: members. Hollow: others. Without a bar no size of that group is printed, or the share "
    "is exact. Shares “of all asked” are computed from two printed ones, and others’ surveys are "
    "declared: neither stands in the figure itself."
)
_WRITTEN = "Each number of the registry, with the rows it stands behind, is in registry.csv."
_UNBASED = (
    "These numbers are quoted elsewhere from a report that is not at hand, most without the people "
    "behind them: no interval can be made where none stands. Rounding bounds run over what prints "
    "the same. Every gap is an association."
)


def _alone(view: View, found: Sequence[Entry]) -> list[Block]:
    lines = [
        (
            entry_label(view, entry),
            compared_with(entry.comparator) if entry.comparator else who(entry.group),
            share_text(row),
            spread(row.quantity, row.lower, row.upper) or "–",
            limits_text(entry.bounds.get(Quantity.SHARE)),
            count(row.n_comparison if entry.comparator else row.n_member),
        )
        for entry, row in _single(found)
    ]
    if not lines:
        return []
    table = Table(
        caption="Shares with nobody beside them",
        header=("Item", "Who", "Share", "95 % confidence interval", "Rounding bounds", "Asked"),
        rows=tuple(lines),
        leading=2,
        mark=MARK,
    )
    text = (
        "These numbers have no comparison. An interval says how far a share may be off by chance; "
        "it says nothing of why people answer so, nor what they would say without membership."
    )
    return [Paragraph(text=text), table]


def _single(found: Sequence[Entry]) -> Iterator[tuple[Entry, GapRow]]:
    for entry in found:
        row = entry.other if entry.comparator else entry.own
        if entry.gap is None and row is not None:
            yield entry, row


def _traced(result: PrintedResult) -> Table:
    return Table(
        caption="The registry, number by number",
        header=("Id", "Place", "Who", "Item", "Printed", "Base", "Rows, or why there is none"),
        rows=tuple(
            (
                clean(one.printed.id),
                clean(one.printed.place),
                clean(one.printed.group),
                clean(f"{one.printed.item}, {one.printed.category}".rstrip(", ")),
                number(one.printed.value, one.printed.decimals),
                count(one.printed.base),
                "; ".join((*one.models, *((one.reason,) if one.reason else ()))),
            )
            for one in result.traced
        ),
        leading=4,
        trailing=1,
        mark=MARK,
        brief=False,
    )
