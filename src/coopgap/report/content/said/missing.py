"""Sentences about answers that are missing."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.values import estimate_words, interval_name, quantity_words, spread, value_words
from coopgap.report.view import View
from coopgap.report.words import joined
from coopgap.sensitivity.missing.bounds_rows import BOUNDS, WITH_ERROR
from coopgap.sensitivity.missing.imputation_rows import IMPUTED, TURNS
from coopgap.sensitivity.missing.imputed import DELTAS
from coopgap.vocabulary import Quantity, Verdict

__all__ = ["bounded", "imputed"]


def bounded(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """Between what the gap lies whatever the missing answers are."""
    sure, wide = (_whole([row for row in rows if row.variant == name]) for name in _VARIANTS)
    if sure is None or wide is None or sure.lower is None:
        return ()
    between = (
        f"Whatever the missing answers are, {_what(sure)} lies between {_ends(sure)}; with "
        f"sampling error between {_ends(wide)}."
    )
    if wide.verdict == Verdict.HOLDS:
        return (between, "The conclusion is the same at either end.")
    if wide.verdict == Verdict.CHANGES:
        return (between, "The conclusion rests on what is assumed about them.")
    return (between,)


_VARIANTS = (BOUNDS, WITH_ERROR)


def imputed(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The gap with missing answers imputed, and how far they may be shifted."""
    row = _whole([row for row in rows if row.variant == IMPUTED])
    if row is None or row.estimate is None:
        return ()
    name = interval_name(row.interval_prob, row.interval_kind)
    limits = spread(row.quantity, row.lower, row.upper)
    gap = estimate_words(row.quantity, row.estimate)
    known = {
        Verdict.HOLDS: "; the conclusion is that of the complete cases",
        Verdict.CHANGES: "; the conclusion is not that of the complete cases",
    }
    judged = known.get(Verdict(row.verdict), "") if row.verdict else ""
    first = f"With missing answers imputed {_what(row)} is {gap} ({name} {limits}){judged}."
    return (first, *_shifts([row for row in rows if row.variant.startswith(TURNS)]))


def _shifts(rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """Where the conclusion turns, for each group whose answers were shifted."""
    turning = [
        f"from {value_words(row.quantity, row.estimate)} on for {_group(row)}"
        for row in rows
        if row.estimate is not None
    ]
    if turning:
        return (
            "It changes if the log odds of a higher answer are shifted where the answer is "
            f"missing: {joined(turning)}.",
        )
    if not rows:
        return ()
    groups = joined([_group(row) for row in rows], "or")
    return (
        f"It does not change if the log odds of the missing answers of {groups} are shifted by "
        f"up to {max(DELTAS):g} either way.",
    )


def _group(row: SensitivityRow) -> str:
    return row.variant.removeprefix(f"{TURNS}, ")


def _whole(rows: Sequence[SensitivityRow]) -> SensitivityRow | None:
    """The row that stands for the whole distribution: superiority, of two levels the gap."""
    found = [
        row
        for row in rows
        if row.quantity == Quantity.SUPERIORITY
        or (row.quantity == Quantity.RISK_DIFFERENCE and not row.category)
    ]
    return found[-1] if found else None


def _what(row: SensitivityRow) -> str:
    if row.quantity == Quantity.SUPERIORITY:
        return f"the {quantity_words(row.quantity)}"
    return "the difference in points"


def _ends(row: SensitivityRow) -> str:
    low, high = (value_words(row.quantity, end) for end in (row.lower, row.upper))
    return f"{low} and {high}"
