"""How many in-person answers would have to be off before the gap's conclusion moves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from coopgap.arrays import FloatArray
from coopgap.estimate import SensitivityRow
from coopgap.families.records import INTERVAL_PROB
from coopgap.families.rows import SMALLEST_COUNT
from coopgap.gap import Margins, contrasts, share_margins
from coopgap.sensitivity.keys import Keys, is_small
from coopgap.survey.records import ModelRows
from coopgap.vocabulary import (
    Check,
    Comparator,
    IntervalKind,
    Population,
    Quantity,
    Verdict,
)

__all__ = [
    "PhoneShift",
    "Shares",
    "phone_shifts",
    "threshold_shares",
    "tipping_rows",
    "tipping_share",
]


class PhoneShift(NamedTuple):
    """Phone minus in-person comparison group, with its interval of probability `prob`."""

    estimate: float
    lower: float
    upper: float
    prob: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Share of each group that reaches a threshold, and their covariance.

    Attributes
    ----------
    member, comparison
        Shares strictly inside (0, 1) for the comparison group.
    var_member, var_comparison, covariance
        Variances and covariance of the two.
    quantile
        Multiplier of the standard error in the interval.
    """

    member: float
    comparison: float
    var_member: float
    var_comparison: float
    covariance: float
    quantile: float

    def limit(self, off: float) -> float:
        """The gap's limit nearer to zero after `off` of the comparison answers moved up.

        The comparison group's variance is that of its new share under the same design effect.
        """
        moved = self.comparison + off
        scale = moved * (1 - moved) / (self.comparison * (1 - self.comparison))
        variance = (
            self.var_member
            + self.var_comparison * scale
            - 2 * self.covariance * float(np.sqrt(max(scale, 0.0)))
        )
        half = self.quantile * float(np.sqrt(max(variance, 0.0)))
        gap = self.member - moved
        return gap - half if self.member > self.comparison else gap + half

    @property
    def gap(self) -> float:
        """Member minus comparison."""
        return self.member - self.comparison


def tipping_share(shares: Shares) -> float | None:
    """Share of comparison answers that must move before the gap's interval reaches zero.

    Parameters
    ----------
    shares
        Of the weighted-share estimator.

    Returns
    -------
    float or None
        Signed like the gap: positive where answers below the threshold would have to be above
        it. None where the interval holds zero already.

    Notes
    -----
    Solves limit(s) = 0 by bracketing between no move and a gap of zero.
    """
    if shares.gap == 0 or shares.limit(0.0) * shares.gap <= 0:
        return None
    return float(optimize.brentq(shares.limit, 0.0, shares.gap, xtol=1e-12))


def phone_shifts(rows: Sequence[SensitivityRow]) -> dict[str, PhoneShift]:
    """Adjusted phone-minus-in-person differences by category, out of the phone check's rows."""
    return {
        row.category: PhoneShift(row.estimate, row.lower, row.upper, row.interval_prob)
        for row in rows
        if row.check is Check.PHONE_EQUIVALENCE
        and row.variant == "adjusted"
        and row.quantity == Quantity.RISK_DIFFERENCE
        and row.estimate is not None
        and row.lower is not None
        and row.upper is not None
        and row.interval_prob is not None
    }


def tipping_rows(
    rows: ModelRows,
    weight: FloatArray,
    keys: Keys,
    shifts: Mapping[str, PhoneShift] | None = None,
) -> list[SensitivityRow]:
    """Tipping points of the weighted-share gap at each threshold.

    Parameters
    ----------
    rows
        Complete in-person rows.
    weight
        Shape (n,): sampling times matching weights.
    keys
        Model, outcome and source.
    shifts
        What the phone interviews say about such a move, by category, from `phone_shifts`.

    Returns
    -------
    list of SensitivityRow
        At each threshold: the share of all in-person comparison answers that would have to be off
        before the interval reaches zero and before the gap halves, each beside the multiple of
        the odds that it amounts to, and the phone shift. The verdict compares the phone interval
        with the first: `holds` where the whole interval falls short of it, `changes` where the
        whole interval exceeds it, `inconclusive` in between, and none without phone interviews.
    """
    base = SensitivityRow(
        check=Check.TIPPING_POINT,
        model=keys.model,
        outcome=keys.outcome,
        comparator=Comparator.COMPARISON,
        group="all",
        population=Population.MEMBERS,
        source=keys.source,
    )
    kept = weight > 0
    people, n_levels = rows.take(kept), len(rows.levels)
    counts = people.people_by_level()
    wanted = [
        one for one in contrasts(rows.levels) if one.is_threshold_gap and not is_small(counts, one)
    ]
    if not wanted:
        note = f"No threshold has {SMALLEST_COUNT} people on both sides in both groups."
        return [replace(base, verdict=Verdict.NOT_APPLICABLE, note=note)]
    margins = share_margins(people.outcome, people.member, weight[kept], n_levels, people.zone)
    result: list[SensitivityRow] = []
    for contrast in wanted:
        found = threshold_shares(margins, contrast.level)
        at = replace(base, category=contrast.category)
        result += _threshold_rows(found, (shifts or {}).get(contrast.category), at)
    return result


def threshold_shares(margins: Margins, level: int, prob: float = INTERVAL_PROB) -> Shares:
    """Shares at or above a level, with their covariance."""
    n = margins.member.size
    pick = np.zeros((2, 2 * n))
    pick[0, level:n] = pick[1, n + level :] = 1.0
    cov = pick @ margins.cov @ pick.T
    return Shares(
        member=float(margins.member[level:].sum()),
        comparison=float(margins.comparison[level:].sum()),
        var_member=float(cov[0, 0]),
        var_comparison=float(cov[1, 1]),
        covariance=float(cov[0, 1]),
        quantile=float(stats.t.ppf((1 + prob) / 2, margins.df)),
    )


def _threshold_rows(
    shares: Shares, shift: PhoneShift | None, base: SensitivityRow
) -> Iterator[SensitivityRow]:
    zero = tipping_share(shares)
    if zero is None:
        yield replace(
            base,
            variant="interval reaches zero",
            quantity="share_off",
            verdict=Verdict.NOT_APPLICABLE,
            note="The interval holds zero already.",
        )
    else:
        verdict = None if shift is None else _verdict(zero, shift)
        yield from _pair(zero, shares, replace(base, variant="interval reaches zero"), verdict)
    if shares.gap != 0:
        yield from _pair(shares.gap / 2, shares, replace(base, variant="gap halves"), None)
    if shift is not None:
        yield replace(
            base,
            variant="phone minus in person",
            quantity=Quantity.RISK_DIFFERENCE,
            estimate=shift.estimate,
            lower=shift.lower,
            upper=shift.upper,
            interval_prob=shift.prob,
            interval_kind=IntervalKind.CONFIDENCE,
            threshold=zero,
            note="What the phone interviews say about such a move; mode is one reason of several.",
        )


def _pair(
    off: float, shares: Shares, base: SensitivityRow, verdict: Verdict | None
) -> Iterator[SensitivityRow]:
    moved, before = shares.comparison + off, shares.comparison
    odds = moved * (1 - before) / (before * (1 - moved)) if moved < 1 else np.inf
    where = "below it should be above" if off > 0 else "above it should be below"
    until = "the gap's interval reaches zero"
    close = " For one threshold this is close to the gap's limit nearer to zero."
    if base.variant == "gap halves":
        until, close = "the gap halves", ""
    yield replace(
        base,
        quantity="share_off",
        estimate=abs(off),
        verdict=verdict,
        note=(
            f"Share of all in-person comparison answers that would have to be off ({where}) "
            f"before {until}.{close}"
        ),
    )
    yield replace(
        base,
        quantity="odds_multiple",
        estimate=float(odds) if np.isfinite(odds) else None,
        note="The same as a multiple of the comparison group's odds.",
    )


def _verdict(off: float, shift: PhoneShift) -> Verdict:
    """Whether the phone interval, in the direction of the move, falls short of the share."""
    low, high = (shift.lower, shift.upper) if off > 0 else (-shift.upper, -shift.lower)
    if high < abs(off):
        return Verdict.HOLDS
    return Verdict.CHANGES if low > abs(off) else Verdict.INCONCLUSIVE
