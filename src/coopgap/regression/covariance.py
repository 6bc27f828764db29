"""Robust covariance of estimates from scores on cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coopgap.arrays import FloatArray, IntArray
from coopgap.errors import NotEstimable
from coopgap.gap import cluster_sums

__all__ = ["CoefficientCovariance", "cluster_covariance", "unit_covariance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoefficientCovariance:
    """A covariance and where it comes from.

    Attributes
    ----------
    cov
        Shape (p, p).
    kind
        `cluster CR1` or `HC0`.
    n_clusters
        Clusters G; None without clusters.
    df
        Degrees of freedom for t intervals: G − 1, or infinity without clusters.
    """

    cov: FloatArray
    kind: str
    n_clusters: int | None
    df: float


def cluster_covariance(
    bread: FloatArray,
    unit_scores: FloatArray,
    counts: FloatArray,
    squares: FloatArray,
    cluster: IntArray | None,
) -> CoefficientCovariance:
    """Sandwich covariance of a weighted likelihood fit.

    Parameters
    ----------
    bread
        Shape (p, p): inverse of the weighted observed information.
    unit_scores
        Shape (c, J, p): score of one person of weight one.
    counts, squares
        Shape (c, J): sums of weights and of squared weights.
    cluster
        Shape (c,): cluster of each cell, or None for independent people.

    Returns
    -------
    CoefficientCovariance
        CR1: scores summed by cluster, times G/(G − 1), nothing for the number of parameters;
        `sandwich::vcovCL` and Stata do the same for maximum likelihood fits. Without clusters
        HC0, each person alone. Multiplying all weights by a constant changes nothing.

    Raises
    ------
    NotEstimable
        With fewer than two clusters. Two to five are returned; the caller decides.
    """
    influence = unit_scores @ bread
    return unit_covariance(influence, counts, squares, cluster)


def unit_covariance(
    influence: FloatArray, counts: FloatArray, squares: FloatArray, cluster: IntArray | None
) -> CoefficientCovariance:
    """Covariance of an estimate whose influence is `influence`, shape (c, J, q).

    Parameters
    ----------
    influence
        Contribution of one person of weight one to the estimate.
    counts, squares, cluster
        As in `cluster_covariance`.

    Raises
    ------
    NotEstimable
        With fewer than two clusters.
    """
    if cluster is None:
        flat = influence.reshape(-1, influence.shape[2])
        cov = (flat * squares.reshape(-1, 1)).T @ flat
        return CoefficientCovariance(cov=cov, kind="HC0", n_clusters=None, df=np.inf)
    occupied = counts.sum(axis=1) > 0
    cells = np.einsum("cj,cjq->cq", counts[occupied], influence[occupied])
    sums, factor, df = cluster_sums(cells, cluster[occupied])
    if len(sums) < 2:
        raise NotEstimable(f"{len(sums)} cluster gives no standard error")
    return CoefficientCovariance(
        cov=factor * sums.T @ sums, kind="cluster CR1", n_clusters=len(sums), df=df
    )
