"""Standardisation (g-computation) of a cumulative fit into the margins of both groups."""

from __future__ import annotations

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.gap import Margins
from coopgap.regression.covariance import CovarianceKind, require_kind, unit_covariance
from coopgap.regression.cumulative import CumulativeFit, score_products, unit_scores
from coopgap.regression.information import unit_information
from coopgap.regression.leverage import root
from coopgap.regression.predictions import Predictions, predict, predicted_margins
from coopgap.regression.stacked import cr2_margins


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
    fit
        From `fit_ordinal` on `x` and `counts`.
    x
        Shape (c, k): design rows.
    member_column
        Position of the membership indicator in `x`.
    target
        Shape (c,): 1 for cells whose people are standardised over, else 0. A cell enters with
        `target` times its sum of weights.
    counts, squares
        Shape (c, J): sums of weights and of squared weights.
    cluster
        Shape (c,), or None for independent people.
    fixed
        Take the covariates of the target as fixed. Without `kind` the model is taken as true as
        well: the delta method on the inverse information, for weights that count people, with
        infinite degrees of freedom. With `kind`, the delta method on that robust covariance.
    kind, strata, second, people
        As in `cluster_covariance`; CR1 with clusters and HC0 without if absent.

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
    Stefanski & Boos (2002), The calculus of M-estimation. The American Statistician 56, 29-38.
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
    found = unit_covariance(
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
    return predicted_margins(at, found.cov, found.df, None, influence)


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
    """Margins of both groups and what one person moves them by.

    Parameters
    ----------
    fit, x, member_column, target, counts, fixed
        As in `standardise`.
    squares
        Shape (c, J): sums of squared weights; given, scores are HC3's, without the person's pull
        on the fit.

    Returns
    -------
    margins : FloatArray
        Shape (2J,): members' distribution, then the comparison group's.
    influence : FloatArray
        Shape (c, J, 2J), of a person of weight one in cell c at level j. Two fits on the same
        cells have a joint covariance through it.

    Raises
    ------
    NotEstimable
        If no weight lies in the target.
    """
    at = predict(fit, x, member_column, target, counts)
    return at.margins, _influence(fit, x, at, target, counts, squares, fixed=fixed)


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
