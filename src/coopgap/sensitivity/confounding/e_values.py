"""How strong an unmeasured confounder would have to be, as risk ratios: E-values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from coopgap.arrays import FloatArray
from coopgap.estimate import SensitivityRow
from coopgap.families.records import INTERVAL_PROB, FamilyEstimate
from coopgap.families.rows import Labels
from coopgap.families.suppression import is_suppressed
from coopgap.gap import Contrast, Interval, contrasts
from coopgap.sensitivity.confounding.rows import base_row, no_estimate
from coopgap.vocabulary import Check, IntervalKind, Quantity, Status, Verdict

__all__ = [
    "complement_ratio",
    "e_value",
    "e_value_limit",
    "e_value_rows",
]

_E_NOTE = (
    "A confounder outside the covariates would have to be associated with membership and with the "
    "outcome by at least this risk ratio each to account for the ratio; lower is the same for the "
    "confidence limit nearer to one."
)


def e_value(risk_ratio: float) -> float:
    """Weakest pair of risk ratios that a confounder needs to move a risk ratio to one.

    Parameters
    ----------
    risk_ratio
        Positive; below one its inverse is used.

    Returns
    -------
    float
        RR + √(RR(RR − 1)): the least that the confounder's association with membership and with
        the outcome must both reach, above all measured covariates.

    References
    ----------
    VanderWeele & Ding (2017), Annals of Internal Medicine 167(4).
    """
    ratio = max(risk_ratio, 1 / risk_ratio)
    return ratio + float(np.sqrt(ratio * (ratio - 1)))


def e_value_limit(lower: float, upper: float) -> float:
    """E-value of the confidence limit nearer to one; one if the interval holds one."""
    if lower > 1:
        return e_value(lower)
    return e_value(upper) if upper < 1 else 1.0


def complement_ratio(
    shares: tuple[float, float], difference: Interval, ratio: Interval, odds: Interval
) -> Interval:
    """Risk ratio of not reaching a threshold, from three contrasts of reaching it.

    Parameters
    ----------
    shares
        Members' and comparison group's share that reaches the threshold, both inside (0, 1).
    difference, ratio, odds
        Risk difference, risk ratio and odds ratio of reaching it, of one coverage probability;
        standard errors of the logarithm for the ratios, that of `ratio` positive.

    Returns
    -------
    Interval
        Of the same probability; without a p-value, which is that of the difference.

    Notes
    -----
    The squared standard error of each contrast is u'Σu with u its gradient and Σ the 2×2
    covariance of the two shares, so three contrasts determine Σ wherever the shares differ. Where
    they are nearly alike the gradients are nearly parallel, and so is the gradient wanted: the
    minimum-norm solution then gives its variance all the same.
    """
    p1, p0 = shares
    q1, q0 = 1 - p1, 1 - p0
    gradients = np.array([[1, -1], [1 / p1, -1 / p0], [1 / (p1 * q1), -1 / (p0 * q0)]])
    errors = np.array([difference.std_error, ratio.std_error, odds.std_error])
    size = np.linalg.norm(gradients, axis=1)
    forms = _quadratic(gradients / size[:, None])
    cov = np.linalg.lstsq(forms, (errors / size) ** 2, rcond=1e-9)[0]
    variance = float(_quadratic(np.array([[-1 / q1, 1 / q0]]))[0] @ cov)
    std_error = max(variance, 0.0) ** 0.5
    spread = float(np.exp(np.log(ratio.upper / ratio.estimate) / ratio.std_error * std_error))
    return Interval(q1 / q0, std_error, q1 / q0 / spread, q1 / q0 * spread, np.nan)


def _quadratic(gradients: FloatArray) -> FloatArray:
    """Coefficients of u'Σu in (Σ₁₁, Σ₂₂, Σ₁₂), one row a gradient."""
    a, b = gradients[:, 0], gradients[:, 1]
    return np.column_stack([a**2, b**2, 2 * a * b])


def e_value_rows(estimate: FamilyEstimate, labels: Labels) -> list[SensitivityRow]:
    """E-values at each threshold under both codings of the outcome.

    Parameters
    ----------
    estimate
        A family with marginal risk ratios (not a conditional or linear one).
    labels
        Keys of the rows.

    Returns
    -------
    list of SensitivityRow
        A risk ratio and its E-value for reaching each threshold (`>=B`, or the upper level) and
        for staying below it (`<B`, or the lower level). In E-value rows `lower` is the E-value of
        the confidence limit. Thresholds with small counts are left out.
    """
    base = base_row(Check.E_VALUE, estimate, labels)
    if estimate.status is not Status.OK:
        return [replace(base, verdict=Verdict.NOT_APPLICABLE, note=no_estimate(estimate))]
    result: list[SensitivityRow] = []
    for contrast in contrasts(labels.levels):
        if contrast.quantity is not Quantity.RISK_RATIO or is_suppressed(estimate, contrast):
            continue
        found = [estimate.intervals.get(contrast) for contrast in _triple(contrast, labels)]
        difference, ratio, odds = found
        if difference is None or ratio is None or odds is None or not ratio.std_error > 0:
            continue
        shares = _reaching(estimate, contrast.level)
        below = complement_ratio(shares, difference, ratio, odds)
        level = labels.levels[contrast.level]
        binary = len(labels.levels) == 2
        result += _pair(ratio, level if binary else f">={level}", base)
        result += _pair(below, labels.levels[0] if binary else f"<{level}", base)
    if not result:
        note = "No threshold has a marginal risk ratio that can be shown."
        return [replace(base, verdict=Verdict.NOT_APPLICABLE, note=note)]
    return result


def _triple(contrast: Contrast, labels: Labels) -> tuple[Contrast, Contrast, Contrast]:
    """Difference, risk ratio and odds ratio at one threshold."""
    odds = Quantity.ODDS_RATIO if len(labels.levels) == 2 else Quantity.CUMULATIVE_ODDS_RATIO
    return (
        contrast._replace(quantity=Quantity.RISK_DIFFERENCE),
        contrast,
        contrast._replace(quantity=odds),
    )


def _reaching(estimate: FamilyEstimate, level: int) -> tuple[float, float]:
    """Share of each group at or above a level."""
    totals = [0.0, 0.0]
    for contrast, interval in estimate.intervals.items():
        if contrast.quantity is Quantity.SHARE and contrast.level >= level and interval is not None:
            totals[0 if contrast.of_member else 1] += interval.estimate
    return totals[0], totals[1]


def _pair(ratio: Interval, category: str, base: SensitivityRow) -> Iterator[SensitivityRow]:
    common = replace(
        base,
        category=category,
        interval_prob=INTERVAL_PROB,
        interval_kind=IntervalKind.CONFIDENCE,
    )
    yield replace(
        common,
        quantity=Quantity.RISK_RATIO,
        estimate=ratio.estimate,
        std_error=ratio.std_error,
        lower=ratio.lower,
        upper=ratio.upper,
    )
    yield replace(
        common,
        quantity="e_value",
        estimate=e_value(ratio.estimate),
        lower=e_value_limit(ratio.lower, ratio.upper),
        note=_E_NOTE,
    )
