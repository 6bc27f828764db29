"""How much variance an unmeasured confounder would have to explain, and what measured ones do.

Equations and sections are those of Cinelli & Hazlett (2020), JRSS B 82, 39-67, of a confounder left
out of a linear gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np

from coopgap.checks.compare import compared, middle_gap, numbers_of, shifted
from coopgap.checks.context import Context
from coopgap.checks.registry import NotApplicable, NotAssessed, Topic, check
from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Contrast, Interval, threshold_gaps, wald
from coopgap.core.tails import t_quantile
from coopgap.core.vocabulary import Check, Family, Quantity, Status, Version
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.estimate import FEW_CLUSTERS, Estimate
from coopgap.families.sample import are_few
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.design import design_matrix
from coopgap.study.spec import ModelSpec, Variable
from coopgap.study.variables import same_question
from coopgap.survey.cells import collapse
from coopgap.survey.records import ModelRows, complete_rows


class Strength(NamedTuple):
    """Partial R² of a confounder with membership, and with the outcome given membership."""

    member: float
    outcome: float


class Residual(NamedTuple):
    """Scale of a confounder's bias in a linear model, and residual degrees of freedom.

    The scale is the residual standard deviation of the outcome over that of membership: classical
    standard error times √df, whatever the clusters.
    """

    bias_scale: float
    df: float


class LinearGap(NamedTuple):
    """Membership's coefficient beside covariates, with the strength of each, all its levels."""

    interval: Interval
    residual: Residual
    strengths: Mapping[str, Strength]


def linear_gap(rows: ModelRows, covariates: tuple[str, ...], level: int) -> LinearGap:
    """Weighted least squares of reaching a level on membership and covariates.

    Standard errors are clustered on zones: CR1 with t(G − 1), of few zones CR2 with Satterthwaite's
    degrees of freedom; classical without zones. Sampling weights enter as in R's `lm`: variances
    and partial R² are weighted, degrees of freedom count people. Raises `NotEstimable` where
    covariates settle membership or membership and covariates the outcome, or zones are too few.
    """
    n_zones = None if rows.zone is None else np.unique(rows.zone).size
    if n_zones is not None and n_zones < FEW_CLUSTERS:
        raise NotEstimable("too few zones for a standard error")
    above = (rows.outcome >= level).astype(np.int64)
    zone = np.zeros_like(above) if rows.zone is None else rows.zone
    factors = [rows.member.astype(np.int64), *(rows.factors[name] for name in covariates)]
    cells = collapse([*factors, zone, above], np.zeros_like(above), 1, rows.weight)
    codes = dict(zip(covariates, cells.codes[:, 1:].T, strict=False))
    root = np.sqrt(cells.counts[:, 0])
    design = design_matrix(codes, rows.factor_levels, root.size, rows.numeric)
    parts = {
        name: root[:, None] * design.x[:, own[0] : own[-1] + 1]
        for name, own in design.columns.items()
        if own
    }
    x = np.hstack([root[:, None], *parts.values()])
    d, v = (root * cells.codes[:, at].astype(np.float64) for at in (0, -1))
    d_left, v_left = _left_over(d, x), _left_over(v, x)
    spread = float(d_left @ d_left)
    if spread <= 1e-10 * float(d @ d):
        raise NotEstimable("the covariates settle who is a member")
    estimate = float(d_left @ v_left) / spread
    left = v_left - estimate * d_left
    unexplained = float(left @ left)
    df = float(cells.people.sum() - np.linalg.matrix_rank(x) - 1)
    if df < 2 or unexplained <= 1e-10 * float(v @ v):
        raise NotEstimable("nothing of the outcome is left to be explained")
    bias_scale = float(np.sqrt(unexplained / spread))
    std_error, df_interval = bias_scale / float(np.sqrt(df)), df
    if n_zones is not None:
        both = np.column_stack([d, x])
        std_error, df_interval = _clustered(both, left, cells.codes[:, -2], are_few(n_zones))
    strengths = {}
    for name, own in parts.items():
        others = np.hstack([root[:, None], *(x for other, x in parts.items() if other != name)])
        given = np.column_stack([others, d])
        strengths[name] = Strength(_partial(d, others, own), _partial(v, given, own))
    interval = wald(estimate, std_error, df=df_interval, prob=INTERVAL_PROB, null=0.0)
    return LinearGap(interval, Residual(bias_scale, df), strengths)


def _left_over(values: FloatArray, x: FloatArray) -> FloatArray:
    return np.asarray(values - x @ np.linalg.lstsq(x, values, rcond=None)[0])


def _partial(values: FloatArray, given: FloatArray, own: FloatArray) -> float:
    """Partial R² of some columns."""
    without, both = _left_over(values, given), _left_over(values, np.hstack([given, own]))
    return max(1.0 - float(both @ both) / float(without @ without), 0.0)


def _clustered(
    design: FloatArray, left: FloatArray, cluster: IntArray, few: bool
) -> tuple[float, float]:
    """Error and df of the first coefficient; columns and residuals times the root of weights."""
    names, index = np.unique(cluster, return_inverse=True)
    information = np.zeros((names.size, design.shape[1], design.shape[1]))
    for group in range(names.size if few else 0):
        mine = design[index == group]
        information[group] = mine.T @ mine
    ones = np.ones((left.size, 1))
    by_cluster = cluster_covariance(
        np.linalg.pinv(design.T @ design, hermitian=True),
        (design * left[:, None])[:, None, :],
        ones,
        ones,
        cluster,
        kind="CR2" if few else "CR1",
        information=information,
    )
    return float(np.sqrt(by_cluster.cov[0, 0])), float(by_cluster.coefficient_df[0])


def benchmark_strength(covariate: Strength, multiple: float) -> Strength | None:
    """Largest strength of a confounder `multiple` times as strong as a covariate.

    That is the times that its partial R² with membership, and with the outcome, are the
    covariate's, each given the other covariates and not the covariate itself. The outcome's is an
    upper bound, at most one; None where no confounder can be so strong. Section 4.4, of one
    covariate or a group.
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


def left_of(gap: Interval, residual: Residual, strength: Strength) -> Interval:
    """The gap beside a confounder of a given strength, given all covariates, that works against it.

    The estimate is exact: what least squares with the confounder would give. So is the standard
    error if it is classical; a clustered one is multiplied by the same factor, which takes the
    confounder to be as unrelated to the clusters as the rest of the model makes it. Equations 7
    and 8.
    """
    change, factor = _moved(*residual, *strength)
    estimate = gap.estimate - float(np.sign(gap.estimate)) * float(change)
    std_error = gap.std_error * float(factor)
    # Only the classical degrees of freedom count the confounder.
    df = gap.df - (1 if gap.df == residual.df else 0)
    half = t_quantile((1 + INTERVAL_PROB) / 2, df) * std_error
    return Interval(estimate, std_error, estimate - half, estimate + half, np.nan)


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


def value_at_zero(f_value: float, critical: float) -> float:
    """Strength in both at which estimate less half width is zero, both over the scale of the bias.

    Section 4; the extreme case, in which the confounder need not explain the outcome, as in
    Cinelli, Ferwerda & Hazlett (2024).
    """
    excess = f_value - critical
    if excess <= 0:
        return 0.0
    if critical > 0 and f_value > 1 / critical:
        return (f_value**2 - critical**2) / (1 + f_value**2)
    return (float(np.sqrt(excess**4 + 4 * excess**2)) - excess**2) / 2


def within_sets(
    y: FloatArray, member: BoolArray, weight: FloatArray, set_id: IntArray
) -> Residual | None:
    """Residuals of outcome on membership, matched sets absorbed, shape (n,) each, as `fit_linear`.

    People of weight zero or in no set are left out; degrees of freedom are people less sets less
    one. None where nothing is left to be explained.
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
    squares; half the interval's width changes by the factor of the classical standard error, as in
    `left_of`.
    """
    half = (interval.upper - interval.lower) / 2 * float(np.sqrt(residual.df / (residual.df - 1)))
    if interval.lower <= 0 <= interval.upper:
        return 0.0
    return value_at_zero(abs(interval.estimate) / residual.bias_scale, half / residual.bias_scale)


MULTIPLES: Final = (1, 2, 3)

_VALUE_NOTES: Final = {
    Version.ESTIMATE: (
        "A confounder that explains this share of the residual variance of both membership and "
        "outcome would account for the whole difference."
    ),
    Version.INTERVAL: (
        "A confounder that explains this share of the residual variance of both membership and "
        "outcome would bring zero into the interval; zero where the interval holds it already."
    ),
}
_ROWS: Final = (
    "Weighted linear model of all complete in-person rows beside these covariates, those of the "
    "declared variants among them"
)
_BEFORE: Final = ", before matching: after it what was matched on no longer goes with membership"
_LIKE: Final = (
    ". A confounder k times as strong explains k times the covariate's share of "
    "variance of membership and of the outcome, the covariate itself left aside. Shares of "
    "variance and the gap that is left are those of classical least squares; the interval takes "
    "the standard error clustered on zones times the factor of the classical one."
)


@check(
    Check.ROBUSTNESS_VALUE,
    title="Robustness values",
    question="How much variance would an unmeasured confounder have to explain?",
    formula=(
        "RV = ½(√(f⁴ + 4f²) − f²), f = |t|/√df; a confounder leaves Δ ± SE·√(df·R²_Y·R²_M/(1 "
        "− R²_M))"
    ),
    topic=Topic.UNMEASURED,
    place=(100, 3),
)
def robustness_values(context: Context) -> Iterator[SensitivityRow]:
    """Robustness values of a linear gap, a pair a threshold: for the estimate and its interval.

    With a matching the linear family's, which absorbs matched sets; else those of the weighted
    linear model of all complete rows beside the model's covariates. The value for the estimate is
    algebra of least squares: it takes the classical standard error, whatever the clusters. The
    value for the interval takes the family's own interval.
    """
    matched = context.sample.is_matched
    estimate = context.headline
    if matched:
        estimate = next(one for one in context.estimates if one.family is Family.LINEAR)
    keys = {"family": Family.LINEAR, "population": estimate.population if matched else None}
    if estimate.status is not Status.OK:
        reason = estimate.reason or estimate.status
        raise NotApplicable(f"There is no estimate: {reason}.", **keys)
    rows: list[SensitivityRow] = []
    reason = "No threshold has a linear estimate with an error."
    for contrast in threshold_gaps(context.keys.levels):
        try:
            gap = _gap(context, contrast, estimate)
        except NotEstimable as error:
            reason = f"Not estimable: {error.reason}."
            continue
        if gap is None:
            continue
        interval, residual = gap
        for variant, value in (
            (Version.ESTIMATE, value_at_zero(abs(interval.estimate) / residual.bias_scale, 0.0)),
            (Version.INTERVAL, interval_value(interval, residual)),
        ):
            row = context.row(**keys, variant=variant, category=contrast.category)
            note = _VALUE_NOTES[variant]
            rows.append(replace(row, quantity="robustness_value", estimate=value, note=note))
    if not rows:
        raise NotApplicable(reason, **keys)
    yield from rows


def _gap(
    context: Context, contrast: Contrast, linear: Estimate
) -> tuple[Interval, Residual] | None:
    """The gap with its residuals; None where it has no error."""
    sample = context.sample
    if not sample.is_matched:
        return linear_gap(context.rows, sample.covariates, contrast.level)[:2]
    interval = linear.intervals.get(contrast)
    if interval is None or not interval.std_error > 0:
        return None
    above = (sample.rows.outcome >= contrast.level).astype(np.float64)
    residual = within_sets(above, sample.rows.member, sample.weight, sample.matched.set_id)
    return None if residual is None else (interval, residual)


def measured_covariates(spec: ModelSpec, variables: Mapping[str, Variable]) -> tuple[str, ...]:
    """Covariates of a model, of its matching and of its declared variants, that are confounders.

    Of several that read one column, as a number and in bands, the first: beside another of them
    none has a strength of its own.
    """
    specs = (spec, *(variant.spec for variant in spec.variants))
    names = dict.fromkeys(name for one in specs for name in (*one.covariates, *one.matching.on))
    kept: list[str] = []
    for name in names:
        again = any(same_question(variables[name], variables[other]) for other in kept)
        if not again and variables[name].role_for(spec.outcome) == "confounder":
            kept.append(name)
    return tuple(kept)


@check(Check.ROBUSTNESS_VALUE, place=(101, 0))
def benchmarks(context: Context) -> Iterator[SensitivityRow]:
    """The linear gap at one threshold, and what confounders like each covariate would leave."""
    names = measured_covariates(context.spec, context.survey.variables)
    spec = replace(context.spec, covariates=names)
    yield from benchmark_rows(context, complete_rows(context.survey, context.study, spec), names)


def benchmark_rows(
    context: Context, rows: ModelRows, covariates: tuple[str, ...]
) -> Iterator[SensitivityRow]:
    """Benchmarks on complete rows of the outcome and the covariates.

    At the declared threshold, else at the one nearest to one half of everybody: the gap alone
    (`risk_difference`) with `bias_scale` and `df`; then by covariate (`about`) and multiple
    (`setting`) the gap left, `r2_membership` and `r2_outcome`. A confounder too strong to exist
    has no rows.
    """
    keys = {"family": Family.LINEAR, "population": None}
    if not rows.n:
        note = "Benchmarks: nobody has an answer to the outcome and every covariate."
        raise NotAssessed(note, **keys)
    by_weight = np.bincount(rows.outcome, rows.weight, minlength=len(rows.levels))
    contrast = context.first if context.keys.at else middle_gap(rows.levels, by_weight)
    try:
        gap, residual, strengths = linear_gap(rows, covariates, contrast.level)
    except NotEstimable as error:
        raise NotAssessed(f"Benchmarks: not estimable, {error.reason}.", **keys) from error
    note = f"{_ROWS}{_BEFORE if context.sample.is_matched else ''}{_LIKE}"
    base = context.row(**keys, category=contrast.category, note=note)
    alone = replace(base, variant=Version.NO_CONFOUNDER)
    yield _gap_row(alone, gap)
    yield replace(alone, quantity="bias_scale", estimate=residual.bias_scale)
    yield replace(alone, quantity="df", estimate=residual.df)
    for name in (name for name in covariates if name in strengths):  # not of one level
        for multiple in MULTIPLES:
            strength = benchmark_strength(strengths[name], multiple)
            if strength is None:
                continue
            left = left_of(gap, residual, strength)
            variant = f"{name} x {multiple}"
            like = replace(base, variant=variant, about=name, setting=float(multiple))
            row = _gap_row(like, left)
            yield compared(row, gap, left, shifted(gap, left), context.smallest_gap)
            yield replace(like, quantity="r2_membership", estimate=strength.member)
            yield replace(like, quantity="r2_outcome", estimate=strength.outcome)


def _gap_row(row: SensitivityRow, interval: Interval) -> SensitivityRow:
    numbers = numbers_of(interval) | {"p_value": None}
    return replace(row, quantity=Quantity.RISK_DIFFERENCE, **numbers)
