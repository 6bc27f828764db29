"""What the rows of every check share: keys, reasons and small counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from coopgap.arrays import IntArray
from coopgap.disclosure import SMALLEST_COUNT
from coopgap.estimate import SensitivityRow
from coopgap.families.records import INTERVAL_PROB
from coopgap.families.suppression import gives_count, smallest_count
from coopgap.gap import Contrast, Interval
from coopgap.vocabulary import Check, IntervalKind, Verdict

__all__ = [
    "BESIDE",
    "Keys",
    "is_small",
    "suppressed",
    "unanswered",
    "why_small",
    "with_interval",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What every row of one model carries."""

    model: str
    outcome: str
    source: str


def with_interval(
    row: SensitivityRow, interval: Interval, prob: float = INTERVAL_PROB
) -> SensitivityRow:
    """The row with the numbers of a confidence interval, and its p-value where there is one."""
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


_FEW = f"Suppressed: fewer than {SMALLEST_COUNT} people on one side."

BESIDE = "Suppressed: it would give away a count that is suppressed beside it."
"""Note of a row from which, with the rows beside it, a small count could be worked out."""


def why_small(people: IntArray, contrast: Contrast, *, raw: bool = True) -> str:
    """Note of a row that would show a small count or give one away, as in gaps.csv; else empty.

    `raw` where the row is about weighted answers, with no regression in between.
    """
    if not gives_count(people, contrast, raw=raw):
        return ""
    few = smallest_count(people, contrast, raw=raw) < SMALLEST_COUNT
    return _FEW if few else BESIDE


def is_small(people: IntArray, contrast: Contrast, *, raw: bool = True) -> bool:
    """Whether there is such a note."""
    return bool(why_small(people, contrast, raw=raw))


def suppressed(row: SensitivityRow, note: str = "") -> SensitivityRow:
    """The row without its numbers; `note` where another reason than the usual one holds."""
    return replace(
        row,
        estimate=None,
        std_error=None,
        lower=None,
        upper=None,
        interval_prob=None,
        interval_kind=None,
        p_value=None,
        power=None,
        verdict=Verdict.NOT_ASSESSED,
        note=note or _FEW,
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
