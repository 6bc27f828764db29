"""The people of the phone check, and what every one of its rows shares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from coopgap.arrays import BoolArray, IntArray
from coopgap.estimate import SensitivityRow
from coopgap.families.rows import SMALLEST_COUNT
from coopgap.gap import contrasts
from coopgap.sensitivity.keys import is_small
from coopgap.survey.records import ModelRows
from coopgap.vocabulary import Verdict

__all__ = [
    "LIMITS",
    "MEMBERS_ASIDE",
    "PhoneData",
    "small_categories",
    "stack",
    "truthful",
    "why_not",
    "with_mode",
]

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
    """

    in_person: ModelRows
    phone: ModelRows

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
    )


def why_not(data: PhoneData) -> tuple[Verdict, str] | None:
    """Why the phone interviews answer no check, as verdict and sentence; None where they may."""
    n_phone = data.called.n
    if not n_phone:
        return (
            Verdict.NOT_APPLICABLE,
            "The survey holds no complete phone interview with the comparison group.",
        )
    if n_phone < SMALLEST_COUNT:
        return (
            Verdict.NOT_ASSESSED,
            f"There are fewer than {SMALLEST_COUNT} complete phone interviews.",
        )
    if not data.members.n or not data.comparison.n:
        return (
            Verdict.NOT_APPLICABLE,
            "One of the groups has no complete in-person interview.",
        )
    return None


def truthful(rows: Iterable[SensitivityRow], data: PhoneData) -> list[SensitivityRow]:
    """Rows of the phone checks, whose notes say that no members were called only if none were."""
    if not data.phone.member.any():
        return list(rows)
    return [
        replace(row, note=row.note.replace(LIMITS, MEMBERS_ASIDE).replace(_NOBODY, _ASIDE))
        for row in rows
    ]


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


def small_categories(rows: ModelRows) -> frozenset[str]:
    """Thresholds whose row would show, or let be worked out, a small count."""
    counts = rows.people_by_level()
    return frozenset(
        contrast.category
        for contrast in contrasts(rows.levels)
        if contrast.is_threshold_gap and is_small(counts, contrast)
    )
