"""Profile likelihood limits of every slope, beside the robust ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from coopgap.core.gap import Interval
from coopgap.core.tails import chi2_above
from coopgap.core.vocabulary import Scale
from coopgap.families.cells import CellFit
from coopgap.families.records import INTERVAL_PROB, Coefficient
from coopgap.regression.ordinal import fit_ordinal, profile_interval

__all__ = ["PROFILE", "profile_coefficients"]

PROFILE = "model, profile"
"""`std_error_kind` of these rows: people count as independent and the model as true."""


def profile_coefficients(result: CellFit, scale: Scale) -> Iterator[Coefficient]:
    """Slopes with the limits that a likelihood ratio test at 5 percent does not reject.

    Parameters
    ----------
    result
        A fit of unweighted people with one slope a column.
    scale
        Scale of the slopes.

    Yields
    ------
    Coefficient
        Standard error from the inverse information, p-value of the likelihood ratio. Nothing
        for a bias-reduced fit, which has no maximum to fall from.
    """
    if result.infinite:
        return
    fit, on = result.fit, result.on
    counts = on.cells.people.astype(np.float64)
    for column, term in enumerate(on.terms):
        lower, upper = profile_interval(on.x, counts, column, prob=INTERVAL_PROB, link=fit.link)
        without = fit_ordinal(np.delete(on.x, column, axis=1), counts, link=fit.link)
        ratio = max(2 * (fit.log_likelihood - without.log_likelihood), 0.0)
        unit = float(on.scale[column])
        yield Coefficient(
            term=term,
            scale=scale,
            interval=Interval(
                estimate=float(fit.slopes[column]) / unit,
                std_error=float(fit.std_errors[column]) / unit,
                lower=lower / unit,
                upper=upper / unit,
                p_value=chi2_above(ratio, 1),
            ),
            std_error_kind=PROFILE,
        )
