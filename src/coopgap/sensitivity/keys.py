"""What the rows of every check share: intervals, people and reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from coopgap.core.arrays import IntArray
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import Contrast, Interval, smallest_count
from coopgap.core.vocabulary import Check, IntervalKind, Verdict
from coopgap.families.difference import INTERVAL_PROB

NO_MATCHING = "The model declares no matching."
"""Why a check of matched people does not apply."""


def with_interval(
    row: SensitivityRow, interval: Interval, prob: float = INTERVAL_PROB
) -> SensitivityRow:
    """The row with the numbers of a confidence interval, and its p-value where there is one.

    Where people or zones do not differ there is no error, and only the estimate.
    """
    if not interval.std_error > 0:
        return replace(row, estimate=interval.estimate)
    return replace(
        row,
        estimate=interval.estimate,
        std_error=interval.std_error,
        lower=interval.lower,
        upper=interval.upper,
        interval_prob=prob,
        interval_kind=IntervalKind.CONFIDENCE,
        p_value=interval.p_value if np.isfinite(interval.p_value) else None,
    )


def with_number(row: SensitivityRow, quantity: str, value: float, note: str) -> SensitivityRow:
    """The row's keys and people with one number of its own, of which no inference is made."""
    return SensitivityRow(
        check=row.check,
        variant=row.variant,
        model=row.model,
        family=row.family,
        outcome=row.outcome,
        comparator=row.comparator,
        group=row.group,
        population=row.population,
        quantity=quantity,
        category=row.category,
        estimate=value,
        note=note,
        n_smaller=row.n_smaller,
        n_fewest=row.n_fewest,
        about=row.about,
        choice=row.choice,
        setting=row.setting,
        source=row.source,
    )


def with_people(row: SensitivityRow, *pairs: tuple[IntArray, Contrast]) -> SensitivityRow:
    """The row with the fewest people behind it, of several estimates' people and contrasts."""
    return replace(
        row,
        n_smaller=min(int(people.sum(axis=1).min()) for people, _ in pairs),
        n_fewest=min(smallest_count(people, contrast) for people, contrast in pairs),
    )


def unanswered(
    checks: Sequence[Check], keys: Keys, verdict: Verdict, reason: str
) -> list[SensitivityRow]:
    """One row a check that has no answer, with the reason."""
    return [
        SensitivityRow(
            check=check,
            model=keys.model,
            outcome=keys.outcome,
            verdict=verdict,
            note=reason,
            source=keys.source,
        )
        for check in checks
    ]
