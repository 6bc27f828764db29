"""What no analysis of the phone interviews settles, and the rest of a row's note."""

from __future__ import annotations

from coopgap.estimate import SensitivityRow
from coopgap.report.words import clean

__all__ = ["PHONE_LIMITS", "own_note"]

PHONE_LIMITS = (
    "Mode, date, quarantine and phone coverage cannot be told "
    "apart, and no members were called, so "
    "there is no difference between two differences to take. No analysis of these interviews can "
    "settle that."
)
_LIMIT_NOTE = (
    "Mode, date, quarantine and phone coverage cannot be told apart, and no members were called."
)


def own_note(row: SensitivityRow) -> str:
    """A note without the limits, which the section states once."""
    return clean(row.note).replace(_LIMIT_NOTE, "").strip()
