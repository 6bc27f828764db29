"""MatchIt 4.5.1's pairs and weights on lalonde (tests/r/matching.R), and numbers as covariates."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coopgap.matching.balance import largest_smd_after
from coopgap.matching.dispatch import match, stratum_codes
from coopgap.matching.distances import Distance, linear_propensity, make_distance
from coopgap.matching.nearest import nearest_pairs
from coopgap.matching.sample import sample_from_pairs
from coopgap.matching.weighting import common_support
from coopgap.study.spec import Matching
from coopgap.survey.numeric import numeric

from .conftest import balance_of, findings

R = Path(__file__).parents[1] / "r"
BANDED = ("age", "educ", "race", "married", "earned")
FIXTURE = json.loads((R / "fixtures" / "matching.json").read_text(encoding="utf-8"))
LALONDE = pd.read_csv(R / "data" / "lalonde.csv")
MEMBER = LALONDE["treat"].to_numpy() == 1
NUMBERS = ("age", "educ", "married", "nodegree", "re74", "re75")
RACE = np.unique(LALONDE["race"], return_inverse=True)[1]
COVARIATES = ("age", "educ", "race", "married", "nodegree", "re74", "re75")


def pairs_of(rows, matching):
    distance = make_distance(rows, matching.covariates, matching.distance)
    chosen = {"ratio": matching.ratio, "replace": matching.replace, "order": matching.order}
    strata = stratum_codes(rows, matching.on)
    return nearest_pairs(strata, MEMBER, distance, **chosen).tolist()


def banded_rows(make_rows):
    cuts = {"age": [20, 25, 30, 40], "educ": [8, 11, 12]}
    factors = {k: np.searchsorted(at, LALONDE[k], side="left") for k, at in cuts.items()}
    factors |= {"race": RACE, "married": LALONDE["married"], "earned": LALONDE["re74"] > 0}
    return make_rows({name: np.asarray(factors[name]).astype(int) for name in BANDED}, MEMBER)


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("exact", {"method": "exact", "on": BANDED}),
        ("propensity", {"order": "largest"}),
        ("mahalanobis", {"distance": "mahalanobis"}),
        ("robust_mahalanobis", {"distance": "robust_mahalanobis"}),
        ("by_race", {"distance": "mahalanobis", "on": ("race",)}),
    ],
)
def test_declared_matching_of_bands(name, choices, make_rows):
    """Many ties: the same people are chosen, not only people as near."""
    expected = FIXTURE["banded"][name]
    rows = banded_rows(make_rows)
    matching = Matching(**{"method": "nearest", "covariates": BANDED, **choices})
    assert match(rows, matching).weight == pytest.approx(expected["weights"])
    if name != "exact":
        assert pairs_of(rows, matching) == expected["pairs"]


@pytest.fixture
def rows(make_rows):
    """Lalonde as measured: race has levels, everything else is a number."""
    numbers, factors = {}, {"race": RACE}
    for name in NUMBERS:
        values, factors[name] = np.unique(LALONDE[name].to_numpy(float), return_inverse=True)
        numbers[name] = numeric(name, values)
    made = make_rows(factors, MEMBER)
    levels = {**made.factor_levels, **dict.fromkeys(NUMBERS, ())}
    return replace(made, factor_levels=levels, numeric=numbers)


def test_the_linear_propensity_score(rows):
    found = linear_propensity(rows, COVARIATES)
    assert found == pytest.approx(FIXTURE["linear_propensity"], rel=1e-8, abs=1e-8)


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("propensity", {"order": "largest"}),
        ("propensity_smallest", {"order": "smallest"}),
        ("propensity_data", {"order": "random"}),
        ("two", {"order": "largest", "ratio": 2}),
        ("by_race", {"order": "largest", "on": ("race",)}),
        ("replace_two", {"replace": True, "ratio": 2}),
        ("mahalanobis", {"distance": "mahalanobis"}),
        ("robust_mahalanobis", {"distance": "robust_mahalanobis"}),
    ],
)
def test_declared_matching_of_numbers(rows, name, choices):
    expected = FIXTURE["measured"][name]
    matching = Matching(**{"method": "nearest", "covariates": COVARIATES, **choices})
    assert match(rows, matching).weight == pytest.approx(expected["weights"])
    assert pairs_of(rows, matching) == expected["pairs"]


def test_with_replacement_where_everybody_has_a_point_of_their_own(rows):
    """MatchIt lets no two members take turns, as the members of one point do."""
    expected, n = FIXTURE["measured"]["replace"], MEMBER.size
    score = linear_propensity(rows, COVARIATES)
    distance = Distance(cell=np.arange(n), points=score[:, None], score=score)
    pairs = nearest_pairs(np.zeros(n, dtype=int), MEMBER, distance, replace=True)
    assert pairs.tolist() == expected["pairs"]
    sample = sample_from_pairs("nearest", pairs, MEMBER, np.ones(n))
    assert sample.weight == pytest.approx(expected["weights"])


def table(rows, matched):
    return {(row.covariate, row.level): row for row in balance_of(rows, matched)}


def test_balance_by_hand(rows):
    matched = match(rows, Matching(method="nearest", covariates=COVARIATES, caliper=0.2))
    row, x = table(rows, matched)["re74", ""], LALONDE["re74"].to_numpy(float)
    weight = matched.weight
    kept = MEMBER & (weight > 0)
    after = np.average(x[~MEMBER], weights=weight[~MEMBER])
    assert row.member_mean == pytest.approx(x[kept].mean())
    assert row.comparison_mean_before == pytest.approx(x[~MEMBER].mean())
    assert row.comparison_mean_after == pytest.approx(after)
    pooled = np.sqrt((x[MEMBER].var() + x[~MEMBER].var()) / 2)
    assert row.smd_before == pytest.approx((x[MEMBER].mean() - x[~MEMBER].mean()) / pooled)
    assert row.smd_after == pytest.approx((x[kept].mean() - after) / pooled)
    assert row.variance_ratio_before == pytest.approx(x[MEMBER].var() / x[~MEMBER].var())
    steps = [np.mean(x[MEMBER] <= at) - np.mean(x[~MEMBER] <= at) for at in np.unique(x)]
    assert row.ks_before == pytest.approx(np.abs(steps).max())
    assert (row.n_smaller, row.n_fewest) == (int(kept.sum()), None)


def test_a_number_of_two_values_is_as_balanced_as_the_binary_variable(rows):
    married = LALONDE["married"].to_numpy()
    matched = match(rows, Matching(method="nearest", covariates=COVARIATES, caliper=0.2))
    levels = {**rows.factor_levels, "married": ("no", "yes")}
    binary = replace(rows, factors={"married": married}, factor_levels=levels, numeric={})
    own, theirs = table(rows, matched)["married", ""], table(binary, matched)
    names = ["member_mean", "comparison_mean_before", "comparison_mean_after", "smd_before"]
    for name in (*names, "smd_after", "variance_ratio_before", "variance_ratio_after"):
        level = getattr(theirs["married", "yes"], name)
        assert getattr(own, name) == pytest.approx(level, rel=1e-12)
    assert own.ks_before == pytest.approx(theirs["married", "no"].ks_before)


def test_the_largest_difference_may_be_a_numbers(rows):
    alone = replace(rows, factors={name: rows.factors[name] for name in NUMBERS})
    smd, name, level = largest_smd_after(alone, match(rows, Matching(method="none")))
    found = table(alone, match(rows, Matching(method="none")))
    assert name in NUMBERS
    assert level == ""
    assert smd == pytest.approx(max(abs(row.smd_before) for row in found.values()))


def test_entropy_balances_means_and_loses_nobody_for_a_number(rows):
    some = replace(rows, factors={name: rows.factors[name] for name in ("age", "race", "married")})
    matched = match(some, Matching(method="entropy", on=("age", "race", "married")))
    row = table(some, matched)["age", ""]
    assert row.comparison_mean_after == pytest.approx(row.member_mean, rel=1e-9)
    labels = {"age": ()}
    support = common_support({"age": rows.factors["age"]}, labels, MEMBER, rows.numeric)
    assert support.keep.all()
    assert not support.lost


def test_feasibility_names_no_respondents_numbers(rows):
    matching = Matching(method="nearest", covariates=COVARIATES, caliper=0.01)
    lost = [row for row in findings(rows, matching).values() if row.diagnostic == "members_lost"]
    assert lost
    assert {row.about for row in lost} == {"race"}
