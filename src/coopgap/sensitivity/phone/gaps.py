"""The gap with the phone people in place of, or together with, the in-person comparison group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import Contrast, Interval, estimate_contrasts
from coopgap.core.vocabulary import Check, Comparator, Population, Quantity, Verdict, Version
from coopgap.families.difference import difference
from coopgap.sensitivity.keys import with_interval
from coopgap.sensitivity.phone.balanced import Balanced, balanced_margins
from coopgap.sensitivity.phone.data import LIMITS, PhoneData, stack
from coopgap.sensitivity.verdict import compared
from coopgap.survey.records import ModelRows

_PROB = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """The gap against one comparison group."""

    name: str
    comparator: str
    balanced: Balanced
    intervals: dict[Contrast, Interval]
    kept: ModelRows
    n_member: int


def gap_rows_with_phone(
    data: PhoneData, covariates: Sequence[str], keys: Keys, smallest_gap: float
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
    smallest_gap
        The smallest gap that matters.

    Returns
    -------
    list of SensitivityRow
        For `phone_replaces` and `phone_joins`: the gap at each threshold, beside it the same
        estimator on the in-person comparison group (variant `in person`, and where members are
        lost the same on the members kept), and the share of members lost.

    Notes
    -----
    The verdict is by the interval of the difference to the same estimator in person on the same
    members, who take no part in it.
    """
    groups = (
        (Check.PHONE_REPLACES, Version.PHONE, data.called),
        (
            Check.PHONE_JOINS,
            Version.PHONE_AND_IN_PERSON,
            _joined(data.comparison, data.called),
        ),
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
            result += _check_rows(name, others, data, covariates, base, smallest_gap)
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
        contrast: interval
        for contrast, interval in estimate_contrasts(found.margins, rows.levels, _PROB).items()
        if contrast.is_threshold_gap and interval is not None
    }
    return _Version(
        name=name,
        comparator=comparator,
        balanced=found,
        intervals=intervals,
        kept=kept.take(kept.member),
        n_member=members.n,
    )


def _check_rows(
    name: str,
    others: ModelRows,
    data: PhoneData,
    covariates: Sequence[str],
    base: SensitivityRow,
    smallest_gap: float,
) -> list[SensitivityRow]:
    in_person = Comparator.COMPARISON
    reference = _version(data.members, data.comparison, covariates, Version.IN_PERSON, in_person)
    version = _version(data.members, others, covariates, name, Comparator.PHONE)
    same = reference
    if version.kept.n != reference.kept.n:
        same = _version(version.kept, data.comparison, covariates, Version.SAME_MEMBERS, in_person)
    result = []
    for contrast, again in version.intervals.items():
        row = _gap_row(version, contrast, base)
        gap = difference(version.balanced, same.balanced, contrast)
        row = compared(row, same.intervals[contrast], again, gap, smallest_gap)
        result.append(replace(row, note=f"{_WHO[base.check]} {LIMITS}"))
        result.append(_gap_row(reference, contrast, base))
        if same is not reference:
            result.append(_gap_row(same, contrast, base))
    return [*result, _lost_row(version, base), _size_row(version, base)]


def _gap_row(version: _Version, contrast: Contrast, base: SensitivityRow) -> SensitivityRow:
    return replace(
        with_interval(base, version.intervals[contrast], _PROB),
        variant=version.name,
        comparator=version.comparator,
        quantity=Quantity.RISK_DIFFERENCE,
        category=contrast.category,
    )


_WHO: dict[str, str] = {
    Check.PHONE_REPLACES: "The phone people in place of the in-person comparison group.",
    Check.PHONE_JOINS: "The phone people added to the in-person comparison group.",
}


def _lost_row(version: _Version, base: SensitivityRow) -> SensitivityRow:
    levels = ", ".join(version.balanced.lost)
    lost = version.n_member - version.kept.n
    where = f" (no comparison person at {levels})" if levels else ""
    return replace(
        base,
        variant=version.name,
        comparator=version.comparator,
        quantity="members_lost_share",
        estimate=lost / version.n_member,
        n=lost,
        of=version.n_member,
        note=f"Members left out: {lost:,} of {version.n_member}{where}.",
    )


def _size_row(version: _Version, base: SensitivityRow) -> SensitivityRow:
    return replace(
        base,
        variant=version.name,
        comparator=version.comparator,
        quantity="ess",
        estimate=version.balanced.ess,
        note="People that the balanced comparison group is worth.",
    )
