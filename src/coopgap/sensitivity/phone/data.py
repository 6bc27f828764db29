"""The people of the phone check, and what every one of its rows shares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from coopgap.core.arrays import BoolArray, IntArray
from coopgap.core.estimate import SensitivityRow
from coopgap.core.vocabulary import Verdict
from coopgap.survey.records import ModelRows, Survey

LIMITS = (
    "Mode, date, quarantine and phone coverage cannot be told apart, and no members were called."
)
"""What no analysis of the phone interviews can settle; part of every conclusion's note."""

MEMBERS_ASIDE = (
    "Mode, date, quarantine and phone coverage cannot be told apart, and the members who were "
    "called are left aside."
)
"""The same where a survey called members too."""

_NOBODY, _ASIDE = "No members were called", "Members who were called are left aside"

_MODES = ("in person", "phone")


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneData:
    """Complete rows of one model, by mode of interview.

    Attributes
    ----------
    in_person
        Members and the comparison group.
    phone
        Other people of the comparison group. Members among them are left aside. Zones are
        numbered as in `in_person`.
    members_called
        Whether the survey called members, with an answer to everything the model needs or not.
    """

    in_person: ModelRows
    phone: ModelRows
    members_called: bool = False

    @property
    def comparison(self) -> ModelRows:
        """People of the comparison group interviewed in person."""
        return self.in_person.take(~self.in_person.member)

    @property
    def members(self) -> ModelRows:
        """Members."""
        return self.in_person.take(self.in_person.member)

    @property
    def called(self) -> ModelRows:
        """People of the comparison group interviewed by phone."""
        return self.phone.take(~self.phone.member)


def by_mode(survey: Survey, in_person: ModelRows, phone: ModelRows) -> PhoneData:
    """The people of a model by mode; some may have been asked in both.

    Parameters
    ----------
    survey
        Where they come from.
    in_person, phone
        Complete rows of the model.

    Returns
    -------
    PhoneData
        Where the study declares no zone and people were asked twice, each person is a zone: two
        answers of one person are not independent. Declared zones hold both answers already.
    """
    person = survey.person
    if in_person.zone is None and person is not None:
        first, second = person[in_person.index], person[phone.index]
        if np.isin(second, first).any():
            in_person, phone = replace(in_person, zone=first), replace(phone, zone=second)
    called = bool((survey.phone & survey.member).any())
    return PhoneData(in_person=in_person, phone=phone, members_called=called)


def stack(target: ModelRows, other: ModelRows) -> ModelRows:
    """Two groups of people in one record, `target` marked as members, `other` as comparison."""

    def joined(pick: str) -> IntArray:
        return np.concatenate([getattr(target, pick), getattr(other, pick)])

    flags: BoolArray = np.repeat([True, False], [target.n, other.n])
    zones = target.zone is not None and other.zone is not None
    return ModelRows(
        index=joined("index"),
        outcome=joined("outcome"),
        levels=target.levels,
        member=flags,
        factors={
            name: np.concatenate([codes, other.factors[name]])
            for name, codes in target.factors.items()
        },
        factor_levels=target.factor_levels,
        zone=joined("zone") if zones else None,
        weight=np.concatenate([target.weight, other.weight]),
        dropped=(),
        numeric=target.numeric,
    )


def why_not(data: PhoneData) -> tuple[Verdict, str] | None:
    """Why the phone interviews answer no check, as verdict and sentence; None where they may."""
    if not data.called.n:
        return (
            Verdict.NOT_APPLICABLE,
            "The survey holds no complete phone interview with the comparison group.",
        )
    if not data.members.n or not data.comparison.n:
        return (
            Verdict.NOT_APPLICABLE,
            "One of the groups has no complete in-person interview.",
        )
    return None


def truthful(rows: Iterable[SensitivityRow], data: PhoneData) -> list[SensitivityRow]:
    """Rows of the phone checks, whose notes say that no members were called only if none were."""
    if not data.members_called:
        return list(rows)
    return [
        replace(row, note=row.note.replace(LIMITS, MEMBERS_ASIDE).replace(_NOBODY, _ASIDE))
        for row in rows
    ]


def with_region(data: PhoneData, region: str | None) -> tuple[PhoneData, str]:
    """The people whose region is known, and a sentence on the others.

    Returns
    -------
    data : PhoneData
        Everybody where the model has no such factor.
    note : str
        How many of the comparison group are left out; empty where nobody is.
    """
    if region is None or region not in data.in_person.factors:
        return data, ""
    known = [rows.factors[region] >= 0 for rows in (data.in_person, data.phone)]
    groups = (data.in_person, data.phone)
    lost = sum(int((~here & ~rows.member).sum()) for here, rows in zip(known, groups, strict=True))
    if not lost:
        return data, ""
    kept = replace(data, in_person=data.in_person.take(known[0]), phone=data.phone.take(known[1]))
    return kept, f"People left out whose region is missing: {lost:,}."


def with_mode(data: PhoneData) -> tuple[ModelRows, str]:
    """Everybody in person and the comparison people called, with the mode as a factor.

    Returns
    -------
    rows : ModelRows
        The people in person first, in their order; phone people are comparison people.
    name : str
        Of the factor: `mode`, or a name near it that no other factor has.
    """
    name = "mode"
    while name in data.in_person.factors:
        name = f"{name} of interview"
    rows = stack(data.in_person, data.called)
    called = np.repeat([0, 1], [data.in_person.n, data.called.n]).astype(np.int64)
    joined = replace(
        rows,
        member=np.concatenate([data.in_person.member, data.called.member]),
        factors={**rows.factors, name: called},
        factor_levels={**rows.factor_levels, name: _MODES},
    )
    return joined, name
