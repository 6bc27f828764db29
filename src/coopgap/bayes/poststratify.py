"""Rows of region and covariates weighted to a declared population."""

from __future__ import annotations

import numpy as np

from coopgap.bayes.cells import HierarchicalCells
from coopgap.core.arrays import FloatArray
from coopgap.regression.raking import rake_to_population
from coopgap.study.spec import DeclaredPopulation


def population_weights(
    cells: HierarchicalCells, declared: DeclaredPopulation, region: str
) -> FloatArray:
    """How much each row counts when both groups' people are raked to the declared margins.

    Parameters
    ----------
    cells
        Of the model.
    declared
        The population.
    region
        Name of the region variable.

    Returns
    -------
    FloatArray
        Shape (r,); sums to one.

    Raises
    ------
    NotEstimable
        If a margin is by a variable that the model has not, or nobody stands for a part of it.
    """
    people = np.bincount(
        cells.row, weights=cells.counts.sum(axis=1), minlength=cells.region.size
    ).astype(np.float64)
    codes = {name: cells.covariates[:, k] for k, name in enumerate(cells.terms)}
    levels = {**cells.terms, region: cells.regions}
    return people * rake_to_population(people, codes | {region: cells.region}, levels, declared)
