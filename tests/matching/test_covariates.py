"""Balance, interactions and distances, of levels and of numbers."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

from coopgap.core.errors import NotEstimable
from coopgap.core.vocabulary import Use
from coopgap.matching.balance import (
    largest_smd_after,
    level_balance,
    level_shares,
    multinomial_smd,
    smd,
    with_interactions,
)
from coopgap.matching.dispatch import match
from coopgap.matching.distances import (
    Distance,
    full_indicators,
    linear_propensity,
    mahalanobis_points,
    make_distance,
    pooled_sd,
    robust_points,
)
from coopgap.study.spec import Matching
from coopgap.survey.numeric import numeric

from .conftest import balance_of, findings, of_cells, shared_out

R = Path(__file__).parents[1] / "r"
# WDDCM Peru, Tables 1 and 2.
AGE = np.array([[80, 142, 183, 219, 185, 195], [183, 209, 213, 216, 113, 69]])
SEX = np.array([[432, 572], [504, 499]])


@pytest.mark.parametrize(("table", "expected"), [(AGE, 0.533), (SEX, 0.145)])
def test_multinomial_smd_of_the_printed_margins(table, expected):
    # Yang & Dalton's formula on the printed counts, three digits.
    shares = table / table.sum(axis=1, keepdims=True)
    assert multinomial_smd(*shares) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(("table", "statistic", "df"), [(AGE, 132.95, 5), (SEX, 10.51, 1)])
def test_printed_margins_have_the_known_chi_square(table, statistic, df):
    found = stats.chi2_contingency(table, correction=False)
    assert found.statistic == pytest.approx(statistic, abs=5e-3)  # two digits are known
    assert found.dof == df


def test_smd_by_hand_and_of_several_levels():
    p, q = np.array([0.5]), np.array([0.2])
    assert smd(p, q, p, q)[0] == pytest.approx(0.3 / np.sqrt((0.25 + 0.16) / 2))
    zero = np.array([0.0])
    assert smd(zero, zero, zero, zero)[0] == 0
    assert np.isnan(smd(zero, p, zero, zero)[0])
    # Of two levels it is the ordinary one, of more that of all but one, whichever is dropped.
    p, q = np.array([0.3, 0.7]), np.array([0.45, 0.55])
    assert multinomial_smd(p, q) == pytest.approx(abs(smd(p, q, p, q)[0]))
    p, q = np.array([0.2, 0.5, 0.3]), np.array([0.4, 0.35, 0.25])
    cov = sum(np.diag(s[1:]) - np.outer(s[1:], s[1:]) for s in (p, q)) / 2
    gap = (p - q)[1:]
    assert multinomial_smd(p, q) == pytest.approx(np.sqrt(gap @ np.linalg.solve(cov, gap)))


def test_after_exact_matching_nothing_is_left(random_rows):
    on = ("region", "age", "sex")
    matched = match(random_rows, Matching(method="exact", on=on))
    rows = balance_of(random_rows, matched)
    assert max(abs(row.smd_after) for row in rows) == pytest.approx(0, abs=1e-12)
    assert max(abs(row.smd_before) for row in rows) > 0.1
    assert all(row.ks_after == pytest.approx(0, abs=1e-12) for row in rows)
    assert all(row.variance_ratio_after == pytest.approx(1) for row in rows)


def test_denominator_is_the_same_before_and_after(random_rows):
    # smd_after times the unmatched pooled SD is the difference of the matched shares, for a
    # variable that was not matched on.
    matched = match(random_rows, Matching(method="exact", on=("sex",)))
    rows = balance_of(random_rows, matched)
    for row in (row for row in rows if row.covariate == "age"):
        code = random_rows.factor_levels["age"].index(row.level)
        before = np.average(
            random_rows.factors["age"][random_rows.member] == code,
            weights=random_rows.weight[random_rows.member],
        )
        other = row.comparison_mean_before
        pooled = np.sqrt((before * (1 - before) + other * (1 - other)) / 2)
        assert row.smd_after * pooled == pytest.approx(row.member_mean - row.comparison_mean_after)
        assert row.smd_before * pooled == pytest.approx(before - other)


def test_members_lost_leave_the_member_mean_but_not_the_smd_before(make_rows):
    # Stratum s=2 holds members only. Of all members 2/3 have x=1, of those kept 1/2; of the
    # comparison group 1/4.
    people = [(0, 0, True), (1, 1, True), (2, 1, True)] * 40
    people += [(0, 0, False), (1, 0, False), (0, 1, False), (1, 0, False)] * 20
    s, x, member = zip(*people, strict=True)
    rows = make_rows({"s": s, "x": x}, member)
    matched = match(rows, Matching(method="exact", on=("s",)))
    found = balance_of(rows, matched)
    row = next(item for item in found if item.covariate == "x" and item.level == "x1")
    assert row.member_mean == pytest.approx(0.5)
    assert row.member_mean_before == pytest.approx(2 / 3)
    people = row.n_member_before, row.n_member_after, row.n_comparison_before
    assert people == (80, 40, 20)
    pooled = np.sqrt((2 / 9 + 3 / 16) / 2)
    assert row.smd_before == pytest.approx((2 / 3 - 1 / 4) / pooled)
    assert row.smd_after == pytest.approx((0.5 - 1 / 4) / pooled)
    assert row.variance_ratio_before == pytest.approx((2 / 9) / (3 / 16))


def test_levels_of_few_people_and_of_one_group_have_their_numbers(make_rows):
    x = [*np.repeat([0, 1, 2], [50, 40, 30]), *np.repeat([0, 1, 2], [60, 4, 30])]
    rows = make_rows({"x": x}, np.repeat([True, False], [120, 94]))
    found = balance_of(rows, shared_out(rows))
    shares = [60 / 94, 4 / 94, 30 / 94]
    assert [row.comparison_mean_before for row in found] == pytest.approx(shares)
    assert found[1].ks_before == pytest.approx(abs(90 / 120 - 64 / 94))
    # A question that one group was not asked keeps the other's shares.
    rows = make_rows({"x": [0] * 30 + [1] * 20 + [-1] * 40}, [True] * 50 + [False] * 40)
    found = balance_of(rows, shared_out(rows))
    assert [row.member_mean for row in found] == pytest.approx([0.6, 0.4])
    assert {row.comparison_mean_before for row in found} == {None}


def test_cumulative_difference_is_the_ks_distance(peru):
    matched = match(peru, Matching(method="exact", on=()))
    rows = balance_of(peru, matched, nominal=("sex",))
    age = [row for row in rows if row.covariate == "age"]
    steps = np.abs(np.cumsum(AGE[0] / 1004 - AGE[1] / 1003))
    assert [row.ks_before for row in age] == pytest.approx(steps)
    expected = stats.ks_2samp(
        peru.factors["age"][peru.member], peru.factors["age"][~peru.member]
    ).statistic
    assert max(row.ks_before for row in age) == pytest.approx(expected)
    assert all(row.ks_before is None for row in rows if row.covariate == "sex")


def test_missing_codes_are_left_out():
    assert level_shares(np.array([-1, 0, 1, 1]), np.ones(4), 2) == pytest.approx([1 / 3, 2 / 3])
    assert np.isnan(level_shares(np.array([-1]), np.ones(1), 2)).all()


def test_swapped_groups_flip_the_smd_before(random_rows):
    rows = random_rows
    ones = np.ones(rows.n)
    one = level_balance(rows.factors["age"], 5, rows.member, rows.weight, ones)
    two = level_balance(rows.factors["age"], 5, ~rows.member, rows.weight, ones)
    assert one.smd_before == pytest.approx(-two.smd_before)


def test_largest_smd_names_its_level(peru):
    matched = match(peru, Matching(method="exact", on=()))
    value, *where = largest_smd_after(peru, matched)
    p, q = 195 / 1004, 69 / 1003
    assert where == ["age", "age5"]
    assert value == pytest.approx((p - q) / np.sqrt((p * (1 - p) + q * (1 - q)) / 2))


def lalonde_rows(make_rows):
    """Lalonde's people with race, married and schooling as codes and age as a number."""
    data = pd.read_csv(R / "data" / "lalonde.csv")
    race = pd.Categorical(data["race"])
    codes = {"race": race.codes, "married": data["married"], "educ": data["educ"]}
    values, ages = np.unique(data["age"].to_numpy(dtype=float), return_inverse=True)
    rows = make_rows({**codes, "age": ages}, data["treat"] == 1)
    return dataclasses.replace(
        rows,
        factor_levels={**rows.factor_levels, "race": tuple(race.categories), "age": ()},
        numeric={"age": numeric("age", values)},
    )


def test_counts_means_and_deviations_are_matchits(make_rows):
    expected = json.loads((R / "fixtures" / "balance.json").read_text("utf-8"))
    rows = lalonde_rows(make_rows)
    on = ("race", "married", "educ")
    matched = match(rows, Matching(method="exact", on=on))
    found = balance_of(rows, matched, use={"age": Use.ADJUSTED}, missing={"age": (3, 4)})
    (age,) = (row for row in found if row.covariate == "age")
    want = expected["age"]
    assert [age.member_mean_before, age.comparison_mean_before] == pytest.approx(want["before"])
    assert [age.member_mean, age.comparison_mean_after] == pytest.approx(want["after"])
    assert [age.member_sd_before, age.comparison_sd_before] == pytest.approx(want["sd_before"])
    assert [age.member_sd, age.comparison_sd_after] == pytest.approx(want["sd_after"])
    people = [age.n_member_before, age.n_comparison_before]
    assert people == expected["people"]["all"]
    assert [age.n_member_after, age.n_comparison_after] == expected["people"]["matched"]
    assert (age.use, age.missing_member, age.missing_comparison) == (Use.ADJUSTED, 3, 4)
    race = [row for row in found if row.covariate == "race"]
    counts = [
        [row.n_member_before, row.n_member_after, row.n_comparison_before, row.n_comparison_after]
        for row in race
    ]
    assert np.transpose(counts).tolist() == expected["race"]["counts"]
    before = [[row.member_mean_before, row.comparison_mean_before] for row in race]
    after = [[row.member_mean, row.comparison_mean_after] for row in race]
    assert np.array(before) == pytest.approx(np.array(expected["race"]["before"]))
    assert np.array(after) == pytest.approx(np.array(expected["race"]["after"]))
    # Only a number has a deviation; of a share it is √(p(1 − p)).
    assert {row.member_sd for row in race} == {None}


def test_without_a_matching_nobody_stands_after_it(random_rows):
    matched = match(random_rows, Matching(method="none"))
    rows = balance_of(random_rows, matched)
    assert (
        {row.n_member_after for row in rows} == {row.n_comparison_after for row in rows} == {None}
    )
    members = sum(row.n_member_before for row in rows if row.covariate == "sex")
    assert members == random_rows.member.sum()


CROSSED = {(0, 0): (40, 10), (0, 1): (10, 40), (1, 0): (10, 40), (1, 1): (40, 10)}
"""Both variables are balanced alone, their cross-levels are not."""


def test_cross_levels_have_shares_of_their_own(make_rows):
    rows = with_interactions(of_cells(CROSSED), [("t", "s")])
    assert rows.factor_levels["t:s"] == ("t0:s0", "t0:s1", "t1:s0", "t1:s1")
    matched = match(rows, Matching(on=("s",)))
    found = balance_of(rows, matched, nominal=["t:s"])
    mine = {row.level: row for row in found if row.covariate == "t:s"}
    assert [row.member_mean for row in mine.values()] == pytest.approx([0.4, 0.1, 0.1, 0.4])
    # (.4 - .1) over the root of the mean of .4 x .6 and .1 x .9.
    expected = 0.3 / np.sqrt((0.24 + 0.09) / 2)
    assert mine["t0:s0"].smd_after == pytest.approx(expected)
    assert mine["t0:s1"].smd_after == pytest.approx(-expected)
    assert mine["t0:s0"].ks_after is None
    alone = [row for row in found if row.covariate in ("s", "t")]
    assert max(abs(row.smd_before) for row in alone) == pytest.approx(0)
    # Those that nobody has have no row.
    rows = make_rows({"a": [0, 0, 1], "b": [0, 1, 1]}, [True, False, True])
    crossed = with_interactions(rows, [("a", "b")])
    assert crossed.factor_levels["a:b"] == ("a0:b0", "a0:b1", "a1:b1")
    assert crossed.factors["a:b"].tolist() == [0, 1, 2]


def test_the_largest_difference_counts_declared_interactions():
    rows, both = of_cells(CROSSED), (("s", "t"),)
    for interactions in ((), both):
        found = findings(rows, Matching(on=("s",), interactions=interactions))
        assert found["largest_smd_after"].passed == (not interactions)
        assert ("s:t=" in found["largest_smd_after"].note) == bool(interactions)
    # Exact cells balance their own interaction.
    found = findings(rows, Matching(on=("s", "t"), interactions=both))
    assert found["largest_smd_before"].value > 0.7
    assert found["largest_smd_after"].value == pytest.approx(0, abs=1e-12)


def test_full_indicators_put_two_levels_one_apart():
    points = full_indicators([np.array([0, 1, 2, 0])])
    assert cdist(points, points)[0] == pytest.approx([0, 1, 1, 0])


def test_mahalanobis_distance_by_its_definition():
    rng = np.random.default_rng(3)
    x, member = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 3)), rng.random(40) < 0.4
    pooled = sum((group.sum() - 1) * np.cov(x[group].T) for group in (member, ~member)) / (40 - 2)
    gap = x[:, None] - x
    expected = np.sqrt(np.einsum("abk,kl,abl->ab", gap, np.linalg.inv(pooled), gap))
    points = mahalanobis_points(x, member, np.ones(40))
    assert cdist(points, points) == pytest.approx(expected)


def test_mahalanobis_distance_of_a_factor_needs_no_reference_level(random_rows):
    rows = random_rows.take(np.arange(200))
    columns = [rows.factors["region"], rows.factors["age"]]
    every = mahalanobis_points(full_indicators(columns), rows.member, rows.weight)
    dropped = np.column_stack([one[:, None] == np.unique(one)[1:] for one in columns]).astype(float)
    less = mahalanobis_points(dropped, rows.member, rows.weight)
    assert cdist(every, every) == pytest.approx(cdist(less, less), abs=1e-9)


def test_rank_distance_by_its_definition():
    rng = np.random.default_rng(4)
    x = np.round(rng.normal(size=(30, 2)), 1)
    x[0, 0] = 50.0  # an outlier moves a rank by one place only
    # Mean ranks by counting, and the covariance rescaled to the variance of untied ranks.
    ranks = np.array(
        [
            [(x[:, k] < v).sum() + ((x[:, k] == v).sum() + 1) / 2 for k, v in enumerate(row)]
            for row in x
        ]
    )
    cov = np.cov(ranks.T)
    scale = np.arange(1, 31).std(ddof=1) / np.sqrt(np.diag(cov))
    inverse = np.linalg.inv(cov * np.outer(scale, scale))
    gap = ranks[:, None] - ranks
    expected = np.sqrt(np.einsum("abk,kl,abl->ab", gap, inverse, gap))
    points = robust_points(x, np.ones(30))
    assert cdist(points, points) == pytest.approx(expected)


def test_propensity_of_one_factor_is_the_log_odds_of_its_levels(random_rows):
    rows = random_rows
    found = linear_propensity(rows, ("age",))
    for level in range(5):
        here = rows.factors["age"] == level
        odds = rows.weight[here & rows.member].sum() / rows.weight[here & ~rows.member].sum()
        assert found[here] == pytest.approx(np.log(odds))


def test_a_factor_that_says_the_same_changes_no_propensity(random_rows, make_rows):
    rows = random_rows
    factors = {**rows.factors, "again": 4 - rows.factors["age"]}
    twice = make_rows(factors, rows.member, weight=rows.weight)
    expected = linear_propensity(rows, ("age", "sex"))
    assert linear_propensity(twice, ("age", "sex", "again")) == pytest.approx(expected)


def test_separated_propensity_names_the_term(make_rows):
    rows = make_rows({"a": [0, 0, 0, 1, 1, 2]}, [True, False, True, False, True, True])
    with pytest.raises(NotEstimable, match=r"propensity score: .*\ba\b"):
        linear_propensity(rows, ("a",))


def test_caliper_is_in_pooled_standard_deviations_of_the_score(random_rows):
    rows = random_rows
    free = make_distance(rows, ("age", "sex"), "propensity")
    tight = make_distance(rows, ("age", "sex"), "mahalanobis", caliper=0.2)
    score = free.score[free.cell]
    parts = []
    for group in (rows.member, ~rows.member):
        w = rows.weight[group] / rows.weight[group].sum()
        mean = w @ score[group]
        parts.append(w @ (score[group] - mean) ** 2 / (1 - w @ w))
    assert tight.caliper == pytest.approx(0.2 * np.sqrt(np.mean(parts)))
    points = np.arange(len(tight.score))
    apart = np.abs(tight.score[:, None] - tight.score)
    assert np.array_equal(np.isinf(tight.between(points, points)), apart > tight.caliper)


def test_pooled_sd_of_equal_weights_is_the_textbook_one():
    rng = np.random.default_rng(5)
    score, member = rng.normal(size=50), rng.random(50) < 0.3
    expected = np.sqrt((score[member].var(ddof=1) + score[~member].var(ddof=1)) / 2)
    assert pooled_sd(score, member, np.full(50, 3.0)) == pytest.approx(expected)


def test_without_covariates_everybody_stands_at_one_point(random_rows):
    found = make_distance(random_rows, (), "propensity")
    assert set(found.cell) == {0}
    assert found.between(np.array([0]), np.array([0])) == 0


def test_equally_far_by_design_is_equally_far_in_floating_point():
    points = np.array([[0.1 + 0.2], [0.0], [0.6]])
    found = Distance(cell=np.arange(3), points=points, score=np.zeros(3)).between(
        np.array([0]), np.array([1, 2])
    )
    assert found[0, 0] == found[0, 1]
