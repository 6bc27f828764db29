"""How strong an unmeasured confounder would have to be, as risk ratios: E-values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from coopgap.checks.compare import numbers_of
from coopgap.checks.context import Context
from coopgap.checks.registry import NotApplicable, Topic, check
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Contrast, Interval, Margins, contrasts, estimate_contrast
from coopgap.core.vocabulary import Check, Quantity
from coopgap.families.difference import INTERVAL_PROB

_NOTE: Final = (
    "A confounder outside the covariates would have to be associated with membership and with the "
    "outcome by at least this risk ratio each to account for the ratio; lower is the same for the "
    "confidence limit nearer to one."
)


def e_value(risk_ratio: float) -> float:
    """Weakest pair of risk ratios that a confounder needs to move a risk ratio to one.

    RR + √(RR(RR − 1)), of the inverse below one: the least that the confounder's association with
    membership and with the outcome must both reach, above all measured covariates.
    VanderWeele & Ding (2017), Annals of Internal Medicine 167(4).
    """
    ratio = max(risk_ratio, 1 / risk_ratio)
    return ratio + float(np.sqrt(ratio * (ratio - 1)))


def e_value_limit(lower: float, upper: float) -> float:
    """E-value of the confidence limit nearer to one; one if the interval holds one."""
    if lower > 1:
        return e_value(lower)
    return e_value(upper) if upper < 1 else 1.0


@check(
    Check.E_VALUE,
    title="E-values",
    question="How strong would an unmeasured confounder have to be, as a risk ratio?",
    formula=(
        "E = RR + √(RR·(RR − 1)), RR > 1 of the rarer coding; of the limit nearer to 1 likewise"
    ),
    topic=Topic.UNMEASURED,
    needs=(Context.estimated,),
    place=(80, 1),
)
def e_values(context: Context) -> Iterator[SensitivityRow]:
    """E-values in the coding of the rarer answer, at the declared threshold or at each.

    A risk ratio and its E-value, of reaching the threshold (`>=B`, or the upper of two levels) or
    of staying below it (`<B`, or the lower level): whichever has the smaller mean of the two
    groups' standardised shares, at one half reaching it. In E-value rows `lower` is the E-value of
    the confidence limit.
    """
    keys, margins, any_ratio = context.keys, context.headline.margins, False
    for contrast in contrasts(keys.levels):
        wanted = contrast.quantity is Quantity.RISK_RATIO and keys.at in ("", contrast.category)
        if not wanted or margins is None:
            continue
        ratio, category = _rarer(margins, contrast, keys.levels)
        if ratio is None or not ratio.std_error > 0:
            continue
        any_ratio = True
        numbers = numbers_of(ratio) | {"p_value": None}
        row = context.row(quantity=Quantity.RISK_RATIO, category=category, **numbers)
        yield row
        yield replace(
            row,
            quantity="e_value",
            estimate=e_value(ratio.estimate),
            std_error=None,
            lower=e_value_limit(ratio.lower, ratio.upper),
            upper=None,
            note=_NOTE,
        )
    if not any_ratio:
        raise NotApplicable("No threshold has a marginal risk ratio.")


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
