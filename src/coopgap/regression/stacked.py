"""Bias-reduced (CR2) covariance of standardised margins, from scores stacked with the fit's."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.gap import Margins
from coopgap.regression.clusters import centring, grouping, stratified_covariance, sum_by
from coopgap.regression.cumulative import CumulativeFit, cell_scores, score_products
from coopgap.regression.information import cluster_information
from coopgap.regression.leverage import Leverage, QuadraticForm, inverse_root, leverage
from coopgap.regression.predictions import Predictions, predicted_margins


class StackedScores(NamedTuple):
    """Scores of a fit and of its margins by cluster, in coordinates of unit information.

    `root` (p, r) takes scores there. `sums` (G, d), their `working` variance (G, d, d), what
    fitting takes from them, `fitted` (G, d, d), and the adjusted `weights` (G, d, 2J) of each
    cluster's scores in the margins.
    """

    root: FloatArray
    sums: FloatArray
    working: FloatArray
    fitted: FloatArray
    weights: FloatArray


def stacked_scores(
    fit: CumulativeFit,
    x: FloatArray,
    at: Predictions,
    counts: FloatArray,
    cluster: IntArray,
    *,
    fixed: bool = False,
) -> StackedScores:
    """Scores of `fit` and margins `at`; arguments of `cr2_margins`, clusters in their order."""
    groups = grouping(cluster, counts.sum(axis=1))
    shares = leverage(fit.bread, cluster_information(fit, x, counts, cluster))
    scores = groups.sums(cell_scores(fit, x, counts)) @ shares.root
    if fixed:
        weights = _fixed_weights(shares, at.gradient @ shares.root)
        return StackedScores(shares.root, scores, shares.share, shares.share, weights)
    moves = [score_products(fit, rows, shares.root) for rows in at.rows]
    each = at.each[:, :, None] * np.concatenate(moves, axis=1)
    return _stacked(at, shares, each, scores, groups.index[at.inside])


def cr2_margins(
    fit: CumulativeFit,
    x: FloatArray,
    at: Predictions,
    counts: FloatArray,
    cluster: IntArray,
    strata: IntArray | None,
    *,
    fixed: bool,
) -> Margins:
    """Margins `at` with CR2 covariance and Satterthwaite degrees of freedom.

    Parameters
    ----------
    fit, x, counts, cluster, strata, fixed
        As in `standardise`.
    at
        From `predict`.
    """
    groups = grouping(cluster, counts.sum(axis=1), strata)
    parts = stacked_scores(fit, x, at, counts, cluster, fixed=fixed)
    influence = _person_influence(fit, x, at, parts, groups.index, fixed=fixed)
    sums = groups.sums(np.einsum("cj,cjm->cm", counts, influence))
    form = QuadraticForm(
        weights=parts.weights,
        working=parts.working,
        fitted=parts.fitted,
        centre=centring(groups, corrected=groups.declared),
    )
    cov = stratified_covariance(sums, groups, corrected=groups.declared)
    return predicted_margins(at, cov, groups.df, form, influence)


def _person_influence(
    fit: CumulativeFit,
    x: FloatArray,
    at: Predictions,
    parts: StackedScores,
    index: IntArray,
    *,
    fixed: bool,
) -> FloatArray:
    """What a person of weight one moves the margins by, adjusted for the cluster, (c, J, 2J)."""
    slopes = parts.root @ parts.weights[:, : parts.root.shape[1]]
    influence = np.zeros((len(x), fit.present.size, at.margins.size))
    for number, directions in enumerate(slopes):
        here = index == number
        influence[here] = score_products(fit, x[here], directions)
    if not fixed:
        own = (at.each - at.margins) / at.total
        weights = parts.weights[index[at.inside], parts.root.shape[1] :]
        influence[at.inside] += np.einsum("tm,tmn->tn", own, weights)[:, None, :]
    return influence


def _fixed_weights(shares: Leverage, slope: FloatArray) -> FloatArray:
    """Weights of the clusters' scores in the margins, shape (G, r, 2J); slopes (2J, r)."""
    each = np.broadcast_to(slope[:, None, :], (len(slope), len(shares.share), slope.shape[1]))
    return np.asarray(shares.adjust(each).transpose(1, 2, 0))


def _stacked(
    at: Predictions, shares: Leverage, each: FloatArray, scores: FloatArray, index: IntArray
) -> StackedScores:
    """Scores, working variance, fitted part and adjusted weights of the stacked system.

    A function f(z) = (1 − z)^(−1/2) of the block triangular ((S, 0), (C, t)) has f(S) and f(t)
    on its diagonal and C f[S, t] below, f[s, t] the divided difference, which is
    1/(ab(a + b)) for a² = 1 − s, b² = 1 − t.
    """
    slope = at.gradient @ shares.root
    n, rank = scores.shape
    m = at.margins.size
    part = np.bincount(index, weights=at.share, minlength=n)
    away = at.share[:, None] * (at.each - at.margins)
    own = sum_by(index, away, n)
    lean = sum_by(index, at.share[:, None, None] * each, n)
    lean -= part[:, None, None] * slope
    spread = away.T @ (at.each - at.margins)
    working, fitted = np.zeros((2, n, rank + m, rank + m))
    # The margins' scores are kept divided by T: their working variance is T_g Σ/T².
    working[:, :rank, :rank] = fitted[:, :rank, :rank] = shares.share
    working[:, rank:, rank:] = part[:, None, None] * spread / at.total
    fitted[:, rank:, :rank] = -lean
    fitted[:, rank:, rank:] = part[:, None, None] * np.eye(m)
    a, b = inverse_root(1.0 - shares.values), inverse_root(1.0 - part)[:, None]
    both = (a > 0) & (b > 0)
    difference = np.where(both, a**2 * b**2 / np.where(both, a + b, 1.0), 0.0)
    below = shares.apply(difference, lean.transpose(1, 0, 2))
    weights = np.zeros((n, rank + m, m))
    weights[:, :rank] = _fixed_weights(shares, slope) - below.transpose(1, 2, 0)
    weights[:, rank:] = b[:, :, None] * np.eye(m)
    return StackedScores(shares.root, np.hstack([scores, own]), working, fitted, weights)
