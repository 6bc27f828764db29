"""Whether another estimate changes the declared one: by the interval of their difference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Interval, null_value
from coopgap.core.vocabulary import Quantity, Verdict


def shifted(declared: Interval, again: Interval) -> Interval:
    """Their difference, of two answers of the same data to which sampling adds nothing."""
    value = again.estimate - declared.estimate
    return Interval(value, 0.0, value, value, np.nan)


def judge(
    declared: Interval, again: Interval, difference: Interval, quantity: str, smallest_gap: float
) -> Verdict:
    """What another estimate says of the declared one.

    Parameters
    ----------
    declared, again
        The two estimates with their intervals.
    difference
        The second less the first, with the interval of that difference.
    quantity
        A risk difference, a share or superiority, whose points count double.
    smallest_gap
        The smallest gap that matters, on the probability scale.

    Returns
    -------
    Verdict
        `changes` where the interval of the difference excludes zero and the difference exceeds
        half the smallest gap that matters, or where two intervals that both exclude no gap lie on
        opposite sides of it; `holds` where the interval of the difference lies within the
        smallest gap that matters on either side; else `undecided`.

    References
    ----------
    Gelman & Stern (2006), The American Statistician 60, 328-331.
    """
    half = half_gap(quantity, smallest_gap)
    low, high = difference.lower, difference.upper
    apart = (low > 0 or high < 0) and abs(difference.estimate) > half
    if apart or side(declared, quantity) * side(again, quantity) < 0:
        return Verdict.CHANGES
    return Verdict.HOLDS if -2 * half < low and high < 2 * half else Verdict.UNDECIDED


def alone(row: SensitivityRow) -> SensitivityRow:
    """The row without a comparison: it is what others are compared with."""
    return replace(
        row,
        reference=None,
        difference=None,
        difference_lower=None,
        difference_upper=None,
        verdict=None,
    )


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
