import numpy as np
import pytest

from coopgap.matching.dispatch import match
from coopgap.matching.weights import combined_weight
from coopgap.sensitivity.keys import Keys
from coopgap.sensitivity.phone.data import LIMITS, PhoneData
from coopgap.sensitivity.phone.gaps import gap_rows_with_phone
from coopgap.study.spec import Matching
from coopgap.vocabulary import Check, Verdict

KEYS = Keys(model="m", outcome="y", source="s")


def gaps(rows, check):
    return {
        row.variant: row for row in rows if row.check is check and row.quantity == "risk_difference"
    }


def test_in_person_gap_is_the_matched_one(make_phone):
    # With one covariate, balancing its margin is exact matching on it.
    data = make_phone(np.random.default_rng(0))
    found = gaps(gap_rows_with_phone(data, ("age",), KEYS), Check.PHONE_REPLACES)
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
    same = PhoneData(in_person=data.in_person, phone=data.comparison)
    rows = gap_rows_with_phone(same, ("age",), KEYS)
    replaced, joined = (gaps(rows, check) for check in (Check.PHONE_REPLACES, Check.PHONE_JOINS))
    here = replaced["in person"]
    assert replaced["phone"].estimate == pytest.approx(here.estimate)
    assert replaced["phone"].std_error == pytest.approx(here.std_error)
    assert replaced["phone"].verdict is Verdict.HOLDS
    assert joined["phone and in person"].estimate == pytest.approx(here.estimate)
    assert LIMITS in replaced["phone"].note


def test_a_mode_shift_as_large_as_the_gap_changes_the_conclusion(make_phone):
    data = make_phone(np.random.default_rng(2), gap=0.15, shift=0.15, n=(1500, 1500, 1500))
    found = gaps(gap_rows_with_phone(data, ("age",), KEYS), Check.PHONE_REPLACES)
    assert found["in person"].lower > 0
    assert found["phone"].verdict is Verdict.CHANGES
    assert "holds zero" in found["phone"].note


def test_members_lost_are_reported_and_compared_like_with_like(make_phone):
    data = make_phone(np.random.default_rng(3))
    young = PhoneData(
        in_person=data.in_person, phone=data.phone.take(data.phone.factors["age"] < 2)
    )
    rows = gap_rows_with_phone(young, ("age",), KEYS)
    found = gaps(rows, Check.PHONE_REPLACES)
    assert set(found) == {"phone", "in person", "in person, same members"}
    old = np.mean(data.members.factors["age"] == 2)
    lost = next(
        row
        for row in rows
        if row.check is Check.PHONE_REPLACES and row.quantity == "members_lost_share"
    )
    assert lost.estimate == pytest.approx(old)
    assert "age=2" in lost.note
    # Joined to the in-person people nobody is lost.
    assert set(gaps(rows, Check.PHONE_JOINS)) == {"phone and in person", "in person"}


def test_few_members_lost_are_not_counted(make_phone):
    data = make_phone(np.random.default_rng(3))
    person = data.in_person
    old = np.flatnonzero(person.member & (person.factors["age"] == 2))[3:]
    keep = np.isin(np.arange(person.n), old, invert=True)
    few = PhoneData(
        in_person=person.take(keep), phone=data.phone.take(data.phone.factors["age"] < 2)
    )
    lost = next(
        row
        for row in gap_rows_with_phone(few, ("age",), KEYS)
        if row.check is Check.PHONE_REPLACES and row.quantity == "members_lost_share"
    )
    assert lost.estimate is None
    assert lost.note.startswith("Members left out: fewer than 10 of ")


def test_nobody_in_common_is_not_assessed(make_phone):
    data = make_phone(np.random.default_rng(4))
    keep = data.in_person.take(~data.in_person.member | (data.in_person.factors["age"] == 2))
    young = PhoneData(in_person=keep, phone=data.phone.take(data.phone.factors["age"] == 0))
    rows = gap_rows_with_phone(young, ("age",), KEYS)
    replaced = [row for row in rows if row.check is Check.PHONE_REPLACES]
    assert [row.verdict for row in replaced] == [Verdict.NOT_ASSESSED]
    assert "cannot be balanced" in replaced[0].note
    assert len([row for row in rows if row.check is Check.PHONE_JOINS]) > 1


def test_ordinal_gaps_come_by_threshold(make_phone):
    data = make_phone(np.random.default_rng(5), n_levels=4, zones=30)
    rows = gap_rows_with_phone(data, ("age",), KEYS)
    categories = [
        row.category
        for row in rows
        if row.check is Check.PHONE_JOINS
        and row.variant == "phone and in person"
        and row.quantity == "risk_difference"
    ]
    assert categories == [">=B", ">=C", ">=D"]


def test_few_phone_people_at_a_threshold_are_suppressed_even_when_joined(make_phone):
    data = make_phone(np.random.default_rng(6))
    few = data.phone.take((data.phone.outcome == 0) | (np.cumsum(data.phone.outcome) <= 9))
    rows = gap_rows_with_phone(PhoneData(in_person=data.in_person, phone=few), ("age",), KEYS)
    for check, name in (
        (Check.PHONE_REPLACES, "phone"),
        (Check.PHONE_JOINS, "phone and in person"),
    ):
        found = gaps(rows, check)
        assert found[name].estimate is None
        assert found[name].note.startswith("Suppressed")
        assert found["in person"].estimate is not None
