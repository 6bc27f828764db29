"""Linear check: the weighted difference within matched sets, sets absorbed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.regression.clusters import inverse_root


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearFit:
    """The membership coefficient of a linear model with absorbed sets.

    `estimate` is member minus comparison in units of the outcome, `kind` that of its error:
    `cluster CR1`, `cluster CR2` or `HC0`; `n_clusters` is None without clusters and `df` G − 1,
    with CR2 Satterthwaite's, or infinity without clusters.
    """

    estimate: float
    std_error: float
    kind: str
    n_obs: int
    n_sets: int
    n_clusters: int | None
    df: float


def fit_linear(
    y: FloatArray,
    member: BoolArray,
    weight: FloatArray,
    set_id: IntArray,
    cluster: IntArray | None,
    *,
    kind: Literal["CR1", "CR2"] = "CR1",
) -> LinearFit:
    """Weighted least squares of an outcome on membership, matched sets absorbed.

    `y` (n,) is the outcome, 0/1 for a share; `weight` sampling times matching weight, people of
    weight zero are left out, as are those whose `set_id` is −1; `cluster` None takes people as
    independent. With clusters `kind` is CR1 with t(G − 1), or CR2 with Satterthwaite's degrees of
    freedom.

    Raises
    ------
    NotEstimable
        If no set holds both groups, or there are fewer than two clusters.

    Notes
    -----
    With n₁ members in a set and comparison weights that sum to a fixed multiple of n₁, the
    coefficient is the mean over members of the difference within their set. Of one regressor less
    its set mean, m̃, with residuals e and T = Σ w m̃², people's parts of the error are w m̃ e / T,
    summed within clusters (Frisch & Waugh 1933). The sum of squares is multiplied by G/(G − 1) and
    by nothing for the number of sets, as in `cluster_covariance`. Weights enter as probability
    weights: their scale changes nothing.
    """
    inside = (weight > 0) & (set_id >= 0)
    by = None if cluster is None else np.unique(cluster[inside], return_inverse=True)[1]
    n_clusters = None if by is None else int(by.max(initial=-1)) + 1
    within = _within(y[inside], member[inside], weight[inside], set_id[inside])
    if n_clusters is not None and n_clusters < 2:
        raise NotEstimable(f"{n_clusters} cluster gives no standard error")
    parts = within.weight * within.member * within.residual / within.spread
    variance, df = float(parts @ parts), np.inf
    if by is not None and n_clusters is not None:
        sums = np.bincount(by, parts)
        variance = float(sums @ sums) * n_clusters / (n_clusters - 1)
        df = float(n_clusters - 1)
        if kind == "CR2":
            variance, df = _cr2(within, by)
    return LinearFit(
        estimate=within.estimate,
        std_error=float(np.sqrt(variance)),
        kind="HC0" if by is None else f"cluster {kind}",
        n_obs=within.residual.size,
        n_sets=within.total.size,
        n_clusters=n_clusters,
        df=df,
    )


class _Within(NamedTuple):
    """An outcome on membership with sets absorbed.

    Of n people: `weight`, `set` from 0, `member` less its set mean (m̃) and `residual`. Of sets:
    their `total` weight. `spread` is Σ w m̃².
    """

    estimate: float
    weight: FloatArray
    set: IntArray
    member: FloatArray
    residual: FloatArray
    total: FloatArray
    spread: float


def _within(y: FloatArray, member: BoolArray, weight: FloatArray, set_id: IntArray) -> _Within:
    if not np.intersect1d(set_id[member], set_id[~member]).size:
        raise NotEstimable("no matched set holds both groups")
    of_set = np.unique(set_id, return_inverse=True)[1]
    weight = weight / weight.mean()
    total = np.bincount(of_set, weight)
    m, v = (one - (np.bincount(of_set, weight * one) / total)[of_set] for one in (member, y))
    spread = float(weight @ m**2)
    estimate = float(weight @ (m * v)) / spread
    return _Within(estimate, weight, of_set, m, v - estimate * m, total, spread)


def _cr2(fit: _Within, group: IntArray) -> tuple[float, float]:
    """CR2 variance and degrees of freedom of membership; clusters `group` run from 0.

    Sets may cross clusters. The degrees of freedom are Satterthwaite's, NaN where nothing varies.

    Notes
    -----
    People of one set, group and cluster make a cell of weight D. With m̃ membership less its set
    mean, T = Σ D m̃² and W_s the weight of set s, the hat matrix in the working metric has
    √(D_i D_j) (1(s_i = s_j)/W_s + m̃_i m̃_j/T) at cells i, j: all dummies count, and the algebra
    is as large as the cells of one cluster (Bell & McCaffrey 2002, Pustejovsky & Tipton 2018).
    """
    keys = np.column_stack([group, fit.set, fit.member > 0])
    cells, cell = np.unique(keys, axis=0, return_inverse=True)
    cell = cell.ravel()
    half = np.sqrt(np.bincount(cell, fit.weight))
    lean = np.zeros(len(cells))
    lean[cell] = fit.member  # constant within a cell
    scores = np.bincount(cell, fit.weight * fit.residual) / half
    by_set = half / np.sqrt(fit.total)[cells[:, 1]]
    by_member = half * lean / np.sqrt(fit.spread)
    n = int(group.max()) + 1
    influence, own = np.zeros(n), np.zeros(n)
    along_sets, along_member = np.zeros((n, fit.total.size)), np.zeros(n)
    for g in range(n):
        inside = np.flatnonzero(cells[:, 0] == g)
        s, m, local = by_set[inside], by_member[inside], cells[inside, 1]
        hat = np.outer(s, s) * (local[:, None] == local) + np.outer(m, m)
        values, vectors = np.linalg.eigh(np.eye(inside.size) - hat)
        k = vectors @ (inverse_root(values) * (vectors.T @ (m / np.sqrt(fit.spread))))
        influence[g], own[g] = k @ scores[inside], k @ k
        np.add.at(along_sets[g], local, s * k)
        along_member[g] = m @ k
    p = np.diag(own) - along_sets @ along_sets.T - np.outer(along_member, along_member)
    square = float((p * p).sum())
    df = float(np.trace(p)) ** 2 / square if square > 0 else float("nan")
    return float(influence @ influence), df
