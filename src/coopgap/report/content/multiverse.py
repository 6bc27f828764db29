"""Tables and pictures of multiverses: a line an outcome, and a line a choice."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.content.said.multiverse import is_specification
from coopgap.report.document import Block, Figure, Table
from coopgap.report.figures.names import multiverse_name
from coopgap.report.values import DASH, estimate_words, p_value, spread
from coopgap.report.view import View
from coopgap.report.words import clean, once, readable
from coopgap.vocabulary import Version

__all__ = ["multiverse_blocks"]


def multiverse_blocks(
    view: View, rows: Sequence[SensitivityRow], drawn: Sequence[str]
) -> list[Block]:
    """What stands below the sentences of the check.

    Parameters
    ----------
    view
        The tables.
    rows
        Every row of the check that has a quantity.
    drawn
        Names of the figures that exist.
    """
    together = [row for row in rows if row.variant == Version.TOGETHER]
    choices = [row for row in rows if row.variant != Version.TOGETHER and not is_specification(row)]
    models = dict.fromkeys(row.model for row in rows)
    blocks: list[Block] = [
        Figure(
            name=multiverse_name(model),
            caption=(
                "Each combination of choices with its 95 % confidence interval, in order. Blue: "
                "the interval leaves out no gap. Below, the choices of each."
            ),
            mark=view.mark,
            brief=False,
        )
        for model in models
        if multiverse_name(model) in drawn
    ]
    blocks += [_together(view, together)] if together else []
    blocks += [_choices(view, choices)] if choices else []
    return blocks


def _together(view: View, rows: Sequence[SensitivityRow]) -> Table:
    """A line an outcome: each joint statistic with its p-value over the shuffles."""
    lines, notes = [], []
    schemes: dict[str, None] = {}
    for model in dict.fromkeys(row.model for row in rows):
        mine = [row for row in rows if row.model == model]
        label = view.label(mine[0].outcome)
        lines.append((label, *(_with_p(row) for row in (*mine, *[None] * (3 - len(mine))))))
        notes += [f"{label}: {clean(mine[0].note)}"]
        schemes |= dict.fromkeys(clean(row.note) for row in mine[1:])
    return Table(
        caption="All combinations of choices together",
        header=("Outcome", "Median", "On the same side", "Interval leaves out no gap"),
        rows=tuple(lines),
        notes=(*schemes, *notes),
        mark=view.mark,
        brief=False,
    )


def _with_p(row: SensitivityRow | None) -> str:
    if row is None or row.estimate is None:
        return DASH
    return f"{estimate_words(row.quantity, row.estimate)}; p {p_value(row.p_value)}"


def _choices(view: View, rows: Sequence[SensitivityRow]) -> Table:
    """A line a choice: the median by each of its values, and how far estimates run."""
    found: dict[tuple[str, str], list[tuple[str, SensitivityRow]]] = {}
    for row in rows:
        found.setdefault((row.outcome, row.about), []).append((row.choice, row))
    lines = [
        (
            view.label(outcome),
            readable(axis),
            "; ".join(f"{clean(readable(value))} {_median(row)}" for value, row in mine),
            "; ".join(spread(row.quantity, row.lower, row.upper) for _, row in mine),
        )
        for (outcome, axis), mine in found.items()
    ]
    return Table(
        caption="Combinations by choice",
        header=("Outcome", "Choice", "Median of each value", "From the smallest to the largest"),
        rows=once(lines),
        leading=4,
        mark=view.mark,
        brief=False,
    )


def _median(row: SensitivityRow) -> str:
    return estimate_words(row.quantity, row.estimate)
