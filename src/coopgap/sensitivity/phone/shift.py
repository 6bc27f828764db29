"""How much higher phone interviews answer on the latent scale, covariates held."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Contrast, contrasts, wald
from coopgap.sensitivity.phone.data import PhoneData, stack
from coopgap.sensitivity.phone.odds import phone_fit
from coopgap.study.spec import LinkName
from coopgap.survey.records import ModelRows

_PROB = 0.90
"""As of the equivalence check's intervals."""


class PhoneShift(NamedTuple):
    """Phone minus in-person comparison group, with its interval of probability `prob`."""

    estimate: float
    std_error: float
    lower: float
    upper: float
    prob: float


def phone_shift(
    rows: ModelRows, covariates: tuple[str, ...], link: LinkName = "logit"
) -> PhoneShift:
    """Coefficient of the phone in a cumulative model of the comparison group's answers.

    Parameters
    ----------
    rows
        The comparison group: `member` marks the people called.
    covariates
        Factors beside it.
    link
        Of the model; with two levels the logit is logistic regression.

    Returns
    -------
    PhoneShift
        Positive where phone answers are higher. Standard error clustered on zones as that of
        every coefficient, t distribution.

    Raises
    ------
    NotEstimable
        Fewer clusters than a standard error needs, or a design that cannot be fitted.
    """
    found = phone_fit(rows, covariates, link)
    covariance = found.covariance
    std_error = float(np.sqrt(covariance.cov[0, 0]))
    interval = wald(
        float(found.fit.params[0]),
        std_error,
        df=float(covariance.coefficient_df[0]),
        prob=_PROB,
        null=0.0,
    )
    return PhoneShift(interval.estimate, std_error, interval.lower, interval.upper, _PROB)


def phone_shifts(
    data: PhoneData, covariates: tuple[str, ...], link: LinkName = "logit"
) -> dict[str, PhoneShift | str]:
    """Latent shifts of the phone interviews by category, or why there is none.

    Parameters
    ----------
    data
        People by mode.
    covariates, link
        Of the model.

    Returns
    -------
    dict
        Empty category: all levels at once, one shift for all thresholds. `>=B`: the answers cut
        there, a shift of its own. Empty without phone interviews.
    """
    called, comparison = data.called, data.comparison
    if not called.n or not comparison.n:
        return {}
    rows = stack(called, comparison)
    found: dict[str, PhoneShift | str] = {}
    if len(rows.levels) > 2:
        found[""] = _shift_or_reason(rows, None, covariates, link)
    for contrast in contrasts(rows.levels):
        if contrast.is_threshold_gap:
            found[contrast.category] = _shift_or_reason(rows, contrast, covariates, link)
    return found


def _shift_or_reason(
    rows: ModelRows, at: Contrast | None, covariates: tuple[str, ...], link: LinkName
) -> PhoneShift | str:
    if at is not None:
        cut = (rows.outcome >= at.level).astype(np.int64)
        rows = replace(rows, outcome=cut, levels=("below", "reached"))
    try:
        return phone_shift(rows, covariates, link)
    except NotEstimable as error:
        return error.reason
