"""CR2 of a membership coefficient beside absorbed sets, without ever building their dummies."""

from __future__ import annotations

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.regression.leverage import inverse_root


def absorbed_cr2(
    y: FloatArray, member: BoolArray, weight: FloatArray, sets: IntArray, cluster: IntArray
) -> tuple[float, float]:
    """Standard error and degrees of freedom of membership in y ~ membership + set.

    Parameters
    ----------
    y, member, weight, sets, cluster
        Shape (n,): outcome, membership, positive weights, set and cluster. Sets may cross
        clusters.

    Returns
    -------
    std_error : float
        CR2 with the inverse weights as working variance, as in `cluster_covariance`.
    df : float
        Satterthwaite's; NaN where nothing varies.

    Raises
    ------
    NotEstimable
        With fewer than two clusters, or where membership does not vary within a set.

    Notes
    -----
    People of one set, group and cluster make a cell of weight D. With m̃ membership less its set
    mean, T = Σ D m̃² and W_s the weight of set s, the hat matrix in the working metric has
    √(D_i D_j) (1(s_i = s_j)/W_s + m̃_i m̃_j/T) at cells i, j: all dummies count, and the algebra
    is as large as the cells of one cluster.

    References
    ----------
    Bell & McCaffrey (2002), Survey Methodology 28, 169-181.
    Pustejovsky & Tipton (2018), J. Business & Economic Statistics 36, 672-683.
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
