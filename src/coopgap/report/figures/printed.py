"""Figures of a printed report drawn again with intervals, its gaps, and what age could do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from coopgap.estimate import GapRow
from coopgap.printed.records import Line
from coopgap.printed.standardise import Surface
from coopgap.report.content.printed_items import (
    Entry,
    compared_with,
    estimate_text,
    short_label,
    who,
)
from coopgap.report.figures.canvas import (
    BAND,
    FIRST,
    INK,
    LINE,
    SECOND,
    SOFT,
    Canvas,
    Drawing,
    canvas,
    titled,
)
from coopgap.report.figures.names import PRINTED_GAPS, place_name, surface_name
from coopgap.report.values import limits_words, number
from coopgap.report.view import View
from coopgap.report.words import readable, shorten
from coopgap.vocabulary import Quantity

__all__ = ["gaps", "is_chart", "place", "surface_drawing"]

_SIDE, _WIDTH, _HEIGHT = 4.3, 7.2, 5.35


def is_chart(name: str) -> bool:
    """Whether a place of the registry is a figure of the report."""
    return name.lower().startswith(("figure", "chart", "graph"))


@dataclass(frozen=True, slots=True)
class _Mark:
    """One share to be drawn: whose, and its row."""

    label: str
    category: str
    whose: str
    member: bool
    row: GapRow


def place(view: View, name: str, lines: Iterable[Line]) -> Drawing | None:
    """The shares of one place with their intervals; None without any.

    Parameters
    ----------
    view
        The tables.
    name
        The place, such as Figure 1.
    lines
        What the registry compares, from any place.
    """
    marks = _marks(view, [one for one in lines if one.place == name and not one.threshold])
    if not marks:
        return None
    rows: list[str | _Mark] = []
    labels: list[str] = []
    for label in dict.fromkeys(one.label for one in marks):
        mine = [one for one in marks if one.label == label]
        alone = len({one.whose for one in mine}) == 1
        rows += [f"{label}, {mine[0].whose}" if alone else label, *mine]
        labels += ["", *_labels(mine, alone=alone)]
    drawn = canvas(
        len(rows),
        name,
        "percent of those asked, with 95 % interval",
        mark="",
        labels=labels,
        values=[_words(one) for one in rows if isinstance(one, _Mark)],
    )
    for at, (one, label) in enumerate(zip(rows, labels, strict=True)):
        if isinstance(one, str):
            drawn.axes.text(
                0.0,
                at,
                shorten(one, 70),
                transform=drawn.axes.get_yaxis_transform(),
                ha="left",
                va="center",
                color=INK,
                fontweight="bold",
            )
        else:
            _share(drawn, at, one, label)
    drawn.axes.set_xlim(0, 100)
    return Drawing(
        name=place_name(name),
        alt=f"{name}: printed shares with their intervals. The numbers stand in gaps.csv.",
        figure=drawn.figure,
    )


def _marks(view: View, lines: Sequence[Line]) -> list[_Mark]:
    """Each share once, in the order of the place."""
    shares = {
        (row.model, row.group, row.category, row.comparator): row
        for row in view.printed
        if row.quantity == Quantity.SHARE and not row.model.endswith("_rounding")
    }
    found: dict[tuple[str, str, str], _Mark] = {}
    for line in lines:
        key = (f"printed_{line.slug}", line.group, line.category)
        sides = (
            (line.other, line.comparator, compared_with(line.comparator)),
            (line.member, "", who(line.group)),
        )
        for side, comparator, whose in sides if line.group != "all" else sides[::-1]:
            row = shares.get((*key, comparator))
            if side is not None and row is not None:
                mark = _Mark(line.label, line.category, whose, not comparator, row)
                found.setdefault((line.label, line.category, whose), mark)
    # Whoever else is set beside the members stands with them, category by category.
    order = list(dict.fromkeys((one.label, one.category) for one in found.values()))
    return sorted(found.values(), key=lambda one: order.index((one.label, one.category)))


def _labels(marks: Sequence[_Mark], *, alone: bool) -> list[str]:
    """The category where it changes, and whose share it is unless the heading says it."""
    found = []
    above = None
    for one in marks:
        parts = [one.category] if one.category != above else []
        parts += [] if alone else [one.whose]
        found.append(": ".join(part for part in parts if part))
        above = one.category
    return found


def _words(mark: _Mark) -> str:
    row = mark.row
    value = 0.0 if row.estimate is None else 100 * row.estimate
    limits = limits_words(row.quantity, row.lower, row.upper)
    text = f"{number(value, 0 if abs(value - round(value)) < 1e-9 else 1)} %"
    return text + (f" ({limits})" if limits else "")


def _share(drawn: Canvas, at: int, mark: _Mark, label: str) -> None:
    color = FIRST if mark.member else SECOND
    drawn.label(at, label)
    drawn.value(at, _words(mark), color=color)
    row = mark.row
    if row.estimate is not None:
        limits = (
            None if row.lower is None or row.upper is None else (100 * row.lower, 100 * row.upper)
        )
        drawn.mark(at, 100 * row.estimate, limits, color=color, hollow=not mark.member)


def gaps(view: View, found: Sequence[Entry]) -> Drawing | None:
    """Gaps with their intervals over what rounding alone leaves; None without any."""
    shown = [entry for entry in found if entry.gap is not None and entry.gap.estimate is not None]
    if not shown:
        return None
    labels = [short_label(entry) for entry in shown]
    values = [estimate_text(entry.gap) for entry in shown]
    drawn = canvas(
        len(shown),
        "Members less non-members",
        "gap in percentage points with 95 % interval; bar: what rounding alone leaves",
        mark="",
        labels=labels,
        values=values,
    )
    drawn.zero()
    for at, (entry, label, value) in enumerate(zip(shown, labels, values, strict=True)):
        drawn.label(at, label)
        drawn.value(at, value)
        bounds = entry.bounds.get(Quantity.RISK_DIFFERENCE)
        if bounds is not None and bounds.lower is not None and bounds.upper is not None:
            ends = (100 * bounds.lower, 100 * bounds.upper)
            drawn.axes.plot(ends, (at, at), color=LINE, lw=11, solid_capstyle="butt", zorder=2)
        row = entry.gap
        if row is not None and row.estimate is not None:
            limits = (
                None
                if row.lower is None or row.upper is None
                else (100 * row.lower, 100 * row.upper)
            )
            drawn.mark(at, 100 * row.estimate, limits, color=FIRST)
    return Drawing(
        name=PRINTED_GAPS,
        alt="Printed gaps with their intervals. The numbers stand in the table below.",
        figure=drawn.figure,
    )


def surface_drawing(found: Surface) -> Drawing:
    """Lines of equal standardised share; the strong one is the members' own share."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    line, one = found.line, found.covariate
    aim = 100 * (line.member.value if line.member else np.nan)
    flat = 100 * (line.other.value if line.other else np.nan)
    figure = Figure(figsize=(_WIDTH, _HEIGHT))
    FigureCanvasAgg(figure)
    title = f"{readable(line.outcome).capitalize()}: non-members with the members' {one.name}"
    titled(figure, title, "", _HEIGHT)
    axes = figure.add_axes((0.9 / _WIDTH, 0.55 / _HEIGHT, _SIDE / _WIDTH, _SIDE / _HEIGHT))
    axes.patch.set_alpha(0)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(LINE)
    axes.tick_params(colors=SOFT, length=3, width=0.8)
    axes.set_xlabel(f"percent of the non-members, {one.name} {one.levels[0]}", color=SOFT)
    axes.set_ylabel(f"percent of the non-members, {one.name} {one.levels[-1]}", color=SOFT)
    x, y, value = 100 * found.first, 100 * found.last, 100 * found.value
    steps = np.arange(0.0, 101.0, 5.0)
    inside = steps[(steps > np.nanmin(value)) & (steps < np.nanmax(value)) & (abs(steps - aim) > 1)]
    if inside.size:
        thin = axes.contour(x, y, value, levels=inside, colors=SOFT, linewidths=0.8)
        axes.clabel(thin, fmt="%.0f", fontsize=7, colors=SOFT)
    if np.nanmin(value) < aim < np.nanmax(value):
        axes.contourf(x, y, value, levels=[aim, 100], colors=[BAND], zorder=0)
        strong = axes.contour(x, y, value, levels=[aim], colors=FIRST, linewidths=2.0)
        axes.clabel(strong, fmt="%.0f", fontsize=8, colors=FIRST)
    axes.plot([flat], [flat], "o", ms=5.5, mfc="#ffffff", mec=SECOND, mew=1.4, zorder=5)
    axes.annotate(
        "no gradient",
        (flat, flat),
        (7, -3),
        textcoords="offset points",
        color=SECOND,
        va="top",
        bbox={"boxstyle": "square,pad=0.15", "fc": "#ffffff", "ec": "none"},
        zorder=4,
    )
    axes.plot([0, 100], [0, 100], color=LINE, lw=0.8, zorder=0.5)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    _legend(figure, aim, flat)
    return Drawing(
        name=surface_name(line.slug, one.name),
        alt=(
            f"{line.label}: the non-members' share standardised to the members' {one.name}, over "
            "what the lowest and the highest level may answer."
        ),
        figure=figure,
    )


def _legend(figure: object, aim: float, flat: float) -> None:
    words = (
        (FIRST, f"{aim:.0f}: the members' own share,"),
        (FIRST, "no gap left on this line"),
        (BAND, ""),
        (INK, "shaded: the gap would be"),
        (INK, "below zero"),
        (INK, ""),
        (SOFT, "thin: the non-members' share"),
        (SOFT, "at the members' mix, percent"),
        (INK, ""),
        (SECOND, f"circle: {flat:.0f} at every level"),
    )
    for place_, (color, text) in enumerate(words):
        if text:
            figure.text(  # type: ignore[attr-defined]
                5.4 / _WIDTH,
                (4.6 - 0.19 * place_) / _HEIGHT,
                text,
                color=color,
                fontsize=7.5,
                va="top",
            )
