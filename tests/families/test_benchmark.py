"""Outside shares: by region, raked, with errors of their own; each by hand and against R."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from coopgap.app.plan import make_plan
from coopgap.core.estimate import Keys
from coopgap.core.vocabulary import Population, Quantity, Status
from coopgap.families.benchmark import COMPARISON_GROUP, benchmark_estimates, standardised_name
from coopgap.study.spec import Benchmark, DeclaredPopulation, Margin, OutsideShares

from . import conftest
from .conftest import even

FIXTURE = Path(__file__).parents[1] / "r" / "fixtures" / "benchmark.json"
LEVELS = ("low", "mid", "high")
OUTSIDE = {
    "North": OutsideShares(shares={"low": 50.0, "mid": 30.0, "high": 20.0}, n=300),
    "South": OutsideShares(shares={"low": 20.0, "mid": 40.0, "high": 40.0}, n=150),
}
WHOLE = OutsideShares(shares={"low": 40.0, "mid": 35.0, "high": 25.0}, n=450)
POPULATION = DeclaredPopulation(
    file="people.csv",
    margins=(
        Margin(variables=("sex",), shares={("male",): 0.45, ("female",): 0.55}),
        Margin(variables=("region",), shares={("North",): 0.7, ("South",): 0.3}),
    ),
)


FIXED = dataclasses.replace(WHOLE, n=None)
ALL, RAKED = Population.ALL_MEMBERS, Population.POSTSTRATIFIED
PLACED = standardised_name("national")
LABELS = Keys(model="m", outcome="y", levels=LEVELS, source="made")


def make_sample(n_zones=60, seed=2, n=900):
    """Weighted people whose zones lie in one of two regions each."""
    rows = even(seed, n, n_zones, LEVELS, weighted=True)
    region = (rows.zone >= n_zones * 2 // 3).astype(np.int64)
    rows = dataclasses.replace(rows, factors=rows.factors | {"region": region})
    return conftest.make_sample(rows, on=("sex",), covariates=("sex",))


def against(whole=WHOLE, **regions):
    return Benchmark(outcome="y", source="B", whole=whole, regions=regions)


def estimates(sample, benchmark=None, declared=None):
    benchmark = benchmark or against(**OUTSIDE)
    found = benchmark_estimates(sample, [benchmark], "region", declared)
    return {(one.keys.group, one.comparator, one.population): one for one in found}


def changed(sample, **columns):
    return dataclasses.replace(sample, rows=dataclasses.replace(sample.rows, **columns))


def share(rows, side, level=2):
    """Weighted share at or above a level."""
    return np.average(rows.outcome[side] >= level, weights=rows.weight[side])


def test_regions_weigh_as_the_samples_people_live():
    sample = make_sample()
    rows = sample.rows
    found = estimates(sample)[COMPARISON_GROUP, PLACED, ALL]
    side = ~rows.member
    w, top = rows.weight[side], rows.outcome[side] == 2
    outside = np.array([0.2, 0.4])[rows.factors["region"][side]]
    assert found.at(">=high").estimate == pytest.approx(np.average(top - outside, weights=w))
    # One mean of one number a person: the answer less the share of the person's region.
    centred = (top - outside - np.average(top - outside, weights=w)) * w / w.sum()
    sums = np.bincount(rows.zone[side], centred)
    n_zones = np.unique(rows.zone[side]).size
    held = np.bincount(rows.factors["region"][side], w) / w.sum()
    own = n_zones / (n_zones - 1) * np.sum(sums**2)
    theirs = held[0] ** 2 * 0.2 * 0.8 / 300 + held[1] ** 2 * 0.4 * 0.6 / 150
    assert found.at(">=high").std_error == pytest.approx(np.sqrt(own + theirs))


def test_each_region_is_compared_with_its_own_shares():
    sample = make_sample()
    rows, found = sample.rows, estimates(sample)
    for code, name in enumerate(("North", "South")):
        for side, group in ((rows.member, ""), (~rows.member, f"{COMPARISON_GROUP}, ")):
            own = share(rows, side & (rows.factors["region"] == code))
            one = found[f"{group}region={name}", "national", ALL]
            expected = own - OUTSIDE[name].shares["high"] / 100
            assert one.at(">=high").estimate == pytest.approx(expected)
    # Where every region has the same shares, weighting regions changes no number.
    found = estimates(sample, against(FIXED, North=FIXED, South=FIXED))
    whole, placed = (found["all", name, ALL].at(">=high") for name in ("national", PLACED))
    assert placed == pytest.approx(whole)
    # Shares in percent that sum to a little more are scaled.
    over = OutsideShares(shares={"low": 40.4, "mid": 35.35, "high": 25.25})
    scaled = estimates(sample, against(over))["all", "national", ALL].at(">=high")
    assert scaled == pytest.approx(whole)


def raked_by_hand(rows, side, wanted=(("sex", (0.45, 0.55)), ("region", (0.7, 0.3)))):
    weight = rows.weight * side
    for _ in range(500):
        for name, shares in wanted:
            codes = np.maximum(rows.factors[name], 0)
            held = np.bincount(codes[side], weight[side], minlength=2) / weight.sum()
            weight = weight * np.divide(shares, held, where=held > 0, out=np.zeros(2))[codes]
    return weight[side]


@pytest.mark.parametrize("n_zones", [12, 60])
def test_raked_shares_have_the_declared_margins_and_residuals_on_them(n_zones):
    sample = make_sample(n_zones=n_zones)
    rows = sample.rows
    found = estimates(sample, against(FIXED), POPULATION)["all", "national", RAKED]
    assert "raked to people.csv" in found.std_errors
    assert "declared shares are taken as fixed" in found.std_errors
    side = rows.member
    weight, top = raked_by_hand(rows, side), (rows.outcome[side] == 2).astype(float)
    gap = found.at(">=high")
    assert gap.estimate == pytest.approx(np.average(top, weights=weight) - 0.25)
    assert found.ess_own == pytest.approx(weight.sum() ** 2 / np.sum(weight**2))
    # Residuals of a weighted regression on sex and region, summed by zone.
    sex, region = rows.factors["sex"][side], rows.factors["region"][side]
    x = np.column_stack([np.ones(side.sum()), sex, region])
    slopes = np.linalg.solve(x.T @ (x * weight[:, None]), x.T @ (weight * top))
    unit = weight / weight.sum() * (top - x @ slopes)
    zones, at = np.unique(rows.zone[side], return_inverse=True)
    sums = np.bincount(at, unit)
    if n_zones == 60:
        expected = zones.size / (zones.size - 1) * np.sum(sums**2)
        assert gap.df == zones.size - 1
        assert "cluster CR1" in found.std_errors
    else:
        held = np.bincount(at, weight / weight.sum())
        expected = np.sum(sums**2 / (1 - held))
        # Satterthwaite's are fewer where zones differ in size.
        assert 3 < gap.df < zones.size - 1
        assert "cluster CR2" in found.std_errors
    assert gap.std_error == pytest.approx(np.sqrt(expected))


def test_declared_error_adds_to_the_surveys_and_to_its_degrees_of_freedom():
    sample, place = make_sample(n_zones=12), ("all", "national", ALL)
    fixed = estimates(sample, against(FIXED))[place].at(">=high")
    for factor in (1.0, 2.5):
        whole = dataclasses.replace(WHOLE, design_effect=factor)
        found = estimates(sample, against(whole))[place]
        assert "vary as a sample of their size" in found.std_errors
        one, theirs = found.at(">=high"), factor * 0.25 * 0.75 / 450
        assert one.std_error**2 == pytest.approx(fixed.std_error**2 + theirs)
        assert one.df == pytest.approx(fixed.df * (1 + theirs / fixed.std_error**2) ** 2)


@pytest.mark.parametrize("n", [None, 450])
def test_what_has_no_ratio_and_what_has_no_interval(n):
    """A level that nobody outside has, and a share declared without error."""
    nobody = OutsideShares(shares={"low": 0.0, "mid": 55.0, "high": 45.0}, n=n)
    found = estimates(make_sample(), against(nobody, North=nobody, South=nobody), POPULATION)
    odds = [
        interval
        for estimate in found.values()
        for contrast, interval in estimate.intervals.items()
        if (contrast.quantity, contrast.category) == (Quantity.CUMULATIVE_ODDS_RATIO, ">=mid")
    ]
    assert len(odds) == len(found) == 10
    assert odds == [None] * 10
    whole = dataclasses.replace(WHOLE, n=n)
    found = estimates(make_sample(), against(whole))["all", "national", ALL]
    high = row_of(found, "share", "high", "national")
    assert high.estimate == 0.25
    known = (high.std_error, high.lower, high.upper, high.interval_prob, high.interval_kind)
    assert (known == (None,) * 5) == (n is None)


def row_of(estimate, quantity, category, comparator):
    keys = (quantity, category, comparator)
    (row,) = (
        row
        for row in estimate.named(LABELS).gap_rows()
        if (row.quantity, row.category, row.comparator) == keys
    )
    return row


def with_gaps(sample, part=0.1):
    """The sample with the region of some people unknown."""
    lost = np.random.default_rng(4).random(sample.rows.n) < part
    factors = sample.rows.factors
    region = np.where(lost, -1, factors["region"])
    return changed(sample, factors=factors | {"region": region}), lost


def test_people_without_a_region_or_of_no_declared_level_are_not_raked_nor_counted():
    sample, lost = with_gaps(make_sample())
    rows, found = sample.rows, estimates(sample, None, POPULATION)
    for group, side in (("all", rows.member), (COMPARISON_GROUP, ~rows.member)):
        one, there = found[group, "national", RAKED], side & ~lost
        assert one.people[1].sum() == there.sum()
        raked = np.average(rows.outcome[there] == 2, weights=raked_by_hand(rows, there))
        assert one.at(">=high").estimate == pytest.approx(raked - 0.25)
        assert found[group, PLACED, ALL].people[1].sum() == there.sum()
    # A benchmark by region alone, declared first, has fewer people than the next: own shares are
    # of as many people as any estimate has.
    first = Benchmark(outcome="y", source="A", name="A", regions=OUTSIDE)
    told = {
        (one.keys.group, one.comparator): one.own_shares
        for one in benchmark_estimates(sample, [first, against()], "region", None)
    }
    for group in ("all", COMPARISON_GROUP):
        assert not told[group, standardised_name("A")]
        assert told[group, "national"]
    # People whom the population has not.
    sample = make_sample()
    rows = sample.rows
    margin = Margin(variables=("sex",), shares={("male",): 1.0, ("female",): 0.0})
    declared = DeclaredPopulation(file="people.csv", margins=(margin,))
    one = estimates(sample, None, declared)["all", "national", RAKED]
    men = rows.member & (rows.factors["sex"] == 0)
    assert one.people[1].sum() == men.sum()
    assert one.at(">=high").estimate == pytest.approx(share(rows, men) - 0.25)


@pytest.mark.parametrize("lost", ["regions", "weights", "members of the south"])
def test_nobody_with_a_region_or_with_weight_is_said(lost):
    sample = make_sample()
    rows = sample.rows
    if lost == "members of the south":
        there = (rows.factors["region"] == 0) | ~rows.member
        one = estimates(sample.take(there))["region=South", "national", ALL]
        assert one.status is Status.NOT_ESTIMABLE
        assert "0 members" in one.reason
        return
    unknown = {"factors": rows.factors | {"region": np.full(rows.n, -1)}}
    none = changed(sample, **(unknown if lost == "regions" else {"weight": np.zeros(rows.n)}))
    for (group, comparator, population), one in estimates(none, None, POPULATION).items():
        if lost == "regions" and (comparator, population) == ("national", "all_members"):
            assert one.status is (Status.NOT_ESTIMABLE if "region=" in group else Status.OK)
        else:
            assert one.status is Status.NOT_ESTIMABLE


def test_a_share_has_no_limits_where_all_answer_alike_or_where_it_is_declared_exact():
    sample = make_sample()
    same = changed(sample, outcome=np.full(sample.rows.n, 2))
    found = estimates(same, against(FIXED))["all", "national", ALL]
    own = {
        c.of_member: i for c, i in found.intervals.items() if (c.quantity, c.level) == ("share", 2)
    }
    assert (own[True].estimate, own[True].std_error) == (1, 0)
    assert np.isnan([own[True].lower, own[True].upper]).all()
    assert (own[False].estimate, own[False].std_error) == (0.25, 0)
    many = dataclasses.replace(found, people=np.full((2, 3), 100))
    row = row_of(many, "share", "high", "")
    assert (row.estimate, row.lower, row.interval_kind, row.interval_prob) == (1, None, None, None)


def test_few_zones_flag_a_region_and_refuse_a_whole():
    sample = make_sample(n_zones=6)
    found = estimates(sample)
    one = found["region=South", "national", ALL]
    labels = dataclasses.replace(LABELS, group="region=South")
    assert {row.status for row in one.named(labels).gap_rows()} == {Status.FEW_CLUSTERS}
    few = estimates(sample.take(sample.rows.zone < 4))["all", "national", ALL]
    assert few.status is Status.NOT_ESTIMABLE


def test_the_example_against_r():
    """`survey::svymean` over zones, plain, less the share of one's region, and raked."""
    expected = json.loads(FIXTURE.read_text(encoding="utf-8"))
    regions = {"Center": 0.068, "East": 0.0396, "Lima": 0.2589, "North": 0.0761, "South": 0.1283}

    def fixed(share):
        return OutsideShares(shares={"C, D or E": 100 - 100 * share, "A or B": 100 * share})

    mix = dict(zip(regions, (0.1, 0.15, 0.35, 0.2, 0.2), strict=True))
    of_regions = {(name,): part for name, part in mix.items()}
    margins = (POPULATION.margins[0], Margin(variables=("region",), shares=of_regions))
    population = DeclaredPopulation(file="people.csv", margins=margins)
    benchmark = Benchmark(
        outcome="ses_top",
        source="B",
        whole=fixed(0.12),
        regions={name: fixed(part) for name, part in regions.items()},
    )
    (model,) = make_plan("peru", only=["ses_top"]).models
    found = estimates(model.sample, benchmark, population)
    for name, comparator, over, share in (
        ("plain", "national", ALL, 0.12),
        ("by_region", PLACED, ALL, 0.0),
        ("raked", "national", RAKED, 0.12),
    ):
        interval = found["all", comparator, over].at("")
        assert interval.estimate + share == pytest.approx(expected[name]["share"], abs=1e-12)
        # R stops raking when margins are off by 1e-13 of the people; the errors follow.
        assert interval.std_error == pytest.approx(expected[name]["std_error"], rel=1e-8)
    # Another estimator of the same variance: one margin after the other.
    assert interval.std_error == pytest.approx(expected["raked"]["std_error_of_survey"], rel=0.01)


def test_rows_are_keyed_apart_and_own_shares_stand_once():
    plan = make_plan("peru", only=["ses"])
    model = plan.models[0]
    found = benchmark_estimates(
        model.sample, plan.study.benchmarks, "region", plan.study.design.population
    )
    labels = Keys(model="ses", outcome="ses_class", levels=model.rows.levels, source="EXAMPLE DATA")
    rows = [
        row
        for estimate in found
        for row in estimate.named(dataclasses.replace(labels, group=estimate.keys.group)).gap_rows()
    ]
    keys = [(row.comparator, row.group, row.population, row.quantity, row.category) for row in rows]
    assert len(keys) == len(set(keys))
    assert {row.comparator for row in rows} == {
        "",
        "national",
        "ENADES 2024",
        standardised_name("ENADES 2024"),
    }
