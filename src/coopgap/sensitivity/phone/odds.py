"""Phone against in-person answers as one cumulative odds ratio over all thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import wald
from coopgap.core.vocabulary import Quantity, Verdict, Version
from coopgap.families.cells import CellFit, fit_cells
from coopgap.families.sample import Sample, are_few
from coopgap.matching.sample import MatchedSample
from coopgap.sensitivity.keys import with_interval
from coopgap.sensitivity.phone.sides import fewest_zones, require_clusters
from coopgap.study.spec import Fitting, LinkName
from coopgap.survey.records import ModelRows

_NOTE = "Odds of a higher answer by phone over in person, one ratio for all thresholds."
_REDUCED = "Some covariate has no finite estimate: bias is reduced instead."


def phone_fit(rows: ModelRows, covariates: Sequence[str], link: LinkName = "logit") -> CellFit:
    """Cumulative regression of the outcome on the mode and covariates.

    Parameters
    ----------
    rows
        Comparison people of both modes; `member` marks those interviewed by phone.
    covariates
        Factors beside the mode.
    link
        Of the model; with two levels the logit is logistic regression.

    Returns
    -------
    CellFit
        The first coefficient is the mode's, positive where phone answers are higher; with the
        logit it is a log odds ratio. Its covariance is clustered on zone: CR2 with
        Satterthwaite's degrees of freedom where the zones of either mode are few, else CR1.

    Raises
    ------
    NotEstimable
        On a rank-deficient design, one answer only, or fewer clusters of either mode than a
        standard error needs.
    """
    require_clusters(rows)
    fitting = Fitting(std_errors="CR2") if are_few(fewest_zones(rows)) else Fitting()
    everybody = MatchedSample(
        method="none", weight=np.ones(rows.n), set_id=np.full(rows.n, -1), n_sets=0
    )
    sample = Sample(
        rows=rows,
        matched=everybody,
        covariates=tuple(covariates),
        link=link,
        strata=(),
        fitting=fitting,
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
    for variant, names in (
        (Version.UNADJUSTED, ()),
        (Version.ADJUSTED, tuple(covariates)),
    ):
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
