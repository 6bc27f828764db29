"""The raw gap: every complete in-person row, no covariates, no matching."""

from __future__ import annotations

import numpy as np

from coopgap.families.records import (
    INTERVAL_PROB,
    FamilyEstimate,
    Sample,
    are_few,
    count_clusters,
    require_both_groups,
)
from coopgap.gap import Margins, estimate_contrasts, share_margins
from coopgap.matching.weights import effective_size
from coopgap.regression.shares import cr2_share_margins
from coopgap.vocabulary import Family, Population

__all__ = ["estimate_unadjusted", "raw_margins"]


def raw_margins(sample: Sample) -> tuple[Margins, str]:
    """Shares of both groups with the covariance that the number of zones asks for, and its kind."""
    rows, n_levels = sample.rows, len(sample.rows.levels)
    data = (rows.outcome, rows.member, rows.weight, n_levels)
    if rows.zone is None:
        return share_margins(*data), "HC0"
    if are_few(int(np.unique(rows.zone).size)):
        return cr2_share_margins(*data, rows.zone), "cluster CR2"
    return share_margins(*data, rows.zone), "cluster CR1"


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
    margins, kind = raw_margins(sample)
    return FamilyEstimate(
        family=Family.UNADJUSTED,
        population=Population.ALL_MEMBERS,
        people=people,
        margins=margins,
        intervals=estimate_contrasts(margins, rows.levels, INTERVAL_PROB),
        ess_comparison=effective_size(rows.weight[~rows.member]),
        n_clusters=n_clusters,
        std_errors=kind,
    )
