"""Adjusted, matched and doubly robust regressions: one cumulative fit on cells, g-computation.

Two outcome levels make it the logit. More levels take membership in one of three forms: free by
threshold, one odds ratio for all, or no regression but weighted shares.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from coopgap.core.errors import NotEstimable
from coopgap.core.vocabulary import Family, Population
from coopgap.families.cells import (
    FormFit,
    fit_coefficients,
    fit_form,
    form_of,
    profile_coefficients,
    require_overlap,
    target_weights,
)
from coopgap.families.estimate import Estimate
from coopgap.families.sample import Sample, from_margins, require_matched, sample_cells
from coopgap.families.shares import matched_shares, stratified_shares
from coopgap.regression.aipw import doubly_robust
from coopgap.regression.sampled import kind_name
from coopgap.study.spec import DeclaredPopulation, FormName


def estimate_adjusted(
    sample: Sample,
    populations: tuple[Population, ...],
    declared: DeclaredPopulation | None = None,
    form: FormName | None = None,
) -> Iterator[Estimate]:
    """Regression on every complete in-person row, standardised over each population.

    The weights that make overlap or a declared population of the sample are taken as fixed, and
    over a declared population the covariates too. The form is the model's own if absent;
    `proportional` makes it the family of that name. Where the form is free and has no fit, weighted
    shares within strata of all covariates. The coefficients come with the first population that
    can be had.

    Raises
    ------
    NotEstimable
        On a rank-deficient design, an empty group, or too few clusters.
    """
    # Without a matching, weights beside those of the survey are those of people called.
    weight = sample.rows.weight if sample.is_matched else sample.weight
    standing = sample.standing(by_person=sample.by_person)
    result = fit_form(sample, weight, form_of(sample, form))
    on = sample_cells(sample, weight) if result.fit is None else result.fit.on
    family = _family(sample, form, matched=False)
    of_fit = _of_fit(sample, result)
    if result.fit and sample.fitting.intervals == "profile" and not sample.domain:
        of_fit["coefficients"] += tuple(profile_coefficients(sample, result.fit))
    for population in populations:
        fixed = sample.fitting.fixed or population is Population.POSTSTRATIFIED
        try:
            target = target_weights(sample, on, population, declared)
            if result.fit is None:
                margins, std_errors = stratified_shares(on, sample, target, fixed=fixed)
            else:
                margins, std_errors = result.fit.standardise(target, fixed=fixed)
        except NotEstimable as error:
            reason = f"{result.fell_back}; {error.reason}" if result.fell_back else error.reason
            yield sample.refused(family, population, NotEstimable(reason, error.status))
            continue
        yield from_margins(
            family,
            population,
            sample,
            on,
            margins,
            weight=weight,
            std_errors=std_errors,
            **standing,
            **_form_fields(sample, result),
            **of_fit,
        )
        of_fit = {}


def estimate_matched(sample: Sample, form: FormName | None = None) -> Estimate:
    """Regression on the matched sample with matching weights, standardised over its members.

    The form is the model's own if absent; `proportional` makes it the family of that name. Where it
    is free and has no fit, weighted shares, with the reason in `fell_back`.

    Raises
    ------
    NotEstimable
        On a rank-deficient design, nobody left, or too few clusters.
    """
    require_matched(sample)
    standing = sample.standing(sample.kept, by_person=sample.by_person)
    result = fit_form(sample, sample.weight, form_of(sample, form), matched=True)
    if result.fit is None:
        on, margins, std_errors = matched_shares(sample)
    else:
        on = result.fit.on
        members = on.member.astype(np.float64)
        margins, std_errors = result.fit.standardise(members, fixed=result.fit.fixed)
    return from_margins(
        headline_family(sample, form),
        sample.population,
        sample,
        on,
        margins,
        weight=sample.weight,
        n_sets=sample.matched.n_sets or None,
        std_errors=std_errors,
        **standing,
        **_form_fields(sample, result),
        **_of_fit(sample, result),
    )


def estimate_doubly_robust(
    sample: Sample, population: Population = Population.ALL_MEMBERS
) -> Estimate:
    """Doubly robust (AIPW) gap of members on complete in-person rows.

    The outcome model is the adjusted regression's, with membership free; where that has no fit it
    is the one with proportional odds, whose errors the weights make up for. The membership model
    is a logit with main terms of the same covariates; large samples need only one of them right.
    Of members whom exact strata of covariates keep, only comparison people of such strata stand
    beside them; where anything else keeps members, all.

    Raises
    ------
    NotEstimable
        Where a model has no finite estimate, a group is empty, or there are too few clusters.
    """
    if population is not Population.ALL_MEMBERS:
        require_matched(sample)
        by_strata = sample.matched.method == "exact" and {*sample.strata} <= {*sample.covariates}
        sample = sample.take(sample.kept if by_strata else sample.kept | ~sample.rows.member)
    weight, standing = sample.rows.weight, sample.standing()
    fit = fit_form(sample, weight, form_of(sample, "free")).fit
    fit = fit or fit_form(sample, weight, "proportional").fit
    if fit is None or fit.infinite:
        raise NotEstimable(
            f"no finite estimate for {'' if fit is None else ', '.join(fit.infinite)}"
        )
    on = fit.on
    require_overlap(on)
    sampled = on.sampled
    margins = doubly_robust(fit.fit, on.x, 0, on.cells.counts, on.cells.squares, sampled)
    return from_margins(
        Family.DOUBLY_ROBUST,
        population,
        sample,
        on,
        margins,
        weight=weight,
        std_errors=kind_name(sampled.require_kind(None), sampled),
        **standing,
    )


def _of_fit(sample: Sample, result: FormFit) -> dict[str, Any]:
    """What an estimate says of the regression behind it."""
    if result.fit is None:
        return {}
    return {
        "coefficients": fit_coefficients(sample, result.fit),
        "correct_decimals": result.fit.fit.correct_decimals,
        "infinite": result.fit.infinite,
    }


def _form_fields(sample: Sample, result: FormFit) -> dict[str, str]:
    two = len(sample.rows.levels) == 2
    return {"form": "" if two else result.form, "fell_back": result.fell_back}


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
