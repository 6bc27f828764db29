"""Outside shares: by region, raked, with errors of their own; each by hand and against R."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from coopgap.families.benchmark import COMPARISON_GROUP, benchmark_estimates, standardised_name
from coopgap.families.records import Sample
from coopgap.families.rows import Labels, gap_rows
from coopgap.matching.dispatch import match
from coopgap.plan import make_plan
from coopgap.study.spec import Benchmark, DeclaredPopulation, Margin, Matching, OutsideShares
from coopgap.survey.records import ModelRows
from coopgap.vocabulary import Population, Quantity, Status

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
    rows = ModelRows(
        index=np.arange(n),
        outcome=np.searchsorted([-0.5, 1.0], latent),
        levels=LEVELS,
        member=member,
        factors={"region": region, "sex": sex},
        factor_levels={"region": ("North", "South"), "sex": ("male", "female")},
        zone=zone,
        weight=rng.choice([0.5, 1.0, 2.0], n),
        dropped=(),
    )
    return Sample(
        rows=rows,
        matched=match(rows, Matching(on=("sex",))),
        covariates=("sex",),
        link="logit",
        strata=("sex",),
    )


def estimates(sample, benchmark=None, declared=None):
    benchmark = benchmark or Benchmark(outcome="y", source="B", whole=WHOLE, regions=OUTSIDE)
    found = benchmark_estimates(sample, [benchmark], "region", declared)
    return {(group, one.comparator, one.population): one for group, one in found}


def difference(estimate, category=">=high"):
    return next(
        interval
        for contrast, interval in estimate.intervals.items()
        if (contrast.quantity, contrast.category) == (Quantity.RISK_DIFFERENCE, category)
    )


def test_regions_weigh_as_the_samples_people_live():
    sample = make_sample()
    rows = sample.rows
    found = estimates(sample)[
        COMPARISON_GROUP, standardised_name("national"), Population.ALL_MEMBERS
    ]
    side = ~rows.member
    w, top = rows.weight[side], rows.outcome[side] == 2
    outside = np.array([0.2, 0.4])[rows.factors["region"][side]]
    assert difference(found).estimate == pytest.approx(np.average(top - outside, weights=w))
    # One mean of one number a person: the answer less the share of the person's region.
    centred = (top - outside - np.average(top - outside, weights=w)) * w / w.sum()
    sums = np.bincount(rows.zone[side], centred)
    n_zones = np.unique(rows.zone[side]).size
    held = np.bincount(rows.factors["region"][side], w) / w.sum()
    own = n_zones / (n_zones - 1) * np.sum(sums**2)
    theirs = held[0] ** 2 * 0.2 * 0.8 / 300 + held[1] ** 2 * 0.4 * 0.6 / 150
    assert difference(found).std_error == pytest.approx(np.sqrt(own + theirs))


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
        assert difference(one, ">=mid").estimate == pytest.approx(expected)


def test_equal_regions_are_the_whole():
    """Where every region has the same shares, weighting regions changes no number."""
    sample = make_sample()
    same = dataclasses.replace(WHOLE, n=None)
    benchmark = Benchmark(
        outcome="y", source="B", whole=same, regions={"North": same, "South": same}
    )
    found = estimates(sample, benchmark)
    whole = difference(found["all", "national", Population.ALL_MEMBERS])
    placed = difference(found["all", standardised_name("national"), Population.ALL_MEMBERS])
    assert placed == pytest.approx(whole)


@pytest.mark.parametrize("n_zones", [12, 60])
def test_raked_shares_have_the_declared_margins_and_gain_from_them(n_zones):
    sample = make_sample(n_zones=n_zones)
    rows = sample.rows
    fixed = Benchmark(outcome="y", source="B", whole=dataclasses.replace(WHOLE, n=None))
    found = estimates(sample, fixed, POPULATION)["all", "national", Population.POSTSTRATIFIED]
    assert "raked to people.csv" in found.std_errors
    weight = rows.weight * rows.member
    for _ in range(500):
        for name, wanted in (("sex", [0.45, 0.55]), ("region", [0.7, 0.3])):
            held = np.bincount(rows.factors[name], weight) / weight.sum()
            weight = weight * (np.array(wanted) / held)[rows.factors[name]]
    share = np.average(rows.outcome == 2, weights=weight)
    assert difference(found).estimate == pytest.approx(share - 0.25)


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
        interval = difference(found["all", comparator, over], "")
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
    labels = Labels(
        model="ses", outcome="ses_class", levels=model.rows.levels, source="EXAMPLE DATA"
    )
    rows = [
        row
        for group, estimate in found
        for row in gap_rows(estimate, dataclasses.replace(labels, group=group))
    ]
    keys = [(row.comparator, row.group, row.population, row.quantity, row.category) for row in rows]
    assert len(keys) == len(set(keys))
    assert {row.comparator for row in rows} == {
        "",
        "national",
        "ENADES 2024",
        standardised_name("ENADES 2024"),
    }


def test_a_region_with_few_people_is_suppressed_and_without_any_is_said():
    sample = make_sample()
    rows = sample.rows
    keep = (rows.factors["region"] == 0) | ~rows.member
    found = estimates(sample.take(keep))
    one = found["region=South", "national", Population.ALL_MEMBERS]
    assert one.status is Status.NOT_ESTIMABLE
    assert "0 members" in one.reason
