"""People asked twice, in person and by phone, found by the identifier the study declares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.survey.records import Survey


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Both answers of n people who gave two; arrays have shape (n,).

    Attributes
    ----------
    index
        Position of the interview in person in the survey; weight, zone and membership are its.
    first, second
        Answers in person and by phone, as levels from 0.
    levels
        The outcome's levels.
    member, weight, zone
        As in the survey; ones without weights, None without zones.
    n_linked
        People with interviews in both modes, whatever they answered.
    n_missing
        Those of them who lack an answer in either mode.
    n_changed
        Those who are a member in one mode and not in the other; they are left out.
    """

    index: IntArray
    first: IntArray
    second: IntArray
    levels: tuple[str, ...]
    member: BoolArray
    weight: FloatArray
    zone: IntArray | None
    n_linked: int
    n_missing: int
    n_changed: int

    @property
    def n(self) -> int:
        """People with two answers."""
        return int(self.index.size)

    @property
    def table(self) -> IntArray:
        """People by answer in person (rows) and by phone, shape (J, J)."""
        size = len(self.levels)
        slot = np.bincount(self.first * size + self.second, minlength=size**2)
        return slot.reshape(size, size).astype(np.int64)


def asked_twice(survey: Survey, outcome: str) -> Pairs:
    """Link interviews by phone to interviews in person of the same people.

    Parameters
    ----------
    survey
        With identifiers.
    outcome
        Variable whose answers are paired. People are not left out for other variables.

    Raises
    ------
    ValueError
        The survey has no identifiers.
    """
    if survey.person is None:
        raise ValueError("people are linked by identifiers, which this survey has none of")
    places = [np.flatnonzero(survey.phone == by_phone) for by_phone in (False, True)]
    own_id, phone_id = (survey.person[place] for place in places)
    _, here, there = np.intersect1d(own_id, phone_id, assume_unique=True, return_indices=True)
    order = np.argsort(places[0][here], kind="stable")
    own, phone = places[0][here][order], places[1][there][order]
    same = survey.member[own] == survey.member[phone]
    codes = survey.codes[outcome]
    answered = (codes[own] >= 0) & (codes[phone] >= 0)
    keep = same & answered
    index = own[keep]
    return Pairs(
        index=index,
        first=codes[index],
        second=codes[phone[keep]],
        levels=survey.variables[outcome].levels,
        member=survey.member[index],
        weight=np.ones(index.size) if survey.weight is None else survey.weight[index],
        zone=None if survey.zone is None else survey.zone[index],
        n_linked=int(own.size),
        n_missing=int((same & ~answered).sum()),
        n_changed=int((~same).sum()),
    )
