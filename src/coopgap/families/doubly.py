"""The gap of all members weighted and modelled at once, beside g-computation."""

from __future__ import annotations

from coopgap.errors import NotEstimable
from coopgap.families.cells import fit_cells
from coopgap.families.records import (
    INTERVAL_PROB,
    FamilyEstimate,
    Sample,
    count_clusters,
    require_both_groups,
)
from coopgap.families.targets import require_overlap
from coopgap.gap import estimate_contrasts
from coopgap.matching.weights import effective_size
from coopgap.regression.aipw import doubly_robust
from coopgap.vocabulary import Family, Population

__all__ = ["estimate_doubly_robust"]


def estimate_doubly_robust(
    sample: Sample, population: Population = Population.ALL_MEMBERS
) -> FamilyEstimate:
    """Doubly robust gap of members on complete in-person rows.

    The outcome model is the adjusted regression's, the membership model a logit with main terms
    of the same covariates; large samples need only one of them right.

    Parameters
    ----------
    sample
        The whole model.
    population
        All members, or those with a comparison person in their stratum. The latter takes the
        people of such strata alone, and needs exact strata of covariates, so that who belongs to
        it hangs on covariates alone.

    Raises
    ------
    NotEstimable
        Where a model has no finite estimate, a group is empty, or there are too few clusters.
    """
    if population is Population.MEMBERS:
        if sample.matched.method != "exact" or not set(sample.strata) <= set(sample.covariates):
            raise NotEstimable("who has a comparison does not hang on the covariates alone")
        sample = sample.take(sample.kept)
    rows = sample.rows
    people = rows.people_by_level()
    require_both_groups(people)
    n_clusters = count_clusters(sample)
    result = fit_cells(sample, rows.weight)
    if result.infinite:
        raise NotEstimable(f"no finite estimate for {', '.join(result.infinite)}")
    on = result.on
    require_overlap(on)
    margins = doubly_robust(result.fit, on.x, 0, on.cells.counts, on.cells.squares, on.cluster)
    return FamilyEstimate(
        family=Family.ADJUSTED_LOGIT if len(rows.levels) == 2 else Family.ADJUSTED_ORDINAL,
        population=population,
        people=people,
        margins=margins,
        intervals=estimate_contrasts(margins, rows.levels, INTERVAL_PROB),
        ess_comparison=effective_size(rows.weight[~rows.member]),
        n_clusters=n_clusters,
        saturated=on.x.shape[1] == 1,
    )
