"""Adjusted and matched regressions: one cumulative fit on cells, then g-computation.

Two outcome levels make it the logit, more the proportional-odds model; the code is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from coopgap.arrays import FloatArray
from coopgap.errors import NotEstimable
from coopgap.families.cells import CellFit, fit_cells
from coopgap.families.profiles import profile_coefficients
from coopgap.families.records import (
    INTERVAL_PROB,
    Coefficient,
    FamilyEstimate,
    Sample,
    count_clusters,
    require_both_groups,
    require_matched,
)
from coopgap.families.targets import target_weights
from coopgap.gap import Margins, estimate_contrasts, wald
from coopgap.matching.weights import effective_size
from coopgap.regression.clusters import PERSON_KINDS
from coopgap.regression.standardise import standardise
from coopgap.study.spec import DeclaredPopulation
from coopgap.vocabulary import Family, Population, Scale

__all__ = ["estimate_adjusted", "estimate_matched"]

_SCALES = {"logit": Scale.LOG_ODDS, "probit": Scale.PROBIT, "cloglog": Scale.CLOGLOG}


def _standardise(result: CellFit, target: FloatArray, *, fixed: bool) -> Margins:
    on = result.on
    return standardise(
        result.fit,
        on.x,
        0,
        target,
        on.cells.counts,
        on.cells.squares,
        on.cluster,
        fixed=fixed,
        kind=result.kind,
        second=on.second,
        people=on.cells.people,
    )


def _saturated(result: CellFit) -> bool:
    """Whether only membership is in the fit, at each threshold by itself."""
    fit = result.fit
    return result.on.x.shape[1] == 1 and (result.on.cells.counts.shape[1] == 2 or fit.free == (0,))


def _by_person(sample: Sample) -> bool:
    return sample.fitting.std_errors in PERSON_KINDS


def _said(result: CellFit, *, fixed: bool) -> str:
    """How the standard errors of a fit's gaps are made."""
    over = "are taken as fixed" if fixed else "vary too"
    return f"{result.covariance.kind}; covariates of the people standardised over {over}"


def _coefficients(sample: Sample, result: CellFit) -> tuple[Coefficient, ...]:
    fit, levels = result.fit, sample.rows.levels
    std_errors = np.sqrt(np.diag(result.covariance.cov))
    scale = _SCALES[sample.link]
    fixed = [term for position, term in enumerate(result.on.terms) if position not in fit.free]
    names = [(term, scale) for term in fixed]
    names += [
        (f"{result.on.terms[column]}:>={level}", scale)
        for column in fit.free
        for level in levels[1:]
    ]
    names += [(f"{low}|{high}", Scale.THRESHOLD) for low, high in pairwise(levels)]
    kind = result.covariance.kind + (", bias-reduced" if fit.bias_reduced else "")
    return tuple(
        Coefficient(
            term=term,
            scale=scale,
            interval=wald(
                float(value),
                float(std_error),
                df=float(df),
                prob=INTERVAL_PROB,
                null=0.0,
            ),
            std_error_kind=kind,
        )
        for (term, scale), value, std_error, df in zip(
            names, fit.params, std_errors, result.covariance.coefficient_df, strict=True
        )
        if np.isfinite(value)
    )


def estimate_adjusted(
    sample: Sample,
    populations: tuple[Population, ...],
    declared: DeclaredPopulation | None = None,
) -> Iterator[FamilyEstimate]:
    """Regression on every complete in-person row, standardised over each population.

    Parameters
    ----------
    sample
        The whole model, or a domain.
    populations
        Whose covariates. The weights that make overlap or a declared population of the sample
        are taken as fixed, and over a declared population the covariates too.
    declared
        Margins of the declared population.

    Yields
    ------
    FamilyEstimate
        One a population; the coefficients come with the first that can be had.

    Raises
    ------
    NotEstimable
        On a rank-deficient design, an empty group, or too few clusters.
    """
    rows = sample.rows
    people = sample.rows.people_by_level()
    require_both_groups(people)
    n_clusters = count_clusters(sample, by_person=_by_person(sample))
    result = fit_cells(sample, rows.weight)
    profiles: tuple[Coefficient, ...] = ()
    if sample.fitting.intervals == "profile" and not sample.domain:
        profiles = tuple(profile_coefficients(result, _SCALES[sample.link]))
    family = Family.ADJUSTED_LOGIT if len(rows.levels) == 2 else Family.ADJUSTED_ORDINAL
    first = True
    for population in populations:
        try:
            target = target_weights(sample, result.on, population, declared)
        except NotEstimable as error:
            yield FamilyEstimate(
                family=family,
                population=population,
                people=people,
                status=error.status,
                reason=error.reason,
            )
            continue
        fixed = result.fixed or population is Population.POSTSTRATIFIED
        margins = _standardise(result, target, fixed=fixed)
        yield FamilyEstimate(
            family=family,
            population=population,
            people=people,
            margins=margins,
            intervals=estimate_contrasts(margins, rows.levels, INTERVAL_PROB),
            coefficients=(*_coefficients(sample, result), *profiles) if first else (),
            ess_comparison=effective_size(rows.weight[~rows.member]),
            n_clusters=n_clusters,
            correct_decimals=result.fit.correct_decimals if first else None,
            infinite=result.infinite if first else (),
            std_errors=_said(result, fixed=fixed),
            saturated=_saturated(result),
        )
        first = False


def estimate_matched(sample: Sample, *, member_free: bool = False) -> FamilyEstimate:
    """Regression on the matched sample with matching weights, standardised over its members.

    Parameters
    ----------
    sample
        Rows with their matched sample.
    member_free
        Free membership from proportional odds: its coefficient may differ by threshold.

    Raises
    ------
    NotEstimable
        On a rank-deficient design, freed thresholds that cross, nobody left, or too few clusters.
    """
    require_matched(sample)
    rows, kept = sample.rows, sample.kept
    people = rows.people_by_level(kept)
    require_both_groups(people)
    n_clusters = count_clusters(sample, kept, by_person=_by_person(sample))
    weight = sample.weight
    result = fit_cells(sample, weight, member_free=member_free, matched=True)
    margins = _standardise(result, result.on.member.astype(np.float64), fixed=result.fixed)
    return FamilyEstimate(
        family=Family.MATCHED_LOGIT if len(rows.levels) == 2 else Family.MATCHED_ORDINAL,
        population=sample.population,
        people=people,
        margins=margins,
        intervals=estimate_contrasts(margins, rows.levels, INTERVAL_PROB),
        coefficients=_coefficients(sample, result),
        ess_comparison=effective_size(weight[~rows.member]),
        n_sets=sample.matched.n_sets or None,
        n_clusters=n_clusters,
        correct_decimals=result.fit.correct_decimals,
        infinite=result.infinite,
        std_errors=_said(result, fixed=result.fixed),
        saturated=_saturated(result),
    )
