"""Members against declared outside shares, raw: another population, never a comparison group."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from coopgap.arrays import FloatArray
from coopgap.families.records import (
    INTERVAL_PROB,
    FamilyEstimate,
    Sample,
    count_clusters,
    require_both_groups,
)
from coopgap.families.unadjusted import raw_margins
from coopgap.gap import Margins, estimate_contrasts
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
    own, kind = raw_margins(sample)
    shares = np.array([benchmark.shares[level] for level in rows.levels], dtype=np.float64)
    shares = shares / shares.sum()
    cov = np.zeros((2 * n_levels, 2 * n_levels))
    cov[:n_levels, :n_levels] = own.cov[:n_levels, :n_levels]
    if benchmark.n is not None:
        cov[n_levels:, n_levels:] = (np.diag(shares) - np.outer(shares, shares)) / benchmark.n
    margins = Margins(
        member=own.member, comparison=shares, cov=cov, df=own.df, df_of=_df_of(own, cov)
    )
    return FamilyEstimate(
        family=Family.BENCHMARK,
        population=Population.ALL_MEMBERS,
        comparator=Comparator.NATIONAL,
        people=np.tile(sample.rows.people_by_level()[1], (2, 1)),
        intervals=estimate_contrasts(margins, rows.levels, INTERVAL_PROB),
        n_clusters=n_clusters,
        std_errors=f"{kind}; declared shares "
        + ("are taken as fixed" if benchmark.n is None else "vary as a sample of their size"),
    )


def _df_of(own: Margins, cov: FloatArray) -> Callable[[FloatArray], float] | None:
    """Degrees of freedom of a contrast: only the survey's part of its variance is estimated."""
    if own.df_of is None:
        return None
    of_shares, n_levels = own.df_of, own.member.size

    def df_of(gradient: FloatArray) -> float:
        members = np.where(np.arange(2 * n_levels) < n_levels, gradient, 0.0)
        part = float(members @ cov @ members)
        if not part > 0:
            return np.inf
        return of_shares(members) * (float(gradient @ cov @ gradient) / part) ** 2

    return df_of
