"""Newton's method with step halving for concave log-likelihoods."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dposv

from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable

_MAX_ITERATIONS = 100
_MAX_HALVINGS = 60
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
    """Climb from `start` until both the gradient and the Newton step vanish.

    Parameters
    ----------
    evaluate
        Log-likelihood, gradient and information at parameters of order one.
    start
        Shape (p,).
    total
        Total weight, that the gradient is measured against.
    inside
        Whether parameters lie in the domain; the step is halved until they do.

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
        step = _newton_step(point)
        largest = float(np.abs(point.gradient).max(initial=0.0)) / total
        if largest <= _GRADIENT_TOLERANCE:
            _require_information(point.information, at_start)
            if float(np.abs(step).max(initial=0.0)) <= _STEP_TOLERANCE:
                found = Maximum(params, point, iteration, largest)
                return _polish(evaluate, inside, found, step, total)
        params, point = _halve(evaluate, inside, params, point, step)
    raise NotEstimable(f"the fit did not converge in {_MAX_ITERATIONS} iterations")


def _newton_step(point: Point) -> FloatArray:
    if not (np.isfinite(point.value) and np.isfinite(point.information).all()):
        raise NotEstimable("the fit left the range of floating point numbers")
    if not point.gradient.size:
        return point.gradient
    _, step, failed = dposv(point.information, point.gradient)
    if failed:
        raise NotEstimable("the information matrix is singular")
    return np.asarray(step)


def _require_information(information: FloatArray, at_start: FloatArray) -> None:
    """Refuse a maximum where the likelihood is flat in some direction beside the start.

    The difference is positive definite where every generalised eigenvalue is above the bound.
    """
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


def _polish(
    evaluate: Callable[[FloatArray], Point],
    inside: Callable[[FloatArray], bool],
    found: Maximum,
    step: FloatArray,
    total: float,
) -> Maximum:
    """One further Newton step, kept if it does not leave a larger gradient."""
    candidate = found.params + step
    if not inside(candidate):
        return found
    point = evaluate(candidate)
    largest = float(np.abs(point.gradient).max(initial=0.0)) / total
    if not largest <= found.max_gradient:
        return found
    return Maximum(candidate, point, found.iterations + 1, largest)


def supremum(evaluate: Callable[[FloatArray], Point], start: FloatArray) -> float:
    """Least upper bound of a log-likelihood whose maximum may lie at infinity.

    Parameters
    ----------
    evaluate
        Log-likelihood, gradient and information at parameters of order one.
    start
        Shape (p,), inside the domain.

    Raises
    ------
    NotEstimable
        If it still rises after the last iteration.

    Notes
    -----
    Newton steps with a little added to the diagonal of the information, which vanishes along
    directions of recession. A step there adds about one to the parameter and leaves 1/e of what
    the likelihood has yet to rise, so what is left at the end is of the order of the last gain.
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
