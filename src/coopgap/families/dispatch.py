"""Which families an outcome gets, and how each is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from coopgap.errors import NotEstimable
from coopgap.families.conditional import conditional_contrasts, estimate_conditional
from coopgap.families.cumulative import estimate_adjusted, estimate_matched
from coopgap.families.doubly import estimate_doubly_robust
from coopgap.families.linear import estimate_linear, linear_contrasts
from coopgap.families.records import FamilyEstimate, Sample
from coopgap.families.shares import estimate_shares, estimate_unadjusted
from coopgap.gap import Contrast, contrasts
from coopgap.progress import Notify, silent
from coopgap.study.spec import DeclaredPopulation, FormName, ModelSpec
from coopgap.survey.records import ModelRows
from coopgap.vocabulary import Family, Population

__all__ = [
    "MATCHED",
    "domain_estimates",
    "expected_contrasts",
    "families_for",
    "family_estimates",
    "matched_estimate",
    "not_hierarchical",
]

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
MATCHED = frozenset({Family.MATCHED_LOGIT, Family.MATCHED_ORDINAL})
"""The families of the matched sample: the headline's."""

_CONDITIONAL = {Family.CONDITIONAL_LOGIT, Family.CONDITIONAL_ORDINAL}


def families_for(spec: ModelSpec, n_levels: int) -> tuple[Family, ...]:
    """Families a model gets: by its number of levels, and hierarchical where it asks for it."""
    families = _BINARY if n_levels == 2 else _ORDINAL
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
) -> Iterator[FamilyEstimate]:
    """Estimate, or say for each population why not."""
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
    extra: Population = Population.MEMBERS,
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
    over = tuple(dict.fromkeys((Population.MEMBERS, Population.ALL_MEMBERS, extra)))
    inside = sample.population
    both = (Population.ALL_MEMBERS, *([inside] if inside is Population.MEMBERS else []))
    adjusted = partial(estimate_adjusted, populations=over, declared=declared)
    family = Family.ADJUSTED_LOGIT if two else Family.ADJUSTED_ORDINAL

    def attempt(
        family: Family, populations: tuple[Population, ...], estimate: _Estimator
    ) -> Iterator[FamilyEstimate]:
        notify(family)
        return _attempt(sample, family, populations, estimate)

    for population in both:
        unadjusted = _one(partial(estimate_unadjusted, population=population))
        yield from attempt(Family.UNADJUSTED, (population,), unadjusted)
    yield from attempt(family, over, adjusted)
    if not two:
        tied = partial(adjusted, form="proportional")
        yield from attempt(Family.ADJUSTED_PROPORTIONAL, over, tied)
    notify(Family.MATCHED_LOGIT if two else Family.MATCHED_ORDINAL)
    yield matched_estimate(sample)
    if not two:
        notify(Family.MATCHED_PROPORTIONAL)
        yield matched_estimate(sample, "proportional")
    family = Family.CONDITIONAL_LOGIT if two else Family.CONDITIONAL_ORDINAL
    yield from attempt(family, (inside,), _one(estimate_conditional))
    yield from attempt(Family.LINEAR, (inside,), _one(estimate_linear))
    yield from attempt(Family.SHARES, (inside,), _one(estimate_shares))
    for population in both:
        doubly = _one(partial(estimate_doubly_robust, population=population))
        yield from attempt(Family.DOUBLY_ROBUST, (population,), doubly)


def matched_estimate(sample: Sample, form: FormName | None = None) -> FamilyEstimate:
    """The matched family alone, in the model's form or in another: what variants compare."""
    family = Family.MATCHED_LOGIT if len(sample.rows.levels) == 2 else Family.MATCHED_ORDINAL
    if form is not None and family is Family.MATCHED_ORDINAL:
        family = Family.MATCHED_PROPORTIONAL
    estimate = _one(partial(estimate_matched, form=form))
    return next(_attempt(sample, family, (sample.population,), estimate))


def domain_estimates(sample: Sample) -> Iterator[FamilyEstimate]:
    """Families that are estimated anew within a domain: raw, matched, and matching alone."""
    over = (Population.ALL_MEMBERS,)
    yield from _attempt(sample, Family.UNADJUSTED, over, _one(estimate_unadjusted))
    yield matched_estimate(sample)
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
