"""Linear check: the weighted difference within matched sets, sets absorbed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.regression.absorbed import absorbed_cr2

_TIGHT: dict[str, Any] = {"atol": 1e-14, "btol": 1e-14, "conlim": 1e14}


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearFit:
    """The membership coefficient of a linear model with absorbed sets.

    Attributes
    ----------
    estimate
        Difference, member minus comparison, in units of the outcome.
    std_error
        Cluster CR1 or CR2, or HC0 without clusters.
    kind
        `cluster CR1`, `cluster CR2` or `HC0`.
    n_obs
        People in the fit.
    n_sets
        Sets absorbed.
    n_clusters
        Clusters G; None without clusters.
    df
        G − 1, with CR2 Satterthwaite's, or infinity without clusters.
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

    Parameters
    ----------
    y
        Shape (n,): outcome, 0/1 for a share.
    member
        Shape (n,).
    weight
        Shape (n,): sampling times matching weight; people of weight zero are left out.
    set_id
        Shape (n,): matched set, −1 for people in none, who are left out.
    cluster
        Shape (n,), or None for independent people.
    kind
        With clusters: CR1 with t(G − 1), or CR2 with Satterthwaite's degrees of freedom.

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

    References
    ----------
    Sheppard, linearmodels, AbsorbingLS.
    """
    inside = (weight > 0) & (set_id >= 0)
    sets = set_id[inside]
    treated = member[inside]
    if not np.intersect1d(sets[treated], sets[~treated]).size:
        raise NotEstimable("no matched set holds both groups")
    n_clusters = None if cluster is None else int(np.unique(cluster[inside]).size)
    if n_clusters is not None and n_clusters < 2:
        raise NotEstimable(f"{n_clusters} cluster gives no standard error")
    data = y[inside], treated, weight[inside], sets
    by = None if cluster is None else cluster[inside].astype(np.int64)
    estimate, std_error = _absorbed(*data, by)
    df = np.inf
    if by is not None and n_clusters is not None:
        std_error *= float(np.sqrt(n_clusters / (n_clusters - 1)))
        df = float(n_clusters - 1)
        if kind == "CR2":
            std_error, df = absorbed_cr2(*data, by)
    return LinearFit(
        estimate=estimate,
        std_error=std_error,
        kind="HC0" if cluster is None else f"cluster {kind}",
        n_obs=int(inside.sum()),
        n_sets=int(np.unique(sets).size),
        n_clusters=n_clusters,
        df=df,
    )


def _absorbed(
    y: FloatArray,
    member: BoolArray,
    weight: FloatArray,
    sets: IntArray,
    cluster: IntArray | None,
) -> tuple[float, float]:
    """Membership's coefficient and its standard error without any small-sample factor."""
    from linearmodels.iv.absorbing import AbsorbingLS
    from pandas import Categorical, DataFrame

    model = AbsorbingLS(
        y,
        DataFrame({"member": member.astype(np.float64)}),
        absorb=DataFrame({"set": Categorical(sets)}),
        weights=weight / weight.mean(),
    )
    kind: dict[str, Any] = {"cov_type": "robust"}
    if cluster is not None:
        kind = {"cov_type": "clustered", "clusters": cluster}
    fitted = model.fit(
        debiased=False, method="lsmr", absorb_options=_TIGHT, use_cache=False, **kind
    )
    return float(fitted.params["member"]), float(fitted.std_errors["member"])
