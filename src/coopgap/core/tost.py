"""Two one-sided tests: whether a difference is shown to be small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coopgap.core.tails import t_above, t_quantile
from coopgap.core.vocabulary import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalence:
    """Outcome of two one-sided tests; numbers are NaN where there is no margin or no error.

    Attributes
    ----------
    lower, upper
        Interval of probability 1 − 2·alpha: within the margin exactly where both tests reject.
    p_equivalence
        Larger of the two one-sided p-values.
    power
        Probability to confirm if there is no difference.
    smallest_margin
        Smallest margin confirmed with 80 % probability if there is no difference.
    """

    lower: float = np.nan
    upper: float = np.nan
    p_equivalence: float = np.nan
    power: float = np.nan
    smallest_margin: float = np.nan
    verdict: Verdict = Verdict.NOT_ASSESSED


def power_at_zero(
    std_error: float, margin: float, *, df: float = np.inf, alpha: float = 0.05
) -> float:
    """Probability that both one-sided tests reject when the true difference is zero.

    max(0, 2·T(m/se − t₁₋α) − 1), T the t distribution function (normal for infinite df), the
    standard error taken as known. Schuirmann (1987), Journal of Pharmacokinetics and
    Biopharmaceutics 15(6); Phillips (1990).
    """
    critical = t_quantile(1 - alpha, df)
    return max(0.0, 2 * t_above(critical - margin / std_error, df) - 1)


def smallest_margin(
    std_error: float, *, df: float = np.inf, power: float = 0.8, alpha: float = 0.05
) -> float:
    """Smallest margin confirmed with the given power when the true difference is zero.

    The inverse of `power_at_zero`: se·(t₁₋α + t₍₁₊power₎/₂).
    """
    quantiles = (t_quantile(prob, df) for prob in (1 - alpha, (1 + power) / 2))
    return std_error * sum(quantiles)


def smallest_possible(std_error: float, *, df: float = np.inf, alpha: float = 0.05) -> float:
    """Margin up to which nothing can ever be confirmed, whatever the difference found.

    se·t₁₋α, half the width of the interval of probability 1 − 2·alpha: an interval at least as
    wide as the margins' distance never lies between them, so that `power_at_zero` is exactly zero
    up to it and positive above.
    """
    return std_error * t_quantile(1 - alpha, df)


def two_one_sided(
    estimate: float,
    std_error: float,
    margin: float | None,
    *,
    df: float = np.inf,
    alpha: float = 0.05,
) -> Equivalence:
    """Test a difference against a margin from both sides.

    Parameters
    ----------
    estimate, std_error
        Difference and its standard error, probability scale.
    margin
        Largest difference that would not matter, declared beforehand; None if undeclared.
    df
        Degrees of freedom.
    alpha
        Level of each one-sided test and of the two-sided test of no difference.

    Returns
    -------
    Equivalence
        Verdict `equivalent`: both one-sided tests reject and no difference is detected;
        `different_within_margin`: both reject, and a difference is detected; `different`: only a
        difference is detected; `inconclusive`: neither; `not_assessed`: no margin, or no
        standard error because everybody answered alike.

    References
    ----------
    Schuirmann (1987), Journal of Pharmacokinetics and Biopharmaceutics 15(6); for the four
    verdicts Lakens, Scheel & Isager (2018), AMPPS 1(2).
    """
    if not std_error > 0:
        return Equivalence()
    half = t_quantile(1 - alpha, df) * std_error
    p_difference = float(2 * t_above(abs(estimate) / std_error, df))
    p_equivalence = power = np.nan
    verdict = Verdict.NOT_ASSESSED
    if margin is not None:
        p_equivalence = t_above((margin - abs(estimate)) / std_error, df)
        power = power_at_zero(std_error, margin, df=df, alpha=alpha)
        verdict = _VERDICTS[p_equivalence < alpha, p_difference < alpha]
    return Equivalence(
        lower=estimate - half,
        upper=estimate + half,
        p_equivalence=p_equivalence,
        power=power,
        smallest_margin=smallest_margin(std_error, df=df, alpha=alpha),
        verdict=verdict,
    )


_VERDICTS = {
    (True, True): Verdict.DIFFERENT_WITHIN_MARGIN,
    (True, False): Verdict.EQUIVALENT,
    (False, True): Verdict.DIFFERENT,
    (False, False): Verdict.INCONCLUSIVE,
}
"""By whether both one-sided tests reject, and whether a difference is detected."""


def verdict_over_all(verdicts: list[Verdict]) -> Verdict:
    """One verdict for an outcome with several thresholds.

    `not_assessed` if any threshold is; else `different` if any is; else `inconclusive` if any is;
    else `different_within_margin` if any is; else `equivalent`. Declaring all thresholds
    equivalent at level alpha each needs no correction (intersection-union); `different` at one of
    several is more easily found by chance.
    """
    order = (
        Verdict.NOT_ASSESSED,
        Verdict.DIFFERENT,
        Verdict.INCONCLUSIVE,
        Verdict.DIFFERENT_WITHIN_MARGIN,
    )
    return next((verdict for verdict in order if verdict in verdicts), Verdict.EQUIVALENT)
