"""Gaps of regions, each alone and pooled."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.core.estimate import GapRow
from coopgap.core.vocabulary import Family, Quantity
from coopgap.report.data import Answer
from coopgap.report.figures.canvas import BAND, FIRST, SECOND, Canvas, Drawing, canvas
from coopgap.report.figures.forest import limits, shown, shown_category
from coopgap.report.words import category_words


def regions(answer: Answer) -> Drawing | None:
    """Each region alone (hollow) beside its partially pooled gap (filled); None without pooling."""
    results, category = answer.results, shown_category(answer)
    mine = [
        row
        for row in answer.gaps
        if (row.quantity, row.category) == (Quantity.RISK_DIFFERENCE, category)
        and (answer.is_headline(row) or row.family == Family.HIERARCHICAL)
    ]
    pooled = [row for row in mine if row.family == Family.HIERARCHICAL and row.estimate is not None]
    inside = [row for row in mine if row.group.startswith("region=")]
    groups = list(dict.fromkeys(row.group for row in inside))
    if not groups or not any(row.group in groups for row in pooled):
        return None
    whole = next((row for row in pooled if row.group == "all"), None)
    drawn = canvas(
        2 * len(groups) + 1.5,
        f"{answer.label}{f': {category_words(category, answer.levels)}' if category else ''}",
        f"gap, percentage points, {results.members} minus {results.others}",
        mark=results.mark,
        labels=[results.group(group) for group in groups],
        values=[f"pooled {shown(row)}" for row in inside],
    )
    drawn.zero()
    if whole is not None:
        _overall(drawn, whole)
    for number, group in enumerate(groups):
        drawn.label(2 * number + 1.9, results.group(group))
        _region(drawn, 2 * number + 1.5, [row for row in inside if row.group == group])
    told = "; ".join(f"{results.group(row.group)} {_how(row)} {shown(row)}" for row in inside)
    return Drawing(
        name=f"regions_{answer.model}",
        alt=f"{answer.label} by region: {told}.",
        figure=drawn.figure,
    )


def _how(row: GapRow) -> str:
    return "pooled" if row.family == Family.HIERARCHICAL else "alone"


def _overall(drawn: Canvas, row: GapRow) -> None:
    """The gap over all regions, as a band behind them."""
    band = limits(row)
    if band is not None:
        drawn.axes.axvspan(*band, color=BAND, zorder=0, lw=0)
    drawn.axes.axvline(100 * (row.estimate or 0.0), color=FIRST, lw=1.1, ls=(0, (4, 2)), zorder=2)
    drawn.label(0, "all regions", bold=True, color=FIRST)
    drawn.value(0, f"all {shown(row)}", bold=True, color=FIRST)


def _region(drawn: Canvas, top: float, rows: Sequence[GapRow]) -> None:
    for row in rows:
        pooled = row.family == Family.HIERARCHICAL
        at, color = (top + 0.8, FIRST) if pooled else (top, SECOND)
        drawn.value(at, f"{_how(row)} {shown(row)}", color=color)
        if row.estimate is not None:
            drawn.mark(at, 100 * row.estimate, limits(row), color=color, hollow=not pooled)
