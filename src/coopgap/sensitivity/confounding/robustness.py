"""How much variance an unmeasured confounder would have to explain: robustness values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import stats

from coopgap.estimate import SensitivityRow
from coopgap.families.records import INTERVAL_PROB, FamilyEstimate
from coopgap.families.rows import Labels
from coopgap.sensitivity.confounding.rows import base_row, no_estimate
from coopgap.sensitivity.keys import is_small
from coopgap.vocabulary import Check, Status, Verdict

__all__ = ["robustness_rows", "robustness_value"]

_RV_NOTES = {
    "estimate": (
        "A confounder that explains this share of the residual variance of both membership and "
        "outcome would account for the whole difference."
    ),
    "interval": (
        "A confounder that explains this share of the residual variance of both membership and "
        "outcome would bring zero into the interval."
    ),
}


def robustness_value(t_value: float, df: float, *, q: float = 1.0, alpha: float = 1.0) -> float:
    """Share of residual variance a confounder must explain in both membership and outcome.

    Parameters
    ----------
    t_value
        Estimate over its standard error in the linear model.
    df
        Residual degrees of freedom of that model.
    q
        Share of the estimate to be explained away; one for all of it.
    alpha
        Level at which the confounded estimate must stay significant; one for the point estimate.

    Returns
    -------
    float
        Between 0 and 1.

    References
    ----------
    Cinelli & Hazlett (2020), JRSS B 82(1), section 4; the extreme case, in which the confounder
    need not explain the outcome, as in Cinelli, Ferwerda & Hazlett (2024).
    """
    f_value = float(q * abs(t_value) / np.sqrt(df))
    critical = abs(float(stats.t.ppf(alpha / 2, df - 1))) / float(np.sqrt(df - 1))
    excess = f_value - critical
    if excess <= 0:
        return 0.0
    if critical > 0 and f_value > 1 / critical:
        return (f_value**2 - critical**2) / (1 + f_value**2)
    return (float(np.sqrt(excess**4 + 4 * excess**2)) - excess**2) / 2


def robustness_rows(estimate: FamilyEstimate, labels: Labels) -> list[SensitivityRow]:
    """Robustness values of the linear family, a pair a threshold.

    Parameters
    ----------
    estimate
        The linear family: absorbed sets, weighted, one slope.
    labels
        Keys of the rows.

    Notes
    -----
    Degrees of freedom are the residual ones of the regression, people less sets less one. The t
    value has the clustered standard error of the family: where zones matter it is smaller than
    the classical one, and so is the robustness value.
    """
    base = base_row(Check.ROBUSTNESS_VALUE, estimate, labels)
    df = float(estimate.people.sum()) - (estimate.n_sets or 0) - 1
    if estimate.status is not Status.OK or df < 2:
        return [replace(base, verdict=Verdict.NOT_APPLICABLE, note=no_estimate(estimate))]
    result: list[SensitivityRow] = []
    for contrast, interval in estimate.intervals.items():
        usable = interval is not None and interval.std_error > 0
        if not usable or interval is None or is_small(estimate.people, contrast):
            continue
        t_value = interval.estimate / interval.std_error
        for variant, alpha in (("estimate", 1.0), ("interval", 1 - INTERVAL_PROB)):
            result.append(
                replace(
                    base,
                    variant=variant,
                    quantity="robustness_value",
                    category=contrast.category,
                    estimate=robustness_value(t_value, df, alpha=alpha),
                    note=_RV_NOTES[variant],
                )
            )
    if not result:
        note = "No threshold has a linear estimate that can be shown."
        return [replace(base, verdict=Verdict.NOT_APPLICABLE, note=note)]
    return result
