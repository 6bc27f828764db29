"""Declared variants of a model: the matched gap again under another choice, beside the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from coopgap.estimate import SensitivityRow
from coopgap.families.records import INTERVAL_PROB, FamilyEstimate
from coopgap.families.rows import SMALLEST_COUNT, Labels, smallest_count
from coopgap.gap import Contrast, Interval
from coopgap.vocabulary import Check, Comparator, IntervalKind, Quantity, Verdict

__all__ = ["same_conclusion", "variant_rows"]

_SHOWN = (Quantity.RISK_DIFFERENCE, Quantity.SUPERIORITY)


def same_conclusion(first: Interval, second: Interval, null: float) -> bool:
    """Whether two intervals say the same of the null: below it, above it, or neither."""

    def side(interval: Interval) -> int:
        return int(interval.lower > null) - int(interval.upper < null)

    return side(first) == side(second)


def variant_rows(
    name: str,
    estimate: FamilyEstimate,
    base: Mapping[Contrast, Interval | None],
    labels: Labels,
) -> Iterator[SensitivityRow]:
    """Rows of one variant, each with whether the conclusion of the declared model holds.

    Parameters
    ----------
    name
        The variant's name.
    estimate
        The matched family under the variant.
    base
        The matched family's intervals under the declared model.
    labels
        Model, outcome and source.
    """
    if estimate.reason:
        yield SensitivityRow(
            check=Check.VARIANT,
            variant=name,
            model=labels.model,
            family=estimate.family,
            outcome=labels.outcome,
            group=labels.group,
            population=estimate.population,
            verdict=Verdict.NOT_ASSESSED,
            note=estimate.reason,
            source=labels.source,
        )
    for contrast, interval in estimate.intervals.items():
        if contrast.quantity not in _SHOWN or not (
            contrast.by_threshold or contrast.quantity is Quantity.SUPERIORITY
        ):
            continue
        first = base.get(contrast)
        if interval is None or first is None:
            continue
        shown = smallest_count(estimate.people, contrast) >= SMALLEST_COUNT
        null = 0.5 if contrast.quantity is Quantity.SUPERIORITY else 0.0
        holds = same_conclusion(first, interval, null)
        yield SensitivityRow(
            check=Check.VARIANT,
            variant=name,
            model=labels.model,
            family=estimate.family,
            outcome=labels.outcome,
            comparator=Comparator.COMPARISON,
            group=labels.group,
            population=estimate.population,
            quantity=contrast.quantity,
            category=contrast.category,
            estimate=interval.estimate if shown else None,
            std_error=interval.std_error if shown else None,
            lower=interval.lower if shown else None,
            upper=interval.upper if shown else None,
            interval_prob=INTERVAL_PROB if shown else None,
            interval_kind=IntervalKind.CONFIDENCE if shown else None,
            p_value=interval.p_value if shown and np.isfinite(interval.p_value) else None,
            verdict=(Verdict.HOLDS if holds else Verdict.CHANGES)
            if shown
            else Verdict.NOT_ASSESSED,
            note="" if shown else "suppressed: fewer than 10 people behind the row",
            source=labels.source,
        )
