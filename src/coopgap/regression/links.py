"""Links of cumulative models, stable in both tails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import special

from coopgap.arrays import FloatArray
from coopgap.study.spec import LinkName

__all__ = ["LINKS", "Link"]

_EXP_RANGE: Final = 700.0
_LOG_ROOT_2PI: Final = 0.5 * float(np.log(2 * np.pi))


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A distribution function F on the latent scale.

    Attributes
    ----------
    log_interval
        (upper, lower) → log(F(upper) − F(lower)), for upper > lower; either may be infinite.
    log_density
        η → log F'(η), η finite.
    log_density_slope
        η → d log F'(η) / dη.
    quantile
        F⁻¹ on (0, 1).
    distribution
        F.
    """

    log_interval: Callable[[FloatArray, FloatArray], FloatArray]
    log_density: Callable[[FloatArray], FloatArray]
    log_density_slope: Callable[[FloatArray], FloatArray]
    quantile: Callable[[FloatArray], FloatArray]
    distribution: Callable[[FloatArray], FloatArray]


def _logit_interval(upper: FloatArray, lower: FloatArray) -> FloatArray:
    # F(a) - F(b) = F(a) (1 - F(b)) (1 - exp(b - a)): no cancellation anywhere.
    width = np.log(-np.expm1(lower - upper))
    return np.asarray(special.log_expit(upper) + special.log_expit(-lower) + width)


def _logit_density(eta: FloatArray) -> FloatArray:
    return np.asarray(special.log_expit(eta) + special.log_expit(-eta))


def _probit_interval(upper: FloatArray, lower: FloatArray) -> FloatArray:
    # Both ends are moved to the lower tail, where the normal distribution keeps its digits.
    flip = upper > -lower
    high, low = np.where(flip, -lower, upper), np.where(flip, -upper, lower)
    log_high, log_low = special.log_ndtr(high), special.log_ndtr(low)
    return np.asarray(log_high + np.log(-np.expm1(log_low - log_high)))


def _cloglog_interval(upper: FloatArray, lower: FloatArray) -> FloatArray:
    # F = 1 - exp(-exp(η)); the difference of the two exponentials is taken before it is needed.
    high, low = np.minimum(upper, _EXP_RANGE), np.maximum(lower, -_EXP_RANGE)
    low = np.minimum(low, _EXP_RANGE)
    with np.errstate(over="ignore"):
        hazard = np.where(np.isneginf(lower), np.exp(high), np.exp(low) * np.expm1(high - low))
    before = np.where(np.isneginf(lower), 0.0, np.exp(low))
    return np.asarray(np.log(-np.expm1(-hazard)) - before)


def _cloglog_density(eta: FloatArray) -> FloatArray:
    return np.asarray(eta - np.exp(np.minimum(eta, _EXP_RANGE)))


LINKS: Final[dict[LinkName, Link]] = {
    "logit": Link(
        log_interval=_logit_interval,
        log_density=_logit_density,
        log_density_slope=lambda eta: -np.tanh(eta / 2),
        quantile=lambda p: np.asarray(special.logit(p)),
        distribution=lambda eta: np.asarray(special.expit(eta)),
    ),
    "probit": Link(
        log_interval=_probit_interval,
        log_density=lambda eta: -(eta**2) / 2 - _LOG_ROOT_2PI,
        log_density_slope=lambda eta: -eta,
        quantile=lambda p: np.asarray(special.ndtri(p)),
        distribution=lambda eta: np.asarray(special.ndtr(eta)),
    ),
    "cloglog": Link(
        log_interval=_cloglog_interval,
        log_density=_cloglog_density,
        log_density_slope=lambda eta: 1.0 - np.exp(np.minimum(eta, _EXP_RANGE)),
        quantile=lambda p: np.log(-np.log1p(-p)),
        distribution=lambda eta: -np.expm1(-np.exp(np.minimum(eta, _EXP_RANGE))),
    ),
}
"""By name; cloglog is F(η) = 1 − exp(−exp(η)), as in R's `ordinal::clm`."""
