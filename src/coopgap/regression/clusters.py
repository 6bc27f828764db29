"""Clusters and strata, sums by cluster made a covariance, and the algebra of CR2.

CR2 and Satterthwaite's degrees of freedom of any M-estimator are computed in coordinates in which
the total information is the identity: with V = RRᵀ the inverse total information and Ω_g that of
cluster g, S_g = RᵀΩ_gR is symmetric, S sums to the identity, and functions of Ω_gV become
functions of S_g.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import scipy

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.survey.cells import group_codes
from coopgap.survey.drawn import Stage

type CovarianceKind = Literal["CR0", "CR1", "CR1S", "CR2", "HC0", "HC1", "HC3"]
CLUSTER_KINDS: Final = ("CR0", "CR1", "CR1S", "CR2")
PERSON_KINDS: Final = ("HC0", "HC1", "HC3")
_RANK_TOLERANCE = 1e-11
_SINGULAR = 1e-10


def sum_by(index: IntArray, values: FloatArray, n: int) -> FloatArray:
    """Values, shape (c, ...), summed over those that share an index; shape (n, ...)."""
    picks = (np.ones(index.size), index, np.arange(index.size + 1))
    collect = scipy.sparse.csc_array(picks, shape=(n, index.size))
    summed = collect @ values.reshape(index.size, -1)
    return np.asarray(summed).reshape(n, *values.shape[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """Which cluster each cell is in, and how the clusters were drawn.

    `index` (c,) is the cluster of each cell, 0 to `n` - 1, -1 for cells without weight. `stage`
    says how clusters were drawn within strata, and `stratum` (G,) has that of each; without a
    declared design it is None and all strata are 0.
    """

    index: IntArray
    n: int
    stratum: IntArray
    stage: Stage | None = None

    @property
    def df(self) -> float:
        """G − 1; of a declared design G − H, as drawn."""
        return float(self.n - 1) if self.stage is None else self.stage.df

    @property
    def declared(self) -> bool:
        """Whether a design is declared."""
        return self.stage is not None

    def sums(self, cells: FloatArray) -> FloatArray:
        """Rows of `cells`, shape (c, q), summed by cluster, shape (G, q)."""
        used = self.index >= 0
        return sum_by(self.index[used], cells[used], self.n)

    def covariance(self, sums: FloatArray, *, corrected: bool = True) -> FloatArray:
        """Covariance of Σ_g `sums`_g, shape (G, q), by clusters within strata: shape (q, q).

        `corrected` multiplies by G/(G − 1); of a declared design as in `stage_covariance`.
        """
        if self.stage is not None:
            one = np.ones(self.n)
            return stage_covariance(sums, one, one, self.stratum, self.stage, corrected=corrected)
        factor = self.n / (self.n - 1) if corrected else 1.0
        return np.asarray((factor * sums).T @ sums)

    def centre(self, *, corrected: bool) -> FloatArray:
        """Symmetric B of shape (G, G): `covariance` of rows q_g is qᵀBq."""
        if self.stage is None:
            return np.eye(self.n) * (self.n / (self.n - 1) if corrected else 1.0)
        scale, taken = self.stage.factors(corrected=corrected)
        together = self.stratum[:, None] == self.stratum
        off = np.where(together, taken[self.stratum], 0.0)
        return np.asarray(np.diag(scale[self.stratum]) - off)


def grouping(
    cluster: IntArray,
    weight: FloatArray,
    stratum: IntArray | None = None,
    stage: Stage | None = None,
) -> Grouping:
    """Clusters (c,) that have weight, in increasing order, and how they were drawn in strata (c,).

    Raises
    ------
    NotEstimable
        With fewer than two clusters.
    ValueError
        If a cluster lies in two strata.
    """
    used = weight > 0
    index = np.full(cluster.shape, -1, dtype=np.int64)
    _, first, index[used] = np.unique(cluster[used], return_index=True, return_inverse=True)
    n = first.size
    if n < 2:
        raise NotEstimable(f"{n} cluster gives no standard error")
    if stratum is None:
        return Grouping(index=index, n=n, stratum=np.zeros(n, dtype=np.int64))
    of_cluster = stratum[used][first]
    if (of_cluster[index[used]] != stratum[used]).any():
        raise ValueError("a cluster lies in more than one stratum")
    return Grouping(index=index, n=n, stratum=of_cluster, stage=stage)


def stage_covariance(
    rows: FloatArray,
    square: FloatArray,
    total: FloatArray,
    parent: IntArray,
    stage: Stage,
    *,
    corrected: bool = True,
) -> FloatArray:
    """Variance of a total that one stage of sampling adds, by Taylor linearisation: shape (q, q).

    Parameters
    ----------
    rows
        Shape (m, q): contributions z to a linearised estimate; row i stands for units with Σz² =
        `square`_i rows_i², Σz = `total`_i rows_i. Units drawn that have none contribute zero.
    square, total, parent
        Shape (m,): the sums, and the parent of `stage` that the units were drawn in.

    Notes
    -----
    Σ_h (1 − f_h) n_h/(n_h − 1) Σ_i (z_hi − z̄_h)(z_hi − z̄_h)', n_h and the mean over all units as
    drawn. With two stages the variances add up, the second's times the fraction of the first.

    References
    ----------
    Särndal, Swensson & Wretman (1992), Model Assisted Survey Sampling, section 4.3.
    Lumley (2010), Complex Surveys, section 2.2, for its form in R's `survey`.
    """
    scale, taken = stage.factors(corrected=corrected)
    held = sum_by(parent, total[:, None] * rows, stage.n.size)
    squares = ((scale[parent] * square)[:, None] * rows).T @ rows
    return np.asarray(squares - (taken[:, None] * held).T @ held)


def intersection(first: IntArray, second: IntArray) -> IntArray:
    """One number from 0 for each combination of two ways of clustering, shape (c,)."""
    return group_codes([first, second])[1]


def two_way(first: FloatArray, second: FloatArray, both: FloatArray) -> tuple[FloatArray, bool]:
    """First + second − intersection, and whether an eigenvalue was negative beyond rounding.

    Negative eigenvalues are set to zero. Cameron, Gelbach & Miller (2011), J. Business & Economic
    Statistics 29, 238-249.
    """
    cov = first + second - both
    values, vectors = np.linalg.eigh((cov + cov.T) / 2)
    if values.size == 0 or values[0] >= -1e-12 * max(float(values[-1]), 0.0):
        return cov, False
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T), True


def root(bread: FloatArray) -> FloatArray:
    """R of shape (p, r) with RRᵀ = `bread`, shape (p, p), of rank r.

    Rows and columns of parameters that nobody informs (all zero) stay out. Scaled to unit
    diagonal first, so that the units of a column do not decide on the rank.
    """
    scale = np.sqrt(np.maximum(np.diag(bread), 0.0))
    safe = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(bread / np.outer(safe, safe))
    kept = values > _RANK_TOLERANCE * max(float(values.max(initial=0.0)), 1e-300)
    return np.asarray(safe[:, None] * vectors[:, kept] * np.sqrt(values[kept]))


def inverse_root(left: FloatArray) -> FloatArray:
    """1/√left where something is left, else 0: the generalised inverse root of 1 − leverage."""
    some = left > _SINGULAR
    return np.where(some, 1.0 / np.sqrt(np.where(some, left, 1.0)), 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leverage:
    """Share of each cluster in the information, from `bread` and cluster informations.

    `root` (p, r) is R, `share` (G, r, r) S_g, `values` (G, r) and `vectors` (G, r, r) its
    eigenvalues and eigenvectors.
    """

    root: FloatArray
    share: FloatArray
    values: FloatArray
    vectors: FloatArray

    def adjust(self, sums: FloatArray) -> FloatArray:
        """(I − S_g)^(−1/2) applied to row g of `sums`, shape (G, r) or (q, G, r)."""
        return self.apply(inverse_root(1.0 - self.values), sums)

    def apply(self, factors: FloatArray, sums: FloatArray) -> FloatArray:
        """Function of S_g, given by its values `factors` (G, r), applied to row g of `sums`."""
        turned = np.einsum("gab,...ga->...gb", self.vectors, sums)
        return np.asarray(np.einsum("gab,...gb->...ga", self.vectors, turned * factors))


def leverage(bread: FloatArray, information: FloatArray) -> Leverage:
    """Leverage of clusters with `information` (G, p, p), `bread` the inverse of its total."""
    half = root(bread)
    share = half.T @ information @ half
    share = (share + share.swapaxes(1, 2)) / 2
    values, vectors = np.linalg.eigh(share)
    return Leverage(root=half, share=share, values=values, vectors=vectors)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuadraticForm:
    """What a variance estimate's degrees of freedom are made of.

    The estimate of the variance of c'b is Σ_g q_g², q_g = k_gᵀ(z_g − M_g Σ_h z_h), where the z_g
    are independent with working variance W_g: P = Cov(q) and df = tr(P)²/tr(P²). `weights` (G, d,
    m) give k_g = weights_g @ c, `working` (G, d, d) is W_g, `fitted` (G, d, d) M_g. With `centre`
    (G, G), symmetric, the estimate is qᵀ·centre·q; it is the identity without a declared design.
    """

    weights: FloatArray
    working: FloatArray
    fitted: FloatArray
    centre: FloatArray

    def df(self, contrasts: FloatArray) -> FloatArray:
        """Satterthwaite degrees of freedom of contrasts (m,) or (q, m); NaN for no variance.

        Bell & McCaffrey (2002), Survey Methodology 28, 169-181; Pustejovsky & Tipton (2018), J.
        Business & Economic Statistics 36, 672-683.
        """
        rows = np.atleast_2d(contrasts)
        result = np.array([self._df(row) for row in rows])
        return result if contrasts.ndim == 2 else np.asarray(result[0])

    def _df(self, contrast: FloatArray) -> float:
        k = self.weights @ contrast
        spread = np.einsum("gde,ge->gd", self.working, k)
        moved = np.einsum("gde,gd->ge", self.fitted, k)
        cross = spread @ moved.T
        p = np.diag(np.einsum("gd,gd->g", k, spread)) - cross - cross.T
        p += moved @ self.working.sum(axis=0) @ moved.T
        p = self.centre @ p
        trace, square = float(np.trace(p)), float((p * p.T).sum())
        return trace**2 / square if square > 0 else float("nan")
