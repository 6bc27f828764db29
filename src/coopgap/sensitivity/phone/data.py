"""The people of the phone check, and what every one of its rows shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coopgap.arrays import BoolArray, IntArray
from coopgap.survey.records import ModelRows

__all__ = ["LIMITS", "PhoneData", "stack"]

LIMITS = (
    "Mode, date, quarantine and phone coverage cannot be told apart, and no members were called."
)
"""What no analysis of the phone interviews can settle; part of every conclusion's note."""


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
