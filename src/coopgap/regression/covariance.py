"""Robust covariance of estimates from scores on cells."""

from __future__ import annotations

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.gap import Margins
from coopgap.regression.clusters import CovarianceKind, Grouping, QuadraticForm, leverage, root
from coopgap.regression.sampled import CoefficientCovariance, Sampled, kind_name


def cluster_covariance(
    bread: FloatArray,
    scores: FloatArray,
    counts: FloatArray,
    squares: FloatArray,
    sampled: Sampled | IntArray | None,
    *,
    kind: CovarianceKind | None = None,
    information: FloatArray | None = None,
) -> CoefficientCovariance:
    """Sandwich covariance of a weighted likelihood fit.

    Parameters
    ----------
    bread
        Shape (p, p): inverse of the weighted observed information.
    scores
        Shape (c, J, p): score of one person of weight one. Where a sample is `by_cell`, those of
        all people of a cell do as well, shape (c, p).
    counts, squares
        Shape (c, J): sums of weights and of squared weights.
    sampled
        How people were sampled; or clusters, shape (c,), or None for independent people.
    kind
        CR0, CR1, CR1S or CR2 with clusters, HC0, HC1 or HC3 without; CR1 or HC0 if absent.
    information
        For CR2, shape (G, p, p) from `cluster_information`; for HC3, shape (c, J, p, p) from
        `unit_information`.

    Notes
    -----
    With fewer than two clusters it is not estimable; two to five are returned, and the caller
    decides. ValueError says that arguments do not go together.

    With U_g the scores summed by cluster and V the bread: CR0 V ΣU_gU_gᵀ V; CR1 times
    G/(G − 1), as `sandwich::vcovCL` and Stata do for maximum likelihood; CR1S times
    (N − 1)/(N − k) too, as both do for linear models; CR2 with (I − Ω_gV)^(−1/2)U_g in place
    of U_g, Ω_g the observed information of the cluster. Two ways: first + second − intersection.
    HC0 takes each person alone, HC1 times N/(N − k), HC3 with (I − Ω_iV)⁻¹U_i, where people of a
    cell and level share their mean weight. Multiplying all weights by a constant changes nothing.

    Of a declared design CR1 and HC0 are Taylor linearisation: units, as drawn, are centred within
    strata, with the factor (1 − f_h) n_h/(n_h − 1) in each.

    (I − Ω_gV)^(−1/2) undoes what fitting takes from the scores' variance if that variance is
    Ω_g. In a weighted linear or logistic fit it is CR2 with the inverse weights as working
    variance. Several roots undo it; this one is symmetric in the working metric, clubSandwich's
    is not unless the weights are equal; on `infert` they are less than two percent apart. Where
    I − Ω_gV is singular the generalised inverse root is taken. CR2 with strata centres the
    adjusted sums and keeps the factor of each stratum: terms that are constant within strata are
    then corrected twice, which errs on the wide side. It has no second stage.

    References
    ----------
    Bell & McCaffrey (2002), Survey Methodology 28, 169-181.
    Pustejovsky & Tipton (2018), J. Business & Economic Statistics 36, 672-683.
    Cameron, Gelbach & Miller (2011), J. Business & Economic Statistics 29, 238-249.
    """
    sampled = Sampled.of(sampled)
    chosen = sampled.require_kind(kind)
    if chosen == "CR2":
        if information is None:
            raise ValueError("CR2 needs the information of each cluster")
        cells = np.einsum("cj,cjp->cp", counts, scores) if scores.ndim == 3 else scores
        groups = sampled.groups(counts.sum(axis=1))
        return _cr2(bread, groups.sums(cells), information, groups, kind_name("CR2", sampled))
    n_params = root(bread).shape[1] if chosen in ("CR1S", "HC1") else None
    if chosen == "HC3":
        if information is None:
            raise ValueError("HC3 needs the information of each person")
        scores = without_oneself(bread, scores, mean_weights(counts, squares), information)
    return sampled.covariance(scores @ bread, counts, squares, kind=chosen, n_params=n_params)


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


def _cr2(
    bread: FloatArray, sums: FloatArray, information: FloatArray, groups: Grouping, name: str
) -> CoefficientCovariance:
    shares = leverage(bread, information)
    influence = shares.adjust(sums @ shares.root) @ shares.root.T
    unit = np.broadcast_to(shares.root, (groups.n, *shares.root.shape)).swapaxes(0, 1)
    return CoefficientCovariance(
        cov=groups.covariance(influence, corrected=groups.declared),
        kind=name,
        n_clusters=groups.n,
        df=groups.df,
        satterthwaite=QuadraticForm(
            weights=shares.adjust(unit).transpose(1, 2, 0),
            working=shares.share,
            fitted=shares.share,
            centre=groups.centre(corrected=groups.declared),
        ),
    )
