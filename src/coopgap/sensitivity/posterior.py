"""What rows about posterior draws share: their headline contrasts, their summary, their side."""

from __future__ import annotations

from typing import Any

from coopgap.core.arrays import FloatArray
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import Contrast, contrasts
from coopgap.core.vocabulary import Check, Comparator, Family, IntervalKind, Population, Quantity
from coopgap.families.estimate import interval_numbers
from coopgap.families.hierarchical import TAILS, posterior_interval

__all__ = ["TAILS", "headline_contrasts", "posterior_interval", "posterior_row"]


def headline_contrasts(levels: tuple[str, ...]) -> list[Contrast]:
    """The gap at each threshold, highest first; superiority last for more than two levels."""
    return [
        contrast
        for contrast in contrasts(levels)
        if contrast.is_threshold_gap
        or (contrast.quantity is Quantity.SUPERIORITY and len(levels) > 2)
    ]


def posterior_row(
    check: Check,
    variant: str,
    labels: Keys,
    category: str = "",
    draws: FloatArray | None = None,
    quantity: str = Quantity.RISK_DIFFERENCE,
    *,
    comparator: str = Comparator.COMPARISON,
    group: str = "all",
) -> SensitivityRow:
    """A row of a check, with the summary of draws where there are some."""
    numbers: dict[str, Any] = {}
    if draws is not None:
        interval = posterior_interval(draws, quantity)
        numbers = interval_numbers(interval, IntervalKind.CREDIBLE)
    return SensitivityRow(
        check=check,
        variant=variant,
        model=labels.model,
        family=Family.HIERARCHICAL,
        outcome=labels.outcome,
        comparator=comparator,
        group=group,
        population=Population.ALL_MEMBERS,
        quantity=quantity,
        category=category,
        source=labels.source,
        **numbers,
    )
