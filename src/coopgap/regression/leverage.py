"""Bias-reduced cluster scores (CR2) and Satterthwaite degrees of freedom of any M-estimator.

All of it happens in coordinates in which the total information is the identity: with V = RRᵀ
the inverse total information and Ω_g that of cluster g, S_g = RᵀΩ_gR is symmetric, S sums to
the identity, and functions of Ω_gV become functions of S_g.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import FloatArray

_RANK_TOLERANCE = 1e-11
_SINGULAR = 1e-10


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
    """Share of each cluster in the information.

    Attributes
    ----------
    root
        Shape (p, r): R.
    share
        Shape (G, r, r): S_g.
    values, vectors
        Shapes (G, r) and (G, r, r): eigenvalues and eigenvectors of S_g.
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
    """Leverage of clusters.

    Parameters
    ----------
    bread
        Shape (p, p): inverse of the total information.
    information
        Shape (G, p, p): information of each cluster.
    """
    half = root(bread)
    share = half.T @ information @ half
    share = (share + share.swapaxes(1, 2)) / 2
    values, vectors = np.linalg.eigh(share)
    return Leverage(root=half, share=share, values=values, vectors=vectors)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuadraticForm:
    """What a variance estimate's degrees of freedom are made of.

    The estimate of the variance of c'b is Σ_g q_g², q_g = k_gᵀ(z_g − M_g Σ_h z_h), where the z_g
    are independent with working variance W_g: P = Cov(q) and df = tr(P)²/tr(P²).

    Attributes
    ----------
    weights
        Shape (G, d, m): k_g of each unit contrast, so that k_g = weights_g @ c.
    working
        Shape (G, d, d): W_g.
    fitted
        Shape (G, d, d): M_g.
    centre
        Shape (G, G), symmetric: the estimate is qᵀ·centre·q; identity without strata.
    """

    weights: FloatArray
    working: FloatArray
    fitted: FloatArray
    centre: FloatArray

    def df(self, contrasts: FloatArray) -> FloatArray:
        """Satterthwaite degrees of freedom.

        Parameters
        ----------
        contrasts
            Shape (m,) or (q, m).

        Returns
        -------
        FloatArray
            Shape () or (q,); NaN where the working variance of the contrast is zero.

        References
        ----------
        Bell & McCaffrey (2002), Survey Methodology 28, 169-181.
        Pustejovsky & Tipton (2018), J. Business & Economic Statistics 36, 672-683.
        """
        rows = np.atleast_2d(contrasts)
        found = np.array([self._df(row) for row in rows])
        return found if contrasts.ndim == 2 else np.asarray(found[0])

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
