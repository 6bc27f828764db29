"""The gap with the phone people instead, and with both: by hand, jackknife, verdicts."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from coopgap.checks.by_mode import LIMITS
from coopgap.core.vocabulary import Check, Verdict
from coopgap.matching.dispatch import match
from coopgap.matching.sample import combined_weight
from coopgap.study.spec import Matching

from ..conftest import phone_rows

GAPS = (Check.PHONE_REPLACES, Check.PHONE_JOINS)


def gaps(rows, check):
    return {
        row.variant: row for row in rows if row.check is check and row.quantity == "risk_difference"
    }


def test_in_person_gap_is_the_matched_one(make_phone):
    # With one covariate, balancing its margin is exact matching on it.
    data = make_phone(np.random.default_rng(0))
    found = gaps(phone_rows(GAPS, data), Check.PHONE_REPLACES)
    rows = data.in_person
    matched = match(rows, Matching(method="exact", on=("age",)))
    weight = combined_weight(rows.weight, matched.weight)
    expected = np.average(rows.outcome[rows.member], weights=weight[rows.member]) - np.average(
        rows.outcome[~rows.member], weights=weight[~rows.member]
    )
    assert found["in person"].estimate == pytest.approx(expected)
    assert found["in person"].verdict is None
    assert set(found) == {"phone", "in person"}


def test_the_same_people_by_phone_give_the_same_gap(make_phone):
    data = make_phone(np.random.default_rng(1), zones=25)
    same = replace(data, phone=data.comparison)
    rows = phone_rows(GAPS, same)
    replaced, joined = (gaps(rows, check) for check in (Check.PHONE_REPLACES, Check.PHONE_JOINS))
    here = replaced["in person"]
    assert replaced["phone"].estimate == pytest.approx(here.estimate)
    assert replaced["phone"].std_error == pytest.approx(here.std_error)
    assert replaced["phone"].verdict is Verdict.HOLDS
    assert replaced["phone"].difference == pytest.approx(0, abs=1e-12)
    assert replaced["phone"].difference_upper == pytest.approx(0, abs=1e-12)
    assert joined["phone and in person"].estimate == pytest.approx(here.estimate)
    assert LIMITS in replaced["phone"].note


def by_zone(zone, values):
    return values if zone is None else np.bincount(zone, values, minlength=40)


@pytest.mark.parametrize("zones", [None, 40])
@pytest.mark.parametrize("check", [Check.PHONE_REPLACES, Check.PHONE_JOINS])
def test_the_difference_and_its_interval_are_those_of_the_people(make_phone, check, zones):
    # Without covariates. Members are the same on both sides and take no part.
    data = make_phone(np.random.default_rng(6), zones=zones, shift=0.05)
    own, called = data.comparison, data.called
    other = called.outcome.mean()
    if check is Check.PHONE_JOINS:
        other = np.concatenate([own.outcome, called.outcome]).mean()
    mean = own.outcome.mean()
    of_called = -(called.outcome - other) / called.n
    of_own = (own.outcome - mean) / own.n
    if check is Check.PHONE_JOINS:
        of_called *= called.n / (own.n + called.n)
        of_own = of_own - (own.outcome - other) / (own.n + called.n)
    sums = (by_zone(own.zone, of_own), by_zone(called.zone, of_called))
    if zones is None:
        error, quantile = np.sqrt(sum(np.sum(one**2) for one in sums)), stats.norm.ppf(0.975)
    else:
        error, quantile = np.sqrt(40 / 39 * np.sum(sum(sums) ** 2)), stats.t.ppf(0.975, 39)
    found = gaps(phone_rows(GAPS, replace(data, covariates=())), check)
    (row,) = [row for row in found.values() if row.verdict is not None]
    here = found["in person"]
    assert here.difference is here.reference is None
    assert row.reference == here.estimate
    assert row.difference == pytest.approx(mean - other)
    assert row.difference == pytest.approx(row.estimate - here.estimate)
    assert row.difference_lower == pytest.approx(mean - other - quantile * error)
    assert row.difference_upper == pytest.approx(mean - other + quantile * error)


def test_the_difference_varies_as_with_zones_left_out(make_phone):
    # The jackknife balances anew each time; with 60 zones the two differ at the second order.
    data = make_phone(np.random.default_rng(7), zones=60, shift=0.05)
    found = phone_rows(GAPS, data)
    again = []
    for zone in range(60):
        keep = data.in_person.zone != zone, data.phone.zone != zone
        rest = replace(data, in_person=data.in_person.take(keep[0]), phone=data.phone.take(keep[1]))
        rows = phone_rows(GAPS, rest)
        again.append([row.difference for row in rows if row.difference is not None])
    jackknife = np.sqrt(59 / 60 * ((again - np.mean(again, axis=0)) ** 2).sum(axis=0))
    judged = [row for row in found if row.difference is not None]
    assert [row.check for row in judged] == [Check.PHONE_REPLACES, Check.PHONE_JOINS]
    for row, error in zip(judged, jackknife, strict=True):
        half = (row.difference_upper - row.difference_lower) / 2
        assert half == pytest.approx(stats.t.ppf(0.975, 59) * error, rel=0.05)


@pytest.mark.parametrize(
    ("shift", "n", "smallest_gap", "verdict"),
    [
        # As large as the gap.
        (0.15, (1500, 1500, 1500), 0.05, Verdict.CHANGES),
        # No shift, known to eight points, also where ten would not matter.
        (0.0, (600, 600, 250), 0.05, Verdict.UNDECIDED),
        (0.0, (600, 600, 250), 0.2, Verdict.HOLDS),
        # Two points are found, yet are less than half of five.
        (0.02, (4000, 40_000, 40_000), 0.05, Verdict.HOLDS),
        # Twice the gap: the other sign, though half of what matters is more than the difference.
        (0.3, (1500, 1500, 1500), 1.0, Verdict.CHANGES),
    ],
)
def test_verdicts_are_of_the_difference(make_phone, by_rule, shift, n, smallest_gap, verdict):
    data = make_phone(np.random.default_rng(2), gap=0.15, shift=shift, n=n)
    rows = phone_rows(GAPS, data, smallest_gap=smallest_gap)
    replaced, joined = (gaps(rows, check) for check in (Check.PHONE_REPLACES, Check.PHONE_JOINS))
    here = replaced["in person"]
    assert here.lower > 0
    assert replaced["phone"].verdict is verdict
    for row in (replaced["phone"], joined["phone and in person"]):
        assert row.verdict is by_rule(row, here, smallest_gap)
    if shift == 0.02:
        assert replaced["phone"].difference_upper < 0


def test_members_lost_are_reported_and_compared_like_with_like(make_phone):
    data = make_phone(np.random.default_rng(3))
    young = replace(data, phone=data.phone.take(data.phone.factors["age"] < 2))
    rows = phone_rows(GAPS, young)
    found = gaps(rows, Check.PHONE_REPLACES)
    assert set(found) == {"phone", "in person", "in person, same members"}
    same = found["in person, same members"]
    assert found["phone"].reference == same.estimate != found["in person"].estimate
    assert found["phone"].difference == pytest.approx(found["phone"].estimate - same.estimate)
    old = np.mean(data.members.factors["age"] == 2)
    lost = next(
        row
        for row in rows
        if row.check is Check.PHONE_REPLACES and row.quantity == "members_lost_share"
    )
    assert lost.estimate == pytest.approx(old)
    n_old = int(np.sum(data.members.factors["age"] == 2))
    assert (lost.n, lost.of) == (n_old, data.members.n)
    assert lost.note.startswith(f"Members left out: {n_old:,} of {data.members.n}")
    assert "age=2" in lost.note
    # Joined to the in-person people nobody is lost.
    assert set(gaps(rows, Check.PHONE_JOINS)) == {"phone and in person", "in person"}


def test_nobody_in_common_is_not_assessed(make_phone):
    data = make_phone(np.random.default_rng(4))
    keep = data.in_person.take(~data.in_person.member | (data.in_person.factors["age"] == 2))
    young = replace(data, in_person=keep, phone=data.phone.take(data.phone.factors["age"] == 0))
    rows = phone_rows(GAPS, young)
    replaced = [row for row in rows if row.check is Check.PHONE_REPLACES]
    assert [row.verdict for row in replaced] == [Verdict.NOT_ASSESSED]
    assert "cannot be balanced" in replaced[0].note
    assert len([row for row in rows if row.check is Check.PHONE_JOINS]) > 1


def test_ordinal_gaps_come_by_threshold(make_phone):
    data = make_phone(np.random.default_rng(5), n_levels=4, zones=30)
    rows = phone_rows(GAPS, data)
    categories = [
        row.category
        for row in rows
        if row.check is Check.PHONE_JOINS
        and row.variant == "phone and in person"
        and row.quantity == "risk_difference"
    ]
    assert categories == [">=B", ">=C", ">=D"]
