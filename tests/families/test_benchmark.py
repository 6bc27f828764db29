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
from .conftest import rows_of

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


def make_sample(n_zones=60, seed=2, n=900):
    rng = np.random.default_rng(seed)
    zone = rng.integers(0, n_zones, n)
    region = (zone >= n_zones * 2 // 3).astype(np.int64)
    sex = rng.integers(0, 2, n)
    member = rng.random(n) < 0.5
    latent = rng.logistic(size=n) + 0.6 * member + 0.5 * sex - 0.4 * region
    rows = rows_of(
        np.searchsorted([-0.5, 1.0], latent),
        member,
        levels=LEVELS,
        zone=zone,
        weight=rng.choice([0.5, 1.0, 2.0], n),
        region=region,
        sex=sex,
    )
    return conftest.make_sample(rows, on=("sex",), covariates=("sex",))


def estimates(sample, benchmark=None, declared=None):
    benchmark = benchmark or Benchmark(outcome="y", source="B", whole=WHOLE, regions=OUTSIDE)
    found = benchmark_estimates(sample, [benchmark], "region", declared)
    return {(one.keys.group, one.comparator, one.population): one for one in found}


def test_regions_weigh_as_the_samples_people_live():
    sample = make_sample()
    rows = sample.rows
    found = estimates(sample)[
        COMPARISON_GROUP, standardised_name("national"), Population.ALL_MEMBERS
    ]
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
    rows = sample.rows
    found = estimates(sample)
    for code, name in enumerate(("North", "South")):
        here = rows.member & (rows.factors["region"] == code)
        own = np.average(rows.outcome[here] >= 1, weights=rows.weight[here])
        shares = OUTSIDE[name].shares
        one = found[f"region={name}", "national", Population.ALL_MEMBERS]
        expected = own - (shares["mid"] + shares["high"]) / 100
        assert one.at(">=mid").estimate == pytest.approx(expected)


def test_equal_regions_are_the_whole():
    """Where every region has the same shares, weighting regions changes no number."""
    sample = make_sample()
    same = dataclasses.replace(WHOLE, n=None)
    benchmark = Benchmark(
        outcome="y", source="B", whole=same, regions={"North": same, "South": same}
    )
    found = estimates(sample, benchmark)
    whole = found["all", "national", Population.ALL_MEMBERS].at(">=high")
    placed = found["all", standardised_name("national"), Population.ALL_MEMBERS].at(">=high")
    assert placed == pytest.approx(whole)


def raked_by_hand(rows, side, wanted=(("sex", (0.45, 0.55)), ("region", (0.7, 0.3)))):
    weight = rows.weight * side
    for _ in range(500):
        for name, shares in wanted:
            held = np.bincount(rows.factors[name][side], weight[side], minlength=2) / weight.sum()
            weight = (
                weight
                * np.divide(shares, held, where=held > 0, out=np.zeros(2))[
                    np.maximum(rows.factors[name], 0)
                ]
            )
    return weight[side]


@pytest.mark.parametrize("n_zones", [12, 60])
def test_raked_shares_have_the_declared_margins_and_residuals_on_them(n_zones):
    sample = make_sample(n_zones=n_zones)
    rows = sample.rows
    fixed = Benchmark(outcome="y", source="B", whole=dataclasses.replace(WHOLE, n=None))
    found = estimates(sample, fixed, POPULATION)["all", "national", Population.POSTSTRATIFIED]
    assert "raked to people.csv" in found.std_errors
    assert "declared shares are taken as fixed" in found.std_errors
    side = rows.member
    weight, top = raked_by_hand(rows, side), (rows.outcome[side] == 2).astype(float)
    share = np.average(top, weights=weight)
    gap = found.at(">=high")
    assert gap.estimate == pytest.approx(share - 0.25)
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
    sample = make_sample(n_zones=12)
    alone = Benchmark(outcome="y", source="B", whole=dataclasses.replace(WHOLE, n=None))
    fixed = estimates(sample, alone)["all", "national", Population.ALL_MEMBERS].at(">=high")
    for factor in (1.0, 2.5):
        whole = dataclasses.replace(WHOLE, design_effect=factor)
        beside = Benchmark(outcome="y", source="B", whole=whole)
        found = estimates(sample, beside)["all", "national", Population.ALL_MEMBERS]
        assert "vary as a sample of their size" in found.std_errors
        one, theirs = found.at(">=high"), factor * 0.25 * 0.75 / 450
        assert one.std_error**2 == pytest.approx(fixed.std_error**2 + theirs)
        assert one.df == pytest.approx(fixed.df * (1 + theirs / fixed.std_error**2) ** 2)


def test_shares_in_percent_that_sum_to_a_little_more_are_scaled():
    shares = {"low": 40.4, "mid": 35.35, "high": 25.25}
    found = estimates(
        make_sample(), Benchmark(outcome="y", source="B", whole=OutsideShares(shares=shares))
    )
    same = estimates(
        make_sample(), Benchmark(outcome="y", source="B", whole=dataclasses.replace(WHOLE, n=None))
    )
    place = ("all", "national", Population.ALL_MEMBERS)
    assert found[place].at(">=high") == pytest.approx(same[place].at(">=high"))


@pytest.mark.parametrize("n", [None, 450])
def test_a_level_that_nobody_outside_has_has_no_ratio(n):
    shares = {"low": 0.0, "mid": 55.0, "high": 45.0}
    whole = OutsideShares(shares=shares, n=n)
    benchmark = Benchmark(
        outcome="y", source="B", whole=whole, regions={"North": whole, "South": whole}
    )
    found = estimates(make_sample(), benchmark, POPULATION)
    odds = [
        interval
        for estimate in found.values()
        for contrast, interval in estimate.intervals.items()
        if (contrast.quantity, contrast.category) == (Quantity.CUMULATIVE_ODDS_RATIO, ">=mid")
    ]
    assert len(odds) == len(found) == 10
    assert odds == [None] * 10


def test_a_share_declared_without_error_has_no_interval():
    place = ("all", "national", Population.ALL_MEMBERS)
    for n in (None, 450):
        whole = dataclasses.replace(WHOLE, n=n)
        found = estimates(make_sample(), Benchmark(outcome="y", source="B", whole=whole))[place]
        labels = Keys(model="m", outcome="y", levels=LEVELS, source="made")
        rows = {
            row.category: row
            for row in found.named(labels).gap_rows()
            if row.quantity is Quantity.SHARE and row.comparator
        }
        high = rows["high"]
        assert high.estimate == 0.25
        known = (high.std_error, high.lower, high.upper, high.interval_prob, high.interval_kind)
        assert (known == (None,) * 5) == (n is None)


def with_gaps(sample, share=0.1):
    """The sample with the region of some people unknown."""
    rows = sample.rows
    lost = np.random.default_rng(4).random(rows.n) < share
    factors = rows.factors | {"region": np.where(lost, -1, rows.factors["region"])}
    return dataclasses.replace(sample, rows=dataclasses.replace(rows, factors=factors)), lost


def test_people_without_a_region_are_not_raked_nor_counted():
    sample, lost = with_gaps(make_sample())
    found = estimates(sample, None, POPULATION)
    for group, side in (("all", sample.rows.member), (COMPARISON_GROUP, ~sample.rows.member)):
        one = found[group, "national", Population.POSTSTRATIFIED]
        there = side & ~lost
        assert one.people[1].sum() == there.sum()
        top = sample.rows.outcome[there] == 2
        share = np.average(top, weights=raked_by_hand(sample.rows, there))
        assert one.at(">=high").estimate == pytest.approx(share - 0.25)
        placed = found[group, standardised_name("national"), Population.ALL_MEMBERS]
        assert placed.people[1].sum() == there.sum()


def test_own_shares_are_of_as_many_people_as_any_estimate_has():
    """A benchmark by region alone, declared first, has fewer people than the next."""
    sample, _ = with_gaps(make_sample())
    first = Benchmark(outcome="y", source="A", name="A", regions=OUTSIDE)
    second = Benchmark(outcome="y", source="B", whole=WHOLE)
    told = {
        (one.keys.group, one.comparator): one.own_shares
        for one in benchmark_estimates(sample, [first, second], "region", None)
    }
    for group in ("all", COMPARISON_GROUP):
        assert not told[group, standardised_name("A")]
        assert told[group, "national"]


def test_people_whom_the_population_has_not_are_left_out_of_raking():
    sample = make_sample()
    rows = sample.rows
    declared = DeclaredPopulation(
        file="people.csv",
        margins=(Margin(variables=("sex",), shares={("male",): 1.0, ("female",): 0.0}),),
    )
    one = estimates(sample, None, declared)["all", "national", Population.POSTSTRATIFIED]
    men = rows.member & (rows.factors["sex"] == 0)
    assert one.people[1].sum() == men.sum()
    own = np.average(rows.outcome[men] == 2, weights=rows.weight[men])
    assert one.at(">=high").estimate == pytest.approx(own - 0.25)


def test_the_comparison_group_stands_beside_each_region_too():
    sample = make_sample()
    rows = sample.rows
    found = estimates(sample)
    for code, name in enumerate(("North", "South")):
        here = ~rows.member & (rows.factors["region"] == code)
        own = np.average(rows.outcome[here] == 2, weights=rows.weight[here])
        one = found[f"{COMPARISON_GROUP}, region={name}", "national", Population.ALL_MEMBERS]
        expected = own - OUTSIDE[name].shares["high"] / 100
        assert one.at(">=high").estimate == pytest.approx(expected)


@pytest.mark.parametrize("lost", ["regions", "weights"])
def test_nobody_with_a_region_or_with_weight_is_said(lost):
    sample = make_sample()
    rows = sample.rows
    changes = (
        {"factors": rows.factors | {"region": np.full(rows.n, -1)}}
        if lost == "regions"
        else {"weight": np.zeros(rows.n)}
    )
    none = dataclasses.replace(sample, rows=dataclasses.replace(rows, **changes))
    for (group, comparator, population), one in estimates(none, None, POPULATION).items():
        if lost == "regions" and (comparator, population) == ("national", "all_members"):
            assert one.status is (Status.NOT_ESTIMABLE if "region=" in group else Status.OK)
        else:
            assert one.status is Status.NOT_ESTIMABLE


def test_a_share_has_no_limits_where_all_answer_alike_or_where_it_is_declared_exact():
    sample = make_sample()
    same = dataclasses.replace(
        sample, rows=dataclasses.replace(sample.rows, outcome=np.full(sample.rows.n, 2))
    )
    fixed = Benchmark(outcome="y", source="B", whole=dataclasses.replace(WHOLE, n=None))
    found = estimates(same, fixed)["all", "national", Population.ALL_MEMBERS]
    own = {
        c.of_member: i for c, i in found.intervals.items() if (c.quantity, c.level) == ("share", 2)
    }
    assert (own[True].estimate, own[True].std_error) == (1, 0)
    assert np.isnan([own[True].lower, own[True].upper]).all()
    assert (own[False].estimate, own[False].std_error) == (0.25, 0)
    labels = Keys(model="m", outcome="y", levels=LEVELS, source="made")
    (row,) = [
        row
        for row in dataclasses.replace(found, people=np.full((2, 3), 100), keys=labels).gap_rows()
        if (row.quantity, row.category, row.comparator) == ("share", "high", "")
    ]
    assert (row.estimate, row.lower, row.interval_kind, row.interval_prob) == (1, None, None, None)


def test_few_zones_flag_a_region_and_refuse_a_whole():
    sample = make_sample(n_zones=6)
    found = estimates(sample)
    one = found["region=South", "national", Population.ALL_MEMBERS]
    labels = Keys(model="m", outcome="y", levels=LEVELS, source="made", group="region=South")
    assert {row.status for row in one.named(labels).gap_rows()} == {Status.FEW_CLUSTERS}
    few = estimates(sample.take(sample.rows.zone < 4))["all", "national", Population.ALL_MEMBERS]
    assert few.status is Status.NOT_ESTIMABLE


def test_the_example_against_r():
    """`survey::svymean` over zones, plain, less the share of one's region, and raked."""
    expected = json.loads(FIXTURE.read_text(encoding="utf-8"))
    regions = {"Center": 0.068, "East": 0.0396, "Lima": 0.2589, "North": 0.0761, "South": 0.1283}

    def fixed(share):
        return OutsideShares(shares={"C, D or E": 100 - 100 * share, "A or B": 100 * share})

    population = DeclaredPopulation(
        file="people.csv",
        margins=(
            Margin(variables=("sex",), shares={("male",): 0.45, ("female",): 0.55}),
            Margin(
                variables=("region",),
                shares={
                    (name,): share
                    for name, share in zip(regions, (0.1, 0.15, 0.35, 0.2, 0.2), strict=True)
                },
            ),
        ),
    )
    benchmark = Benchmark(
        outcome="ses_top",
        source="B",
        whole=fixed(0.12),
        regions={name: fixed(share) for name, share in regions.items()},
    )
    (model,) = make_plan("peru", only=["ses_top"]).models
    found = estimates(model.sample, benchmark, population)
    for name, comparator, over, share in (
        ("plain", "national", Population.ALL_MEMBERS, 0.12),
        ("by_region", standardised_name("national"), Population.ALL_MEMBERS, 0.0),
        ("raked", "national", Population.POSTSTRATIFIED, 0.12),
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


def test_a_region_without_people_is_said():
    sample = make_sample()
    rows = sample.rows
    keep = (rows.factors["region"] == 0) | ~rows.member
    found = estimates(sample.take(keep))
    one = found["region=South", "national", Population.ALL_MEMBERS]
    assert one.status is Status.NOT_ESTIMABLE
    assert "0 members" in one.reason
