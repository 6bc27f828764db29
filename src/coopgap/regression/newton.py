"""Newton's method with step halving for concave log-likelihoods: one sample, or many at once."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dposv

from coopgap.core.arrays import BoolArray, FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.regression.links import LINKS, Link, curvature, intervals
from coopgap.study.spec import LinkName

_MAX_ITERATIONS = 100
_MAX_HALVINGS = 60
_BATCH_ITERATIONS = 40
_GRADIENT_TOLERANCE = 1e-10
_STEP_TOLERANCE = 1e-7
_INFORMATION_LEFT = 1e-9
_RIDGE = 1e-9
_GAIN_LEFT = 1e-10


class Point(NamedTuple):
    """A log-likelihood with its gradient (p,) and its negative Hessian (p, p)."""

    value: float
    gradient: FloatArray
    information: FloatArray


class Maximum(NamedTuple):
    """Where the log-likelihood is largest; `max_gradient` is relative to the total weight."""

    params: FloatArray
    point: Point
    iterations: int
    max_gradient: float


def maximise(
    evaluate: Callable[[FloatArray], Point],
    start: FloatArray,
    total: float,
    inside: Callable[[FloatArray], bool] = lambda params: True,
) -> Maximum:
    """Climb from `start` (p,) until both the gradient and the Newton step vanish.

    Parameters are of order one; the gradient is measured against the total weight, and a step is
    halved until it is `inside` the domain and the likelihood does not fall.

    Raises
    ------
    NotEstimable
        If the information is singular or there is no convergence. Where a likelihood has its
        supremum at infinity the gradient vanishes and, beside that at the start, the information
        is lost in some direction; the climb ends there, before rounding leads it astray.
    """
    params, point = start, evaluate(start)
    at_start = point.information
    for iteration in range(1, _MAX_ITERATIONS + 1):
        step, largest = _newton_step(point), _largest(point.gradient) / total
        if largest <= _GRADIENT_TOLERANCE:
            _require_information(point.information, at_start)
            if _largest(step) <= _STEP_TOLERANCE:
                result = Maximum(params, point, iteration, largest)
                break
        params, point = _halve(evaluate, inside, params, point, step)
    else:
        raise NotEstimable(f"the fit did not converge in {_MAX_ITERATIONS} iterations")
    # One further step, kept if it does not leave a larger gradient.
    if inside(candidate := params + step):
        last = evaluate(candidate)
        if (left := _largest(last.gradient) / total) <= result.max_gradient:
            return Maximum(candidate, last, result.iterations + 1, left)
    return result


def _largest(values: FloatArray) -> float:
    return float(np.abs(values).max(initial=0.0))


def _newton_step(point: Point) -> FloatArray:
    if not (isfinite(point.value) and isfinite(float(point.information.sum()))):
        raise NotEstimable("the fit left the range of floating point numbers")
    if not point.gradient.size:
        return point.gradient
    _, step, failed = dposv(point.information, point.gradient)
    if failed:
        raise NotEstimable("the information matrix is singular")
    return np.asarray(step)


def _require_information(information: FloatArray, at_start: FloatArray) -> None:
    """Refuse a maximum where some generalised eigenvalue beside the start is below the bound."""
    try:
        np.linalg.cholesky(information - _INFORMATION_LEFT * at_start)
    except np.linalg.LinAlgError:
        raise NotEstimable("the likelihood rises without end: no finite estimate") from None


def _halve(
    evaluate: Callable[[FloatArray], Point],
    inside: Callable[[FloatArray], bool],
    params: FloatArray,
    point: Point,
    step: FloatArray,
) -> tuple[FloatArray, Point]:
    slack = 1e-12 * (abs(point.value) + 1.0)
    for _ in range(_MAX_HALVINGS):
        candidate = params + step
        if inside(candidate):
            reached = evaluate(candidate)
            if reached.value >= point.value - slack:
                return candidate, reached
        step = step / 2
    raise NotEstimable("no step raises the likelihood")


def supremum(evaluate: Callable[[FloatArray], Point], start: FloatArray) -> float:
    """Least upper bound of a log-likelihood whose maximum may lie at infinity.

    Newton steps with a little added to the diagonal of the information, which vanishes along
    directions of recession. A step there adds about one to the parameter and leaves 1/e of what the
    likelihood has yet to rise, so what is left at the end is of the order of the last gain.
    """
    params, point = start, evaluate(start)
    ridge = _RIDGE * float(np.trace(point.information)) / max(start.size, 1)
    for _ in range(_MAX_ITERATIONS):
        damped = point._replace(information=point.information + ridge * np.eye(start.size))
        before = point.value
        try:
            step = _newton_step(damped)
            params, point = _halve(evaluate, lambda at: True, params, point, step)
        except NotEstimable:
            return before
        if abs(point.value - before) <= _GAIN_LEFT * (abs(before) + 1.0):
            return point.value
    raise NotEstimable(f"the likelihood still rises after {_MAX_ITERATIONS} iterations")


class BatchFit(NamedTuple):
    """Estimates of B samples, shape (B, p): slopes, then thresholds; NaN where not `converged`."""

    params: FloatArray
    converged: BoolArray


class _State(NamedTuple):
    """Where each sample stands: (B, p), (B,), (B, p), (B, p, p)."""

    params: FloatArray
    value: FloatArray
    gradient: FloatArray
    information: FloatArray


def fit_batch(
    x: FloatArray, counts: FloatArray, start: FloatArray, link: LinkName = "logit"
) -> BatchFit:
    """Maximum likelihood of B weighted samples on the same design rows.

    `x` (n, k) are rows of order one without intercept, `counts` (B, n, J) sums of weights of
    samples that each have somebody at every level, `start` (p,) slopes and increasing thresholds
    near the answers. Steps and tolerances are those of `maximise`. The slope of a column that is
    zero for everybody with weight stays where it started.
    """
    chosen, total = LINKS[link], counts.sum(axis=(1, 2))
    pairs = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    params = np.full((len(counts), start.size), np.nan)
    converged = np.zeros(len(counts), dtype=np.bool_)
    active = np.arange(len(counts))
    state = _evaluate(x, pairs, counts, np.tile(start, (len(counts), 1)), chosen)
    for _ in range(_BATCH_ITERATIONS):
        step = _newton_steps(state)
        largest = np.abs(state.gradient).max(axis=1) / total[active]
        small = np.abs(step).max(axis=1) <= _STEP_TOLERANCE
        done = (largest <= _GRADIENT_TOLERANCE) & small
        params[active[done]] = (state.params + step)[done]
        converged[active[done]] = True
        going = ~done & np.isfinite(step).all(axis=1)
        active, step = active[going], step[going]
        if not active.size:
            break
        state = _State(*(part[going] for part in state))
        state, risen = _climb(x, pairs, counts[active], state, step, chosen)
        active, state = active[risen], _State(*(part[risen] for part in state))
    return BatchFit(params, converged)


def batch_probabilities(x: FloatArray, params: FloatArray, link: LinkName) -> FloatArray:
    """P(Y = j) of design rows (n, k) at parameters (B, p), shape (B, n, J)."""
    return np.asarray(np.exp(intervals(_cut_points(x, params), LINKS[link]).log_prob)).reshape(
        len(params), len(x), -1
    )


def _cut_points(x: FloatArray, params: FloatArray) -> FloatArray:
    """η, shape (B n, J − 1)."""
    k = x.shape[1]
    eta = params[:, None, k:] - (params[:, :k] @ x.T)[:, :, None]
    return np.asarray(eta.reshape(-1, eta.shape[2]))


def _evaluate(
    x: FloatArray, pairs: FloatArray, counts: FloatArray, params: FloatArray, link: Link
) -> _State:
    size, n, n_levels = counts.shape
    k, cuts = x.shape[1], n_levels - 1
    at = curvature(_cut_points(x, params), counts.reshape(-1, n_levels), link)
    value = at.value.reshape(size, -1).sum(axis=1)
    slope = at.slope.reshape(size, n, cuts)
    row = at.row_sums().reshape(size, n, cuts)
    gradient = np.hstack([-slope.sum(axis=2) @ x, slope.sum(axis=1)])
    information = np.zeros((size, k + cuts, k + cuts))
    information[:, :k, :k] = (row.sum(axis=2) @ pairs).reshape(size, k, k)
    information[:, :k, k:] = -(x.T @ row)
    information[:, k:, :k] = information[:, :k, k:].swapaxes(1, 2)
    level = k + np.arange(cuts)
    information[:, level, level] = at.diagonal.reshape(size, n, cuts).sum(axis=1)
    between = at.off.reshape(size, n, cuts - 1).sum(axis=1)
    information[:, level[:-1], level[1:]] = between
    information[:, level[1:], level[:-1]] = between
    return _State(params, value, gradient, information)


def _newton_steps(state: _State) -> FloatArray:
    """Newton steps, shape (B, p), NaN where the information is singular."""
    padded = _padded(state.information)
    finite = np.isfinite(padded).all(axis=(1, 2))
    step = np.full(state.params.shape, np.nan)
    try:
        step[finite] = np.linalg.solve(padded[finite], state.gradient[finite][..., None])[..., 0]
    except np.linalg.LinAlgError:
        for sample in np.flatnonzero(finite & (np.linalg.matrix_rank(padded) == padded.shape[1])):
            step[sample] = np.linalg.solve(padded[sample], state.gradient[sample])
    return step


def _climb(
    x: FloatArray,
    pairs: FloatArray,
    counts: FloatArray,
    state: _State,
    step: FloatArray,
    link: Link,
) -> tuple[_State, BoolArray]:
    """Take the steps, halved until thresholds rise and the likelihood does not fall."""
    k = x.shape[1]
    slack = 1e-12 * (np.abs(state.value) + 1.0)
    new = _State(*(part.copy() for part in state))
    waiting = np.arange(len(step))
    for _ in range(_MAX_HALVINGS):
        trial = state.params[waiting] + step[waiting]
        reached = _evaluate(x, pairs, counts[waiting], trial, link)
        with np.errstate(invalid="ignore"):
            good = reached.value >= state.value[waiting] - slack[waiting]
        good &= (np.diff(trial[:, k:], axis=1) > 0).all(axis=1)
        for mine, theirs in zip(new, reached, strict=True):
            mine[waiting[good]] = theirs[good]
        waiting = waiting[~good]
        if not waiting.size:
            break
        step = step / 2
    risen = np.ones(len(step), dtype=np.bool_)
    risen[waiting] = False
    return new, risen


def batch_information(
    x: FloatArray, counts: FloatArray, params: FloatArray, link: LinkName
) -> FloatArray:
    """Observed information of B samples at parameters (B, p), shape (B, p, p).

    A column that is zero for everybody with weight has a one on the diagonal.
    """
    pairs = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    result = _evaluate(x, pairs, counts, params, LINKS[link]).information
    return _padded(result)


def _padded(information: FloatArray) -> FloatArray:
    """A one on the diagonal where nothing is known of a parameter."""
    nothing = np.einsum("bpp->bp", information) == 0
    return np.asarray(information + np.eye(nothing.shape[1]) * nothing[:, None, :])
