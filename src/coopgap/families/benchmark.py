"""Shares of the survey against declared outside ones: another population, no comparison group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from coopgap.arrays import FloatArray
from coopgap.errors import NotEstimable
from coopgap.families.records import (
    INTERVAL_PROB,
    FamilyEstimate,
    Sample,
    are_few,
    count_clusters,
    require_both_groups,
)
from coopgap.gap import Margins, estimate_contrasts
from coopgap.regression.means import Means, mean_covariance
from coopgap.regression.raking import margin_classes, rake_to_population
from coopgap.study.spec import Benchmark, DeclaredPopulation, OutsideShares
from coopgap.vocabulary import Family, Population

__all__ = ["COMPARISON_GROUP", "benchmark_estimates", "standardised_name"]

COMPARISON_GROUP = "membership=comparison"
"""Group of the rows in which the comparison group stands in the members' place."""


def standardised_name(name: str) -> str:
    """Comparator of a benchmark whose regions are weighted as the sample's people live."""
    return f"{name}, at the sample's regions"


def benchmark_estimates(
    sample: Sample,
    benchmarks: Sequence[Benchmark],
    region: str | None,
    declared: DeclaredPopulation | None,
) -> Iterator[tuple[str, FamilyEstimate]]:
    """Members, and the comparison group, against the outside shares of an outcome.

    Parameters
    ----------
    sample
        The whole model.
    benchmarks
        Of its outcome.
    region
        The region variable.
    declared
        A population whose margins the survey can be raked to.

    Yields
    ------
    group : str
        `all`, `membership=comparison` or `region=NAME`.
    estimate : FamilyEstimate
        As they are, against everybody; against the regions' shares weighted as the sample's own
        people live; raked to the declared population, against everybody; and members of each
        region against that region. `people` holds the group in both rows.
    """
    told: set[tuple[str, Population]] = set()
    for benchmark in benchmarks:
        for group, estimate in _of_one(sample, benchmark, region, declared):
            place = (group, estimate.population)
            yield group, replace(estimate, own_shares=place not in told)
            told.add(place)


def _of_one(
    sample: Sample,
    benchmark: Benchmark,
    region: str | None,
    declared: DeclaredPopulation | None,
) -> Iterator[tuple[str, FamilyEstimate]]:
    rows = sample.rows
    for group, side in (("all", rows.member), (COMPARISON_GROUP, ~rows.member)):
        own = sample.take(side)
        if benchmark.whole is not None:
            yield group, _attempt(own, benchmark, _whole(own, benchmark.whole))
        if benchmark.regions and region is not None:
            named = replace(benchmark, name=standardised_name(benchmark.name))
            placed = own.take(own.rows.factors[region] >= 0)
            yield group, _attempt(placed, named, _by_region(placed, benchmark, region))
        if benchmark.whole is not None and declared is not None:
            yield group, _raked(own, benchmark, benchmark.whole, declared)
    if benchmark.regions and region is not None:
        for code, name in enumerate(rows.factor_levels[region]):
            here = sample.take(rows.member & (rows.factors[region] == code))
            outside = _whole(here, benchmark.regions[name])
            yield f"region={name}", _attempt(replace(here, domain=True), benchmark, outside)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outside:
    """Shares that each person is compared with, shape (n, J), and the error of their mean."""

    shares: FloatArray
    cov: FloatArray
    fixed: bool


def _whole(own: Sample, outside: OutsideShares) -> _Outside:
    shares, cov = _shares(outside, own.rows.levels)
    return _Outside(shares=np.tile(shares, (own.rows.n, 1)), cov=cov, fixed=outside.n is None)


def _by_region(own: Sample, benchmark: Benchmark, region: str) -> _Outside:
    """Each person against their region: the mean weighs regions as these people live."""
    rows = own.rows
    names = rows.factor_levels[region]
    parts = [_shares(benchmark.regions[name], rows.levels) for name in names]
    held = np.bincount(rows.factors[region], rows.weight, minlength=len(names))
    held = held / held.sum()
    return _Outside(
        shares=np.array([shares for shares, _ in parts])[rows.factors[region]],
        cov=np.asarray(sum(h**2 * cov for h, (_, cov) in zip(held, parts, strict=True))),
        fixed=all(benchmark.regions[name].n is None for name in names),
    )


def _shares(outside: OutsideShares, levels: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Shares that sum to one, and their covariance as a simple random sample's."""
    shares = np.array([outside.shares[level] for level in levels], dtype=np.float64)
    shares = shares / shares.sum()
    cov = np.zeros((shares.size, shares.size))
    if outside.n is not None:
        cov = (np.diag(shares) - np.outer(shares, shares)) / outside.n
    return shares, cov


def _attempt(own: Sample, benchmark: Benchmark, outside: _Outside) -> FamilyEstimate:
    return _guarded(own, benchmark, Population.ALL_MEMBERS, lambda: _margins(own, outside))


def _raked(
    own: Sample, benchmark: Benchmark, whole: OutsideShares, declared: DeclaredPopulation
) -> FamilyEstimate:
    return _guarded(
        own,
        benchmark,
        Population.POSTSTRATIFIED,
        lambda: _raked_margins(own, _whole(own, whole), declared),
    )


def _guarded(
    own: Sample,
    benchmark: Benchmark,
    population: Population,
    margins: Callable[[], tuple[Margins, str]],
) -> FamilyEstimate:
    """The estimate, or the reason why there is none."""
    rows = own.rows
    counts = np.bincount(rows.outcome, minlength=len(rows.levels)).astype(np.int64)
    base = FamilyEstimate(
        family=Family.BENCHMARK,
        population=population,
        comparator=benchmark.name,
        people=np.tile(counts, (2, 1)),
    )
    try:
        require_both_groups(base.people)
        n_clusters = count_clusters(own)
        found, said = margins()
    except NotEstimable as error:
        return replace(base, status=error.status, reason=error.reason)
    return replace(
        base,
        intervals=estimate_contrasts(found, rows.levels, INTERVAL_PROB),
        n_clusters=n_clusters,
        std_errors=said,
    )


def _margins(own: Sample, outside: _Outside) -> tuple[Margins, str]:
    rows = own.rows
    answers = np.eye(len(rows.levels))[rows.outcome]
    numbers = np.hstack([answers, outside.shares])
    means = np.average(numbers, axis=0, weights=rows.weight)
    return _with_error(own, rows.weight, numbers - means, means, outside)


def _raked_margins(
    own: Sample, outside: _Outside, declared: DeclaredPopulation
) -> tuple[Margins, str]:
    """Shares with raked weights; their variance is that of residuals on the margins.

    References
    ----------
    Deville & Särndal (1992), Journal of the American Statistical Association 87, 376-382.
    """
    named = {name for margin in declared.margins for name in margin.variables}
    for name in named & {*own.rows.factors}:
        own = own.take(own.rows.factors[name] >= 0)
    rows = own.rows
    outside = replace(outside, shares=outside.shares[: rows.n])
    data = (rows.weight, rows.factors, rows.factor_levels, declared)
    weight = rows.weight * rake_to_population(*data)
    kept = weight > 0
    answers = np.eye(len(rows.levels))[rows.outcome]
    x = np.hstack([np.eye(size)[codes] for codes, size in margin_classes(*data)])
    root = np.sqrt(weight)[:, None]
    slopes = np.linalg.lstsq(x * root, answers * root, rcond=1e-10)[0]
    residuals = np.hstack([answers - x @ slopes, np.zeros_like(outside.shares)])
    means = np.average(np.hstack([answers, outside.shares]), axis=0, weights=weight)
    found, said = _with_error(own.take(kept), weight[kept], residuals[kept], means, outside)
    return found, f"{said}; raked to {declared.file}"


def _with_error(
    own: Sample, weight: FloatArray, centred: FloatArray, means: FloatArray, outside: _Outside
) -> tuple[Margins, str]:
    """Margins whose covariance has the survey's part and the outside shares' own."""
    zone, n_levels = own.rows.zone, means.size // 2
    few = zone is not None and are_few(int(np.unique(zone).size))
    of_survey = mean_covariance(centred, weight, zone, reduced=few)
    cov = of_survey.cov.copy()
    cov[n_levels:, n_levels:] += outside.cov
    kind = "HC0" if zone is None else f"cluster {'CR2' if few else 'CR1'}"
    margins = Margins(
        member=means[:n_levels],
        comparison=means[n_levels:],
        cov=cov,
        df=of_survey.df,
        df_of=_df_of(of_survey, cov),
    )
    vary = "are taken as fixed" if outside.fixed else "vary as a sample of their size"
    return margins, f"{kind}; declared shares {vary}"


def _df_of(of_survey: Means, cov: FloatArray) -> Callable[[FloatArray], float] | None:
    """Degrees of freedom of a contrast: only the survey's part of its variance is estimated."""
    own_df = of_survey.df_of
    if own_df is None:
        return None

    def df_of(gradient: FloatArray) -> float:
        part = float(gradient @ of_survey.cov @ gradient)
        if not part > 0:
            return np.inf
        return own_df(gradient) * (float(gradient @ cov @ gradient) / part) ** 2

    return df_of
