"""How many people a run tells of, so that no small number left aside can be worked out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coopgap.arrays import IntArray
from coopgap.disclosure import SMALLEST_COUNT, gives_away, is_few
from coopgap.survey.records import Drop, ModelRows, Survey

__all__ = ["FEW", "NOT_SHOWN", "People", "drop_entries", "people_of", "told"]

FEW = f"fewer than {SMALLEST_COUNT}"
"""What stands in the place of a small count."""

NOT_SHOWN = "not shown"
"""What stands in the place of a total that would give a small count away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Counts of a survey as they may be told: `NOT_SHOWN` where one would give a small one away.

    Attributes
    ----------
    n_read
        Rows read.
    n_member, n_comparison
        People asked in person.
    n_phone, n_phone_member
        People called, and the members among them, or that these are few.
    """

    n_read: int | str
    n_member: int | str
    n_comparison: int | str
    n_phone: int | str
    n_phone_member: int | str


def told(number: int) -> int | str:
    """A count, or that it is few."""
    return FEW if is_few(number) else number


def drop_entries(dropped: Sequence[Drop]) -> list[dict[str, int | str]]:
    """What was left out, and how many people, as run.json holds it."""
    return [{"reason": drop.reason, "count": told(drop.count)} for drop in dropped]


def people_of(survey: Survey, models: Sequence[ModelRows]) -> People:
    """Counts of a survey whose parts are few nowhere.

    Parameters
    ----------
    survey
        Everybody kept, and whom it left out.
    models
        Complete rows of people asked in person, whose numbers by group are shown.

    Notes
    -----
    Members called are the people called less the comparison people called, whom the phone checks
    count: where they are few, the people called are not told. People asked in person less those a
    model keeps are those it left out: where these are few, of both groups or of one, the people
    asked in person are not told, unless another model of the run gives their number. Rows read,
    less all others, give what is not told, and are then not told themselves, unless what is hidden
    is how the people asked in person divide into groups.
    """
    member, phone = survey.member, survey.phone
    asked = np.array([np.sum(~member & ~phone), np.sum(member & ~phone)])
    called = int((member & phone).sum())
    together, by_group = _gives_total(models), _gives_groups(models, asked)
    read = not (together or is_few(called) or gives_away([drop.count for drop in survey.dropped]))
    groups = [NOT_SHOWN if together or by_group else int(count) for count in asked]
    return People(
        n_read=survey.n_read if read else NOT_SHOWN,
        n_member=groups[1],
        n_comparison=groups[0],
        n_phone=NOT_SHOWN if is_few(called) else int(phone.sum()),
        n_phone_member=told(called),
    )


def _gives_total(models: Sequence[ModelRows]) -> bool:
    """Whether everybody asked in person, less those a model keeps, are few that are not told."""
    lost = [[drop.count for drop in rows.dropped] for rows in models]
    known = any(not any(is_few(count) for count in counts) for counts in lost)
    return not known and any(gives_away(counts) for counts in lost)


def _gives_groups(models: Sequence[ModelRows], asked: IntArray) -> bool:
    """Whether a group asked in person, less those of it a model keeps, are few.

    A model that leaves nobody out shows both groups.
    """
    kept = [np.array([np.sum(~rows.member), np.sum(rows.member)]) for rows in models]
    known = any(not rows.dropped for rows in models)
    return not known and any(is_few(int(lost)) for one in kept for lost in asked - one)
