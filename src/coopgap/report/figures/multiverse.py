"""The specification curve: every estimate in order, and the choices behind each."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from coopgap.estimate import SensitivityRow
from coopgap.gap import null_value
from coopgap.report.content.said.multiverse import is_specification
from coopgap.report.figures.canvas import FIRST, INK, LINE, SECOND, SOFT, Canvas, Drawing, canvas
from coopgap.report.figures.names import multiverse_name
from coopgap.report.values import value_words
from coopgap.report.view import View
from coopgap.report.words import clean, readable
from coopgap.vocabulary import Quantity

__all__ = ["curve"]

_HEIGHT = 13
"""Rows that the curve takes."""

_AXES = {
    "method": "Matching",
    "caliper": "Caliper",
    "covariates": "Covariates",
    "link": "Link",
    "coding": "Outcome",
    "region": "Region",
    "mode": "Interviews",
    "population": "Gap of",
}


def curve(view: View, model: str, outcome: str) -> Drawing | None:
    """Estimates with intervals above, a mark for each choice below; None without a multiverse."""
    rows = [
        row
        for row in view.sensitivity
        if (row.model, row.outcome) == (model, outcome)
        and is_specification(row)
        and row.estimate is not None
    ]
    if len(rows) < 2:
        return None
    rows.sort(key=lambda row: (row.estimate or 0.0, row.variant))
    lines = _lines(view, rows)
    labels = [_AXES.get(axis, axis) if not value else _word(value) for axis, value in lines]
    values = [_median(view, rows, axis, value) for axis, value in lines]
    what = "points" if rows[0].quantity == Quantity.RISK_DIFFERENCE else "percent"
    drawn = canvas(
        _HEIGHT + 1 + len(lines),
        f"{view.label(outcome)}: {len(rows)} combinations of choices",
        "combinations, from the smallest estimate to the largest",
        mark=view.mark,
        labels=[*labels, "Estimate, percent", "declared"],
        values=[*values, "median"],
    )
    drawn.axes.grid(visible=False)
    drawn.axes.set_xlim(-0.5 - len(rows) / 60, len(rows) - 0.5 + len(rows) / 60)
    own = _declared(view, model, rows)
    _estimates(drawn, rows, own, what)
    drawn.value(_HEIGHT - 0.2, "median", color=SOFT)
    for number, ((axis, value), label, words) in enumerate(zip(lines, labels, values, strict=True)):
        at = _HEIGHT + 1 + number
        if not value:
            drawn.heading(at, label)
            continue
        drawn.label(at, label)
        drawn.value(at, words, color=SOFT)
        _marks(drawn, at, [_has(view, row, axis, value) for row in rows], own, len(rows))
    return Drawing(
        name=multiverse_name(model),
        alt=(
            f"{view.label(outcome)}: estimates of {len(rows)} combinations of choices in order, "
            "and the choices of each. The numbers stand in sensitivity.csv."
        ),
        figure=drawn.figure,
    )


def _lines(view: View, rows: Sequence[SensitivityRow]) -> list[tuple[str, str]]:
    """A line a choice, with no value, and one for each of its values."""
    found: dict[str, dict[str, None]] = {}
    for axis in _AXES:
        for row in rows:
            value = view.choices(row).get(axis)
            if value:
                found.setdefault(axis, {})[value] = None
    return [
        (axis, value)
        for axis, values in found.items()
        if len(values) > 1
        for value in ("", *sorted(values))
    ]


def _word(value: str) -> str:
    return clean(readable(value))


def _has(view: View, row: SensitivityRow, axis: str, value: str) -> bool:
    return view.choices(row).get(axis) == value


def _median(view: View, rows: Sequence[SensitivityRow], axis: str, value: str) -> str:
    if not value:
        return ""
    found = [row.estimate or 0.0 for row in rows if _has(view, row, axis, value)]
    return value_words(rows[0].quantity, median(found), signed=True)


def _declared(view: View, model: str, rows: Sequence[SensitivityRow]) -> int | None:
    """Place of the model itself among the rows."""
    listed = view.specifications(model)
    name = next((one["variant"] for one in listed if one["is_declared"]), None)
    return next((at for at, row in enumerate(rows) if row.variant == name), None)


def _estimates(drawn: Canvas, rows: Sequence[SensitivityRow], own: int | None, what: str) -> None:
    """The upper part: estimates as heights, with the value of no gap as a line."""
    null = null_value(Quantity(rows[0].quantity))
    limits = [one for row in rows for one in (row.lower, row.upper, null) if one is not None]
    low, high = min(limits), max(limits)

    def height(value: float) -> float:
        return (_HEIGHT - 1.5) * (high - value) / (high - low) + 0.5

    axes = drawn.axes
    for at, row in enumerate(rows):
        color = SECOND if at == own else (FIRST if _apart(row, null) else SOFT)
        if row.lower is not None and row.upper is not None:
            axes.plot(
                [at, at],
                [height(row.lower), height(row.upper)],
                color=color if at == own else LINE,
                lw=1.6 if at == own else max(0.6, min(3.0, 220 / len(rows))),
                solid_capstyle="butt",
                zorder=3 if at == own else 2,
            )
        size = 5.0 if at == own else max(1.4, min(4.0, 300 / len(rows)))
        axes.plot(
            [at], [height(row.estimate or 0.0)], "o", ms=size, mfc=color, mec="none", zorder=4
        )
    axes.plot(axes.get_xlim(), [height(null)] * 2, color=INK, lw=0.9, zorder=1)
    drawn.heading(-0.2, f"Estimate, {what}")
    shown = [null, *(end for end in (low, high) if abs(height(end) - height(null)) > 1)]
    for value in shown:
        drawn.label(height(value), value_words(rows[0].quantity, value, signed=True), color=SOFT)
    if own is not None:
        drawn.value(height(rows[own].estimate or 0.0), "declared", color=SECOND, bold=True)


def _apart(row: SensitivityRow, null: float) -> bool:
    """Whether the interval leaves out no gap."""
    return None not in (row.lower, row.upper) and not (row.lower or 0) <= null <= (row.upper or 0)


def _marks(drawn: Canvas, at: int, has: Sequence[bool], own: int | None, n: int) -> None:
    """A tick for each combination that has the choice."""
    size = max(5.0, min(7.0, 400 / n))
    width = max(0.5, min(2.0, 160 / n))
    for color, places in (
        (SOFT, [x for x, one in enumerate(has) if one and x != own]),
        (SECOND, [x for x, one in enumerate(has) if one and x == own]),
    ):
        drawn.axes.plot(places, [at] * len(places), "|", ms=size, mec=color, mew=width, zorder=3)
