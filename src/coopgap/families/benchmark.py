"""Members against declared outside shares, raw: another population, never a comparison group."""

from __future__ import annotations

import numpy as np

from coopgap.families.records import (
    INTERVAL_PROB,
    FamilyEstimate,
    Sample,
    count_clusters,
    require_both_groups,
)
from coopgap.gap import Margins, estimate_contrasts, share_margins
from coopgap.study.spec import Benchmark
from coopgap.vocabulary import Comparator, Family, Population

__all__ = ["estimate_benchmark"]


def estimate_benchmark(sample: Sample, benchmark: Benchmark) -> FamilyEstimate:
    """Members' raw shares against a benchmark's.

    Parameters
    ----------
    sample
        The whole model.
    benchmark
        Shares in percent of every level; with `n`, their sampling error is a multinomial's,
        without it they are taken as fixed.

    Returns
    -------
    FamilyEstimate
        `people` holds the members in both rows: only they are people of the survey.

    Raises
    ------
    NotEstimable
        Without both groups, or with too few clusters.
    """
    rows = sample.rows
    require_both_groups(sample.rows.people_by_level())
    n_clusters = count_clusters(sample, rows.member)
    n_levels = len(rows.levels)
    own = share_margins(rows.outcome, rows.member, rows.weight, n_levels, rows.zone)
    shares = np.array([benchmark.shares[level] for level in rows.levels], dtype=np.float64)
    shares = shares / shares.sum()
    cov = np.zeros((2 * n_levels, 2 * n_levels))
    cov[:n_levels, :n_levels] = own.cov[:n_levels, :n_levels]
    if benchmark.n is not None:
        cov[n_levels:, n_levels:] = (np.diag(shares) - np.outer(shares, shares)) / benchmark.n
    margins = Margins(member=own.member, comparison=shares, cov=cov, df=own.df)
    return FamilyEstimate(
        family=Family.BENCHMARK,
        population=Population.ALL_MEMBERS,
        comparator=Comparator.NATIONAL,
        people=np.tile(sample.rows.people_by_level()[1], (2, 1)),
        intervals=estimate_contrasts(margins, rows.levels, INTERVAL_PROB),
        n_clusters=n_clusters,
    )
