"""Models that answers are imputed from: never infinite, with a draw of their parameters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import linalg
from scipy.spatial import KDTree
from scipy.special import expit, log_softmax, softmax

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.regression.newton import Point, maximise
from coopgap.regression.ordinal import standardised_problem

DONORS = 5
"""People among whom one gives the number."""

_RIDGE = 1e-5


class Augmented(NamedTuple):
    """Design rows (r, k) and weights by level (r, J), pseudo-people included."""

    x: FloatArray
    counts: FloatArray


class Fitted(NamedTuple):
    """Estimates (p,) with their information (p, p), in parameters of order one.

    `back`, shape (p, p), gives natural parameters: for the cumulative model slopes, then
    thresholds; for the multinomial one a row (intercept, slopes) for each level but the first.
    """

    params: FloatArray
    information: FloatArray
    back: FloatArray


def augment(x: FloatArray, answered: IntArray, level: IntArray, n_levels: int) -> Augmented:
    """Add pseudo-people, so that no estimate is infinite.

    `x`, shape (n, k), are design rows of everybody, without intercept or a constant column;
    `answered` the positions of people whose `level` is known; somebody has each of the J. For each
    column and level two people at the means of all columns, but half a standard deviation above and
    below in that column, within its range. All 2kJ together weigh k + 1 people.

    References
    ----------
    White, Daniel & Royston (2010), Computational Statistics & Data Analysis 54, 2267-2275.
    van Buuren & Groothuis-Oudshoorn (2011), mice. Journal of Statistical Software 45(3).
    """
    own = np.eye(n_levels)[level]
    k = x.shape[1]
    if not k:
        return Augmented(x[answered], own)
    mean, half = x.mean(axis=0), 0.5 * x.std(axis=0, ddof=1)
    low, high = x.min(axis=0), x.max(axis=0)
    ends = np.repeat(mean[None], 2 * k, axis=0)
    column = np.arange(k)
    ends[2 * column, column] = np.minimum(mean + half, high)
    ends[2 * column + 1, column] = np.maximum(mean - half, low)
    # Every level stands at every end, so one row with equal weights by level is all of them.
    share = np.full((2 * k, n_levels), (k + 1) / (2 * k * n_levels))
    return Augmented(np.vstack([x[answered], ends]), np.vstack([own, share]))


def fit_cumulative(data: Augmented) -> Fitted:
    """Proportional-odds logit of ordered levels; binary logit for two."""
    problem, start, back = standardised_problem(data.x, data.counts, "logit", ())
    top = maximise(problem.point, start, float(data.counts.sum()), problem.ordered)
    return Fitted(top.params, top.point.information, back)


def draw_cumulative(fitted: Fitted, cuts: int, rng: np.random.Generator) -> FloatArray:
    """One draw of natural parameters, shape (k + J − 1,), its J − 1 `cuts` in order.

    The normal approximation to the posterior under a flat prior, for slopes, the first threshold
    and the logarithms of the steps between thresholds; the latter keep thresholds in order.
    """
    move = _normal(fitted.information, rng)
    drawn = fitted.params + move
    at = drawn.size - cuts
    steps = np.diff(fitted.params[at:])
    steps = steps * np.exp(np.diff(move[at:]) / steps)
    drawn[at + 1 :] = drawn[at] + np.cumsum(steps)
    return fitted.back @ drawn


def cumulative_chances(params: FloatArray, x: FloatArray) -> FloatArray:
    """P(level ≤ j) for each design row and j below the highest, shape (r, J − 1)."""
    k = x.shape[1]
    return np.asarray(expit(params[k:] - (x @ params[:k])[:, None]))


def fit_multinomial(data: Augmented) -> Fitted:
    """Multinomial logit of unordered levels, the first as reference."""
    weight = data.counts.sum(axis=1)
    share = weight / weight.sum()
    centre = share @ data.x
    scale = np.sqrt(share @ (data.x - centre) ** 2)
    z = np.column_stack([np.ones(len(data.x)), (data.x - centre) / scale])
    others = data.counts.shape[1] - 1

    def evaluate(params: FloatArray) -> Point:
        eta = np.column_stack([np.zeros(len(z)), z @ params.reshape(others, -1).T])
        chance = softmax(eta, axis=1)[:, 1:]
        value = float((data.counts * log_softmax(eta, axis=1)).sum())
        gradient = (data.counts[:, 1:] - weight[:, None] * chance).T @ z
        # Blocks Σ w (p_a [a = b] − p_a p_b) z z'.
        information = np.empty((others, z.shape[1], others, z.shape[1]))
        for a in range(others):
            for b in range(a, others):
                middle = weight * chance[:, a] * (float(a == b) - chance[:, b])
                information[a, :, b] = (z * middle[:, None]).T @ z
                information[b, :, a] = information[a, :, b]
        return Point(value, gradient.ravel(), information.reshape(gradient.size, gradient.size))

    level = data.counts.sum(axis=0)
    start = np.zeros((others, z.shape[1]))
    start[:, 0] = np.log(level[1:] / level[0])
    top = maximise(evaluate, start.ravel(), float(weight.sum()))
    one = np.diag(np.concatenate([[1.0], 1 / scale]))
    one[0, 1:] = -centre / scale
    back = np.asarray(np.kron(np.eye(others), one), dtype=np.float64)
    return Fitted(top.params, top.point.information, back)


def draw_multinomial(fitted: Fitted, rng: np.random.Generator) -> FloatArray:
    """One draw of natural parameters, shape (p,), from the normal approximation."""
    return fitted.back @ (fitted.params + _normal(fitted.information, rng))


def multinomial_chances(params: FloatArray, x: FloatArray) -> FloatArray:
    """P(level ≤ j) for each design row and j below the highest, shape (r, J − 1)."""
    by_level = params.reshape(-1, x.shape[1] + 1)
    eta = by_level[:, 0] + x @ by_level[:, 1:].T
    chance = softmax(np.column_stack([np.zeros(len(x)), eta]), axis=1)
    return np.asarray(np.cumsum(chance, axis=1)[:, :-1])


def _normal(information: FloatArray, rng: np.random.Generator) -> FloatArray:
    """A normal draw with mean zero whose precision is `information`."""
    root = np.linalg.cholesky(information)
    return np.asarray(np.linalg.solve(root.T, rng.standard_normal(len(root))))


def nearest_donors(
    x: FloatArray, y: FloatArray, lacking: FloatArray, rng: np.random.Generator
) -> IntArray:
    """For each person who lacks a number, columns (q, k), the one of n people who gives it, (q,).

    `x`, shape (n, k), are columns of the people who answered, without a constant, `y` their
    numbers.

    Notes
    -----
    Linear regression with a ridge of 1e-5 of the diagonal; its residual variance and slopes are
    drawn from their posterior under a flat prior. Predictions of those who answered are by the
    estimated slopes, of the others by the drawn ones; one of the five nearest, and of all as near
    as the fifth, gives the number at random: with few levels many are predicted alike.

    References
    ----------
    Little (1988), Journal of Business & Economic Statistics 6, 287-296; van Buuren (2018),
    Flexible Imputation of Missing Data, 2nd ed., section 3.4, type 1 matching.
    """
    own, others = (np.column_stack([np.ones(len(one)), one]) for one in (x, lacking))
    cross = own.T @ own
    root = linalg.cholesky(cross + _RIDGE * np.diag(np.diag(cross)), lower=True)
    slopes = linalg.cho_solve((root, True), own.T @ y)
    rest = y - own @ slopes
    sigma = np.sqrt(rest @ rest / rng.chisquare(max(len(y) - own.shape[1], 1)))
    noise = linalg.solve_triangular(root, rng.standard_normal(slopes.size), lower=True, trans="T")
    predicted, drawn = own @ slopes, others @ (slopes + sigma * noise)
    order = np.argsort(predicted, kind="stable")
    near, k = KDTree(predicted[:, None]), min(DONORS, len(y))
    far = near.query(drawn[:, None], k=[k])[0][:, 0] * (1 + 1e-9) + 1e-9 * np.ptp(predicted)
    low = np.searchsorted(predicted[order], drawn - far, side="left")
    high = np.searchsorted(predicted[order], drawn + far, side="right")
    return np.asarray(order[rng.integers(low, high)])
