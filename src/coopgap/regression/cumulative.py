"""A fitted cumulative link model: its probabilities and their derivatives on design rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray
from coopgap.regression.links import LINKS, Link
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
    slopes
        Shape (k − q,): b, of the columns that are not freed; positive raises the outcome.
    thresholds
        Shape (J − 1,): θ on the natural scale, not decreasing. Beside a level that nobody has
        two thresholds coincide, or the outer one is infinite.
    cov
        Shape (p, p): inverse of the observed information of the weighted likelihood. It is the
        bread of a sandwich; it is itself a covariance only where the weights count people.
    present
        Shape (J,): levels that somebody has.
    log_likelihood
        Σ w log P, weights as given.
    n_obs
        Unweighted people, or the sum of the weights where no people were given.
    iterations
        Newton steps.
    max_gradient
        Largest absolute score at the end, columns standardised, over the sum of weights.
    correct_decimals
        Decimals of the parameters that one more Newton step would leave as they are, the fewest
        over the parameters; Christensen (2023) reports the same of `ordinal::clm`.
    free
        Positions of the q freed columns z in the design rows.
    freed
        Shape (q, J − 1): γ, a slope at each threshold; zero at infinite thresholds.
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


class Intervals(NamedTuple):
    """log P(Y = j), shape (c, J), and its derivatives in the cut points, shape (c, J − 1).

    `below` is f(η)/P of the level below each cut point, `above` that of the level above it: the
    derivatives are `below` and −`above`.
    """

    log_prob: FloatArray
    below: FloatArray
    above: FloatArray


def intervals(eta: FloatArray, link: Link) -> Intervals:
    """Each level as an interval between two of the cut points η, shape (c, J − 1).

    An interval that is empty, or runs backwards, has probability zero and no derivative.
    """
    with np.errstate(all="ignore"):
        at = link.at(eta)
        inner = link.log_between(at.columns(slice(1, None)), at.columns(slice(None, -1)))
        log_prob = np.hstack([at.log_below[:, :1], inner, at.log_above[:, -1:]])
        below = np.exp(at.log_density - log_prob[:, :-1])
        above = np.exp(at.log_density - log_prob[:, 1:])
    possible = log_prob > -np.inf
    if possible.all():
        return Intervals(log_prob, below, above)
    return Intervals(
        log_prob=np.where(possible, log_prob, -np.inf),
        below=np.where(possible[:, :-1], below, 0.0),
        above=np.where(possible[:, 1:], above, 0.0),
    )


class Curvature(NamedTuple):
    """Weighted log-likelihood of cells with its derivatives in their cut points.

    `value` has shape (c, J), one term a level; `slope` shape (c, J − 1). The negative Hessian of
    a cell is tridiagonal: `diagonal`, shape (c, J − 1), and `off`, shape (c, J − 2), beside it.
    """

    value: FloatArray
    slope: FloatArray
    diagonal: FloatArray
    off: FloatArray

    def row_sums(self) -> FloatArray:
        """Sums over the rows of each cell's negative Hessian, shape (c, J − 1)."""
        total = self.diagonal.copy(order="K")
        total[:, :-1] += self.off
        total[:, 1:] += self.off
        return total


def curvature(eta: FloatArray, counts: FloatArray, link: Link) -> Curvature:
    """The log-likelihood Σ w log P of counts (c, J) in the cut points η, shape (c, J − 1)."""
    # There are few columns: arithmetic on them is fast where each is contiguous.
    eta, counts = np.asfortranarray(eta), np.asfortranarray(counts)
    at, bend = intervals(eta, link), link.log_density_slope(eta)
    below, above = counts[:, :-1] * at.below, counts[:, 1:] * at.above
    with np.errstate(all="ignore"):
        return Curvature(
            value=np.where(counts != 0, counts * at.log_prob, 0.0),
            slope=below - above,
            diagonal=below * (at.below - bend) + above * (at.above + bend),
            off=-below[:, 1:] * at.above[:, :-1],
        )


def split_columns(x: FloatArray, free: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Columns that obey proportional odds, and columns freed from it."""
    x = np.asarray(x, dtype=np.float64)
    return (np.delete(x, free, axis=1), x[:, list(free)]) if free else (x, x[:, :0])


def cut_points(fit: CumulativeFit, x: FloatArray) -> FloatArray:
    """η of design rows `x`, shape (c, k); the result has shape (c, J − 1)."""
    fixed, free = split_columns(x, fit.free)
    eta = fit.thresholds - (fixed @ fit.slopes)[:, None]
    return np.asarray(eta - free @ fit.freed if fit.free else eta)


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
    fixed, free = split_columns(x, fit.free)
    c, cuts = at.below.shape
    score = np.zeros((c, cuts + 1, fit.params.size))
    by_slope = score[:, :, : fit.slopes.size]
    level = np.arange(cuts)
    for cut in level:
        by_slope[:, cut] -= at.below[:, cut, None] * fixed
        by_slope[:, cut + 1] += at.above[:, cut, None] * fixed
    for number, side in enumerate((*-free.T, np.ones(c))):
        start = fit.slopes.size + number * cuts
        block = score[:, :, start : start + cuts]
        block[:, level, level] = at.below * side[:, None]
        block[:, level + 1, level] = -at.above * side[:, None]
    return score


def cell_scores(fit: CumulativeFit, x: FloatArray, counts: FloatArray) -> FloatArray:
    """Score of each cell, shape (c, p): `counts`, shape (c, J), times `unit_scores`."""
    at = intervals(cut_points(fit, x), LINKS[fit.link])
    fixed, free = split_columns(x, fit.free)
    moves = counts[:, :-1] * at.below - counts[:, 1:] * at.above
    sides = [side[:, None] * moves for side in (*-free.T, np.ones(len(x)))]
    return np.hstack([-moves.sum(axis=1, keepdims=True) * fixed, *sides])


def score_products(fit: CumulativeFit, x: FloatArray, directions: FloatArray) -> FloatArray:
    """`unit_scores` times directions, shape (p, m), without the former: shape (c, J, m)."""
    at = intervals(cut_points(fit, x), LINKS[fit.link])
    fixed, free = split_columns(x, fit.free)
    k, (c, cuts) = fit.slopes.size, at.below.shape
    sides = np.column_stack([-free, np.ones(c)])
    by_side = directions[k:].reshape(sides.shape[1], -1)
    moved = (sides @ by_side).reshape(c, cuts, -1) - (fixed @ directions[:k])[:, None, :]
    found = np.zeros((c, cuts + 1, directions.shape[1]))
    found[:, :-1] += at.below[:, :, None] * moved
    found[:, 1:] -= at.above[:, :, None] * moved
    return found


def summed_jacobian(fit: CumulativeFit, x: FloatArray, weight: FloatArray) -> FloatArray:
    """`probability_jacobian` summed over cells with weights (c,), shape (J, p)."""
    at = intervals(cut_points(fit, x), LINKS[fit.link])
    density = weight[:, None] * np.exp(at.log_prob)
    found = np.zeros((density.shape[1], fit.params.size))
    found[:-1] += _summed_moves(fit, x, density[:, :-1] * at.below)
    found[1:] -= _summed_moves(fit, x, density[:, 1:] * at.above)
    return found


def _summed_moves(fit: CumulativeFit, x: FloatArray, weight: FloatArray) -> FloatArray:
    """Derivatives of the cut points summed over cells, weights and result by cut, (J − 1, p)."""
    fixed, free = split_columns(x, fit.free)
    sides = (*-free.T, np.ones(len(x)))
    return np.hstack([-weight.T @ fixed, *(np.diag(side @ weight) for side in sides)])


def probability_jacobian(fit: CumulativeFit, x: FloatArray) -> FloatArray:
    """Derivative of P(Y = j) in every parameter, shape (c, J, p)."""
    return np.asarray(probabilities(fit, x)[:, :, None] * unit_scores(fit, x))
