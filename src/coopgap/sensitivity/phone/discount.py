"""The posterior of a discount: how much borrowed interviews count, by how well they agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import integrate

from coopgap.core.arrays import FloatArray

_PROB = 0.95
_ROOTS = np.linspace(0.0, 1.0, 401)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """Posterior of the discount on a grid.

    Attributes
    ----------
    grid
        Shape (K,): discounts from 0 to 1, closer near 0.
    density
        Shape (K,): posterior density; the prior's is 1 throughout.
    mass
        Shape (K,): Simpson weights times density, of sum 1.
    mean, lower, upper
        Mean and 95 % equal-tailed interval.
    tenths
        Shape (10,): probability of each tenth of [0, 1].
    """

    grid: FloatArray
    density: FloatArray
    mass: FloatArray
    mean: float
    lower: float
    upper: float
    tenths: FloatArray


def weigh_discounts(log_marginal: Callable[[FloatArray], FloatArray]) -> Discount:
    """Posterior of a discount with a uniform prior from its logarithmic marginal likelihood.

    Parameters
    ----------
    log_marginal
        Shape (K,) to shape (K,); any constant may be left out.

    Notes
    -----
    Simpson's rule in the square root of the discount, so that a posterior near 0 is resolved.
    """
    grid = _ROOTS**2
    raw = log_marginal(grid)
    likelihood = np.exp(raw - raw.max())
    in_root = 2 * _ROOTS * likelihood
    below = integrate.cumulative_simpson(in_root, x=_ROOTS, initial=0.0)
    total = float(below[-1])
    simpson = np.full(_ROOTS.size, 2.0)
    simpson[1::2], simpson[[0, -1]] = 4.0, 1.0
    mass = simpson * in_root
    mass = mass / mass.sum()
    tail = (1 - _PROB) / 2
    lower, upper = (float(np.interp(q, below / total, _ROOTS)) ** 2 for q in (tail, 1 - tail))
    edges = np.interp(np.sqrt(np.linspace(0.0, 1.0, 11)), _ROOTS, below / total)
    return Discount(
        grid=grid,
        density=likelihood / total,
        mass=mass,
        mean=float(mass @ grid),
        lower=lower,
        upper=upper,
        tenths=np.diff(edges),
    )
