"""Pooled gaps: what is pooled, what is recovered, how often it is covered, and shifts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coopgap.families.dispatch import matched_estimate
from coopgap.families.rows import Labels
from coopgap.gap import Interval
from coopgap.plan import sample_for
from coopgap.sensitivity.missing.completed import imputation
from coopgap.sensitivity.missing.imputation_rows import imputation_rows
from coopgap.sensitivity.missing.imputed import (
    DELTAS,
    imputations,
    imputed_gaps,
    interval_of,
    turning,
)
from coopgap.sensitivity.missing.people import Lacking
from coopgap.survey.complete import complete_rows
from coopgap.vocabulary import Quantity, Verdict


def estimate(survey, study, spec):
    return matched_estimate(sample_for(complete_rows(survey, study, spec), spec))


def headline(found):
    return next(c for c in found if c.quantity is Quantity.RISK_DIFFERENCE)


def rows_of(survey, study, spec, seed=1):
    levels = survey.variables["y"].levels
    labels = Labels(model="m", outcome="y", levels=levels, source="s.csv")
    return imputation_rows(survey, study, spec, estimate(survey, study, spec), labels, seed)


def test_gaps_of_completed_surveys_matched_anew_are_pooled_by_hand(make_survey):
    survey, study, spec = make_survey(900, missing={"y": 0.15, "x": 0.1}, levels=3, zones=60)
    how = imputation(survey, study, spec)
    found = imputed_gaps(how, study, spec, m=4, seed=2)
    again = [estimate(one.survey, study, spec) for one in how.completed("m", 2, 4)]
    assert len(found.pooled) == 3
    for contrast, pooled in found.pooled.items():
        q = np.array([one.intervals[contrast].estimate for one in again])
        u = np.array([one.intervals[contrast].std_error ** 2 for one in again])
        assert pooled.estimate == pytest.approx(q.mean(), abs=1e-12)
        assert pooled.variance == pytest.approx(u.mean() + 1.25 * q.var(ddof=1), rel=1e-12)
        assert pooled.df < again[0].intervals[contrast].df == 59
    assert len({tuple(one.people.ravel()) for one in again}) > 1


def test_the_same_seed_gives_the_same_gaps(make_survey):
    asked = make_survey(500, missing={"y": 0.15, "x": 0.1}, zones=60)
    first, again = (rows_of(*asked, seed=4)[0] for _ in range(2))
    other = rows_of(*asked, seed=5)[0]
    assert first == again
    assert first[0].estimate != other[0].estimate


def test_shuffled_rows_change_no_number(make_survey):
    survey, study, spec = make_survey(600, missing={"y": 0.15, "x": 0.1}, zones=60)
    order = np.random.default_rng(0).permutation(600)
    shuffled = replace(
        survey,
        codes={name: codes[order] for name, codes in survey.codes.items()},
        member=survey.member[order],
        zone=survey.zone[order],
    )
    one, other = (
        imputed_gaps(imputation(these, study, spec), study, spec, m=3, seed=0)
        for these in (survey, shuffled)
    )
    for contrast, pooled in one.pooled.items():
        again = other.pooled[contrast]
        assert again.estimate == pytest.approx(pooled.estimate, abs=1e-12)
        assert again.variance == pytest.approx(pooled.variance, rel=1e-9)


def x_silent_by_outcome(survey, rng):
    """x goes missing from half of the members who say yes, hardly from others: MAR given y."""
    yes = (survey.codes["y"] == 1) & survey.member
    survey.codes["x"][rng.random(survey.n) < np.where(yes, 0.5, 0.05)] = -1


TRUE = {"gap": 0.5, "slope": 0.6, "member_slope": 0.4, "zones": 60}


@pytest.fixture(scope="module")
def true_gap(make_survey):
    whole = estimate(*make_survey(400_000, seed=99, **TRUE))
    return next(
        i.estimate for c, i in whole.intervals.items() if c.quantity is Quantity.RISK_DIFFERENCE
    )


def simulated(make_survey, replicates, m):
    """Gap before anything is missing, of complete cases, and pooled, each with its interval."""
    rng = np.random.default_rng(21)
    found = []
    for number in range(replicates):
        survey, study, spec = make_survey(900, seed=number, **TRUE)
        full = estimate(survey, study, spec).intervals
        x_silent_by_outcome(survey, rng)
        cases = estimate(survey, study, spec).intervals
        gaps = imputed_gaps(imputation(survey, study, spec), study, spec, m=m, seed=number)
        contrast = headline(full)
        pooled = interval_of(gaps.pooled[contrast], contrast.quantity)
        found.append([full[contrast][:4], cases[contrast][:4], pooled[:4]])
    return np.array(found)


def test_complete_cases_are_off_where_imputation_is_not(make_survey, true_gap):
    full, cases, pooled = simulated(make_survey, 25, m=5)[..., 0].T
    assert cases.mean() < true_gap - 0.1
    assert pooled.mean() == pytest.approx(true_gap, abs=3 * pooled.std() / 5)
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


@pytest.mark.parametrize(
    ("incomplete", "m"), [((1, 0), 20), ((100, 100), 20), ((200, 103), 31), ((500, 500), 100)]
)
def test_there_are_as_many_imputations_as_percent_incomplete_and_at_least_twenty(incomplete, m):
    who = Lacking(people=(500, 500), outcome=incomplete, covariate=(0, 0))
    assert imputations(who) == m


def test_shifted_answers_move_the_gap_the_way_they_must(make_survey):
    survey, study, spec = make_survey(800, missing={"y": 0.2}, zones=60)
    found = imputed_gaps(imputation(survey, study, spec), study, spec, m=3, seed=0)
    middle = found.pooled[headline(found.pooled)].estimate
    members, others = ([one.estimate for one in found.shifted[side]] for side in (True, False))
    assert np.all(np.diff([*members[:2], middle, *members[2:]]) > 0)
    assert np.all(np.diff([*others[:2], middle, *others[2:]]) < 0)
    # A fifth of members silent, shares near one half: a log odds moves 0.2 × about 0.24.
    assert members[3] - members[0] == pytest.approx(2 * 0.2 * 0.235, abs=0.02)


def test_a_shift_is_that_of_the_completed_survey_with_the_same_weights(make_survey):
    survey, study, spec = make_survey(700, missing={"y": 0.2, "x": 0.1}, zones=60)
    how = imputation(survey, study, spec)
    found = imputed_gaps(how, study, spec, m=3, seed=0)
    by_hand = []
    for one in how.completed("m", 0, 3):
        codes = {**one.survey.codes, "y": one.outcome("y", DELTAS[3], member=False)}
        changed = codes["y"] != one.survey.codes["y"]
        assert changed.any()
        assert not (changed & (survey.member | (survey.codes["y"] >= 0))).any()
        shifted = estimate(replace(one.survey, codes=codes), study, spec).intervals
        by_hand.append(shifted[headline(shifted)].estimate)
    assert found.shifted[False][3].estimate == pytest.approx(np.mean(by_hand), abs=1e-12)


def span(lower, upper):
    return Interval((lower + upper) / 2, np.nan, lower, upper, np.nan)


SHIFTS = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])


@pytest.mark.parametrize(
    ("lower", "width", "expected"),
    [
        ([0.05, 0.04, 0.02, -0.02, -0.06], 0.1, 0.25),  # halfway between none and 0.5
        ([-0.01, 0.01, 0.02, -0.02, -0.06], 0.1, 0.25),  # the nearer of two
        ([0.05, 0.04, 0.03, 0.02, 0.01], 0.1, None),
        ([-0.15, -0.10, -0.05, 0.05, 0.15], 0.1, 0.25),  # not settled, then above
        ([-0.16, -0.12, -0.08, -0.06, -0.04], 0.1, -0.25),  # not settled, then below
        ([-0.3, -0.25, -0.2, -0.1, -0.05], 0.15, 0.25),  # below, then not settled
    ],
)
def test_the_turning_shift_is_where_the_limit_crosses(lower, width, expected):
    intervals = [span(at, at + width) for at in lower]
    found = turning(SHIFTS, intervals, Quantity.RISK_DIFFERENCE)
    if expected is None:
        assert found is None
    else:
        assert found == pytest.approx(expected)
    halves = [span(at + 0.5, at + width + 0.5) for at in lower]
    assert turning(SHIFTS, halves, Quantity.SUPERIORITY) == pytest.approx(found)


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
        "delta that changes the conclusion, members",
        "delta that changes the conclusion, comparison people",
    ]
    assert len(rows) == 5 + 2 * (len(DELTAS) + 1)
    assert settled.passed
    assert 1.0 <= settled.value < settled.bar


def test_missing_covariates_alone_shift_nothing(make_survey):
    rows, _ = rows_of(*make_survey(500, missing={"x": 0.15}, zones=60))
    assert {row.variant for row in rows} == {"multiple imputation"}


def test_a_gap_that_moderate_shifts_undo_says_at_which(make_survey):
    survey, study, spec = make_survey(900, missing={"y": 0.45}, gap=0.6, zones=60, seed=3)
    rows, _ = rows_of(survey, study, spec)
    turn = next(r for r in rows if r.quantity == "delta" and r.variant.endswith(", members"))
    judged = {r.variant: r.verdict for r in rows if r.variant.endswith(", members")}
    assert turn.verdict is Verdict.CHANGES
    assert -1 < turn.estimate < 0
    assert judged["delta -1, members"] is Verdict.CHANGES
    assert judged["delta 1, members"] is Verdict.HOLDS


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


def test_few_answers_on_one_side_are_suppressed(make_survey):
    survey, study, spec = make_survey(900, missing={"x": 0.2}, zones=60)
    codes = survey.codes["y"]
    codes[survey.member] = 0
    codes[np.flatnonzero(survey.member)[:9]] = 1
    rows, _ = rows_of(survey, study, spec)
    assert [row.estimate for row in rows] == [None]
    assert "fewer than 10" in rows[0].note
