"""The matched ordinal gap with membership freed from proportional odds, beside the declared one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from coopgap.errors import NotEstimable
from coopgap.estimate import CoefficientRow, SensitivityRow
from coopgap.families.proportional import gap_shift
from coopgap.families.records import FamilyEstimate, Sample
from coopgap.families.rows import Labels, coefficient_rows
from coopgap.gap import Contrast, Interval
from coopgap.sensitivity.again import again_row, variant_rows
from coopgap.vocabulary import FREED, SHIFT, Check, Verdict

__all__ = ["freed_coefficients", "freed_rows"]


def freed_rows(
    sample: Sample, freed: FamilyEstimate, declared: FamilyEstimate, labels: Labels
) -> Iterator[SensitivityRow]:
    """Gaps of the freed fit, and how far they lie from the declared ones.

    Parameters
    ----------
    sample
        The whole model, matched.
    freed
        From `freed_estimate`.
    declared
        The matched ordinal family.
    labels
        Keys of the rows.

    Yields
    ------
    SensitivityRow
        Check `variant`. A shift `changes` where its interval leaves zero out: then taking one
        odds ratio for all thresholds moves that gap by more than chance does.
    """
    yield from variant_rows(FREED, freed, declared.intervals, labels)
    try:
        shifts = gap_shift(sample)
    except NotEstimable:
        return
    for contrast, shift in shifts.items():
        yield _shift_row(contrast, shift, freed, declared.intervals, labels)


def _shift_row(
    contrast: Contrast,
    shift: Interval,
    freed: FamilyEstimate,
    declared: Mapping[Contrast, Interval | None],
    labels: Labels,
) -> SensitivityRow:
    moved = replace(freed, intervals={contrast: shift})
    row = again_row(Check.VARIANT, SHIFT, contrast, moved, declared, labels)
    if row.estimate is None:
        return row
    outside = shift.lower > 0 or shift.upper < 0
    return replace(row, verdict=Verdict.CHANGES if outside else Verdict.HOLDS)


def freed_coefficients(freed: FamilyEstimate, labels: Labels) -> list[CoefficientRow]:
    """Membership's coefficient at each threshold."""
    return [row for row in coefficient_rows(freed, labels) if row.term.startswith("member:")]
