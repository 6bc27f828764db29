"""Robust covariance of estimates from scores on cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.gap import Margins
from coopgap.regression.clusters import (
    CLUSTER_KINDS,
    PERSON_KINDS,
    CovarianceKind,
    Grouping,
    QuadraticForm,
    centring,
    grouping,
    intersection,
    leverage,
    root,
    stratified_covariance,
    two_way,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoefficientCovariance:
    """A covariance (p, p) and where it comes from.

    `kind` is `cluster CR1`, `cluster CR2, strata`, `two-way CR1`, `HC0` and the like. `n_clusters`
    are the clusters G (of two ways, the fewer), None without clusters; `df` the degrees of freedom
    for t intervals where a quantity has none of its own: G − 1, with strata G − H, infinity without
    clusters. `satterthwaite`, with CR2, has those of any contrast of the p estimates.
    """

    cov: FloatArray
    kind: str
    n_clusters: int | None
    df: float
    satterthwaite: QuadraticForm | None = None

    def df_of(self, contrast: FloatArray) -> float:
        """Degrees of freedom of c'b, `contrast` c of shape (p,)."""
        if self.satterthwaite is None:
            return self.df
        return float(self.satterthwaite.df(contrast))

    @property
    def coefficient_df(self) -> FloatArray:
        """Degrees of freedom of each estimate, shape (p,); NaN where one has no variance."""
        p = len(self.cov)
        if self.satterthwaite is None:
            return np.full(p, self.df)
        return self.satterthwaite.df(np.eye(p))


def kind_name(kind: CovarianceKind, *, strata: bool = False, second: bool = False) -> str:
    """What a covariance calls itself: `cluster CR2, strata`, `two-way CR1`, `HC3`."""
    if kind in PERSON_KINDS:
        return kind
    return ("two-way " if second else "cluster ") + kind + (", strata" if strata else "")


def require_kind(
    kind: CovarianceKind | None,
    cluster: IntArray | None,
    strata: IntArray | None,
    second: IntArray | None,
) -> CovarianceKind:
    """The kind, by default CR1 with clusters and HC0 without.

    Raises ValueError if clusters, strata or a second way do not go with it.
    """
    chosen: CovarianceKind = ("HC0" if cluster is None else "CR1") if kind is None else kind
    allowed = PERSON_KINDS if cluster is None else CLUSTER_KINDS
    if chosen not in allowed:
        raise ValueError(f"covariance {chosen!r}: expected one of {allowed}")
    if cluster is None and (strata is not None or second is not None):
        raise ValueError("strata and a second way of clustering need clusters")
    if second is not None and (strata is not None or chosen == "CR2"):
        raise ValueError("two ways of clustering go with CR0, CR1 or CR1S, without strata")
    return chosen


def cluster_covariance(
    bread: FloatArray,
    scores: FloatArray,
    counts: FloatArray,
    squares: FloatArray,
    cluster: IntArray | None,
    *,
    kind: CovarianceKind | None = None,
    strata: IntArray | None = None,
    second: IntArray | None = None,
    information: FloatArray | None = None,
    people: IntArray | None = None,
) -> CoefficientCovariance:
    """Sandwich covariance of a weighted likelihood fit.

    Parameters
    ----------
    bread
        Shape (p, p): inverse of the weighted observed information.
    scores
        Shape (c, J, p): score of one person of weight one. With clusters those of all people of a
        cell do as well, shape (c, p).
    counts, squares, people
        Shape (c, J): sums of weights and of squared weights, and unweighted people for the N of
        CR1S and HC1, the sum of the weights if absent.
    cluster, second, strata
        Shape (c,): clusters, or None for independent people; a second way of clustering; strata,
        constant over a cluster.
    kind
        CR0, CR1, CR1S or CR2 with clusters, HC0, HC1 or HC3 without; CR1 or HC0 if absent.
    information
        For CR2, shape (G, p, p) from `cluster_information`; for HC3, shape (c, J, p, p) from
        `unit_information`.

    Raises
    ------
    NotEstimable
        With fewer than two clusters, or fewer than two in a stratum. Two to five are returned;
        the caller decides.
    ValueError
        If arguments do not go together.

    Notes
    -----
    With U_g the scores summed by cluster and V the bread: CR0 V ΣU_gU_gᵀ V; CR1 times
    G/(G − 1), as `sandwich::vcovCL` and Stata do for maximum likelihood; CR1S times
    (N − 1)/(N − k) too, as both do for linear models; CR2 with (I − Ω_gV)^(−1/2)U_g in place
    of U_g, Ω_g the observed information of the cluster. With strata sums are centred within
    them and the factor is G_h/(G_h − 1). Two ways: first + second − intersection. HC0 takes
    each person alone, HC1 times N/(N − k), HC3 with (I − Ω_iV)⁻¹U_i, where people of a cell
    and level share their mean weight. Multiplying all weights by a constant changes nothing.

    (I − Ω_gV)^(−1/2) undoes what fitting takes from the scores' variance if that variance is
    Ω_g. In a weighted linear or logistic fit it is CR2 with the inverse weights as working
    variance. Several roots undo it; this one is symmetric in the working metric, clubSandwich's
    is not unless the weights are equal; on `infert` they are less than two percent apart. Where
    I − Ω_gV is singular the generalised inverse root is taken. CR2 with strata centres the
    adjusted sums and keeps G_h/(G_h − 1): terms that are constant within strata are then
    corrected twice, which errs on the wide side.

    References
    ----------
    Bell & McCaffrey (2002), Survey Methodology 28, 169-181.
    Pustejovsky & Tipton (2018), J. Business & Economic Statistics 36, 672-683.
    Cameron, Gelbach & Miller (2011), J. Business & Economic Statistics 29, 238-249.
    """
    chosen = require_kind(kind, cluster, strata, second)
    if chosen == "CR2" and cluster is not None:
        if information is None:
            raise ValueError("CR2 needs the information of each cluster")
        groups = grouping(cluster, counts.sum(axis=1), strata)
        return _cr2(bread, groups.sums(_of_cells(counts, scores)), information, groups)
    n_params = root(bread).shape[1] if chosen in ("CR1S", "HC1") else None
    if cluster is not None:
        cells = _of_cells(counts, scores) @ bread
        return _by_cluster(cells, counts, cluster, chosen, strata, second, people, n_params)
    if chosen == "HC3":
        if information is None:
            raise ValueError("HC3 needs the information of each person")
        scores = without_oneself(bread, scores, mean_weights(counts, squares), information)
    return unit_covariance(
        scores @ bread, counts, squares, None, kind=chosen, people=people, n_params=n_params
    )


def mean_weights(counts: FloatArray, squares: FloatArray) -> FloatArray:
    """The weight that people of a cell and level share, shape (c, J)."""
    return np.divide(squares, counts, out=np.zeros_like(counts), where=counts > 0)


def without_oneself(
    bread: FloatArray, scores: FloatArray, weight: FloatArray, information: FloatArray
) -> FloatArray:
    """(I − Ω_iB)⁻¹ s for one person i of a cell and level, as HC3 has it, shape (c, J, p)."""
    left = np.eye(len(bread)) - weight[:, :, None, None] * information @ bread
    return np.asarray(np.linalg.solve(left, scores[..., None])[..., 0])


def joint_margins(
    values: FloatArray,
    cov: FloatArray,
    df: float,
    influence: FloatArray | None = None,
    form: QuadraticForm | None = None,
) -> Margins:
    """Members' distribution, then the comparison group's, (2J,), and each contrast's own df."""
    n_levels = values.size // 2
    return Margins(
        member=values[:n_levels],
        comparison=values[n_levels:],
        cov=cov,
        df=df,
        df_of=None if form is None else lambda contrast: float(form.df(contrast)),
        influence=influence,
    )


def _of_cells(counts: FloatArray, scores: FloatArray) -> FloatArray:
    """Scores of all people of a cell, shape (c, p)."""
    return scores if scores.ndim == 2 else np.einsum("cj,cjp->cp", counts, scores)


def _cr2(
    bread: FloatArray, sums: FloatArray, information: FloatArray, groups: Grouping
) -> CoefficientCovariance:
    shares = leverage(bread, information)
    influence = shares.adjust(sums @ shares.root) @ shares.root.T
    unit = np.broadcast_to(shares.root, (groups.n, *shares.root.shape)).swapaxes(0, 1)
    return CoefficientCovariance(
        cov=stratified_covariance(influence, groups, corrected=groups.declared),
        kind=kind_name("CR2", strata=groups.declared),
        n_clusters=groups.n,
        df=groups.df,
        satterthwaite=QuadraticForm(
            weights=shares.adjust(unit).transpose(1, 2, 0),
            working=shares.share,
            fitted=shares.share,
            centre=centring(groups, corrected=groups.declared),
        ),
    )


def unit_covariance(
    influence: FloatArray,
    counts: FloatArray,
    squares: FloatArray,
    cluster: IntArray | None,
    *,
    kind: CovarianceKind | None = None,
    strata: IntArray | None = None,
    second: IntArray | None = None,
    people: IntArray | None = None,
    n_params: int | None = None,
) -> CoefficientCovariance:
    """Covariance of an estimate from what one person of weight one adds to it, (c, J, q).

    Arguments of `cluster_covariance`, without CR2; for HC3 the influence is adjusted already, and
    `n_params` is the k of CR1S and HC1. Raises as there.
    """
    chosen = require_kind(kind, cluster, strata, second)
    if cluster is None:
        factor = _people_factor(chosen, counts, people, n_params)
        flat = influence.reshape(-1, influence.shape[2])
        cov = factor * ((flat * squares.reshape(-1, 1)).T @ flat)
        return CoefficientCovariance(cov=cov, kind=chosen, n_clusters=None, df=np.inf)
    if chosen == "CR2":
        raise ValueError("CR2 needs more than an influence: use cluster_covariance or standardise")
    cells = np.einsum("cj,cjq->cq", counts, influence)
    return _by_cluster(cells, counts, cluster, chosen, strata, second, people, n_params)


def _by_cluster(
    cells: FloatArray,
    counts: FloatArray,
    cluster: IntArray,
    chosen: CovarianceKind,
    strata: IntArray | None,
    second: IntArray | None,
    people: IntArray | None,
    n_params: int | None,
) -> CoefficientCovariance:
    """Of contributions of cells to an estimate, shape (c, q)."""
    factor = _people_factor(chosen, counts, people, n_params)
    weight = counts.sum(axis=1)

    def one_way(by: IntArray) -> tuple[FloatArray, Grouping]:
        groups = grouping(by, weight, strata)
        result = stratified_covariance(groups.sums(cells), groups, corrected=chosen != "CR0")
        return factor * result, groups

    cov, groups = one_way(cluster)
    name = kind_name(chosen, strata=strata is not None, second=second is not None)
    if second is None:
        return CoefficientCovariance(cov=cov, kind=name, n_clusters=groups.n, df=groups.df)
    other, others = one_way(second)
    cov, zeroed = two_way(cov, other, one_way(intersection(cluster, second))[0])
    fewer = min(groups.n, others.n)
    return CoefficientCovariance(
        cov=cov,
        kind=name + (", negative eigenvalues set to zero" if zeroed else ""),
        n_clusters=fewer,
        df=float(fewer - 1),
    )


def _people_factor(
    kind: CovarianceKind, counts: FloatArray, people: IntArray | None, n_params: int | None
) -> float:
    if kind not in ("CR1S", "HC1"):
        return 1.0
    if n_params is None:
        raise ValueError(f"{kind} needs the number of parameters")
    n = float(counts.sum() if people is None else people.sum())
    return (n - 1 if kind == "CR1S" else n) / (n - n_params)
