"""Worst-case bounds of the gap over answers that are missing, with Imbens and Manski's interval."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, stats

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.gap import Contrast, Margins, contrasts, estimate_contrast
from coopgap.core.tails import t_quantile
from coopgap.core.vocabulary import Quantity
from coopgap.regression.clusters import CovarianceKind
from coopgap.regression.shares import share_margins

__all__ = ["Bounds", "imbens_manski", "imbens_manski_factor", "worst_case"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The lowest and the highest gap that the missing answers allow.

    Attributes
    ----------
    lower, upper
        The identified set; `lower` is never above `upper`.
    lower_error, upper_error
        Standard errors of its two ends.
    df
        The smaller of the ends' degrees of freedom.
    """

    lower: float
    upper: float
    lower_error: float
    upper_error: float
    df: float


def worst_case(
    outcome: IntArray,
    member: BoolArray,
    weight: FloatArray,
    levels: tuple[str, ...],
    cluster: IntArray | None = None,
    *,
    few: bool = False,
) -> dict[Contrast, Bounds]:
    """Bounds of the weighted gap over every way of filling in the missing answers.

    Parameters
    ----------
    outcome
        Shape (n,): outcome level, -1 where missing.
    member
        Shape (n,).
    weight
        Shape (n,): non-negative, made without the outcome; taken as fixed.
    levels
        The J levels, lowest first.
    cluster
        Shape (n,): cluster index, or None for independent people.
    few
        Whether the clusters are so few that the standard errors are CR2, degrees of freedom
        after Satterthwaite.

    Returns
    -------
    dict
        By contrast: the gap at each threshold, and superiority.

    Notes
    -----
    The gap is lowest where every missing member has the lowest level and every missing comparison
    person the highest, and highest the other way round: both contrasts rise with each member's
    answer and fall with each comparison person's. The bounds are sharp. Missing answers are a
    level of their own, J + 1 in all; each end is a linear map of these shares, so that its
    standard error follows from their covariance.

    References
    ----------
    Manski (1990), Nonparametric bounds on treatment effects. American Economic Review 80, 319-323.
    Horowitz & Manski (2000), Journal of the American Statistical Association 95, 77-84.
    """
    n = len(levels)
    with_missing = np.where(outcome < 0, n, outcome)
    kind: CovarianceKind | None = "CR2" if cluster is not None and few else None
    shares = share_margins(with_missing, member, weight, n + 1, cluster, kind=kind)
    low, high = _filled(shares, 0, n - 1), _filled(shares, n - 1, 0)
    found = {}
    for contrast in contrasts(levels):
        if contrast.is_threshold_gap or contrast.quantity is Quantity.SUPERIORITY:
            least, most = (estimate_contrast(contrast, filled) for filled in (low, high))
            if least is not None and most is not None:
                found[contrast] = Bounds(
                    lower=least.estimate,
                    upper=most.estimate,
                    lower_error=least.std_error,
                    upper_error=most.std_error,
                    df=min(least.df, most.df),
                )
    return found


def _filled(shares: Margins, member_level: int, comparison_level: int) -> Margins:
    """Shares of J + 1 levels, the last one missing, with the missing moved to one level."""
    n = shares.member.size - 1
    to_member, to_comparison = (
        np.column_stack([np.eye(n), np.eye(n)[level]]) for level in (member_level, comparison_level)
    )
    both = np.zeros((2 * n, 2 * (n + 1)))
    both[:n, : n + 1], both[n:, n + 1 :] = to_member, to_comparison
    df_of = shares.df_of
    return replace(
        shares,
        member=to_member @ shares.member,
        comparison=to_comparison @ shares.comparison,
        cov=both @ shares.cov @ both.T,
        df_of=None if df_of is None else lambda contrast: df_of(contrast @ both),
    )


def imbens_manski_factor(ratio: float, prob: float, df: float = np.inf) -> float:
    """Standard errors by which the identified set is widened at either end.

    Parameters
    ----------
    ratio
        Width of the identified set over the larger standard error of its ends.
    prob
        Coverage probability of the true gap, wherever it lies in the set.
    df
        Degrees of freedom of the t distribution.

    Returns
    -------
    float
        c with F(c + ratio) − F(−c) = prob.

    Notes
    -----
    Between the two-sided quantile (an empty set has no width: a point) and the one-sided one (a
    wide set: only one end can be missed). Imbens and Manski assume that the width is estimated
    superefficiently where it is small. Stoye shows that this holds wherever the estimated ends
    are ordered by construction, as here; his own interval, for ends that are not, is not needed.

    References
    ----------
    Imbens & Manski (2004), Econometrica 72, 1845-1857, equation (6).
    Stoye (2009), Econometrica 77, 1299-1315, lemma 3.
    """
    one_sided, two_sided = (t_quantile(at, df) for at in (prob, (1 + prob) / 2))

    def lacks(c: float) -> float:
        return float(stats.t.cdf(c + ratio, df) - stats.t.cdf(-c, df)) - prob

    # At the ends of the bracket the root is met to rounding, where signs may agree.
    if lacks(one_sided) >= 0:
        return one_sided
    if lacks(two_sided) <= 0:
        return two_sided
    return float(optimize.brentq(lacks, one_sided, two_sided, xtol=1e-12))


def imbens_manski(bounds: Bounds, prob: float = 0.95) -> tuple[float, float]:
    """Interval that covers the true gap with `prob` wherever it lies in the identified set."""
    largest = max(bounds.lower_error, bounds.upper_error)
    if largest == 0:
        return bounds.lower, bounds.upper
    c = imbens_manski_factor((bounds.upper - bounds.lower) / largest, prob, bounds.df)
    return bounds.lower - c * bounds.lower_error, bounds.upper + c * bounds.upper_error
