"""What rows about an unmeasured confounder share."""

from __future__ import annotations

from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.vocabulary import Check, Comparator
from coopgap.families.estimate import Estimate


def base_row(check: Check, estimate: Estimate, labels: Keys) -> SensitivityRow:
    """A row of a check of one family, without its numbers."""
    return SensitivityRow(
        check=check,
        model=labels.model,
        family=estimate.family,
        outcome=labels.outcome,
        comparator=Comparator.COMPARISON,
        group=labels.group,
        population=estimate.population,
        source=labels.source,
    )


def no_estimate(estimate: Estimate) -> str:
    """Why there is nothing to check."""
    return f"There is no estimate: {estimate.reason or estimate.status}."
