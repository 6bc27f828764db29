"""Linear check: the weighted difference within matched sets, sets absorbed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.regression.clusters import Grouping, inverse_root
from coopgap.regression.sampled import Sampled, kind_name, person_covariance


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearFit:
    """The membership coefficient of a linear model with absorbed sets.

    `estimate` is member minus comparison in units of the outcome, `kind` that of its error, as in
    `CoefficientCovariance`; `n_clusters` is None without clusters and `df` G − 1, of a declared
    design G − H, with CR2 Satterthwaite's, or infinity for independent people.
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
    sampled: Sampled | IntArray | None,
    *,
    kind: Literal["CR1", "CR2"] = "CR1",
) -> LinearFit:
    """Weighted least squares of an outcome on membership, matched sets absorbed.

    `y` (n,) is the outcome, 0/1 for a share; `weight` sampling times matching weight, people of
    weight zero are left out, as are those whose `set_id` is −1; `sampled` is how people were, or
    clusters, or None for independent people. With clusters `kind` is CR1 with t(G − 1), or CR2 with
    Satterthwaite's degrees of freedom.

    Raises
    ------
    NotEstimable
        If no set holds both groups, there are fewer than two clusters, or two ways of clustering
        leave no variance.

    Notes
    -----
    With n₁ members in a set and comparison weights that sum to a fixed multiple of n₁, the
    coefficient is the mean over members of the difference within their set. Both sides less their
    set means are regressed on each other (Frisch & Waugh 1933) by linearmodels, which applies no
    small-sample factor with `debiased=False`; G/(G − 1) is applied here and nothing for the number
    of sets, as in `cluster_covariance`; of a declared design, and of two ways of clustering, the
    residuals are summed as there. Weights enter as probability weights: their scale changes
    nothing.
    """
    from linearmodels.iv.model import IV2SLS

    inside = (weight > 0) & (set_id >= 0)
    sampled = Sampled.of(sampled).take(inside)
    within = _within(y[inside], member[inside], weight[inside], set_id[inside])
    groups = None if sampled.cluster is None else sampled.groups(within.weight)
    least_squares = IV2SLS(within.outcome, within.member, None, None, weights=within.weight)
    robust = {} if groups is None else {"clusters": groups.index}
    name = "robust" if groups is None else "clustered"
    fitted = least_squares.fit(debiased=False, cov_type=name, **robust)
    estimate, std_error, df = fitted.params.iloc[0], fitted.std_errors.iloc[0], np.inf
    residual = within.outcome - estimate * within.member
    n_clusters, label = None, kind_name(sampled.require_kind(None), sampled)
    if groups is not None:
        n_clusters, df = groups.n, groups.df
        std_error *= np.sqrt(n_clusters / (n_clusters - 1))
    if groups is not None and kind == "CR2":
        (std_error, df), label = _cr2(within, residual, groups), kind_name("CR2", sampled)
    elif sampled.second is not None or sampled.is_declared:
        spread = float(within.weight @ within.member**2)
        unit = within.weight * within.member * residual / spread
        result = person_covariance(unit[:, None], sampled)
        if not result.cov[0, 0] > 0:
            raise NotEstimable("the ways of clustering leave no variance")
        std_error, df, label = float(result.cov[0, 0]) ** 0.5, result.df, result.kind
        n_clusters = result.n_clusters
    return LinearFit(
        estimate=float(estimate),
        std_error=float(std_error),
        kind=label,
        n_obs=within.outcome.size,
        n_sets=within.total.size,
        n_clusters=n_clusters,
        df=df,
    )


class _Within(NamedTuple):
    """An outcome and membership, both less their set means, of n people; `total` weight of sets.

    `set` is from 0; weights have the mean one.
    """

    outcome: FloatArray
    member: FloatArray
    weight: FloatArray
    set: IntArray
    total: FloatArray


def _within(y: FloatArray, member: BoolArray, weight: FloatArray, set_id: IntArray) -> _Within:
    if not np.intersect1d(set_id[member], set_id[~member]).size:
        raise NotEstimable("no matched set holds both groups")
    of_set = np.unique(set_id, return_inverse=True)[1]
    weight = weight / weight.mean()
    total = np.bincount(of_set, weight)
    m, v = (one - (np.bincount(of_set, weight * one) / total)[of_set] for one in (member, y))
    return _Within(v, m, weight, of_set, total)


def _cr2(within: _Within, residual: FloatArray, groups: Grouping) -> tuple[float, float]:
    """CR2 standard error and degrees of freedom of membership.

    Sets may cross clusters. The degrees of freedom are Satterthwaite's, NaN where nothing varies.

    Notes
    -----
    People of one set, group and cluster make a cell of weight D. With m̃ membership less its set
    mean, T = Σ D m̃² and W_s the weight of set s, the hat matrix in the working metric has
    √(D_i D_j) (1(s_i = s_j)/W_s + m̃_i m̃_j/T) at cells i, j: all dummies count, and the algebra
    is as large as the cells of one cluster (Bell & McCaffrey 2002, Pustejovsky & Tipton 2018).
    """
    spread = float(within.weight @ within.member**2)
    keys = np.column_stack([groups.index, within.set, within.member > 0])
    cells, cell = np.unique(keys, axis=0, return_inverse=True)
    cell = cell.ravel()
    half = np.sqrt(np.bincount(cell, within.weight))
    lean = np.zeros(len(cells))
    lean[cell] = within.member  # constant within a cell
    scores = np.bincount(cell, within.weight * residual) / half
    by_set = half / np.sqrt(within.total)[cells[:, 1]]
    by_member = half * lean / np.sqrt(spread)
    n = groups.n
    influence, own = np.zeros(n), np.zeros(n)
    along_sets, along_member = np.zeros((n, within.total.size)), np.zeros(n)
    for g in range(n):
        inside = np.flatnonzero(cells[:, 0] == g)
        s, m, local = by_set[inside], by_member[inside], cells[inside, 1]
        hat = np.outer(s, s) * (local[:, None] == local) + np.outer(m, m)
        values, vectors = np.linalg.eigh(np.eye(inside.size) - hat)
        k = vectors @ (inverse_root(values) * (vectors.T @ (m / np.sqrt(spread))))
        influence[g], own[g] = k @ scores[inside], k @ k
        np.add.at(along_sets[g], local, s * k)
        along_member[g] = m @ k
    p = np.diag(own) - along_sets @ along_sets.T - np.outer(along_member, along_member)
    centre = groups.centre(corrected=groups.declared)
    p = centre @ p
    square = float((p * p.T).sum())
    df = float(np.trace(p)) ** 2 / square if square > 0 else float("nan")
    return max(float(influence @ centre @ influence), 0.0) ** 0.5, df
