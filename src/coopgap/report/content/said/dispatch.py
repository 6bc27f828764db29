"""Which sentences a check has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from coopgap.estimate import SensitivityRow
from coopgap.report.content.said.multiverse import many_choices
from coopgap.report.content.said.places import left_out
from coopgap.report.view import View
from coopgap.vocabulary import Check

__all__ = ["said"]

type Said = Callable[[View, Sequence[SensitivityRow]], Sequence[str]]
"""Sentences about the answered rows of one check and one outcome."""

_SAID: Final[Mapping[str, Said]] = {
    Check.LEAVE_ONE_REGION: left_out,
    Check.LEAVE_ONE_ZONE: left_out,
    Check.MULTIVERSE: many_choices,
}


def said(view: View, rows: Sequence[SensitivityRow]) -> tuple[tuple[str, str], ...]:
    """What one check found, an item an outcome with its label as lead.

    Parameters
    ----------
    view
        The tables.
    rows
        Every row of one check; those without a quantity say why there is no answer and are left
        to the table's foot.
    """
    found = []
    for model in dict.fromkeys(row.model for row in rows):
        mine = [row for row in rows if row.model == model and row.quantity]
        tell = _SAID.get(mine[0].check) if mine else None
        sentences = tell(view, mine) if tell else ()
        if sentences:
            found.append((f"{view.label(mine[0].outcome)}.", " ".join(sentences)))
    return tuple(found)
