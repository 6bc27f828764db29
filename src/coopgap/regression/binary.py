"""Binary regression: a cumulative model of two levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.regression.ordinal import CumulativeFit, fit_ordinal


def fit_logit(
    x: FloatArray,
    successes: FloatArray,
    failures: FloatArray,
    *,
    terms: Sequence[str] | None = None,
) -> CumulativeFit:
    """Logistic regression on cells, P(success) = F(x'b − θ_0).

    Parameters
    ----------
    x
        Shape (c, k): design rows without intercept; the intercept is −θ_0.
    successes, failures
        Shape (c,): sums of weights.
    terms
        k names, for messages.

    Raises
    ------
    NotEstimable
        As `fit_ordinal`, of which this is the case J = 2.
    """
    return fit_ordinal(x, np.column_stack([failures, successes]), terms=terms)
