"""Linear rows: the weighted difference within matched sets, a row a threshold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Contrast, Interval, contrasts, wald_interval
from coopgap.core.vocabulary import Family, Scale
from coopgap.families.records import (
    INTERVAL_PROB,
    Coefficient,
    FamilyEstimate,
    Sample,
    are_few,
    count_clusters,
    require_both_groups,
    require_matched,
)
from coopgap.matching.sample import effective_size
from coopgap.regression.clusters import intersection
from coopgap.regression.linear import LinearFit, fit_linear


def linear_contrasts(levels: tuple[str, ...]) -> tuple[Contrast, ...]:
    """Risk differences at each threshold."""
    return tuple(contrast for contrast in contrasts(levels) if contrast.is_threshold_gap)


def estimate_linear(sample: Sample) -> FamilyEstimate:
    """Linear probability model with absorbed matched sets and matching weights.

    Raises
    ------
    NotEstimable
        With nobody left, without sets, or with too few clusters.
    """
    require_matched(sample)
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
        fit = _fit(inside, above)
        interval = wald_interval(
            contrast.quantity, fit.estimate, fit.std_error, df=fit.df, prob=INTERVAL_PROB
        )
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
        population=sample.population,
        people=people,
        intervals=intervals,
        coefficients=tuple(coefficients),
        ess_comparison=effective_size(inside.weight[~rows.member]),
        n_sets=inside.matched.n_sets,
        n_clusters=n_clusters,
        std_errors=coefficients[0].std_error_kind,
    )


def _fit(inside: Sample, above: FloatArray) -> LinearFit:
    """One threshold; with pairs that cross zones both ways of clustering count."""
    sets, (first, second) = inside.matched.set_id, inside.clusters
    member, weight = inside.rows.member, inside.weight
    if first is None or second is None:
        few = first is not None and are_few(int(np.unique(first).size))
        return fit_linear(above, member, weight, sets, first, kind="CR2" if few else "CR1")
    fit = fit_linear(above, member, weight, sets, first)
    ways = (second, intersection(first, second))
    by_set, by_both = (fit_linear(above, member, weight, sets, way) for way in ways)
    variance = fit.std_error**2 + by_set.std_error**2 - by_both.std_error**2
    if not variance > 0:
        raise NotEstimable("the two ways of clustering leave no variance")
    return replace(fit, std_error=float(np.sqrt(variance)), kind="two-way CR1")
