"""Gaps by what is supposed: confounders of every strength, a multiverse in order, a discount."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from coopgap.checks.robustness import left_surface
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import null_value
from coopgap.core.vocabulary import Check, Quantity, Version
from coopgap.report.data import Answer, Results
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
    panel,
)
from coopgap.report.words import capital, category_words, points, readable, shorten, value_words

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
    handles = [*_marks(answer.results, axes, told), *_levels(axes, alone, scale, df, ends)]
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


def _levels(
    axes: Axes,
    alone: SensitivityRow,
    scale: SensitivityRow,
    df: SensitivityRow,
    ends: tuple[float, ...],
) -> list[Line2D]:
    """Lines of equal gap; where it is zero, and where its interval reaches zero."""
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


_HEIGHT = 11
"""Rows that the estimates take, above the choices."""


def curve(answer: Answer) -> Drawing | None:
    """Estimates in order above, a tick for each choice below; None without a multiverse."""
    listed = {
        one["variant"]: one
        for one in answer.results.meta.get("multiverse", {}).get(answer.model, ())
    }
    rows = [
        row
        for row in answer.check(Check.MULTIVERSE)
        if row.variant in listed and row.estimate is not None and row.quantity in _SINGLE
    ]
    if len(rows) < 2:
        return None
    rows.sort(key=lambda row: (row.estimate or 0.0, row.variant))
    choices = [listed[row.variant]["choices"] for row in rows]
    lines = _lines(choices)
    drawn = canvas(
        _HEIGHT + 1 + len(lines),
        f"{answer.label}: {len(rows)} combinations of choices",
        "combinations, from the smallest estimate to the largest",
        mark=answer.results.mark,
        labels=[readable(value or axis) for axis, value in lines],
        values=["median +00.0"],
    )
    drawn.axes.grid(visible=False)
    drawn.axes.set_xlim(-0.5, len(rows) - 0.5)
    _estimates(drawn, rows)
    for number, (axis, value) in enumerate(lines, start=_HEIGHT + 1):
        if not value:
            drawn.heading(number, capital(readable(axis)))
            continue
        has = [at for at, one in enumerate(choices) if one.get(axis) == value]
        drawn.label(number, readable(value))
        middle = median(rows[at].estimate or 0.0 for at in has)
        drawn.value(number, value_words(rows[0].quantity, middle, signed=True), color=SOFT)
        drawn.axes.plot(has, [number] * len(has), "|", ms=6, mec=SOFT, mew=1, zorder=3)
    drawn.value(_HEIGHT, "median", color=SOFT)
    return Drawing(
        name=f"multiverse_{answer.model}",
        alt=f"{answer.label}: {len(rows)} combinations of choices in order of their estimates.",
        figure=drawn.figure,
    )


_SINGLE = (Quantity.RISK_DIFFERENCE, Quantity.SUPERIORITY)


def _lines(choices: Sequence[Mapping[str, str]]) -> list[tuple[str, str]]:
    """A line an axis that varies, with no value, and one for each of its values."""
    found: dict[str, dict[str, None]] = {}
    for one in choices:
        for axis, value in one.items():
            found.setdefault(axis, {})[value] = None
    return [
        (axis, value)
        for axis, values in found.items()
        if len(values) > 1
        for value in ("", *sorted(values))
    ]


def _estimates(drawn: Canvas, rows: Sequence[SensitivityRow]) -> None:
    """Estimates as heights, with the value of no gap as a line."""
    quantity = Quantity(rows[0].quantity)
    null = null_value(quantity)
    ends = [one for row in rows for one in (row.lower, row.upper, null) if one is not None]
    low, high = min(ends), max(ends)

    def height(value: float) -> float:
        return (_HEIGHT - 1.5) * (high - value) / (high - low) + 0.5

    for at, row in enumerate(rows):
        if row.lower is not None and row.upper is not None:
            clear = not row.lower <= null <= row.upper
            drawn.axes.plot([at, at], [height(row.lower), height(row.upper)], color=LINE, lw=1.4)
        else:
            clear = False
        color = FIRST if clear else SOFT
        drawn.axes.plot(
            [at], [height(row.estimate or 0.0)], "o", ms=3, mfc=color, mec="none", zorder=4
        )
    drawn.axes.plot(drawn.axes.get_xlim(), [height(null)] * 2, color=INK, lw=0.9, zorder=1)
    for value in [null, *(end for end in (low, high) if abs(height(end) - height(null)) > 1)]:
        drawn.label(height(value), value_words(quantity, value, signed=True), color=SOFT)


def borrowed(answer: Answer) -> Drawing | None:
    """The gap by the discount a₀ of the phone interviews; None without a power prior."""
    mine = [
        row
        for row in answer.check(Check.PHONE_POWER_PRIOR)
        if row.quantity == Quantity.RISK_DIFFERENCE and None not in (row.lower, row.upper)
    ]
    at = sorted((row for row in mine if row.setting is not None), key=lambda row: row.setting or 0)
    if len(at) < 2:
        return None
    figure, axes = panel(
        f"{answer.label}: gap by the discount a₀", answer.results.mark, height=2.8, width=5
    )
    x = [row.setting for row in at]
    low, middle, high = ([100 * getattr(row, end) for row in at] for end in _ENDS)
    axes.set_xlim(0, 1)
    axes.grid(axis="y", color=LINE, lw=0.6)
    axes.fill_between(_floats(x), low, high, color=BAND, lw=0)
    axes.plot(_floats(x), middle, color=FIRST, lw=1.5)
    axes.axhline(0, color=INK, lw=0.9)
    for row in mine:
        if row.variant == Version.AVERAGED and row.estimate is not None:
            axes.axhline(100 * row.estimate, color=SECOND, lw=1.1, ls=(0, (4, 2)))
    axes.set_xlabel(
        "discount a₀: part of an in-person interview that one by phone counts as", color=SOFT
    )
    axes.set_ylabel("gap, points", color=SOFT)
    return Drawing(
        name=f"borrowed_{answer.model}",
        alt=f"{answer.label}: gap by the discount of the phone interviews; dashed: averaged.",
        figure=figure,
    )


_ENDS = ("lower", "estimate", "upper")


def _floats(values: Sequence[Any]) -> list[float]:
    return [float(value) for value in values]
