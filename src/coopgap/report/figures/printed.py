"""Printed gaps with their intervals, over what rounding alone leaves."""

from __future__ import annotations

from coopgap.core.estimate import GapRow
from coopgap.core.vocabulary import Comparator
from coopgap.report.data import Results
from coopgap.report.figures.canvas import FIRST, LINE, Drawing, canvas
from coopgap.report.figures.forest import limits, shown
from coopgap.report.values import percent


def gaps(results: Results) -> Drawing | None:
    """What is printed of all members beside others, item by item; never marked as an example."""
    published = results.published
    rows = published.shown
    if not rows:
        return None
    labels = [_label(results, row) for row in rows]
    drawn = canvas(
        len(rows) + len({_item(results, row) for row in rows}),
        "Printed gaps",
        "gap, percentage points; wide bar: what rounding alone leaves",
        mark="",
        labels=labels,
        values=[shown(row) for row in rows],
    )
    drawn.zero()
    at, above = 0, ""
    for row, label in zip(rows, labels, strict=True):
        item = _item(results, row)
        if item != above:
            drawn.above(at - 0.2, item)
            at, above = at + 1, item
        rounding = published.rounding(row)
        ends = None if rounding is None else limits(rounding)
        if ends is not None:
            drawn.axes.plot(ends, (at, at), color=LINE, lw=10, solid_capstyle="butt", zorder=2)
        drawn.label(at, label)
        drawn.value(at, shown(row))
        drawn.mark(at, 100 * (row.estimate or 0.0), limits(row), color=FIRST)
        at += 1
    told = "; ".join(f"{published.item(row)} {shown(row)}" for row in rows)
    return Drawing(name="printed_gaps", alt=f"Printed gaps in points: {told}.", figure=drawn.figure)


def _item(results: Results, row: GapRow) -> str:
    """The item, and beside whom where it is not the comparison group."""
    label = results.published.label(row.model, row.outcome)
    if row.comparator == Comparator.COMPARISON or results.published.other(row) is None:
        return label
    return f"{label}, beside: {results.published.beside(row.comparator)}"


def _label(results: Results, row: GapRow) -> str:
    """The category with both shares, as far as they are printed."""
    own, other = results.published.own(row), results.published.other(row)
    both = f"{percent(own.estimate)} vs {percent(other.estimate)}" if own and other else ""
    return ": ".join(part for part in (results.published.category(row), both) if part)
