"""Phone against in-person answers as one cumulative odds ratio over all thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from coopgap.errors import NotEstimable
from coopgap.estimate import SensitivityRow
from coopgap.families.cells import CellFit, fit_cells
from coopgap.families.records import Sample
from coopgap.gap import wald
from coopgap.matching.sample import MatchedSample
from coopgap.sensitivity.keys import with_interval
from coopgap.survey.records import ModelRows
from coopgap.vocabulary import Quantity, Verdict

__all__ = ["odds_ratio_rows", "phone_fit"]

_NOTE = "Odds of a higher answer by phone over in person, one ratio for all thresholds."
_REDUCED = "Some covariate has no finite estimate: bias is reduced instead."


def phone_fit(rows: ModelRows, covariates: Sequence[str]) -> CellFit:
    """Proportional-odds regression of the outcome on the mode and covariates.

    Parameters
    ----------
    rows
        Comparison people of both modes; `member` marks those interviewed by phone.
    covariates
        Factors beside the mode.

    Returns
    -------
    CellFit
        The first coefficient is the mode's log odds ratio, by phone over in person. Its
        covariance is clustered on zone: CR2 with Satterthwaite's degrees of freedom where zones
        are few, else CR1.

    Raises
    ------
    NotEstimable
        On a rank-deficient design or one answer only.
    """
    everybody = MatchedSample(
        method="none", weight=np.ones(rows.n), set_id=np.full(rows.n, -1), n_sets=0
    )
    sample = Sample(
        rows=rows, matched=everybody, covariates=tuple(covariates), link="logit", strata=()
    )
    return fit_cells(sample, rows.weight)


def odds_ratio_rows(
    rows: ModelRows, covariates: Sequence[str], prob: float, base: SensitivityRow
) -> Iterator[SensitivityRow]:
    """The cumulative odds ratio without and with covariates.

    Parameters
    ----------
    rows, covariates
        As in `phone_fit`.
    prob
        Coverage probability of the intervals.
    base
        Keys of the rows.

    Yields
    ------
    SensitivityRow
        Variants `unadjusted` and `adjusted`; `std_error` is of the logarithm and the p-value for
        a ratio of one.
    """
    for variant, names in (("unadjusted", ()), ("adjusted", tuple(covariates))):
        row = replace(base, variant=variant, quantity=Quantity.CUMULATIVE_ODDS_RATIO)
        try:
            found = phone_fit(rows, names)
        except NotEstimable as error:
            note = f"No odds ratio: {error.reason}."
            yield replace(row, verdict=Verdict.NOT_ASSESSED, note=note)
            continue
        interval = wald(
            float(np.exp(found.fit.slopes[0])),
            float(found.covariance.cov[0, 0]) ** 0.5,
            df=float(found.covariance.coefficient_df[0]),
            prob=prob,
            null=1.0,
            log=True,
        )
        yield replace(
            with_interval(row, interval, prob),
            note=f"{_NOTE} {_REDUCED}" if found.infinite else _NOTE,
        )
