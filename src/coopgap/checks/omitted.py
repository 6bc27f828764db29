"""A confounder left out of a linear gap: what it would leave, how strong it would have to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Interval
from coopgap.core.tails import t_quantile
from coopgap.regression.clusters import CovarianceKind
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.design import design_matrix
from coopgap.survey.numeric import Numeric


class Strength(NamedTuple):
    """Partial R² of a confounder with membership, and with the outcome given membership."""

    member: float
    outcome: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearGap:
    """Membership's coefficient in a weighted linear model beside covariates.

    `bias_scale` is the residual standard deviation of the outcome over that of membership, given
    the covariates: classical standard error times √`df`, whatever the clusters; `df` are people
    less coefficients. `std_error` is clustered, or classical without clusters; `df_interval` G − 1,
    with CR2 Satterthwaite's, or `df`. `strengths`, by covariate, all its levels together.
    """

    estimate: float
    bias_scale: float
    df: float
    std_error: float
    df_interval: float
    strengths: Mapping[str, Strength]


def linear_gap(
    y: FloatArray,
    member: BoolArray,
    weight: FloatArray,
    people: IntArray,
    factors: Mapping[str, IntArray],
    factor_levels: Mapping[str, tuple[str, ...]],
    cluster: IntArray | None,
    *,
    numeric: Mapping[str, Numeric] | None = None,
    kind: Literal["CR1", "CR2"] = "CR1",
) -> LinearGap:
    """Weighted least squares of an outcome on membership and factors.

    Shape (c,) each: outcome, membership, sum of sampling weights, number of people, codes of the
    factors and cluster of cells of people who are alike in all of them. With clusters CR1 with t(G
    − 1), or CR2 with Satterthwaite's degrees of freedom. Sampling weights enter as in R's `lm`:
    variances and partial R² are weighted, degrees of freedom count people. Raises `NotEstimable`
    where covariates settle membership or membership and covariates the outcome, or there is one
    cluster.
    """
    root = np.sqrt(weight)
    design = design_matrix(factors, factor_levels, y.size, numeric)
    parts = {name: design.x[:, own[0] : own[-1] + 1] for name, own in design.columns.items() if own}
    scaled = {name: root[:, None] * x for name, x in parts.items()}
    one = root[:, None]
    covariates = np.hstack([one, *scaled.values()])
    d, v = root * member, root * y
    d_left, v_left = _residual(d, covariates), _residual(v, covariates)
    spread = float(d_left @ d_left)
    if spread <= 1e-10 * float(d @ d):
        raise NotEstimable("the covariates settle who is a member")
    estimate = float(d_left @ v_left) / spread
    left = v_left - estimate * d_left
    unexplained = float(left @ left)
    df = float(people.sum() - np.linalg.matrix_rank(covariates) - 1)
    if df < 2 or unexplained <= 1e-10 * float(v @ v):
        raise NotEstimable("nothing of the outcome is left to be explained")
    bias_scale = float(np.sqrt(unexplained / spread))
    std_error, df_interval = bias_scale / float(np.sqrt(df)), df
    if cluster is not None:
        both = np.column_stack([d, covariates])
        std_error, df_interval = _clustered(both, left, cluster, kind)
    return LinearGap(
        estimate=estimate,
        bias_scale=bias_scale,
        df=df,
        std_error=std_error,
        df_interval=df_interval,
        strengths={
            name: _strength(
                d, v, np.hstack([one, *(x for other, x in scaled.items() if other != name)]), own
            )
            for name, own in scaled.items()
        },
    )


def _residual(values: FloatArray, x: FloatArray) -> FloatArray:
    return np.asarray(values - x @ np.linalg.lstsq(x, values, rcond=None)[0])


def _strength(d: FloatArray, v: FloatArray, others: FloatArray, own: FloatArray) -> Strength:
    """Partial R² of one covariate's columns with membership and with the outcome."""
    given = np.column_stack([others, d])
    return Strength(_partial(d, others, own), _partial(v, given, own))


def _partial(values: FloatArray, given: FloatArray, own: FloatArray) -> float:
    without, both = _residual(values, given), _residual(values, np.hstack([given, own]))
    return max(1.0 - float(both @ both) / float(without @ without), 0.0)


def _clustered(
    design: FloatArray, left: FloatArray, cluster: IntArray, kind: CovarianceKind
) -> tuple[float, float]:
    """Standard error of the first column's coefficient and its degrees of freedom.

    `design` and the residuals `left` are multiplied by the root of the weights.
    """
    names, index = np.unique(cluster, return_inverse=True)
    information = np.zeros((names.size, design.shape[1], design.shape[1]))
    if kind == "CR2":
        for group in range(names.size):
            mine = design[index == group]
            information[group] = mine.T @ mine
    ones = np.ones((left.size, 1))
    found = cluster_covariance(
        np.linalg.pinv(design.T @ design, hermitian=True),
        (design * left[:, None])[:, None, :],
        ones,
        ones,
        cluster,
        kind=kind,
        information=information,
    )
    return float(np.sqrt(found.cov[0, 0])), float(found.coefficient_df[0])


def benchmark_strength(covariate: Strength, multiple: float) -> Strength | None:
    """Largest strength of a confounder `multiple` times as strong as a covariate.

    That is the times that its partial R² with membership, and with the outcome, are the
    covariate's, each given the other covariates and not the covariate itself. The outcome's is an
    upper bound, at most one; None where no confounder can be so strong.

    References
    ----------
    Cinelli & Hazlett (2020), JRSS B 82, 39-67, section 4.4, of one covariate or a group.
    """
    d, y = covariate
    if d >= 1 or y >= 1:
        return None
    member = multiple * d / (1 - d)
    if member >= 1 or multiple * d >= 1:
        return None
    between = multiple * d**2 / ((1 - multiple * d) * (1 - d))
    if between >= 1:
        return None
    ratio = (np.sqrt(multiple) + np.sqrt(between)) ** 2 / (1 - between)
    return Strength(member, min(float(ratio) * y / (1 - y), 1.0))


class Left(NamedTuple):
    """A gap with what a confounder leaves of it."""

    estimate: float
    std_error: float
    lower: float
    upper: float


def left_of(gap: LinearGap, strength: Strength, *, prob: float = 0.95) -> Left:
    """The gap beside a confounder of a given strength, given all covariates, that works against it.

    The estimate is exact: what least squares with the confounder would give. So is the standard
    error if it is classical; a clustered one is multiplied by the same factor, which takes the
    confounder to be as unrelated to the clusters as the rest of the model makes it.

    References
    ----------
    Cinelli & Hazlett (2020), JRSS B 82, 39-67, equations 7 and 8.
    """
    change, factor = _moved(gap.bias_scale, gap.df, *strength)
    estimate = gap.estimate - float(np.sign(gap.estimate)) * float(change)
    std_error = gap.std_error * float(factor)
    # Only the classical degrees of freedom count the confounder.
    df = gap.df_interval - (1 if gap.df_interval == gap.df else 0)
    half = t_quantile((1 + prob) / 2, df) * std_error
    return Left(estimate, std_error, estimate - half, estimate + half)


def _moved(bias_scale: float, df: float, d: Any, y: Any) -> tuple[Any, Any]:
    """What a confounder takes from the estimate, and the factor of the standard error."""
    bias = bias_scale * np.sqrt(y * d / (1 - d))
    return bias, np.sqrt((1 - y) / (1 - d) * df / (df - 1))


def left_surface(
    estimate: float,
    half: float,
    bias_scale: float,
    df: float,
    member: FloatArray,
    outcome: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """The gap left, and its limit nearer to zero, over many strengths at once.

    `half` is half the width of the gap's interval; `member` and `outcome`, of any common shape, are
    partial R² below one, and at most one.
    """
    bias, factor = _moved(bias_scale, df, member, outcome)
    sign = float(np.sign(estimate))
    left = estimate - sign * bias
    return left, left - sign * half * factor


def robustness_value(t_value: float, df: float, *, q: float = 1.0, alpha: float = 1.0) -> float:
    """Share of residual variance a confounder must explain in both membership and outcome.

    `df` are the residual degrees of freedom of the linear model; `q` is the share of the estimate
    to be explained away; `alpha` the level at which the confounded estimate must stay significant,
    one for the point estimate.

    References
    ----------
    Cinelli & Hazlett (2020), JRSS B 82(1), section 4; the extreme case, in which the confounder
    need not explain the outcome, as in Cinelli, Ferwerda & Hazlett (2024).
    """
    f_value = float(q * abs(t_value) / np.sqrt(df))
    critical = abs(t_quantile(alpha / 2, df - 1)) / float(np.sqrt(df - 1))
    return value_at_zero(f_value, critical)


def value_at_zero(f_value: float, critical: float) -> float:
    """Strength at which estimate less half width is zero, both on the scale of the bias."""
    excess = f_value - critical
    if excess <= 0:
        return 0.0
    if critical > 0 and f_value > 1 / critical:
        return (f_value**2 - critical**2) / (1 + f_value**2)
    return (float(np.sqrt(excess**4 + 4 * excess**2)) - excess**2) / 2


class Residual(NamedTuple):
    """Scale of a confounder's bias in a linear model, and residual degrees of freedom."""

    bias_scale: float
    df: float


def within_sets(
    y: FloatArray, member: BoolArray, weight: FloatArray, set_id: IntArray
) -> Residual | None:
    """Residual spread of outcome over that of membership, matched sets absorbed.

    Shape (n,) each, as in `fit_linear`; people of weight zero or in no set are left out. Classical
    standard error times √df, whatever the clusters, and people less sets less one; None where
    nothing is left to be explained.
    """
    inside = (weight > 0) & (set_id >= 0)
    sets, w = np.unique(set_id[inside], return_inverse=True)[1], weight[inside]
    total = np.bincount(sets, w)

    def centred(values: FloatArray) -> FloatArray:
        return np.asarray(values - (np.bincount(sets, w * values) / total)[sets])

    d, v = centred(member[inside].astype(np.float64)), centred(y[inside])
    spread, df = float(w @ d**2), float(d.size - total.size - 1)
    if df < 2 or not spread > 1e-10 * float(w.sum()):
        return None
    left = v - float(w @ (d * v)) / spread * d
    unexplained = float(w @ left**2)
    if unexplained <= 1e-10 * float(w.sum()):
        return None
    return Residual(float(np.sqrt(unexplained / spread)), df)


def interval_value(interval: Interval, residual: Residual) -> float:
    """Share of variance a confounder must explain in both to bring zero into the gap's interval.

    Zero where the interval holds zero as it is. The confounder's bias is that of classical least
    squares. Half the interval's width changes by the factor of the classical standard error, as in
    `left_of`; of a classical interval the value is `robustness_value`'s, but for the degree of
    freedom the confounder takes.
    """
    half = (interval.upper - interval.lower) / 2 * float(np.sqrt(residual.df / (residual.df - 1)))
    if interval.lower <= 0 <= interval.upper:
        return 0.0
    return value_at_zero(abs(interval.estimate) / residual.bias_scale, half / residual.bias_scale)
