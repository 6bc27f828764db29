"""Gaps of many tables of cells by group and outcome level, and what one person moves them by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.gap import Contrast
from coopgap.core.vocabulary import Quantity
from coopgap.regression.links import LINKS, intervals
from coopgap.regression.newton import batch_information, fit_batch
from coopgap.study.spec import LinkName


class TableGaps(NamedTuple):
    """Estimates, shape (B,), and what a person of weight one moves them by, (B, 2D, J)."""

    estimate: FloatArray
    influence: FloatArray


def table_gaps(
    x: FloatArray,
    weighted: FloatArray,
    targets: FloatArray,
    start: FloatArray,
    contrast: Contrast,
    link: LinkName,
) -> TableGaps:
    """Fit, standardise, and stack the scores, as `coopgap.regression.standardise` does for one.

    Parameters
    ----------
    x
        Shape (2D, 1 + k): membership, then covariates; the D design cells of comparison people,
        then the same of members.
    weighted
        Shape (B, 2D, J): sums of weights.
    targets
        Shape (B, 2D): what a row's people count for in the population standardised over.
    start
        Shape (p,): parameters near the answers.
    contrast
        A risk difference or superiority.
    link
        As in `fit_ordinal`.

    Notes
    -----
    With q = share · gradient · P, the estimate moves with the parameters by the sum of q times the
    score of a person at each row and level.
    """
    half = len(x) // 2
    share = targets * weighted.sum(axis=2)
    empty = ~(share.sum(axis=1) > 0)
    # Ones in place of nobody: the fit goes through, and its numbers are left out.
    weighted = np.where(empty[:, None, None], 1.0, weighted)
    fit = fit_batch(x, weighted, start, link)
    params = np.where(fit.converged[:, None], fit.params, start)
    k = x.shape[1]
    eta = params[:, None, k:] - (params[:, :k] @ x.T)[:, :, None]
    at = intervals(eta.reshape(-1, eta.shape[2]), LINKS[link])
    shape = (*weighted.shape[:2], -1)
    probability = np.exp(at.log_prob).reshape(shape)
    below, above = at.below.reshape(shape), at.above.reshape(shape)
    total = share.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cells = (share[:, :half] + share[:, half:]) / total[:, None]
        member = np.einsum("bd,bdj->bj", cells, probability[:, half:])
        comparison = np.einsum("bd,bdj->bj", cells, probability[:, :half])
        estimate, of_member, of_comparison = _contrast(contrast, member, comparison)
        gradient = np.concatenate(
            [
                np.broadcast_to(g[:, None], (*cells.shape, g.shape[1]))
                for g in (of_comparison, of_member)
            ],
            axis=1,
        )
        pull = gradient * probability
        q = np.tile(cells, 2)[:, :, None] * pull
        score = np.zeros_like(probability)
        score[:, :, :-1] += below
        score[:, :, 1:] -= above
        by_slope = -((q * score).sum(axis=2) @ x)
        by_threshold = (q[:, :, :-1] * below - q[:, :, 1:] * above).sum(axis=1)
        information = batch_information(x, weighted, params, link)
        step = _solved(information, np.hstack([by_slope, by_threshold]))
        influence = -(step[:, :k] @ x.T)[:, :, None] * score
        influence[:, :, :-1] += step[:, None, k:] * below
        influence[:, :, 1:] -= step[:, None, k:] * above
        each = pull.sum(axis=2)
        each = each[:, :half] + each[:, half:]
        own = targets * np.tile(each - (cells * each).sum(axis=1)[:, None], 2) / total[:, None]
    lost = ~fit.converged | empty
    return TableGaps(np.where(lost, np.nan, estimate), influence + own[:, :, None])


def _solved(information: FloatArray, right: FloatArray) -> FloatArray:
    """Information⁻¹ times the gradient, NaN where it is singular."""
    found = np.full(right.shape, np.nan)
    for b, (matrix, vector) in enumerate(zip(information, right, strict=True)):
        if np.isfinite(matrix).all() and np.isfinite(vector).all():
            try:
                found[b] = np.linalg.solve(matrix, vector)
            except np.linalg.LinAlgError:
                continue
    return found


def _contrast(
    contrast: Contrast, member: FloatArray, comparison: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Value (B,) and gradients (B, J) of a risk difference or superiority."""
    if contrast.quantity is Quantity.SUPERIORITY:
        below = np.cumsum(comparison, axis=1) - comparison / 2
        above = np.cumsum(member[:, ::-1], axis=1)[:, ::-1] - member / 2
        return (member * below).sum(axis=1), below, above
    marker = np.zeros_like(member)
    marker[:, contrast.level :] = 1.0
    return ((member - comparison) * marker).sum(axis=1), marker, -marker
