from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from coopgap.app.plan import make_plan
from coopgap.checks.balance import balance
from coopgap.checks.context import Context
from coopgap.checks.phone.agreement import Test as Homogeneity
from coopgap.checks.phone.linked import asked_twice, homogeneity_row, with_phone_answers
from coopgap.core.estimate import SensitivityRow, to_frame
from coopgap.core.gap import threshold_gaps
from coopgap.core.vocabulary import Check, Verdict
from coopgap.families.difference import difference
from coopgap.survey.example import make_example
from coopgap.survey.records import complete_rows

from ..conftest import by_r, pick
from ..conftest import rows_of as check_rows

R = by_r("linked")
ONLY = ("trust", "trust_agree")


def called_again(share=0.4, n=400, members=True, seed=0):
    """The example with some people asked again by phone.

    A known share moves a step, half of it lower and half of it higher.
    """
    data = make_example().data
    own = data[data["mode"] == "in person"]
    own = own if members else own[own["member"] == 0]
    again = own.sample(n, random_state=seed).assign(mode="phone")
    moves = np.random.default_rng(seed).random(n) < share
    step = np.where(np.arange(n) % 2 == 0, 1, -1) * moves
    again["trust"] = np.clip(again["trust"] + step, 1, 5)
    return data, again


def planned(*frames, only=ONLY):
    joined = pd.concat(frames)
    joined["trust"] = joined["trust"].astype("Int64")
    return make_plan("peru", joined, only)


def rows_of(plan, name, survey=None, rows=None):
    (model,) = [one for one in plan.models if one.spec.name == name]
    rows = model.rows if rows is None else rows
    nobody = SimpleNamespace(rows=rows)
    context = Context(
        keys=plan.keys(model),
        study=plan.study,
        survey=survey or plan.survey,
        spec=model.spec,
        sample=nobody,
        headline=nobody,
    )
    return check_rows(Check.PHONE_LINKED, context)


@pytest.fixture(scope="module")
def plan():
    return planned(*called_again())


def test_nobody_is_linked_in_the_example():
    (row,) = rows_of(make_plan("peru", None, ONLY), "trust")
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert row.note.startswith("Nobody was asked in both modes")


def test_no_identifier_is_not_applicable(plan):
    survey = replace(plan.survey, person=None)
    (row,) = rows_of(plan, "trust", survey=survey)
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert "no identifier" in row.note


def test_both_answers_of_the_same_people_are_paired(plan):
    data, again = called_again()
    pairs = asked_twice(plan.survey, "trust")
    both = data[data["mode"] == "in person"].merge(again, on="id", suffixes=("", "_phone"))
    assert (pairs.n, pairs.n_linked, pairs.n_missing) == (400, 400, 0)
    expected = pd.crosstab(both["trust"], both["trust_phone"])
    assert np.array_equal(pairs.table, expected.reindex(range(1, 6), columns=range(1, 6)))
    assert pairs.member.sum() == (both["member"] == 1).sum() > 100
    assert np.array_equal(np.bincount(pairs.zone), np.bincount(both["zone"] - 1))


def test_rows_of_the_file_may_stand_in_any_order(plan):
    rows = rows_of(plan, "trust")
    shuffled = planned(pd.concat(called_again()).sample(frac=1, random_state=1))
    for left, right in zip(rows, rows_of(shuffled, "trust"), strict=True):
        assert right.verdict == left.verdict
        if left.estimate is not None:
            assert right.estimate == pytest.approx(left.estimate, abs=1e-9)


def test_linked_people_stay_one_person_in_person_and_one_by_phone(plan):
    model = plan.models[0]
    for mode, n in (("in person", 2007), ("phone", 650), ("both", 2657)):
        assert complete_rows(plan.survey, plan.study, model.spec, mode=mode).n == n


def test_missing_answers_and_changed_membership_are_counted_and_said():
    data, again = called_again()
    again["trust"] = again["trust"].astype("Int64")
    again.iloc[:15, again.columns.get_loc("trust")] = pd.NA
    again.iloc[15:40, again.columns.get_loc("member")] = 1 - again["member"].iloc[15:40]
    again["coop_type"] = again["coop_type"].where(again["member"] == 1, pd.NA)
    pairs = asked_twice((plan := planned(data, again)).survey, "trust")
    assert (pairs.n, pairs.n_linked, pairs.n_missing, pairs.n_changed) == (360, 400, 15, 25)
    row = pick(rows_of(plan, "trust"), quantity="people_linked")
    assert row.estimate == row.n == 360
    assert row.of == 400
    assert row.note == (
        "People asked in both modes: 400; 15 of them lack an answer in one mode, "
        "25 are members in one mode only."
    )


@pytest.mark.parametrize("outcome", ["trust", "trust_agree"])
@pytest.mark.parametrize("n", [1, 9])
def test_a_handful_asked_twice_is_counted_and_only_one_is_not_assessed(n, outcome):
    rows = rows_of(planned(*called_again(n=n)), outcome)
    frame = to_frame("sensitivity", rows)
    numbers = frame[["estimate", "std_error", "lower", "upper", "p_value"]]
    assert np.isfinite(numbers.to_numpy()[numbers.notna().to_numpy()]).all()
    if n == 1:
        assert [row.verdict for row in rows] == [Verdict.NOT_ASSESSED]
        assert "People asked in both modes: 1; 0 of them" in rows[0].note
    else:
        assert pick(rows, quantity="people_linked").estimate == n


def test_few_zones_are_not_assessed():
    data, again = called_again()
    near = again[again["zone"] <= 4]
    assert len(near) >= 10
    (row,) = rows_of(planned(data, near), "trust")
    assert row.verdict is Verdict.NOT_ASSESSED
    assert row.note == "4 zones are too few for a standard error; 6 are needed."


def test_rows_of_the_same_answers_as_r(plan):
    """Weighted, clustered agreement and shares as survey::svyciprop and svymean give them."""
    model = plan.models[0]
    # Everybody three times over: the same shares and zone sums, and no small count at a threshold.
    n = 3 * len(R["first"])
    person = np.arange(n)
    first, second, zone, weight = (
        np.tile(R[name], 3) for name in ("first", "second", "zone", "weight")
    )
    survey = replace(
        plan.survey,
        member=np.r_[np.arange(n) % 2 == 0, np.arange(n) % 2 == 0],
        phone=np.repeat([False, True], n),
        codes={"trust": np.r_[first, second].astype(np.int64)},
        zone=np.r_[zone, zone].astype(np.int64) - 1,
        weight=np.r_[weight, np.ones(n)],
        person=np.r_[person, person],
    )
    few = model.rows.take(np.arange(model.rows.n) < 0)
    rows = rows_of(plan, "trust", survey=survey, rows=few)
    assert pick(rows, variant="gap").verdict is Verdict.NOT_ASSESSED
    share, found = pick(rows, quantity="agreement_share"), R["clustered"]["agreement"]
    for name in ("estimate", "lower", "upper"):
        assert getattr(share, name) == pytest.approx(found[name], rel=1e-9)
    assert pick(rows, quantity="homogeneity_f").p_value == pytest.approx(
        R["clustered"]["homogeneity"]["p_value"], rel=1e-6
    )
    names = ("disagree", "neither", "agree", "strongly agree")
    for name, found in zip(names, R["clustered"]["by_cut"], strict=True):
        row = pick(rows, variant="answers, phone minus in person", category=f">={name}")
        assert row.estimate == pytest.approx(found["estimate"], rel=1e-9)
        assert row.std_error == pytest.approx(found["std_error"], rel=1e-9)


def test_two_levels_have_mcnemar_and_more_have_stuart_and_maxwell(plan):
    two, five = rows_of(plan, "trust_agree"), rows_of(plan, "trust")
    assert {row.variant for row in two if row.quantity == "mcnemar_z"} == {
        "asymptotic",
        "exact",
        "mid-P",
    }
    assert {row.quantity for row in five} >= {"stuart_maxwell", "bhapkar", "homogeneity_f"}
    assert {row.variant for row in five if row.quantity == "kappa"} == {
        "linear weights",
        "quadratic weights",
    }
    for rows in (two, five):
        keys = [(row.variant, row.quantity, row.category) for row in rows]
        assert len(keys) == len(set(keys))
        assert len(to_frame("sensitivity", rows)) == len(rows)


def test_a_known_share_of_answers_that_move_is_found():
    """By phone a tenth of those who agree no longer do, and 20 others do."""
    data, again = called_again(share=0.0, n=1900)
    agrees = np.flatnonzero(again["trust"] >= 4)
    moved = agrees[::10]
    up = np.flatnonzero(again["trust"] == 3)[:20]
    again.iloc[moved, again.columns.get_loc("trust")] = 3
    again.iloc[up, again.columns.get_loc("trust")] = 4
    rows = rows_of(planned(data, again), "trust_agree")
    shift = pick(rows, variant="answers, phone minus in person")
    assert shift.estimate == pytest.approx((20 - len(moved)) / 1900)
    assert pick(rows, quantity="agreement_share").estimate == pytest.approx(
        1 - (20 + len(moved)) / 1900
    )
    assert shift.verdict is Verdict.DIFFERENT_WITHIN_MARGIN
    exact = pick(rows, variant="exact")
    assert exact.p_value == pytest.approx(2 * stats.binom.cdf(20, 20 + len(moved), 0.5))
    assert exact.verdict is Verdict.DIFFERENT


def test_answers_that_do_not_move_have_no_interval_and_no_test():
    rows = rows_of(planned(*called_again(share=0.0)), "trust")
    alike = pick(rows, quantity="agreement_share")
    assert alike.estimate == pytest.approx(1)
    assert alike.lower is alike.std_error is None
    assert pick(rows, quantity="homogeneity").verdict is Verdict.NOT_ASSESSED
    shift = pick(rows, variant="answers, phone minus in person", category=">=agree")
    assert (shift.estimate, shift.lower, shift.p_value) == (0.0, None, None)


def test_gap_with_phone_answers_by_hand(plan):
    """The balanced gap with each answer, and the difference of the two."""
    model = next(one for one in plan.models if one.spec.name == "trust_agree")
    rows, covariates = model.rows, model.spec.covariates
    pairs = asked_twice(plan.survey, "trust_agree")
    after = with_phone_answers(rows, pairs)
    changed = np.flatnonzero(after.outcome != rows.outcome)
    assert changed.size == int((pairs.first != pairs.second).sum())
    assert set(rows.index[changed]) <= set(pairs.index)
    before, behind = (balance(one, covariates).margins for one in (rows, after))
    gaps = [m.member[1] - m.comparison[1] for m in (before, behind)]
    made = rows_of(plan, "trust_agree")
    first, second, moved = (
        pick(made, variant=name)
        for name in (
            "gap, in-person answers",
            "gap, phone answers of those asked twice",
            "gap, by phone minus in person",
        )
    )
    assert (first.estimate, second.estimate) == pytest.approx(gaps)
    assert moved.estimate == pytest.approx(gaps[1] - gaps[0])
    assert second.reference == first.estimate
    assert second.difference == pytest.approx(second.estimate - first.estimate)
    shown = (second.difference, second.difference_lower, second.difference_upper)
    assert shown == pytest.approx((moved.estimate, moved.lower, moved.upper))
    assert max(-moved.lower, moved.upper) < 0.05
    assert second.verdict is Verdict.HOLDS
    assert f"phone answers of {pairs.n:,} of 2,007 people" in second.note


def moved_gap(rows, after, covariates):
    before, behind = (balance(one, covariates) for one in (rows, after))
    return difference(behind, before, *threshold_gaps(rows.levels))


def test_error_of_the_moved_gap_by_leaving_zones_out(plan):
    """Delete-one-zone jackknife, weights balanced anew each time."""
    model = next(one for one in plan.models if one.spec.name == "trust_agree")
    rows, covariates = model.rows, model.spec.covariates
    after = with_phone_answers(rows, asked_twice(plan.survey, "trust_agree"))
    found = moved_gap(rows, after, covariates)
    again = []
    for zone in np.unique(rows.zone):
        keep = rows.zone != zone
        again.append(moved_gap(rows.take(keep), after.take(keep), covariates).estimate)
    jackknife = np.sqrt(99 / 100 * ((again - np.mean(again)) ** 2).sum())
    # Both are first-order; they differ at the second with 100 zones.
    assert found.std_error == pytest.approx(jackknife, rel=0.03)
    assert found.estimate == pytest.approx(np.mean(again), abs=1e-4)


def test_only_comparison_people_who_move_change_the_gap():
    """Nearly all comparison people who agree take it back: the gap is the members' share."""
    data, _ = called_again()
    others = data[(data["mode"] == "in person") & (data["member"] == 0)].assign(mode="phone")
    agree = np.flatnonzero(others["trust"] >= 4)
    no = np.flatnonzero(others["trust"] == 1)
    others.iloc[agree[15:], others.columns.get_loc("trust")] = 1
    others.iloc[no[:12], others.columns.get_loc("trust")] = 5
    rows = rows_of(planned(data, others), "trust_agree")
    moved = pick(rows, variant="gap, by phone minus in person")
    second = pick(rows, variant="gap, phone answers of those asked twice")
    assert moved.lower > 0.15
    assert second.estimate > 0.35
    assert second.verdict is Verdict.CHANGES
    assert second.difference_lower == pytest.approx(moved.lower)
    assert pick(rows, quantity="kappa").estimate < 0.2


def test_a_test_without_a_finite_statistic_says_which_case_it_is():
    row = SensitivityRow(
        check=Check.PHONE_LINKED, model="m", outcome="y", source="s", quantity="bhapkar"
    )
    far = homogeneity_row(row, Homogeneity(np.inf, 2.0, np.inf, 0.0))
    assert (far.verdict, far.estimate, far.p_value) == (Verdict.DIFFERENT, None, 0.0)
    assert "infinite" in far.note
    none = Homogeneity(np.nan, np.nan, np.nan, np.nan)
    assert homogeneity_row(row, none).note == "Nobody gave another answer."
    assert "Too few zones" in homogeneity_row(replace(row, quantity="homogeneity_f"), none).note
