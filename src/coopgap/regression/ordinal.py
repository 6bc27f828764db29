"""Cumulative link models on cells: maximum likelihood, bias-reduced fits, profile intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize, special

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.regression.cumulative import (
    CumulativeFit,
    cut_points,
    split_columns,
)
from coopgap.regression.design import require_full_rank
from coopgap.regression.links import LINKS, Curvature, Link, curvature, intervals
from coopgap.regression.newton import Point, maximise
from coopgap.study.spec import LinkName

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
    x, terms
        Shape (c, k): design rows of cells, without intercept; k names, for messages.
    counts, people
        Shape (c, J): sums of weights at each level, lowest first; unweighted people, for `n_obs`.
    link
        logit, probit or cloglog.
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
    McCullagh (1980), JRSS B 42, 109-142. Christensen (2023), ordinal, R package.
    """
    counts = np.asarray(counts, dtype=np.float64)
    totals = counts.sum(axis=0)
    present = np.asarray(totals > 0)
    if present.sum() < 2:
        raise NotEstimable("everybody gave the same answer")
    kept = counts if present.all() else counts[:, present]
    rows, kept = merged_rows(np.asarray(x, dtype=np.float64), kept)
    require_full_rank(rows, terms)
    free = tuple(free)
    problem, start, back = standardised_problem(rows, kept, link, free)
    total = float(totals.sum())
    result = maximise(problem.point, start, total, problem.ordered)
    return natural_fit(
        result.params,
        cov := np.linalg.inv(result.point.information),
        back,
        present,
        cov @ result.point.gradient,
        link=link,
        free=free,
        log_likelihood=result.point.value,
        n_obs=round(total) if people is None else int(people.sum()),
        iterations=result.iterations,
        max_gradient=result.max_gradient,
        sharpness=float(np.linalg.eigvalsh(result.point.information)[0]) / total,
    )


def natural_fit(
    params: FloatArray,
    cov: FloatArray,
    back: FloatArray,
    present: BoolArray,
    step: FloatArray,
    *,
    free: tuple[int, ...],
    **fields: Any,
) -> CumulativeFit:
    """Estimates of standardised columns over the levels `present` as a fit on the natural scale.

    `params` (p,) and `cov` (p, p) are the estimates and the inverse information, `back` is from
    `standardised_problem`, `step` (p,) the Newton step that would come next, from which the correct
    decimals follow; other fields are those of `CumulativeFit`.
    """
    cuts = present.size - 1
    slopes = params.size - (len(free) + 1) * (int(present.sum()) - 1)
    outer = np.full(cuts, np.nan)
    if not present.all():
        expand, outer = _expansion(present, slopes, len(free))
        back = expand @ back
    natural = back @ params
    natural_cov = back @ cov @ back.T
    error = float(np.abs(back @ step).max(initial=0.0))
    return CumulativeFit(
        slopes=natural[:slopes],
        thresholds=np.where(np.isnan(outer), natural[-cuts:], outer),
        cov=(natural_cov + natural_cov.T) / 2,
        present=present,
        correct_decimals=int(min(-np.log10(max(error, _ROUNDING)), _MOST_DECIMALS)),
        free=free,
        freed=natural[slopes:-cuts].reshape(len(free), cuts),
        **fields,
    )


def standardised_problem(
    x: FloatArray, counts: FloatArray, link: LinkName, free: tuple[int, ...]
) -> tuple[Problem, FloatArray, FloatArray]:
    """The likelihood in centred and scaled columns, a start, and the way back.

    The start are the margin's thresholds without slopes, shape (p,); the way back is the linear map
    from the problem's parameters to natural ones, shape (p, p).
    """
    totals = counts.sum(axis=0)
    share = counts.sum(axis=1) / totals.sum()
    centre = share @ x
    centred = x - centre
    scale = np.sqrt(share @ centred**2)
    problem = Problem.of(centred / scale, counts, link, free)
    back = _unscale(centre, scale, free, counts.shape[1] - 1)
    start = np.zeros(len(back))
    start[1 - totals.size :] = LINKS[link].quantile(np.cumsum(totals)[:-1] / totals.sum())
    return problem, start, back


def merged_rows[Counts: (FloatArray, IntArray)](
    x: FloatArray, counts: Counts
) -> tuple[FloatArray, Counts]:
    """Distinct rows of positive weight with summed counts: clusters do not enter a likelihood."""
    order = np.lexsort(x.T) if x.shape[1] else np.arange(len(x))
    used = counts.sum(axis=1) > 0
    if not used.all():
        order = order[used[order]]
    x, counts = x[order], counts[order]
    new = np.ones(len(x), dtype=bool)
    np.any(x[1:] != x[:-1], axis=1, out=new[1:])
    if not new.all():
        x, counts = x[new], np.add.reduceat(counts, np.flatnonzero(new), axis=0)
    # Columns are contiguous from here on: sums and products over rows run along them.
    return np.asfortranarray(x), counts


def _unscale(centre: FloatArray, scale: FloatArray, free: tuple[int, ...], cuts: int) -> FloatArray:
    """Linear map from parameters of standardised columns to natural ones, shape (p, p)."""
    columns = np.arange(centre.size)
    if free:
        columns = np.concatenate([np.delete(columns, free), np.repeat(free, cuts)])
    n_fixed, width = centre.size - len(free), columns.size
    back = np.eye(width + cuts)
    back[:width] *= np.append(1 / scale[columns], np.ones(cuts))
    back[width:, :width] = centre[columns] / scale[columns]
    if free:
        back[width:, n_fixed:width] *= np.tile(np.eye(cuts), (1, len(free)))
    return back


def _expansion(present: BoolArray, k: int, n_free: int) -> tuple[FloatArray, FloatArray]:
    """Map from parameters over the levels present to parameters over all levels.

    Also for each threshold ±inf where it lies outside the levels present, NaN elsewhere.
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

    `sides` (c, q + 1) multiply the parameters that differ by threshold: minus the freed columns,
    then ones. Parameters are slopes, then for each side one value a threshold. `offset`, shape (c,
    1), is subtracted from every cut point.
    """

    x: FloatArray
    sides: FloatArray
    counts: FloatArray
    link: Link
    offset: FloatArray | None = None

    @classmethod
    def of(
        cls, x: FloatArray, counts: FloatArray, link: LinkName, free: tuple[int, ...]
    ) -> Problem:
        """The likelihood of rows whose columns `free` are freed."""
        return cls(*split_columns(x, free), np.asfortranarray(counts), LINKS[link])

    def ordered(self, params: FloatArray) -> bool:
        """Whether thresholds rise; freed columns are held in order by the likelihood alone."""
        thresholds = params[1 - self.counts.shape[1] :]
        return self.sides.shape[1] > 1 or bool((thresholds[1:] > thresholds[:-1]).all())

    def point(self, params: FloatArray) -> Point:
        """Log-likelihood, score and observed information."""
        k, cuts = self.x.shape[1], self.counts.shape[1] - 1
        eta = params[None, -cuts:]  # all rows share it where nothing else is free yet
        if params[:-cuts].any():
            by_threshold = params[k:].reshape(-1, cuts)
            eta = (by_threshold.T @ self.sides.T - self.x @ params[:k]).T
        if self.offset is not None:
            eta = eta - self.offset
        at = curvature(eta, self.counts, self.link)
        return Point(float(at.value.sum()), self._score(at.slope), self.information(at))

    def _score(self, slope: FloatArray) -> FloatArray:
        total = slope @ np.ones(slope.shape[1])
        return np.concatenate([-(total @ self.x), (self.sides.T @ slope).ravel()])

    def information(self, at: Curvature) -> FloatArray:
        """Observed information where the cells' curvature is `at`, shape (p, p)."""
        row, k = at.row_sums(), self.x.shape[1]
        q, cuts = self.sides.shape[1], row.shape[1]
        information = np.zeros((k + q * cuts, k + q * cuts))
        # Densities are log-concave, so that the weights are not negative; a product with itself
        # costs half of one with another.
        half = self.x * np.sqrt(np.maximum(row @ np.ones(cuts), 0.0))[:, None]
        information[:k, :k] = half.T @ half
        moved = row if q == 1 else (self.sides[:, :, None] * row[:, None, :]).reshape(-1, q * cuts)
        information[k:, :k] = -(moved.T @ self.x)
        information[:k, k:] = information[k:, :k].T
        # A cell's negative Hessian is tridiagonal, so only three bands are not zero.
        sums = (
            np.concatenate([at.diagonal, at.off], axis=1).T[:, None] * self.sides.T
        ) @ self.sides
        within = information[k:, k:].reshape(q, cuts, q, cuts)
        np.einsum("aibi->iab", within)[...] = sums[:cuts]
        np.einsum("aibi->iab", within[:, :-1, :, 1:])[...] = sums[cuts:]
        np.einsum("aibi->iab", within[:, 1:, :, :-1])[...] = sums[cuts:]
        return information


def total_information(fit: CumulativeFit, x: FloatArray, counts: FloatArray) -> FloatArray:
    """Observed information of all cells together, shape (p, p); arguments of `cell_information`."""
    problem = Problem.of(x, counts, fit.link, fit.free)
    return problem.information(curvature(cut_points(fit, x), counts, problem.link))


_MOST_SCORINGS = 500
_MAX_HALVINGS = 40
_TOLERANCE = 1e-10


def fit_reduced(
    x: FloatArray,
    counts: FloatArray,
    *,
    people: IntArray | None = None,
    link: LinkName = "logit",
    terms: Sequence[str] | None = None,
    free: Sequence[int] = (),
) -> CumulativeFit:
    """Solve the bias-reducing adjusted score equations; arguments of `fit_ordinal`.

    Weights are brought to the number of `people`, so that a constant factor changes nothing;
    without it they count as people. `cov` is the inverse of the expected information at the
    estimates.

    Raises
    ------
    NotEstimable
        If fewer than two levels are present, a column depends on the others, or the iteration
        does not settle.

    Notes
    -----
    With c_cj = ½ m_c F''(η_cj) z_cj'I⁻¹z_cj, m_c the weight of cell c, z_cj the derivative of
    η_cj and I the expected information, the counts n_cj are replaced by
    n_cj + c_cj − c_c,j−1 in the score, and Fisher scoring repeated. For two levels and the logit
    this is Firth's penalised likelihood (Firth 1993, Biometrika 80, 27-38).

    References
    ----------
    Kosmidis (2014), Improved estimation in cumulative link models. JRSS B 76, 169-196.
    """
    counts = np.asarray(counts, dtype=np.float64)
    present = np.asarray(counts.sum(axis=0) > 0)
    used = counts.sum(axis=1) > 0
    if present.sum() < 2:
        raise NotEstimable("everybody gave the same answer")
    rows, kept = np.asarray(x, dtype=np.float64)[used], counts[used][:, present]
    require_full_rank(rows, terms)
    scale = 1.0 if people is None else float(people.sum()) / float(counts.sum())
    problem, start, back = standardised_problem(rows, scale * kept, link, tuple(free))
    params, at, iterations = _solve(problem, start)
    return natural_fit(
        params,
        scale * np.linalg.inv(at.information),
        back,
        present,
        np.linalg.solve(at.information, at.score),
        link=link,
        free=tuple(free),
        log_likelihood=problem.point(params).value / scale,
        n_obs=round(float(counts.sum())) if people is None else int(people.sum()),
        iterations=iterations,
        max_gradient=float(np.abs(at.score).max(initial=0.0)) / float(problem.counts.sum()),
        bias_reduced=True,
    )


class _Adjusted(NamedTuple):
    score: FloatArray
    information: FloatArray
    distance: float


def _solve(problem: Problem, start: FloatArray) -> tuple[FloatArray, _Adjusted, int]:
    """Fisher scoring; a step is halved while it leaves a larger adjusted score."""
    params, at = start, _adjusted(problem, start)
    total = float(problem.counts.sum())
    for iteration in range(1, _MOST_SCORINGS + 1):
        if at is None:
            break
        if np.abs(at.score).max(initial=0.0) <= _TOLERANCE * total:
            return params, at, iteration
        step = np.linalg.solve(at.information, at.score)
        for _ in range(_MAX_HALVINGS):
            reached = _adjusted(problem, params + step)
            if reached is not None and reached.distance < at.distance:
                break
            step = step / 2
        else:
            break
        params, at = params + step, reached
    raise NotEstimable("the bias-reduced fit did not settle")


def _adjusted(problem: Problem, params: FloatArray) -> _Adjusted | None:
    """Adjusted score, expected information and length of the score in its metric."""
    cuts = problem.counts.shape[1] - 1
    k = problem.x.shape[1]
    eta = problem.sides @ params[k:].reshape(-1, cuts) - (problem.x @ params[:k])[:, None]
    if cuts > 1 and not (np.diff(eta, axis=1) > 0).all():
        return None
    chances = np.exp(intervals(eta, problem.link).log_prob)
    weight = problem.counts.sum(axis=1, keepdims=True)
    information = problem._replace(counts=weight * chances).point(params).information
    try:
        inverse = np.linalg.inv(information)
    except np.linalg.LinAlgError:
        return None
    bend = np.exp(problem.link.log_density(eta)) * problem.link.log_density_slope(eta)
    edge = np.zeros((len(eta), 1))
    z = np.column_stack([-problem.x, problem.sides])
    leverage = np.empty_like(eta)
    for cut in range(cuts):
        columns = np.concatenate([np.arange(k), np.arange(k + cut, params.size, cuts)])
        leverage[:, cut] = ((z @ inverse[np.ix_(columns, columns)]) * z).sum(axis=1)
    shift = np.hstack([edge, weight * bend * leverage / 2, edge])
    counts = problem.counts + np.diff(shift, axis=1)
    score = problem._replace(counts=counts).point(params).gradient
    if not np.isfinite(score).all():
        return None
    return _Adjusted(score, information, float(score @ inverse @ score))


_FARTHEST = 40.0
"""Standard errors beyond which a limit is taken as infinite."""


def profile_interval(
    x: FloatArray,
    counts: FloatArray,
    column: int,
    *,
    prob: float = 0.95,
    link: LinkName = "logit",
) -> tuple[float, float]:
    """Slopes of one column of `x` that a likelihood ratio test does not reject.

    `counts` (c, J) are people, or weights that count people. A limit is infinite where the
    likelihood never falls far enough. Venzon & Moolgavkar (1988), Applied Statistics 37, 87-94.

    Raises
    ------
    NotEstimable
        If the full fit has no finite maximum.
    """
    fit = fit_ordinal(x, counts, link=link)
    drop = 2 * float(special.gammaincinv(0.5, prob))  # Quantile of the chi-square.
    centre, error = float(fit.slopes[column]), float(fit.std_errors[column])
    used = counts.sum(axis=1) > 0
    kept = counts[used][:, fit.present]
    others, held = np.delete(x[used], column, axis=1), x[used, column]
    problem, start, _ = standardised_problem(others, kept, link, ())

    def excess(slope: float) -> float:
        fixed = problem._replace(offset=slope * (held - held.mean())[:, None])
        try:
            point = maximise(fixed.point, start, float(kept.sum()), fixed.ordered).point
        except NotEstimable:
            return np.inf
        return 2 * (fit.log_likelihood - point.value) - drop

    def limit(step: float) -> float:
        inner, outer = centre, centre + 2 * step
        while excess(outer) < 0:
            inner, outer = outer, outer + 2 * (outer - centre)
            if abs(outer - centre) > _FARTHEST * abs(step):
                return float(np.copysign(np.inf, step))
        return float(optimize.brentq(excess, inner, outer, xtol=1e-10))

    return limit(-error), limit(error)
