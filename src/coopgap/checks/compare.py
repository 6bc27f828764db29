"""Another estimate beside the declared one: its row, the interval of difference, verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from coopgap.checks.context import Context
from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import (
    Contrast,
    Interval,
    contrasts,
    null_value,
    smallest_count,
    threshold_gaps,
)
from coopgap.core.vocabulary import IntervalKind, Quantity, Verdict
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.estimate import Estimate, interval_numbers

NO_MATCHING: Final = "The model declares no matching."
"""Why a check of matched people does not apply."""

_COMPARED: Final = (
    "reference",
    "difference",
    "difference_lower",
    "difference_upper",
    "verdict",
)
_INFERRED: Final = ("std_error", "lower", "upper", "interval_prob", "interval_kind", "p_value")


def middle_gap(levels: Sequence[str], totals: FloatArray | IntArray) -> Contrast:
    """The gap at the threshold that nearest to half of all people reach, of totals by level."""
    reach = totals[::-1].cumsum()[::-1] / totals.sum()
    return min(threshold_gaps(levels), key=lambda one: abs(float(reach[one.level]) - 0.5))


def shifted(declared: Interval, again: Interval) -> Interval:
    """Their difference, of two answers of the same data to which sampling adds nothing."""
    value = again.estimate - declared.estimate
    return Interval(value, 0.0, value, value, np.nan)


def judge(
    declared: Interval, again: Interval, difference: Interval, quantity: str, smallest_gap: float
) -> Verdict:
    """What another estimate says of the declared one.

    `changes` where the interval of the difference (the second less the first) excludes zero and the
    difference exceeds half the smallest gap that matters, or where two intervals that both exclude
    no gap lie on opposite sides of it; `holds` where the interval of the difference lies within the
    smallest gap that matters on either side; else `undecided`. Points of superiority count double.
    Gelman & Stern (2006), The American Statistician 60, 328-331.
    """
    half = half_gap(quantity, smallest_gap)
    low, high = difference.lower, difference.upper
    apart = (low > 0 or high < 0) and abs(difference.estimate) > half
    if apart or side(declared, quantity) * side(again, quantity) < 0:
        return Verdict.CHANGES
    return Verdict.HOLDS if -2 * half < low and high < 2 * half else Verdict.UNDECIDED


def half_gap(quantity: str, smallest_gap: float) -> float:
    """Half the smallest gap that matters, on the scale of a quantity."""
    return smallest_gap / 4 if quantity == Quantity.SUPERIORITY else smallest_gap / 2


def side(interval: Interval, quantity: str) -> int:
    """1 where an interval lies above no gap, -1 below, 0 where it holds it."""
    null = null_value(Quantity(quantity))
    return int(interval.lower > null) - int(interval.upper < null)


def compared(
    row: SensitivityRow,
    declared: Interval,
    again: Interval,
    difference: Interval,
    smallest_gap: float,
) -> SensitivityRow:
    """The row of another estimate, with what it is compared with, their difference and verdict."""
    return replace(
        row,
        reference=declared.estimate,
        difference=difference.estimate,
        difference_lower=difference.lower,
        difference_upper=difference.upper,
        verdict=judge(declared, again, difference, row.quantity, smallest_gap),
    )


def alone(row: SensitivityRow) -> SensitivityRow:
    """The row without a comparison: it is what others are compared with."""
    return replace(row, **_nothing(_COMPARED))


def with_number(
    row: SensitivityRow, quantity: str, value: float, note: str, **keys: Any
) -> SensitivityRow:
    """The row's keys and people with one number of its own, of which no inference is made."""
    keys |= {"quantity": quantity, "estimate": value, "note": note}
    return replace(alone(row), **_nothing(_INFERRED) | keys)


def _nothing(names: Sequence[str]) -> dict[str, Any]:
    return dict.fromkeys(names)


def unassessed(row: SensitivityRow, note: str) -> SensitivityRow:
    """The row with the reason why it has no answer."""
    return replace(row, verdict=Verdict.NOT_ASSESSED, note=note)


def numbers_of(interval: Interval, prob: float = INTERVAL_PROB) -> dict[str, Any]:
    """Columns of an interval; of one without an error, where nobody differs, the estimate alone."""
    numbers = interval_numbers(interval, IntervalKind.CONFIDENCE)
    return numbers | {"interval_prob": prob} if "interval_prob" in numbers else numbers


def with_interval(
    row: SensitivityRow, contrast: Contrast, interval: Interval, prob: float = INTERVAL_PROB
) -> SensitivityRow:
    """The row of a contrast with its confidence interval."""
    about = {"quantity": contrast.quantity, "category": contrast.category}
    return replace(row, **about | numbers_of(interval, prob))


def people_of(*pairs: tuple[IntArray, Contrast]) -> dict[str, Any]:
    """Columns of the fewest people behind a row, of several estimates' people and contrasts."""
    return {
        "n_smaller": min(int(people.sum(axis=1).min()) for people, _ in pairs),
        "n_fewest": min(smallest_count(people, contrast) for people, contrast in pairs),
    }


def again_row(
    context: Context,
    contrast: Contrast,
    again: Estimate,
    *,
    pair: tuple[Estimate, Estimate] | None = None,
    **keys: Any,
) -> SensitivityRow:
    """One contrast of another estimate, with its difference from the context's headline.

    `pair` holds both estimates on the people that both have, where those differ from everybody's:
    the difference is theirs. Without numbers, verdict `not_assessed` and the reason, where either
    estimate is missing. `keys` of the row: `variant`, `about` and the like.
    """
    row = context.row(
        family=again.family,
        population=again.population,
        quantity=contrast.quantity,
        category=contrast.category,
        verdict=Verdict.NOT_ASSESSED,
        note=again.reason,
        **keys,
    )
    other, declared = pair or (again, context.headline)
    shown, second, first = (one.intervals.get(contrast) for one in (again, other, declared))
    if shown is None or second is None or first is None:
        return row
    people = people_of(*((one.people, contrast) for one in (again, other, declared)))
    row = replace(row, **numbers_of(shown), **people)
    apart = other.difference(declared, contrast)
    return compared(row, first, second, apart, context.smallest_gap)


def gaps_again(
    context: Context,
    again: Estimate,
    *,
    pair: tuple[Estimate, Estimate] | None = None,
    **keys: Any,
) -> Iterator[SensitivityRow]:
    """Another estimate at each threshold, and its superiority."""
    for contrast in context.headline.intervals and contrasts(context.keys.levels):
        if contrast.is_threshold_gap or contrast.quantity is Quantity.SUPERIORITY:
            yield again_row(context, contrast, again, pair=pair, **keys)
