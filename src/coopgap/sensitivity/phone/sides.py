"""Errors of two groups of people whose zones may be few on one side only."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import cluster_sums
from coopgap.families.estimate import FEW_CLUSTERS
from coopgap.survey.records import ModelRows


class SideErrors(NamedTuple):
    """Covariance of statistics of two groups of people, with its degrees of freedom.

    Attributes
    ----------
    sums
        Shape (G, q): contributions by cluster, scaled, so that `sums.T @ sums` is the covariance.
    sides
        Shape (2, q, q): the part of each group's people, as if the other's did not vary.
    own_df
        Shape (2,): clusters of each group less one.
    df
        Clusters of both together less one; infinity without clusters.
    """

    sums: FloatArray
    sides: FloatArray
    own_df: FloatArray
    df: float

    @property
    def cov(self) -> FloatArray:
        """Shape (q, q)."""
        return np.asarray(self.sums.T @ self.sums)

    @property
    def df_of(self) -> Callable[[FloatArray], float] | None:
        """Degrees of freedom of a linear combination, shape (q,); None without clusters."""
        if np.isinf(self.df):
            return None
        return self._df_of

    def _df_of(self, direction: FloatArray) -> float:
        parts = np.array([float(direction @ side @ direction) for side in self.sides])
        return satterthwaite(parts, self.own_df, self.df)


def side_errors(unit: FloatArray, first: BoolArray, cluster: IntArray | None) -> SideErrors:
    """Sum contributions of two groups of people by cluster.

    Parameters
    ----------
    unit
        Shape (n, q): contribution of each person; they sum to zero within each group.
    first
        Shape (n,): who is in the first group.
    cluster
        Shape (n,), or None.

    Notes
    -----
    The factor G/(G − 1) is each group's own: phone interviews in six zones of a hundred have the
    factor of six. Groups that share their clusters covary. Where both have all G clusters this is
    the usual covariance with one factor.
    """
    if cluster is None:
        sides = np.stack([unit[side].T @ unit[side] for side in (first, ~first)])
        return SideErrors(unit, sides, np.array([np.inf, np.inf]), np.inf)
    wide, own = _scaled(unit, np.where(first, 0, 1), cluster)
    parts = [cluster_sums(wide[side], cluster[side])[0] for side in (first, ~first)]
    sums, _, df = cluster_sums(wide, cluster)
    return SideErrors(sums, np.stack([part.T @ part for part in parts]), own, df)


def _scaled(unit: FloatArray, group: IntArray, cluster: IntArray) -> tuple[FloatArray, FloatArray]:
    """Contributions times the root of G/(G − 1) of each group's own clusters.

    Parameters
    ----------
    unit
        Shape (n, q).
    group, cluster
        Shape (n,): groups from 0.

    Returns
    -------
    unit : FloatArray
        Shape (n, q).
    df : FloatArray
        By group, its clusters less one.
    """
    own = [float(np.unique(cluster[group == one]).size - 1) for one in range(group.max() + 1)]
    df = np.array(own)
    factor = np.divide(df + 1, df, out=np.full_like(df, np.nan), where=df > 0)
    return unit * np.sqrt(factor)[group, None], df


def satterthwaite(parts: FloatArray, own_df: FloatArray, most: float) -> float:
    """Degrees of freedom of a sum of two variances.

    Parameters
    ----------
    parts
        Shape (2,): the variances.
    own_df
        Shape (2,): their degrees of freedom.
    most
        Upper limit: groups in the same clusters do not vary independently.

    References
    ----------
    Satterthwaite (1946), Biometrics Bulletin 2(6).
    """
    total, spread = float(parts.sum()), float((parts**2 / own_df).sum())
    return min(total**2 / spread, most) if spread > 0 else most


def fewest_zones(rows: ModelRows) -> int | None:
    """Zones of the group, members or others, that has fewer; None without zones."""
    if rows.zone is None:
        return None
    return min(int(np.unique(rows.zone[side]).size) for side in (rows.member, ~rows.member))


def require_clusters(rows: ModelRows) -> None:
    """Refuse fewer clusters on either side than a standard error needs.

    Raises
    ------
    NotEstimable
        Naming the number.
    """
    found = fewest_zones(rows)
    if found is not None and found < FEW_CLUSTERS:
        raise NotEstimable(
            f"{found} zones on one side are too few for a standard error; {FEW_CLUSTERS} are needed"
        )
