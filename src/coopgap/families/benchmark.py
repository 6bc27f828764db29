"""Shares of the survey against declared outside ones: another population, no comparison group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Margins
from coopgap.core.vocabulary import AT_REGIONS, Family, Population
from coopgap.families.estimate import Estimate
from coopgap.families.sample import Sample, are_few, count_clusters, require_both_groups
from coopgap.matching.sample import effective_size
from coopgap.regression.raking import margin_classes, rake_to_population
from coopgap.regression.sampled import CoefficientCovariance, sample_of_rows
from coopgap.regression.shares import mean_covariance
from coopgap.study.spec import Benchmark, DeclaredPopulation, Margin, OutsideShares
from coopgap.survey.records import ModelRows

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
) -> Iterator[Estimate]:
    """Members, and the comparison group, against the outside shares of an outcome.

    As they are, against everybody; against the regions' shares weighted as the sample's own people
    live; raked to the declared population, against everybody; and people of each region against
    that region. The group in the keys is `all`, `membership=comparison`, or either's people of a
    region: `region=NAME`, `membership=comparison, region=NAME`. `people` holds the group in both
    rows. Shares of the people themselves are told once, of as many of them as any estimate has.
    """
    estimates = [
        estimate
        for benchmark in benchmarks
        for estimate in _of_one(sample, benchmark, region, declared)
    ]
    most: dict[tuple[str, Population], Estimate] = {}
    for estimate in estimates:
        place = estimate.keys.group, estimate.population
        if estimate.people.sum() > most.setdefault(place, estimate).people.sum():
            most[place] = estimate
    for estimate in estimates:
        own = most[estimate.keys.group, estimate.population] is estimate
        yield replace(estimate, own_shares=own)


def _of_one(
    sample: Sample,
    benchmark: Benchmark,
    region: str | None,
    declared: DeclaredPopulation | None,
) -> Iterator[Estimate]:
    """Both groups against one benchmark: everybody, at their regions, by region, and raked."""
    rows, whole = sample.rows, benchmark.whole
    for group, side in (("all", rows.member), (COMPARISON_GROUP, ~rows.member)):
        own = sample.take(side)
        if whole is not None:
            yield _attempt(own, benchmark.name, group, partial(_everybody, whole, rows.levels))
        if benchmark.regions and region is not None:
            placed = own.take(own.rows.factors[region] >= 0)
            at_regions = partial(_regions, placed.rows, benchmark, region)
            yield _attempt(placed, standardised_name(benchmark.name), group, at_regions)
            for code, name in enumerate(rows.factor_levels[region]):
                here = replace(own.take(own.rows.factors[region] == code), domain=True)
                place = f"region={name}" if group == "all" else f"{group}, region={name}"
                theirs = partial(_everybody, benchmark.regions[name], rows.levels)
                yield _attempt(here, benchmark.name, place, theirs)
        if whole is not None and declared is not None:
            keep = np.ones(own.rows.n, dtype=bool)
            for margin in declared.margins:
                keep &= _in_population(own.rows, margin)
            theirs = partial(_everybody, whole, rows.levels)
            yield _attempt(own.take(keep), benchmark.name, group, theirs, declared)


def _in_population(rows: ModelRows, margin: Margin) -> BoolArray:
    """Who has levels that the population has people of; everybody where a variable is absent."""
    if not {*margin.variables} <= {*rows.factors}:
        return np.ones(rows.n, dtype=bool)
    held = {levels for levels, share in margin.shares.items() if share > 0}
    named = (
        [rows.factor_levels[name][code] if code >= 0 else None for code in rows.factors[name]]
        for name in margin.variables
    )
    return np.array([levels in held for levels in zip(*named, strict=True)], dtype=bool)


def _attempt(
    own: Sample,
    comparator: str,
    group: str,
    beside: Callable[[], Beside],
    declared: DeclaredPopulation | None = None,
) -> Estimate:
    """One group of people against outside shares, or the reason why there is no number."""
    rows = own.rows
    counts = np.bincount(rows.outcome, minlength=len(rows.levels)).astype(np.int64)
    base = own.estimate(
        Family.BENCHMARK,
        Population.ALL_MEMBERS if declared is None else Population.POSTSTRATIFIED,
        comparator=comparator,
        people=np.tile(counts, (2, 1)),
    )
    base = base.named(replace(base.keys, group=group))
    try:
        require_both_groups(base.people)
        if not rows.weight.sum() > 0:
            raise NotEstimable("nobody with any weight is left")
        n_clusters = count_clusters(own)
        weight, centred, means = _shares_of(rows, declared)
        margins, std_errors = _with_error(own, weight, centred, means, beside())
    except NotEstimable as error:
        return replace(base, status=error.status, reason=error.reason)
    return replace(
        base,
        margins=margins,
        ess_own=None if declared is None else effective_size(weight),
        n_clusters=n_clusters,
        std_errors=std_errors + ("" if declared is None else f"; raked to {declared.file}"),
    )


def _shares_of(
    rows: ModelRows, declared: DeclaredPopulation | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weights, what each answer is off, shape (n, J), and shares, shape (J,).

    The variance of raked shares is that of residuals on the margins.

    References
    ----------
    Deville & Särndal (1992), Journal of the American Statistical Association 87, 376-382.
    """
    answers = np.eye(len(rows.levels))[rows.outcome]
    if declared is None:
        means = np.average(answers, axis=0, weights=rows.weight)
        return rows.weight, answers - means, means
    data = (rows.weight, rows.factors, rows.factor_levels, declared)
    weight = rows.weight * rake_to_population(*data)
    x = np.hstack([np.eye(size)[codes] for codes, size in margin_classes(*data)])
    root = np.sqrt(weight)[:, None]
    slopes = np.linalg.lstsq(x * root, answers * root, rcond=1e-10)[0]
    return weight, answers - x @ slopes, np.average(answers, axis=0, weights=weight)


def _with_error(
    own: Sample, weight: FloatArray, centred: FloatArray, means: FloatArray, beside: Beside
) -> tuple[Margins, str]:
    """Margins whose covariance has the survey's part and the outside shares' own."""
    sampled, n_levels = sample_of_rows(own.rows), means.size
    zone = sampled.cluster if sampled.has_cr2 else None
    few = zone is not None and are_few(int(np.unique(zone).size))
    theirs = np.zeros_like(centred) if beside.centred is None else beside.centred
    moves = np.hstack([centred, theirs])
    of_survey = mean_covariance(moves, weight, sampled, reduced=few)
    cov = of_survey.cov.copy()
    cov[n_levels:, n_levels:] += beside.cov
    margins = Margins(
        member=means,
        comparison=beside.mean,
        cov=cov,
        df=of_survey.df,
        df_of=_df_of(of_survey, cov),
        deviations=sampled.deviations(moves * (weight / weight.sum())[:, None]),
    )
    vary = "are taken as fixed" if beside.fixed else "vary as a sample of their size"
    return margins, f"{of_survey.kind}; declared shares {vary}"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What n people are compared with.

    Attributes
    ----------
    mean
        Shape (J,): outside shares.
    centred
        Shape (n, J): each person's less the mean; None where all people have the same.
    cov
        Shape (J, J): the outside shares' own error.
    fixed
        Whether they have none.
    """

    mean: FloatArray
    centred: FloatArray | None
    cov: FloatArray
    fixed: bool


def _everybody(outside: OutsideShares, levels: Sequence[str]) -> Beside:
    """The same shares for everybody."""
    shares, cov = _shares(outside, levels)
    return Beside(mean=shares, centred=None, cov=cov, fixed=outside.n is None)


def _regions(rows: ModelRows, benchmark: Benchmark, region: str) -> Beside:
    """Shares of each person's region: the mean weighs regions as these people live."""
    names = rows.factor_levels[region]
    parts = [_shares(benchmark.regions[name], rows.levels) for name in names]
    held = np.bincount(rows.factors[region], rows.weight, minlength=len(names))
    if not held.sum() > 0:
        raise NotEstimable("nobody with a region is left")
    held = held / held.sum()
    shares = np.array([one for one, _ in parts])
    return Beside(
        mean=held @ shares,
        centred=shares[rows.factors[region]] - held @ shares,
        cov=np.asarray(sum(h**2 * cov for h, (_, cov) in zip(held, parts, strict=True))),
        # Either all regions have a size or none has.
        fixed=benchmark.regions[names[0]].n is None,
    )


def _shares(outside: OutsideShares, levels: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Shares that sum to one, and their covariance as a simple random sample's."""
    shares = np.array([outside.shares[level] for level in levels], dtype=np.float64)
    shares = shares / shares.sum()
    cov = np.zeros((shares.size, shares.size))
    if outside.size is not None:
        cov = (np.diag(shares) - np.outer(shares, shares)) / outside.size
    return shares, cov
