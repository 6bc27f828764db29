"""Figures of a gap or of a matched sample, for those who call the library by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from coopgap.core.estimate import BalanceRow, GapRow
from coopgap.core.vocabulary import EXAMPLE, IntervalKind
from coopgap.report.figures.canvas import FIRST, canvas, drawing_style
from coopgap.report.figures.forest import AXIS, Line, draw_lines, limits, shown
from coopgap.report.figures.shares import draw_balance

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def gap_forest(rows: Sequence[GapRow], outcome: str) -> Figure:
    """The gap at every threshold with its own interval."""
    own = [
        row
        for row in rows
        if row.interval_kind != IntervalKind.JOINT
        and (not row.category or row.category[:2] == ">=")
    ]
    lines = [
        Line(
            label=row.category or outcome,
            value=shown(row),
            at=None if row.estimate is None else 100 * row.estimate,
            limits=limits(row),
            color=FIRST,
        )
        for row in own
    ]
    with drawing_style():
        drawn = canvas(
            len(lines),
            outcome,
            AXIS,
            mark=_mark(rows),
            labels=[line.label for line in lines],
            values=[line.value for line in lines],
        )
        drawn.zero()
        draw_lines(drawn, lines)
    return drawn.figure


def _mark(rows: Sequence[GapRow] | Sequence[BalanceRow]) -> str:
    """Example data are marked wherever they are drawn."""
    return EXAMPLE if any(row.source == EXAMPLE for row in rows) else ""


def love_plot(rows: Sequence[BalanceRow], method: str) -> Figure:
    """Standardised differences of every covariate before and after a matching."""
    before = {(r.covariate, r.level): r.smd_before for r in rows if r.smd_before is not None}
    after = {(r.covariate, r.level): r.smd_after for r in rows if r.smd_after is not None}
    labels = {place: f"{place[0]}: {place[1]}" if place[1] else place[0] for place in before}
    designs = {f"after, {method}": after} if after else {}
    with drawing_style():
        figure, _ = draw_balance(
            before, designs, labels, "members minus comparison", mark=_mark(rows)
        )
    return figure
