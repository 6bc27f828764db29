"""Gaps as points with intervals: by family, by region."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import GapRow
from coopgap.headline import declared_at
from coopgap.report.figures.canvas import (
    BAND,
    FIRST,
    INK,
    SECOND,
    SOFT,
    Canvas,
    Drawing,
    canvas,
)
from coopgap.report.figures.names import forest_name, region_name
from coopgap.report.values import estimate_words
from coopgap.report.view import View
from coopgap.report.words import POPULATIONS, category_words, group_words, shorten
from coopgap.vocabulary import Family, Population, Quantity

__all__ = ["forest", "regions"]

_AXIS = "gap in percentage points, member minus comparison"
_APART = (Family.CONDITIONAL_LOGIT, Family.CONDITIONAL_ORDINAL, Family.BENCHMARK)


def _words(row: GapRow) -> str:
    """The estimate, or in one word why there is none."""
    text = estimate_words(row.quantity, row.estimate, row.lower, row.upper, row.status)
    return text.split(";")[0]


def _limits(row: GapRow) -> tuple[float, float] | None:
    if row.lower is None or row.upper is None:
        return None
    return 100 * row.lower, 100 * row.upper


def _family(view: View, row: GapRow) -> str:
    name = view.family(row.family)
    if row.population == Population.POSTSTRATIFIED:
        return f"by region, {POPULATIONS[Population.POSTSTRATIFIED]}"
    return name


def forest(view: View, model: str, outcome: str, rows: Sequence[GapRow]) -> Drawing | None:
    """Risk differences by family, a group of rows a threshold; None where there is none."""
    thresholds = view.thresholds(outcome)
    shown = [
        row
        for row in rows
        if row.group == "all"
        and row.quantity == Quantity.RISK_DIFFERENCE
        and row.category in thresholds
        and row.family not in _APART
    ]
    shown = _on_one_population(view, shown)
    if not any(row.estimate is not None for row in shown):
        return None
    several = len(thresholds) > 1
    lines: list[GapRow | str] = []
    for category in thresholds:
        lines += [category_words(category, view.levels(outcome))] if several else []
        lines += [row for row in shown if row.category == category]
    drawn = canvas(
        len(lines),
        view.label(outcome),
        _AXIS,
        mark=view.mark,
        labels=[line if isinstance(line, str) else _family(view, line) for line in lines],
        values=[_words(line) for line in lines if not isinstance(line, str)],
    )
    drawn.zero()
    for number, line in enumerate(lines):
        if isinstance(line, str):
            drawn.heading(number, line)
        else:
            _draw(drawn, number, line, _family(view, line), headline=view.in_headline(line))
    return Drawing(
        name=forest_name(model),
        alt=f"Gap by family: {view.label(outcome)}. The numbers stand in the table above.",
        figure=drawn.figure,
    )


def _on_one_population(view: View, rows: Sequence[GapRow]) -> list[GapRow]:
    """Rows over the people of the headline, so that they differ by method; all without one."""
    over = {row.population for row in rows if view.in_headline(row)}
    return [row for row in rows if not over or row.population in over]


def _draw(drawn: Canvas, number: int, row: GapRow, name: str, *, headline: bool) -> None:
    """One family: the headline in colour, credible intervals with a square."""
    color = FIRST if headline else (SECOND if row.family == Family.HIERARCHICAL else SOFT)
    drawn.label(number, name, bold=headline, color=color if headline else INK)
    drawn.value(number, _words(row), bold=headline, color=color if headline else INK)
    if row.estimate is not None:
        shape = "s" if row.family == Family.HIERARCHICAL else "o"
        drawn.mark(number, 100 * row.estimate, _limits(row), color=color, shape=shape)


def _threshold(view: View, outcome: str, rows: Sequence[GapRow]) -> str:
    """The threshold with most numbers, the middle one among equals."""
    thresholds = view.thresholds(outcome)
    middle = (len(thresholds) - 1) / 2
    counts = {
        name: sum(row.category == name and row.estimate is not None for row in rows)
        for name in thresholds
    }
    return max(thresholds, key=lambda name: (counts[name], -abs(thresholds.index(name) - middle)))


def regions(view: View, model: str, outcome: str, rows: Sequence[GapRow]) -> Drawing | None:
    """Each region alone beside its partially pooled gap; None without regional rows."""
    mine = [
        row
        for row in rows
        if row.quantity == Quantity.RISK_DIFFERENCE
        and (row.family == Family.HIERARCHICAL or view.in_headline(row))
    ]
    inside = [row for row in mine if row.group.startswith("region=")]
    at = declared_at(view.study, model) or _threshold(view, outcome, inside)
    inside = [row for row in inside if row.category == at]
    if not any(row.estimate is not None for row in inside):
        return None
    groups = list(dict.fromkeys(row.group for row in inside))
    overall = next(
        (
            row
            for row in mine
            if row.group == "all" and row.category == at and row.family == Family.HIERARCHICAL
        ),
        None,
    )
    where = f": {category_words(at, view.levels(outcome))}" if at else ""
    drawn = canvas(
        2 * len(groups) + 1.5,
        f"{shorten(view.label(outcome), 50)}{where}, by region",
        _AXIS,
        mark=view.mark,
        labels=[group_words(group) for group in groups],
        values=[f"alone {_words(row)}" for row in inside],
    )
    drawn.zero()
    if overall is not None and overall.estimate is not None:
        _overall(drawn, overall)
    for number, group in enumerate(groups):
        _region(drawn, 1.5 + 2 * number, group, [row for row in inside if row.group == group])
    return Drawing(
        name=region_name(model),
        alt=f"Gap by region: {view.label(outcome)}{where}. The numbers stand in the table above.",
        figure=drawn.figure,
    )


def _overall(drawn: Canvas, row: GapRow) -> None:
    limits = _limits(row)
    if limits is not None:
        drawn.axes.axvspan(*limits, color=BAND, zorder=0, lw=0)
    if row.estimate is not None:
        drawn.axes.axvline(100 * row.estimate, color=FIRST, lw=1.1, ls=(0, (4, 2)), zorder=2)
    drawn.label(0, "all regions", color=FIRST)
    drawn.value(0, f"all {_words(row)}", color=FIRST)


def _region(drawn: Canvas, top: float, group: str, rows: Sequence[GapRow]) -> None:
    drawn.label(top + 0.45, group_words(group), bold=True)
    for row in rows:
        pooled = row.family == Family.HIERARCHICAL
        at = top + (0.8 if pooled else 0.1)
        color = FIRST if pooled else SECOND
        drawn.value(at, f"{'pooled' if pooled else 'alone'} {_words(row)}", color=color)
        if row.estimate is not None:
            drawn.mark(at, 100 * row.estimate, _limits(row), color=color, hollow=not pooled)
