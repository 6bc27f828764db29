"""The regression of a sample, fitted on its cells: in which form, its order, its coefficients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NoFreeFit, NotEstimable
from coopgap.core.gap import Interval, Margins, wald
from coopgap.core.tails import chi2_above
from coopgap.core.vocabulary import Population, Scale
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.estimate import Coefficient
from coopgap.families.sample import Sample, SampleCells, covariance_kind, sample_cells
from coopgap.regression.clusters import CovarianceKind
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import (
    CumulativeFit,
    cell_scores,
    cluster_information,
    crossing_rows,
    probabilities,
    unit_information,
    unit_scores,
)
from coopgap.regression.ordinal import fit_ordinal, fit_reduced, profile_interval
from coopgap.regression.raking import rake_to_population
from coopgap.regression.sampled import CoefficientCovariance
from coopgap.regression.separation import check_separation, finite_fit
from coopgap.regression.standardise import standardise
from coopgap.study.spec import DeclaredPopulation, FormName, LinkName

PROFILE = "model, profile"
"""`std_error_kind` of profile limits: people count as independent and the model as true."""

_SCALES = {"logit": Scale.LOG_ODDS, "probit": Scale.PROBIT, "cloglog": Scale.CLOGLOG}

_SHOWN = 5
"""Combinations that a refusal names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFit:
    """A fit with the cells it was made on, and the kind of covariance that its gaps share.

    `member` is membership as `standardise` takes it.
    """

    fit: CumulativeFit
    kind: CovarianceKind
    covariance: CoefficientCovariance
    on: SampleCells
    infinite: tuple[str, ...]
    fixed: bool
    member: int | tuple[FloatArray, FloatArray] = 0

    def standardise(self, target: FloatArray, *, fixed: bool) -> tuple[Margins, str]:
        """Margins over a target, shape (c,), and how their standard errors are made."""
        on = self.on
        margins = standardise(
            self.fit,
            on.x,
            self.member,
            target,
            on.cells.counts,
            on.cells.squares,
            on.sampled,
            fixed=fixed,
            kind=self.kind,
        )
        over = "are taken as fixed" if fixed else "vary too"
        kind = self.covariance.kind
        return margins, f"{kind}; covariates of the people standardised over {over}"


def fit_cells(
    sample: Sample, weight: FloatArray, *, member_free: bool = False, matched: bool = False
) -> CellFit:
    """Collapse people of positive weight and fit membership and covariates.

    Parameters
    ----------
    sample, weight, matched
        As in `sample_cells`.
    member_free
        Free membership from proportional odds, beside the covariates that the model frees.

    Returns
    -------
    CellFit
        Where some estimate would be infinite the bias-reduced fit takes the likelihood's place,
        unless membership is freed.

    Raises
    ------
    NotEstimable
        On a rank-deficient design or one answer.
    NoFreeFit
        Freed thresholds cross for somebody, or, with membership freed, an estimate is infinite.
    """
    on = sample_cells(sample, weight, matched=matched)
    # A domain has no column for what is constant in its strata.
    columns = [on.columns.get(name, ()) for name in sample.fitting.free]
    free = tuple(sorted(sum(columns, (0,) if member_free else ())))
    fit, infinite = solve(on, sample.link, free, member_free=member_free)
    levels, factors = sample.rows.factor_levels, sample.rows.factors
    # The level without a column of its own is the first that somebody has.
    first = {name: levels[name][int(factors[name].min())] for name in on.codes if levels[name]}
    require_order(fit, on, first, 0)
    kind = covariance_kind(sample.fitting.std_errors, on, infinite)
    return CellFit(
        fit=fit,
        kind=kind,
        covariance=robust_covariance(fit, on, kind),
        on=on,
        infinite=infinite,
        fixed=sample.fitting.fixed,
    )


def solve(
    on: SampleCells, link: LinkName, free: tuple[int, ...] = (), *, member_free: bool = False
) -> tuple[CumulativeFit, tuple[str, ...]]:
    """The fit on cells with columns `free` by threshold, and terms whose bias was reduced for it.

    Raises as `fit_cells`.
    """
    x, cells = on.x, on.cells
    likelihood, infinite = finite_fit(
        x, cells.counts, on.terms, free, people=cells.people, link=link
    )
    if likelihood is not None:
        return likelihood, ()
    if infinite and member_free:
        raise NoFreeFit(f"no finite estimate for {', '.join(infinite)}")
    reduced = fit_reduced(
        x, cells.counts, people=cells.people, link=link, terms=on.terms, free=free
    )
    return reduced, infinite


def robust_covariance(
    fit: CumulativeFit, on: SampleCells, kind: CovarianceKind
) -> CoefficientCovariance:
    """Sandwich of a kind for a fit on cells."""
    x, cells, sampled, information = on.x, on.cells, on.sampled, None
    if kind == "CR2" and sampled.cluster is not None:
        information = cluster_information(fit, x, cells.counts, sampled.cluster)
    elif kind == "HC3":
        information = unit_information(fit, x)
    scores = cell_scores(fit, x, cells.counts) if sampled.by_cell else unit_scores(fit, x)
    return cluster_covariance(
        fit.cov,
        scores,
        cells.counts,
        cells.squares,
        sampled,
        kind=kind,
        information=information,
    )


def require_order(
    fit: CumulativeFit, on: SampleCells, first: Mapping[str, str], member: int | None = None
) -> None:
    """Refuse freed thresholds that cross for somebody, as a member or not.

    Only freed columns move thresholds apart, so that a combination of theirs crosses or not
    whatever the other covariates are. `first` names by variable the level without a column,
    `member` is the position of membership where both of its values are looked at.
    """
    if not fit.free:
        return
    freed = on.x[:, list(fit.free)]
    if member is not None and member in fit.free:
        at = fit.free.index(member)
        sides = (np.insert(np.delete(freed, at, axis=1), at, side, axis=1) for side in (0.0, 1.0))
        freed = np.vstack(list(sides))
    rows = np.unique(freed, axis=0)
    every = np.zeros((len(rows), on.x.shape[1]))
    every[:, list(fit.free)] = rows
    crossing = [row for row in every if crossing_rows(fit, row[None])]
    if not crossing:
        return
    named = [_combination(row, fit, on, first) for row in crossing]
    shown = "; ".join(named[:_SHOWN]) + (" and others" if len(named) > _SHOWN else "")
    raise NoFreeFit(
        f"thresholds cross for {len(named)} of {len(rows)} combinations of freed terms: {shown}"
    )


def _combination(
    row: FloatArray, fit: CumulativeFit, on: SampleCells, first: Mapping[str, str]
) -> str:
    """Levels of the freed variables of one design row."""
    parts = []
    for name, columns in on.columns.items():
        if not set(columns) <= set(fit.free):
            continue
        set_to = [column for column in columns if row[column] == 1]
        if name == "member" and columns == (0,):
            parts.append("member" if set_to else "comparison")
        elif name not in first:
            parts.append(f"some {name}")
        else:
            parts.append(on.terms[set_to[0]] if set_to else f"{name}={first[name]}")
    return ", ".join(parts)


class FormFit(NamedTuple):
    """A regression in its form, or, where `fit` is None, why shares stand in its place."""

    fit: CellFit | None
    fell_back: str = ""

    @property
    def form(self) -> FormName:
        """How membership enters the fit."""
        if self.fit is None:
            return "shares"
        return "free" if 0 in self.fit.fit.free else "proportional"


def form_of(sample: Sample, form: FormName | None = None) -> FormName:
    """The form that a sample's model takes; two levels have one threshold and are proportional."""
    if len(sample.rows.levels) == 2:
        return "proportional"
    return sample.fitting.form if form is None else form


def fit_form(
    sample: Sample, weight: FloatArray, form: FormName, *, matched: bool = False
) -> FormFit:
    """Fit the regression of a form from `form_of`; the rest as in `fit_cells`.

    Raises
    ------
    NotEstimable
        On a rank-deficient design or one answer, or, of one odds ratio for all thresholds, where
        covariates freed by threshold cross.
    """
    if form == "shares":
        return FormFit(None)
    free = form == "free"
    try:
        return FormFit(fit_cells(sample, weight, member_free=free, matched=matched))
    except NoFreeFit as error:
        if not free:
            raise
        return FormFit(None, error.reason)


def fit_coefficients(sample: Sample, result: CellFit) -> tuple[Coefficient, ...]:
    """Slopes, those freed by threshold, and thresholds, in the units of the file."""
    fit, on, levels = result.fit, result.on, sample.rows.levels
    scale = _SCALES[sample.link]
    names = [(term, scale, on.scale[at]) for at, term in enumerate(on.terms) if at not in fit.free]
    names += [
        (f"{on.terms[at]}:>={level}", scale, on.scale[at])
        for at in fit.free
        for level in levels[1:]
    ]
    names += [(f"{low}|{high}", Scale.THRESHOLD, 1.0) for low, high in pairwise(levels)]
    kind = result.covariance.kind + (", bias-reduced" if fit.bias_reduced else "")
    errors, dfs = np.sqrt(np.diag(result.covariance.cov)), result.covariance.coefficient_df
    return tuple(
        Coefficient(
            term=term,
            scale=scale,
            interval=wald(
                float(value / unit),
                float(error / unit),
                df=float(df),
                prob=INTERVAL_PROB,
                null=0.0,
            ),
            std_error_kind=kind,
        )
        for (term, scale, unit), value, error, df in zip(
            names, fit.params, errors, dfs, strict=True
        )
        if np.isfinite(value)
    )


def profile_coefficients(sample: Sample, result: CellFit) -> Iterator[Coefficient]:
    """Slopes of unweighted people with the limits that a likelihood ratio test does not reject.

    The standard error is from the inverse information, the p-value of the likelihood ratio. There
    is nothing for a bias-reduced fit, which has no maximum to fall from, nor with freed terms.
    """
    fit, on = result.fit, result.on
    if result.infinite or fit.free:
        return
    counts = on.cells.people.astype(np.float64)
    for column, term in enumerate(on.terms):
        lower, upper = profile_interval(on.x, counts, column, prob=INTERVAL_PROB, link=fit.link)
        without = fit_ordinal(np.delete(on.x, column, axis=1), counts, link=fit.link)
        ratio = max(2 * (fit.log_likelihood - without.log_likelihood), 0.0)
        unit = float(on.scale[column])
        yield Coefficient(
            term=term,
            scale=_SCALES[sample.link],
            interval=Interval(
                estimate=float(fit.slopes[column]) / unit,
                std_error=float(fit.std_errors[column]) / unit,
                lower=lower / unit,
                upper=upper / unit,
                p_value=chi2_above(ratio, 1),
            ),
            std_error_kind=PROFILE,
        )


def target_weights(
    sample: Sample,
    on: SampleCells,
    population: Population,
    declared: DeclaredPopulation | None = None,
) -> FloatArray:
    """What each cell's people count for in a population.

    Returns
    -------
    FloatArray
        Shape (c,): 0 or 1 for parts of the sample; e(1 − e) for the overlap, e the membership
        score of the model's covariates; factors that rake both groups' people to the declared
        margins.

    Raises
    ------
    NotEstimable
        If nobody is left, the score is separated, or the margins cannot be had.
    """
    match population:
        case Population.MEMBERS:
            target = (on.member & on.kept).astype(np.float64)
            if not target.any():
                raise NotEstimable(
                    sample.matched.reason or "the matching keeps no member to standardise over"
                )
            return target
        case Population.ALL_MEMBERS:
            return on.member.astype(np.float64)
        case Population.OVERLAP:
            by_group = require_overlap(on)
            share = probabilities(fit_ordinal(on.x[:, 1:], by_group), on.x[:, 1:])
            return np.asarray(share[:, 0] * share[:, 1])
        case Population.POSTSTRATIFIED:
            if declared is None:
                raise NotEstimable("the study declares no population")
            levels = sample.rows.factor_levels
            return rake_to_population(on.cells.counts.sum(axis=1), on.codes, levels, declared)
        case _:
            return np.ones(on.member.size)


def require_overlap(on: SampleCells) -> FloatArray:
    """Weight of each cell as comparison people and as members, shape (c, 2).

    Raises
    ------
    NotEstimable
        Where the membership model has no finite estimate, by the names of its terms.
    """
    by_group = on.cells.counts.sum(axis=1)[:, None] * np.column_stack([~on.member, on.member])
    try:
        check_separation(on.x[:, 1:], by_group, on.terms[1:])
    except NotEstimable as error:
        raise NotEstimable(f"the propensity score: {error.reason}") from error
    return by_group
