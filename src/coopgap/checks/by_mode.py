"""One model's people by mode of interview, and what every phone check shares of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np

from coopgap.checks.balance import Balanced, Joint, balance, joint_shares, stack
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

type Group = Literal["members", "comparison", "called", "everybody_else"]


@dataclass(frozen=True, kw_only=True)
class PhoneStudy:
    """Complete rows of one model by mode of interview; what is balanced once is kept.

    `in_person` are members and the comparison group; `phone` other people of the comparison group,
    with zones numbered alike: members among them are left aside. Groups are balanced on the
    `covariates`. `members_called` says whether the survey called members, complete or not.
    """

    in_person: ModelRows
    phone: ModelRows
    covariates: tuple[str, ...] = ()
    members_called: bool = False
    _balanced: dict[tuple[Group, Group, tuple[str, ...]], Balanced] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def members(self) -> ModelRows:
        """Members interviewed in person."""
        return self.in_person.take(self.in_person.member)

    @cached_property
    def comparison(self) -> ModelRows:
        """People of the comparison group interviewed in person."""
        return self.in_person.take(~self.in_person.member)

    @cached_property
    def called(self) -> ModelRows:
        """People of the comparison group interviewed by phone."""
        return self.phone.take(~self.phone.member)

    @cached_property
    def everybody_else(self) -> ModelRows:
        """The comparison group of both modes."""
        rows = stack(self.comparison, self.called)
        return replace(rows, member=np.zeros(rows.n, dtype=np.bool_))

    def pair(self, target: Group, other: Group) -> ModelRows:
        """Two of the groups in one record, the first marked as members."""
        first, second = (getattr(self, name) for name in (target, other))
        return stack(first, second)

    def balanced(
        self, target: Group, other: Group, covariates: Sequence[str] | None = None
    ) -> Balanced:
        """One group balanced to another, by default on the covariates; raises as `balance`."""
        names = self.covariates if covariates is None else tuple(covariates)
        key = (target, other, names)
        if key not in self._balanced:
            self._balanced[key] = balance(self.pair(target, other), names)
        return self._balanced[key]

    @cached_property
    def joint(self) -> Joint:
        """Members, and both modes of the comparison group balanced to the same of them."""
        return joint_shares(self.members, (self.comparison, self.called), self.covariates)

    @cached_property
    def with_mode(self) -> tuple[ModelRows, str]:
        """Everybody in person, then the comparison people called; the mode is one more factor."""
        name = "mode"
        while name in self.in_person.factors:
            name = f"{name} of interview"
        rows = stack(self.in_person, self.called)
        called = np.repeat([0, 1], [self.in_person.n, self.called.n]).astype(np.int64)
        joined = replace(
            rows,
            member=np.concatenate([self.in_person.member, self.called.member]),
            factors={**rows.factors, name: called},
            factor_levels={**rows.factor_levels, name: ("in person", "phone")},
        )
        return joined, name

    @property
    def why_not(self) -> str:
        """Why the phone interviews answer no check; empty where they may."""
        if not self.called.n:
            return "The survey holds no complete phone interview with the comparison group."
        if not self.members.n or not self.comparison.n:
            return "One of the groups has no complete in-person interview."
        return ""

    @property
    def limits(self) -> str:
        """What no analysis of these interviews can settle."""
        return MEMBERS_ASIDE if self.members_called else LIMITS

    @property
    def nobody(self) -> str:
        """Why the interviews say nothing of how members answer by phone: half a sentence."""
        if self.members_called:
            return "Members who were called are left aside"
        return "No members were called"

    def with_region(self, region: str | None) -> tuple[PhoneStudy, str]:
        """The people whose region is known, and a sentence on the others, empty for nobody."""
        if region is None or region not in self.in_person.factors:
            return self, ""
        asked = (self.in_person, self.phone)
        known = [rows.factors[region] >= 0 for rows in asked]
        lost = sum(
            int((~here & ~rows.member).sum()) for rows, here in zip(asked, known, strict=True)
        )
        if not lost:
            return self, ""
        in_person, phone = (rows.take(here) for rows, here in zip(asked, known, strict=True))
        kept = replace(self, in_person=in_person, phone=phone)
        return kept, f"People left out whose region is missing: {lost:,}."


def by_mode(
    survey: Survey, in_person: ModelRows, phone: ModelRows, covariates: tuple[str, ...] = ()
) -> PhoneStudy:
    """The complete rows of a model by mode; some people may have been asked in both.

    Where the study declares no zone and people were asked twice, each person is a zone: two
    answers of one person are not independent. Declared zones hold both answers already.
    """
    person = survey.person
    if in_person.zone is None and person is not None:
        first, second = person[in_person.index], person[phone.index]
        if np.isin(second, first).any():
            in_person, phone = replace(in_person, zone=first), replace(phone, zone=second)
    return PhoneStudy(
        in_person=in_person,
        phone=phone,
        covariates=covariates,
        members_called=bool((survey.phone & survey.member).any()),
    )
