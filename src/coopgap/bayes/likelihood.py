"""Likelihood of cells under a cumulative model and its gradient, compiled by numba."""

from __future__ import annotations

import math
from typing import Final

import numba
import numpy as np

_ROOT_HALF: Final = math.sqrt(0.5)
_LOG_ROOT_2PI: Final = 0.5 * math.log(2 * math.pi)
_TOGETHER: Final = 8


@numba.njit(nogil=True, error_model="numpy")
def logit_cells(eta, side, starts, levels, counts, theta, d_eta, d_theta):
    """Σ n log P over the entries of cells, without the part that only the increments enter.

    F(a) − F(b) = F(a) F(−b) (1 − exp(b − a)); with A = exp(a) and B = exp(b) the first two
    factors are A / ((1 + A)(1 + B)). Logarithms of several people are taken together.
    """
    cuts = theta.shape[1]
    rise = np.exp(theta)
    value, product, together = 0.0, 1.0, 0
    for i in range(eta.size):
        s = side[i]
        fall = math.exp(-eta[i])
        slope = 0.0
        for entry in range(starts[i], starts[i + 1]):
            y, n = levels[entry], counts[entry]
            upper = rise[s, y] * fall if y < cuts else 0.0
            lower = rise[s, y - 1] * fall if y > 0 else 0.0
            both = (1.0 + upper) * (1.0 + lower)
            inverse = n / both
            if y < cuts:
                value += n * (theta[s, y] - eta[i])
                part = inverse * (1.0 + lower)
                d_theta[s, y] += part
                slope -= part
            if y > 0:
                part = inverse * (1.0 + upper) * lower
                d_theta[s, y - 1] -= part
                slope += part
            if n == 1.0:
                product *= both
                together += 1
                if together == _TOGETHER:
                    value -= math.log(product)
                    product, together = 1.0, 0
            else:
                value -= n * math.log(both)
        d_eta[i] = slope
    return value - math.log(product)


@numba.njit(nogil=True, error_model="numpy")
def probit_cells(eta, side, starts, levels, counts, theta, d_eta, d_theta):
    """Σ n log P; both ends are moved to the tail in which the normal keeps its digits."""
    cuts = theta.shape[1]
    value = 0.0
    for i in range(eta.size):
        s = side[i]
        slope = 0.0
        for entry in range(starts[i], starts[i + 1]):
            y, n = levels[entry], counts[entry]
            a = theta[s, y] - eta[i] if y < cuts else np.inf
            b = theta[s, y - 1] - eta[i] if y > 0 else -np.inf
            if a > -b:
                share = 0.5 * (math.erfc(b * _ROOT_HALF) - math.erfc(a * _ROOT_HALF))
            else:
                share = 0.5 * (math.erfc(-a * _ROOT_HALF) - math.erfc(-b * _ROOT_HALF))
            if not share > 0.0:
                return -np.inf
            value += n * math.log(share)
            if y < cuts:
                part = n * math.exp(-0.5 * a * a - _LOG_ROOT_2PI) / share
                d_theta[s, y] += part
                slope -= part
            if y > 0:
                part = n * math.exp(-0.5 * b * b - _LOG_ROOT_2PI) / share
                d_theta[s, y - 1] -= part
                slope += part
        d_eta[i] = slope
    return value
