"""A fitted cumulative link model: probabilities, scores and information on design rows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.regression.clusters import sum_by
from coopgap.regression.links import LINKS, curvature, intervals
from coopgap.study.spec import LinkName


def _none_freed() -> FloatArray:
    return np.zeros((0, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class CumulativeFit:
    """A fitted cumulative link model, P(Y ≤ j) = F(θ_j − x'b − z'γ_j).

    Parameters are ordered slopes, freed slopes column by column, then thresholds: with q of k
    columns freed from proportional odds p = (k − q) + (q + 1)(J − 1) of them.

    Attributes
    ----------
    link
        Name of F.
    slopes, free, freed
        Shape (k − q,): b, positive raises the outcome; positions of the q freed columns z in the
        design rows; shape (q, J − 1): γ, zero at infinite thresholds.
    thresholds, present
        Shape (J − 1,): θ on the natural scale, not decreasing; shape (J,): levels that somebody
        has. Beside one that nobody has two thresholds coincide, or the outer one is infinite.
    cov
        Shape (p, p): inverse of the observed information of the weighted likelihood. It is the
        bread of a sandwich; it is itself a covariance only where the weights count people.
    log_likelihood, n_obs
        Σ w log P, weights as given; unweighted people, or the sum of the weights without them.
    iterations, max_gradient
        Newton steps; largest absolute score at the end, columns standardised, over the weights.
    correct_decimals
        Decimals of the parameters that one more Newton step would leave as they are, the fewest
        over the parameters; Christensen (2023) reports the same of `ordinal::clm`.
    bias_reduced
        Whether the estimates solve bias-reducing adjusted scores instead of the likelihood's.
    sharpness
        Smallest eigenvalue of the information in standardised columns over the sum of weights.
    """

    link: LinkName
    slopes: FloatArray
    thresholds: FloatArray
    cov: FloatArray
    present: BoolArray
    log_likelihood: float
    n_obs: int
    iterations: int
    max_gradient: float
    correct_decimals: int
    free: tuple[int, ...] = ()
    freed: FloatArray = field(default_factory=_none_freed)
    bias_reduced: bool = False
    sharpness: float = 0.0

    @property
    def bread(self) -> FloatArray:
        """Inverse of the observed information, shape (p, p)."""
        return self.cov

    @property
    def params(self) -> FloatArray:
        """Slopes, freed slopes, thresholds, shape (p,)."""
        return np.concatenate([self.slopes, self.freed.ravel(), self.thresholds])

    @property
    def std_errors(self) -> FloatArray:
        """Square roots of the diagonal of `cov`, shape (p,)."""
        return np.asarray(np.sqrt(np.diag(self.cov)))


def split_columns(x: FloatArray, free: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Columns that obey proportional odds, and what multiplies parameters of each threshold.

    The latter are minus the columns freed from it, then ones for the thresholds themselves.
    """
    x = np.asarray(x, dtype=np.float64)
    if not free:
        return x, np.ones((len(x), 1))
    return np.delete(x, free, axis=1), np.column_stack([-x[:, list(free)], np.ones(len(x))])


def cut_points(fit: CumulativeFit, x: FloatArray) -> FloatArray:
    """η of design rows `x`, shape (c, k); the result has shape (c, J − 1)."""
    fixed, sides = split_columns(x, fit.free)
    eta = fit.thresholds - (fixed @ fit.slopes)[:, None]
    return np.asarray(eta + sides[:, :-1] @ fit.freed if fit.free else eta)


def _cut_point_jacobian(fit: CumulativeFit, x: FloatArray) -> FloatArray:
    """Derivative of the cut points in every parameter, shape (c, J − 1, p)."""
    fixed, sides = split_columns(x, fit.free)
    cuts, level = fit.thresholds.size, np.arange(fit.thresholds.size)
    jacobian = np.zeros((len(x), cuts, fit.params.size))
    jacobian[:, :, : fit.slopes.size] = -fixed[:, None, :]
    for number, side in enumerate(sides.T):
        jacobian[:, level, fit.slopes.size + number * cuts + level] = side[:, None]
    return jacobian


def crossing_rows(fit: CumulativeFit, x: FloatArray) -> int:
    """Rows of `x` in which freed thresholds cross: some level would have P(Y = j) below zero."""
    eta = cut_points(fit, x)
    with np.errstate(invalid="ignore"):
        return int((eta[:, 1:] < eta[:, :-1]).any(axis=1).sum())


def probabilities(fit: CumulativeFit, x: FloatArray) -> FloatArray:
    """P(Y = j) for design rows `x`, shape (c, k); the result has shape (c, J)."""
    return np.asarray(np.exp(intervals(cut_points(fit, x), LINKS[fit.link]).log_prob))


def unit_scores(fit: CumulativeFit, x: FloatArray) -> FloatArray:
    """Score of one person of weight one in cell c at level j, shape (c, J, p).

    Levels that nobody has get zeros.
    """
    at = intervals(cut_points(fit, x), LINKS[fit.link])
    fixed, sides = split_columns(x, fit.free)
    k, (c, cuts) = fit.slopes.size, at.below.shape
    score = np.zeros((c, cuts + 1, fit.params.size))
    for cut in range(cuts):
        below, above = at.below[:, cut, None], at.above[:, cut, None]
        score[:, cut, :k] -= below * fixed
        score[:, cut + 1, :k] += above * fixed
        score[:, cut, k + cut :: cuts] = below * sides
        score[:, cut + 1, k + cut :: cuts] = -above * sides
    return score


def cell_scores(fit: CumulativeFit, x: FloatArray, counts: FloatArray) -> FloatArray:
    """Score of each cell, shape (c, p): `counts`, shape (c, J), times `unit_scores`."""
    at = intervals(cut_points(fit, x), LINKS[fit.link])
    fixed, sides = split_columns(x, fit.free)
    moves = counts[:, :-1] * at.below - counts[:, 1:] * at.above
    by_side = [side[:, None] * moves for side in sides.T]
    return np.hstack([-moves.sum(axis=1, keepdims=True) * fixed, *by_side])


def score_products(fit: CumulativeFit, x: FloatArray, directions: FloatArray) -> FloatArray:
    """`unit_scores` times directions, shape (p, m), without the former: shape (c, J, m)."""
    at = intervals(cut_points(fit, x), LINKS[fit.link])
    fixed, sides = split_columns(x, fit.free)
    k, (c, cuts) = fit.slopes.size, at.below.shape
    by_side = directions[k:].reshape(sides.shape[1], -1)
    moved = (sides @ by_side).reshape(c, cuts, -1) - (fixed @ directions[:k])[:, None, :]
    result = np.zeros((c, cuts + 1, directions.shape[1]))
    result[:, :-1] += at.below[:, :, None] * moved
    result[:, 1:] -= at.above[:, :, None] * moved
    return result


def summed_jacobian(fit: CumulativeFit, x: FloatArray, weight: FloatArray) -> FloatArray:
    """Derivative of P(Y = j) summed over cells with weights (c,), shape (J, p)."""
    at = intervals(cut_points(fit, x), LINKS[fit.link])
    density = weight[:, None] * np.exp(at.log_prob)
    fixed, sides = split_columns(x, fit.free)

    def summed(moves: FloatArray) -> FloatArray:
        return np.hstack([-moves.T @ fixed, *(np.diag(side @ moves) for side in sides.T)])

    result = np.zeros((density.shape[1], fit.params.size))
    result[:-1] += summed(density[:, :-1] * at.below)
    result[1:] -= summed(density[:, 1:] * at.above)
    return result


_NUMBERS_AT_ONCE = 4_000_000


def cell_information(fit: CumulativeFit, x: FloatArray, counts: FloatArray) -> FloatArray:
    """Observed information of each cell at the estimates, DᵀHD, shape (c, p, p).

    `x` (c, k) are design rows, `counts` (c, J) sums of weights. H is a cell's tridiagonal negative
    Hessian in its cut points and D their derivative. Levels that nobody has add nothing.
    """
    at = curvature(cut_points(fit, x), counts, LINKS[fit.link])
    jacobian = _cut_point_jacobian(fit, x)
    right = at.diagonal[:, :, None] * jacobian
    right[:, :-1] += at.off[:, :, None] * jacobian[:, 1:]
    right[:, 1:] += at.off[:, :, None] * jacobian[:, :-1]
    return np.asarray(jacobian.swapaxes(1, 2) @ right)


def cluster_information(
    fit: CumulativeFit, x: FloatArray, counts: FloatArray, cluster: IntArray
) -> FloatArray:
    """Observed information of each cluster that has weight, in increasing order, (G, p, p).

    Over the levels that somebody has the sum is the inverse of `fit.cov`.
    """
    used = np.flatnonzero(counts.sum(axis=1) > 0)
    _, index = np.unique(cluster[used], return_inverse=True)
    p = fit.params.size
    n = int(index.max(initial=-1)) + 1
    total = np.zeros((n, p, p))
    step = max(1, _NUMBERS_AT_ONCE // (p * p))
    for start in range(0, used.size, step):
        rows = used[start : start + step]
        part = cell_information(fit, x[rows], counts[rows])
        total += sum_by(index[start : start + step], part, n)
    return total


def unit_information(fit: CumulativeFit, x: FloatArray) -> FloatArray:
    """Observed information of one person of weight one in cell c at level j, (c, J, p, p)."""
    n_levels = fit.present.size
    by_level = []
    for level in range(n_levels):
        counts = np.zeros((len(x), n_levels))
        counts[:, level] = fit.present[level]
        by_level.append(cell_information(fit, x, counts))
    return np.stack(by_level, axis=1)
