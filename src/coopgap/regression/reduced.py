"""Bias-reduced cumulative link models: finite where maximum likelihood is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.regression.cumulative import CumulativeFit, intervals
from coopgap.regression.ordinal import Problem, natural_fit, standardised_problem
from coopgap.regression.rank import require_full_rank
from coopgap.study.spec import LinkName

_MAX_ITERATIONS = 500
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
    """Solve the bias-reducing adjusted score equations of a cumulative link model.

    Parameters
    ----------
    x, counts, link, terms, free
        As in `fit_ordinal`.
    people
        Shape (c, J): unweighted people. Weights are brought to their number, so that a constant
        factor changes nothing; without it they count as people.

    Returns
    -------
    CumulativeFit
        With `bias_reduced` set; `cov` is the inverse of the expected information there.

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
    this is Firth's penalised likelihood.

    References
    ----------
    Kosmidis (2014), Improved estimation in cumulative link models. JRSS B 76, 169-196.
    Firth (1993), Biometrika 80, 27-38.
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
        link=link,
        free=tuple(free),
        log_likelihood=problem.point(params).value / scale,
        n_obs=round(float(counts.sum())) if people is None else int(people.sum()),
        iterations=iterations,
        max_gradient=float(np.abs(at.score).max(initial=0.0)) / float(problem.counts.sum()),
        step=np.linalg.solve(at.information, at.score),
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
    for iteration in range(1, _MAX_ITERATIONS + 1):
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
    shift = np.hstack([edge, weight * bend * _leverage(problem, inverse) / 2, edge])
    counts = problem.counts + np.diff(shift, axis=1)
    score = problem._replace(counts=counts).point(params).gradient
    if not np.isfinite(score).all():
        return None
    return _Adjusted(score, information, float(score @ inverse @ score))


def _leverage(problem: Problem, inverse: FloatArray) -> FloatArray:
    """z_cj'I⁻¹z_cj, shape (c, J − 1)."""
    (c, k), q = problem.x.shape, problem.sides.shape[1]
    cuts = problem.counts.shape[1] - 1
    result = np.empty((c, cuts))
    for cut in range(cuts):
        columns = np.concatenate([np.arange(k), k + cut + cuts * np.arange(q)])
        z = np.column_stack([-problem.x, problem.sides])
        result[:, cut] = ((z @ inverse[np.ix_(columns, columns)]) * z).sum(axis=1)
    return result
