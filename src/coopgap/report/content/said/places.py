"""Sentences about leaving a region or a zone out."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.values import estimate_words
from coopgap.report.view import View
from coopgap.report.words import clean
from coopgap.vocabulary import Check, Verdict

__all__ = ["left_out"]


def left_out(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The lowest and the highest gap without a place, and whose absence changes the conclusion."""
    shown = [row for row in rows if row.estimate is not None]
    if not shown:
        return ()
    what = "region" if shown[0].check == Check.LEAVE_ONE_REGION else "zone"
    low, high = (pick(shown, key=lambda row: row.estimate or 0.0) for pick in (min, max))
    changed = [clean(row.variant) for row in shown if row.verdict == Verdict.CHANGES]
    extremes = (
        f"With one {what} left out at a time the gap lies between {_gap(low)} "
        f"({clean(low.variant)}) and {_gap(high)} ({clean(high.variant)})."
    )
    if not changed:
        return (extremes, f"The conclusion rests on no single {what}.")
    return (extremes, f"The conclusion changes {', '.join(changed)}.")


def _gap(row: SensitivityRow) -> str:
    return estimate_words(row.quantity, row.estimate, None, None)
