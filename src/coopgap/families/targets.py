"""Whose covariates the adjusted regression is standardised over."""

from __future__ import annotations

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.vocabulary import Population
from coopgap.families.records import Sample, SampleCells
from coopgap.regression.cumulative import probabilities
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.raking import rake_to_population
from coopgap.regression.separation import check_separation
from coopgap.study.spec import DeclaredPopulation


def target_weights(
    sample: Sample,
    on: SampleCells,
    population: Population,
    declared: DeclaredPopulation | None = None,
) -> FloatArray:
    """What each cell's people count for in a population.

    Parameters
    ----------
    sample
        The whole model.
    on
        Its cells.
    population
        Whose covariates.
    declared
        Margins of the declared population.

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
            found = (on.member & on.kept).astype(np.float64)
            if not found.any():
                raise NotEstimable(
                    sample.matched.reason or "the matching keeps no member to standardise over"
                )
            return found
        case Population.ALL_MEMBERS:
            return on.member.astype(np.float64)
        case Population.OVERLAP:
            return _overlap(on)
        case Population.POSTSTRATIFIED:
            if declared is None:
                raise NotEstimable("the study declares no population")
            levels = sample.rows.factor_levels
            return rake_to_population(on.cells.counts.sum(axis=1), on.codes, levels, declared)
        case _:
            return np.ones(on.member.size)


def _overlap(on: SampleCells) -> FloatArray:
    require_overlap(on)
    share = probabilities(fit_ordinal(on.x[:, 1:], _by_group(on)), on.x[:, 1:])
    return np.asarray(share[:, 0] * share[:, 1])


def _by_group(on: SampleCells) -> FloatArray:
    """Weight of each cell as comparison people and as members, shape (c, 2)."""
    return on.cells.counts.sum(axis=1)[:, None] * np.column_stack([~on.member, on.member])


def require_overlap(on: SampleCells) -> None:
    """Refuse a membership model without a finite estimate, by the names of its terms.

    Raises
    ------
    NotEstimable
        Naming them.
    """
    try:
        check_separation(on.x[:, 1:], _by_group(on), on.terms[1:])
    except NotEstimable as error:
        raise NotEstimable(f"the propensity score: {error.reason}") from error
