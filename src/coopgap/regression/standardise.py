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
    centring,
    grouping,
    inverse_root,
    leverage,
    root,
    stratified_covariance,
    sum_by,
)
from coopgap.regression.covariance import require_kind, unit_covariance
from coopgap.regression.cumulative import (
    CumulativeFit,
    cell_scores,
    cluster_information,
    probabilities,
    score_products,
    summed_jacobian,
    unit_information,
    unit_scores,
)


def standardise(
    fit: CumulativeFit,
    x: FloatArray,
    member_column: int,
    target: FloatArray,
    counts: FloatArray,
    squares: FloatArray,
    cluster: IntArray | None,
    *,
    fixed: bool = False,
    kind: CovarianceKind | None = None,
    strata: IntArray | None = None,
    second: IntArray | None = None,
    people: IntArray | None = None,
) -> Margins:
    """Outcome distribution of the target people as members and as comparison people.

    Parameters
    ----------
    fit, x
        From `fit_ordinal` on design rows `x`, shape (c, k), and `counts`.
    member_column
        Position of the membership indicator in `x`.
    target
        Shape (c,): 1 for cells whose people are standardised over, else 0. A cell enters with
        `target` times its sum of weights.
    counts, squares, cluster, kind, strata, second, people
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

    Raises
    ------
    NotEstimable
        If no weight lies in the target, or there are too few clusters.
    ValueError
        If `kind`, `cluster`, `strata` and `second` do not go together.

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
    at = predict(fit, x, member_column, target, counts)
    if fixed and kind is None:
        return predicted_margins(at, at.gradient @ fit.cov @ at.gradient.T, np.inf, None, None)
    chosen = require_kind(kind, cluster, strata, second)
    if chosen == "CR2" and cluster is not None:
        return cr2_margins(fit, x, at, counts, cluster, strata, fixed=fixed)
    alone = squares if chosen == "HC3" else None
    influence = _influence(fit, x, at, target, counts, alone, fixed=fixed)
    result = unit_covariance(
        influence,
        counts,
        squares,
        cluster,
        kind=chosen,
        strata=strata,
        second=second,
        people=people,
        n_params=root(fit.bread).shape[1],
    )
    return predicted_margins(at, result.cov, result.df, None, influence)


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
    at = predict(fit, x, member_column, target, counts)
    return at.margins, _influence(fit, x, at, target, counts, squares, fixed=fixed)


class Predictions(NamedTuple):
    """Predictions of the target as members, then as comparison people; 2J columns.

    `inside`, shape (c,), marks the t cells of the target, `share`, shape (t,), their share of
    its weight `total`; `each` is (t, 2J), `margins` (2J,) their mean with its derivatives
    `gradient` (2J, p). `rows` are the design rows of the target as members and as comparison.
    """

    inside: BoolArray
    share: FloatArray
    total: float
    each: FloatArray
    rows: tuple[FloatArray, FloatArray]
    margins: FloatArray
    gradient: FloatArray


def predict(
    fit: CumulativeFit, x: FloatArray, member_column: int, target: FloatArray, counts: FloatArray
) -> Predictions:
    """Predict for the target as members and as comparison people; arguments of `standardise`."""
    share = target * counts.sum(axis=1)
    total = float(share.sum())
    if not total > 0:
        raise NotEstimable("nobody to standardise over")
    inside = np.asarray(share > 0)
    share = share[inside] / total
    rows = x[inside].copy(), x[inside].copy()
    for side, value in zip(rows, (1.0, 0.0), strict=True):
        side[:, member_column] = value
    each = np.hstack([probabilities(fit, side) for side in rows])
    return Predictions(
        inside=inside,
        share=share,
        total=total,
        each=each,
        rows=rows,
        margins=share @ each,
        gradient=np.vstack([summed_jacobian(fit, side, share) for side in rows]),
    )


def predicted_margins(
    at: Predictions,
    cov: FloatArray,
    df: float,
    form: QuadraticForm | None,
    influence: FloatArray | None,
) -> Margins:
    """The means of predictions with their covariance, and each contrast's own df if it has one."""
    n_levels = at.margins.size // 2
    return Margins(
        member=at.margins[:n_levels],
        comparison=at.margins[n_levels:],
        cov=cov,
        df=df,
        df_of=None if form is None else lambda contrast: float(form.df(contrast)),
        influence=influence,
    )


def _influence(
    fit: CumulativeFit,
    x: FloatArray,
    at: Predictions,
    target: FloatArray,
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
        influence = _without_oneself(fit, x, counts, squares) @ directions
    if not fixed:
        own = target[at.inside, None] * (at.each - at.margins) / at.total
        influence[at.inside] += own[:, None, :]
    return np.asarray(influence)


def _without_oneself(
    fit: CumulativeFit, x: FloatArray, counts: FloatArray, squares: FloatArray
) -> FloatArray:
    """(I − Ω_iB)⁻¹ s for one person i of a cell and level, each of their mean weight."""
    weight = np.divide(squares, counts, out=np.zeros_like(counts), where=counts > 0)
    own = weight[:, :, None, None] * unit_information(fit, x) @ fit.bread
    adjusted = np.linalg.solve(np.eye(len(fit.bread)) - own, unit_scores(fit, x)[..., None])
    return np.asarray(adjusted[..., 0])


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
    """Margins `at` with CR2 covariance and Satterthwaite degrees of freedom."""
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
