"""What an association between printed numbers would need to be more, item by item."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.printed.design import Covariate
from coopgap.report.document import Block, Items, Paragraph
from coopgap.report.values import number
from coopgap.report.view import View
from coopgap.report.words import UNKNOWN, capital, clean

__all__ = ["association_blocks"]

_CAN_CARRY = (
    "To be read as more than an association, each of the following would have to hold. The printed "
    "numbers cannot show that any of them does."
)
_CONDITIONS = (
    (
        "Nothing else that differs.",
        f"How far people who join were already different before they joined: {UNKNOWN}. Every "
        "number was asked once.",
    ),
    (
        "Who was asked.",
        "A quota sample has no formal margin of error, and how people were chosen within their "
        f"zones is not printed: {UNKNOWN}. Shares of everybody in a country hold members too.",
    ),
    (
        "When, and in which mode.",
        "Both groups would have to be asked at the same time in the same way. Telephone and "
        "in-person answers are not printed apart.",
    ),
    (
        "Who had left the co-operative.",
        "People who left count among the non-members if they count at all, and those who stayed "
        f"may be those it suited. How many had left: {UNKNOWN}.",
    ),
    (
        "One person's membership and another's answers.",
        "Where a place with a co-operative differs for everybody in it, the gap does not show it. "
        f"How far it does: {UNKNOWN}.",
    ),
)


def association_blocks(view: View, covariates: Sequence[Covariate]) -> list[Block]:
    """The conditions, one by one; first how alike the printed samples are."""
    bars = {
        row.diagnostic: row for row in view.printed_diagnostics if row.diagnostic.endswith("_smd")
    }
    parts = []
    for one in covariates:
        row = bars.get(f"{one.name}_smd")
        if row is not None and row.value is not None:
            alike = "alike" if row.passed else "not alike"
            parts.append(
                f"{clean(one.name)}: {alike} (standardised difference {number(row.value, 2)})"
            )
    known = "; ".join(parts) or f"nothing is printed of both groups: {UNKNOWN}"
    first = (
        "Comparability on what was matched.",
        f"{capital(known)}. Whatever else differs is part of the gap.",
    )
    return [Paragraph(text=_CAN_CARRY), Items(items=(first, *_CONDITIONS))]
