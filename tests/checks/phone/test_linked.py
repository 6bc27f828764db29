"""People asked twice: agreement and equal margins by R and statsmodels, rows, the moved gap."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import SquareTable
from statsmodels.stats.inter_rater import cohens_kappa

from coopgap.app.plan import make_plan
from coopgap.checks.balance import balance
from coopgap.checks.context import Context
from coopgap.checks.phone.agreement import Test as Homogeneity
from coopgap.checks.phone.agreement import (
    agreement_weights,
    bhapkar,
    clustered_homogeneity,
    kappa,
    mcnemar,
    stuart_maxwell,
    variance_of,
)
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
FIRST, SECOND, ZONE = (np.array(R[name]) for name in ("first", "second", "zone"))
WEIGHT, TABLE = np.array(R["weight"]), np.array(R["table"])
KINDS = ("unweighted", "linear", "quadratic")


def error(unit, cluster=None):
    return np.sqrt(variance_of(unit[:, None], cluster)[0][0, 0])


def people(table):
    """First and second answer of everybody in a table."""
    first, second = np.indices(table.shape)
    return np.repeat(first.ravel(), table.ravel()), np.repeat(second.ravel(), table.ravel())


def test_the_table_is_that_of_the_answers():
    assert np.array_equal(TABLE, np.histogram2d(FIRST, SECOND, bins=5)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_kappa_and_its_error_are_those_of_r_and_statsmodels(kind):
    value, unit = kappa(FIRST, SECOND, np.ones(FIRST.size), agreement_weights(5, kind))
    assert value == pytest.approx(R["kappa"][kind]["estimate"], rel=1e-12)
    assert error(unit) == pytest.approx(R["kappa"][kind]["std_error"], rel=1e-10)
    other = cohens_kappa(TABLE, wt=None if kind == "unweighted" else kind)
    assert value == pytest.approx(other.kappa, rel=1e-10)
    assert error(unit) == pytest.approx(other.std_kappa, rel=1e-10)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_weighted_and_clustered_kappa_is_that_of_r(kind):
    value, unit = kappa(FIRST, SECOND, WEIGHT, agreement_weights(5, kind))
    found = R["clustered"]["kappa"][kind]
    assert value == pytest.approx(found["estimate"], rel=1e-12)
    # R's gradients are numerical.
    assert error(unit, ZONE) == pytest.approx(found["std_error"], rel=1e-7)


def test_kappa_of_two_levels_by_hand():
    table = np.array(R["pairs"]["table"])
    first, second = people(table)
    value, unit = kappa(first, second, np.ones(161), agreement_weights(2, "unweighted"))
    chance = (65 * 75 + 96 * 86) / 161**2
    assert value == pytest.approx((139 / 161 - chance) / (1 - chance), rel=1e-12)
    assert error(unit) == pytest.approx(R["pairs"]["kappa"]["std_error"], rel=1e-10)
    for kind in KINDS[1:]:
        again, _ = kappa(first, second, np.ones(161), agreement_weights(2, kind))
        assert again == pytest.approx(value, rel=1e-12)


def test_kappa_knows_full_and_no_agreement():
    levels = np.array([0, 1, 2, 2])
    for kind in KINDS:
        assert kappa(levels, levels, np.ones(4), agreement_weights(3, kind))[0] == 1
    alike = np.zeros(4, dtype=int)
    assert np.isnan(kappa(alike, alike, np.ones(4), agreement_weights(3, "linear"))[0])
    crossed = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert kappa(*crossed, np.ones(4), agreement_weights(2, "unweighted"))[0] == 0


def test_rescaled_weights_and_swapped_answers_change_nothing():
    credit = agreement_weights(5, "linear")
    value, unit = kappa(FIRST, SECOND, WEIGHT, credit)
    for first, second, weight in ((FIRST, SECOND, 7 * WEIGHT), (SECOND, FIRST, WEIGHT)):
        again, units = kappa(first, second, weight, credit)
        assert again == pytest.approx(value, rel=1e-12)
        assert error(units, ZONE) == pytest.approx(error(unit, ZONE), rel=1e-12)


@pytest.mark.parametrize(
    ("test", "name"), [(stuart_maxwell, "stuart_maxwell"), (bhapkar, "bhapkar")]
)
def test_equal_margins_are_tested_as_in_r_and_statsmodels(test, name):
    found = test(TABLE)
    assert found.df == 4
    assert found.statistic == pytest.approx(R[name]["statistic"], rel=1e-10)
    assert found.p_value == pytest.approx(R[name]["p_value"], rel=1e-9)
    other = SquareTable(TABLE, shift_zeros=False).homogeneity(method=name)
    assert found.statistic == pytest.approx(other.statistic, rel=1e-10)


def test_bhapkar_follows_from_stuart_and_maxwell():
    statistic = stuart_maxwell(TABLE).statistic
    expected = statistic / (1 - statistic / TABLE.sum())
    assert bhapkar(TABLE).statistic == pytest.approx(expected, rel=1e-10)


def test_a_level_that_nobody_gives_costs_a_degree_of_freedom():
    wider = np.insert(np.insert(TABLE, 2, 0, axis=0), 2, 0, axis=1)
    for test in (stuart_maxwell, bhapkar):
        found, before = test(wider), test(TABLE)
        assert found.df == before.df
        assert found.statistic == pytest.approx(before.statistic, rel=1e-9)
    assert np.isnan(stuart_maxwell(np.diag([3, 4, 5])).p_value)


def test_clustered_test_is_that_of_r():
    found = clustered_homogeneity(FIRST, SECOND, WEIGHT, 5, ZONE)
    assert (found.df, found.df_denominator) == (4, 20)
    # R's gradients are numerical.
    assert found.statistic == pytest.approx(R["clustered"]["homogeneity"]["statistic"], rel=1e-7)
    assert found.p_value == pytest.approx(R["clustered"]["homogeneity"]["p_value"], rel=1e-6)


def test_clusters_of_one_give_bhapkar():
    n = FIRST.size
    found = clustered_homogeneity(FIRST, SECOND, np.ones(n), 5, np.arange(n))
    wald = found.statistic * (n - 1) * 4 / (n - 4)
    assert wald * n / (n - 1) == pytest.approx(bhapkar(TABLE).statistic, rel=1e-10)


def test_too_few_clusters_for_the_levels_have_no_test():
    n = FIRST.size
    found = clustered_homogeneity(FIRST, SECOND, np.ones(n), 5, np.arange(n) % 4)
    assert np.isnan(found.p_value)


def test_mcnemar_of_a_published_table():
    pairs = R["pairs"]
    assert np.array_equal(pairs["table"], [[59, 6], [16, 80]])
    found = mcnemar(6, 16)
    # Fagerland, Lydersen & Laake: z −2.132, p .033006, exact .052479, mid-P .034690.
    assert tuple(found) == pytest.approx((-2.132, 0.033006, 0.052479, 0.034690), abs=5e-4)
    assert tuple(found) == pytest.approx(
        [pairs[name] for name in ("z", "p_value", "p_exact", "p_mid")], rel=1e-9
    )
    assert found.statistic**2 == pytest.approx(pairs["stuart_maxwell"], rel=1e-12)
    assert found.statistic**2 == pytest.approx(
        stuart_maxwell(np.array(pairs["table"])).statistic, rel=1e-12
    )


def test_mcnemar_where_as_many_move_up_as_down():
    found = mcnemar(5, 5)
    assert found.statistic == 0
    assert (found.p_value, found.p_exact) == (1, 1)
    assert found.p_mid == pytest.approx(1 - stats.binom.pmf(5, 10, 0.5) / 2)
    assert np.isnan(mcnemar(0, 0).p_value)
    up, down = mcnemar(16, 6), mcnemar(6, 16)
    assert up.statistic == -down.statistic
    assert up[1:] == down[1:]


def test_intervals_of_kappa_cover_the_one_that_is_true():
    """A known share of answers moves a level up; zones differ, and so does who moves in them."""
    rng = np.random.default_rng(3)
    levels, credit = 4, agreement_weights(4, "linear")
    zones, size, moves = 40, 6, 0.3

    def draw(n_zones):
        zone = np.repeat(np.arange(n_zones), size)
        pull = rng.normal(0, 0.6, n_zones)[zone]
        chance = np.clip(moves + rng.uniform(-0.25, 0.25, n_zones), 0, 1)[zone]
        first = np.digitize(pull + rng.logistic(size=zone.size), [-1, 0, 1])
        second = np.minimum(first + (rng.random(zone.size) < chance), levels - 1)
        return first, second, zone

    first, second, _ = draw(200_000)
    truth, _ = kappa(first, second, np.ones(first.size), credit)
    agree = np.mean(first == second)
    assert agree == pytest.approx(1 - moves * np.mean(first < levels - 1), abs=0.002)
    covered = 0
    for _ in range(1000):
        first, second, zone = draw(zones)
        value, unit = kappa(first, second, np.ones(first.size), credit)
        covered += abs(value - truth) <= stats.t.ppf(0.975, zones - 1) * error(unit, zone)
    # 1,000 replicates have a Monte Carlo error of .7 points; 40 clusters cost up to one.
    assert 0.925 <= covered / 1000 <= 0.97


def test_a_difference_that_nobody_speaks_against_is_infinitely_far():
    # 20 people go from E to D, 20 from D to C and nobody stays: S = n = 40.
    table = np.zeros((3, 3), dtype=np.int64)
    table[0, 1] = table[1, 2] = 20
    simple = stuart_maxwell(table)
    assert simple.statistic == pytest.approx(40)
    found = bhapkar(table)
    assert (found.statistic, found.df, found.p_value) == (np.inf, 2, 0)
    first, second = people(table)
    zone = np.arange(40) % 10
    alike = clustered_homogeneity(first, second, np.ones(40), 3, zone)
    assert (alike.statistic, alike.p_value) == (np.inf, 0)
    # One person who stays makes it finite again: S / (1 - S / n).
    table[2, 2] = 1
    finite = bhapkar(table)
    assert finite.statistic == pytest.approx(40 / (1 - 40 / 41))


def test_nobody_who_moves_has_no_test():
    table = np.diag([10, 20, 30])
    assert np.isnan(bhapkar(table).statistic)
    same = people(table)[0]
    assert np.isnan(clustered_homogeneity(same, same, np.ones(60), 3, np.arange(60) % 6).statistic)


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
