"""Adjusted and matched regressions: one cumulative fit on cells, then g-computation.

Two outcome levels make it the logit, more the proportional-odds model; the code is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from coopgap.arrays import BoolArray, FloatArray, IntArray
from coopgap.families.records import (
    INTERVAL_PROB,
    Coefficient,
    FamilyEstimate,
    Sample,
    count_clusters,
    require_both_groups,
)
from coopgap.gap import estimate_contrasts, wald
from coopgap.matching.weights import effective_size
from coopgap.regression.covariance import CoefficientCovariance, cluster_covariance
from coopgap.regression.design import Design, design_matrix
from coopgap.regression.ordinal import CumulativeFit, fit_ordinal, unit_scores
from coopgap.regression.separation import check_separation
from coopgap.regression.standardise import standardise
from coopgap.survey.cells import Cells, collapse
from coopgap.vocabulary import Family, Population, Scale, Status

__all__ = ["estimate_adjusted", "estimate_matched"]

_SCALES = {"logit": Scale.LOG_ODDS, "probit": Scale.PROBIT, "cloglog": Scale.CLOGLOG}


@dataclass(frozen=True, slots=True, kw_only=True)
class _CellFit:
    """A fit with the cells it was made on; `member` and `kept` are cell columns."""

    fit: CumulativeFit
    covariance: CoefficientCovariance
    cells: Cells
    design: Design
    x: FloatArray
    member: BoolArray
    kept: BoolArray
    cluster: IntArray | None


def _fit_cells(sample: Sample, weight: FloatArray) -> _CellFit:
    """Collapse people of positive weight and fit membership and covariates."""
    rows = sample.rows
    zone = np.zeros(rows.n, dtype=np.int64) if rows.zone is None else rows.zone
    columns = [rows.member.astype(np.int64), sample.kept.astype(np.int64), zone]
    columns += [rows.factors[name] for name in sample.covariates]
    cells = collapse(columns, rows.outcome, len(rows.levels), weight)
    codes = {name: cells.codes[:, 3 + k] for k, name in enumerate(sample.covariates)}
    design = design_matrix(
        codes, {name: rows.factor_levels[name] for name in codes}, cells.codes.shape[0]
    )
    x = np.column_stack([cells.codes[:, 0].astype(np.float64), design.x])
    terms = ("member", *design.terms)
    check_separation(x, cells.counts, terms)
    fit = fit_ordinal(x, cells.counts, people=cells.people, link=sample.link, terms=terms)
    cluster = None if rows.zone is None else cells.codes[:, 2]
    covariance = cluster_covariance(
        fit.cov, unit_scores(fit, x), cells.counts, cells.squares, cluster
    )
    return _CellFit(
        fit=fit,
        covariance=covariance,
        cells=cells,
        design=design,
        x=x,
        member=cells.codes[:, 0] == 1,
        kept=cells.codes[:, 1] == 1,
        cluster=cluster,
    )


def _coefficients(sample: Sample, result: _CellFit) -> tuple[Coefficient, ...]:
    fit, levels = result.fit, sample.rows.levels
    std_errors = np.sqrt(np.diag(result.covariance.cov))
    terms = ("member", *result.design.terms)
    names = [(term, _SCALES[sample.link]) for term in terms]
    names += [(f"{low}|{high}", Scale.THRESHOLD) for low, high in pairwise(levels)]
    values = np.concatenate([fit.slopes, fit.thresholds])
    return tuple(
        Coefficient(
            term=term,
            scale=scale,
            interval=wald(
                float(value),
                float(std_error),
                df=result.covariance.df,
                prob=INTERVAL_PROB,
                null=0.0,
            ),
            std_error_kind=result.covariance.kind,
        )
        for (term, scale), value, std_error in zip(names, values, std_errors, strict=True)
        if np.isfinite(value)
    )


def estimate_adjusted(
    sample: Sample, populations: tuple[Population, ...]
) -> Iterator[FamilyEstimate]:
    """Regression on every complete in-person row, standardised over each population.

    Yields
    ------
    FamilyEstimate
        One a population; the coefficients come with the first.

    Raises
    ------
    NotEstimable
        On separation, a rank-deficient design, an empty group, or too few clusters.
    """
    rows = sample.rows
    people = sample.rows.people_by_level()
    require_both_groups(people)
    n_clusters = count_clusters(sample)
    result = _fit_cells(sample, rows.weight)
    targets = {
        Population.MEMBERS: result.member & result.kept,
        Population.ALL_MEMBERS: result.member,
        Population.POOLED: np.ones_like(result.member),
    }
    family = Family.ADJUSTED_LOGIT if len(rows.levels) == 2 else Family.ADJUSTED_ORDINAL
    for number, population in enumerate(populations):
        if not targets[population].any():
            yield FamilyEstimate(
                family=family,
                population=population,
                people=people,
                status=Status.NOT_ESTIMABLE,
                reason="the matching keeps no member to standardise over",
            )
            continue
        margins = standardise(
            result.fit,
            result.x,
            0,
            targets[population].astype(np.float64),
            result.cells.counts,
            result.cells.squares,
            result.cluster,
        )
        yield FamilyEstimate(
            family=family,
            population=population,
            people=people,
            intervals=estimate_contrasts(margins, rows.levels, INTERVAL_PROB),
            coefficients=() if number else _coefficients(sample, result),
            ess_comparison=effective_size(rows.weight[~rows.member]),
            n_clusters=n_clusters,
        )


def estimate_matched(sample: Sample) -> FamilyEstimate:
    """Regression on the matched sample with matching weights, standardised over its members.

    Raises
    ------
    NotEstimable
        On separation, a rank-deficient design, nobody left, or too few clusters.
    """
    rows, kept = sample.rows, sample.kept
    people = rows.people_by_level(kept)
    require_both_groups(people)
    n_clusters = count_clusters(sample, kept)
    weight = sample.weight
    result = _fit_cells(sample, weight)
    margins = standardise(
        result.fit,
        result.x,
        0,
        result.member.astype(np.float64),
        result.cells.counts,
        result.cells.squares,
        result.cluster,
    )
    return FamilyEstimate(
        family=Family.MATCHED_LOGIT if len(rows.levels) == 2 else Family.MATCHED_ORDINAL,
        population=Population.MEMBERS,
        people=people,
        intervals=estimate_contrasts(margins, rows.levels, INTERVAL_PROB),
        coefficients=_coefficients(sample, result),
        ess_comparison=effective_size(weight[~rows.member]),
        n_sets=sample.matched.n_sets or None,
        n_clusters=n_clusters,
    )
