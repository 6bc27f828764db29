"""Two answers of the same people: agreement, kappa, and whether the margins are the same."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import scipy

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.gap import cluster_sums
from coopgap.core.tails import chi2_above, f_above, normal_above


class Test(NamedTuple):
    """A test statistic with its degrees of freedom; `df_denominator` is infinite for χ²."""

    statistic: float
    df: float
    df_denominator: float
    p_value: float


class McNemar(NamedTuple):
    """z of the second against the first answer, and three two-sided p-values."""

    statistic: float
    p_value: float
    p_exact: float
    p_mid: float


def agreement_weights(
    n_levels: int, kind: Literal["unweighted", "linear", "quadratic"]
) -> FloatArray:
    """Credit for two answers some levels apart, shape (J, J): 1 on the diagonal.

    `linear`: 1 − d/(J − 1); `quadratic`: 1 − d²/(J − 1)²; `unweighted`: nothing off the diagonal.
    """
    apart = np.abs(np.subtract.outer(np.arange(n_levels), np.arange(n_levels)))
    if kind == "unweighted":
        return np.asarray(apart == 0, dtype=np.float64)
    share = apart / (n_levels - 1)
    return np.asarray(1 - (share if kind == "linear" else share**2))


def kappa(
    first: IntArray, second: IntArray, weight: FloatArray, credit: FloatArray
) -> tuple[float, FloatArray]:
    """Cohen's weighted kappa of n people who answer twice, and what each moves it by, shape (n,).

    Answers and sampling weights have shape (n,); `credit`, (J, J), is from `agreement_weights`. NaN
    where everybody gave one and the same answer both times. For equal weights the sum of squares is
    the large-sample variance, not under the null hypothesis, of Fleiss, Cohen & Everitt (1969),
    Psychological Bulletin 72(5), equation 13.
    """
    n_levels = credit.shape[0]
    q = weight / weight.sum()
    share = np.bincount(first * n_levels + second, q, n_levels**2).reshape(n_levels, n_levels)
    rows, cols = share.sum(axis=1), share.sum(axis=0)
    observed, expected = float((credit * share).sum()), float(rows @ credit @ cols)
    if not expected < 1:
        return np.nan, np.zeros(q.size)
    by_chance = (credit @ cols)[first] + (rows @ credit)[second]
    unit = (credit[first, second] - observed) / (1 - expected)
    unit += (observed - 1) / (1 - expected) ** 2 * (by_chance - 2 * expected)
    return (observed - expected) / (1 - expected), unit * q


def variance_of(unit: FloatArray, cluster: IntArray | None) -> tuple[FloatArray, float]:
    """Clustered covariance (K, K) of means from what people move them by, (n, K), and its df."""
    sums, factor, df = cluster_sums(unit, cluster)
    return factor * sums.T @ sums, df


def stuart_maxwell(table: IntArray) -> Test:
    """Test that both answers have the same margins, from a square table of independent people.

    NaN where nobody gave another answer.

    Notes
    -----
    d'V⁻d with V_ii = n_i. + n_.i − 2n_ii and V_ij = −(n_ij + n_ji), one level left out; χ² with as
    many degrees of freedom as V has rank: statsmodels' `SquareTable.homogeneity` inverts V and has
    no answer where some level is never given or left. Two levels: McNemar's z squared.

    References
    ----------
    Stuart (1955), Biometrika 42; Maxwell (1970), British Journal of Psychiatry 116.
    """
    counts = np.asarray(table, dtype=np.float64)
    difference, both = (counts.sum(axis=0) - counts.sum(axis=1))[:-1], counts + counts.T
    cov = (np.diag(both.sum(axis=1)) - both)[:-1, :-1]
    rank = int(np.linalg.matrix_rank(cov, hermitian=True))
    if rank == 0:
        return Test(np.nan, np.nan, np.nan, np.nan)
    statistic = float(difference @ np.linalg.pinv(cov, rcond=1e-10, hermitian=True) @ difference)
    return Test(statistic, float(rank), np.inf, chi2_above(statistic, rank))


def bhapkar(table: IntArray) -> Test:
    """As `stuart_maxwell`, with the covariance estimated without the hypothesis.

    Notes
    -----
    V less dd'/n; the statistic is S/(1 − S/n) with S that of Stuart and Maxwell: infinite, with a
    p-value of zero, where S is n, since then nobody's answers speak against the difference.

    References
    ----------
    Bhapkar (1966), Journal of the American Statistical Association 61.
    """
    simple, n = stuart_maxwell(table), int(table.sum())
    if n - simple.statistic <= 1e-9 * n:
        return Test(np.inf, simple.df, np.inf, 0.0)
    statistic = simple.statistic / (1 - simple.statistic / n)
    return Test(statistic, simple.df, np.inf, chi2_above(statistic, simple.df))


def clustered_homogeneity(
    first: IntArray, second: IntArray, weight: FloatArray, n_levels: int, cluster: IntArray
) -> Test:
    """Test of equal margins for weighted people in clusters.

    Notes
    -----
    W = d'V⁻d with V the linearised covariance of the differences of weighted shares, summed by
    cluster; (G − q)/((G − 1)q) · W is referred to F(q, G − q), q the number of shares that can
    move. NaN with no more than q clusters; infinite where V leaves no room for the difference.
    With one person a cluster W is Bhapkar's statistic times (G − 1)/G.

    References
    ----------
    Korn & Graubard (1990), American Statistician 44(4).
    """
    q = weight / weight.sum()
    levels = np.arange(n_levels - 1)
    moved = np.subtract(second[:, None] == levels, first[:, None] == levels, dtype=np.float64)
    difference = q @ moved
    cov, df = variance_of((moved - difference) * q[:, None], cluster)
    rank = int(np.linalg.matrix_rank(moved - difference))
    left = df + 1 - rank
    values, vectors = np.linalg.eigh(cov)
    # Shares have variances of about 1/n²; rounding leaves 1e-32 in place of zero.
    seen = values > max(1e-10 * values[-1], 1e-20)
    along = difference @ vectors
    if left < 1 or (rank == 0 and not difference.any()):
        return Test(np.nan, np.nan, np.nan, np.nan)
    if (np.abs(along[~seen]) > 1e-8).any():
        return Test(np.inf, float(max(rank, 1)), left, 0.0)
    wald = float(np.sum(along[seen] ** 2 / values[seen]))
    statistic = left / (df * rank) * wald
    return Test(statistic, float(rank), left, f_above(statistic, rank, left))


def mcnemar(up: int, down: int) -> McNemar:
    """Whether as many people are at the upper level by the second answer only as by the first only.

    z = (up − down)/√(up + down) without continuity correction; the exact binomial test; and the
    mid-P test, which counts half of what is as likely as what was found (Fagerland, Lydersen &
    Laake 2013, BMC Medical Research Methodology 13:91).
    """
    n = up + down
    if not n:
        return McNemar(np.nan, np.nan, np.nan, np.nan)
    z, likely = (up - down) / n**0.5, float(scipy.stats.binom.pmf(up, n, 0.5))
    exact = float(scipy.stats.binomtest(up, n).pvalue)
    mid = exact - likely if up != down else 1 - likely / 2
    return McNemar(z, float(2 * normal_above(abs(z))), exact, mid)
