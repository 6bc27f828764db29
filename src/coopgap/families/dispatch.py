"""Which families an outcome gets, and how each is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Contrast, contrasts
from coopgap.core.progress import Notify, silent
from coopgap.core.vocabulary import Family, Population
from coopgap.families.conditional import conditional_contrasts, estimate_conditional
from coopgap.families.cumulative import estimate_adjusted, estimate_matched, headline_family
from coopgap.families.doubly import estimate_doubly_robust
from coopgap.families.linear import estimate_linear, linear_contrasts
from coopgap.families.records import FamilyEstimate, Sample
from coopgap.families.shares import estimate_shares, estimate_unadjusted
from coopgap.study.spec import DeclaredPopulation, FormName, ModelSpec
from coopgap.survey.records import ModelRows

type _Estimator = Callable[[Sample], Iterable[FamilyEstimate]]

_BINARY = (
    Family.UNADJUSTED,
    Family.ADJUSTED_LOGIT,
    Family.MATCHED_LOGIT,
    Family.CONDITIONAL_LOGIT,
    Family.LINEAR,
    Family.SHARES,
    Family.DOUBLY_ROBUST,
)
_ORDINAL = (
    Family.UNADJUSTED,
    Family.ADJUSTED_ORDINAL,
    Family.ADJUSTED_PROPORTIONAL,
    Family.MATCHED_ORDINAL,
    Family.MATCHED_PROPORTIONAL,
    Family.CONDITIONAL_ORDINAL,
    Family.LINEAR,
    Family.SHARES,
    Family.DOUBLY_ROBUST,
)
_MATCHED = frozenset({Family.MATCHED_LOGIT, Family.MATCHED_ORDINAL})
_ADJUSTED = frozenset({Family.ADJUSTED_LOGIT, Family.ADJUSTED_ORDINAL})

_CONDITIONAL = {Family.CONDITIONAL_LOGIT, Family.CONDITIONAL_ORDINAL}


_OF_MATCHED = {
    *_MATCHED,
    *_CONDITIONAL,
    Family.MATCHED_PROPORTIONAL,
    Family.LINEAR,
    Family.SHARES,
}
"""Families that a model without matching has not."""


def headline_families(spec: ModelSpec) -> frozenset[Family]:
    """The families of a model's headline: matched, or adjusted without a matching."""
    return _MATCHED if spec.matching.is_declared else _ADJUSTED


def families_for(spec: ModelSpec, n_levels: int) -> tuple[Family, ...]:
    """Families a model gets: by its levels, its matching, and `[hierarchical]` where it has one."""
    families: tuple[Family, ...] = _BINARY if n_levels == 2 else _ORDINAL
    if not spec.matching.is_declared:
        families = tuple(family for family in families if family not in _OF_MATCHED)
    return (*families, Family.HIERARCHICAL) if spec.hierarchical else families


def expected_contrasts(family: Family, levels: tuple[str, ...]) -> tuple[Contrast, ...]:
    """Contrasts whose rows a family writes, estimated or not."""
    if family in _CONDITIONAL:
        return conditional_contrasts(levels)
    if family is Family.LINEAR:
        return linear_contrasts(levels)
    return contrasts(levels)


def _attempt(
    sample: Sample,
    family: Family,
    populations: tuple[Population, ...],
    estimate: _Estimator,
    notify: Notify = silent,
) -> Iterator[FamilyEstimate]:
    """Estimate, or say for each population why not."""
    notify(family)
    try:
        yield from list(estimate(sample))
    except NotEstimable as error:
        for population in populations:
            yield FamilyEstimate(
                family=family,
                population=population,
                people=sample.rows.people_by_level(),
                status=error.status,
                reason=error.reason,
            )


def family_estimates(
    sample: Sample,
    extra: Population = Population.ALL_MEMBERS,
    declared: DeclaredPopulation | None = None,
    notify: Notify = silent,
) -> Iterator[FamilyEstimate]:
    """Every family that the outcome's levels call for.

    Parameters
    ----------
    sample
        The whole model.
    extra
        A further population the adjusted regression is standardised over.
    declared
        Margins of the declared population, for `poststratified`.
    notify
        Called with each family before it is fitted.
    """
    two = len(sample.rows.levels) == 2
    inside, matched = sample.population, sample.is_matched
    first = (Population.MEMBERS,) if matched else ()
    over = tuple(dict.fromkeys((*first, Population.ALL_MEMBERS, extra)))
    both = (Population.ALL_MEMBERS, *([inside] if inside is Population.MEMBERS else []))
    adjusted = partial(estimate_adjusted, populations=over, declared=declared)
    family = Family.ADJUSTED_LOGIT if two else Family.ADJUSTED_ORDINAL
    attempt = partial(_attempt, notify=notify)
    for population in both:
        unadjusted = _one(partial(estimate_unadjusted, population=population))
        yield from attempt(sample, Family.UNADJUSTED, (population,), unadjusted)
    yield from attempt(sample, family, over, adjusted)
    if not two:
        tied = partial(adjusted, form="proportional")
        yield from attempt(sample, Family.ADJUSTED_PROPORTIONAL, over, tied)
    if matched:
        yield from _matched_estimates(sample, notify)
    for population in both:
        doubly = _one(partial(estimate_doubly_robust, population=population))
        yield from attempt(sample, Family.DOUBLY_ROBUST, (population,), doubly)


def _matched_estimates(sample: Sample, notify: Notify) -> Iterator[FamilyEstimate]:
    """The families that need a matching."""
    two, over = len(sample.rows.levels) == 2, (sample.population,)
    attempt = partial(_attempt, notify=notify)
    yield headline_estimate(sample, notify=notify)
    if not two:
        yield headline_estimate(sample, "proportional", notify=notify)
    family = Family.CONDITIONAL_LOGIT if two else Family.CONDITIONAL_ORDINAL
    yield from attempt(sample, family, over, _one(estimate_conditional))
    yield from attempt(sample, Family.LINEAR, over, _one(estimate_linear))
    yield from attempt(sample, Family.SHARES, over, _one(estimate_shares))


def headline_estimate(
    sample: Sample, form: FormName | None = None, notify: Notify = silent
) -> FamilyEstimate:
    """The headline's family alone, in the model's form or in another: what variants compare.

    Matched, or over all members of the adjusted regression where the model has no matching.
    """
    family, over = headline_family(sample, form), (sample.population,)
    if sample.is_matched:
        estimate = _one(partial(estimate_matched, form=form))
    else:
        estimate = partial(estimate_adjusted, populations=over, form=form)
    return next(_attempt(sample, family, over, estimate, notify))


def domain_estimates(sample: Sample) -> Iterator[FamilyEstimate]:
    """Families that are estimated anew within a domain: raw, the headline, and matching alone."""
    over = (Population.ALL_MEMBERS,)
    yield from _attempt(sample, Family.UNADJUSTED, over, _one(estimate_unadjusted))
    yield headline_estimate(sample)
    if sample.is_matched:
        yield from _attempt(sample, Family.SHARES, (sample.population,), _one(estimate_shares))


def not_hierarchical(rows: ModelRows, error: NotEstimable) -> FamilyEstimate:
    """The hierarchical family of a model that it cannot be fitted to."""
    return FamilyEstimate(
        family=Family.HIERARCHICAL,
        population=Population.ALL_MEMBERS,
        people=rows.people_by_level(),
        status=error.status,
        reason=error.reason,
    )


def _one(estimate: Callable[[Sample], FamilyEstimate]) -> _Estimator:
    return lambda sample: (estimate(sample),)
