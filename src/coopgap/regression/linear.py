"""Linear check: the weighted difference within matched sets, sets absorbed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.regression.clusters import inverse_root

_TIGHT: dict[str, Any] = {"atol": 1e-14, "btol": 1e-14, "conlim": 1e14}


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
    coefficient is the mean over members of the difference within their set. `AbsorbingLS` with
    `debiased=False` applies no small-sample factor to a clustered covariance; G/(G − 1) is
    applied here and nothing for the number of sets, as in `cluster_covariance`. Weights enter
    as probability weights: their scale changes nothing.
    """
    from linearmodels.iv.absorbing import AbsorbingLS
    from pandas import Categorical, DataFrame

    inside = (weight > 0) & (set_id >= 0)
    y, member, weight, sets = y[inside], member[inside], weight[inside], set_id[inside]
    by = None if cluster is None else cluster[inside].astype(np.int64)
    if not np.intersect1d(sets[member], sets[~member]).size:
        raise NotEstimable("no matched set holds both groups")
    n_clusters = None if by is None else int(np.unique(by).size)
    if n_clusters is not None and n_clusters < 2:
        raise NotEstimable(f"{n_clusters} cluster gives no standard error")
    model = AbsorbingLS(
        y,
        DataFrame({"member": member.astype(np.float64)}),
        absorb=DataFrame({"set": Categorical(sets)}),
        weights=weight / weight.mean(),
    )
    robust: dict[str, Any] = {"cov_type": "robust"}
    if by is not None:
        robust = {"cov_type": "clustered", "clusters": by}
    fitted = model.fit(
        debiased=False, method="lsmr", absorb_options=_TIGHT, use_cache=False, **robust
    )
    std_error, df = float(fitted.std_errors["member"]), np.inf
    if by is not None and n_clusters is not None:
        std_error *= float(np.sqrt(n_clusters / (n_clusters - 1)))
        df = float(n_clusters - 1)
        if kind == "CR2":
            std_error, df = absorbed_cr2(y, member, weight, sets, by)
    return LinearFit(
        estimate=float(fitted.params["member"]),
        std_error=std_error,
        kind="HC0" if by is None else f"cluster {kind}",
        n_obs=y.size,
        n_sets=int(np.unique(sets).size),
        n_clusters=n_clusters,
        df=df,
    )


def absorbed_cr2(
    y: FloatArray, member: BoolArray, weight: FloatArray, sets: IntArray, cluster: IntArray
) -> tuple[float, float]:
    """CR2 standard error and degrees of freedom of membership in y ~ membership + set.

    Sets may cross clusters. The degrees of freedom are Satterthwaite's, NaN where nothing varies.

    Notes
    -----
    People of one set, group and cluster make a cell of weight D. With m̃ membership less its set
    mean, T = Σ D m̃² and W_s the weight of set s, the hat matrix in the working metric has
    √(D_i D_j) (1(s_i = s_j)/W_s + m̃_i m̃_j/T) at cells i, j: all dummies count, and the algebra
    is as large as the cells of one cluster (Bell & McCaffrey 2002, Pustejovsky & Tipton 2018).
    """
    _, of_set = np.unique(sets, return_inverse=True)
    names, group = np.unique(cluster, return_inverse=True)
    if names.size < 2:
        raise NotEstimable(f"{names.size} cluster gives no standard error")
    total = np.bincount(of_set, weight)
    within = member - (np.bincount(of_set, weight * member) / total)[of_set]
    spread = float(weight @ within**2)
    if not spread > 0:
        raise NotEstimable("no matched set holds both groups")
    residual = y - (np.bincount(of_set, weight * y) / total)[of_set]
    residual = residual - within * float(weight @ (within * residual)) / spread
    keys = np.column_stack([group, of_set, member.astype(np.int64)])
    cells, cell = np.unique(keys, axis=0, return_inverse=True)
    cell = cell.ravel()
    size = np.bincount(cell, weight)
    half = np.sqrt(size)
    lean = np.zeros(len(cells))
    lean[cell] = within  # constant within a cell
    scores = np.bincount(cell, weight * residual) / half
    by_set = half / np.sqrt(total)[cells[:, 1]]
    by_member = half * lean / np.sqrt(spread)
    n = names.size
    influence, own = np.zeros(n), np.zeros(n)
    along_sets, along_member = np.zeros((n, total.size)), np.zeros(n)
    for g in range(n):
        here = np.flatnonzero(cells[:, 0] == g)
        s, m, local = by_set[here], by_member[here], cells[here, 1]
        hat = np.outer(s, s) * (local[:, None] == local) + np.outer(m, m)
        values, vectors = np.linalg.eigh(np.eye(here.size) - hat)
        k = vectors @ (inverse_root(values) * (vectors.T @ (m / np.sqrt(spread))))
        influence[g], own[g] = k @ scores[here], k @ k
        np.add.at(along_sets[g], local, s * k)
        along_member[g] = m @ k
    p = np.diag(own) - along_sets @ along_sets.T - np.outer(along_member, along_member)
    square = float((p * p).sum())
    df = float(np.trace(p)) ** 2 / square if square > 0 else float("nan")
    return float(np.sqrt(influence @ influence)), df
