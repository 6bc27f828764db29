"""Maximum likelihood of cumulative link models on cells, with exact derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.regression.cumulative import (
    CumulativeFit,
    Curvature,
    curvature,
    probabilities,
    probability_jacobian,
    split_columns,
    unit_scores,
)
from coopgap.regression.links import LINKS, Link
from coopgap.regression.newton import Point, maximise
from coopgap.regression.rank import require_full_rank
from coopgap.study.spec import LinkName

__all__ = [
    "CumulativeFit",
    "Problem",
    "fit_ordinal",
    "merged_rows",
    "natural_fit",
    "probabilities",
    "probability_jacobian",
    "standardised_problem",
    "unit_scores",
]


_ROUNDING, _MOST_DECIMALS = 1e-300, 15


def fit_ordinal(
    x: FloatArray,
    counts: FloatArray,
    *,
    people: IntArray | None = None,
    link: LinkName = "logit",
    terms: Sequence[str] | None = None,
    free: Sequence[int] = (),
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
    free
        Positions of columns freed from proportional odds: their slope may differ by threshold.

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
    rows, kept = merged_rows(np.asarray(x, dtype=np.float64), counts[:, present])
    require_full_rank(rows, terms)
    free = tuple(free)
    problem, start, back = standardised_problem(rows, kept, link, free)
    found = maximise(problem.point, start, float(totals.sum()), problem.ordered)
    return natural_fit(
        found.params,
        np.linalg.inv(found.point.information),
        back,
        present,
        link=link,
        free=free,
        log_likelihood=found.point.value,
        n_obs=round(float(counts.sum())) if people is None else int(people.sum()),
        iterations=found.iterations,
        max_gradient=found.max_gradient,
        step=np.linalg.solve(found.point.information, found.point.gradient),
        sharpness=float(np.linalg.eigvalsh(found.point.information)[0] / totals.sum()),
    )


def natural_fit(
    params: FloatArray,
    cov: FloatArray,
    back: FloatArray,
    present: BoolArray,
    *,
    link: LinkName,
    free: tuple[int, ...],
    log_likelihood: float,
    n_obs: int,
    iterations: int,
    max_gradient: float,
    step: FloatArray,
    bias_reduced: bool = False,
    sharpness: float = 0.0,
) -> CumulativeFit:
    """Estimates of standardised columns over the levels present as a fit on the natural scale.

    Parameters
    ----------
    params, cov
        Shapes (p,) and (p, p): estimates and inverse information in standardised columns.
    back
        From `standardised_problem`.
    present
        Shape (J,): levels that somebody has.
    link, free, log_likelihood, n_obs, iterations, max_gradient, bias_reduced, sharpness
        As in `CumulativeFit`.
    step
        Shape (p,): the Newton step that would come next, from which the correct decimals follow.
    """
    cuts = present.size - 1
    slopes = params.size - (len(free) + 1) * (int(present.sum()) - 1)
    expand, outer = _expansion(present, slopes, len(free))
    to_natural = expand @ back
    natural = to_natural @ params
    natural_cov = to_natural @ cov @ to_natural.T
    error = float(np.abs(to_natural @ step).max(initial=0.0))
    return CumulativeFit(
        link=link,
        slopes=natural[:slopes],
        thresholds=np.where(np.isnan(outer), natural[-cuts:], outer),
        cov=(natural_cov + natural_cov.T) / 2,
        present=present,
        log_likelihood=log_likelihood,
        n_obs=n_obs,
        iterations=iterations,
        max_gradient=max_gradient,
        correct_decimals=int(min(-np.log10(max(error, _ROUNDING)), _MOST_DECIMALS)),
        free=free,
        freed=natural[slopes:-cuts].reshape(len(free), cuts),
        bias_reduced=bias_reduced,
        sharpness=sharpness,
    )


def standardised_problem(
    x: FloatArray, counts: FloatArray, link: LinkName, free: tuple[int, ...]
) -> tuple[Problem, FloatArray, FloatArray]:
    """The likelihood in centred and scaled columns, a start, and the way back.

    Returns
    -------
    problem : Problem
    start : FloatArray
        Shape (p,): the margin's thresholds, no slopes.
    back : FloatArray
        Shape (p, p): linear map from its parameters to natural ones.
    """
    totals = counts.sum(axis=0)
    share = counts.sum(axis=1) / totals.sum()
    centre = share @ x
    scale = np.sqrt(share @ (x - centre) ** 2)
    fixed, freed = split_columns((x - centre) / scale, free)
    sides = np.column_stack([-freed, np.ones(len(x))])
    problem = Problem(fixed, sides, np.asfortranarray(counts), LINKS[link])
    cuts = counts.shape[1] - 1
    slopes = fixed.shape[1] + len(free) * cuts
    start = np.concatenate(
        [np.zeros(slopes), LINKS[link].quantile(np.cumsum(totals)[:-1] / totals.sum())]
    )
    return problem, start, _unscale(centre, scale, free, cuts)


def merged_rows[Counts: (FloatArray, IntArray)](
    x: FloatArray, counts: Counts
) -> tuple[FloatArray, Counts]:
    """Distinct rows of positive weight with summed counts: clusters do not enter a likelihood."""
    order = np.lexsort(x.T) if x.shape[1] else np.arange(len(x))
    order = order[(counts.sum(axis=1) > 0)[order]]
    x, counts = x[order], counts[order]
    new = np.ones(len(x), dtype=bool)
    new[1:] = (x[1:] != x[:-1]).any(axis=1)
    # Columns are contiguous from here on: sums and products over rows run along them.
    return np.asfortranarray(x[new]), np.add.reduceat(counts, np.flatnonzero(new), axis=0)


def _unscale(centre: FloatArray, scale: FloatArray, free: tuple[int, ...], cuts: int) -> FloatArray:
    """Linear map from parameters of standardised columns to natural ones, shape (p, p)."""
    fixed = np.delete(np.arange(centre.size), free)
    factors = np.concatenate([1 / scale[fixed], np.repeat(1 / scale[list(free)], cuts)])
    back = np.diag(np.concatenate([factors, np.ones(cuts)]))
    thresholds = back[factors.size :]
    thresholds[:, : fixed.size] = centre[fixed] / scale[fixed]
    for number, column in enumerate(free):
        start = fixed.size + number * cuts
        thresholds[:, start : start + cuts] = np.eye(cuts) * centre[column] / scale[column]
    return back


def _expansion(present: BoolArray, k: int, n_free: int) -> tuple[FloatArray, FloatArray]:
    """Map from parameters over the levels present to parameters over all levels.

    Returns the map, shape (k + (n_free + 1)(J − 1), p), and for each threshold ±inf where it
    lies outside the levels present, NaN elsewhere.
    """
    below = np.cumsum(present)[:-1]
    n_present = int(present.sum())
    outer = np.where(below == 0, -np.inf, np.where(below == n_present, np.inf, np.nan))
    inner = np.flatnonzero(np.isnan(outer))
    side = np.arange(n_free + 1)[:, None]
    rows = k + side * outer.size + inner
    columns = k + side * (n_present - 1) + below[inner] - 1
    expand = np.eye(k + side.size * outer.size, k + side.size * (n_present - 1))
    expand[k:] = 0.0
    expand[rows, columns] = 1.0
    return expand, outer


class Problem(NamedTuple):
    """The weighted log-likelihood of standardised rows; every level is present.

    `sides`, shape (c, q + 1), multiply the parameters that differ by threshold: minus the freed
    columns, then ones for the thresholds themselves. Parameters are slopes, then for each side
    one value a threshold. `offset`, shape (c, 1), is subtracted from every cut point.
    """

    x: FloatArray
    sides: FloatArray
    counts: FloatArray
    link: Link
    offset: FloatArray | float = 0.0

    def ordered(self, params: FloatArray) -> bool:
        """Whether thresholds rise; freed columns are held in order by the likelihood alone."""
        thresholds = params[1 - self.counts.shape[1] :]
        return self.sides.shape[1] > 1 or bool((thresholds[1:] > thresholds[:-1]).all())

    def point(self, params: FloatArray) -> Point:
        """Log-likelihood, score and observed information."""
        k = self.x.shape[1]
        by_threshold = params[k:].reshape(self.sides.shape[1], -1)
        eta = (by_threshold.T @ self.sides.T - self.x @ params[:k]).T - self.offset
        at = curvature(eta, self.counts, self.link)
        return Point(float(at.value.sum()), self._score(at.slope), self.information(at))

    def _score(self, slope: FloatArray) -> FloatArray:
        return np.concatenate([-self.x.T @ slope.sum(axis=1), (self.sides.T @ slope).ravel()])

    def information(self, at: Curvature) -> FloatArray:
        """Observed information where the cells' curvature is `at`, shape (p, p)."""
        row, k = at.row_sums(), self.x.shape[1]
        q, cuts = self.sides.shape[1], row.shape[1]
        information = np.zeros((k + q * cuts, k + q * cuts))
        # Densities are log-concave, so that the weights are not negative; a product with itself
        # costs half of one with another.
        half = self.x * np.sqrt(np.maximum(row.sum(axis=1), 0.0))[:, None]
        information[:k, :k] = half.T @ half
        moved = (self.sides[:, :, None] * row[:, None, :]).reshape(-1, q * cuts)
        information[:k, k:] = -self.x.T @ moved
        information[k:, :k] = information[:k, k:].T
        within = information[k:, k:].reshape(q, cuts, q, cuts)
        sides = self.sides.T
        # A cell's negative Hessian is tridiagonal, so only three bands are not zero.
        bands = (
            (within, at.diagonal),
            (within[:, :-1, :, 1:], at.off),
            (within[:, 1:, :, :-1], at.off),
        )
        for band, found in bands:
            np.einsum("aibi->iab", band)[...] = (found.T[:, None] * sides) @ self.sides
        return information
