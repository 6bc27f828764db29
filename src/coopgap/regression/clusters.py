"""Sums of influence by cluster made a covariance: finite-sample factors, strata, two ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy import sparse

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.survey.cells import group_codes

type CovarianceKind = Literal["CR0", "CR1", "CR1S", "CR2", "HC0", "HC1", "HC3"]

CLUSTER_KINDS: Final = ("CR0", "CR1", "CR1S", "CR2")
PERSON_KINDS: Final = ("HC0", "HC1", "HC3")


def sum_by(index: IntArray, values: FloatArray, n: int) -> FloatArray:
    """Values, shape (c, ...), summed over those that share an index; shape (n, ...)."""
    picks = (np.ones(index.size), (index, np.arange(index.size)))
    collect = sparse.csr_array(picks, shape=(n, index.size))
    summed = collect @ values.reshape(index.size, -1)
    return np.asarray(summed).reshape(n, *values.shape[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """Which cluster each cell is in, and which stratum each cluster.

    Attributes
    ----------
    index
        Shape (c,): cluster of each cell, 0 to `n` - 1, -1 for cells without weight.
    n
        Clusters G that have weight.
    stratum
        Shape (G,): stratum of each cluster from 0; all 0 without strata.
    n_strata
        H; 1 without strata.
    declared
        Whether strata were given.
    """

    index: IntArray
    n: int
    stratum: IntArray
    n_strata: int
    declared: bool

    @property
    def df(self) -> float:
        """G − H."""
        return float(self.n - self.n_strata)

    def sums(self, cells: FloatArray) -> FloatArray:
        """Rows of `cells`, shape (c, q), summed by cluster, shape (G, q)."""
        used = self.index >= 0
        return sum_by(self.index[used], cells[used], self.n)


def grouping(cluster: IntArray, weight: FloatArray, strata: IntArray | None = None) -> Grouping:
    """Clusters that have weight, in increasing order.

    Parameters
    ----------
    cluster
        Shape (c,): cluster of each cell.
    weight
        Shape (c,): weight of each cell.
    strata
        Shape (c,): stratum of each cell; the same all over a cluster.

    Raises
    ------
    NotEstimable
        With fewer than two clusters, or fewer than two in a stratum.
    ValueError
        If a cluster lies in two strata.
    """
    used = weight > 0
    index = np.full(cluster.shape, -1, dtype=np.int64)
    _, index[used], first = _numbered(cluster[used])
    n = first.size
    if n < 2:
        raise NotEstimable(f"{n} cluster gives no standard error")
    if strata is None:
        return Grouping(
            index=index, n=n, stratum=np.zeros(n, dtype=np.int64), n_strata=1, declared=False
        )
    _, of_cell, _ = _numbered(strata[used])
    stratum = of_cell[first]
    if (stratum[index[used]] != of_cell).any():
        raise ValueError("a cluster lies in more than one stratum")
    sizes = np.bincount(stratum)
    if (sizes < 2).any():
        raise NotEstimable("a stratum with a single cluster gives no standard error")
    return Grouping(index=index, n=n, stratum=stratum, n_strata=sizes.size, declared=True)


def _numbered(codes: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    values, first, index = np.unique(codes, return_index=True, return_inverse=True)
    return values, index.astype(np.int64), first.astype(np.int64)


def intersection(first: IntArray, second: IntArray) -> IntArray:
    """One number from 0 for each combination of two ways of clustering, shape (c,)."""
    return group_codes([first, second])[1]


def centring(groups: Grouping, *, corrected: bool) -> FloatArray:
    """Symmetric B of shape (G, G): the covariance of a sum of rows q_g is qᵀBq.

    The identity without strata; with strata rows are centred within theirs. `corrected`
    multiplies by G_h/(G_h − 1) (without strata, G/(G − 1)).
    """
    sizes = np.bincount(groups.stratum)
    factor = sizes / (sizes - 1) if corrected else np.ones(sizes.size)
    each = np.eye(groups.n)
    if groups.declared:
        together = groups.stratum[:, None] == groups.stratum
        each = each - together / sizes[groups.stratum][:, None]
    return np.asarray(each * factor[groups.stratum][:, None])


def stratified_covariance(
    sums: FloatArray, groups: Grouping, *, corrected: bool = True
) -> FloatArray:
    """Covariance of Σ_g `sums`_g, shape (G, q), by clusters within strata: shape (q, q).

    Parameters
    ----------
    sums
        Contribution of each cluster to the estimates.
    groups
        The clusters; with strata, rows are centred within them first.
    corrected
        Multiply stratum h by G_h/(G_h − 1), without strata by G/(G − 1).
    """
    sizes = np.bincount(groups.stratum)
    if groups.declared:
        mean = sum_by(groups.stratum, sums, groups.n_strata) / sizes[:, None]
        sums = sums - mean[groups.stratum]
    factor = (sizes / (sizes - 1))[groups.stratum] if corrected else np.ones(groups.n)
    return np.asarray((factor[:, None] * sums).T @ sums)


def two_way(first: FloatArray, second: FloatArray, both: FloatArray) -> tuple[FloatArray, bool]:
    """First + second − intersection, negative eigenvalues set to zero.

    Returns
    -------
    cov : FloatArray
        Shape (q, q).
    zeroed : bool
        Whether an eigenvalue was negative beyond rounding.

    References
    ----------
    Cameron, Gelbach & Miller (2011), Robust inference with multiway clustering. Journal of
    Business & Economic Statistics 29, 238-249.
    """
    cov = first + second - both
    values, vectors = np.linalg.eigh((cov + cov.T) / 2)
    if values.size == 0 or values[0] >= -1e-12 * max(float(values[-1]), 0.0):
        return cov, False
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T), True
