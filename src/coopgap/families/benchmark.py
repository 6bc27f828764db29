"""Shares of the survey against declared outside ones: another population, no comparison group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Contrast, Interval, Margins, estimate_contrasts
from coopgap.core.vocabulary import AT_REGIONS, Family, Population, Quantity
from coopgap.families.outside import Beside, of_everybody, of_regions
from coopgap.families.records import (
    INTERVAL_PROB,
    FamilyEstimate,
    Sample,
    are_few,
    count_clusters,
    require_both_groups,
)
from coopgap.matching.sample import effective_size
from coopgap.regression.covariance import CoefficientCovariance
from coopgap.regression.raking import margin_classes, rake_to_population
from coopgap.regression.shares import mean_covariance
from coopgap.study.spec import Benchmark, DeclaredPopulation, Margin, OutsideShares

COMPARISON_GROUP = "membership=comparison"
"""Group of the rows in which the comparison group stands in the members' place."""


def standardised_name(name: str) -> str:
    """Comparator of a benchmark whose regions are weighted as the sample's people live."""
    return f"{name}{AT_REGIONS}"


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
        `all`, `membership=comparison`, or either's people of a region: `region=NAME`,
        `membership=comparison, region=NAME`.
    estimate : FamilyEstimate
        As they are, against everybody; against the regions' shares weighted as the sample's own
        people live; raked to the declared population, against everybody; and people of each
        region against that region. `people` holds the group in both rows. Shares of the people
        themselves are told once, of as many of them as any estimate has.
    """
    found = [
        one for benchmark in benchmarks for one in _of_one(sample, benchmark, region, declared)
    ]
    most: dict[tuple[str, Population], FamilyEstimate] = {}
    for group, estimate in found:
        place = group, estimate.population
        if estimate.people.sum() > most.setdefault(place, estimate).people.sum():
            most[place] = estimate
    for group, estimate in found:
        own = most[group, estimate.population] is estimate
        yield group, replace(estimate, own_shares=own)


def _of_one(
    sample: Sample,
    benchmark: Benchmark,
    region: str | None,
    declared: DeclaredPopulation | None,
) -> Iterator[tuple[str, FamilyEstimate]]:
    rows = sample.rows
    for group, side in (("all", rows.member), (COMPARISON_GROUP, ~rows.member)):
        own, whole = sample.take(side), benchmark.whole
        if whole is not None:
            yield group, _attempt(own, benchmark, partial(of_everybody, whole, rows.levels))
        if benchmark.regions and region is not None:
            yield from _of_regions(own, benchmark, region, group)
        if whole is not None and declared is not None:
            yield group, _raked(own, benchmark, whole, declared)


def _of_regions(
    own: Sample, benchmark: Benchmark, region: str, group: str
) -> Iterator[tuple[str, FamilyEstimate]]:
    """A group's people at their own regions together, then region by region."""
    rows = own.rows
    placed = own.take(rows.factors[region] >= 0)
    named = replace(benchmark, name=standardised_name(benchmark.name))
    yield group, _attempt(placed, named, partial(of_regions, placed.rows, benchmark, region))
    for code, name in enumerate(rows.factor_levels[region]):
        here = replace(own.take(rows.factors[region] == code), domain=True)
        beside = partial(of_everybody, benchmark.regions[name], rows.levels)
        place = f"region={name}" if group == "all" else f"{group}, region={name}"
        yield place, _attempt(here, benchmark, beside)


def _attempt(own: Sample, benchmark: Benchmark, beside: Callable[[], Beside]) -> FamilyEstimate:
    return _guarded(own, benchmark, Population.ALL_MEMBERS, lambda: _margins(own, beside()))


def _raked(
    own: Sample, benchmark: Benchmark, whole: OutsideShares, declared: DeclaredPopulation
) -> FamilyEstimate:
    """People with all raking variables, without those of whom the population has nobody."""
    keep = np.ones(own.rows.n, dtype=bool)
    for margin in declared.margins:
        keep &= _in_population(own, margin)
    own = own.take(keep)
    beside = of_everybody(whole, own.rows.levels)
    return _guarded(
        own, benchmark, Population.POSTSTRATIFIED, lambda: _raked_margins(own, beside, declared)
    )


def _in_population(own: Sample, margin: Margin) -> BoolArray:
    """Who has levels that the population has people of; everybody where a variable is absent."""
    rows = own.rows
    if not {*margin.variables} <= {*rows.factors}:
        return np.ones(rows.n, dtype=bool)
    held = {levels for levels, share in margin.shares.items() if share > 0}
    named = (
        [rows.factor_levels[name][code] if code >= 0 else None for code in rows.factors[name]]
        for name in margin.variables
    )
    return np.array([levels in held for levels in zip(*named, strict=True)], dtype=bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Margins, how their errors are made, and the weights behind them."""

    margins: Margins
    said: str
    weight: FloatArray | None = None


def _guarded(
    own: Sample,
    benchmark: Benchmark,
    population: Population,
    margins: Callable[[], _Found],
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
        if not rows.weight.sum() > 0:
            raise NotEstimable("nobody with any weight is left")
        n_clusters = count_clusters(own)
        found = margins()
    except NotEstimable as error:
        return replace(base, status=error.status, reason=error.reason)
    intervals = estimate_contrasts(found.margins, rows.levels, INTERVAL_PROB)
    return replace(
        base,
        intervals={one: _known(one, interval) for one, interval in intervals.items()},
        ess_own=None if found.weight is None else effective_size(found.weight),
        n_clusters=n_clusters,
        std_errors=found.said,
    )


def _known(contrast: Contrast, interval: Interval | None) -> Interval | None:
    """A share that is declared without error has no interval."""
    outside = contrast.quantity is Quantity.SHARE and not contrast.of_member
    if interval is None or not outside or interval.std_error > 0:
        return interval
    return Interval(interval.estimate, np.nan, np.nan, np.nan, np.nan)


def _margins(own: Sample, beside: Beside) -> _Found:
    rows = own.rows
    answers = np.eye(len(rows.levels))[rows.outcome]
    means = np.average(answers, axis=0, weights=rows.weight)
    return _with_error(own, rows.weight, answers - means, means, beside)


def _raked_margins(own: Sample, beside: Beside, declared: DeclaredPopulation) -> _Found:
    """Shares with raked weights; their variance is that of residuals on the margins.

    References
    ----------
    Deville & Särndal (1992), Journal of the American Statistical Association 87, 376-382.
    """
    rows = own.rows
    data = (rows.weight, rows.factors, rows.factor_levels, declared)
    weight = rows.weight * rake_to_population(*data)
    answers = np.eye(len(rows.levels))[rows.outcome]
    x = np.hstack([np.eye(size)[codes] for codes, size in margin_classes(*data)])
    root = np.sqrt(weight)[:, None]
    slopes = np.linalg.lstsq(x * root, answers * root, rcond=1e-10)[0]
    means = np.average(answers, axis=0, weights=weight)
    found = _with_error(own, weight, answers - x @ slopes, means, beside)
    return replace(found, said=f"{found.said}; raked to {declared.file}", weight=weight)


def _with_error(
    own: Sample, weight: FloatArray, centred: FloatArray, means: FloatArray, beside: Beside
) -> _Found:
    """Margins whose covariance has the survey's part and the outside shares' own."""
    zone, n_levels = own.rows.zone, means.size
    few = zone is not None and are_few(int(np.unique(zone).size))
    theirs = np.zeros_like(centred) if beside.centred is None else beside.centred
    of_survey = mean_covariance(np.hstack([centred, theirs]), weight, zone, reduced=few)
    cov = of_survey.cov.copy()
    cov[n_levels:, n_levels:] += beside.cov
    kind = "HC0" if zone is None else f"cluster {'CR2' if few else 'CR1'}"
    margins = Margins(
        member=means,
        comparison=beside.mean,
        cov=cov,
        df=of_survey.df,
        df_of=_df_of(of_survey, cov),
    )
    vary = "are taken as fixed" if beside.fixed else "vary as a sample of their size"
    return _Found(margins=margins, said=f"{kind}; declared shares {vary}")


def _df_of(
    of_survey: CoefficientCovariance, cov: FloatArray
) -> Callable[[FloatArray], float] | None:
    """Degrees of freedom of a contrast: only the survey's part of its variance is estimated."""
    if of_survey.satterthwaite is None:
        return None

    def df_of(gradient: FloatArray) -> float:
        part = float(gradient @ of_survey.cov @ gradient)
        if not part > 0:
            return np.inf
        return of_survey.df_of(gradient) * (float(gradient @ cov @ gradient) / part) ** 2

    return df_of
