"""Covariance of estimates that were made again with each replicate weight, or nearly so."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.gap import Margins
from coopgap.survey.records import Replicates


def replicate_deviations(
    estimates: FloatArray, scale: float, rscales: FloatArray | None = None
) -> FloatArray:
    """Deviations of R replicates whose products are variances and covariances.

    Parameters
    ----------
    estimates
        Shape (R, q): with each replicate weight; or what each moves the estimates by.
    scale, rscales
        Factor of all squares, and shape (R,) of each replicate's, ones if absent.

    Returns
    -------
    FloatArray
        D of shape (R, q): DᵀD is the covariance, with R − 1 degrees of freedom.

    Notes
    -----
    With θ_r the estimates, a the scale, b_r the factors and θ̄ the mean of the replicates of
    positive factor, the covariance is a Σ b_r (θ_r − θ̄)(θ_r − θ̄)ᵀ: that of `svrVar` of R's
    survey, whose default, `mse = FALSE`, takes deviations from the mean of the replicates.

    References
    ----------
    Wolter (2007), Introduction to Variance Estimation, chapters 3 to 5. Lumley (2010), Complex
    Surveys, chapter 2.
    """
    rscales = np.ones(len(estimates)) if rscales is None else rscales
    root = np.sqrt(scale * rscales)
    return np.asarray((estimates - estimates[rscales > 0].mean(axis=0)) * root[:, None])


def replicate_covariance(
    estimates: FloatArray, scale: float, rscales: FloatArray | None = None
) -> FloatArray:
    """Covariance of q estimates by R replicates, shape (q, q), as in `replicate_deviations`."""
    away = replicate_deviations(estimates, scale, rscales)
    return np.asarray(away.T @ away)


def linearised_replicates(
    moves: FloatArray, weight: FloatArray, replicates: FloatArray
) -> FloatArray:
    """What each replicate moves estimates by to first order, shape (R, q).

    `moves` (m, q) is what each person adds with all their weight, `weight` (m,) their sampling
    weight and `replicates` (m, R) that of each replicate: Σ (w_ri/w_i − 1) moves_i. Whatever else
    a person's weight is made of, such as a matching weight, is held fixed.
    """
    return np.asarray((replicates / weight[:, None] - 1).T @ moves)


@dataclass(frozen=True, slots=True)
class Resampled:
    """The people of a sample, whose weights differ by replicate.

    `people` (m,) are positions in the survey; of cells also the `cell` of each, their outcome
    `level` and their `weight` in the estimate. Without cells each is one of their own.
    """

    replicates: Replicates
    people: IntArray
    cell: IntArray | None = None
    level: IntArray | None = None
    weight: FloatArray | None = None

    def take(self, keep: BoolArray | IntArray) -> Resampled:
        """People who are no cells where `keep` is true, or at those positions."""
        assert self.cell is None
        return Resampled(self.replicates, self.people[keep])

    def of_cells(self, cell: IntArray, level: IntArray, weight: FloatArray) -> Resampled:
        """People in cells, (n,) or -1 outside, with their level and weight, (n,)."""
        used = cell >= 0
        people = self.people[used]
        return Resampled(self.replicates, people, cell[used], level[used], weight[used])

    def split(self, level: int) -> Resampled:
        """The same with two levels: below one, and that one or higher."""
        assert self.level is not None
        return replace(self, level=(self.level >= level).astype(np.int64))

    def deviations(self, unit: FloatArray) -> FloatArray:
        """Of estimates, (R, q), by what a person of weight one in cell and level adds, (c, J, q).

        Of people who are no cells what each adds with all their weight, (m, q) or (m, 1, q).
        """
        moves = unit.reshape(len(unit), -1)
        if self.cell is not None and self.level is not None and self.weight is not None:
            moves = self.weight[:, None] * unit[self.cell, self.level]
        own = self.replicates
        moved = linearised_replicates(moves, own.whole[self.people], own.weights[self.people])
        return replicate_deviations(moved, own.scale, own.rscales)


def by_replicates(margins: Margins, deviations: FloatArray) -> Margins:
    """Margins with the error of deviations of replicates, shape (R, 2J).

    They take the place of those to first order; what outside shares add to the covariance stays.
    """
    before, cov = margins.deviations, deviations.T @ deviations
    if before is not None:
        cov = cov + (margins.cov - before.T @ before)
    df = float(len(deviations) - 1)
    return replace(margins, cov=np.asarray(cov), df=df, df_of=None, deviations=deviations)
