"""Cumulative link models on cells: weighted likelihood, exact derivatives, natural thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from coopgap.arrays import BoolArray, FloatArray, IntArray
from coopgap.errors import NotEstimable
from coopgap.regression.links import LINKS, Link
from coopgap.regression.newton import Point, maximise
from coopgap.regression.rank import require_full_rank
from coopgap.study.spec import LinkName

__all__ = [
    "CumulativeFit",
    "fit_ordinal",
    "probabilities",
    "probability_jacobian",
    "unit_scores",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CumulativeFit:
    """A fitted cumulative link model, P(Y ≤ j) = F(θ_j − x'b).

    Parameters are ordered slopes, then thresholds: p = k + J − 1 of them.

    Attributes
    ----------
    link
        Name of F.
    slopes
        Shape (k,): b; positive raises the outcome.
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

    @property
    def bread(self) -> FloatArray:
        """Inverse of the observed information, shape (p, p)."""
        return self.cov

    @property
    def params(self) -> FloatArray:
        """Slopes, then thresholds, shape (p,)."""
        return np.concatenate([self.slopes, self.thresholds])

    @property
    def std_errors(self) -> FloatArray:
        """Square roots of the diagonal of `cov`, shape (p,)."""
        return np.asarray(np.sqrt(np.diag(self.cov)))


def fit_ordinal(
    x: FloatArray,
    counts: FloatArray,
    *,
    people: IntArray | None = None,
    link: LinkName = "logit",
    terms: Sequence[str] | None = None,
) -> CumulativeFit:
    """Maximum (weighted) likelihood of a cumulative link model.

    Parameters
    ----------
    x
        Shape (c, k): design rows of cells, without intercept.
    counts
        Shape (c, J): sum of weights at each level, lowest first.
    people
        Shape (c, J): unweighted people, for `n_obs`.
    link
        logit, probit or cloglog.
    terms
        k names, for messages.

    Raises
    ------
    NotEstimable
        If fewer than two levels are present, a column depends on the others, or the likelihood
        has no finite maximum. Naming the terms behind the latter is `check_separation`'s work.

    Notes
    -----
    The log-likelihood is concave for these links (Pratt 1981; Burridge 1981), so Newton with
    step halving finds its only maximum. Columns are centred and scaled inside. Two levels are
    binary regression: with logit and probit θ_0 is minus the intercept; with cloglog F belongs
    to the lower level.

    References
    ----------
    McCullagh (1980), Regression models for ordinal data. JRSS B 42, 109-142.
    Christensen (2023), ordinal, R package.
    """
    counts = np.asarray(counts, dtype=np.float64)
    totals = counts.sum(axis=0)
    present = np.asarray(totals > 0)
    if present.sum() < 2:
        raise NotEstimable("everybody gave the same answer")
    rows, kept = _merged(np.asarray(x, dtype=np.float64), counts[:, present])
    require_full_rank(rows, terms)
    share = kept.sum(axis=1) / kept.sum()
    centre = share @ rows
    scale = np.sqrt(share @ (rows - centre) ** 2)
    k = rows.shape[1]
    problem = _Problem((rows - centre) / scale, kept, LINKS[link])
    start = np.concatenate(
        [np.zeros(k), LINKS[link].quantile(np.cumsum(totals[present])[:-1] / totals.sum())]
    )
    found = maximise(
        problem.point, start, float(totals.sum()), lambda p: bool((np.diff(p[k:]) > 0).all())
    )
    back = _unscale(centre, scale, int(present.sum()) - 1)
    expand, outer = _expansion(present, k)
    to_natural = expand @ back
    params = to_natural @ found.params
    thresholds = np.where(np.isnan(outer), params[k:], outer)
    cov = to_natural @ np.linalg.inv(found.point.information) @ to_natural.T
    return CumulativeFit(
        link=link,
        slopes=params[:k],
        thresholds=thresholds,
        cov=(cov + cov.T) / 2,
        present=present,
        log_likelihood=found.point.value,
        n_obs=round(float(counts.sum())) if people is None else int(people.sum()),
        iterations=found.iterations,
        max_gradient=found.max_gradient,
    )


def _merged(x: FloatArray, counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Distinct rows of positive weight with summed counts: clusters do not enter a likelihood."""
    used = counts.sum(axis=1) > 0
    x, counts = x[used], counts[used]
    order = np.lexsort(x.T) if x.shape[1] else np.arange(len(x))
    x, counts = x[order], counts[order]
    new = np.ones(len(x), dtype=bool)
    new[1:] = (x[1:] != x[:-1]).any(axis=1)
    return x[new], np.add.reduceat(counts, np.flatnonzero(new), axis=0)


def _unscale(centre: FloatArray, scale: FloatArray, n_thresholds: int) -> FloatArray:
    """Linear map from parameters of standardised columns to natural ones, shape (p, p)."""
    k = centre.size
    back = np.eye(k + n_thresholds)
    back[:k, :k] = np.diag(1 / scale)
    back[k:, :k] = centre / scale
    return back


def _expansion(present: BoolArray, k: int) -> tuple[FloatArray, FloatArray]:
    """Map from parameters over the levels present to parameters over all levels.

    Returns the map, shape (k + J − 1, p), and for each threshold ±inf where it lies outside the
    levels present, NaN elsewhere.
    """
    below = np.cumsum(present)[:-1]
    n_present = int(present.sum())
    expand = np.zeros((k + present.size - 1, k + n_present - 1))
    expand[:k, :k] = np.eye(k)
    outer = np.where(below == 0, -np.inf, np.where(below == n_present, np.inf, np.nan))
    inner = np.flatnonzero(np.isnan(outer))
    expand[k + inner, k + below[inner] - 1] = 1.0
    return expand, outer


class _Intervals(NamedTuple):
    """Derivatives of log P(Y = j) in its two ends, each of shape (c, J).

    `upper` is f(upper)/P and `lower` is f(lower)/P: the score is `upper`, −`lower`.
    """

    log_prob: FloatArray
    upper: FloatArray
    lower: FloatArray


def _intervals(eta: FloatArray, link: Link) -> _Intervals:
    """Each level as an interval between two of the cut points η, shape (c, J − 1)."""
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
        return _Intervals(
            log_prob=log_prob,
            upper=np.where(empty, 0.0, np.exp(at_upper - log_prob)),
            lower=np.where(empty, 0.0, np.exp(at_lower - log_prob)),
        )


class _Problem(NamedTuple):
    """The weighted log-likelihood of standardised rows; every level is present."""

    x: FloatArray
    counts: FloatArray
    link: Link

    def point(self, params: FloatArray) -> Point:
        """Log-likelihood, score and observed information at slopes then thresholds."""
        k = self.x.shape[1]
        eta = params[k:] - (self.x @ params[:k])[:, None]
        at = _intervals(eta, self.link)
        n, seen = self.counts, self.counts > 0
        with np.errstate(all="ignore"):
            value = float(np.where(seen, n * at.log_prob, 0.0).sum())
            up = np.where(seen, n * at.upper, 0.0)[:, :-1]
            low = np.where(seen, n * at.lower, 0.0)[:, 1:]
            bend = self.link.log_density_slope(eta)
            diagonal = up * (at.upper[:, :-1] - bend) + low * (at.lower[:, 1:] + bend)
            off = -np.where(seen, n * at.upper * at.lower, 0.0)[:, 1:-1]
        return Point(value, self._score(up - low), self._information(diagonal, off))

    def _score(self, slope: FloatArray) -> FloatArray:
        return np.concatenate([-self.x.T @ slope.sum(axis=1), slope.sum(axis=0)])

    def _information(self, diagonal: FloatArray, off: FloatArray) -> FloatArray:
        """From the tridiagonal negative Hessian in η of each cell."""
        row = diagonal.copy()
        row[:, :-1] += off
        row[:, 1:] += off
        side, sums = off.sum(axis=0), diagonal.sum(axis=0)
        thresholds = np.diag(sums) + np.diag(side, 1) + np.diag(side, -1)
        cross = -self.x.T @ row
        slopes = (self.x * row.sum(axis=1)[:, None]).T @ self.x
        return np.block([[slopes, cross], [cross.T, thresholds]])


def _eta(fit: CumulativeFit, x: FloatArray) -> FloatArray:
    return np.asarray(fit.thresholds - (np.asarray(x, dtype=np.float64) @ fit.slopes)[:, None])


def probabilities(fit: CumulativeFit, x: FloatArray) -> FloatArray:
    """P(Y = j) for design rows `x`, shape (c, k); the result has shape (c, J)."""
    return np.asarray(np.exp(_intervals(_eta(fit, x), LINKS[fit.link]).log_prob))


def unit_scores(fit: CumulativeFit, x: FloatArray) -> FloatArray:
    """Score of one person of weight one in cell c at level j, shape (c, J, p).

    Levels that nobody has get zeros.
    """
    at = _intervals(_eta(fit, x), LINKS[fit.link])
    c, n_levels = at.upper.shape
    score = np.zeros((c, n_levels, fit.slopes.size + n_levels - 1))
    score[:, :, : fit.slopes.size] = -(at.upper - at.lower)[:, :, None] * x[:, None, :]
    thresholds = score[:, :, fit.slopes.size :]
    level = np.arange(n_levels - 1)
    thresholds[:, level, level] = at.upper[:, :-1]
    thresholds[:, level + 1, level] = -at.lower[:, 1:]
    return score


def probability_jacobian(fit: CumulativeFit, x: FloatArray) -> FloatArray:
    """Derivative of P(Y = j) in every parameter, shape (c, J, p)."""
    return np.asarray(probabilities(fit, x)[:, :, None] * unit_scores(fit, x))
