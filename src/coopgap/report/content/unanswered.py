"""Checks without an answer: each reason once, after the checks it holds for."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.content.phone_note import own_note
from coopgap.report.view import View
from coopgap.report.words import CHECKS, verdict_words

__all__ = ["unanswered_items"]


def unanswered_items(view: View, rows: Sequence[SensitivityRow]) -> tuple[tuple[str, str], ...]:
    """A reason a line, after its checks, with outcomes where it is not all of them.

    Parameters
    ----------
    view
        The tables.
    rows
        Those with a quantity count only for which outcomes there are.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        if row.estimate is None and not row.quantity and row.note:
            reason = f"{verdict_words(row.verdict).capitalize()}. {own_note(row)}"
            found.setdefault(reason, {}).setdefault(row.check, []).append(row.outcome)
    every = len({row.outcome for row in rows})
    return tuple(
        (
            "; ".join(
                f"{CHECKS.get(check, check)}{_where(view, outcomes, every)}"
                for check, outcomes in checks.items()
            )
            + ".",
            reason,
        )
        for reason, checks in found.items()
    )


def _where(view: View, outcomes: Sequence[str], every: int) -> str:
    if len(outcomes) == every:
        return ""
    return f" ({'; '.join(view.label(outcome) for outcome in outcomes)})"
