"""Standardisation (g-computation) of a cumulative fit into the margins of both groups."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Margins
from coopgap.regression.clusters import (
    CovarianceKind,
    Leverage,
    QuadraticForm,
    inverse_root,
    leverage,
    root,
    sum_by,
)
from coopgap.regression.covariance import joint_margins, mean_weights, without_oneself
from coopgap.regression.cumulative import (
    CumulativeFit,
    cluster_information,
    probabilities,
    score_products,
    summed_jacobian,
    unit_information,
    unit_scores,
)
from coopgap.regression.sampled import Sampled


def standardise(
    fit: CumulativeFit,
    x: FloatArray,
    member: int | tuple[FloatArray, FloatArray],
    target: FloatArray,
    counts: FloatArray,
    squares: FloatArray,
    sampled: Sampled | IntArray | None,
    *,
    fixed: bool = False,
    kind: CovarianceKind | None = None,
) -> Margins:
    """Outcome distribution of the target people as members and as comparison people.

    Parameters
    ----------
    fit, x
        From `fit_ordinal` on design rows `x`, shape (c, k), and `counts`.
    member
        Position of the membership indicator in `x`; or, where membership enters otherwise too, the
        design rows of every cell as members and as comparison people, shape (c, k) each.
    target
        Shape (c,): 1 for cells whose people are standardised over, else 0. A cell enters with
        `target` times its sum of weights.
    counts, squares, sampled, kind
        As in `cluster_covariance`.
    fixed
        Take the covariates of the target as fixed. Without `kind` the model is taken as true as
        well: the delta method on the inverse information, for weights that count people, with
        infinite degrees of freedom. With `kind`, the delta method on that robust covariance.

    Returns
    -------
    Margins
        By default from stacked scores, so that the target's covariates vary too; with clusters
        CR1 and G − 1 degrees of freedom, with CR2 Satterthwaite's for each contrast.

    Notes
    -----
    With T the weight of the target, p_c the predictions of cell c and m their mean, one person
    in cell c at level y moves the margins by target_c (p_c − m)/T + D B s_cy, D the mean
    gradient of the predictions, B the inverse information and s the person's score. For CR2 the
    scores of coefficients and margins are stacked; the information of cluster g is then
    ((Ω_g, 0), (−D_g, T_g I)) and its working variance diag(Ω_g, T_g Σ), Σ the variance of the
    predictions over the target.

    References
    ----------
    Stefanski & Boos (2002), The American Statistician 56, 29-38.
    Pustejovsky & Tipton (2018), J. Business & Economic Statistics 36, 672-683.
    """
    at = _predict(fit, x, member, target, counts)
    if fixed and kind is None:
        return joint_margins(at.margins, at.gradient @ fit.cov @ at.gradient.T, np.inf)
    sampled = Sampled.of(sampled)
    chosen = sampled.require_kind(kind)
    if chosen == "CR2":
        return _cr2_margins(fit, x, at, counts, sampled, fixed=fixed)
    influence = _influence(fit, x, at, counts, squares if chosen == "HC3" else None, fixed=fixed)
    n_params = root(fit.bread).shape[1]
    result = sampled.covariance(influence, counts, squares, kind=chosen, n_params=n_params)
    return joint_margins(at.margins, result.cov, result.df, influence)


def margin_influence(
    fit: CumulativeFit,
    x: FloatArray,
    member_column: int,
    target: FloatArray,
    counts: FloatArray,
    *,
    fixed: bool = False,
    squares: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Margins of both groups (2J,), and what one person of weight one moves them by, (c, J, 2J).

    Arguments of `standardise`; with `squares` scores are HC3's, without the person's pull on the
    fit. Two fits on the same cells have a joint covariance through it.
    """
    at = _predict(fit, x, member_column, target, counts)
    return at.margins, _influence(fit, x, at, counts, squares, fixed=fixed)


class _Predictions(NamedTuple):
    """Predictions of the target as members, then as comparison people; 2J columns.

    `inside` (c,) marks the t cells of the target, `share` (t,) is their share of its weight
    `total` and `own` (t,) what one person of weight one is of it; `each` is (t, 2J), `margins`
    (2J,) their mean with its derivatives `gradient` (2J, p). `rows` are the design rows of the
    target as members and as comparison.
    """

    inside: BoolArray
    share: FloatArray
    total: float
    own: FloatArray
    each: FloatArray
    rows: tuple[FloatArray, FloatArray]
    margins: FloatArray
    gradient: FloatArray


def _predict(
    fit: CumulativeFit,
    x: FloatArray,
    member: int | tuple[FloatArray, FloatArray],
    target: FloatArray,
    counts: FloatArray,
) -> _Predictions:
    """Predict for the target as members and as comparison people; arguments of `standardise`."""
    share = target * counts.sum(axis=1)
    total = float(share.sum())
    if not total > 0:
        raise NotEstimable("nobody to standardise over")
    inside = np.asarray(share > 0)
    share = share[inside] / total
    if isinstance(member, tuple):
        rows = member[0][inside], member[1][inside]
    else:
        rows = x[inside].copy(), x[inside].copy()
        for side, value in zip(rows, (1.0, 0.0), strict=True):
            side[:, member] = value
    each = np.hstack([probabilities(fit, side) for side in rows])
    return _Predictions(
        inside=inside,
        share=share,
        total=total,
        own=target[inside] / total,
        each=each,
        rows=rows,
        margins=share @ each,
        gradient=np.vstack([summed_jacobian(fit, side, share) for side in rows]),
    )


def _influence(
    fit: CumulativeFit,
    x: FloatArray,
    at: _Predictions,
    counts: FloatArray,
    squares: FloatArray | None,
    *,
    fixed: bool,
) -> FloatArray:
    """What a person of weight one moves the margins by; with `squares` as HC3 has it."""
    directions = (at.gradient @ fit.bread).T
    if squares is None:
        influence = score_products(fit, x, directions)
    else:
        scores, information = unit_scores(fit, x), unit_information(fit, x)
        weight = mean_weights(counts, squares)
        influence = without_oneself(fit.bread, scores, weight, information) @ directions
    if not fixed:
        themselves = np.zeros((len(x), at.margins.size))
        themselves[at.inside] = at.own[:, None] * (at.each - at.margins)
        influence += themselves[:, None, :]
    return np.asarray(influence)


def _cr2_margins(
    fit: CumulativeFit,
    x: FloatArray,
    at: _Predictions,
    counts: FloatArray,
    sampled: Sampled,
    *,
    fixed: bool,
) -> Margins:
    """Margins `at` with CR2 covariance and Satterthwaite degrees of freedom."""
    groups = sampled.groups(counts.sum(axis=1))
    shares = leverage(fit.bread, cluster_information(fit, x, counts, groups.index))
    rank = shares.root.shape[1]
    slope = (at.gradient @ shares.root)[:, None, :]
    alone = shares.adjust(np.broadcast_to(slope, (len(slope), groups.n, rank))).transpose(1, 2, 0)
    working, fitted, weights = shares.share, shares.share, alone
    if not fixed:
        moves = [score_products(fit, rows, shares.root) for rows in at.rows]
        each = at.each[:, :, None] * np.concatenate(moves, axis=1)
        working, fitted, weights = _stacked(at, shares, each, alone, groups.index[at.inside])
    influence = np.zeros((len(x), fit.present.size, at.margins.size))
    for number, directions in enumerate(shares.root @ weights[:, :rank]):
        rows = groups.index == number
        influence[rows] = score_products(fit, x[rows], directions)
    if not fixed:
        away = (at.each - at.margins) / at.total
        by_cluster = weights[groups.index[at.inside], rank:]
        influence[at.inside] += np.einsum("tm,tmn->tn", away, by_cluster)[:, None, :]
    sums = groups.sums(np.einsum("cj,cjm->cm", counts, influence))
    centre = groups.centre(corrected=groups.declared)
    form = QuadraticForm(weights=weights, working=working, fitted=fitted, centre=centre)
    cov = groups.covariance(sums, corrected=groups.declared)
    return joint_margins(at.margins, cov, groups.df, influence, form)


def _stacked(
    at: _Predictions, shares: Leverage, each: FloatArray, alone: FloatArray, index: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Working variance, what fitting takes from it, and weights in the margins, by cluster.

    Of scores of coefficients, in coordinates of unit information, and of margins: (G, d, d) twice
    and (G, d, 2J). `each` (t, 2J, r) are derivatives of the predictions, `alone` (G, r, 2J) the
    weights with covariates fixed. A function f(z) = (1 − z)^(−1/2) of the block triangular
    ((S, 0), (C, t)) has f(S) and f(t) on its diagonal and C f[S, t] below, f[s, t] the divided
    difference, which is 1/(ab(a + b)) for a² = 1 − s, b² = 1 − t.
    """
    n, rank, m = alone.shape
    part = np.bincount(index, weights=at.share, minlength=n)
    lean = sum_by(index, at.share[:, None, None] * each, n)
    lean -= part[:, None, None] * (at.gradient @ shares.root)
    away = at.each - at.margins
    working, fitted = np.zeros((2, n, rank + m, rank + m))
    # The margins' scores are kept divided by T: their working variance is T_g Σ/T².
    working[:, :rank, :rank] = fitted[:, :rank, :rank] = shares.share
    spread = (at.share[:, None] * away).T @ away
    working[:, rank:, rank:] = part[:, None, None] * spread / at.total
    fitted[:, rank:, :rank] = -lean
    fitted[:, rank:, rank:] = part[:, None, None] * np.eye(m)
    a, b = inverse_root(1.0 - shares.values), inverse_root(1.0 - part)[:, None]
    both = (a > 0) & (b > 0)
    difference = np.where(both, a**2 * b**2 / np.where(both, a + b, 1.0), 0.0)
    below = shares.apply(difference, lean.transpose(1, 0, 2))
    weights = np.zeros((n, rank + m, m))
    weights[:, :rank] = alone - below.transpose(1, 2, 0)
    weights[:, rank:] = b[:, :, None] * np.eye(m)
    return working, fitted, weights
