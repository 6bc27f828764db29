"""Groups' gaps compared: R's interaction contrasts, Welch's tests, by hand, and by simulation."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import GAP_KEY, Keys
from coopgap.core.gap import contrast_gradient
from coopgap.core.vocabulary import Family, Population, Quantity, Status
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate
from coopgap.families.groups import MOST_PAIRED, GroupGaps, group_gaps, group_rows
from coopgap.families.headline import headline_contrast
from coopgap.families.shares import estimate_unadjusted
from coopgap.study.spec import Matching

from .conftest import make_sample
from .conftest import rows_of as own_rows
from .test_difference import make_rows

R = Path(__file__).parents[1] / "r"
EXPECTED = json.loads((R / "fixtures" / "groups.json").read_text("utf-8"))
TWO = headline_contrast(("no", "yes"))
LABELS = Keys(model="m", outcome="y", levels=("no", "yes"), source="made.csv")


def rows_of(outcome, member, zone=None, weight=None, **factors):
    """Rows of two levels; each factor as a column of text."""
    codes = {name: pd.Categorical(values) for name, values in factors.items()}
    zone = None if zone is None else np.asarray(zone, dtype=np.int64)
    rows = own_rows(outcome, member, levels=("no", "yes"), zone=zone, weight=weight)
    return dataclasses.replace(
        rows,
        factors={name: one.codes.astype(np.int64) for name, one in codes.items()},
        factor_levels={name: tuple(one.categories) for name, one in codes.items()},
    )


def parts_of(rows, name="sex", estimate=headline_estimate, **fitting):
    """Estimates of two levels of a factor."""
    sample = make_sample(rows, **fitting)
    return [estimate(sample.within(rows.factors[name] == k)) for k in (0, 1)]


def by_level(rows, name, estimate=estimate_unadjusted):
    """Each level's own estimate, by group."""
    sample = dataclasses.replace(
        make_sample(rows, on=(), matching=Matching(method="none")), covariates=()
    )
    return {
        f"{name}={level}": estimate(sample.within(rows.factors[name] == code))
        for code, level in enumerate(rows.factor_levels[name])
    }


@pytest.fixture(scope="module")
def people():
    data = pd.read_csv(R / "data" / "example.csv")
    data["w"] = 0.5 + (np.arange(len(data)) % 7) / 4
    data["y"] = data["ses_class"].isin(["A", "B", "C"])
    data["band"] = pd.cut(data["age"], [0, 35, 50, 200], right=False, labels=list("abc"))
    data["band"] = data["band"].astype(str)  # a, b, c are R's young, middle and old
    data["sex"] = data["sex"].map({"male": "a male", "female": "b female"})
    return data


def test_the_difference_is_r_s_interaction_contrast(people):
    for name in ("sex", "band"):
        expected = EXPECTED[name]
        rows = rows_of(
            people["y"], people["member"], people["zone"], people["w"], **{name: people[name]}
        )
        groups = by_level(rows, name)
        assert {one.n_clusters for one in groups.values()} == {expected["zones"]}
        found, (test,) = group_rows(name, groups, TWO, LABELS)
        assert [row.estimate for row in found] == pytest.approx(
            np.ravel(expected["estimate"]), rel=1e-10
        )
        assert [row.std_error for row in found] == pytest.approx(
            np.ravel(expected["std_error"]), rel=1e-10
        )
        # A slope of the saturated lm is the same contrast by another program.
        assert found[0].std_error == pytest.approx(np.ravel(expected["slope_errors"])[0])
        half = stats.t.ppf(0.975, expected["zones"] - 1) * found[0].std_error
        assert found[0].upper - found[0].estimate == pytest.approx(half)
        assert (test.diagnostic, test.about) == ("group_gaps_equal", name)
        assert test.value == pytest.approx(expected["p_value"], rel=1e-9)
        equal = group_gaps([*groups.values()], TWO).equal()
        assert (equal.df, equal.df_error) == (expected["df"], expected["df_error"])
        assert equal.statistic == pytest.approx(expected["statistic"], rel=1e-9)


def test_with_few_zones_it_is_clubsandwich_s_cr2(people):
    expected = EXPECTED["few"]
    few = people[people["zone"].isin(expected["zones"])]
    rows = rows_of(few["y"], few["member"], few["zone"], sex=few["sex"])
    groups = by_level(rows, "sex")
    assert all("CR2" in one.std_errors for one in groups.values())
    (found,), _ = group_rows("sex", groups, TWO, LABELS)
    assert found.estimate == pytest.approx(expected["estimate"], rel=1e-10)
    assert found.std_error == pytest.approx(expected["std_error"], rel=1e-6)


def test_gaps_of_pairs_in_zones_are_compared_as_welch_does():
    """A zone holds one member and one other, so that a gap is a mean of independent numbers."""
    expected = EXPECTED["pairs"]
    zones = expected["zones"]
    n = len(zones["area"])
    outcome = np.concatenate([zones["member"], zones["other"]])
    member = np.repeat([True, False], n)
    rows = rows_of(outcome, member, np.tile(np.arange(n), 2), area=zones["area"] * 2)
    groups = by_level(rows, "area")
    found, (test,) = group_rows("area", groups, TWO, LABELS)
    gaps = group_gaps([*groups.values()], TWO)
    for row, pair, wanted in zip(found, [(1, 0), (2, 0), (2, 1)], expected["rows"], strict=True):
        df = gaps.difference(*pair).df
        assert [row.estimate, row.std_error, df, row.p_value, row.lower, row.upper] == (
            pytest.approx(wanted, rel=1e-9)
        )
    equal = gaps.equal()
    assert equal.statistic == pytest.approx(expected["statistic"], rel=1e-9)
    assert [equal.df, equal.df_error] == pytest.approx(expected["df"], rel=1e-9)
    assert test.value == pytest.approx(expected["p_value"], rel=1e-9)


@pytest.mark.parametrize("std_errors", ["CR1", "CR2"])
def test_variances_of_groups_without_a_zone_in_common_add(std_errors):
    rows = make_rows()
    half = (rows.zone >= 35).astype(np.int64)
    rows = dataclasses.replace(rows, factors={**rows.factors, "half": half})
    parts = parts_of(rows, "half", std_errors=std_errors)
    contrast = headline_contrast(rows.levels, ">=high")
    own = [one.intervals[contrast] for one in parts]
    found = group_gaps(parts, contrast).difference(1, 0)
    assert found.estimate == pytest.approx(own[1].estimate - own[0].estimate, rel=1e-12)
    variances = np.array([one.std_error**2 for one in own])
    assert found.std_error**2 == pytest.approx(variances.sum(), rel=1e-12)
    df = variances.sum() ** 2 / (variances**2 / [one.df for one in own]).sum()
    assert found.df == pytest.approx(df)


def test_groups_in_the_same_zones_covary_by_the_sums_of_their_zones():
    rows = make_rows()
    parts, contrast = parts_of(rows), headline_contrast(rows.levels)
    assert contrast.quantity is Quantity.SUPERIORITY
    n = np.unique(rows.zone).size
    total = np.zeros(n)
    for one, sign in zip(parts, (-1, 1), strict=True):
        moves = one.influence.of(contrast_gradient(contrast, one.margins))
        total += sign * np.bincount(rows.zone[(one.influence.people - 3) // 5], moves, n)
    found = group_gaps(parts, contrast).difference(1, 0)
    assert found.std_error == pytest.approx(np.sqrt(n / (n - 1) * total @ total))
    assert found.df == n - 1


@pytest.mark.parametrize("zones", [True, False])
def test_swapped_groups_give_the_same_with_the_other_sign(zones):
    rows = make_rows(zones=zones)
    parts, contrast = parts_of(rows), headline_contrast(rows.levels, ">=middle")
    one, other = group_gaps(parts, contrast), group_gaps(parts[::-1], contrast)
    first, back = one.difference(1, 0), other.difference(1, 0)
    assert (first.estimate, first.lower) == pytest.approx((-back.estimate, -back.upper), rel=1e-12)
    assert (first.std_error, first.p_value) == pytest.approx((back.std_error, back.p_value))
    # Of two groups the test of all is the test of the pair.
    for each in (one, other):
        assert each.equal().p_value == pytest.approx(first.p_value, rel=1e-9)
    assert one.shared[0, 1] == zones


def test_sets_of_two_matchings_with_the_same_numbers_are_not_the_same_sets():
    """Without zones, pairs of men and pairs of women are numbered from zero each."""
    rows = make_rows(zones=False)
    near = Matching(method="nearest", covariates=("region",))
    parts = []
    for code in (0, 1):
        here = rows.take(rows.factors["sex"] == code)
        sample = dataclasses.replace(make_sample(here, on=(), matching=near), strata=())
        parts.append(headline_estimate(sample.within(np.ones(here.n, dtype=bool))))
    contrast = headline_contrast(rows.levels, ">=middle")
    found = group_gaps(parts, contrast)
    assert not found.shared[0, 1]
    own = [one.intervals[contrast].std_error for one in parts]
    assert found.difference(1, 0).std_error == pytest.approx(np.hypot(*own), rel=1e-12)


def test_comparison_people_of_both_groups_count_in_both():
    """Of a question that only members were asked: everybody else stands beside each group."""
    rng = np.random.default_rng(3)
    n = 600
    member, kind, outcome = (rng.integers(0, 2, n) for _ in range(3))
    rows = rows_of(outcome, member, kind=kind)
    keep = [(rows.factors["kind"] == k) | ~rows.member for k in (0, 1)]
    sample = make_sample(rows, on=(), matching=Matching(method="none"))
    sample = dataclasses.replace(sample, covariates=())
    parts = [estimate_unadjusted(sample.within(one)) for one in keep]
    found = group_gaps(parts, TWO).difference(1, 0)
    # What is common to both cancels: two proportions are left.
    sides = [outcome[(member == 1) & (kind == k)] for k in (0, 1)]
    shares = [one.mean() for one in sides]
    assert found.estimate == pytest.approx(shares[1] - shares[0])
    variance = sum(p * (1 - p) / len(one) for p, one in zip(shares, sides, strict=True))
    assert found.std_error == pytest.approx(np.sqrt(variance))


def many(k, seed=0):
    rng = np.random.default_rng(seed)
    n = 60 * k
    return rows_of(
        rng.integers(0, 2, n),
        rng.integers(0, 2, n),
        rng.integers(0, 80, n),
        group=[f"{one:02d}" for one in np.arange(n) % k],
    )


def test_pairs_are_shown_for_twelve_groups_and_no_more():
    for k, expected in ((MOST_PAIRED, 66), (MOST_PAIRED + 1, 0)):
        groups = by_level(many(k), "group")
        found, (test,) = group_rows("group", groups, TWO, LABELS)
        assert len(found) == expected
        assert 0 < test.value < 1
        keys = {tuple(getattr(row, name) for name in GAP_KEY) for row in found}
        assert len(keys) == expected
    assert group_rows("group", dict([next(iter(groups.items()))]), TWO, LABELS) == ([], [])


NOBODY = Estimate(
    family=Family.UNADJUSTED,
    population=Population.ALL_MEMBERS,
    people=np.array([[3, 2], [0, 0]]),
    status=Status.NOT_ESTIMABLE,
    reason="0 members are left",
)


def test_a_group_without_a_gap_leaves_its_differences_blank():
    groups = by_level(many(3), "group") | {"group=01": NOBODY}
    found, (test,) = group_rows("group", groups, TWO, LABELS)
    by_pair = {(row.group, row.comparator): row for row in found}
    assert by_pair["group=02", "group=00"].status is Status.OK
    for pair in (("group=01", "group=00"), ("group=02", "group=01")):
        row = by_pair[pair]
        assert (row.status, row.n_member) == (Status.NOT_ESTIMABLE, 0)
        assert {row.estimate, row.std_error, row.lower, row.interval_kind} == {None}
    assert test.note.endswith("2 groups; without group=01")
    assert test.value == pytest.approx(by_pair["group=02", "group=00"].p_value)
    few = "fewer than two groups have a gap with a standard error"
    (alone,) = group_rows("group", dict([*groups.items()][:2]), TWO, LABELS)[1]
    assert (alone.value, alone.note) == (None, f"{few}; without group=01")
    found, (test,) = group_rows("group", dict.fromkeys(groups, NOBODY), TWO, LABELS)
    assert {(row.status, row.estimate) for row in found} == {(Status.NOT_ESTIMABLE, None)}
    assert len(found) == 3
    assert test.value is None
    assert test.note.startswith("fewer than two groups have a gap")


def test_counts_are_those_of_the_smaller_group_and_few_are_marked():
    rng = np.random.default_rng(1)
    group = np.repeat(["a", "b"], [400, 45])
    rows = rows_of(rng.random(445) < 0.2, rng.random(445) < 0.5, rng.integers(0, 60, 445), g=group)
    groups = by_level(rows, "g")
    ((found,), _) = group_rows("g", groups, TWO, LABELS)
    small = groups["g=b"].people
    assert (found.n_comparison, found.n_member) == tuple(small.sum(axis=1))
    assert found.n_fewest == small.min() < 10
    assert found.status is Status.FEW_PEOPLE
    assert (found.group, found.comparator) == ("g=b", "g=a")


def test_limits_are_differences_that_there_can_be():
    member = np.tile([True, False], 12)
    zone = np.repeat(np.arange(6), 4)
    outcome = np.where(zone % 3 == 0, member, ~member)
    rows = rows_of(outcome, member, zone, g=np.where(zone < 3, "a", "b"))
    ((found,), _) = group_rows("g", by_level(rows, "g"), TWO, LABELS)
    assert (found.lower, found.upper) == (-2.0, 2.0)


def test_too_few_clusters_for_so_many_groups_have_no_test():
    gaps = GroupGaps(
        values=np.arange(4.0), df=np.full(4, 2.0), cov=np.eye(4), shared=np.ones((4, 4), dtype=bool)
    )
    with pytest.raises(NotEstimable, match="too few for a test of 4 groups"):
        gaps.equal()


def test_both_tests_reject_as_often_as_they_say():
    """Men and women of one zone share its level: 120 surveys of 24 zones, no gap differs."""
    rejected = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        zone = np.repeat(np.arange(24), 20)
        member, sex = (rng.integers(0, 2, zone.size) for _ in range(2))
        level = rng.normal(0, 0.1, (24, 2))[zone, member]
        outcome = rng.random(zone.size) < 0.5 + level
        for name, values in (("sex", sex), ("area", zone % 3)):
            groups = by_level(rows_of(outcome, member, zone, **{name: values}), name)
            rejected.append(group_gaps([*groups.values()], TWO).equal().p_value < 0.05)
    shares = np.reshape(rejected, (120, 2)).mean(axis=0)
    # The error of 5 percent among 120 is 2 points; three of those.
    assert shares == pytest.approx([0.05, 0.05], abs=0.06)
