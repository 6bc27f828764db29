"""Margins of a fit with more freed columns less those of a fit with fewer, taken jointly (CR2)."""

from __future__ import annotations

import numpy as np

from coopgap.arrays import FloatArray, IntArray
from coopgap.regression.covariance import CoefficientCovariance
from coopgap.regression.cumulative import CumulativeFit
from coopgap.regression.information import cluster_information
from coopgap.regression.leverage import QuadraticForm, root
from coopgap.regression.predictions import predict
from coopgap.regression.stacked import stacked_scores

__all__ = ["cr2_shift", "embedding"]


def embedding(free: CumulativeFit, tied: CumulativeFit) -> FloatArray:
    """Linear map of the tied fit's parameters to the freed fit's, shape (p_free, p_tied).

    `free.free` holds every column of `tied.free`: a slope that is one number there is the same
    number at each threshold here.
    """
    cuts = tied.thresholds.size
    k = tied.slopes.size + len(tied.free)
    into = np.zeros((free.params.size, tied.params.size))
    for column in range(k):
        to, start = _place(free, column, k)
        out, end = _place(tied, column, k)
        if out == 1:
            into[start : start + to, end] = 1.0
        else:
            into[start : start + to, end : end + out] = np.eye(cuts)
    into[-cuts:, -cuts:] = np.eye(cuts)
    return into


def _place(fit: CumulativeFit, column: int, k: int) -> tuple[int, int]:
    """How many parameters a column has, and where they start."""
    cuts = fit.thresholds.size
    if column in fit.free:
        return cuts, fit.slopes.size + fit.free.index(column) * cuts
    return 1, [at for at in range(k) if at not in fit.free].index(column)


def cr2_shift(
    free: CumulativeFit,
    tied: CumulativeFit,
    x: FloatArray,
    member_column: int,
    target: FloatArray,
    counts: FloatArray,
    cluster: IntArray,
    *,
    fixed: bool = False,
) -> tuple[FloatArray, CoefficientCovariance]:
    """Standardised margins of `free` minus those of `tied`, both fitted to the same cells.

    Parameters
    ----------
    free, tied
        From `fit_ordinal` on `x` and `counts`; the freed columns of `tied` are freed in `free`.
    x, member_column, target, counts, cluster, fixed
        As in `standardise`.

    Returns
    -------
    difference : FloatArray
        Shape (2J,): members, then comparison people.
    covariance : CoefficientCovariance
        Of the difference, with Satterthwaite degrees of freedom of each contrast.

    Notes
    -----
    Each fit's scores are stacked with its margins' as in `standardise` and adjusted by its own
    leverage. The working variance takes the tied model's scores as what they are where both fits
    agree: a linear map A of the freed model's, with variance AᵀΩ_gA and covariance Ω_gA.
    """
    both = [predict(one, x, member_column, target, counts) for one in (free, tied)]
    parts = [
        stacked_scores(one, x, at, counts, cluster, fixed=fixed)
        for one, at in zip((free, tied), both, strict=True)
    ]
    information = cluster_information(free, x, counts, cluster)
    left, right = root(free.bread), embedding(free, tied) @ root(tied.bread)
    first, rank = left.shape[1], right.shape[1]
    middle, n = parts[0].sums.shape[1], len(information)
    size = middle + parts[1].sums.shape[1]
    working, fitted = np.zeros((2, n, size, size))
    working[:, :middle, :middle], fitted[:, :middle, :middle] = parts[0].working, parts[0].fitted
    working[:, middle:, middle:], fitted[:, middle:, middle:] = parts[1].working, parts[1].fitted
    working[:, middle : middle + rank, middle : middle + rank] = right.T @ information @ right
    cross = np.zeros((n, middle, size - middle))
    cross[:, :first, :rank] = left.T @ information @ right
    if not fixed:
        away = both[0].share[:, None] * (both[0].each - both[0].margins)
        spread = away.T @ (both[1].each - both[1].margins) / both[0].total
        # A cluster's share of the target stands on the diagonal of what fitting takes.
        cross[:, first:, rank:] = parts[0].fitted[:, first, first][:, None, None] * spread
    working[:, :middle, middle:] = cross
    working[:, middle:, :middle] = cross.swapaxes(1, 2)
    weights = np.concatenate([parts[0].weights, -parts[1].weights], axis=1)
    influence = np.einsum("gd,gdm->gm", np.hstack([part.sums for part in parts]), weights)
    form = QuadraticForm(weights=weights, working=working, fitted=fitted, centre=np.eye(n))
    return both[0].margins - both[1].margins, CoefficientCovariance(
        cov=influence.T @ influence,
        kind="cluster CR2",
        n_clusters=n,
        df=float(n - 1),
        satterthwaite=form,
    )
