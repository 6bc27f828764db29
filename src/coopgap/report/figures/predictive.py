"""Shares observed against shares predicted: does the hierarchical model fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from coopgap.estimate import SensitivityRow
from coopgap.report.figures.canvas import (
    FIRST,
    INK,
    LINE,
    SECOND,
    SOFT,
    Drawing,
    titled,
)
from coopgap.report.figures.names import predictive_name
from coopgap.report.view import View, predicted_shares
from coopgap.report.words import category_words, group_words, shorten
from coopgap.vocabulary import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["predictive"]

_WIDTH, _HEIGHT, _SIDE = 7.2, 4.1, 2.75
_SHAPES: Final = ("o", "s", "^", "D", "v", "P", "X", "<")
"""One a level, lowest first; beyond eight levels they come round again."""

_NAMED: Final = 4
"""Points off the line that are named in a panel."""


def predictive(view: View, model: str, outcome: str) -> Drawing | None:
    """A panel a group, a point a region and level; None without such rows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = predicted_shares(view, model, outcome)
    if not shown:
        return None
    figure = Figure(figsize=(_WIDTH, _HEIGHT))
    FigureCanvasAgg(figure)
    title = f"{shorten(view.label(outcome), 40)}: observed against predicted"
    titled(figure, title, view.mark, _HEIGHT)
    top = 100 * max(max(row.threshold or 0.0, row.upper or 0.0) for row in shown)
    ends = (0.0, min(1.06 * top, 100.0))
    for number, (side, words, color) in enumerate(
        (("", "members", FIRST), ("comparison", "comparison people", SECOND))
    ):
        left = (0.62 + number * (_SIDE + 0.62)) / _WIDTH
        axes = figure.add_axes((left, 0.55 / _HEIGHT, _SIDE / _WIDTH, _SIDE / _HEIGHT))
        _frame(axes, ends, words, color)
        _points(view, axes, [row for row in shown if row.comparator == side], color)
    _legend(view, figure.axes[0], shown)
    return Drawing(
        name=predictive_name(model),
        alt=(
            f"Shares observed against shares predicted: {view.label(outcome)}. The numbers stand "
            "in sensitivity.csv."
        ),
        figure=figure,
    )


def _frame(axes: Axes, ends: tuple[float, float], words: str, color: str) -> None:
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.plot(ends, ends, color=INK, lw=0.9, zorder=1)
    axes.patch.set_alpha(0)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(LINE)
    axes.grid(color=LINE, lw=0.6, zorder=0)
    axes.set_axisbelow(True)
    axes.tick_params(colors=SOFT, length=3, width=0.8)
    axes.set_xlabel("predicted, percent", color=SOFT, labelpad=4)
    axes.set_ylabel("observed, percent", color=SOFT, labelpad=4)
    axes.set_title(words, color=color, fontsize=8.5, fontweight="bold", loc="left", pad=4)


def _points(view: View, axes: Axes, rows: Sequence[SensitivityRow], color: str) -> None:
    named = 0
    for row in rows:
        if row.estimate is None or row.threshold is None:
            continue
        x, y = 100 * row.estimate, 100 * row.threshold
        out = row.verdict == Verdict.CHANGES
        if row.lower is not None and row.upper is not None:
            limits = (100 * row.lower, 100 * row.upper)
            axes.plot(limits, (y, y), color=color, lw=1.6 if out else 0.9, zorder=2)
        axes.plot(
            [x],
            [y],
            _shape(view, row),
            ms=4.6,
            mfc=color if out else "#ffffff",
            mec=color,
            mew=1.0,
            zorder=3,
        )
        if out and named < _NAMED:
            named += 1
            _name(view, axes, row, x, y)


def _name(view: View, axes: Axes, row: SensitivityRow, x: float, y: float) -> None:
    """The region and level of a point whose share lies outside its interval."""
    level = category_words(row.category, view.levels(row.outcome))
    right = x > sum(axes.get_xlim()) / 2
    axes.annotate(
        shorten(f"{group_words(row.group)}, {level}", 24),
        (x, y),
        (-7 if right else 7, 7 if y >= x else -7),
        textcoords="offset points",
        ha="right" if right else "left",
        va="bottom" if y >= x else "top",
        fontsize=7,
        color=INK,
        zorder=4,
    )


def _shape(view: View, row: SensitivityRow) -> str:
    levels = view.levels(row.outcome)
    place = levels.index(row.category) if row.category in levels else 0
    return _SHAPES[place % len(_SHAPES)]


def _legend(view: View, axes: Axes, rows: Sequence[SensitivityRow]) -> None:
    """Shapes of the levels, and what a filled one is, above both panels."""
    from matplotlib.lines import Line2D

    shapes = {row.category: _shape(view, row) for row in rows}
    levels = view.levels(rows[0].outcome)
    handles = [
        Line2D(
            [],
            [],
            ls="",
            marker=shapes[level],
            ms=4.6,
            mfc="#ffffff",
            mec=INK,
            label=shorten(level, 16),
        )
        for level in levels
        if level in shapes
    ]
    if any(row.verdict == Verdict.CHANGES for row in rows):
        handles.append(
            Line2D([], [], ls="", marker="o", ms=4.6, color=INK, label="filled: outside")
        )
    axes.figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.0, 1 - 0.36 / _HEIGHT),
        ncols=min(len(handles), 6),
        frameon=False,
        fontsize=7.5,
        labelcolor=INK,
        handletextpad=0.2,
        columnspacing=1.2,
    )
