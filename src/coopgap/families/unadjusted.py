"""The raw gap: every complete in-person row, no covariates, no matching."""

from __future__ import annotations

from coopgap.families.records import (
    INTERVAL_PROB,
    FamilyEstimate,
    Sample,
    count_clusters,
    require_both_groups,
)
from coopgap.gap import estimate_contrasts, share_margins
from coopgap.matching.weights import effective_size
from coopgap.vocabulary import Family, Population

__all__ = ["estimate_unadjusted"]


def estimate_unadjusted(sample: Sample) -> FamilyEstimate:
    """Difference of the two groups' (sampling-weighted) shares.

    Raises
    ------
    NotEstimable
        If a group is empty, or a whole fit has too few clusters.
    """
    rows = sample.rows
    people = sample.rows.people_by_level()
    require_both_groups(people)
    n_clusters = count_clusters(sample)
    margins = share_margins(rows.outcome, rows.member, rows.weight, len(rows.levels), rows.zone)
    return FamilyEstimate(
        family=Family.UNADJUSTED,
        population=Population.ALL_MEMBERS,
        people=people,
        intervals=estimate_contrasts(margins, rows.levels, INTERVAL_PROB),
        ess_comparison=effective_size(rows.weight[~rows.member]),
        n_clusters=n_clusters,
    )
