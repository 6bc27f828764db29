"""Rows for every comparison of two printed shares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from coopgap.arrays import FloatArray
from coopgap.estimate import GapRow
from coopgap.gap import Contrast, Interval, contrast_values, contrasts, wald
from coopgap.printed.intervals import newcombe, ratio_interval, wilson
from coopgap.printed.registry import Printed, Registry
from coopgap.printed.rounding import share_range, two_stage_ranges
from coopgap.vocabulary import PRINTED, Comparator, Family, IntervalKind, Population, Quantity

__all__ = ["Pair", "class_rows", "pair_rows", "pairs"]

PROB = 0.95
CLASSES = ("E", "D", "C", "B", "A")
CLASS_ITEM = "socioeconomic class"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Members' share and a comparator's, each with its base and the range that rounding leaves."""

    slug: str
    member: float
    n_member: int
    comparison: float
    n_comparison: int
    member_range: tuple[float, float]
    comparison_range: tuple[float, float]


def pairs(registry: Registry) -> tuple[Pair, ...]:
    """Every comparison of members with non-members that the report prints."""
    trust = "most people in the community can be trusted"
    person = "has someone of trust to talk to in a crisis"
    near = "could rely on neighbours for financial help"
    results, findings = "Social Benefits to Cooperative Members", "Key Finding 4"
    found = [
        _pair(registry, "printed_trust", trust, results),
        _pair(registry, "printed_trusted_person", person, results),
        _pair(registry, "printed_trusted_person_key_findings", person, findings),
        _pair(registry, "printed_neighbours", near, results),
    ]
    for programme in ("health campaigns", "education"):
        found += _programme(registry, programme)
    return tuple(found)


def _pair(registry: Registry, slug: str, item: str, place: str) -> Pair:
    member = registry.one(item=item, group="member", place=place)
    comparison = registry.one(item=item, group="non-member", place=place)
    return _of(slug, member, comparison)


def _of(slug: str, member: Printed, comparison: Printed) -> Pair:
    n_member, n_comparison = _base(member), _base(comparison)
    return Pair(
        slug=slug,
        member=member.share,
        n_member=n_member,
        comparison=comparison.share,
        n_comparison=n_comparison,
        member_range=share_range(member.value, n_member),
        comparison_range=share_range(comparison.value, n_comparison),
    )


def _base(row: Printed) -> int:
    if row.base is None:
        raise LookupError(f"{row.id} has no base")
    return row.base


def _programme(registry: Registry, programme: str) -> Iterator[Pair]:
    """Awareness, access among those aware, and access in all, of one programme of Figure 7."""
    stem = f"printed_{programme.replace(' ', '_')}"
    aware, access = (
        [
            registry.one(item=item, group=group, category=programme, place="Figure 7")
            for group in ("member", "non-member")
        ]
        for item in ("programme awareness", "programme access, of those aware")
    )
    yield _of(f"{stem}_awareness", *aware)
    ranges = [
        two_stage_ranges(first.value, second.value, _base(first))
        for first, second in zip(aware, access, strict=True)
    ]
    yield replace(
        _of(f"{stem}_access_of_aware", *access),
        member_range=ranges[0][0],
        comparison_range=ranges[1][0],
    )
    yield Pair(
        slug=f"{stem}_access_of_all",
        member=aware[0].share * access[0].share,
        n_member=_base(aware[0]),
        comparison=aware[1].share * access[1].share,
        n_comparison=_base(aware[1]),
        member_range=ranges[0][1],
        comparison_range=ranges[1][1],
    )


def pair_rows(pair: Pair) -> Iterator[GapRow]:
    """Shares, difference and ratios with intervals, then the bounds that rounding leaves."""
    sides = (pair.member, pair.n_member, pair.comparison, pair.n_comparison)
    bases = (pair.n_member, pair.n_comparison)
    intervals = {
        Quantity.RISK_DIFFERENCE: newcombe(*sides, PROB),
        Quantity.RISK_RATIO: ratio_interval(*sides, odds=False),
        Quantity.ODDS_RATIO: ratio_interval(*sides, odds=True),
    }
    own = _share_interval(pair.member, pair.n_member)
    yield _row(pair.slug, Quantity.SHARE, own, bases, "")
    other = _share_interval(pair.comparison, pair.n_comparison)
    yield _row(pair.slug, Quantity.SHARE, other, bases)
    for quantity, interval in intervals.items():
        yield _row(pair.slug, quantity, interval, bases)
    for quantity, interval in intervals.items():
        bounds = _bounds(pair, quantity, interval.estimate)
        yield _row(f"{pair.slug}_rounding", quantity, bounds, bases, bounds=True)


def _share_interval(share: float, n: int) -> Interval:
    return Interval(share, float(np.sqrt(share * (1 - share) / n)), *wilson(share, n, PROB), np.nan)


def _bounds(pair: Pair, quantity: Quantity, estimate: float) -> Interval:
    """All three rise with the members' share and fall with the comparator's."""

    def value(member: float, comparison: float) -> float:
        if quantity is Quantity.RISK_DIFFERENCE:
            return member - comparison
        ratio = member / comparison
        return ratio * (1 - comparison) / (1 - member) if quantity is Quantity.ODDS_RATIO else ratio

    ends = [value(*corner) for corner in product(pair.member_range, pair.comparison_range)]
    return Interval(estimate, np.nan, min(ends), max(ends), np.nan)


def class_rows(registry: Registry) -> Iterator[GapRow]:
    """Members' classes against the national column of Figure 1.

    No base is printed for the national column, so its shares are taken as fixed and the
    intervals hold the members' sampling error alone.
    """
    shares = {
        group: [
            registry.one(item=CLASS_ITEM, group=group, category=level, place="Figure 1")
            for level in CLASSES
        ]
        for group in ("member", "national average")
    }
    member, national = (np.array([row.share for row in rows]) for rows in shares.values())
    n = _base(shares["member"][0])
    for contrast in contrasts(CLASSES):
        yield _row(
            "printed_ses_class",
            contrast.quantity,
            _against_fixed(contrast, member, national, n),
            (n, None),
            "" if contrast.of_member else Comparator.NATIONAL,
            contrast.category,
        )


def _against_fixed(contrast: Contrast, member: FloatArray, fixed: FloatArray, n: int) -> Interval:
    """A contrast of n members with shares taken as fixed."""
    value = float(contrast_values(contrast, member, fixed))
    j = contrast.level
    stop = None if contrast.by_threshold else j + 1
    p1, p0 = (float(side[j:stop].sum()) for side in (member, fixed))
    match contrast.quantity:
        case Quantity.SHARE if contrast.of_member:
            return _share_interval(value, n)
        case Quantity.SHARE:
            return Interval(value, np.nan, np.nan, np.nan, np.nan)
        case Quantity.RISK_DIFFERENCE:
            return newcombe(p1, n, p0, None, PROB)
        case Quantity.SUPERIORITY:
            below = np.cumsum(fixed) - fixed / 2
            cov = (np.diag(member) - np.outer(member, member)) / n
            std_error = float(np.sqrt(below @ cov @ below))
            return wald(value, std_error, df=np.inf, prob=PROB, null=0.5)
        case quantity:
            odds = quantity is Quantity.CUMULATIVE_ODDS_RATIO
            return ratio_interval(p1, n, p0, None, odds=odds)


def _row(
    slug: str,
    quantity: Quantity,
    interval: Interval,
    bases: tuple[int | None, int | None],
    comparator: str = Comparator.COMPARISON,
    category: str = "",
    *,
    bounds: bool = False,
) -> GapRow:
    limits = bool(np.isfinite(interval.lower))
    kind = IntervalKind.BOUNDS if bounds else IntervalKind.CONFIDENCE
    return GapRow(
        model=slug,
        family=Family.PRINTED,
        outcome=slug.removeprefix("printed_").removesuffix("_rounding"),
        comparator=comparator,
        group="all",
        population=Population.PRINTED,
        quantity=quantity,
        category=category,
        interval_prob=PROB if limits and not bounds else None,
        interval_kind=kind if limits else None,
        n_member=bases[0],
        n_comparison=bases[1],
        source=PRINTED,
        **_numbers(interval),
    )


def _numbers(interval: Interval) -> dict[str, Any]:
    return {
        name: float(value) if np.isfinite(value) else None
        for name, value in interval._asdict().items()
        if name != "df"
    }
