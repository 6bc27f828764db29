"""Profile likelihood intervals of a slope in a cumulative link model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import optimize, special

from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.regression.newton import maximise
from coopgap.regression.ordinal import fit_ordinal, standardised_problem
from coopgap.study.spec import LinkName

_FARTHEST = 40.0
"""Standard errors beyond which a limit is taken as infinite."""


def profile_interval(
    x: FloatArray,
    counts: FloatArray,
    column: int,
    *,
    prob: float = 0.95,
    link: LinkName = "logit",
) -> tuple[float, float]:
    """Slopes of one column that a likelihood ratio test does not reject.

    Parameters
    ----------
    x
        Shape (c, k): design rows of cells.
    counts
        Shape (c, J): people, or weights that count people.
    column
        Position of the column in `x`.
    prob
        Coverage probability.
    link
        As in `fit_ordinal`.

    Returns
    -------
    lower, upper : float
        Infinite where the likelihood never falls far enough.

    Raises
    ------
    NotEstimable
        If the full fit has no finite maximum.

    References
    ----------
    Venzon & Moolgavkar (1988), Applied Statistics 37, 87-94.
    """
    fit = fit_ordinal(x, counts, link=link)
    drop = 2 * float(special.gammaincinv(0.5, prob))  # Quantile of the chi-square.
    centre, step = float(fit.slopes[column]), float(fit.std_errors[column])
    log_likelihood = _profile(x, counts, column, link)

    def excess(slope: float) -> float:
        return 2 * (fit.log_likelihood - log_likelihood(slope)) - drop

    return _limit(excess, centre, -step), _limit(excess, centre, step)


def _limit(excess: Callable[[float], float], centre: float, step: float) -> float:
    inner, outer = centre, centre + 2 * step
    while excess(outer) < 0:
        inner, outer = outer, outer + 2 * (outer - centre)
        if abs(outer - centre) > _FARTHEST * abs(step):
            return float(np.copysign(np.inf, step))
    return float(optimize.brentq(excess, inner, outer, xtol=1e-10))


def _profile(
    x: FloatArray, counts: FloatArray, column: int, link: LinkName
) -> Callable[[float], float]:
    """Largest log-likelihood with the slope of one column held."""
    used = counts.sum(axis=1) > 0
    kept = counts[used][:, counts.sum(axis=0) > 0]
    others, held = np.delete(x[used], column, axis=1), x[used, column]
    problem, start, _ = standardised_problem(others, kept, link, ())
    total = float(kept.sum())

    def log_likelihood(slope: float) -> float:
        fixed = problem._replace(offset=slope * (held - held.mean())[:, None])
        try:
            return maximise(fixed.point, start, total, fixed.ordered).point.value
        except NotEstimable:
            return -np.inf

    return log_likelihood
