"""Rubin's rules: estimates on several completed surveys become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.gap import Interval, wald, wald_interval
from coopgap.core.vocabulary import Quantity

_SMALLEST_SHARE = 1e-4
"""Least share of the variance that counts as between imputations, as in mice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """Several estimates as one.

    Attributes
    ----------
    estimate, variance
        Mean of the estimates, and its total variance.
    df
        Degrees of freedom after Barnard and Rubin.
    fmi
        Fraction of missing information.
    """

    estimate: float
    variance: float
    df: float
    fmi: float

    def interval(self, quantity: Quantity, prob: float) -> Interval:
        """Interval on Student's t of a risk difference or superiority."""
        std_error = float(np.sqrt(self.variance))
        return wald_interval(quantity, self.estimate, std_error, df=self.df, prob=prob)


def pool(estimates: FloatArray, variances: FloatArray, df_complete: float) -> Pooled:
    """Pool by Rubin's rules.

    Parameters
    ----------
    estimates, variances
        Shape (m,): of the completed surveys, m at least two, variances positive.
    df_complete
        Degrees of freedom if nothing were missing: those of the clusters.

    Notes
    -----
    T = U + (1 + 1/m) B. With λ = (1 + 1/m) B / T the degrees of freedom are
    1 / (λ²/(m − 1) + 1/ν), ν = (d + 1)/(d + 3) · d (1 − λ), d the complete-data ones. The
    fraction of missing information is (r + 2/(f + 3)) / (r + 1), r = (1 + 1/m) B / U, with
    Rubin's f = (m − 1)/λ²: with Barnard and Rubin's degrees of freedom in its place few clusters
    would count as missing information.

    References
    ----------
    Rubin (1987), Multiple Imputation for Nonresponse in Surveys, chapter 3.
    Barnard & Rubin (1999), Biometrika 86, 948-955.
    """
    m = estimates.size
    within = float(variances.mean())
    between = (1 + 1 / m) * float(estimates.var(ddof=1))
    total = within + between
    share = max(between / total, _SMALLEST_SHARE)
    precision = share**2 / (m - 1)
    if np.isfinite(df_complete):
        d = df_complete
        precision += 1 / ((d + 1) / (d + 3) * d * (1 - share))
    r = between / within
    return Pooled(
        estimate=float(estimates.mean()),
        variance=total,
        df=1 / precision,
        fmi=(r + 2 / ((m - 1) / share**2 + 3)) / (r + 1),
    )


def pool_intervals(intervals: Sequence[Interval]) -> Pooled:
    """Pool Wald intervals; their mean degrees of freedom are the complete-data ones."""
    return pool(
        np.array([one.estimate for one in intervals]),
        np.array([one.std_error**2 for one in intervals]),
        float(np.mean([one.df for one in intervals])),
    )


def pool_difference(differences: Sequence[Interval], prob: float) -> Interval:
    """A pooled estimate less one of the same survey's complete rows.

    Parameters
    ----------
    differences
        Of m completed surveys, each estimate less that of the complete rows, on the people that
        both have.
    prob
        Of the interval.

    Notes
    -----
    The variance is U − B + B/m, never below B/m, on the mean degrees of freedom. Rubin's U + B is
    that of a pooled estimate about what it estimates. The estimate of the complete rows is no such
    unknown: it is known with what was observed, as the pooled one is but for m. A completed
    survey's difference varies by U, of which B is what was drawn and not observed. Where the
    imputation model says no more than the complete rows do, U is B and nothing but B/m is left.
    """
    values = np.array([one.estimate for one in differences])
    within = float(np.mean([one.std_error**2 for one in differences]))
    between = float(values.var(ddof=1))
    variance = max(within - between, 0.0) + between / values.size
    df = float(np.mean([one.df for one in differences]))
    return wald(float(values.mean()), float(np.sqrt(variance)), df=df, prob=prob, null=0.0)


def largest_r_hat(trace: FloatArray) -> float:
    """Largest split R-hat of several quantities over several chains.

    Parameters
    ----------
    trace
        Shape (chains, rounds, q), an even number of rounds.

    Returns
    -------
    float
        1 where nothing moves; 1 too without quantities.

    Notes
    -----
    Halves of chains count as chains, so that a drift common to all is seen. Few people imputed
    make it move in steps: it is a rough guide.

    References
    ----------
    Gelman & Rubin (1992), Statistical Science 7, 457-472.
    """
    chains, rounds, q = trace.shape
    n = rounds // 2
    halves = trace.reshape(chains * 2, n, q)
    within = halves.var(axis=1, ddof=1).mean(axis=0)
    between = halves.mean(axis=1).var(axis=0, ddof=1)
    moves = within > 0
    ratio = (n - 1) / n + between[moves] / within[moves]
    return float(np.sqrt(ratio).max(initial=1.0))
