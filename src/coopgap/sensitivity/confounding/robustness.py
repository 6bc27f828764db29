"""How much variance an unmeasured confounder would have to explain: robustness values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import Interval
from coopgap.core.tails import t_quantile
from coopgap.core.vocabulary import Check, Status, Verdict, Version
from coopgap.families.estimate import Estimate
from coopgap.families.sample import Sample
from coopgap.sensitivity.confounding.rows import base_row, no_estimate

__all__ = [
    "Residual",
    "interval_value",
    "robustness_rows",
    "robustness_value",
    "value_rows",
    "within_sets",
]

_RV_NOTES = {
    "estimate": (
        "A confounder that explains this share of the residual variance of both membership and "
        "outcome would account for the whole difference."
    ),
    "interval": (
        "A confounder that explains this share of the residual variance of both membership and "
        "outcome would bring zero into the interval; zero where the interval holds it already."
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
    critical = abs(t_quantile(alpha / 2, df - 1)) / float(np.sqrt(df - 1))
    return _value(f_value, critical)


def _value(f_value: float, critical: float) -> float:
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

    Parameters
    ----------
    y, member, weight, set_id
        Shape (n,): as in `fit_linear`; people of weight zero or in no set are left out.

    Returns
    -------
    Residual or None
        Classical standard error times √df, whatever the clusters, and people less sets less one;
        None where nothing is left to be explained.
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
    """Share of variance a confounder must explain in both to bring zero into the interval.

    Parameters
    ----------
    interval
        The linear gap's own, with clustered standard error and its own degrees of freedom.
    residual
        From `within_sets`.

    Returns
    -------
    float
        Zero where the interval holds zero as it is.

    Notes
    -----
    The confounder's bias is that of classical least squares. Half the interval's width changes by
    the factor of the classical standard error, as in `omitted.left_of`; of a classical interval
    the value is `robustness_value`'s, but for the degree of freedom the confounder takes.
    """
    half = (interval.upper - interval.lower) / 2 * float(np.sqrt(residual.df / (residual.df - 1)))
    if interval.lower <= 0 <= interval.upper:
        return 0.0
    return _value(abs(interval.estimate) / residual.bias_scale, half / residual.bias_scale)


def value_rows(
    base: SensitivityRow, interval: Interval, residual: Residual
) -> Iterator[SensitivityRow]:
    """The two robustness values of one linear gap: for the estimate, and for its interval."""
    values = {
        Version.ESTIMATE: _value(abs(interval.estimate) / residual.bias_scale, 0.0),
        Version.INTERVAL: interval_value(interval, residual),
    }
    for variant, value in values.items():
        note = _RV_NOTES[variant]
        yield replace(base, variant=variant, quantity="robustness_value", estimate=value, note=note)


def robustness_rows(sample: Sample, estimate: Estimate, labels: Keys) -> list[SensitivityRow]:
    """Robustness values of the linear family, a pair a threshold.

    Parameters
    ----------
    sample
        The matched people behind the estimate.
    estimate
        The linear family: absorbed sets, weighted, one slope.
    labels
        Keys of the rows.

    Notes
    -----
    The value for the estimate is algebra of least squares: it takes the classical standard error,
    whatever the clusters. The value for the interval takes the family's own interval.
    """
    base = base_row(Check.ROBUSTNESS_VALUE, estimate, labels)
    if estimate.status is not Status.OK:
        return [replace(base, verdict=Verdict.NOT_APPLICABLE, note=no_estimate(estimate))]
    result: list[SensitivityRow] = []
    rows, set_id = sample.rows, sample.matched.set_id
    for contrast, interval in estimate.intervals.items():
        if interval is None or not interval.std_error > 0:
            continue
        above = (rows.outcome >= contrast.level).astype(np.float64)
        residual = within_sets(above, rows.member, sample.weight, set_id)
        if residual is not None:
            result += value_rows(replace(base, category=contrast.category), interval, residual)
    if not result:
        note = "No threshold has a linear estimate with an error."
        return [replace(base, verdict=Verdict.NOT_APPLICABLE, note=note)]
    return result
