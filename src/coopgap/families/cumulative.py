"""Adjusted and matched regressions: one cumulative fit on cells, then g-computation.

Two outcome levels make it the logit. More levels take membership in one of three forms: free by
threshold, one odds ratio for all, or no regression but weighted shares.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NoFreeFit, NotEstimable
from coopgap.core.gap import Margins, wald
from coopgap.core.vocabulary import Family, Population, Scale
from coopgap.families.cells import CellFit, fit_cells, sample_cells
from coopgap.families.profiles import profile_coefficients
from coopgap.families.records import (
    INTERVAL_PROB,
    Coefficient,
    FamilyEstimate,
    Sample,
    SampleCells,
    count_clusters,
    from_margins,
    require_both_groups,
    require_matched,
)
from coopgap.families.shares import matched_shares, stratified_shares
from coopgap.families.targets import target_weights
from coopgap.regression.clusters import PERSON_KINDS
from coopgap.regression.standardise import standardise
from coopgap.study.spec import DeclaredPopulation, FormName

_SCALES = {"logit": Scale.LOG_ODDS, "probit": Scale.PROBIT, "cloglog": Scale.CLOGLOG}


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
    """Fit the regression of a form.

    Parameters
    ----------
    sample, weight, matched
        As in `fit_cells`.
    form
        From `form_of`.

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


def _by_person(sample: Sample) -> bool:
    return sample.fitting.std_errors in PERSON_KINDS


def _said(result: CellFit, *, fixed: bool) -> str:
    """How the standard errors of a fit's gaps are made."""
    over = "are taken as fixed" if fixed else "vary too"
    return f"{result.covariance.kind}; covariates of the people standardised over {over}"


def _of_fit(sample: Sample, result: CellFit) -> dict[str, Any]:
    """What an estimate says of the regression behind it."""
    return {
        "coefficients": _coefficients(sample, result),
        "correct_decimals": result.fit.correct_decimals,
        "infinite": result.infinite,
    }


def _coefficients(sample: Sample, result: CellFit) -> tuple[Coefficient, ...]:
    fit, on, levels = result.fit, result.on, sample.rows.levels
    std_errors = np.sqrt(np.diag(result.covariance.cov))
    scale = _SCALES[sample.link]
    names = [(term, scale, on.scale[at]) for at, term in enumerate(on.terms) if at not in fit.free]
    names += [
        (f"{on.terms[at]}:>={level}", scale, on.scale[at])
        for at in fit.free
        for level in levels[1:]
    ]
    names += [(f"{low}|{high}", Scale.THRESHOLD, 1.0) for low, high in pairwise(levels)]
    kind = result.covariance.kind + (", bias-reduced" if fit.bias_reduced else "")
    return tuple(
        Coefficient(
            term=term,
            scale=scale,
            interval=wald(
                float(value / unit),
                float(std_error / unit),
                df=float(df),
                prob=INTERVAL_PROB,
                null=0.0,
            ),
            std_error_kind=kind,
        )
        for (term, scale, unit), value, std_error, df in zip(
            names, fit.params, std_errors, result.covariance.coefficient_df, strict=True
        )
        if np.isfinite(value)
    )


def estimate_adjusted(
    sample: Sample,
    populations: tuple[Population, ...],
    declared: DeclaredPopulation | None = None,
    form: FormName | None = None,
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
    form
        The model's own if absent; `proportional` makes it the family of that name.

    Yields
    ------
    FamilyEstimate
        One a population; the coefficients come with the first that can be had. Where the form is
        free and has no fit, weighted shares within strata of all covariates.

    Raises
    ------
    NotEstimable
        On a rank-deficient design, an empty group, or too few clusters.
    """
    # Without a matching, weights beside those of the survey are those of people called.
    rows, weight = sample.rows, sample.rows.weight if sample.is_matched else sample.weight
    people = rows.people_by_level()
    require_both_groups(people)
    n_clusters = count_clusters(sample, by_person=_by_person(sample))
    found = fit_form(sample, weight, form_of(sample, form))
    on = sample_cells(sample, weight) if found.fit is None else found.fit.on
    family = _family(sample, form, matched=False)
    of_fit = {} if found.fit is None else _of_fit(sample, found.fit)
    profile = sample.fitting.intervals == "profile" and not sample.domain
    if found.fit is not None and profile and not found.fit.fit.free:
        of_fit["coefficients"] += tuple(profile_coefficients(found.fit, _SCALES[sample.link]))
    for population in populations:
        try:
            margins, said = _adjusted(sample, found, on, population, declared)
        except NotEstimable as error:
            reason = f"{found.fell_back}; {error.reason}" if found.fell_back else error.reason
            yield FamilyEstimate(
                family=family,
                population=population,
                people=people,
                status=error.status,
                reason=reason,
            )
            continue
        yield from_margins(
            family,
            population,
            sample,
            on,
            margins,
            weight=weight,
            people=people,
            n_clusters=n_clusters,
            std_errors=said,
            **_form_fields(sample, found),
            **of_fit,
        )
        of_fit = {}


def _adjusted(
    sample: Sample,
    found: FormFit,
    on: SampleCells,
    population: Population,
    declared: DeclaredPopulation | None,
) -> tuple[Margins, str]:
    """Margins over one population, and how their standard errors are made."""
    target = target_weights(sample, on, population, declared)
    fixed = sample.fitting.fixed or population is Population.POSTSTRATIFIED
    if found.fit is None:
        return stratified_shares(on, sample, target, fixed=fixed)
    return _standardise(found.fit, target, fixed=fixed), _said(found.fit, fixed=fixed)


def estimate_matched(sample: Sample, form: FormName | None = None) -> FamilyEstimate:
    """Regression on the matched sample with matching weights, standardised over its members.

    Parameters
    ----------
    sample
        Rows with their matched sample.
    form
        The model's own if absent; `proportional` makes it the family of that name.

    Returns
    -------
    FamilyEstimate
        Where the form is free and has no fit, weighted shares, with the reason in `fell_back`.

    Raises
    ------
    NotEstimable
        On a rank-deficient design, nobody left, or too few clusters.
    """
    require_matched(sample)
    rows, kept = sample.rows, sample.kept
    people = rows.people_by_level(kept)
    require_both_groups(people)
    n_clusters = count_clusters(sample, kept, by_person=_by_person(sample))
    found = fit_form(sample, sample.weight, form_of(sample, form), matched=True)
    of_fit = {}
    if found.fit is None:
        on, margins, said = matched_shares(sample)
    else:
        on = found.fit.on
        margins = _standardise(found.fit, on.member.astype(np.float64), fixed=found.fit.fixed)
        said, of_fit = _said(found.fit, fixed=found.fit.fixed), _of_fit(sample, found.fit)
    return from_margins(
        headline_family(sample, form),
        sample.population,
        sample,
        on,
        margins,
        weight=sample.weight,
        people=people,
        n_sets=sample.matched.n_sets or None,
        n_clusters=n_clusters,
        std_errors=said,
        **_form_fields(sample, found),
        **of_fit,
    )


def _form_fields(sample: Sample, found: FormFit) -> dict[str, str]:
    two = len(sample.rows.levels) == 2
    return {"form": "" if two else found.form, "fell_back": found.fell_back}


_NAMES = {
    False: (Family.ADJUSTED_LOGIT, Family.ADJUSTED_ORDINAL, Family.ADJUSTED_PROPORTIONAL),
    True: (Family.MATCHED_LOGIT, Family.MATCHED_ORDINAL, Family.MATCHED_PROPORTIONAL),
}


def headline_family(sample: Sample, form: FormName | None = None) -> Family:
    """The family of a sample's headline, or with one odds ratio the one of that name."""
    return _family(sample, form, matched=sample.is_matched)


def _family(sample: Sample, form: FormName | None, *, matched: bool) -> Family:
    """The family's name, by levels and by whether one odds ratio was asked for."""
    logit, ordinal, proportional = _NAMES[matched]
    if len(sample.rows.levels) == 2:
        return logit
    return ordinal if form is None else proportional
