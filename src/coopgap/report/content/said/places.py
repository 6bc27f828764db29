"""Sentences about leaving a region or a zone out."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.content.said.common import interval, name
from coopgap.report.values import points
from coopgap.report.view import View
from coopgap.report.words import clean, joined
from coopgap.vocabulary import Check, Verdict

__all__ = ["INFLUENCE", "left_out", "most_moving"]

INFLUENCE = "influence"
"""Quantity of the rows that say what a place moves the gap by."""

_SHOWN = 10


def most_moving(rows: Sequence[SensitivityRow]) -> list[SensitivityRow]:
    """Of one model's rows, the gaps without those places that move the gap most."""
    moved = {row.variant: abs(row.estimate or 0.0) for row in rows if row.quantity == INFLUENCE}
    first = sorted(moved, key=lambda name: -moved[name])[:_SHOWN]
    return [row for row in rows if row.variant in first and row.quantity != INFLUENCE]


def left_out(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """How far single places move the gap, and whose absence changes the gap."""
    moves = [row for row in rows if row.quantity == INFLUENCE and row.estimate is not None]
    gaps = {row.variant: row for row in rows if row.quantity != INFLUENCE}
    if not moves:
        return ()
    what = "region" if rows[0].check == Check.LEAVE_ONE_REGION else "zone"
    most = max(moves, key=lambda row: abs(row.estimate or 0.0))
    at = gaps[most.variant]
    extreme = (
        f"One {what} moves {name(view, at)} most: {_without(what, at)} it is {interval(at)}, "
        f"{points(abs(most.estimate or 0.0))} points from the declared one."
    )
    by = {
        verdict: [_without(what, row) for row in gaps.values() if row.verdict == verdict]
        for verdict in (Verdict.CHANGES, Verdict.UNDECIDED)
    }
    if by[Verdict.CHANGES]:
        return (extreme, f"The gap changes {joined(by[Verdict.CHANGES])}.")
    if by[Verdict.UNDECIDED]:
        return (extreme, f"Whether the gap changes is undecided {joined(by[Verdict.UNDECIDED])}.")
    return (extreme, f"The gap rests on no single {what}.")


def _without(what: str, row: SensitivityRow) -> str:
    """The variant's own words; zones are often numbers, which need a noun."""
    text = clean(row.variant)
    return text.replace("without ", "without zone ", 1) if what == "zone" else text
