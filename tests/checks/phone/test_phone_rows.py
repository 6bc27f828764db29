"""Every phone check is answered, and what is told of their limits is as the survey was."""

from dataclasses import replace

import numpy as np
import pytest

import coopgap
from coopgap.checks.by_mode import LIMITS, MEMBERS_ASIDE, by_mode
from coopgap.core.estimate import SensitivityRow, to_frame
from coopgap.core.vocabulary import Check, Verdict
from coopgap.report.data import make_results
from coopgap.report.pages import Content
from coopgap.survey.example import make_example

from ..conftest import KEYS, phone_rows, pick, survey_of

PHONE_CHECKS = (
    Check.PHONE_COMPOSITION,
    Check.PHONE_EQUIVALENCE,
    Check.PHONE_REPLACES,
    Check.PHONE_JOINS,
)
FULL_CHECKS = (
    Check.PHONE_POWER_PRIOR,
    Check.PHONE_ROBUST_MIXTURE,
    Check.PHONE_SUBSAMPLE_REFERENCE,
)


def test_every_check_is_answered_and_rows_are_unique(make_phone):
    data = make_phone(np.random.default_rng(0), n_levels=3, zones=30)
    keys = replace(KEYS, source="EXAMPLE DATA")
    rows = phone_rows(PHONE_CHECKS, data, keys, margin=0.1)
    assert {row.check for row in rows} == set(PHONE_CHECKS)
    keys = [(row.check, row.variant, row.quantity, row.category, row.comparator) for row in rows]
    assert len(keys) == len(set(keys))
    assert {row.source for row in rows} == {"EXAMPLE DATA"}
    assert len(to_frame("sensitivity", rows)) == len(rows)


def test_the_margin_of_the_outcome_is_used(make_phone):
    data = make_phone(np.random.default_rng(1))
    for threshold in (0.2, None):
        row = next(
            row
            for row in phone_rows(PHONE_CHECKS, data, margin=threshold)
            if row.check is Check.PHONE_EQUIVALENCE and row.variant == "unadjusted"
        )
        assert (row.threshold == threshold) == (threshold is not None)
        assert (row.verdict is Verdict.NOT_ASSESSED) == (threshold is None)


def test_nobody_or_only_members_called_is_not_applicable(make_phone):
    data = make_phone(np.random.default_rng(2))
    nobody = data.phone.take(data.phone.outcome < 0)
    members = replace(data.phone, member=np.ones(data.phone.n, bool))
    for called in (nobody, members):
        rows = phone_rows(PHONE_CHECKS, replace(data, phone=called))
        assert [row.check for row in rows] == list(PHONE_CHECKS)
        assert {row.verdict for row in rows} == {Verdict.NOT_APPLICABLE}
        assert all(row.note and row.estimate is None for row in rows)


@pytest.mark.parametrize("zones", [None, 8])
@pytest.mark.parametrize("n_levels", [2, 3])
@pytest.mark.parametrize("called", [1, 2, 9])
def test_a_handful_of_interviews_has_numbers_or_a_reason(make_phone, called, n_levels, zones):
    data = make_phone(
        np.random.default_rng(4), n=(200, 200, called), n_levels=n_levels, zones=zones
    )
    rows = phone_rows((*PHONE_CHECKS, *FULL_CHECKS), data, margin=0.1)
    assert {row.check for row in rows} == {*PHONE_CHECKS, *FULL_CHECKS}
    for row in rows:
        numbers = [row.estimate, row.std_error, row.lower, row.upper, row.p_value, row.power]
        assert np.isfinite([one for one in numbers if one is not None]).all(), row
        assert row.std_error is None or row.std_error > 0
        assert row.verdict is not Verdict.NOT_ASSESSED or row.note


def test_few_zones_are_not_assessed_but_composition_is_shown(make_phone):
    data = make_phone(np.random.default_rng(5), zones=4)
    rows = phone_rows(PHONE_CHECKS, data, margin=0.1)
    for check in PHONE_CHECKS[1:]:
        (row,) = [row for row in rows if row.check is check]
        assert row.verdict is Verdict.NOT_ASSESSED
        assert "4 zones" in row.note
    test = next(row for row in rows if row.quantity == "rao_scott_f")
    assert isinstance(test, SensitivityRow)
    assert test.p_value is None


def test_row_order_does_not_matter(make_phone):
    data = make_phone(np.random.default_rng(6), zones=20)
    order = np.random.default_rng(0).permutation(data.in_person.n)
    in_person = data.in_person
    shuffled = replace(
        in_person,
        outcome=in_person.outcome[order],
        member=in_person.member[order],
        factors={name: codes[order] for name, codes in in_person.factors.items()},
        zone=in_person.zone[order],
    )
    one = phone_rows(PHONE_CHECKS, data, margin=0.1)
    two = phone_rows(PHONE_CHECKS, replace(data, in_person=shuffled), margin=0.1)
    assert [row.verdict for row in one] == [row.verdict for row in two]
    for left, right in zip(one, two, strict=True):
        # Entropy balancing stops at 1e-10 on the margins.
        assert right.estimate == pytest.approx(left.estimate, abs=1e-7)


def test_people_asked_in_both_modes_count_as_one_without_zones(make_rows):
    # All 250 people of the comparison group are asked again and 5 % change their answer. Three
    # Monte Carlo errors of 400 intervals at 95 % are .033; as independent answers they cover 90 %.
    rng = np.random.default_rng(11)
    n_member, n_other = 1000, 250
    first = n_member + n_other
    person = np.concatenate([np.arange(first), np.arange(n_member, first)])
    by_phone = np.arange(person.size) >= first
    member = np.arange(person.size) < n_member
    survey = survey_of(member, phone=by_phone, person=person)
    covered = []
    for _ in range(400):
        own = np.concatenate([rng.random(n_member) < 0.6, rng.random(n_other) < 0.5])
        again = own[n_member:] ^ (rng.random(n_other) < 0.05)
        in_person = make_rows({}, member[:first], own)
        phone = replace(make_rows({}, np.zeros(n_other), again), index=np.arange(n_other) + first)
        rows = phone_rows(Check.PHONE_JOINS, by_mode(survey, in_person, phone))
        joined = rows[0]
        assert joined.variant == "phone and in person"
        covered.append(joined.lower <= 0.1 <= joined.upper)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.033)


def test_the_same_answers_twice_do_not_differ_at_all(make_rows):
    answers = np.random.default_rng(12).random(260) < 0.4
    member = np.arange(260) < 60
    person = np.concatenate([np.arange(260), np.arange(60, 260)])
    survey = survey_of([False] * 460, phone=np.arange(460) >= 260, person=person)
    phone = replace(make_rows({}, np.zeros(200), answers[60:]), index=np.arange(200) + 260)
    data = by_mode(survey, make_rows({}, member, answers), phone)
    rows = phone_rows(Check.PHONE_EQUIVALENCE, data, margin=0.05)
    row = pick(rows, variant="unadjusted", quantity="risk_difference")
    assert row.estimate == pytest.approx(0, abs=1e-12)
    assert row.std_error is None or row.std_error < 1e-12
    joint = data.joint
    # One share twice: in person and by phone covary as much as either varies.
    assert joint.at_least(1)[1][1, 2] == pytest.approx(joint.at_least(1)[1][1, 1])


def test_people_asked_once_and_declared_zones_stay_as_they_are(make_phone):
    data = make_phone(np.random.default_rng(13), n=(100, 100, 50))
    phone = replace(data.phone, index=np.arange(50) + 200)
    alone = survey_of(np.arange(250) < 100, phone=np.arange(250) >= 200, person=np.arange(250))
    assert by_mode(alone, data.in_person, phone).in_person.zone is None
    twice = replace(alone, person=np.concatenate([np.arange(200), np.arange(100, 150)]))
    assert by_mode(twice, data.in_person, phone).phone.zone.tolist() == list(range(100, 150))
    zones = replace(data.in_person, zone=np.zeros(200, np.int64))
    assert by_mode(twice, zones, phone).in_person is zones


def test_members_called_without_a_complete_interview_were_called_all_the_same(make_phone):
    data = make_phone(np.random.default_rng(14), n=(100, 100, 50))
    phone = replace(data.phone, index=np.arange(50) + 200)
    for last, limits in ((True, MEMBERS_ASIDE), (False, LIMITS)):
        survey = survey_of(np.append(np.arange(250) < 100, last), phone=np.arange(251) >= 200)
        assert by_mode(survey, data.in_person, phone).limits == limits


def notes(run):
    phone = run.sensitivity[run.sensitivity["check"].str.startswith("phone")]
    return " ".join(phone["note"])


def test_members_among_the_calls_are_left_aside_and_nothing_says_there_were_none():
    data = make_example().data
    called = np.flatnonzero(data["mode"] == "phone")
    plain = coopgap.run("peru", data=data, only=["trusted_person"])
    fewer = data.drop(index=data.index[called[:40]])
    turned = data.copy()
    turned.loc[turned.index[called[:40]], "member"] = 1
    with_members, without_them = (
        coopgap.run("peru", data=frame, only=["trusted_person"]) for frame in (turned, fewer)
    )
    assert LIMITS in notes(plain)
    assert MEMBERS_ASIDE in notes(with_members)
    for text in (LIMITS, "No members were called"):
        assert text not in notes(with_members)
    columns = ["check", "variant", "quantity", "category", "estimate", "lower", "upper"]
    assert with_members.sensitivity[columns].equals(without_them.sensitivity[columns])
    assert with_members.gaps.equals(without_them.gaps)
    assert "members were called" not in page(with_members)
    assert "no members were called" in page(plain)


def page(run):
    return Content(make_results(run.frames, run.study, run.meta)).render("report.md.j2")
