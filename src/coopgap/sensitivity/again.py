"""The matched gap estimated again under another choice, beside the declared one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import Contrast, contrasts
from coopgap.core.vocabulary import Check, Comparator, Quantity, Verdict
from coopgap.families.difference import difference
from coopgap.families.estimate import Estimate
from coopgap.sensitivity.keys import with_interval, with_people
from coopgap.sensitivity.verdict import compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The estimate that others are compared with.

    Attributes
    ----------
    estimate
        The matched family as declared, of the whole model.
    smallest_gap
        The smallest gap that matters.
    """

    estimate: Estimate
    smallest_gap: float


def again_row(
    check: Check,
    variant: str,
    contrast: Contrast,
    again: Estimate,
    beside: Beside,
    labels: Keys,
    pair: tuple[Estimate, Estimate] | None = None,
) -> SensitivityRow:
    """One contrast of another estimate, with its difference from the declared one.

    Parameters
    ----------
    check, variant
        Which check, and what was chosen otherwise.
    contrast
        A risk difference or superiority.
    again
        The family under the other choice.
    beside
        What it is compared with.
    labels
        Model, outcome and source.
    pair
        Both estimates on the people that both have, where those differ from everybody's: the
        difference is theirs.

    Returns
    -------
    SensitivityRow
        Without numbers, verdict `not_assessed` and the reason, where either estimate is missing.
    """
    row = SensitivityRow(
        check=check,
        variant=variant,
        model=labels.model,
        family=again.family,
        outcome=labels.outcome,
        comparator=Comparator.COMPARISON,
        group=labels.group,
        population=again.population,
        quantity=contrast.quantity,
        category=contrast.category,
        verdict=Verdict.NOT_ASSESSED,
        note=again.reason,
        source=labels.source,
    )
    other, declared = pair or (again, beside.estimate)
    intervals = [one.intervals.get(contrast) for one in (again, other, declared)]
    if any(one is None for one in intervals):
        return row
    shown, second, first = (one for one in intervals if one is not None)
    gap = difference(other, declared, contrast)
    row = with_people(row, *((one.people, contrast) for one in (again, other, declared)))
    return compared(with_interval(row, shown), first, second, gap, beside.smallest_gap)


def variant_rows(
    name: str,
    again: Estimate,
    beside: Beside,
    labels: Keys,
    pair: tuple[Estimate, Estimate] | None = None,
) -> Iterator[SensitivityRow]:
    """Rows of one declared variant: risk differences at each threshold, and superiority."""
    for contrast in beside.estimate.intervals and contrasts(labels.levels):
        if contrast.is_threshold_gap or contrast.quantity is Quantity.SUPERIORITY:
            yield again_row(Check.VARIANT, name, contrast, again, beside, labels, pair)
