"""The people: how their answers are spread, how alike they are, whom the phone reached."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import BalanceRow, GapRow, SensitivityRow
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
)
from coopgap.report.figures.names import PHONE, balance_name, shares_name
from coopgap.report.values import number, points
from coopgap.report.view import View
from coopgap.report.words import VERDICTS, category_words, clean, shorten
from coopgap.vocabulary import Check, Family, Quantity

__all__ = ["balance", "phone", "shares"]


def shares(view: View, model: str, outcome: str, rows: Sequence[GapRow]) -> Drawing | None:
    """Share at each level in both groups, unadjusted; None for two levels or without numbers."""
    levels = view.levels(outcome)
    found = {
        (row.comparator, row.category): row.estimate
        for row in rows
        if row.family == Family.UNADJUSTED and row.quantity == Quantity.SHARE and row.group == "all"
    }
    if len(levels) < 3 or not any(value is not None for value in found.values()):
        return None
    drawn = canvas(
        len(levels) + 1,
        f"{view.label(outcome)}: share at each level",
        "percent of the group, unadjusted",
        mark=view.mark,
        labels=[*levels, "members"],
    )
    drawn.axes.text(
        0.0,
        0,
        "● members",
        color=FIRST,
        va="center",
        fontweight="bold",
        transform=drawn.axes.get_yaxis_transform(),
    )
    drawn.axes.text(
        0.22,
        0,
        "○ comparison people",
        color=SECOND,
        va="center",
        fontweight="bold",
        transform=drawn.axes.get_yaxis_transform(),
    )
    for line, level in enumerate(reversed(levels), start=1):
        drawn.label(line, category_words(level, levels))
        _dumbbell(drawn, line, found.get(("", level)), found.get(("comparison", level)))
    top = max(value for value in found.values() if value is not None)
    drawn.axes.set_xlim(-6, 100 * top + 9)
    return Drawing(
        name=shares_name(model),
        alt=f"Share at each level by group: {view.label(outcome)}. The numbers stand in gaps.csv.",
        figure=drawn.figure,
    )


def _dumbbell(drawn: Canvas, line: int, member: float | None, other: float | None) -> None:
    """Two points joined; the smaller is labelled at its left, the larger at its right."""
    if member is not None and other is not None:
        drawn.axes.plot([100 * member, 100 * other], [line, line], color=LINE, lw=3, zorder=2)
    for value, beside, color in ((member, other, FIRST), (other, member, SECOND)):
        if value is None:
            continue
        drawn.mark(line, 100 * value, None, color=color, hollow=color == SECOND)
        left = beside is not None and (value < beside or (value == beside and color == SECOND))
        drawn.axes.annotate(
            points(value),
            (100 * value, line),
            (-6 if left else 6, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            color=color,
        )
    if member is None or other is None:
        drawn.value(line, "suppressed", color=SOFT)


def balance(
    view: View, model: str, rows: Sequence[BalanceRow], also: Sequence[str]
) -> Drawing | None:
    """Standardised differences before and after; None where no difference can be computed.

    Parameters
    ----------
    view
        The tables.
    model
        The model drawn.
    rows
        Its rows.
    also
        Other models with the same numbers.
    """
    shown = [row for row in rows if row.group == "all" and row.smd_before is not None]
    if not shown:
        return None
    names = [
        f"{view.label(row.covariate)}{f': {clean(row.level)}' if row.level else ''}"
        for row in shown
    ]
    matched = view.is_matched(model)
    who = "every model" if also else f"model {model}"
    drawn = canvas(
        len(shown) + 1,
        f"{'Balance before and after matching' if matched else 'Balance'}, {shorten(who, 40)}",
        "standardised difference, members less comparison",
        mark=view.mark,
        labels=names,
        values=["−0.00 → −0.00" if matched else "−0.00"],
    )
    drawn.axes.axvspan(-0.1, 0.1, color=BAND, zorder=0, lw=0)
    drawn.zero()
    for at, text, color in ((0.0, "○ before", SECOND), (0.2, "● after", FIRST)) * matched:
        drawn.axes.text(
            at,
            0,
            text,
            color=color,
            va="center",
            fontweight="bold",
            transform=drawn.axes.get_yaxis_transform(),
        )
    for line, (row, name) in enumerate(zip(shown, names, strict=True), start=1):
        drawn.label(line, name)
        after = f" → {number(row.smd_after, 2)}" if matched else ""
        drawn.value(line, f"{number(row.smd_before, 2)}{after}", color=SOFT)
        if row.smd_before is not None:
            drawn.mark(line, row.smd_before, None, color=SECOND, hollow=True)
        if row.smd_after is not None:
            drawn.mark(line, row.smd_after, None, color=FIRST)
    low, high = drawn.axes.get_xlim()
    drawn.axes.set_xlim(min(low, -0.2), max(high, 0.2))
    return Drawing(
        name=balance_name(model),
        alt=(
            f"Standardised differences{' before and after matching' if matched else ''}. The "
            "numbers stand in the table above."
        ),
        figure=drawn.figure,
    )


def phone(view: View, rows: Sequence[SensitivityRow]) -> Drawing | None:
    """Phone less in-person comparison people against the margin; None without such rows."""
    shown = [
        row
        for row in rows
        if row.check == Check.PHONE_EQUIVALENCE
        and row.quantity == Quantity.RISK_DIFFERENCE
        and row.variant == "adjusted"
        and row.estimate is not None
    ]
    if not shown:
        return None
    lines: list[SensitivityRow | str] = []
    for outcome in dict.fromkeys(row.outcome for row in shown):
        lines.append(view.label(outcome))
        lines += [row for row in shown if row.outcome == outcome]
    labels = [
        line if isinstance(line, str) else category_words(line.category, view.levels(line.outcome))
        for line in lines
    ]
    values = ["" if isinstance(line, str) else _phone_words(line) for line in lines]
    drawn = canvas(
        len(lines),
        "Phone less in-person comparison people",
        "difference in percentage points with 90 % interval; band: the margin declared",
        mark=view.mark,
        labels=labels,
        values=values,
    )
    drawn.zero()
    for at, (line, label, value) in enumerate(zip(lines, labels, values, strict=True)):
        if isinstance(line, str):
            drawn.heading(at, label)
        else:
            _phone_line(drawn, at, line, label, value)
    return Drawing(
        name=PHONE,
        alt=(
            "Phone less in-person comparison people with the margin. The "
            "numbers stand in the table above."
        ),
        figure=drawn.figure,
    )


def _phone_words(row: SensitivityRow) -> str:
    return VERDICTS.get(row.verdict or "", "")


def _phone_line(drawn: Canvas, at: int, row: SensitivityRow, label: str, value: str) -> None:
    from matplotlib.patches import Rectangle

    drawn.label(at, label)
    drawn.value(at, value, color=INK)
    if row.threshold is not None:
        half = 100 * row.threshold
        drawn.axes.add_patch(
            Rectangle((-half, at - 0.5), 2 * half, 1, fc=BAND, ec="none", zorder=0.5)
        )
    if row.estimate is not None:
        limits = (
            None if row.lower is None or row.upper is None else (100 * row.lower, 100 * row.upper)
        )
        drawn.mark(at, 100 * row.estimate, limits, color=FIRST)
