"""Which families an outcome gets, and how each is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from coopgap.core.errors import NotEstimable
from coopgap.core.progress import Notify, silent
from coopgap.core.vocabulary import Family, Population
from coopgap.families.cumulative import (
    estimate_adjusted,
    estimate_doubly_robust,
    estimate_matched,
    headline_family,
)
from coopgap.families.estimate import Estimate
from coopgap.families.sample import Sample
from coopgap.families.sets import estimate_conditional, estimate_linear
from coopgap.families.shares import estimate_shares, estimate_unadjusted
from coopgap.study.spec import DeclaredPopulation, FormName

type _Estimator = Callable[[Sample], Estimate | Iterable[Estimate]]


def _attempt(
    sample: Sample,
    family: Family,
    populations: tuple[Population, ...],
    estimate: _Estimator,
    notify: Notify = silent,
) -> Iterator[Estimate]:
    """Estimate, or say for each population why not."""
    notify(family)
    try:
        made = estimate(sample)
        yield from [made] if isinstance(made, Estimate) else list(made)
    except NotEstimable as error:
        for population in populations:
            yield sample.refused(family, population, error)


def family_estimates(
    sample: Sample,
    extra: Population = Population.ALL_MEMBERS,
    declared: DeclaredPopulation | None = None,
    notify: Notify = silent,
) -> Iterator[Estimate]:
    """Every family that the outcome's levels call for.

    `extra` is a further population the adjusted regression is standardised over, `declared` the
    margins of the declared one. `notify` is called with each family before it is fitted.
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
        unadjusted = partial(estimate_unadjusted, population=population)
        yield from attempt(sample, Family.UNADJUSTED, (population,), unadjusted)
    yield from attempt(sample, family, over, adjusted)
    if not two:
        tied = partial(adjusted, form="proportional")
        yield from attempt(sample, Family.ADJUSTED_PROPORTIONAL, over, tied)
    if matched:
        yield from _matched_estimates(sample, notify)
    for population in both:
        doubly = partial(estimate_doubly_robust, population=population)
        yield from attempt(sample, Family.DOUBLY_ROBUST, (population,), doubly)


def _matched_estimates(sample: Sample, notify: Notify) -> Iterator[Estimate]:
    """The families that need a matching."""
    two, over = len(sample.rows.levels) == 2, (sample.population,)
    attempt = partial(_attempt, notify=notify)
    yield headline_estimate(sample, notify=notify)
    if not two:
        yield headline_estimate(sample, "proportional", notify=notify)
    family = Family.CONDITIONAL_LOGIT if two else Family.CONDITIONAL_ORDINAL
    replicates = sample.rows.replicates
    if sample.rows.replicate is None or (replicates is not None and replicates.leaves_out):
        yield from attempt(sample, family, over, estimate_conditional)
    yield from attempt(sample, Family.LINEAR, over, estimate_linear)
    yield from attempt(sample, Family.SHARES, over, estimate_shares)


def headline_estimate(
    sample: Sample, form: FormName | None = None, notify: Notify = silent
) -> Estimate:
    """The headline's family alone, in the model's form or in another: what variants compare.

    Matched, or over all members of the adjusted regression where the model has no matching.
    """
    family, over = headline_family(sample, form), (sample.population,)
    estimate: _Estimator = partial(estimate_adjusted, populations=over, form=form)
    if sample.is_matched:
        estimate = partial(estimate_matched, form=form)
    return next(_attempt(sample, family, over, estimate, notify))


def domain_estimates(sample: Sample) -> Iterator[Estimate]:
    """Families that are estimated anew within a domain: raw, the headline, and matching alone."""
    over = (Population.ALL_MEMBERS,)
    yield from _attempt(sample, Family.UNADJUSTED, over, estimate_unadjusted)
    yield headline_estimate(sample)
    if sample.is_matched:
        yield from _attempt(sample, Family.SHARES, (sample.population,), estimate_shares)
