"""Printed shares compared: their contrasts, what rounding hides, and one odds ratio for all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Final, NamedTuple

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import GAP_KEY, CoefficientRow, DiagnosticRow, GapRow, finite
from coopgap.core.gap import Contrast, Interval, Margins, contrast_values, estimate_contrast, wald
from coopgap.core.vocabulary import (
    PRINTED,
    ROUNDING,
    Diagnostic,
    Family,
    IntervalKind,
    OddsTest,
    Population,
    Quantity,
    Scale,
    Status,
)
from coopgap.datasets.registry import Printed
from coopgap.printed.items import name_of
from coopgap.printed.lines import Line, Ordered, Share
from coopgap.printed.proportions import Sides, differences, exact_ratio, share_intervals
from coopgap.printed.rounding import superiority_range, whole_people
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.proportional import brant, likelihood_ratio

PROB: Final = 0.95
_SUPERIORITY = Contrast(Quantity.SUPERIORITY, "", 0, False)


def once(rows: Iterable[GapRow]) -> tuple[GapRow, ...]:
    """Rows without those whose key an earlier one has: a share that stands in several places."""
    first: dict[tuple[object, ...], GapRow] = {}
    for row in rows:
        first.setdefault(tuple(getattr(row, name) for name in GAP_KEY), row)
    return tuple(first.values())


def margins_of(member: FloatArray, n_member: float, other: FloatArray, n_other: float) -> Margins:
    """Two printed distributions, shape (J,), as margins: multinomial, of people or effective ones.

    Infinitely many people have no error; the error of people who are not known is NaN.
    """
    j = member.size
    cov = np.zeros((2 * j, 2 * j))
    for start, side, n in ((0, member, n_member), (j, other, n_other)):
        at = slice(start, start + j)
        cov[at, at] = (np.diag(side) - np.outer(side, side)) / n
    return Margins(member=member, comparison=other, cov=cov)


def sides_of(lines: Sequence[Line]) -> Sides:
    """Shares and people of members and of others, shape (lines,)."""
    return Sides(*np.array([line.sides for line in lines], dtype=np.float64).reshape(-1, 4).T)


def line_rows(lines: Sequence[Line]) -> Iterator[GapRow]:
    """Shares, difference and ratios with intervals, then the bounds that rounding leaves."""
    sides = sides_of(lines)
    # A share that is taken as exact stands without an interval of its own.
    own, others = (
        share_intervals(share, np.where(np.isinf(people), np.nan, people), PROB)
        for share, people in (sides[:2], sides[2:])
    )
    made = (own.each(), others.each(), differences(sides, PROB).each())
    for line, *intervals in zip(lines, *made, strict=True):
        if line.member is not None:
            yield gap_row(line, Quantity.SHARE, intervals[0], comparator="")
        if line.other is not None:
            yield gap_row(line, Quantity.SHARE, intervals[1])
        if line.member is not None and line.other is not None:
            yield from _pair_rows(line, line.member, line.other, intervals[2])
            continue
        alone = line.member or line.other
        if alone is not None and alone.range is not None:
            interval = Interval(alone.value, np.nan, *alone.range, np.nan)
            yield _bounds_row(line, Quantity.SHARE, interval)


def _pair_rows(line: Line, member: Share, other: Share, gap: Interval) -> Iterator[GapRow]:
    odds = Quantity.CUMULATIVE_ODDS_RATIO if line.threshold else Quantity.ODDS_RATIO
    quantities = [
        Contrast(quantity, "", 1, True)
        for quantity in (Quantity.RISK_DIFFERENCE, Quantity.RISK_RATIO, odds)
    ]
    margins = margins_of(_two(member.value), member.people, _two(other.value), other.people)
    for contrast in quantities:
        is_gap = contrast.quantity is Quantity.RISK_DIFFERENCE
        interval = gap if is_gap else _ratio(contrast, margins, line)
        yield gap_row(line, contrast.quantity, interval)
    if member.range is None and other.range is None:
        return
    corners = np.array(_corners(member, other, line.within)).reshape(-1, 2)
    for contrast in quantities:
        value = float(contrast_values(contrast, margins.member, margins.comparison))
        ends = contrast_values(contrast, _two(corners[:, 0]), _two(corners[:, 1]))
        bounded = np.isfinite(value) and not np.isnan(ends).any()
        interval = Interval(value, np.nan, ends.min(), ends.max(), np.nan) if bounded else None
        yield _bounds_row(line, contrast.quantity, interval)


def _two(share: FloatArray | float) -> FloatArray:
    """Shares as distributions over two levels, shape (..., 2)."""
    return np.stack([1 - np.asarray(share), share], axis=-1)


def _ratio(contrast: Contrast, margins: Margins, line: Line) -> Interval | None:
    """Wald on the logarithm, with exact limits where a count is small and they exist."""
    interval = estimate_contrast(contrast, margins, PROB)
    if interval is not None and max(margins.member[1], margins.comparison[1]) >= 1:
        return Interval(interval.estimate, np.nan, np.nan, np.nan, np.nan)
    if interval is None or not interval.std_error > 0:
        return interval
    odds = contrast.quantity is not Quantity.RISK_RATIO
    exact = exact_ratio(Sides(*np.array(line.sides)), odds=odds, prob=PROB)
    return interval if exact is None else interval._replace(**exact._asdict())


def _corners(member: Share, other: Share, within: int | None) -> list[tuple[float, float]]:
    """Pairs of shares among which the extremes are: ends, or for each count the nearest others."""
    pairs: list[tuple[float, float]] = []
    if within is not None and member.n is not None and other.n is not None:
        low, high = (round(end * member.n) for end in member.ends)
        least, most = (round(end * other.n) for end in other.ends)
        for count in range(low, high + 1):
            ends = max(least, count - within), min(most, count + within)
            if ends[0] <= ends[1]:
                pairs += [(count / member.n, end / other.n) for end in ends]
    return pairs or list(product(member.ends, other.ends))


def superiority_rows(pair: Ordered) -> Iterator[GapRow]:
    """Chance that a member stands higher, with the bounds that rounding leaves.

    A comparator without a base is taken as exact, unless it is a sample.
    """
    member, other = pair.shares()
    margins = margins_of(member, pair.member[0].people, other, pair.other[0].people)
    interval = estimate_contrast(_SUPERIORITY, margins, PROB)
    yield gap_row(pair.line, Quantity.SUPERIORITY, interval)
    sides = pair.member, pair.other
    if interval is None or all(part.range is None for side in sides for part in side):
        return
    limits = superiority_range(*([part.ends for part in side] for side in sides))
    if limits is not None:
        bounds = Interval(interval.estimate, np.nan, *limits, np.nan)
        yield _bounds_row(pair.line, Quantity.SUPERIORITY, bounds)


def points_row(printed: Printed) -> GapRow:
    """A difference that is printed as such: neither share is, so nothing more can be said."""
    line = Line(
        slug=name_of(printed),
        outcome=name_of(printed),
        label=printed.item,
        place=printed.place,
        comparator="not stated",
    )
    value = Interval(printed.value / 100, np.nan, np.nan, np.nan, np.nan)
    return gap_row(line, Quantity.RISK_DIFFERENCE, value)


def _bounds_row(line: Line, quantity: Quantity, interval: Interval | None) -> GapRow:
    rounded = replace(line, slug=f"{line.slug}{ROUNDING}")
    comparator = "" if line.other is None else line.comparator
    return gap_row(rounded, quantity, interval, comparator=comparator, bounds=True)


def gap_row(
    line: Line,
    quantity: Quantity,
    interval: Interval | None,
    *,
    comparator: str | None = None,
    bounds: bool = False,
) -> GapRow:
    """One row of gaps.csv; without numbers where the quantity does not exist."""
    row = GapRow(
        model=f"printed_{line.slug}",
        family=Family.PRINTED,
        outcome=line.outcome,
        comparator=line.comparator if comparator is None else comparator,
        group=line.group,
        population=Population.PRINTED,
        quantity=quantity,
        category=line.category,
        n_member=None if line.member is None else line.member.n,
        n_comparison=None if line.other is None else line.other.n,
        source=PRINTED,
    )
    if interval is None:
        return replace(row, status=Status.NOT_ESTIMABLE)
    estimate, std_error, lower, upper, p_value = map(finite, interval[:5])
    limits = lower is not None or upper is not None
    kind = IntervalKind.BOUNDS if bounds else IntervalKind.CONFIDENCE
    return replace(
        row,
        estimate=estimate,
        std_error=std_error,
        lower=lower,
        upper=upper,
        p_value=p_value,
        interval_prob=PROB if limits and not bounds else None,
        interval_kind=kind if limits else None,
    )


# One odds ratio for every cut of ordered categories, and whether it holds

_LEVEL = 0.05
_MEMBER = np.array([[1.0], [0.0]])


class PeopleOf(NamedTuple):
    """Whole people behind a pair of printed distributions, shape (2, J), members first.

    `note` says what was taken for the comparator's people where none are printed.
    """

    counts: FloatArray
    note: str


def people_of(pair: Ordered, asked: int | None) -> PeopleOf | None:
    """Nearest whole people; a comparator without a base counts as many as `asked`.

    None where nothing says how many people to take.
    """
    n_member, n_other = pair.member[0].n, pair.other[0].n
    taken = asked if n_other is None else n_other
    if n_member is None or taken is None:
        return None
    rounded = any(share.range is not None for share in (*pair.member, *pair.other))
    note = "Nearest whole people of the printed percentages." if rounded else "Printed counts."
    if n_other is None:
        comparator = pair.line.comparator
        note += f" No base is printed for the {comparator} column: taken as {taken:,} people."
    sides = zip(pair.shares(), (n_member, taken), strict=True)
    counts = [whole_people(side.tolist(), n) for side, n in sides]
    return PeopleOf(counts=np.array(counts), note=note)


def coefficient_rows(pair: Ordered, people: PeopleOf | None) -> Iterator[CoefficientRow]:
    """Membership's log odds ratio under proportional odds, and the thresholds.

    Nothing where the fit does not exist, and no threshold beside a level that nobody has;
    `proportionality_rows` says why.
    """
    if people is None:
        return
    try:
        fit = fit_ordinal(_MEMBER, people.counts)
    except NotEstimable:
        return
    cuts = [f"{low}|{high}" for low, high in zip(pair.levels, pair.levels[1:], strict=False)]
    terms = [("member", Scale.LOG_ODDS), *((cut, Scale.THRESHOLD) for cut in cuts)]
    estimates = [float(fit.slopes[0]), *fit.thresholds.tolist()]
    errors = np.sqrt(np.diag(fit.cov)).tolist()
    for (term, scale), estimate, std_error in zip(terms, estimates, errors, strict=True):
        if not (np.isfinite(estimate) and std_error > 0):
            continue
        interval = wald(estimate, std_error, df=np.inf, prob=PROB, null=0.0)
        yield CoefficientRow(
            model=pair.model,
            family=Family.PRINTED,
            outcome=pair.line.outcome,
            term=term,
            scale=scale,
            estimate=estimate,
            std_error=std_error,
            statistic=estimate / std_error,
            p_value=interval.p_value,
            lower=interval.lower,
            upper=interval.upper,
            interval_prob=PROB,
            interval_kind=IntervalKind.CONFIDENCE,
            std_error_kind="model",
            n_obs=fit.n_obs,
            source=PRINTED,
        )


def proportionality_rows(pair: Ordered, people: PeopleOf | None) -> Iterator[DiagnosticRow]:
    """Whether one odds ratio holds at every cut: Brant's test and the likelihood ratio.

    `value` is the p-value, `bar` the level it is held against; `group` are the members, `about`
    those they are compared with.
    """
    tests = {OddsTest.BRANT: brant, OddsTest.LIKELIHOOD_RATIO: likelihood_ratio}
    for name, test in tests.items():
        row = DiagnosticRow(
            model=pair.model,
            diagnostic=Diagnostic.PROPORTIONAL_ODDS,
            bar=_LEVEL,
            about=pair.line.comparator,
            test=name,
            family=Family.PRINTED,
            group=pair.line.group,
            source=PRINTED,
        )
        try:
            if people is None:
                raise NotEstimable("no base is printed, and no size of the comparison sample")
            result = test(_MEMBER, people.counts, (0,))
        except NotEstimable as error:
            yield replace(row, note=error.reason)
            continue
        yield replace(
            row,
            value=result.p_value,
            passed=result.p_value >= _LEVEL,
            statistic=result.statistic,
            df=result.df,
            note=people.note,
        )
