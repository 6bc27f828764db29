"""What no analysis of the phone interviews settles, and the rest of a row's note."""

from __future__ import annotations

from coopgap.estimate import SensitivityRow
from coopgap.report.view import View
from coopgap.report.words import clean
from coopgap.sensitivity.phone.data import LIMITS, MEMBERS_ASIDE

__all__ = ["own_note", "phone_limits"]


def phone_limits(view: View) -> str:
    """What cannot be settled, stated once for the section."""
    if view.meta.get("n_phone_member"):
        return (
            f"{MEMBERS_ASIDE} No difference between two differences is taken: members who answer "
            "the phone need not be those asked in person. No analysis here can settle that."
        )
    return (
        f"{LIMITS.removesuffix('.')}, so there is no difference between two differences to take. "
        "No analysis of these interviews can settle that."
    )


def own_note(row: SensitivityRow) -> str:
    """A note without the limits, which the section states once."""
    return clean(row.note).replace(LIMITS, "").replace(MEMBERS_ASIDE, "").strip()
