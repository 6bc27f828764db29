"""Gaps in order of a choice: every combination of a multiverse, every discount of a power prior."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import null_value
from coopgap.core.vocabulary import Check, Quantity, Version
from coopgap.report.data import Answer
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
from coopgap.report.values import value_words
from coopgap.report.words import capital, readable

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
