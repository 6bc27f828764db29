"""What could move a printed gap: clustering, another mix of ages, and the phone's power to tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from coopgap.checks.design import DESIGN_EFFECTS
from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.estimate import GapRow, SensitivityRow, finite
from coopgap.core.gap import Interval
from coopgap.core.tost import power_at_zero, smallest_margin
from coopgap.core.vocabulary import (
    PRINTED,
    Check,
    Comparator,
    Family,
    IntervalKind,
    Population,
    Quantity,
    Version,
)
from coopgap.datasets.registry import Registry
from coopgap.printed.compare import PROB, gap_row, sides_of
from coopgap.printed.lines import Line
from coopgap.printed.proportions import (
    differences,
    effective_differences,
    largest_design_effects,
)
from coopgap.printed.sample import Covariate

SCENARIOS: Final = (1.0, 1.5, 2.0, 3.0)
"""Design effects for which the interval is shown."""

PHONE_ITEM: Final = "phone subsample"
"""The registry's item that counts people reached by phone."""

MARGINS: Final = (0.05, 0.06, 0.07, 0.10)
"""Margins, on the probability scale, for which the power of the phone is shown."""

_STEEPEST = 60.0


def _check_row(
    line: Line, check: Check, quantity: str, variant: str, **cells: Any
) -> SensitivityRow:
    return SensitivityRow(
        check=check,
        variant=variant,
        model=f"printed_{line.slug}",
        family=Family.PRINTED,
        outcome=line.outcome,
        group=line.group,
        population=Population.PRINTED,
        quantity=quantity,
        category=line.category,
        source=PRINTED,
        **{"comparator": line.comparator} | cells,
    )


# Design effects


def design_effect_rows(lines: Iterable[Line]) -> Iterator[SensitivityRow]:
    """The difference of every line with people counted for fewer, and how far that may go.

    As in gaps.csv with n over the design effect in place of n, without a verdict: the estimate
    stays. Then the design effect at which an interval without zero would reach it: 1 where that of
    whole people, exact where a count is small, leaves zero out and that of as many effective people
    holds it; none beyond a thousand.
    """
    known = [line for line in lines if not np.isnan(line.sides).any()]
    sides = sides_of(known)
    scenarios = [
        differences(sides, PROB).each()
        if factor == 1
        else effective_differences(sides.over(factor), PROB).each()
        for factor in SCENARIOS
    ]
    reaches = largest_design_effects(sides, PROB).tolist()
    for line, reach, *intervals in zip(known, reaches, *scenarios, strict=True):
        for factor, interval in zip(SCENARIOS, intervals, strict=True):
            yield _check_row(
                line,
                Check.DESIGN_EFFECT,
                Quantity.RISK_DIFFERENCE,
                f"design effect {factor:g}",
                estimate=interval.estimate,
                std_error=interval.std_error,
                lower=interval.lower,
                upper=interval.upper,
                interval_prob=PROB,
                interval_kind=IntervalKind.CONFIDENCE,
                setting=factor,
            )
        if intervals[0].lower > 0 or intervals[0].upper < 0:
            yield _check_row(
                line,
                Check.DESIGN_EFFECT,
                "design_effect",
                Version.REACHES_ZERO,
                estimate=finite(reach),
                note="Design effect at which the interval would reach zero.",
            )


# What the members' ages, or any one covariate, could do


def standardised_bounds(share: float, own: FloatArray, target: FloatArray) -> tuple[float, float]:
    """Sharp bounds of a share standardised to another distribution of one covariate.

    Parameters
    ----------
    share
        Share in a group, over its own distribution.
    own, target
        Shape (k,): the group's distribution of the covariate, and the one to standardise to.

    Returns
    -------
    lower, upper : float
        Extremes of Σ target p over 0 ≤ p ≤ 1 with Σ own p = share. A level that the group lacks
        may have any share.

    Notes
    -----
    A fractional knapsack: fill the levels in the order of target over own.
    """
    there = own > 0
    free = float(target[~there].sum())
    own, target = own[there], target[there]
    order = np.argsort(target / own, kind="stable")

    def fill(levels: IntArray) -> float:
        before = np.cumsum(own[levels]) - own[levels]
        parts = np.clip(share - before, 0.0, own[levels])
        return float(target[levels] @ (parts / own[levels]))

    return fill(order), fill(order[::-1]) + free


def gradient_shares(share: float, own: FloatArray, log_odds: float) -> FloatArray:
    """Shares p, shape (k,), that rise by the same log odds from level to level.

    Σ own p = share, which is strictly between 0 and 1; `own` is the levels' distribution, shape
    (k,), lowest first.
    """
    steps = np.arange(own.size) * log_odds

    def excess(start: float) -> float:
        return float(own @ expit(start + steps)) - share

    wide = float(np.abs(steps).max()) + abs(float(logit(share))) + 1.0
    return np.asarray(expit(brentq(excess, -wide, wide, xtol=1e-13) + steps))


def _gradient_needed(share: float, own: FloatArray, target: FloatArray, aim: float) -> float | None:
    """Log odds from level to level at which a standardised share reaches `aim`; None if none."""

    def excess(log_odds: float) -> float:
        return float(target @ gradient_shares(share, own, log_odds)) - aim

    if not 0 < share < 1 or excess(-_STEEPEST) * excess(_STEEPEST) > 0:
        return None
    return float(brentq(excess, -_STEEPEST, _STEEPEST, xtol=1e-10))


def standardisable(lines: Iterable[Line]) -> Iterator[Line]:
    """Lines of all members and all non-members about what was asked, not about the sample."""
    for line in lines:
        both = line.member is not None and line.other is not None
        asked = line.role != "covariate" and line.whole and not line.threshold
        if both and asked and line.group == "all" and line.comparator == Comparator.COMPARISON:
            yield line


def bound_rows(lines: Iterable[Line], covariates: Sequence[Covariate]) -> Iterator[GapRow]:
    """Sharp bounds of the non-members' share over the members' covariate, and of the gap.

    The estimate is the printed value, which stands if the share is the same at every level; the
    printed margins leave the whole range, and no point in it is likelier.
    """
    for line in standardisable(lines):
        member, _, share, _ = line.sides
        for by in covariates:
            if not by.differs:
                continue
            low, high = standardised_bounds(share, by.comparison, by.member)
            bounded = replace(line, slug=f"{line.slug}_by_{by.name}")
            own = Interval(share, np.nan, low, high, np.nan)
            yield gap_row(bounded, Quantity.SHARE, own, bounds=True)
            gap = Interval(member - share, np.nan, member - high, member - low, np.nan)
            yield gap_row(bounded, Quantity.RISK_DIFFERENCE, gap, bounds=True)


def gradient_rows(
    lines: Iterable[Line], covariates: Sequence[Covariate]
) -> Iterator[SensitivityRow]:
    """How steep an even gradient among non-members must be for the standardised gap to be zero."""
    for line in standardisable(lines):
        aim, _, share, _ = line.sides
        for by in covariates:
            if not (by.ordered and by.differs):
                continue
            needed = _gradient_needed(share, by.comparison, by.member, aim)
            if needed is None:
                note = (
                    f"No even gradient over {by.name} among non-members reaches the members' share."
                )
            else:
                ends = gradient_shares(share, by.comparison, needed)[[0, -1]]
                note = (
                    f"Odds ratio from each level of {by.name} to the next, among non-members, at "
                    f"which their share with the members' {by.name} is the members' own: "
                    f"{100 * ends[0]:.0f} percent at {by.levels[0]}, {100 * ends[1]:.0f} at "
                    f"{by.levels[-1]}."
                )
            yield _check_row(
                line,
                Check.TIPPING_POINT,
                "odds_multiple",
                f"even gradient over {by.name}",
                about=by.name,
                estimate=None if needed is None else float(np.exp(needed)),
                note=note,
            )


# The phone


def phone_rows(registry: Registry, lines: Iterable[Line]) -> Iterator[SensitivityRow]:
    """Power of two one-sided tests of the phone interviews against the comparison sample, if any.

    `threshold` is the margin and `power` the probability to confirm that a share differs by less,
    if phone and in-person people answer alike with the printed share. Then, as `smallest_margin`,
    the margin that would be confirmed with a probability of 80 percent.
    """
    counts = [row for row in registry.find(item=PHONE_ITEM) if row.stat == "count"]
    called = int(counts[0].value) if counts else 0
    for line in standardisable(lines if called else ()):
        _, _, share, people = line.sides
        for factor in DESIGN_EFFECTS:
            std_error = (factor * share * (1 - share) * (1 / called + 1 / people)) ** 0.5
            if not (std_error > 0 and np.isfinite(people)):
                continue
            cells = {
                "variant": f"power at design effect {factor:g}",
                "comparator": Comparator.PHONE,
                "std_error": std_error,
                "setting": factor,
            }
            for margin in MARGINS:
                yield _check_row(
                    line,
                    Check.PHONE_EQUIVALENCE,
                    Quantity.RISK_DIFFERENCE,
                    threshold=margin,
                    power=power_at_zero(std_error, margin),
                    n=called,
                    note=f"{called:,} phone interviews against {people:,.0f}.",
                    **cells,
                )
            yield _check_row(
                line,
                Check.PHONE_EQUIVALENCE,
                "smallest_margin",
                estimate=smallest_margin(std_error),
                power=0.8,
                **cells,
            )
