"""Links of cumulative models, stable in both tails, and the likelihood of intervals of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from scipy import special

from coopgap.core.arrays import FloatArray
from coopgap.study.spec import LinkName

_EXP_RANGE: Final = 700.0
_FINITE: Final = 1e300
_LOG_ROOT_2PI: Final = 0.5 * float(np.log(2 * np.pi))


class CutPoints(NamedTuple):
    """Cut points η with log F(η), log(1 − F(η)) and log F'(η), arrays of one shape.

    η may be infinite.
    """

    eta: FloatArray
    log_below: FloatArray
    log_above: FloatArray
    log_density: FloatArray

    def columns(self, which: slice) -> CutPoints:
        """Some of the columns of arrays (c, J − 1)."""
        return CutPoints(*[part[:, which] for part in self])


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A distribution function F on the latent scale, stable in both tails.

    `at` gives η's tails and density, `log_between` of upper and lower ends the logarithm of
    F(upper) − F(lower), `log_density_slope` d log F'(η)/dη, never infinite; `quantile` is F⁻¹ on
    (0, 1).
    """

    at: Callable[[FloatArray], CutPoints]
    log_between: Callable[[CutPoints, CutPoints], FloatArray]
    log_density_slope: Callable[[FloatArray], FloatArray]
    quantile: Callable[[FloatArray], FloatArray]
    distribution: Callable[[FloatArray], FloatArray]

    def log_density(self, eta: FloatArray) -> FloatArray:
        """Log-density log F'(η)."""
        return self.at(eta).log_density


def _log_complement(log_p: FloatArray) -> FloatArray:
    """log(1 − p)."""
    return np.asarray(np.log(-np.expm1(log_p)))


def _logit_at(eta: FloatArray) -> CutPoints:
    # Both tails in terms of exp(-|η|), which is at most one: no cancellation in either.
    softened = np.log1p(np.exp(-np.abs(eta)))
    below, above = np.minimum(eta, 0.0) - softened, np.minimum(-eta, 0.0) - softened
    return CutPoints(eta, below, above, below + above)


def _logit_between(upper: CutPoints, lower: CutPoints) -> FloatArray:
    # F(a) - F(b) = F(a) (1 - F(b)) (1 - exp(b - a)): no cancellation anywhere.
    return upper.log_below + lower.log_above + _log_complement(lower.eta - upper.eta)


def _probit_at(eta: FloatArray) -> CutPoints:
    density = -(eta**2) / 2 - _LOG_ROOT_2PI
    return CutPoints(eta, special.log_ndtr(eta), special.log_ndtr(-eta), density)


def _probit_between(upper: CutPoints, lower: CutPoints) -> FloatArray:
    # Both ends are moved to the lower tail, where the normal distribution keeps its digits.
    flip = upper.eta > -lower.eta
    high = np.where(flip, lower.log_above, upper.log_below)
    low = np.where(flip, upper.log_above, lower.log_below)
    return np.asarray(high + _log_complement(low - high))


def _cloglog_at(eta: FloatArray) -> CutPoints:
    # F = 1 - exp(-exp(η)).
    with np.errstate(over="ignore", divide="ignore"):
        hazard = np.exp(eta)
        density = np.minimum(eta, _EXP_RANGE) - hazard
        return CutPoints(eta, _log_complement(-hazard), -hazard, density)


def _cloglog_between(upper: CutPoints, lower: CutPoints) -> FloatArray:
    # The difference of the two exponentials is taken before it is needed.
    high = np.minimum(upper.eta, _EXP_RANGE)
    low = np.clip(lower.eta, -_EXP_RANGE, _EXP_RANGE)
    with np.errstate(over="ignore"):
        apart = np.exp(low) * np.expm1(high - low)
    hazard = np.where(np.isneginf(lower.eta), -upper.log_above, apart)
    return lower.log_above + _log_complement(-hazard)


LINKS: Final[dict[LinkName, Link]] = {
    "logit": Link(
        at=_logit_at,
        log_between=_logit_between,
        log_density_slope=lambda eta: -np.tanh(eta / 2),
        quantile=lambda p: np.asarray(special.logit(p)),
        distribution=lambda eta: np.asarray(special.expit(eta)),
    ),
    "probit": Link(
        at=_probit_at,
        log_between=_probit_between,
        log_density_slope=lambda eta: -np.clip(eta, -_FINITE, _FINITE),
        quantile=lambda p: np.asarray(special.ndtri(p)),
        distribution=lambda eta: np.asarray(special.ndtr(eta)),
    ),
    "cloglog": Link(
        at=_cloglog_at,
        log_between=_cloglog_between,
        log_density_slope=lambda eta: 1.0 - np.exp(np.minimum(eta, _EXP_RANGE)),
        quantile=lambda p: np.log(-np.log1p(-p)),
        distribution=lambda eta: -np.expm1(-np.exp(np.minimum(eta, _EXP_RANGE))),
    ),
}
"""By name; cloglog is F(η) = 1 − exp(−exp(η)), as in R's `ordinal::clm`."""


class Intervals(NamedTuple):
    """log P(Y = j), shape (c, J), and its derivatives in the cut points, shape (c, J − 1).

    `below` is f(η)/P of the level below each cut point, `above` that of the level above it: the
    derivatives are `below` and −`above`. `possible` says that no level has probability zero.
    """

    log_prob: FloatArray
    below: FloatArray
    above: FloatArray
    possible: bool = True


def log_probabilities(at: CutPoints, link: Link) -> FloatArray:
    """Logarithms of P(Y = j), shape (c, J), between cut points of shape (c, J − 1).

    NaN or minus infinity of an interval that is empty or runs backwards.
    """
    parts = [at.log_below[:, :1], at.log_above[:, -1:]]
    if at.eta.shape[1] > 1:
        upper, lower = at.columns(slice(1, None)), at.columns(slice(None, -1))
        parts.insert(1, link.log_between(upper, lower))
    return np.concatenate(parts, axis=1)


def intervals(eta: FloatArray, link: Link) -> Intervals:
    """Each level as an interval between two of the cut points η, shape (c, J − 1).

    An interval that is empty, or runs backwards, has probability zero and no derivative.
    """
    with np.errstate(all="ignore"):
        at = link.at(eta)
        log_prob = log_probabilities(at, link)
        below = np.exp(at.log_density - log_prob[:, :-1])
        above = np.exp(at.log_density - log_prob[:, 1:])
    if log_prob.size and log_prob.min() > -np.inf:
        return Intervals(log_prob, below, above)
    possible = log_prob > -np.inf
    return Intervals(
        possible=False,
        log_prob=np.where(possible, log_prob, -np.inf),
        below=np.where(possible[:, :-1], below, 0.0),
        above=np.where(possible[:, 1:], above, 0.0),
    )


class Curvature(NamedTuple):
    """Weighted log-likelihood of cells with its derivatives in their cut points.

    `value` has shape (c, J), `slope` (c, J − 1). The negative Hessian of a cell is tridiagonal:
    `diagonal`, shape (c, J − 1), and `off`, shape (c, J − 2), beside it.
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
        value = counts * at.log_prob
        return Curvature(
            value=value if at.possible else np.where(counts != 0, value, 0.0),
            slope=below - above,
            diagonal=below * (at.below - bend) + above * (at.above + bend),
            off=-below[:, 1:] * at.above[:, :-1],
        )
