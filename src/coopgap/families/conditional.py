"""Ratios within matched sets: conditional logit, and its ordinal form by blow-up and cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Contrast, Interval, wald
from coopgap.core.vocabulary import Family, Quantity, Scale
from coopgap.families.records import (
    INTERVAL_PROB,
    Coefficient,
    CutSets,
    FamilyEstimate,
    Sample,
    count_clusters,
    require_both_groups,
    require_matched,
)
from coopgap.matching.sample import effective_size
from coopgap.regression.conditional import (
    ConditionalFit,
    conditional_covariance,
    constant_within_sets,
    discordant_sets,
    fit_conditional,
)
from coopgap.regression.covariance import CoefficientCovariance
from coopgap.regression.design import design_matrix
from coopgap.survey.cells import collapse


def conditional_contrasts(levels: tuple[str, ...]) -> tuple[Contrast, ...]:
    """Odds ratios within sets: of the two levels, or pooled over all cuts and then at each."""
    if len(levels) == 2:
        return (Contrast(Quantity.ODDS_RATIO, "", 1, True),)
    ratio = Quantity.CUMULATIVE_ODDS_RATIO
    cuts = range(len(levels) - 1, 0, -1)
    return (
        Contrast(ratio, "", 0, False),
        *(Contrast(ratio, f">={levels[cut]}", cut, True) for cut in cuts),
    )


def estimate_conditional(sample: Sample) -> FamilyEstimate:
    """Conditional odds ratio within matched sets, people unweighted, clustered on zone.

    Covariates that the matching made exact, and terms that no set which holds both answers tells
    apart, are constant within sets and leave the likelihood; the others stay in it.

    Raises
    ------
    NotEstimable
        With nobody left, without sets, without a discordant set, or with too few clusters.
    """
    require_matched(sample)
    inside = sample.take(sample.matched.set_id >= 0)
    people = inside.rows.people_by_level()
    if not people.size or not sample.matched.n_sets:
        raise NotEstimable("this matching makes no sets")
    require_both_groups(people)
    n_clusters = count_clusters(inside)
    rows, n_levels = inside.rows, len(inside.rows.levels)
    data, units, constant = _within_sets(inside)
    terms = tuple(units)
    fit, covariance = _fitted(*data, terms)
    cuts = tuple(_cuts(*data, terms, rows.levels)) if n_levels > 2 else ()
    return FamilyEstimate(
        family=Family.CONDITIONAL_LOGIT if n_levels == 2 else Family.CONDITIONAL_ORDINAL,
        population=sample.population,
        people=people,
        intervals=_ratios(fit, covariance, cuts, rows.levels),
        coefficients=_coefficients(fit, covariance, units, cuts),
        cuts=cuts,
        ess_comparison=effective_size((~rows.member).astype(np.float64)),
        constant=constant,
        n_sets=fit.n_sets_discordant,
        n_clusters=n_clusters,
        std_errors=covariance.kind,
    )


type _Data = tuple[FloatArray, IntArray, IntArray, IntArray | None]


def _within_sets(inside: Sample) -> tuple[_Data, dict[str, float], tuple[str, ...]]:
    """Design rows, people, sets and zones of cells; units by term; terms left out as constant."""
    rows = inside.rows
    varying = [name for name in inside.covariates if name not in inside.strata]
    zone = np.zeros(rows.n, dtype=np.int64) if rows.zone is None else rows.zone
    columns = [inside.matched.set_id, rows.member.astype(np.int64), zone]
    columns += [rows.factors[name] for name in varying]
    cells = collapse(columns, rows.outcome, len(rows.levels))
    codes = {name: cells.codes[:, 3 + k] for k, name in enumerate(varying)}
    levels = {name: rows.factor_levels[name] for name in codes}
    design = design_matrix(codes, levels, cells.codes.shape[0], rows.numeric)
    sets = cells.codes[:, 0]
    constant = constant_within_sets(design.x, cells.people, sets)
    x = np.column_stack([cells.codes[:, 1].astype(np.float64), design.x[:, ~constant]])
    kept = np.flatnonzero(~constant)
    units = {"member": 1.0, **{design.terms[at]: float(design.scale[at]) for at in kept}}
    left_out = tuple(design.terms[at] for at in np.flatnonzero(constant))
    zones = None if rows.zone is None else cells.codes[:, 2]
    return (x, cells.people, sets, zones), units, left_out


def _coefficients(
    fit: ConditionalFit,
    covariance: CoefficientCovariance,
    units: Mapping[str, float],
    cuts: tuple[CutSets, ...],
) -> tuple[Coefficient, ...]:
    """Every slope, then membership's at each cut by itself."""
    found = [
        *zip(units, _intervals(fit, covariance, tuple(units.values())), strict=True),
        *((f"member:{cut.category}", cut.log_odds) for cut in cuts),
    ]
    return tuple(
        Coefficient(
            term=term, scale=Scale.LOG_ODDS, interval=interval, std_error_kind=covariance.kind
        )
        for term, interval in found
        if interval is not None
    )


def _fitted(
    x: FloatArray,
    people: IntArray,
    sets: IntArray,
    cluster: IntArray | None,
    terms: tuple[str, ...],
) -> tuple[ConditionalFit, CoefficientCovariance]:
    """A conditional fit with its covariance."""
    fit = fit_conditional(x, people, sets, terms=terms)
    return fit, conditional_covariance(fit, x, people, sets, cluster)


def _intervals(
    fit: ConditionalFit, covariance: CoefficientCovariance, units: Sequence[float] = (1.0,)
) -> list[Interval]:
    """The first slopes with their intervals, by the units of their columns."""
    errors, prob = np.sqrt(np.diag(covariance.cov)), INTERVAL_PROB
    return [
        wald(float(value / unit), float(error / unit), df=covariance.df, prob=prob, null=0.0)
        for value, error, unit in zip(fit.slopes, errors, units, strict=False)
    ]


def _ratios(
    fit: ConditionalFit,
    covariance: CoefficientCovariance,
    cuts: tuple[CutSets, ...],
    levels: tuple[str, ...],
) -> dict[Contrast, Interval | None]:
    """Membership's odds ratio, pooled over cuts and at each cut that has discordant sets."""
    pooled, *each = conditional_contrasts(levels)
    at = {cut.category: cut.log_odds for cut in cuts}
    found = {pooled: _intervals(fit, covariance)[0], **{one: at[one.category] for one in each}}
    return {one: None if log is None else _exponential(log) for one, log in found.items()}


def _exponential(log: Interval) -> Interval:
    """An odds ratio from log odds; the standard error stays that of the logarithm."""
    estimate, lower, upper = (float(np.exp(x)) for x in (log.estimate, log.lower, log.upper))
    return log._replace(estimate=estimate, lower=lower, upper=upper)


def _cuts(
    x: FloatArray,
    people: IntArray,
    sets: IntArray,
    cluster: IntArray | None,
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
            fit, covariance = _fitted(x[:, ~constant], by_side, sets, cluster, kept)
        except NotEstimable as error:
            n_sets = discordant_sets(x, by_side, sets)
            yield CutSets(category=category, n_sets=n_sets, reason=error.reason)
            continue
        yield CutSets(
            category=category,
            n_sets=fit.n_sets_discordant,
            log_odds=_intervals(fit, covariance)[0],
        )
