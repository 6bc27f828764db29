"""The gap left by unmeasured confounders of every strength, with those as strong as a covariate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from coopgap.checks.omitted import left_surface
from coopgap.core.vocabulary import Check, Quantity, Version
from coopgap.report.data import Answer, Results
from coopgap.report.figures.canvas import FIRST, INK, SECOND, SOFT, Drawing, panel
from coopgap.report.values import points
from coopgap.report.words import category_words, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from coopgap.core.estimate import SensitivityRow

_GRID = 121
_SHAPES = ("o", "s", "^", "D", "v", "P", "X", "<")
_LEAST = 0.05
"""Shortest axis, as a share of variance."""


def contour(answer: Answer) -> Drawing | None:
    """Lines of equal gap over both partial R²; once a study, for its first headline."""
    if answer is not answer.results.headlines[0]:
        return None
    rows = {
        (row.about, row.setting, row.variant if not row.about else "", row.quantity): row
        for row in answer.check(Check.ROBUSTNESS_VALUE)
    }
    key = ("", None, Version.NO_CONFOUNDER)
    alone = rows.get((*key, Quantity.RISK_DIFFERENCE))
    scale, df = (rows.get((*key, name)) for name in ("bias_scale", "df"))
    if alone is None or alone.estimate is None or scale is None or df is None:
        return None
    marks = [
        (name, setting, row.estimate, rows[name, setting, "", "r2_outcome"].estimate)
        for (name, setting, _, quantity), row in rows.items()
        if quantity == "r2_membership" and (name, setting, "", "r2_outcome") in rows
    ]
    told = [(n, s, x, y) for n, s, x, y in marks if x is not None and y is not None]
    ends = _end([x for _, _, x, _ in told]), _end([y for _, _, _, y in told])
    where = category_words(alone.category, answer.levels)
    title = f"{shorten(answer.label, 40)}: {shorten(where, 20)}, gap left"
    figure, axes = panel(title, answer.results.mark, height=3.6, width=4.1)
    axes.set_xlim(0, 100 * ends[0])
    axes.set_ylim(0, 100 * ends[1])
    axes.set_xlabel("partial R² with membership, percent", color=SOFT, labelpad=4)
    axes.set_ylabel("partial R² with the outcome, percent", color=SOFT, labelpad=4)
    handles = [*_marks(answer.results, axes, told), *_lines(axes, alone, scale, df, ends)]
    axes.figure.legend(
        handles=handles,
        title="as strong as",
        alignment="left",
        loc="upper left",
        bbox_to_anchor=(0.67, 0.9),
        frameon=False,
        fontsize=7.5,
        title_fontsize=7.5,
        labelcolor=INK,
    )
    return Drawing(
        name=f"confounder_{answer.model}",
        alt=f"{answer.label}: gap left by confounders of every strength; the table has numbers.",
        figure=figure,
    )


def _end(shares: list[float]) -> float:
    """Where an axis ends: a little beyond the strongest covariate."""
    return min(max(1.15 * max(shares, default=0.0), _LEAST), 0.99)


def _lines(
    axes: Axes,
    alone: SensitivityRow,
    scale: SensitivityRow,
    df: SensitivityRow,
    ends: tuple[float, ...],
) -> list[Line2D]:
    """Lines of equal gap; where it is zero, and where its interval reaches zero."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    estimate, upper = alone.estimate or 0.0, alone.upper
    if upper is None:
        return []
    member, outcome = np.meshgrid(*(np.linspace(0, end, _GRID) for end in ends))
    left, limit = left_surface(
        estimate, upper - estimate, scale.estimate or 0.0, df.estimate or 0.0, member, outcome
    )
    where = 100 * member, 100 * outcome
    ticks = MaxNLocator(7).tick_values(100 * left.min(), 100 * left.max())
    levels = [level for level in ticks if abs(level) > 1e-9]
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


def _marks(
    results: Results, axes: Axes, told: list[tuple[str, float | None, float, float]]
) -> list[Line2D]:
    """Measured covariates, joined over the times they are multiplied by."""
    from matplotlib.lines import Line2D

    handles = []
    for number, name in enumerate(dict.fromkeys(one[0] for one in told)):
        mine = [one for one in told if one[0] == name]
        shape = _SHAPES[number % len(_SHAPES)]
        how = {"marker": shape, "ms": 4.6, "mfc": "#ffffff", "mec": INK}
        x, y = [100 * one[2] for one in mine], [100 * one[3] for one in mine]
        axes.plot(x, y, color=INK, lw=0.6, clip_on=False, zorder=4, **how)  # type: ignore[arg-type]
        times = ", ".join(f"{one[1]:g}" for one in mine)
        label = f"{shorten(results.label(name), 20)}, {times} times"
        handles.append(Line2D([], [], ls="", label=label, **how))  # type: ignore[arg-type]
    return handles
