"""What replicate weights move estimates by to first order, from what each person adds to them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.gap import Margins
from coopgap.regression.covariance import CoefficientCovariance
from coopgap.regression.replicates import linearised_replicates, replicate_deviations
from coopgap.survey.records import Replicates


def person_deviations(replicates: Replicates, people: IntArray, moves: FloatArray) -> FloatArray:
    """Deviations of replicates, shape (R, q), by what people at some positions add, (m, q)."""
    weights = replicates.whole[people], replicates.weights[people]
    moved = linearised_replicates(moves, *weights)
    return replicate_deviations(moved, replicates.scale, replicates.rscales)


def replicated(
    replicates: Replicates, people: IntArray, moves: FloatArray
) -> tuple[CoefficientCovariance, FloatArray]:
    """The covariance of those deviations, with R - 1 degrees of freedom, and they themselves."""
    away = person_deviations(replicates, people, moves)
    made = CoefficientCovariance(
        cov=away.T @ away, kind=replicates.name, n_clusters=None, df=replicates.df
    )
    return made, away


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampled:
    """The people behind cells, for the replicates that they are in.

    `people`, `cell` and `level` are of shape (m,): positions in the survey, cell and outcome level;
    `weight` (m,) their weight in the estimate.
    """

    replicates: Replicates
    people: IntArray
    cell: IntArray
    level: IntArray
    weight: FloatArray

    def covariance(self, unit: FloatArray) -> tuple[CoefficientCovariance, FloatArray]:
        """Of estimates, by what a person of weight one in a cell adds at a level, (c, J, q)."""
        moves = self.weight[:, None] * unit[self.cell, self.level]
        return replicated(self.replicates, self.people, moves)


def by_replicates(margins: Margins, deviations: FloatArray) -> Margins:
    """Margins with the error of deviations of replicates, shape (R, 2J), in place of the survey's.

    What outside shares add to the covariance stays.
    """
    before, cov = margins.deviations, deviations.T @ deviations
    if before is not None:
        cov += margins.cov - before.T @ before
    df = float(len(deviations) - 1)
    return replace(margins, cov=np.asarray(cov), df=df, df_of=None, deviations=deviations)
