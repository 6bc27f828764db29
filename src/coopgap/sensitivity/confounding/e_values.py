"""How strong an unmeasured confounder would have to be, as risk ratios: E-values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import Contrast, Interval, Margins, contrasts, estimate_contrast
from coopgap.core.vocabulary import Check, IntervalKind, Quantity, Status, Verdict
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.estimate import Estimate
from coopgap.sensitivity.confounding.rows import base_row, no_estimate

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


def e_value_rows(estimate: Estimate, labels: Keys) -> list[SensitivityRow]:
    """E-values in the coding of the rarer answer, at the declared threshold or at each.

    Parameters
    ----------
    estimate
        A family with margins (not a conditional or linear one).
    labels
        Keys of the rows, and the declared threshold.

    Returns
    -------
    list of SensitivityRow
        A risk ratio and its E-value, of reaching the threshold (`>=B`, or the upper of two levels)
        or of staying below it (`<B`, or the lower level): whichever has the smaller mean of the two
        groups' standardised shares, at one half reaching it. In E-value rows `lower` is the E-value
        of the confidence limit.
    """
    base = base_row(Check.E_VALUE, estimate, labels)
    if estimate.status is not Status.OK:
        return [replace(base, verdict=Verdict.NOT_APPLICABLE, note=no_estimate(estimate))]
    result: list[SensitivityRow] = []
    for contrast in contrasts(labels.levels):
        wanted = contrast.quantity is Quantity.RISK_RATIO and labels.at in ("", contrast.category)
        if not wanted or estimate.margins is None:
            continue
        ratio, category = _rarer(estimate.margins, contrast, labels.levels)
        if ratio is not None and ratio.std_error > 0:
            result += _pair(ratio, category, base)
    if not result:
        note = "No threshold has a marginal risk ratio."
        return [replace(base, verdict=Verdict.NOT_APPLICABLE, note=note)]
    return result


def _rarer(
    margins: Margins, contrast: Contrast, levels: tuple[str, ...]
) -> tuple[Interval | None, str]:
    """Risk ratio of the rarer side of a threshold, and that side's name."""
    level, binary = contrast.level, len(levels) == 2
    if margins.member[level:].sum() + margins.comparison[level:].sum() <= 1:
        named = levels[level] if binary else f">={levels[level]}"
        return estimate_contrast(contrast, margins, INTERVAL_PROB), named
    below = contrast._replace(level=len(levels) - level)
    named = levels[0] if binary else f"<{levels[level]}"
    return estimate_contrast(below, margins.complement(), INTERVAL_PROB), named


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
