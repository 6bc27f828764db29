"""Predictions of a cumulative fit for the people who are standardised over."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Margins
from coopgap.regression.cumulative import CumulativeFit, probabilities, summed_jacobian
from coopgap.regression.leverage import QuadraticForm


class Predictions(NamedTuple):
    """Predictions of the target as members, then as comparison people; 2J columns.

    `inside`, shape (c,), marks the t cells of the target, `share`, shape (t,), their share of
    its weight `total`; `each` is (t, 2J), `margins` (2J,) their mean with its derivatives
    `gradient` (2J, p). `rows` are the design rows of the target as members and as comparison.
    """

    inside: BoolArray
    share: FloatArray
    total: float
    each: FloatArray
    rows: tuple[FloatArray, FloatArray]
    margins: FloatArray
    gradient: FloatArray


def predict(
    fit: CumulativeFit, x: FloatArray, member_column: int, target: FloatArray, counts: FloatArray
) -> Predictions:
    """Predict for the target as members and as comparison people; arguments of `standardise`.

    Raises
    ------
    NotEstimable
        If no weight lies in the target.
    """
    share = target * counts.sum(axis=1)
    total = float(share.sum())
    if not total > 0:
        raise NotEstimable("nobody to standardise over")
    inside = np.asarray(share > 0)
    share = share[inside] / total
    rows = x[inside].copy(), x[inside].copy()
    for side, value in zip(rows, (1.0, 0.0), strict=True):
        side[:, member_column] = value
    each = np.hstack([probabilities(fit, side) for side in rows])
    return Predictions(
        inside=inside,
        share=share,
        total=total,
        each=each,
        rows=rows,
        margins=share @ each,
        gradient=np.vstack([summed_jacobian(fit, side, share) for side in rows]),
    )


def predicted_margins(
    at: Predictions,
    cov: FloatArray,
    df: float,
    form: QuadraticForm | None,
    influence: FloatArray | None,
) -> Margins:
    """The means of predictions with their covariance, and each contrast's own df if it has one."""
    n_levels = at.margins.size // 2
    return Margins(
        member=at.margins[:n_levels],
        comparison=at.margins[n_levels:],
        cov=cov,
        df=df,
        df_of=None if form is None else lambda contrast: float(form.df(contrast)),
        influence=influence,
    )
