"""Gaps within matched sets: conditional odds ratios, and linear rows with the sets absorbed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Interval, threshold_gaps, wald, wald_interval
from coopgap.core.vocabulary import Family, Scale
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.estimate import (
    Coefficient,
    CutSets,
    Estimate,
    conditional_contrasts,
)
from coopgap.families.sample import Sample, are_few, require_matched
from coopgap.matching.sample import effective_size
from coopgap.regression.conditional import (
    ConditionalFit,
    conditional_covariance,
    constant_within_sets,
    discordant_sets,
    fit_conditional,
)
from coopgap.regression.design import design_matrix
from coopgap.regression.linear import LinearFit, fit_linear
from coopgap.regression.sampled import CoefficientCovariance, Sampled
from coopgap.survey.cells import collapse


def estimate_conditional(sample: Sample) -> Estimate:
    """Conditional odds ratio within matched sets, people unweighted, clustered on zone.

    Of more than two levels by blow-up and cluster. Covariates that the matching made exact, and
    terms that no set which holds both answers tells apart, are constant within sets and leave the
    likelihood; the others stay in it.

    Raises
    ------
    NotEstimable
        With nobody left, without sets, without a discordant set, or with too few clusters.
    """
    require_matched(sample)
    inside = sample.take(sample.matched.set_id >= 0)
    rows = inside.rows
    if not rows.n or not sample.matched.n_sets:
        raise NotEstimable("this matching makes no sets")
    standing = inside.standing()
    data, units, constant = _within_sets(inside)
    terms = tuple(units)
    fit, covariance = fit_within_sets(*data, terms)
    two = len(rows.levels) == 2
    cuts = () if two else tuple(cut_sets(*data, terms, rows.levels))
    slopes = slope_intervals(fit, covariance, tuple(units.values()))
    named = [
        *zip(terms, slopes, strict=True),
        *((f"member:{cut.category}", cut.log_odds) for cut in cuts),
    ]
    at = {cut.category: cut.log_odds for cut in cuts} | {"": slope_intervals(fit, covariance)[0]}
    ratios = {one: at[one.category] for one in conditional_contrasts(rows.levels)}
    return inside.estimate(
        Family.CONDITIONAL_LOGIT if two else Family.CONDITIONAL_ORDINAL,
        sample.population,
        given={one: None if log is None else _exponential(log) for one, log in ratios.items()},
        coefficients=tuple(
            Coefficient(
                term=term, scale=Scale.LOG_ODDS, interval=interval, std_error_kind=covariance.kind
            )
            for term, interval in named
            if interval is not None
        ),
        cuts=cuts,
        ess_comparison=effective_size((~rows.member).astype(np.float64)),
        constant=constant,
        n_sets=fit.n_sets_discordant,
        std_errors=covariance.kind,
        **standing,
    )


type _Data = tuple[FloatArray, IntArray, IntArray, Sampled]


def _within_sets(inside: Sample) -> tuple[_Data, Mapping[str, float], tuple[str, ...]]:
    """Design rows, people and sets of cells; units by term; terms left out as constant."""
    rows = inside.rows
    varying = [name for name in inside.covariates if name not in inside.strata]
    sampled = inside.sampled()
    if sampled.resampled is not None:
        # Sets may cross zones, however errors are made.
        zone = np.zeros(rows.n, dtype=np.int64) if rows.zone is None else rows.zone
        sampled = replace(sampled, cluster=zone)
    columns = [inside.matched.set_id, rows.member.astype(np.int64), *sampled.ways(rows.n)]
    start = len(columns)
    columns += [rows.factors[name] for name in varying]
    cells = collapse(columns, rows.outcome, len(rows.levels))
    codes = {name: cells.codes[:, start + k] for k, name in enumerate(varying)}
    levels = {name: rows.factor_levels[name] for name in codes}
    design = design_matrix(codes, levels, cells.codes.shape[0], rows.numeric)
    sets = cells.codes[:, 0]
    constant = constant_within_sets(design.x, cells.people, sets)
    x = np.column_stack([cells.codes[:, 1].astype(np.float64), design.x[:, ~constant]])
    kept = np.flatnonzero(~constant)
    units = {"member": 1.0, **{design.terms[at]: float(design.scale[at]) for at in kept}}
    left_out = tuple(design.terms[at] for at in np.flatnonzero(constant))
    sampled = sampled.of_cells(cells, rows.outcome, np.ones(rows.n))
    return (x, cells.people, sets, sampled), units, left_out


def fit_within_sets(
    x: FloatArray,
    people: IntArray,
    sets: IntArray,
    sampled: Sampled,
    terms: tuple[str, ...],
) -> tuple[ConditionalFit, CoefficientCovariance]:
    """The conditional fit of cells of people in sets, and its robust covariance."""
    fit = fit_conditional(x, people, sets, terms=terms)
    return fit, conditional_covariance(fit, x, people, sets, sampled)


def slope_intervals(
    fit: ConditionalFit, covariance: CoefficientCovariance, units: Sequence[float] = (1.0,)
) -> list[Interval]:
    """The first slopes with their intervals, by the units of their columns."""
    errors, prob = np.sqrt(np.diag(covariance.cov)), INTERVAL_PROB
    return [
        wald(float(value / unit), float(error / unit), df=covariance.df, prob=prob, null=0.0)
        for value, error, unit in zip(fit.slopes, errors, units, strict=False)
    ]


def _exponential(log: Interval) -> Interval:
    """An odds ratio from log odds; the standard error stays that of the logarithm."""
    estimate, lower, upper = (float(np.exp(x)) for x in (log.estimate, log.lower, log.upper))
    return log._replace(estimate=estimate, lower=lower, upper=upper)


def cut_sets(
    x: FloatArray,
    people: IntArray,
    sets: IntArray,
    sampled: Sampled,
    terms: tuple[str, ...],
    levels: tuple[str, ...],
) -> Iterator[CutSets]:
    """Each cut by itself: a conditional logit on its own discordant sets."""
    for level in range(1, len(levels)):
        category = f">={levels[level]}"
        by_side = np.column_stack([people[:, :level].sum(axis=1), people[:, level:].sum(axis=1)])
        constant = constant_within_sets(x, by_side, sets)
        kept = tuple(term for term, out in zip(terms, constant, strict=True) if not out)
        if constant[0]:
            yield CutSets(category=category, n_sets=0, reason="no discordant set")
            continue
        try:
            own = sampled.split(level)
            fit, covariance = fit_within_sets(x[:, ~constant], by_side, sets, own, kept)
        except NotEstimable as error:
            n_sets = discordant_sets(x, by_side, sets)
            yield CutSets(category=category, n_sets=n_sets, reason=error.reason)
            continue
        log_odds = slope_intervals(fit, covariance)[0]
        yield CutSets(category=category, n_sets=fit.n_sets_discordant, log_odds=log_odds)


def estimate_linear(sample: Sample) -> Estimate:
    """Linear probability model with absorbed matched sets and matching weights, by threshold.

    Raises
    ------
    NotEstimable
        With nobody left, without sets, or with too few clusters.
    """
    require_matched(sample)
    if not sample.matched.n_sets:
        raise NotEstimable("this matching makes no sets to absorb")
    inside = sample.take(sample.kept)
    rows, standing = inside.rows, inside.standing()
    fits = {
        contrast: _linear(inside, (rows.outcome >= contrast.level).astype(np.float64))
        for contrast in threshold_gaps(rows.levels)
    }
    intervals = {
        contrast: wald_interval(
            contrast.quantity, fit.estimate, fit.std_error, df=fit.df, prob=INTERVAL_PROB
        )
        for contrast, fit in fits.items()
    }
    return inside.estimate(
        Family.LINEAR,
        sample.population,
        given=intervals,
        coefficients=tuple(
            Coefficient(
                term=f"member:{contrast.category}" if contrast.category else "member",
                scale=Scale.PROBABILITY,
                interval=interval,
                std_error_kind=fits[contrast].kind,
            )
            for contrast, interval in intervals.items()
        ),
        ess_comparison=effective_size(inside.weight[~rows.member]),
        n_sets=inside.matched.n_sets,
        std_errors=next(iter(fits.values())).kind,
        **standing,
    )


def _linear(inside: Sample, above: FloatArray) -> LinearFit:
    """One threshold; with pairs that cross zones both ways of clustering count."""
    sampled = inside.sampled(matched=True)
    zone = sampled.cluster if sampled.has_cr2 else None
    few = zone is not None and are_few(int(np.unique(zone).size))
    rows, sets = inside.rows, inside.matched.set_id
    kind: Literal["CR1", "CR2"] = "CR2" if few else "CR1"
    return fit_linear(above, rows.member, inside.weight, sets, sampled, kind=kind)
