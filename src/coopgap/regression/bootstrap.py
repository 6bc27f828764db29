"""Cluster bootstrap of standardised margins: clusters drawn again, matching and fit redone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import LOG_SCALE, Contrast, Interval, contrast_values, contrasts, null_value
from coopgap.regression.clusters import grouping
from coopgap.regression.resample import multiplicities, refit, resampling_rows
from coopgap.study.spec import LinkName

_BATCH = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """Margins of resampled clusters.

    Attributes
    ----------
    estimate
        Shape (2J,): margins of the sample itself, members then comparison people.
    margins
        Shape (R − `n_failed`, 2J): margins of each replicate that has a finite fit.
    n_failed
        Replicates without one: separated, a group or a reference level lost, nobody matched.
    n_lost_level
        Replicates kept in which an outcome level has nobody; its probability is 0 there.
    n_clusters
        Clusters G.
    """

    estimate: FloatArray
    margins: FloatArray
    n_failed: int
    n_lost_level: int
    n_clusters: int


def bootstrap_margins(
    x: FloatArray,
    member_column: int,
    target: FloatArray,
    counts: FloatArray,
    cluster: IntArray,
    *,
    seed: int,
    replicates: int = 10_000,
    strata: IntArray | None = None,
    sets: IntArray | None = None,
    link: LinkName = "logit",
    shares: bool = False,
) -> Bootstrap:
    """Draw clusters with replacement and standardise again, many times.

    Parameters
    ----------
    x
        Shape (c, k): design rows of cells; column `member_column` is 0 or 1.
    member_column
        Position of the membership indicator.
    target
        Shape (c,): 1 for cells whose people are standardised over, else 0.
    counts
        Shape (c, J): sums of sampling weights.
    cluster
        Shape (c,): cluster of each cell.
    seed
        The same seed gives the same replicates.
    replicates
        R.
    strata
        Shape (c,): clusters are drawn within strata; over all of them if absent.
    sets
        Shape (c,): exact-matching stratum of each cell. Given, each replicate is matched anew:
        comparison people are weighted to the members of their set, people of sets with one group
        only are left out, as in `exact_match`. `counts` are then weights before matching.
    link
        As in `fit_ordinal`.
    shares
        Weighted shares of both groups in place of a regression.

    Raises
    ------
    NotEstimable
        If the sample itself has no finite fit, nobody to standardise over or too few clusters,
        or if no replicate has a fit.

    Notes
    -----
    A resample is a vector of multiplicities, so that it costs a product with the cells and not
    people; all replicates of a batch share Newton's iterations, started at the sample's fit.

    References
    ----------
    Davison & Hinkley (1997), Bootstrap Methods and their Application, section 3.8.
    """
    groups = grouping(cluster, counts.sum(axis=1), strata)
    rows = resampling_rows(x, member_column, target, counts, groups, sets, link, shares=shares)
    estimate, found, _ = refit(rows, np.ones((1, groups.n)))
    if not found[0]:
        raise NotEstimable("the sample itself has no fit to resample")
    rng = np.random.default_rng(seed)
    sizes = [min(_BATCH, replicates - at) for at in range(0, replicates, _BATCH)]
    parts = [refit(rows, multiplicities(groups, size, rng)) for size in sizes]
    margins, fitted, lost = (np.concatenate(part) for part in zip(*parts, strict=True))
    if not fitted.any():
        raise NotEstimable("no resample of clusters has a finite fit")
    return Bootstrap(
        estimate=estimate[0],
        margins=margins[fitted],
        n_failed=int((~fitted).sum()),
        n_lost_level=int((lost & fitted).sum()),
        n_clusters=groups.n,
    )


def bootstrap_intervals(
    found: Bootstrap,
    levels: Sequence[str],
    prob: float = 0.95,
    *,
    kind: Literal["percentile", "basic"] = "percentile",
) -> dict[Contrast, Interval | None]:
    """Intervals of every contrast from resampled margins.

    Parameters
    ----------
    found
        From `bootstrap_margins`.
    levels
        Names of the J levels, lowest first.
    prob
        Coverage probability.
    kind
        `percentile`, or `basic` (reflected about the estimate; ratios on the logarithm).

    Returns
    -------
    dict
        As from `estimate_contrasts`; None where the ratio is not finite in the sample or in a
        replicate. The standard error is the replicates' standard deviation; the p-value is the
        smallest 1 − prob at which the interval leaves the null out, at least 2/(R + 1).
    """
    n = len(levels)
    result: dict[Contrast, Interval | None] = {}
    for contrast in contrasts(levels):
        log = contrast.quantity in LOG_SCALE
        value = contrast_values(contrast, found.estimate[:n], found.estimate[n:])
        draws = contrast_values(contrast, found.margins[:, :n], found.margins[:, n:])
        with np.errstate(divide="ignore"):
            centre, draws = (np.log(value), np.log(draws)) if log else (value, draws)
        if not (np.isfinite(centre) and np.isfinite(draws).all()):
            result[contrast] = None
            continue
        spread = float(draws.std(ddof=1))
        if kind == "basic":
            draws = 2 * centre - draws
        ends = np.quantile(draws, [(1 - prob) / 2, (1 + prob) / 2])
        null = null_value(contrast.quantity)
        lower, upper = np.exp(ends) if log else ends
        p_value = _p_value(draws, float(np.log(null)) if log else null)
        result[contrast] = Interval(float(value), spread, float(lower), float(upper), p_value)
    return result


def _p_value(draws: FloatArray, null: float) -> float:
    if np.isnan(null):
        return float("nan")
    fewer = min(int((draws <= null).sum()), int((draws >= null).sum()))
    return min(1.0, 2 * (fewer + 1) / (draws.size + 1))
