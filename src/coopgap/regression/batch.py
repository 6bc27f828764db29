"""Cumulative link fits of many samples that share their design rows, in one pass of Newton."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray
from coopgap.regression.cumulative import curvature, intervals
from coopgap.regression.links import LINKS, Link
from coopgap.study.spec import LinkName

_MAX_ITERATIONS = 40
_MAX_HALVINGS = 40
_GRADIENT_TOLERANCE = 1e-10
_STEP_TOLERANCE = 1e-7


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

    Parameters
    ----------
    x
        Shape (n, k): design rows of order one, without intercept.
    counts
        Shape (B, n, J): sum of weights of each sample; each has somebody at every level.
    start
        Shape (p,): slopes and increasing thresholds, near the answers.
    link
        As in `fit_ordinal`.

    Returns
    -------
    BatchFit
        Not converged where a maximum is not finite or columns depend on each other. The slope of
        a column that is zero for everybody with weight stays where it started.

    Notes
    -----
    The steps and tolerances are those of `fit_ordinal`, so that one sample gives its answer.
    """
    chosen, total = LINKS[link], counts.sum(axis=(1, 2))
    pairs = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    params = np.full((len(counts), start.size), np.nan)
    converged = np.zeros(len(counts), dtype=np.bool_)
    active = np.arange(len(counts))
    state = _evaluate(x, pairs, counts, np.tile(start, (len(counts), 1)), chosen)
    for _ in range(_MAX_ITERATIONS):
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
    diagonal = np.einsum("bpp->bp", state.information)
    padded = state.information + np.eye(diagonal.shape[1]) * (diagonal == 0)[:, None, :]
    finite = np.isfinite(padded).all(axis=(1, 2))
    step = np.full(state.params.shape, np.nan)
    try:
        step[finite] = np.linalg.solve(padded[finite], state.gradient[finite][..., None])[..., 0]
    except np.linalg.LinAlgError:
        for one in np.flatnonzero(finite & (np.linalg.matrix_rank(padded) == padded.shape[1])):
            step[one] = np.linalg.solve(padded[one], state.gradient[one])
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
    found = _evaluate(x, pairs, counts, params, LINKS[link]).information
    diagonal = np.einsum("bpp->bp", found)
    return np.asarray(found + np.eye(found.shape[1]) * (diagonal == 0)[:, None, :])
