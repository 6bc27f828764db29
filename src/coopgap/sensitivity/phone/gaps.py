"""The gap with the phone people in place of, or together with, the in-person comparison group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from coopgap.disclosure import count_words, is_few
from coopgap.errors import NotEstimable
from coopgap.estimate import SensitivityRow
from coopgap.gap import Interval, estimate_contrasts
from coopgap.sensitivity.again import conclusion, same_conclusion
from coopgap.sensitivity.keys import Keys, suppressed, with_interval
from coopgap.sensitivity.phone.balanced import Balanced, balanced_margins
from coopgap.sensitivity.phone.data import LIMITS, PhoneData, small_categories, stack
from coopgap.survey.records import ModelRows
from coopgap.vocabulary import (
    Check,
    Comparator,
    Population,
    Quantity,
    Verdict,
)

__all__ = ["gap_rows_with_phone"]

_PROB = 0.95
_IN_PERSON = "in person"
_SAME_MEMBERS = "in person, same members"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """The gap against one comparison group; `small` are its suppressed categories, with notes."""

    name: str
    comparator: str
    balanced: Balanced
    intervals: dict[str, Interval]
    small: Mapping[str, str]
    kept: ModelRows
    n_member: int


def gap_rows_with_phone(
    data: PhoneData, covariates: Sequence[str], keys: Keys
) -> list[SensitivityRow]:
    """Replace the in-person comparison group by the phone people, then join the two.

    Parameters
    ----------
    data
        People by mode.
    covariates
        Factors to whose margins among members each comparison group is balanced.
    keys
        Model, outcome and source.

    Returns
    -------
    list of SensitivityRow
        For `phone_replaces` and `phone_joins`: the gap at each threshold, beside it the same
        estimator on the in-person comparison group (variant `in person`, and where members are
        lost the same on the members kept), and the share of members lost.

    Notes
    -----
    A threshold that few phone people reach is suppressed in both checks: the joined gap beside
    the in-person one would give their count away.

    The verdict compares conclusions: an interval above zero, one below, or one that holds zero.
    It is `changes` where the conclusion differs from that of the same estimator in person (on the
    same members), and a wider interval is enough for that.
    """
    hidden = small_categories(stack(data.members, data.called))
    groups = (
        (Check.PHONE_REPLACES, "phone", data.called),
        (Check.PHONE_JOINS, "phone and in person", _joined(data.comparison, data.called)),
    )
    result: list[SensitivityRow] = []
    for check, name, others in groups:
        base = SensitivityRow(
            check=check,
            model=keys.model,
            outcome=keys.outcome,
            group="all",
            population=Population.MEMBERS,
            source=keys.source,
        )
        try:
            result += _check_rows(name, others, data, covariates, base, hidden)
        except NotEstimable as error:
            note = f"The comparison group cannot be balanced to the members: {error.reason}."
            result.append(replace(base, verdict=Verdict.NOT_ASSESSED, note=note))
    return result


def _joined(first: ModelRows, second: ModelRows) -> ModelRows:
    """Two comparison groups as one."""
    rows = stack(first, second)
    return replace(rows, member=np.zeros(rows.n, dtype=np.bool_))


def _version(
    members: ModelRows,
    others: ModelRows,
    covariates: Sequence[str],
    name: str,
    comparator: str,
) -> _Version:
    rows = stack(members, others)
    found = balanced_margins(rows, covariates)
    kept = rows.take(np.asarray(found.matched.weight > 0))
    intervals = {
        contrast.category: interval
        for contrast, interval in estimate_contrasts(found.margins, rows.levels, _PROB).items()
        if contrast.is_threshold_gap and interval is not None
    }
    return _Version(
        name=name,
        comparator=comparator,
        balanced=found,
        intervals=intervals,
        small=small_categories(kept),
        kept=kept.take(kept.member),
        n_member=members.n,
    )


def _check_rows(
    name: str,
    others: ModelRows,
    data: PhoneData,
    covariates: Sequence[str],
    base: SensitivityRow,
    hidden: Mapping[str, str],
) -> list[SensitivityRow]:
    in_person = Comparator.COMPARISON
    reference = _version(data.members, data.comparison, covariates, _IN_PERSON, in_person)
    version = _version(data.members, others, covariates, name, Comparator.PHONE)
    # In both modes together, less by phone, are those in person.
    beside = reference.small if base.check is Check.PHONE_JOINS else {}
    version = replace(version, small={**beside, **version.small, **hidden})
    same = reference
    if version.kept.n != reference.kept.n:
        same = _version(version.kept, data.comparison, covariates, _SAME_MEMBERS, in_person)
    result = []
    for category in version.intervals:
        result.append(_gap_row(version, category, same, base))
        result.append(_gap_row(reference, category, None, base))
        if same is not reference:
            result.append(_gap_row(same, category, None, base))
    return [*result, _lost_row(version, base), _size_row(version, base)]


def _gap_row(
    version: _Version, category: str, beside: _Version | None, base: SensitivityRow
) -> SensitivityRow:
    interval = version.intervals[category]
    row = replace(
        with_interval(base, interval, _PROB),
        variant=version.name,
        comparator=version.comparator,
        quantity=Quantity.RISK_DIFFERENCE,
        category=category,
    )
    if category in version.small:
        return suppressed(row, version.small[category])
    if beside is None or category in beside.small:
        return row
    before = beside.intervals[category]
    holds = same_conclusion(interval, before, 0.0)
    return replace(
        row,
        verdict=Verdict.HOLDS if holds else Verdict.CHANGES,
        note=f"{_words(interval, before, version.name)} {LIMITS}",
    )


def _words(interval: Interval, before: Interval, name: str) -> str:
    now, then = conclusion(interval, 0.0), conclusion(before, 0.0)
    who = {
        "phone": "With the phone people in place of the in-person comparison group",
    }.get(name, "With the phone people added to the in-person comparison group")
    if now == then:
        what = {
            1: "members are still above the comparison group",
            -1: "members are still below the comparison group",
            0: "the interval still holds zero",
        }[now]
        return f"{who}, {what}."
    if now == 0:
        return f"{who}, the interval holds zero, which it does not in person."
    if then == 0:
        return f"{who}, the interval no longer holds zero."
    return f"{who}, the gap has the other sign."


def _lost_row(version: _Version, base: SensitivityRow) -> SensitivityRow:
    levels = ", ".join(version.balanced.lost)
    lost = version.n_member - version.kept.n
    where = f" (no comparison person at {levels})" if levels else ""
    row = replace(
        base,
        variant=version.name,
        comparator=version.comparator,
        quantity="members_lost_share",
        estimate=lost / version.n_member,
        note=f"Members left out: {count_words(lost)} of {version.n_member}{where}.",
    )
    return suppressed(row, row.note) if is_few(lost) else row


def _size_row(version: _Version, base: SensitivityRow) -> SensitivityRow:
    return replace(
        base,
        variant=version.name,
        comparator=version.comparator,
        quantity="ess",
        estimate=version.balanced.ess,
        note="People that the balanced comparison group is worth.",
    )
