"""How many people a run tells of, so that no small number left aside can be worked out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coopgap.disclosure import FEW, gives_away, is_few
from coopgap.survey.records import Drop, Survey

__all__ = ["NOT_SHOWN", "People", "drop_entries", "people_of", "told"]

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


def people_of(survey: Survey, models: Sequence[Sequence[Drop]]) -> People:
    """Counts of a survey whose parts are few nowhere.

    Parameters
    ----------
    survey
        Everybody kept, and whom it left out.
    models
        What each model left out of the people asked in person; how many it keeps is shown.

    Notes
    -----
    Members called are the people called less the comparison people called, whom the phone checks
    count: where they are few, the people called are not told. People asked in person less those a
    model keeps are those it left out: where these are few, they are not told either, unless another
    model of the run, whose losses are shown, gives their number. Rows read, less all others, give
    what is not told, and are then not told themselves where that is few.
    """
    member, phone = survey.member, survey.phone
    lost = [[drop.count for drop in dropped] for dropped in models]
    known = any(not any(is_few(count) for count in counts) for counts in lost)
    asked = known or not any(gives_away(counts) for counts in lost)
    called = int((member & phone).sum())
    others = [int(phone.sum()), *(drop.count for drop in survey.dropped)]
    read = asked and not is_few(called) and not gives_away(others)
    return People(
        n_read=survey.n_read if read else NOT_SHOWN,
        n_member=int((member & ~phone).sum()) if asked else NOT_SHOWN,
        n_comparison=int((~member & ~phone).sum()) if asked else NOT_SHOWN,
        n_phone=NOT_SHOWN if is_few(called) else told(int(phone.sum())),
        n_phone_member=told(called),
    )
