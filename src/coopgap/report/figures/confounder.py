"""The gap left by confounders of every strength, with those as strong as a covariate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from coopgap.report.confounders import Benchmarks, benchmarks_of
from coopgap.report.figures.canvas import FIRST, INK, LINE, SECOND, SOFT, Drawing, titled
from coopgap.report.figures.names import confounder_name
from coopgap.report.values import points
from coopgap.report.view import View
from coopgap.report.words import category_words, shorten
from coopgap.sensitivity.confounding.omitted import left_surface

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = ["confounder"]

_WIDTH, _HEIGHT = 7.2, 3.6
_GRID = 121
_SHAPES = ("o", "s", "^", "D", "v", "P", "X", "<")
_LEAST = 0.05
"""Shortest axis, as a share of variance."""


def confounder(view: View, model: str, outcome: str) -> Drawing | None:
    """Lines of equal gap over both shares of variance; None without such rows or a headline."""
    one = benchmarks_of(view.sensitivity, model)
    if one is None or one.alone.estimate is None or not view.is_headline(model, outcome):
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _HEIGHT))
    FigureCanvasAgg(figure)
    where = category_words(one.alone.category, view.levels(outcome))
    title = f"{shorten(view.label(outcome), 40)}: {shorten(where, 20)}, gap left"
    titled(figure, title, view.mark, _HEIGHT)
    axes = figure.add_axes((0.62 / _WIDTH, 0.55 / _HEIGHT, 4.1 / _WIDTH, 2.5 / _HEIGHT))
    ends = _end([item.member for item in one.found]), _end([item.outcome for item in one.found])
    _frame(axes, ends)
    _legend(axes, [*_marks(view, axes, one), *_lines(axes, one, ends)])
    return Drawing(
        name=confounder_name(model),
        alt=(
            f"Gap left by confounders of every strength: {view.label(outcome)}. The numbers stand "
            "in the table above."
        ),
        figure=figure,
    )


def _end(shares: list[float]) -> float:
    """Where an axis ends: a little beyond the strongest benchmark."""
    return min(max(1.15 * max(shares, default=0.0), _LEAST), 0.99)


def _frame(axes: Axes, ends: tuple[float, float]) -> None:
    axes.set_xlim(0, 100 * ends[0])
    axes.set_ylim(0, 100 * ends[1])
    axes.patch.set_alpha(0)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(LINE)
    axes.tick_params(colors=SOFT, length=3, width=0.8)
    axes.set_xlabel("of the variance left of membership, percent", color=SOFT, labelpad=4)
    axes.set_ylabel("of the outcome, percent", color=SOFT, labelpad=4)


def _lines(axes: Axes, one: Benchmarks, ends: tuple[float, float]) -> list[Line2D]:
    """Lines of equal gap; where it is zero, and where its interval reaches zero."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    alone = one.alone
    if alone.estimate is None or alone.upper is None:
        return []
    member, outcome = np.meshgrid(*(np.linspace(0, end, _GRID) for end in ends))
    left, limit = left_surface(
        alone.estimate, alone.upper - alone.estimate, one.bias_scale, one.df, member, outcome
    )
    where = 100 * member, 100 * outcome
    levels = [
        level
        for level in MaxNLocator(7).tick_values(100 * left.min(), 100 * left.max())
        if abs(level) > 1e-9
    ]
    drawn = axes.contour(
        *where, 100 * left, levels=levels, colors=SOFT, linewidths=0.7, linestyles="solid"
    )
    axes.clabel(drawn, fmt=lambda value: points(value / 100, signed=True), fontsize=7)
    handles = []
    for surface, color, style, label in (
        (left, SECOND, "solid", "gap is zero"),
        (limit, FIRST, "dashed", "interval reaches zero"),
    ):
        if surface.min() < 0 < surface.max():
            axes.contour(
                *where, surface, levels=[0.0], colors=color, linewidths=1.5, linestyles=style
            )
            handles.append(Line2D([], [], color=color, lw=1.5, ls=style, label=label))
    return handles


def _marks(view: View, axes: Axes, one: Benchmarks) -> list[Line2D]:
    """Benchmarks by covariate, joined over their multiples."""
    from matplotlib.lines import Line2D

    handles = []
    for number, name in enumerate(one.covariates):
        mine = [item for item in one.found if item.covariate == name]
        shape = _SHAPES[number % len(_SHAPES)]
        axes.plot(
            [100 * item.member for item in mine],
            [100 * item.outcome for item in mine],
            color=INK,
            lw=0.6,
            marker=shape,
            ms=4.6,
            mfc="#ffffff",
            mec=INK,
            clip_on=False,
            zorder=4,
        )
        times = ", ".join(str(item.multiple) for item in mine)
        label = f"{shorten(view.label(name), 20)}, {times} times"
        handles.append(
            Line2D([], [], ls="", marker=shape, ms=4.6, mfc="#ffffff", mec=INK, label=label)
        )
    return handles


def _legend(axes: Axes, handles: list[Line2D]) -> None:
    axes.figure.legend(
        handles=handles,
        title="as strong as",
        alignment="left",
        loc="upper left",
        bbox_to_anchor=(4.8 / _WIDTH, 1 - 0.5 / _HEIGHT),
        frameon=False,
        fontsize=7.5,
        title_fontsize=7.5,
        labelcolor=INK,
        handletextpad=0.4,
    )
