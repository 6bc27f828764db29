"""How alike the printed samples are, and what their differences could do to a gap."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.printed.design import Covariate
from coopgap.printed.rows import PrintedResult
from coopgap.report.content.printed import bounds_table, design_blocks
from coopgap.report.content.printed_checks import gradient_items
from coopgap.report.content.printed_items import Entry, limits_text
from coopgap.report.content.printed_tables import MARK
from coopgap.report.document import Block, Figure, Paragraph, Table
from coopgap.report.figures.names import surface_name
from coopgap.report.values import count, points
from coopgap.report.view import View
from coopgap.report.words import capital, clean, readable
from coopgap.vocabulary import Comparator, Quantity

__all__ = ["sample_blocks"]


def sample_blocks(
    view: View, found: Sequence[Entry], drawn: Sequence[str], result: PrintedResult
) -> list[Block]:
    """Tables of the samples, their differences, and what those leave open."""
    blocks: list[Block] = []
    for covariate in result.covariates:
        blocks.append(_balance(view, covariate, found))
    blocks += design_blocks(view)
    blocks += bounds_table(view)
    blocks += gradient_items(view)
    surfaces = {
        surface_name(line.slug, one.name): f"{line.label}, by {readable(one.name)}."
        for line in result.lines
        for one in result.covariates
    }
    shown = [
        Figure(name=name, caption=surfaces[name], mark=MARK) for name in drawn if name in surfaces
    ]
    return blocks + ([Paragraph(text=_SURFACE), *shown] if shown else [])


_SURFACE = (
    "The pictures show what the non-members' share would be if they had the members' mix, by what "
    "the lowest and the highest level of the variable may have answered. Between the ends the log "
    "odds bend so that the printed share over all is kept."
)


def _balance(view: View, one: Covariate, found: Sequence[Entry]) -> Table:
    gaps = {entry.category: entry for entry in found if _is_of(entry, one)}
    lines = []
    for place, level in enumerate(one.levels):
        entry = gaps.get(level)
        row = entry.gap if entry else None
        lines.append(
            (
                clean(level),
                count(one.member_people[place]) if one.counted else "",
                count(one.comparison_people[place]) if one.counted else "",
                points(one.member[place]),
                points(one.comparison[place]),
                points(row.estimate if row else None, signed=True),
                limits_text(row),
                limits_text(entry.bounds.get(Quantity.RISK_DIFFERENCE) if entry else None),
            )
        )
    keep = [0, *((1, 2) if one.counted else ()), 3, 4, 5, 6, *(() if one.counted else (7,))]
    header = (
        capital(view.label(one.name)),
        "Members",
        "Non-members",
        "Members, percent",
        "Non-members, percent",
        "Gap, points",
        "95 % confidence interval",
        "Rounding bounds",
    )
    return Table(
        caption=f"{one.place}: {view.label(one.name).lower()} of the two samples",
        header=tuple(header[place] for place in keep),
        rows=tuple(tuple(line[place] for place in keep) for line in lines),
        mark=MARK,
    )


def _is_of(entry: Entry, one: Covariate) -> bool:
    return entry.name == one.name and entry.comparator == Comparator.COMPARISON
