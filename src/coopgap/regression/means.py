"""Weighted means of several numbers a person, with their covariance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.gap import cluster_sums
from coopgap.regression.clusters import sum_by
from coopgap.regression.leverage import QuadraticForm, inverse_root


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """Covariance of q weighted means.

    Attributes
    ----------
    cov
        Shape (q, q).
    df
        Degrees of freedom where they are the same for every contrast.
    df_of
        Degrees of freedom of a contrast, shape (q,); None where `df` holds for all.
    """

    cov: FloatArray
    df: float
    df_of: Callable[[FloatArray], float] | None


def mean_covariance(
    centred: FloatArray, weight: FloatArray, cluster: IntArray | None, *, reduced: bool
) -> Means:
    """Covariance of weighted means, from residuals.

    Parameters
    ----------
    centred
        Shape (n, q): each person's numbers less what they are compared with, a mean or a fitted
        value; their weighted sum is zero.
    weight
        Shape (n,): positive.
    cluster
        Shape (n,), or None for independent people (HC0).
    reduced
        CR2 with Satterthwaite's degrees of freedom in place of CR1 with G − 1.

    Notes
    -----
    CR2 of a mean: a cluster that holds the share h of the weight has its sum multiplied by
    (1 − h)^(−1/2), under a working variance in which people are independent and alike.

    References
    ----------
    Bell & McCaffrey (2002), Survey Methodology 28, 169-181.
    """
    q = weight / weight.sum()
    unit = centred * q[:, None]
    if cluster is None or not reduced:
        sums, factor, df = cluster_sums(unit, cluster)
        return Means(cov=factor * sums.T @ sums, df=df, df_of=None)
    _, index = np.unique(cluster, return_inverse=True)
    n = int(index.max(initial=-1)) + 1
    part = np.bincount(index, q, minlength=n)
    each = np.eye(centred.shape[1])
    weights = inverse_root(1.0 - part)[:, None, None] * each
    influence = np.einsum("gd,gdm->gm", sum_by(index, unit, n), weights)
    form = QuadraticForm(
        weights=weights,
        working=part[:, None, None] * ((centred * q[:, None]).T @ centred),
        fitted=part[:, None, None] * each,
        centre=np.eye(n),
    )
    return Means(cov=influence.T @ influence, df=n - 1.0, df_of=lambda c: float(form.df(c)))
