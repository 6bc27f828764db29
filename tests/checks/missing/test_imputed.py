"""Pooled gaps: what is pooled, what is recovered, how often it is covered, and shifts."""

from dataclasses import replace

import numpy as np
import pytest

from coopgap.checks.missing.bounds import Lacking
from coopgap.checks.missing.chained import imputation
from coopgap.checks.missing.imputed import (
    DELTAS,
    imputations,
    imputed_gaps,
    largest_r_hat,
    pool,
    pool_difference,
    turning,
)
from coopgap.core.estimate import DiagnosticRow
from coopgap.core.gap import Interval, wald
from coopgap.core.vocabulary import Check, Quantity, Verdict
from coopgap.families.difference import difference
from coopgap.families.headline import headline_contrast
from coopgap.study.spec import Headline

from ..conftest import by_r, gap_of, survey_context
from ..conftest import rows_of as check_rows
from .conftest import estimate


def gaps_of(survey, study, spec, how=None, **more):
    how = how or imputation(survey, study, spec)
    return imputed_gaps(how, study, spec, estimate(survey, study, spec), **more)


def headline(found):
    return next(c for c in found if c.quantity is Quantity.RISK_DIFFERENCE)


def rows_of(survey, study, spec, seed=1):
    rows = check_rows(Check.MISSING_IMPUTATION, survey_context(survey, study, spec, seed=seed))
    settled = [row for row in rows if isinstance(row, DiagnosticRow)]
    return [row for row in rows if row not in settled], settled


def pool_of(estimates, variances, df):
    return pool(
        [
            Interval(q, u**0.5, np.nan, np.nan, np.nan, df)
            for q, u in zip(estimates, variances, strict=True)
        ]
    )


@pytest.fixture
def few(monkeypatch):
    """Eight imputations where the check would make one for each percent of people incomplete."""
    monkeypatch.setattr("coopgap.checks.missing.imputed.imputations", lambda who: 8)


def test_gaps_of_completed_surveys_matched_anew_are_pooled_by_hand(make_survey):
    survey, study, spec = make_survey(900, missing={"y": 0.15, "x": 0.1}, levels=3, zones=60)
    how = imputation(survey, study, spec)
    found = gaps_of(survey, study, spec, how, m=4, seed=2)
    declared = estimate(survey, study, spec)
    again = [estimate(one.survey, study, spec) for one in how.completed("m", 2, 4)]
    assert len(found.pooled) == 3
    for contrast, pooled in found.pooled.items():
        q = np.array([one.intervals[contrast].estimate for one in again])
        u = np.array([one.intervals[contrast].std_error ** 2 for one in again])
        assert pooled.estimate == pytest.approx(q.mean(), abs=1e-12)
        assert pooled.variance == pytest.approx(u.mean() + 1.25 * q.var(ddof=1), rel=1e-12)
        assert pooled.df < again[0].intervals[contrast].df == 59
        # How far they lie from the complete cases, most of whose people they share.
        apart = found.apart[contrast]
        away = [difference(one, declared, contrast) for one in again]
        assert apart.estimate == pytest.approx(
            pooled.estimate - declared.intervals[contrast].estimate, abs=1e-12
        )
        within = np.mean([one.std_error**2 for one in away])
        drawn = q.var(ddof=1)
        assert apart.std_error**2 == pytest.approx(max(within - drawn, 0) + drawn / 4, rel=1e-12)
        assert apart.df == 59
        assert 0 < within < 0.7 * u.mean()
    assert len({tuple(one.people.ravel()) for one in again}) > 1


@pytest.mark.usefixtures("few")
def test_the_same_seed_gives_the_same_gaps(make_survey):
    asked = make_survey(500, missing={"y": 0.15, "x": 0.1}, zones=60)
    first, again = (rows_of(*asked, seed=4)[0] for _ in range(2))
    other = rows_of(*asked, seed=5)[0]
    assert first == again
    assert first[0].estimate != other[0].estimate


def x_silent_by_outcome(survey, rng):
    """x goes missing from half of the members who say yes, hardly from others: MAR given y."""
    yes = (survey.codes["y"] == 1) & survey.member
    survey.codes["x"][rng.random(survey.n) < np.where(yes, 0.5, 0.05)] = -1


TRUE = {"gap": 0.5, "slope": 0.6, "member_slope": 0.4, "zones": 60}


@pytest.fixture(scope="module")
def true_gap(make_survey):
    return gap_of(estimate(*make_survey(400_000, seed=99, **TRUE)))[1].estimate


def simulated(make_survey, replicates, m):
    """Gap before anything is missing, of complete cases, and pooled, each with its interval."""
    rng = np.random.default_rng(21)
    found = []
    for number in range(replicates):
        survey, study, spec = make_survey(900, seed=number, **TRUE)
        full = estimate(survey, study, spec).intervals
        x_silent_by_outcome(survey, rng)
        cases = estimate(survey, study, spec).intervals
        gaps = gaps_of(survey, study, spec, m=m, seed=number)
        contrast = headline(full)
        pooled = gaps.pooled[contrast].interval(contrast)
        found.append([full[contrast][:4], cases[contrast][:4], pooled[:4]])
    return np.array(found)


def test_complete_cases_are_off_where_imputation_is_not(make_survey, true_gap):
    full, cases, pooled = simulated(make_survey, 16, m=5)[..., 0].T
    assert cases.mean() < true_gap - 0.1
    assert pooled.mean() == pytest.approx(true_gap, abs=3 * pooled.std() / 4)
    # Beside the same people's answers before any was lost, where sampling error cancels.
    assert pooled.mean() == pytest.approx(full.mean(), abs=0.01)


@pytest.mark.slow
def test_pooled_intervals_cover_as_often_as_those_of_whole_surveys(make_survey, true_gap):
    found = simulated(make_survey, 200, m=10)
    covered = (found[..., 2] <= true_gap) & (true_gap <= found[..., 3])
    full, cases, pooled = covered.mean(axis=0)
    # The Monte Carlo error is 1.5 points, less between two intervals of the same people.
    assert 0.92 <= pooled <= 0.985
    assert pooled == pytest.approx(full, abs=0.03)
    assert cases < 0.1
    assert found[:, 2, 1].mean() == pytest.approx(found[:, 2, 0].std(), rel=0.12)


def lost_at_random(survey, rng):
    """Outcomes go missing by x alone, so that complete cases and imputation mean the same gap."""
    lost = rng.random(survey.n) < np.where(survey.codes["x"] == 1, 0.35, 0.1)
    survey.codes["y"][lost] = -1


@pytest.mark.slow
def test_the_difference_from_complete_cases_has_the_error_that_it_has(make_survey):
    rng, found = np.random.default_rng(8), []
    for number in range(60):
        survey, study, spec = make_survey(900, seed=1000 + number, **TRUE)
        lost_at_random(survey, rng)
        apart = gaps_of(survey, study, spec, m=10, seed=number).apart
        found.append(apart[headline(apart)])
    values = np.array([one.estimate for one in found])
    errors = np.array([one.std_error for one in found])
    # The SD of 60 values is known to 9 percent. Rubin's sum would be 1.4 times it or more.
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(), rel=0.25)
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(60)
    outside = sum(one.lower > 0 or one.upper < 0 for one in found)
    assert outside <= 8  # 3 expected; more than 8 of 60 at one in 200


@pytest.mark.parametrize(
    ("incomplete", "m"), [((1, 0), 20), ((100, 100), 20), ((200, 103), 31), ((500, 500), 100)]
)
def test_there_are_as_many_imputations_as_percent_incomplete_and_at_least_twenty(incomplete, m):
    who = Lacking(people=(500, 500), outcome=incomplete, covariate=(0, 0))
    assert imputations(who) == m


def test_shifted_answers_move_the_gap_the_way_they_must(make_survey):
    survey, study, spec = make_survey(800, missing={"y": 0.2}, zones=60)
    found = gaps_of(survey, study, spec, m=3, seed=0)
    middle = found.pooled[headline(found.pooled)].estimate
    members, others = ([one.estimate for one in found.shifted[side]] for side in (True, False))
    assert np.all(np.diff([*members[:2], middle, *members[2:]]) > 0)
    assert np.all(np.diff([*others[:2], middle, *others[2:]]) < 0)
    # A fifth of members silent, shares near one half: a log odds moves 0.2 × about 0.24.
    assert members[3] - members[0] == pytest.approx(2 * 0.2 * 0.235, abs=0.02)


def test_a_shift_is_that_of_the_completed_survey_with_the_same_weights(make_survey):
    survey, study, spec = make_survey(700, missing={"y": 0.2, "x": 0.1}, zones=60)
    how = imputation(survey, study, spec)
    found = gaps_of(survey, study, spec, how, m=3, seed=0)
    by_hand = []
    for one in how.completed("m", 0, 3):
        codes = {**one.survey.codes, "y": one.outcome("y", DELTAS[3], member=False)}
        changed = codes["y"] != one.survey.codes["y"]
        assert changed.any()
        assert not (changed & (survey.member | (survey.codes["y"] >= 0))).any()
        shifted = estimate(replace(one.survey, codes=codes), study, spec).intervals
        by_hand.append(shifted[headline(shifted)].estimate)
    assert found.shifted[False][3].estimate == pytest.approx(np.mean(by_hand), abs=1e-12)


SHIFTS = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])


@pytest.mark.parametrize(
    ("estimates", "half", "expected"),
    [
        ([0.04, 0.03, 0.01, -0.01, -0.04], 0.1, 0.59),  # -.015, a sixth of a step on
        ([0.09, 0.05, 0.01, -0.02, -0.04], 0.1, -0.32),  # the nearer of two
        ([0.03, 0.02, 0.01, 0.00, -0.01], 0.1, None),
        ([0.01, 0.015, 0.02, -0.004, -0.02], 0.003, 0.48),  # clear on either side
        ([0.08, 0.07, 0.06, 0.05, 0.04], 0.065, None),  # a limit crosses zero, no more
    ],
)
def test_the_turning_shift_is_where_the_gap_has_moved_half_of_what_matters(
    estimates, half, expected
):
    intervals = [Interval(at, np.nan, at - half, at + half, np.nan) for at in estimates]
    found = turning(SHIFTS, intervals, Quantity.RISK_DIFFERENCE, 0.05)
    assert found == (None if expected is None else pytest.approx(expected, abs=0.0101))
    # Superiority of two levels is half a gap above one half.
    halves = [
        Interval(
            *(0.5 + np.array(one[:1]) / 2), np.nan, 0.5 + one.lower / 2, 0.5 + one.upper / 2, np.nan
        )
        for one in intervals
    ]
    assert turning(SHIFTS, halves, Quantity.SUPERIORITY, 0.05) == found


@pytest.mark.usefixtures("few")
def test_rows_of_an_ordinal_outcome(make_survey):
    rows, (settled,) = rows_of(*make_survey(900, missing={"y": 0.15}, levels=4, zones=60))
    pooled = [row for row in rows if row.variant == "multiple imputation"]
    assert [(row.quantity, row.category) for row in pooled] == [
        ("risk_difference", ">=d"),
        ("risk_difference", ">=c"),
        ("risk_difference", ">=b"),
        ("superiority", ""),
        ("fmi", ""),
    ]
    assert 0.02 < pooled[-1].estimate < 0.5
    shifted = [row for row in rows if row.variant.startswith("delta -") or "delta 0" in row.variant]
    assert {row.quantity for row in shifted} == {"superiority"}
    assert [row.variant for row in rows if row.quantity == "delta"] == [
        "delta that changes the gap, members",
        "delta that changes the gap, comparison people",
    ]
    for who in ("members", "comparison people"):
        mine = [row for row in rows if row.about == who]
        assert [row.setting for row in mine] == [*DELTAS, None]
        assert mine[-1].quantity == "delta"
    assert len({(row.n, row.of) for row in rows}) == 1
    assert 0 < rows[0].n < rows[0].of
    assert len(rows) == 5 + 2 * (len(DELTAS) + 1)
    assert settled.passed
    assert 1.0 <= settled.value < settled.bar


@pytest.mark.usefixtures("few")
def test_a_declared_threshold_is_what_missing_answers_shift(make_survey):
    survey, study, spec = make_survey(900, missing={"y": 0.15}, levels=4, zones=60)
    declared = {"y": (Headline(model="m", at=">=c"),)}
    plain, _ = rows_of(survey, study, spec)
    rows, _ = rows_of(survey, replace(study, headline=declared), spec)
    shifted = [row for row in rows if row.variant.startswith("delta")]
    assert {row.category for row in shifted} == {">=c"}
    assert {row.quantity for row in shifted} == {"risk_difference", "delta"}
    (fmi,) = [row for row in rows if row.quantity == "fmi"]
    assert fmi.category == ">=c"
    pooled = [
        [row for row in one if row.variant == "multiple imputation" and row.quantity != "fmi"]
        for one in (plain, rows)
    ]
    assert pooled[0] == pooled[1]
    # Members who did not answer shifted up: their share above rises, and so does the gap.
    gaps = {row.variant: row.estimate for row in shifted if row.quantity == "risk_difference"}
    assert gaps["delta -1, members"] < pooled[1][1].estimate < gaps["delta 1, members"]


def test_missing_covariates_alone_shift_nothing(make_survey):
    rows, _ = rows_of(*make_survey(500, missing={"x": 0.15}, zones=60))
    assert {row.variant for row in rows} == {"multiple imputation"}


@pytest.mark.usefixtures("few")
def test_a_gap_that_moderate_shifts_undo_says_at_which(make_survey):
    survey, study, spec = make_survey(900, missing={"y": 0.45}, gap=0.6, zones=60, seed=3)
    rows, _ = rows_of(survey, study, spec)
    turn = next(r for r in rows if r.quantity == "delta" and r.variant.endswith(", members"))
    judged = {r.variant: r.verdict for r in rows if r.variant.endswith(", members")}
    assert turn.verdict is Verdict.CHANGES
    assert -1 < turn.estimate < 0
    # Either way by more than half the smallest gap that matters, and only down to no gap.
    assert judged["delta -1, members"] is judged["delta 1, members"] is Verdict.CHANGES
    lower = {r.variant: r.lower for r in rows}
    assert lower["delta -1, members"] < 0 < lower["delta 1, members"]


@pytest.mark.usefixtures("few")
def test_shifts_are_judged_by_how_far_they_move_the_imputed_gap(make_survey):
    rows, _ = rows_of(*make_survey(900, missing={"y": 0.15}, gap=0.6, zones=60))
    pooled = rows[0]
    shifted = [r for r in rows if r.variant.startswith("delta") and r.quantity != "delta"]
    assert len(shifted) == 2 * len(DELTAS)
    for row in shifted:
        assert row.reference == pytest.approx(pooled.estimate, abs=1e-12)
        moved = row.estimate - pooled.estimate
        # The people are the same: sampling adds nothing to what a shift moves.
        found = (row.difference, row.difference_lower, row.difference_upper)
        assert found == pytest.approx((moved,) * 3, abs=1e-12)
        assert row.lower > 0
        assert row.verdict is (Verdict.CHANGES if abs(moved) > 0.025 else Verdict.HOLDS)
    assert {row.variant.partition(",")[0]: row.verdict for row in shifted} == {
        "delta -1": Verdict.CHANGES,
        "delta -0.5": Verdict.HOLDS,
        "delta 0.5": Verdict.HOLDS,
        "delta 1": Verdict.CHANGES,
    }


@pytest.mark.usefixtures("few")
def test_the_imputed_gap_is_judged_beside_that_of_the_complete_cases(make_survey):
    def judged(survey, study, spec):
        row = rows_of(survey, study, spec)[0][0]
        first = next(iter(estimate(survey, study, spec).intervals.values()))
        assert row.reference == pytest.approx(first.estimate, abs=1e-12)
        assert row.difference == pytest.approx(row.estimate - row.reference, abs=1e-12)
        return row

    survey, study, spec = make_survey(900, seed=3, **TRUE)
    x_silent_by_outcome(survey, np.random.default_rng(21))
    far = judged(survey, study, spec)
    assert far.difference > 0.05
    assert far.difference_lower > 0
    assert far.verdict is Verdict.CHANGES
    near = judged(*make_survey(900, missing={"x": 0.02}, **TRUE))
    assert -0.05 < near.difference_lower < near.difference_upper < 0.05
    # Far narrower than either gap: nearly everybody is in both.
    assert near.difference_upper - near.difference_lower < 0.5 * (near.upper - near.lower)
    assert near.verdict is Verdict.HOLDS
    open_ = judged(*make_survey(250, missing={"x": 0.3, "y": 0.3}, **TRUE))
    assert open_.difference_lower < 0 < open_.difference_upper
    assert max(-open_.difference_lower, open_.difference_upper) > 0.05
    assert open_.verdict is Verdict.UNDECIDED


def test_with_nothing_missing_one_row_says_so(make_survey):
    (row,), diagnostics = rows_of(*make_survey(300))
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert row.note == "No answer that the model needs is missing."
    assert diagnostics == []


def test_a_model_that_cannot_be_imputed_is_not_assessed(make_survey):
    survey, study, spec = make_survey(300, missing={"y": 0.1})
    survey.codes["w"][~survey.member] = -1
    (row,), _ = rows_of(survey, study, spec)
    assert row.verdict is Verdict.NOT_ASSESSED
    assert row.note == "no comparison person has an answer to w"


def test_too_few_zones_are_not_assessed(make_survey):
    (row,), _ = rows_of(*make_survey(400, missing={"y": 0.2}, zones=4))
    assert row.verdict is Verdict.NOT_ASSESSED
    assert "zones are too few" in row.note


POOLS = by_r("missing")["pools"]


@pytest.mark.parametrize("case", POOLS, ids=lambda case: f"m={len(case['estimates'])}")
def test_pooling_equals_mice(case):
    found = pool_of(case["estimates"], case["variances"], case["df_complete"])
    assert found.estimate == pytest.approx(case["estimate"], rel=1e-12)
    assert found.variance == pytest.approx(case["variance"], rel=1e-12)
    assert found.df == pytest.approx(case["df"], rel=1e-10)
    assert found.fmi == pytest.approx(case["fmi"], rel=1e-12)


def test_estimates_that_agree_are_one_estimate_with_nothing_missing():
    found = pool_of(np.full(20, 0.1), np.full(20, 0.04), 99.0)
    assert (found.estimate, found.variance) == pytest.approx((0.1, 0.04))
    # (d + 1)/(d + 3) · d: Barnard and Rubin's price of having imputed at all.
    assert found.df == pytest.approx(99 * 100 / 102, rel=1e-3)
    assert found.fmi == pytest.approx(0.0, abs=1e-6)


def test_few_clusters_are_no_missing_information():
    estimates, variances = 0.1 + 0.01 * np.arange(20) / 20, np.full(20, 0.04)
    many, few = (pool_of(estimates, variances, df) for df in (1e6, 7.0))
    assert few.fmi == many.fmi < 0.01
    assert few.df < 7 < many.df


def test_by_hand():
    # U = 2, B = 1, m = 3: T = 2 + 4/3; λ = 0.4; Rubin's df 2/0.16 = 12.5.
    found = pool_of([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], np.inf)
    assert found.variance == pytest.approx(10 / 3)
    assert found.df == pytest.approx(12.5)
    assert found.fmi == pytest.approx((2 / 3 + 2 / 15.5) / (5 / 3))
    points = pool_of([0.01, 0.02, 0.03], [1e-4, 2e-4, 3e-4], np.inf)
    interval = points.interval(headline_contrast(("no", "yes")))
    assert interval.upper - 0.02 == pytest.approx(0.0216929 * np.sqrt(10 / 3), rel=1e-4)


def test_intervals_are_pooled_with_the_degrees_of_freedom_they_carry():
    intervals = [wald(0.1 * k, 0.2, df=9.0 + k, prob=0.95, null=0.0) for k in range(3)]
    expected = pool_of([0.0, 0.1, 0.2], np.full(3, 0.04), 10.0)
    found = pool(intervals)
    assert (found.estimate, found.variance, found.df) == pytest.approx(
        (expected.estimate, expected.variance, expected.df), rel=1e-12
    )


def test_chains_that_drift_together_are_seen_and_settled_ones_are_not():
    rng = np.random.default_rng(0)
    settled = rng.normal(size=(20, 8, 10))
    drifting = settled + np.linspace(0, 4, 8)[None, :, None]
    apart = settled + 3 * rng.normal(size=(20, 1, 1))
    assert largest_r_hat(settled) < 1.2
    assert largest_r_hat(drifting) > 1.5
    assert largest_r_hat(apart) > 1.5
    assert largest_r_hat(np.ones((20, 8, 3))) == 1.0


def test_a_difference_from_the_complete_rows_is_what_was_drawn_taken_off():
    # U = .05, B = .01, m = 3: .05 - .01 + .01/3.
    away = [wald(0.1 * k, 0.05**0.5, df=9.0, prob=0.95, null=0.0) for k in range(3)]
    found = pool_difference(away)
    assert found.estimate == pytest.approx(0.1)
    assert found.std_error**2 == pytest.approx(0.05 - 0.01 + 0.01 / 3)
    assert found.df == 9.0
    # Drawn from what the complete rows say alone, it is zero but for the number of draws.
    away = [wald(0.1 * k, 0.05, df=9.0, prob=0.95, null=0.0) for k in range(3)]
    assert pool_difference(away).std_error ** 2 == pytest.approx(0.01 / 3)
