"""Rows of gaps.csv for every line: shares, differences, ratios, and what rounding hides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.estimate import GAP_KEY, GapRow
from coopgap.core.gap import Interval, Margins, contrasts, estimate_contrasts
from coopgap.core.vocabulary import PRINTED, Family, IntervalKind, Population, Quantity, Status
from coopgap.datasets.registry import Printed
from coopgap.printed.intervals import difference, effective_difference, ratio, share_interval
from coopgap.printed.records import Line, Ordered, Share
from coopgap.printed.rounding import superiority_range

PROB = 0.95
ROUNDING = "_rounding"


def once(rows: Iterable[GapRow]) -> tuple[GapRow, ...]:
    """Rows without those whose key an earlier one has: a share that stands in several places."""
    found: dict[tuple[str, ...], GapRow] = {}
    for one in rows:
        found.setdefault(tuple(str(getattr(one, name)) for name in GAP_KEY), one)
    return tuple(found.values())


def line_rows(line: Line) -> Iterator[GapRow]:
    """Shares, difference and ratios with intervals, then the bounds that rounding leaves."""
    if line.member is not None:
        yield row(line, Quantity.SHARE, _own(line.member), comparator="")
    if line.other is not None:
        yield row(line, Quantity.SHARE, _own(line.other))
    if line.member is None or line.other is None:
        side = line.member or line.other
        if side is not None and side.range is not None:
            yield _bounds_row(
                line, Quantity.SHARE, Interval(side.value, np.nan, *side.range, np.nan)
            )
        return
    for quantity in _quantities(line):
        yield row(line, quantity, _compared(quantity, line.member, line.other))
    if line.member.range is None and line.other.range is None:
        return
    for quantity in _quantities(line):
        yield _bounds_row(line, quantity, _bounds(quantity, line.member, line.other, line.within))


def _quantities(line: Line) -> tuple[Quantity, ...]:
    odds = Quantity.CUMULATIVE_ODDS_RATIO if line.threshold else Quantity.ODDS_RATIO
    return Quantity.RISK_DIFFERENCE, Quantity.RISK_RATIO, odds


def _own(share: Share) -> Interval:
    if share.n is None:
        return Interval(share.value, np.nan, np.nan, np.nan, np.nan)
    return share_interval(share.value, share.n, PROB)


def difference_of(
    member: Share, other: Share, design_effect: float | None = None
) -> Interval | None:
    """The difference with its interval; None where a sample's size is not known.

    Parameters
    ----------
    member, other
        Shares of both sides.
    design_effect
        By which the people asked count for fewer, without a p-value; None for whole people.
    """
    if member.n is None or (other.n is None and not other.fixed):
        return None
    if design_effect is None:
        return difference(member.value, member.n, other.value, other.n, PROB)
    others = None if other.n is None else other.n / design_effect
    people = member.n / design_effect
    return effective_difference(member.value, people, other.value, others, PROB, p_value=False)


def _compared(quantity: Quantity, member: Share, other: Share) -> Interval | None:
    """None where the quantity does not exist; without an interval where a base is not printed."""
    if quantity is Quantity.RISK_DIFFERENCE:
        found = difference_of(member, other)
        return found or _value(quantity, member.value, other.value)
    value = _value(quantity, member.value, other.value)
    if not 0 < value.estimate < np.inf:
        return None
    if (
        member.n is None
        or (other.n is None and not other.fixed)
        or max(member.value, other.value) >= 1
    ):
        return value
    odds = quantity is not Quantity.RISK_RATIO
    return ratio(member.value, member.n, other.value, other.n, odds=odds, prob=PROB)


def _value(quantity: Quantity, member: float, other: float) -> Interval:
    """All three rise with the members' share and fall with the comparator's."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = np.float64(member), np.float64(other)
        if quantity is Quantity.RISK_DIFFERENCE:
            value = one - two
        elif quantity is Quantity.RISK_RATIO:
            value = one / two
        else:
            value = one * (1 - two) / (two * (1 - one))
    return Interval(float(value), np.nan, np.nan, np.nan, np.nan)


def _bounds(quantity: Quantity, member: Share, other: Share, within: int | None) -> Interval | None:
    estimate = _value(quantity, member.value, other.value).estimate
    ends = [_value(quantity, *corner).estimate for corner in _corners(member, other, within)]
    if not np.isfinite(estimate) or np.isnan(ends).any():
        return None
    return Interval(estimate, np.nan, min(ends), max(ends), np.nan)


def _corners(member: Share, other: Share, within: int | None) -> Iterator[tuple[float, float]]:
    """Pairs of shares among which the extremes are: ends, or for each count the nearest others."""
    if within is None or member.n is None or other.n is None:
        yield from product(_range(member), _range(other))
        return
    (low, high), (least, most) = (
        [round(end * (share.n or 0)) for end in _range(share)] for share in (member, other)
    )
    for count in range(low, high + 1):
        ends = max(least, count - within), min(most, count + within)
        if ends[0] <= ends[1]:
            yield from ((count / member.n, end / other.n) for end in ends)


def _range(share: Share) -> tuple[float, float]:
    return (share.value, share.value) if share.range is None else share.range


def superiority_rows(pair: Ordered) -> Iterator[GapRow]:
    """Chance that a member stands higher, with the bounds that rounding leaves.

    A comparator without a base is taken as exact, unless it is a sample.
    """
    line = _line_of(pair)
    member, other = pair.shares()
    n_member, n_other = pair.member[0].n, pair.other[0].n
    value = float(member @ (np.cumsum(other) - other / 2))
    found: Interval | None = Interval(value, np.nan, np.nan, np.nan, np.nan)
    if n_member is not None and (n_other is not None or pair.other[0].fixed):
        margins = Margins(
            member=member, comparison=other, cov=_covariance(member, n_member, other, n_other)
        )
        made = estimate_contrasts(margins, pair.levels, PROB)
        at = next(one for one in contrasts(pair.levels) if one.quantity is Quantity.SUPERIORITY)
        found = made[at]
    yield row(line, Quantity.SUPERIORITY, found)
    if all(one.range is None for side in (pair.member, pair.other) for one in side):
        return
    sides = [[_range(one) for one in side] for side in (pair.member, pair.other)]
    limits = superiority_range(*sides)
    if limits is not None:
        yield _bounds_row(line, Quantity.SUPERIORITY, Interval(value, np.nan, *limits, np.nan))


def _line_of(pair: Ordered) -> Line:
    return Line(
        slug=pair.slug,
        outcome=pair.outcome,
        label=pair.label,
        place=pair.place,
        category="",
        group=pair.group,
        comparator=pair.comparator,
        member=pair.member[0],
        other=pair.other[0],
        role=pair.role,
    )


def _covariance(
    member: FloatArray, n_member: int, other: FloatArray, n_other: int | None
) -> FloatArray:
    size = member.size
    cov = np.zeros((2 * size, 2 * size))
    cov[:size, :size] = (np.diag(member) - np.outer(member, member)) / n_member
    if n_other is not None:
        cov[size:, size:] = (np.diag(other) - np.outer(other, other)) / n_other
    return cov


def points_row(printed: Printed, slug: str) -> GapRow:
    """A difference that is printed as such: neither share is, so nothing more can be said."""
    line = Line(
        slug=slug,
        outcome=slug,
        label=printed.item,
        place=printed.place,
        category="",
        group="all",
        comparator="not stated",
        member=None,
        other=None,
    )
    value = Interval(printed.value / 100, np.nan, np.nan, np.nan, np.nan)
    return row(line, Quantity.RISK_DIFFERENCE, value)


def _bounds_row(line: Line, quantity: Quantity, interval: Interval | None) -> GapRow:
    made = replace(line, slug=f"{line.slug}{ROUNDING}")
    comparator = "" if line.other is None else line.comparator
    return row(made, quantity, interval, comparator=comparator, bounds=True)


def row(
    line: Line,
    quantity: Quantity,
    interval: Interval | None,
    *,
    comparator: str | None = None,
    bounds: bool = False,
) -> GapRow:
    """One row of gaps.csv; without numbers where the quantity does not exist."""
    limits = interval is not None and bool(np.isfinite([interval.lower, interval.upper]).any())
    kind = IntervalKind.BOUNDS if bounds else IntervalKind.CONFIDENCE
    return GapRow(
        model=f"printed_{line.slug}",
        family=Family.PRINTED,
        outcome=line.outcome,
        comparator=line.comparator if comparator is None else comparator,
        group=line.group,
        population=Population.PRINTED,
        quantity=quantity,
        category=line.category,
        interval_prob=PROB if limits and not bounds else None,
        interval_kind=kind if limits else None,
        n_member=None if line.member is None else line.member.n,
        n_comparison=None if line.other is None else line.other.n,
        status=Status.OK if interval is not None else Status.NOT_ESTIMABLE,
        source=PRINTED,
        **({} if interval is None else _numbers(interval)),
    )


def _numbers(interval: Interval) -> dict[str, Any]:
    return {
        name: float(value) if np.isfinite(value) else None
        for name, value in interval._asdict().items()
        if name != "df"
    }
