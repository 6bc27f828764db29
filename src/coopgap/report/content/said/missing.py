"""Sentences about answers that are missing."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.content.said.common import place
from coopgap.report.values import estimate_words, interval_name, quantity_words, spread, value_words
from coopgap.report.view import View, is_first
from coopgap.report.words import joined
from coopgap.sensitivity.missing.imputed import DELTAS
from coopgap.vocabulary import Quantity, Verdict, Version

__all__ = ["bounded", "imputed"]


def bounded(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """Between what the gap lies whatever the missing answers are."""
    sure, wide = (_first(view, rows, name) for name in _VARIANTS)
    if sure is None or wide is None or sure.lower is None:
        return ()
    between = (
        f"Whatever the missing answers are, {_what(view, sure)} lies between {_ends(sure)}; with "
        f"sampling error between {_ends(wide)}."
    )
    if wide.verdict == Verdict.HOLDS:
        return (between, "The gap holds at either end.")
    if wide.verdict == Verdict.CHANGES:
        return (between, "The gap changes whatever they are.")
    if wide.verdict == Verdict.UNDECIDED:
        return (between, "Whether they would change the gap is undecided.")
    return (between,)


_VARIANTS = (Version.BOUNDS, Version.BOUNDS_WITH_ERROR)


def imputed(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The gap with missing answers imputed, and how far they may be shifted."""
    row = _first(view, rows, Version.IMPUTED)
    if row is None or row.estimate is None:
        return ()
    name = interval_name(row.interval_prob, row.interval_kind)
    limits = spread(row.quantity, row.lower, row.upper)
    gap = estimate_words(row.quantity, row.estimate)
    known = {
        Verdict.HOLDS: "; the gap of the complete cases holds",
        Verdict.CHANGES: "; the gap of the complete cases changes",
        Verdict.UNDECIDED: "; whether it differs from the complete cases' is undecided",
    }
    judged = known.get(Verdict(row.verdict), "") if row.verdict else ""
    first = f"With missing answers imputed {_what(view, row)} is {gap} ({name} {limits}){judged}."
    return (first, *_shifts([row for row in rows if row.quantity == "delta"]))


def _shifts(rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """Where the interval turns, for each group whose answers were shifted."""
    turning = [
        f"from {value_words(row.quantity, row.estimate)} on for {row.about}"
        for row in rows
        if row.estimate is not None
    ]
    if turning:
        return (
            "The gap changes by more than half of the smallest one that matters if the log odds of "
            f"a higher answer are shifted where the answer is missing: {joined(turning)}.",
        )
    if not rows:
        return ()
    groups = joined([row.about for row in rows], "or")
    return (
        "The gap changes by no more than half of the smallest one that matters if the log odds of "
        f"the missing answers of {groups} are shifted by up to {max(DELTAS):g} either way.",
    )


def _first(view: View, rows: Sequence[SensitivityRow], variant: str) -> SensitivityRow | None:
    """The variant's row about what the model puts first."""
    return next((row for row in rows if row.variant == variant and is_first(view, row)), None)


def _what(view: View, row: SensitivityRow) -> str:
    if row.quantity == Quantity.SUPERIORITY:
        return f"the {quantity_words(row.quantity)}"
    return f"the difference in points{place(view, row)}"


def _ends(row: SensitivityRow) -> str:
    low, high = (value_words(row.quantity, end) for end in (row.lower, row.upper))
    return f"{low} and {high}"
