"""The printed numbers, re-analysed: real, and kept apart from whatever the survey is."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import DiagnosticRow
from coopgap.report.content.printed_checks import proportional_blocks
from coopgap.report.content.printed_items import (
    Entry,
    by_level,
    compared_with,
    entries,
    item_label,
    item_name,
    partial,
    share_text,
)
from coopgap.report.content.printed_tables import (
    MARK,
    gap_table,
    level_blocks,
)
from coopgap.report.document import Block, Items, Paragraph, Section, Table
from coopgap.report.values import count, number, p_value, spread
from coopgap.report.view import View
from coopgap.report.words import capital, clean, readable
from coopgap.vocabulary import Comparator, Diagnostic, Quantity

__all__ = [
    "INTRODUCTION",
    "asked",
    "bounds_table",
    "contradiction_blocks",
    "design_blocks",
    "printed_section",
    "two_group",
]

INTRODUCTION = (
    "These are the numbers the published report prints, with the uncertainty that its sample sizes "
    "imply. Nothing here comes from a survey file. Intervals treat people as drawn independently, "
    "so they are narrower than the truth where answers cluster in zones. Rounding bounds run over "
    "all whole-number counts that print the same. A quota sample "
    "has no formal margin of error: the intervals rest on a model. Every gap is an association."
)
_ROUNDED_ALIKE = (
    "Without a p-value both groups print the same percentages, and the chi-square is small because "
    "they are rounded alike."
)
_MORE = (
    "The command coopgap printed writes the rest: ratios, every other printed figure with its "
    "intervals, each gap under design effects, what the telephone interviews could confirm, and "
    "where each printed number went."
)


def printed_section(view: View) -> Section | None:
    """Printed gaps with intervals and rounding bounds; None where nothing printed was read."""
    if not view.printed and not view.printed_diagnostics:
        return None
    found = entries(view.printed)
    flat = two_group(view, found)
    blocks: list[Block] = [Paragraph(text=INTRODUCTION)]
    if flat:
        blocks.append(gap_table(view, flat, _caption(flat)))
    for mine in by_level(view, asked(view, found)).values():
        blocks += level_blocks(view, mine)
    blocks += bounds_table(view, first_only=True)
    blocks += design_blocks(view) + proportional_blocks(view)
    blocks += contradiction_blocks(view.printed_diagnostics)
    blocks.append(Paragraph(text=_MORE, brief=False))
    return Section(
        title="What the printed report holds",
        anchor="printed",
        blocks=tuple(blocks),
        tone="printed",
    )


def asked(view: View, found: Sequence[Entry]) -> list[Entry]:
    """Entries about what was asked, not about the sample."""
    return [entry for entry in found if entry.name not in view.printed_covariates]


def two_group(view: View, found: Sequence[Entry]) -> list[Entry]:
    """Comparisons of all members with non-members in one share, not over ordered levels.

    What is printed twice of one outcome stands together.
    """
    levels = set(by_level(view, found))
    flat = [
        entry
        for entry in asked(view, found)
        if entry.gap is not None
        and entry.group == "all"
        and entry.comparator == Comparator.COMPARISON
        and (entry.name, entry.comparator) not in levels
    ]
    order = list(dict.fromkeys(entry.outcome for entry in flat))
    return sorted(flat, key=lambda entry: order.index(entry.outcome))


def _caption(found: Sequence[Entry]) -> str:
    return f"Printed gaps: members against {compared_with(found[0].comparator)}"


def bounds_table(view: View, *, first_only: bool = False) -> list[Block]:
    """What standardising to the members' covariates could do to each gap, by one at a time.

    Parameters
    ----------
    view
        The tables.
    first_only
        Only items of one share each, without those of programmes.
    """
    found = _limits(view, first_only=first_only)
    if not found:
        return []
    names = list(dict.fromkeys(name for cells in found.values() for name, _ in cells))
    shares = {
        (entry.name, entry.category): (share_text(entry.own), share_text(entry.other))
        for entry in entries(view.printed)
        if entry.comparator == Comparator.COMPARISON
    }
    columns = [(name, one) for name in names for one in (Quantity.SHARE, Quantity.RISK_DIFFERENCE)]
    lines = []
    for (item, outcome, category), cells in found.items():
        label = item_label(view, item, outcome)
        named = f"{label}: {clean(category)}" if category else label
        both = shares.get((item, category), ("", ""))
        lines.append((named, *both, *(cells.get(one, "") for one in columns)))
    heads = [
        head
        for name in names
        for head in (
            f"Others, by the members' {readable(name)}",
            f"Gap, points, by {readable(name)}",
        )
    ]
    table = Table(
        caption="What standardising to the members could do to each gap",
        header=("Item", "Members", "Others", *heads),
        rows=tuple(lines),
        notes=(
            "Sharp bounds from the printed margins alone, one variable at a time: the least and "
            "the most that the share of the others could be if they had the members' mix, for "
            "exactly the printed percentages: rounding of those leaves a little more. No point "
            "between is likelier than another.",
        ),
        mark=MARK,
    )
    return [table]


def _limits(
    view: View, *, first_only: bool
) -> dict[tuple[str, str, str], dict[tuple[str, str], str]]:
    """By item, outcome and category; within, by covariate and quantity. Outcomes stand together."""
    found: dict[tuple[str, str, str], dict[tuple[str, str], str]] = {}
    for row in view.printed:
        item, mark, covariate = item_name(row.model).rpartition("_by_")
        if mark and partial(row) and not (first_only and row.category):
            cells = found.setdefault((item, row.outcome, row.category), {})
            cells[covariate, row.quantity] = spread(row.quantity, row.lower, row.upper)
    order = list(dict.fromkeys(outcome for _, outcome, _ in found))
    return dict(sorted(found.items(), key=lambda one: order.index(one[0][1])))


def design_blocks(view: View) -> list[Block]:
    """How alike the two samples are: a line a covariate."""
    values = {(row.about, row.diagnostic): row.value for row in view.printed_diagnostics}
    smd = [row for row in view.printed_diagnostics if row.diagnostic == Diagnostic.SMD]
    bars, names = [row.bar for row in smd], [row.about for row in smd]
    if not names:
        return []
    lines = [
        (
            capital(view.label(name)),
            f"{number(values.get((name, Diagnostic.CHI2)), 1)} "
            f"({count(values.get((name, Diagnostic.CHI2_DF)))})",
            p_value(values.get((name, Diagnostic.CHI2_P))),
            number(values.get((name, Diagnostic.SMD)), 2),
            count(values.get((name, Diagnostic.PAIRS))),
        )
        for name in names
    ]
    table = Table(
        caption="How far the printed samples differ",
        header=(
            "Variable",
            "Chi-square (degrees of freedom)",
            "p",
            "Standardised difference",
            "Most pairs",
        ),
        rows=tuple(lines),
        notes=(
            f"Alike: a standardised difference of {number(bars[0], 1)} or less. Most pairs: "
            "one-to-one pairs of the same printed level that the groups allow.",
            *(
                (_ROUNDED_ALIKE,)
                if any(values[name, Diagnostic.CHI2_P] is None for name in names)
                else ()
            ),
        ),
        mark=MARK,
    )
    return [table]


def contradiction_blocks(rows: Sequence[DiagnosticRow]) -> list[Block]:
    """Where the printed numbers do not agree."""
    notes = [clean(row.note) for row in rows if row.diagnostic == Diagnostic.CONTRADICTION]
    if not notes:
        return []
    return [
        Paragraph(text="Where the printed numbers do not agree with one another:"),
        Items(items=tuple(("", f"{capital(note).rstrip('.')}.") for note in notes)),
    ]
