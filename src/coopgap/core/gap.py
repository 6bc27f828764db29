"""Where every estimator ends: two outcome distributions with a covariance become gaps and ratios.

`Margins` is the one seam. A fit is standardised into margins, a table of counts gives them
directly, posterior draws give one pair a draw; the same contrasts then turn each into rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import scipy

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.tails import max_t_band, t_above, t_quantile
from coopgap.core.vocabulary import Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """Standardised outcome distribution of members and of the comparison group.

    Attributes
    ----------
    member, comparison
        Shape (J,): probability of each level, lowest first; each sums to one.
    cov
        Shape (2J, 2J): covariance of `member` followed by `comparison`.
    df
        Degrees of freedom of the t distribution for intervals; infinity for normal.
    df_of
        Degrees of freedom of a contrast, shape (2J,), of the margins where they differ by
        contrast; None where `df` holds for all.
    influence
        Shape (c, J, 2J): what one person of weight one in cell c at level j moves the margins by,
        so that estimates on the same people have a joint covariance. None where it is not known.
    deviations
        Shape (R, 2J): of the margins in each replicate, whose products are `cov`; None where no
        replicate weights make it.
    """

    member: FloatArray
    comparison: FloatArray
    cov: FloatArray
    df: float = np.inf
    df_of: Callable[[FloatArray], float] | None = None
    influence: FloatArray | None = None
    deviations: FloatArray | None = None

    def df_for(self, gradient: FloatArray) -> float:
        """Degrees of freedom of a contrast with this gradient, shape (2J,)."""
        return self.df if self.df_of is None else self.df_of(gradient)

    def complement(self) -> Margins:
        """The same with levels highest first: what reached level j now stays below J − j."""
        n = self.member.size
        turn = np.concatenate([np.arange(n)[::-1], np.arange(n, 2 * n)[::-1]])
        df_of = self.df_of
        return replace(
            self,
            member=self.member[::-1],
            comparison=self.comparison[::-1],
            cov=self.cov[np.ix_(turn, turn)],
            df_of=None if df_of is None else lambda gradient: df_of(gradient[turn]),
            deviations=None if self.deviations is None else self.deviations[:, turn],
        )


class Contrast(NamedTuple):
    """A quantity at a category: for thresholds the index of the level it starts at."""

    quantity: Quantity
    category: str
    level: int
    by_threshold: bool
    of_member: bool = False

    @property
    def is_threshold_gap(self) -> bool:
        """Whether it is the difference of the shares that reach a threshold."""
        return self.quantity is Quantity.RISK_DIFFERENCE and self.by_threshold


def smallest_count(people: IntArray, contrast: Contrast) -> int:
    """Fewest people behind a contrast, of unweighted counts by group and level, shape (2, J).

    The smallest of the people at the category and of the rest, in each group that the contrast is
    about; over all levels, as superiority of more than two, the smaller group.
    """
    groups = people.sum(axis=1)
    if not (contrast.category or people.shape[1] == 2):
        return int(groups.min())
    upper = contrast.level if contrast.category else 1
    at = people[:, upper:].sum(axis=1) if contrast.by_threshold else people[:, upper]
    counts = np.minimum(at, groups - at)
    if contrast.quantity is Quantity.SHARE:
        return int(counts[1] if contrast.of_member else counts[0])
    return int(counts.min())


def smallest_by_level(people: IntArray) -> IntArray:
    """Of people by group and level, shape (G, J), the fewest at each level or not at it."""
    rest = people.sum(axis=1, keepdims=True) - people
    return np.asarray(np.minimum(people, rest).min(axis=0))


class Interval(NamedTuple):
    """An estimate with its uncertainty; `std_error` is of the logarithm for ratios.

    `df` are the degrees of freedom of the t distribution behind a Wald interval.
    """

    estimate: float
    std_error: float
    lower: float
    upper: float
    p_value: float
    df: float = np.inf


LOG_SCALE = {Quantity.RISK_RATIO, Quantity.ODDS_RATIO, Quantity.CUMULATIVE_ODDS_RATIO}
"""Quantities whose intervals are made on the logarithm."""

_NULL = {Quantity.RISK_DIFFERENCE: 0.0, Quantity.SUPERIORITY: 0.5}
_RANGE = {Quantity.RISK_DIFFERENCE: (-1.0, 1.0), Quantity.SUPERIORITY: (0.0, 1.0)}


def null_value(quantity: Quantity) -> float:
    """Value of no difference between two groups; NaN for a quantity of one group."""
    return 1.0 if quantity in LOG_SCALE else _NULL.get(quantity, np.nan)


def contrasts(levels: Sequence[str]) -> tuple[Contrast, ...]:
    """Every quantity that two distributions over `levels` have, in the order of the tables.

    Two levels give the contrasts of the upper level, category empty. More levels give a row a
    threshold (`>=B`), highest first as a reader meets them, then a row a level.
    """
    last = len(levels) - 1
    if last == 1:
        ratio, at = Quantity.ODDS_RATIO, [(1, "")]
    else:
        ratio = Quantity.CUMULATIVE_ODDS_RATIO
        at = [(j, f">={levels[j]}") for j in range(last, 0, -1)]
    rows = [
        Contrast(quantity, category, j, True)
        for quantity in (Quantity.RISK_DIFFERENCE, Quantity.RISK_RATIO, ratio)
        for j, category in at
    ]
    if last > 1:
        rows += [
            Contrast(Quantity.RISK_DIFFERENCE, levels[j], j, False) for j in range(last, -1, -1)
        ]
    rows.append(Contrast(Quantity.SUPERIORITY, "", 0, False))
    shown = range(last, 0 if last == 1 else -1, -1)
    rows += [
        Contrast(Quantity.SHARE, levels[j], j, False, of_member)
        for of_member in (True, False)
        for j in shown
    ]
    return tuple(rows)


def threshold_gaps(levels: Sequence[str]) -> tuple[Contrast, ...]:
    """The gap at each threshold, highest first."""
    return tuple(one for one in contrasts(levels) if one.is_threshold_gap)


def headline_contrasts(levels: Sequence[str]) -> tuple[Contrast, ...]:
    """The gap at each threshold, highest first; superiority last for more than two levels."""
    whole = (one for one in contrasts(levels) if one.quantity is Quantity.SUPERIORITY)
    return (*threshold_gaps(levels), *(whole if len(levels) > 2 else ()))


def contrast_values(contrast: Contrast, member: FloatArray, comparison: FloatArray) -> FloatArray:
    """Value of a contrast, shape (...), for distributions along the last axis, shape (..., J).

    Superiority is P(member above comparison) + half P(equal).
    """
    if contrast.quantity is Quantity.SUPERIORITY:
        below = np.cumsum(comparison, axis=-1) - comparison / 2
        return np.asarray(np.einsum("...j,...j->...", member, below))
    p1, p0 = (_probability(contrast, side) for side in (member, comparison))
    with np.errstate(divide="ignore", invalid="ignore"):
        match contrast.quantity:
            case Quantity.RISK_DIFFERENCE:
                return np.asarray(p1 - p0)
            case Quantity.RISK_RATIO:
                return np.asarray(p1 / p0)
            case Quantity.SHARE:
                return p1 if contrast.of_member else p0
            case _:
                return np.asarray(p1 * (1 - p0) / (p0 * (1 - p1)))


def _probability(contrast: Contrast, side: FloatArray) -> FloatArray:
    j = contrast.level
    if not contrast.by_threshold:
        return np.asarray(side[..., j])
    # Where nobody stands below, rounding may leave the sum beside 1, and odds would be finite.
    # Products are many times as fast as sums over a few levels.
    below, above = (np.arange(side.shape[-1]) < j).astype(np.float64), side[..., j:]
    some = np.abs(side) @ below > 0
    return np.where(some, above @ np.ones(above.shape[-1]), 1.0)


def contrast_gradient(contrast: Contrast, margins: Margins) -> FloatArray:
    """Gradient over (member, comparison), shape (2J,), on the scale the interval is made on."""
    member, comparison = margins.member, margins.comparison
    n = member.size
    if contrast.quantity is Quantity.SUPERIORITY:
        above = np.cumsum(member[::-1])[::-1] - member / 2
        return np.concatenate([np.cumsum(comparison) - comparison / 2, above])
    marker = np.zeros(n)
    marker[contrast.level : n if contrast.by_threshold else contrast.level + 1] = 1.0
    p1, p0 = float(marker @ member), float(marker @ comparison)
    match contrast.quantity:
        case Quantity.RISK_DIFFERENCE:
            d1, d0 = 1.0, -1.0
        case Quantity.RISK_RATIO:
            d1, d0 = 1 / p1, -1 / p0
        case Quantity.SHARE:
            d1, d0 = (1.0, 0.0) if contrast.of_member else (0.0, 1.0)
        case _:
            d1, d0 = 1 / (p1 * (1 - p1)), -1 / (p0 * (1 - p0))
    return np.concatenate([marker * d1, marker * d0])


def wald(
    estimate: float, std_error: float, *, df: float, prob: float, null: float, log: bool = False
) -> Interval:
    """Wald interval with a t quantile; on the log scale, returned as a ratio, if `log`."""
    centre = float(np.log(estimate)) if log else estimate
    half = t_quantile((1 + prob) / 2, df) * std_error
    ends = (centre - half, centre + half)
    lower, upper = (float(np.exp(end)) if log else end for end in ends)
    shift = centre - (float(np.log(null)) if log else null)
    p_value = float(2 * t_above(abs(shift) / std_error, df)) if std_error > 0 else np.nan
    return Interval(estimate, std_error, lower, upper, p_value, df)


def wald_interval(
    quantity: Quantity, estimate: float, std_error: float, *, df: float, prob: float
) -> Interval:
    """Wald interval of a quantity, with limits that the quantity can take.

    The standard error is of the logarithm for ratios. Shares have no p-value (NaN).

    Notes
    -----
    Ratios are taken on the logarithm, shares on the log odds. A share of 0 or 1 has no limits
    (NaN), as its standard error says nothing; one outside, as weighting and modelling at once may
    give, is taken for 0 or 1. Differences and superiority are linear in the shares, and of two
    levels superiority is one half plus half the difference: both are taken as they are, and their
    limits are cut at -1 or 0 and at 1.

    References
    ----------
    Korn & Graubard (1998), Survey Methodology 24(2), 193-201: the log odds of shares.
    """
    if quantity is Quantity.SHARE:
        return _share_interval(estimate, std_error, df, prob)
    log, null = quantity in LOG_SCALE, null_value(quantity)
    interval = wald(estimate, std_error, df=df, prob=prob, null=null, log=log)
    low, high = _RANGE.get(quantity, (-np.inf, np.inf))
    return interval._replace(lower=max(interval.lower, low), upper=min(interval.upper, high))


def _share_interval(estimate: float, std_error: float, df: float, prob: float) -> Interval:
    share = min(max(estimate, 0.0), 1.0)
    if not 0 < share < 1:
        return Interval(share, std_error, np.nan, np.nan, np.nan, df)
    half = t_quantile((1 + prob) / 2, df) * std_error / (share * (1 - share))
    ends = scipy.special.expit(scipy.special.logit(share) + np.array([-half, half]))
    return Interval(share, std_error, float(ends[0]), float(ends[1]), np.nan, df)


def estimate_contrasts(
    margins: Margins, levels: Sequence[str], prob: float = 0.95
) -> dict[Contrast, Interval | None]:
    """Every contrast of two margins with its delta-method interval, limits as in `wald_interval`.

    None where the ratio does not exist because a share is 0 or 1.
    """
    return {contrast: estimate_contrast(contrast, margins, prob) for contrast in contrasts(levels)}


def estimate_contrast(contrast: Contrast, margins: Margins, prob: float = 0.95) -> Interval | None:
    """One contrast of two margins, as in `estimate_contrasts`."""
    value = float(contrast_values(contrast, margins.member, margins.comparison))
    if contrast.quantity in LOG_SCALE and not 0 < value < np.inf:
        return None
    gradient = contrast_gradient(contrast, margins)
    variance = float(gradient @ margins.cov @ gradient)
    std_error = max(variance, 0.0) ** 0.5
    df = margins.df if std_error == 0 else margins.df_for(gradient)
    return wald_interval(contrast.quantity, value, std_error, df=df, prob=prob)


def joint_intervals(
    margins: Margins, levels: Sequence[str], prob: float = 0.95
) -> dict[Contrast, Interval]:
    """Risk differences at all thresholds with one max-t band over them.

    All intervals together hold with probability `prob`; p-values are adjusted for all thresholds.
    There is none for two levels or without a variance. Where degrees of freedom differ by
    threshold the band takes the fewest.
    """
    wanted = threshold_gaps(levels)
    if len(wanted) < 2:
        return {}
    gradients = np.array([contrast_gradient(one, margins) for one in wanted])
    values = gradients @ np.concatenate([margins.member, margins.comparison])
    cov = gradients @ margins.cov @ gradients.T
    errors = np.sqrt(np.maximum(np.diag(cov), 0.0))
    dfs = [margins.df_for(row) for row, error in zip(gradients, errors, strict=True) if error > 0]
    band = max_t_band(values, cov, min(dfs, default=np.inf), prob)
    if band is None:
        return {}
    return {
        one: Interval(
            float(value),
            float(error),
            float(max(value - band.critical * error, -1.0)),
            float(min(value + band.critical * error, 1.0)),
            float(p_value),
            min(dfs),
        )
        for one, value, error, p_value in zip(wanted, values, errors, band.p_values, strict=True)
        if error > 0
    }


def cluster_sums(unit: FloatArray, cluster: IntArray | None) -> tuple[FloatArray, float, float]:
    """Sum unit contributions by cluster.

    Parameters
    ----------
    unit
        Shape (n, q): weighted contribution of each person.
    cluster
        Shape (n,), or None.

    Returns
    -------
    sums : FloatArray
        Shape (G, q), or `unit` itself without clusters.
    factor : float
        CR1 factor G/(G - 1), or 1.
    df : float
        G - 1, or infinity.
    """
    if cluster is None:
        return unit, 1.0, np.inf
    _, index = np.unique(cluster, return_inverse=True)
    n_clusters = int(index.max(initial=-1)) + 1
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], np.arange(n_clusters))
    sums = np.add.reduceat(unit[order], starts, axis=0)
    factor = n_clusters / (n_clusters - 1) if n_clusters > 1 else np.nan
    return sums, factor, float(n_clusters - 1)
