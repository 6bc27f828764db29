"""Rows of region and covariates weighted to a declared population."""

from __future__ import annotations

import numpy as np

from coopgap.arrays import FloatArray, IntArray
from coopgap.bayes.cells import HierarchicalCells
from coopgap.errors import NotEstimable
from coopgap.regression.raking import rake
from coopgap.study.spec import DeclaredPopulation, Margin

__all__ = ["population_weights"]


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
    classes = [_classes(cells, margin, region, declared.file) for margin in declared.margins]
    shares = [np.array([*margin.shares.values()]) for margin in declared.margins]
    try:
        return np.asarray(people * rake(people, classes, shares))
    except NotEstimable as error:
        raise NotEstimable(f"{declared.file}: {error.reason}") from error


def _classes(cells: HierarchicalCells, margin: Margin, region: str, file: str) -> IntArray:
    """Class of each row among the margin's shares."""
    names = []
    for variable in margin.variables:
        if variable == region:
            names.append([cells.regions[code] for code in cells.region])
        elif variable in cells.terms:
            codes = cells.covariates[:, list(cells.terms).index(variable)]
            names.append([cells.terms[variable][code] for code in codes])
        else:
            raise NotEstimable(f"{file} is by {variable}, which this model has not")
    place = {levels: k for k, levels in enumerate(margin.shares)}
    return np.array([place[levels] for levels in zip(*names, strict=True)], dtype=np.int64)
