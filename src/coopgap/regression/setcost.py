"""What the exact likelihood of matched sets would cost, from their sizes: known before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from coopgap.core.errors import NotEstimable
from coopgap.regression.setbatch import SetBatch

MOST_SECONDS: Final = 120.0
"""Of one fit: there is one for all cuts together and one for each cut."""

_EVALUATIONS: Final = 10
"""Newton steps with what is tried on the way."""


def likelihood_seconds(prepared: Sequence[SetBatch]) -> float:
    """Processor seconds of a fit and its covariance, to a factor of two.

    Parameters
    ----------
    prepared
        From `coopgap.regression.setbatch.batches`.

    Notes
    -----
    Groups of alike people enter a set one after another; the first is free. With k columns, a
    group of n people that brings the set to R people costs R + 1 totals times n + 1 ways for the
    sums, k² for the second moments, and G, the groups of the set, once for the expected answers.
    The last group enters only at the totals of the C cuts, with one way for each total before it:
    that is all there is in sets of two groups. The constants are nanoseconds, measured on sets of
    2 to 5,000 people, 2 to 1,500 groups and 1 to 300 columns.
    """
    found = 0.0
    for batch in prepared:
        n_sets, n_groups, k = batch.x.shape
        reached = batch.size.cumsum(axis=1).max(axis=0) + 1.0
        ways = np.append(batch.size.max(axis=0)[1:-1] + 1.0, reached[-2])
        totals = n_sets * np.append(reached[1:-1], batch.total.shape[1])
        likelihood = 4e5 + totals * (110 * ways + (0.6 * ways + 9) * k**2)
        expected = 1e5 + totals * (110 * ways + (1.2 * ways + 25) * n_groups)
        found += float((_EVALUATIONS * likelihood + expected).sum())
    return found / 1e9


def require_affordable(prepared: Sequence[SetBatch]) -> None:
    """Refuse sets whose exact likelihood would take longer than `MOST_SECONDS`.

    Raises
    ------
    NotEstimable
        With the minutes it would take.
    """
    seconds = likelihood_seconds(prepared)
    if seconds <= MOST_SECONDS:
        return
    largest = max(int(batch.size.sum(axis=1).max()) for batch in prepared)
    n_sets = sum(len(batch.x) for batch in prepared)
    columns = prepared[0].x.shape[2]
    minutes = np.ceil(seconds / 60)
    raise NotEstimable(
        f"the exact likelihood of {n_sets:,} sets of up to {largest:,} people with {columns:,} "
        f"columns would take about {minutes:,.0f} minutes, and {MOST_SECONDS / 60:.0f} are allowed"
    )
