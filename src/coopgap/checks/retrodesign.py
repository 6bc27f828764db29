"""What a design with a given standard error can find, and how wrong what it finds would be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from coopgap.core.arrays import FloatArray
from coopgap.core.tails import t_above, t_quantile

DESIGN_EFFECTS = (1.0, 1.5, 2.0)
"""Design effects of a simple random sample of the same effective sizes."""


class Retrodesign(NamedTuple):
    """At a true gap: power, and among significant estimates the wrong signs and exaggeration.

    `power` is that of a two-sided test; `type_s` the probability that a significant estimate has
    the wrong sign, `type_m` its expected absolute value over the true gap's.
    """

    power: float
    type_s: float
    type_m: float


def retrodesign(
    gap: float, std_error: float, *, df: float = np.inf, alpha: float = 0.05
) -> Retrodesign:
    """Power, type S and type M error of a two-sided test at a true gap.

    Neither the gap nor the standard error, taken as known, may be zero; `df` is more than one for a
    finite `type_m`.

    Notes
    -----
    The estimate is gap + se·T, T with the t distribution F and density f. With λ = |gap|/se, z
    the two-sided critical value, a = z − λ and b = z + λ the power is F(−a) + F(−b), type S
    F(−b)/power. E[T; T > x] = f(x)(df + x²)/(df − 1), f(x) for the normal, so that type M is
    (λ F(−a) + E[T; T > a] − λ F(−b) + E[T; T > b])/(λ power).

    References
    ----------
    Gelman & Carlin (2014), Perspectives on Psychological Science 9(6), 641-651, whose
    `retrodesign` simulates type M; Lu, Qiu & Deng (2019), British Journal of Mathematical and
    Statistical Psychology 72(1), 1-17, for the closed form.
    """
    if gap == 0 or not std_error > 0:
        raise ValueError(f"gap {gap} and standard error {std_error}: neither may be zero")
    ratio = abs(gap) / std_error
    critical = t_quantile(1 - alpha / 2, df)
    ends = critical - ratio, critical + ratio
    right, wrong = (t_above(end, df) for end in ends)
    power = right + wrong
    size = ratio * (right - wrong) + sum(_mean_above(end, df) for end in ends)
    return Retrodesign(power=power, type_s=wrong / power, type_m=size / (ratio * power))


def _mean_above(end: float, df: float) -> float:
    """E[T; T > end], T standard t; infinite without a mean."""
    if df <= 1:
        return np.inf
    scale = 1.0 if np.isinf(df) else (df + end**2) / (df - 1)
    return float(scipy.stats.t.pdf(end, df)) * scale


def detectable_gap(
    std_error: float, *, df: float = np.inf, power: float = 0.8, alpha: float = 0.05
) -> float:
    """Smallest true gap that a two-sided test finds with some power: `retrodesign` turned round."""
    critical = t_quantile(1 - alpha / 2, df)

    def missing(ratio: float) -> float:
        return float(t_above(critical - ratio, df) + t_above(critical + ratio, df)) - power

    far = critical + t_quantile(power, df)
    return std_error * float(scipy.optimize.brentq(missing, 0.0, far, xtol=1e-12))


def superiority_error(shares: FloatArray, n_member: float, n_comparison: float) -> float:
    """Standard error of the probability of superiority of two simple random samples alike.

    `shares`, shape (J,), is the distribution of both. Variance (1 − Σp³)(1/n₁ + 1/n₀)/12, that of
    the Mann-Whitney statistic with ties; with two levels it is a fourth of that of the difference
    of the shares.
    """
    ties = 1.0 - float(np.sum(np.asarray(shares) ** 3))
    return float(np.sqrt(ties * (1 / n_member + 1 / n_comparison) / 12))
