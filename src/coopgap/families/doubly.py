"""The doubly robust gap (AIPW): members' shares beside those of reweighted, modelled others."""

from __future__ import annotations

from coopgap.core.errors import NotEstimable
from coopgap.core.vocabulary import Family, Population
from coopgap.families.cumulative import fit_form, form_of
from coopgap.families.records import (
    FamilyEstimate,
    Sample,
    count_clusters,
    from_margins,
    require_both_groups,
    require_matched,
)
from coopgap.families.targets import require_overlap
from coopgap.regression.aipw import doubly_robust


def estimate_doubly_robust(
    sample: Sample, population: Population = Population.ALL_MEMBERS
) -> FamilyEstimate:
    """Doubly robust gap of members on complete in-person rows.

    The outcome model is the adjusted regression's, with membership free; where that has no fit it
    is the one with proportional odds, whose errors the weights make up for. The membership model
    is a logit with main terms of the same covariates; large samples need only one of them right.

    Parameters
    ----------
    sample
        The whole model.
    population
        All members, or those whom the matching keeps. Where exact strata of covariates decide on
        them, only comparison people of such strata stand beside them, else all.

    Raises
    ------
    NotEstimable
        Where a model has no finite estimate, a group is empty, or there are too few clusters.
    """
    if population is not Population.ALL_MEMBERS:
        require_matched(sample)
        by_strata = sample.matched.method == "exact" and {*sample.strata} <= {*sample.covariates}
        sample = sample.take(sample.kept if by_strata else sample.kept | ~sample.rows.member)
    rows = sample.rows
    people = rows.people_by_level()
    require_both_groups(people)
    n_clusters = count_clusters(sample)
    found = fit_form(sample, rows.weight, form_of(sample, "free"))
    result = found.fit or fit_form(sample, rows.weight, "proportional").fit
    if result is None or result.infinite:
        terms = "" if result is None else ", ".join(result.infinite)
        raise NotEstimable(f"no finite estimate for {terms}")
    on = result.on
    require_overlap(on)
    margins = doubly_robust(result.fit, on.x, 0, on.cells.counts, on.cells.squares, on.cluster)
    return from_margins(
        Family.DOUBLY_ROBUST,
        population,
        sample,
        on,
        margins,
        weight=rows.weight,
        people=people,
        n_clusters=n_clusters,
        std_errors="HC0" if on.cluster is None else "cluster CR1",
    )
