"""Linear rows: the weighted difference within matched sets, a row a threshold."""

from __future__ import annotations

import numpy as np

from coopgap.errors import NotEstimable
from coopgap.families.records import (
    INTERVAL_PROB,
    Coefficient,
    FamilyEstimate,
    Sample,
    count_clusters,
    require_both_groups,
)
from coopgap.gap import Contrast, Interval, contrasts, wald
from coopgap.matching.weights import effective_size
from coopgap.regression.linear import fit_linear
from coopgap.vocabulary import Family, Population, Quantity, Scale

__all__ = ["estimate_linear", "linear_contrasts"]


def linear_contrasts(levels: tuple[str, ...]) -> tuple[Contrast, ...]:
    """Risk differences at each threshold."""
    return tuple(
        contrast
        for contrast in contrasts(levels)
        if contrast.quantity is Quantity.RISK_DIFFERENCE and contrast.by_threshold
    )


def estimate_linear(sample: Sample) -> FamilyEstimate:
    """Linear probability model with absorbed matched sets and matching weights.

    Raises
    ------
    NotEstimable
        Without sets, or with too few clusters.
    """
    if not sample.matched.n_sets:
        raise NotEstimable("this matching makes no sets to absorb")
    inside = sample.take(sample.kept)
    rows = inside.rows
    people = inside.rows.people_by_level()
    require_both_groups(people)
    n_clusters = count_clusters(inside)
    intervals: dict[Contrast, Interval | None] = {}
    coefficients = []
    for contrast in linear_contrasts(rows.levels):
        above = (rows.outcome >= contrast.level).astype(np.float64)
        fit = fit_linear(above, rows.member, inside.weight, inside.matched.set_id, rows.zone)
        interval = wald(fit.estimate, fit.std_error, df=fit.df, prob=INTERVAL_PROB, null=0.0)
        intervals[contrast] = interval
        coefficients.append(
            Coefficient(
                term=f"member:{contrast.category}" if contrast.category else "member",
                scale=Scale.PROBABILITY,
                interval=interval,
                std_error_kind=fit.kind,
            )
        )
    return FamilyEstimate(
        family=Family.LINEAR,
        population=Population.MEMBERS,
        people=people,
        intervals=intervals,
        coefficients=tuple(coefficients),
        ess_comparison=effective_size(inside.weight[~rows.member]),
        n_sets=inside.matched.n_sets,
        n_clusters=n_clusters,
    )
