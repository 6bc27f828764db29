"""A fitted cumulative link model: its probabilities and their derivatives on design rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from coopgap.arrays import BoolArray, FloatArray
from coopgap.regression.links import LINKS, Link
from coopgap.study.spec import LinkName

__all__ = [
    "CumulativeFit",
    "Intervals",
    "crossing_rows",
    "cut_points",
    "intervals",
    "probabilities",
    "probability_jacobian",
    "split_columns",
    "unit_scores",
]


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
    """Derivatives of log P(Y = j) in its two ends, each of shape (c, J).

    `upper` is f(upper)/P and `lower` is f(lower)/P: the score is `upper`, −`lower`.
    """

    log_prob: FloatArray
    upper: FloatArray
    lower: FloatArray


def intervals(eta: FloatArray, link: Link) -> Intervals:
    """Each level as an interval between two of the cut points η, shape (c, J − 1).

    An interval that is empty, or runs backwards, has probability zero and no derivative.
    """
    edge = np.full((eta.shape[0], 1), np.inf)
    upper, lower = np.hstack([eta, edge]), np.hstack([-edge, eta])
    empty = upper <= lower
    with np.errstate(all="ignore"):
        log_prob = link.log_interval(
            np.where(empty, np.inf, upper), np.where(empty, -np.inf, lower)
        )
        log_prob = np.where(empty, -np.inf, log_prob)
        log_density = np.where(np.isfinite(eta), link.log_density(eta), -np.inf)
        at_upper, at_lower = np.hstack([log_density, -edge]), np.hstack([-edge, log_density])
        return Intervals(
            log_prob=log_prob,
            upper=np.where(empty, 0.0, np.exp(at_upper - log_prob)),
            lower=np.where(empty, 0.0, np.exp(at_lower - log_prob)),
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
    c, n_levels = at.upper.shape
    cuts = n_levels - 1
    score = np.zeros((c, n_levels, fit.params.size))
    score[:, :, : fit.slopes.size] = -(at.upper - at.lower)[:, :, None] * fixed[:, None, :]
    level = np.arange(cuts)
    for number, side in enumerate((*-free.T, np.ones(c))):
        start = fit.slopes.size + number * cuts
        block = score[:, :, start : start + cuts]
        block[:, level, level] = at.upper[:, :-1] * side[:, None]
        block[:, level + 1, level] = -at.lower[:, 1:] * side[:, None]
    return score


def probability_jacobian(fit: CumulativeFit, x: FloatArray) -> FloatArray:
    """Derivative of P(Y = j) in every parameter, shape (c, J, p)."""
    return np.asarray(probabilities(fit, x)[:, :, None] * unit_scores(fit, x))
