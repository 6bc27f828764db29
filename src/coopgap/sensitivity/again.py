"""The matched gap estimated again under another choice, beside the declared one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from coopgap.estimate import SensitivityRow
from coopgap.families.records import FamilyEstimate
from coopgap.families.rows import Labels
from coopgap.gap import Contrast, Interval, null_value
from coopgap.sensitivity.keys import suppressed, why_small, with_interval
from coopgap.study.spec import ModelSpec
from coopgap.vocabulary import Check, Comparator, Population, Quantity, Verdict

__all__ = [
    "DOUBLY_ROBUST",
    "DOUBLY_ROBUST_MEMBERS",
    "again_row",
    "conclusion",
    "doubly_variants",
    "headline_contrast",
    "same_conclusion",
    "variant_rows",
]

DOUBLY_ROBUST = "doubly robust, all members"
"""Name of the variant that every model has."""

DOUBLY_ROBUST_MEMBERS = "doubly robust, members with a comparison"
"""Name of the variant of models about them, where strata of covariates say who they are."""


def doubly_variants(spec: ModelSpec) -> list[tuple[str, Population]]:
    """Variants of a model that are weighted and modelled at once, with their populations."""
    found = [(DOUBLY_ROBUST, Population.ALL_MEMBERS)]
    of_strata = spec.matching.method == "exact" and set(spec.matching.on) <= set(spec.covariates)
    if spec.population == "members" and of_strata:
        found.append((DOUBLY_ROBUST_MEMBERS, Population.MEMBERS))
    return found


def same_conclusion(first: Interval, second: Interval, null: float) -> bool:
    """Whether two intervals say the same of the null: below it, above it, or neither."""
    return conclusion(first, null) == conclusion(second, null)


def conclusion(interval: Interval, null: float) -> int:
    """1 where an interval lies above the null, -1 below, 0 where it holds it."""
    return int(interval.lower > null) - int(interval.upper < null)


def headline_contrast(matched: FamilyEstimate) -> Contrast | None:
    """The contrast that stands for the whole distribution, None where nothing was estimated.

    The risk difference of two levels, superiority of more.
    """
    n_levels = matched.people.shape[1]
    quantity = Quantity.RISK_DIFFERENCE if n_levels == 2 else Quantity.SUPERIORITY
    return next((c for c in matched.intervals if c.quantity is quantity), None)


def again_row(
    check: Check,
    variant: str,
    contrast: Contrast,
    again: FamilyEstimate,
    declared: Mapping[Contrast, Interval | None],
    labels: Labels,
) -> SensitivityRow:
    """One contrast of another estimate, with whether the declared conclusion holds.

    Parameters
    ----------
    check, variant
        Which check, and what was chosen otherwise.
    contrast
        A risk difference or superiority.
    again
        The matched family under the other choice.
    declared
        The matched family's intervals as declared.
    labels
        Model, outcome and source.

    Returns
    -------
    SensitivityRow
        Without numbers, verdict `not_assessed` and the reason, where either estimate is missing
        or fewer than ten people stand behind the row.
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
    first, second = declared.get(contrast), again.intervals.get(contrast)
    if first is None or second is None:
        return row
    why = why_small(again.people, contrast, raw=again.raw)
    if why:
        return suppressed(row, why)
    holds = same_conclusion(first, second, null_value(contrast.quantity))
    return replace(
        with_interval(row, second),
        verdict=Verdict.HOLDS if holds else Verdict.CHANGES,
    )


def variant_rows(
    name: str,
    again: FamilyEstimate,
    declared: Mapping[Contrast, Interval | None],
    labels: Labels,
) -> Iterator[SensitivityRow]:
    """Rows of one declared variant: risk differences at each threshold, and superiority."""
    for contrast in declared:
        if contrast.is_threshold_gap or contrast.quantity is Quantity.SUPERIORITY:
            yield again_row(Check.VARIANT, name, contrast, again, declared, labels)
