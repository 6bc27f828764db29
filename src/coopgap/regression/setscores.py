"""Scores of a conditional logit that add up within matched sets, and its robust covariance."""

from __future__ import annotations

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.regression.clusters import intersection
from coopgap.regression.conditional import ConditionalFit
from coopgap.regression.covariance import CoefficientCovariance, cluster_covariance
from coopgap.regression.setbatch import SetGroups, batches, group_sets
from coopgap.regression.subsets import subset_moments


def conditional_scores(
    fit: ConditionalFit,
    x: FloatArray,
    counts: IntArray,
    sets: IntArray,
    cluster: IntArray | None = None,
) -> FloatArray:
    """Score of one person in cell c at level y, centred within the set, shape (c, J, k).

    Parameters
    ----------
    fit, x, counts, sets
        As given to and returned by `fit_conditional`.
    cluster
        Shape (c,): clusters that sets may cross; None takes people as independent.

    Notes
    -----
    At each cut s_i = (y_i − p_i)(x_i − x̄), p_i the conditional expectation of y_i given the sum
    of its set and x̄ the mean of the set weighted by v_i = p_i(1 − p_i). The residuals of a set
    sum to zero, so its scores sum to its exact score whatever x̄ is; centring matters only
    between clusters, where it is the projection on the set's own intercept.

    That projection also shrinks the residuals of a set spread over several clusters, by half in
    a pair. With f the share of Σv that a cluster holds of a set and x̄_B its own weighted mean,
    x_i is moved by ((1 − f)^(−1/2) − 1)(x̄_B − x̄): the bias-reduced linearisation of Bell and
    McCaffrey (CR2) for the intercepts of the sets. A set inside one cluster is left as it is,
    so that its score stays exact; in pairs of independent people the variance is that of whole
    pairs.

    References
    ----------
    Bell & McCaffrey (2002), Bias reduction in standard errors for linear regression with
    multi-stage samples. Survey Methodology 28, 169-181.
    """
    x = np.asarray(x, dtype=np.float64)
    groups = group_sets(x, counts, sets)
    expected = _expected(groups, fit.slopes)[groups.cell]
    of = groups.set[groups.cell]
    v = expected * (1 - expected)
    people = counts.sum(axis=1).astype(np.float64)[:, None]
    rows = groups.x[groups.cell]
    whole, centre = _weighted_mean(rows, v * people, of, groups.n_sets)
    centred = rows[:, None, :] - centre[of]
    if cluster is None:
        part, inside = v, centred
    else:
        block = intersection(of, cluster)
        held, mean = _weighted_mean(rows, v * people, block, int(block.max(initial=-1)) + 1)
        part, inside = held[block], mean[block] - centre[of]
    with np.errstate(invalid="ignore", divide="ignore"):
        rest = 1 - part / whole[of]
        grow = np.where(rest > 1e-9, rest**-0.5 - 1, 0.0)
    centred = centred + grow[:, :, None] * inside
    answer = np.arange(counts.shape[1])[:, None] >= groups.cuts
    return np.asarray(np.einsum("cja,cak->cjk", answer[None] - expected[:, None, :], centred))


def _weighted_mean(
    rows: FloatArray, weight: FloatArray, index: IntArray, n: int
) -> tuple[FloatArray, FloatArray]:
    """Sums of `weight`, shape (n, C), and weighted means of `rows`, shape (n, C, k)."""
    total = np.zeros((n, weight.shape[1]))
    np.add.at(total, index, weight)
    mean = np.zeros((n, weight.shape[1], rows.shape[1]))
    np.add.at(mean, index, weight[:, :, None] * rows[:, None, :])
    return total, mean / np.where(total > 0, total, 1.0)[:, :, None]


def _expected(groups: SetGroups, slopes: FloatArray) -> FloatArray:
    """P(Y ≥ cut) of one person of each group given the sum of its set, shape (g, C)."""
    expected = np.zeros(groups.above.shape)
    for batch in batches(groups, groups.x, moments=False):
        n_sets, n_groups, _ = batch.x.shape
        identity = np.broadcast_to(np.eye(n_groups), (n_sets, n_groups, n_groups))
        log_weight = batch.x @ slopes
        found = subset_moments(identity, batch.size, log_weight, batch.total, second=False)
        chosen = found.mean.transpose(0, 2, 1)
        used = batch.size > 0
        expected[batch.group[used]] = (chosen / np.maximum(batch.size, 1)[:, :, None])[used]
    return expected


def conditional_covariance(
    fit: ConditionalFit,
    x: FloatArray,
    counts: IntArray,
    sets: IntArray,
    cluster: IntArray | None,
) -> CoefficientCovariance:
    """Robust covariance of the slopes.

    Parameters
    ----------
    fit, x, counts, sets, cluster
        As in `conditional_scores`.

    Returns
    -------
    CoefficientCovariance
        `cluster CR1`, G/(G − 1) on the sums by cluster; without clusters people are taken as
        independent (`HC0`), which in pairs is clustering on the pair.

    Raises
    ------
    NotEstimable
        With fewer than two clusters.

    Notes
    -----
    Sets that lie in one cluster each are handled exactly. For sets that cross clusters the
    linearisation of `conditional_scores` was tried on 60 zones of 12 people with zone
    intercepts (SD 0.5 to 1.0) and zone gaps (SD 0.3), membership spread evenly or concentrated,
    400 replications: mean standard error over empirical standard deviation .98 to 1.00 in sets
    of 12 and more, .94 to .97 in sets of 3 to 4, .90 to 1.06 in random pairs across zones
    (without the correction .72 to .95). Nominal 95 % intervals covered 93 to 95.5 %. In exact
    strata that cross zones it agrees with zones drawn again and rematched (tests/families).
    """
    scores = conditional_scores(fit, x, counts, sets, cluster)
    weight = counts.astype(np.float64)
    return cluster_covariance(fit.cov, scores, weight, weight, cluster)
