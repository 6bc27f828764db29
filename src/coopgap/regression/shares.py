"""Raw shares of both groups with bias-reduced (CR2) covariance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.linalg import block_diag

from coopgap.arrays import BoolArray, FloatArray, IntArray
from coopgap.errors import NotEstimable
from coopgap.gap import Margins, share_margins
from coopgap.regression.clusters import sum_by
from coopgap.regression.leverage import QuadraticForm, inverse_root

__all__ = ["cr2_share_margins"]


def cr2_share_margins(
    outcome: IntArray, member: BoolArray, weight: FloatArray, n_levels: int, cluster: IntArray
) -> Margins:
    """Weighted outcome shares of each group, CR2 and Satterthwaite degrees of freedom.

    Parameters
    ----------
    outcome, member, weight, n_levels, cluster
        As in `share_margins`; here clusters are needed.

    Returns
    -------
    Margins
        With `df_of`: degrees of freedom of each contrast.

    Raises
    ------
    NotEstimable
        With fewer than two clusters.

    Notes
    -----
    The shares are weighted least squares on two group dummies: a cluster that holds the share h
    of a group's weight has its residuals there multiplied by (1 − h)^(−1/2). The working variance
    of one person of weight w is Σ/w, Σ the multinomial variance of the group. In two levels all
    this is CR2 of a saturated logit.

    References
    ----------
    Bell & McCaffrey (2002), Survey Methodology 28, 169-181.
    """
    plain = share_margins(outcome, member, weight, n_levels, cluster)
    _, index = np.unique(cluster, return_inverse=True)
    n = int(index.max(initial=-1)) + 1
    if n < 2:
        raise NotEstimable(f"{n} cluster gives no standard error")
    answers = np.eye(n_levels)[outcome]
    parts, sums, scales, working = [], [], [], []
    for side, shares in ((member, plain.member), (~member, plain.comparison)):
        own = weight * side
        part = np.bincount(index, own, minlength=n) / own.sum()
        parts.append(part)
        sums.append(sum_by(index, (own / own.sum())[:, None] * (answers - shares), n))
        scales.append(inverse_root(1.0 - part))
        working.append((np.diag(shares) - np.outer(shares, shares)) / own.sum())
    each = np.eye(n_levels)
    weights = _blocks(scales[0], scales[1], each, each)
    influence = np.einsum("gd,gdm->gm", np.hstack(sums), weights)
    form = QuadraticForm(
        weights=weights,
        working=_blocks(parts[0], parts[1], *working),
        fitted=_blocks(parts[0], parts[1], each, each),
        centre=np.eye(n),
    )
    return replace(
        plain,
        cov=influence.T @ influence,
        df_of=lambda contrast: float(form.df(contrast)),
    )


def _blocks(
    first: FloatArray, second: FloatArray, one: FloatArray, other: FloatArray
) -> FloatArray:
    """A block for members and one for comparison people in each cluster, shape (G, 2J, 2J)."""
    pairs = zip(first, second, strict=True)
    return np.array([block_diag(a * one, b * other) for a, b in pairs])
