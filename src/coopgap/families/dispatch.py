"""Which families an outcome gets, and how each is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from coopgap.errors import NotEstimable
from coopgap.families.conditional import conditional_contrast, estimate_conditional
from coopgap.families.cumulative import estimate_adjusted, estimate_matched
from coopgap.families.doubly import estimate_doubly_robust
from coopgap.families.linear import estimate_linear, linear_contrasts
from coopgap.families.records import FamilyEstimate, Sample
from coopgap.families.unadjusted import estimate_unadjusted
from coopgap.gap import Contrast, contrasts
from coopgap.study.spec import DeclaredPopulation, ModelSpec
from coopgap.survey.records import ModelRows
from coopgap.vocabulary import Family, Population

__all__ = [
    "MATCHED",
    "domain_estimates",
    "doubly_estimate",
    "expected_contrasts",
    "families_for",
    "family_estimates",
    "freed_estimate",
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
)
_ORDINAL = (
    Family.UNADJUSTED,
    Family.ADJUSTED_ORDINAL,
    Family.MATCHED_ORDINAL,
    Family.CONDITIONAL_ORDINAL,
    Family.LINEAR,
)
MATCHED = frozenset({Family.MATCHED_LOGIT, Family.MATCHED_ORDINAL})
"""The families of the matched sample: the headline's."""

_EVERYONE = (Population.ALL_MEMBERS,)
_CONDITIONAL = {Family.CONDITIONAL_LOGIT, Family.CONDITIONAL_ORDINAL}


def families_for(spec: ModelSpec, n_levels: int) -> tuple[Family, ...]:
    """Families a model gets: by its number of levels, and hierarchical where it asks for it."""
    families = _BINARY if n_levels == 2 else _ORDINAL
    return (*families, Family.HIERARCHICAL) if spec.hierarchical else families


def expected_contrasts(family: Family, levels: tuple[str, ...]) -> tuple[Contrast, ...]:
    """Contrasts whose rows a family writes, estimated or not."""
    if family in _CONDITIONAL:
        return (conditional_contrast(len(levels)),)
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
    """
    names = _BINARY if len(sample.rows.levels) == 2 else _ORDINAL
    unadjusted, adjusted, matched, conditional, linear = names
    over = tuple(dict.fromkeys((Population.MEMBERS, Population.ALL_MEMBERS, extra)))
    inside = (sample.population,)
    yield from _attempt(sample, unadjusted, _EVERYONE, _one(estimate_unadjusted))
    yield from _attempt(
        sample, adjusted, over, partial(estimate_adjusted, populations=over, declared=declared)
    )
    yield from _attempt(sample, matched, inside, _one(estimate_matched))
    yield from _attempt(sample, conditional, inside, _one(estimate_conditional))
    yield from _attempt(sample, linear, inside, _one(estimate_linear))


def matched_estimate(sample: Sample) -> FamilyEstimate:
    """The matched family alone: what a variant is compared by."""
    names = _BINARY if len(sample.rows.levels) == 2 else _ORDINAL
    return next(_attempt(sample, names[2], (sample.population,), _one(estimate_matched)))


def freed_estimate(sample: Sample) -> FamilyEstimate:
    """The matched ordinal family with membership freed from proportional odds."""
    free = partial(estimate_matched, member_free=True)
    return next(_attempt(sample, Family.MATCHED_ORDINAL, (sample.population,), _one(free)))


def doubly_estimate(
    sample: Sample, population: Population = Population.ALL_MEMBERS
) -> FamilyEstimate:
    """The gap of all members, or of those with a comparison, weighted and modelled at once."""
    names = _BINARY if len(sample.rows.levels) == 2 else _ORDINAL
    estimate = partial(estimate_doubly_robust, population=population)
    return next(_attempt(sample, names[1], (population,), _one(estimate)))


def domain_estimates(sample: Sample) -> Iterator[FamilyEstimate]:
    """Families that are estimated anew within a domain: the raw and the matched gap."""
    names = _BINARY if len(sample.rows.levels) == 2 else _ORDINAL
    yield from _attempt(sample, names[0], _EVERYONE, _one(estimate_unadjusted))
    yield matched_estimate(sample)


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
