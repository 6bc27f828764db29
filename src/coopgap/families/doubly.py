"""The gap of all members weighted and modelled at once, beside g-computation."""

from __future__ import annotations

import numpy as np

from coopgap.errors import NotEstimable
from coopgap.families.cells import SampleCells, fit_cells
from coopgap.families.records import (
    INTERVAL_PROB,
    FamilyEstimate,
    Sample,
    count_clusters,
    require_both_groups,
)
from coopgap.gap import estimate_contrasts
from coopgap.matching.weights import effective_size
from coopgap.regression.aipw import doubly_robust
from coopgap.regression.separation import check_separation
from coopgap.vocabulary import Family, Population

__all__ = ["estimate_doubly_robust"]


def estimate_doubly_robust(sample: Sample) -> FamilyEstimate:
    """Doubly robust gap of all members on every complete in-person row.

    The outcome model is the adjusted regression's, the membership model a logit with main terms
    of the same covariates; large samples need only one of them right.

    Raises
    ------
    NotEstimable
        Where a model has no finite estimate, a group is empty, or there are too few clusters.
    """
    rows = sample.rows
    people = rows.people_by_level()
    require_both_groups(people)
    n_clusters = count_clusters(sample)
    result = fit_cells(sample, rows.weight)
    if result.infinite:
        raise NotEstimable(f"no finite estimate for {', '.join(result.infinite)}")
    on = result.on
    _require_overlap(on)
    margins = doubly_robust(result.fit, on.x, 0, on.cells.counts, on.cells.squares, on.cluster)
    return FamilyEstimate(
        family=Family.ADJUSTED_LOGIT if len(rows.levels) == 2 else Family.ADJUSTED_ORDINAL,
        population=Population.ALL_MEMBERS,
        people=people,
        intervals=estimate_contrasts(margins, rows.levels, INTERVAL_PROB),
        ess_comparison=effective_size(rows.weight[~rows.member]),
        n_clusters=n_clusters,
    )


def _require_overlap(on: SampleCells) -> None:
    """Refuse a membership model without a finite estimate, by the names of its terms."""
    people = on.cells.counts.sum(axis=1)
    by_group = people[:, None] * np.column_stack([~on.member, on.member])
    try:
        check_separation(on.x[:, 1:], by_group, on.terms[1:])
    except NotEstimable as error:
        raise NotEstimable(f"the propensity score: {error.reason}") from error
