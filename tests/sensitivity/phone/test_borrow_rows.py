"""Rows of borrowing: what stands beside what, who is hidden, how often intervals hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

from coopgap.gap import contrasts
from coopgap.sensitivity.keys import Keys
from coopgap.sensitivity.phone.borrow import averaged_gap, discount_posterior, robust_mixture
from coopgap.sensitivity.phone.borrow_rows import (
    AGREED,
    AVERAGED,
    CURVE,
    IN_PERSON,
    POSTERIOR,
    PRIOR,
    TENTHS,
    VAGUE,
    WEIGHTS,
    mixture_name,
)
from coopgap.sensitivity.phone.borrow_rows import _place as place
from coopgap.sensitivity.phone.data import LIMITS, PhoneData
from coopgap.sensitivity.phone.gaps import gap_rows_with_phone
from coopgap.sensitivity.phone.joint import joint_shares
from coopgap.sensitivity.phone.rows import BORROW_CHECKS, borrowed_rows
from coopgap.vocabulary import Check, IntervalKind, Verdict


def found(rows, check=Check.PHONE_POWER_PRIOR, quantity="risk_difference", category=""):
    return {
        row.variant: row
        for row in rows
        if (row.check, row.quantity, row.category) == (check, quantity, category)
    }


def test_rows_are_unique_and_complete(make_phone, spec):
    rows = borrowed_rows(make_phone(np.random.default_rng(0), zones=30), spec, "EXAMPLE DATA")
    keys = [(row.check, row.variant, row.quantity, row.category, row.comparator) for row in rows]
    assert len(keys) == len(set(keys))
    assert set(found(rows)) == {IN_PERSON, AVERAGED, *CURVE}
    assert set(found(rows, quantity="discount")) == {PRIOR, POSTERIOR, AGREED}
    tenths = found(rows, quantity="discount_probability")
    assert set(tenths) == set(TENTHS)
    assert sum(row.estimate for row in tenths.values()) == pytest.approx(1)
    names = {mixture_name(weight, vague) for weight in WEIGHTS for vague in VAGUE}
    for quantity in ("phone_weight", "risk_difference"):
        assert set(found(rows, Check.PHONE_ROBUST_MIXTURE, quantity)) == names
    assert {row.source for row in rows} == {"EXAMPLE DATA"}
    assert {row.interval_kind for row in rows if row.lower is not None} == {
        IntervalKind.CREDIBLE,
        IntervalKind.CONFIDENCE,
    }
    assert LIMITS in found(rows)[AVERAGED].note


def test_nothing_of_the_phone_is_the_gap_in_person_interval_and_all(make_phone, spec):
    # Eight zones: t with 7 degrees of freedom, far from normal.
    data = make_phone(np.random.default_rng(1), zones=8)
    rows = found(borrowed_rows(data, spec, "s"))
    beside = next(
        row
        for row in gap_rows_with_phone(data, ("age",), Keys(model="m", outcome="y", source="s"))
        if row.check is Check.PHONE_REPLACES and row.variant == "in person"
    )
    for row in (rows[IN_PERSON], rows["phone counts 0.0"]):
        assert row.estimate == pytest.approx(beside.estimate, abs=1e-9)
        assert row.lower == pytest.approx(beside.lower, abs=1e-6)
        assert row.upper == pytest.approx(beside.upper, abs=1e-6)
    assert rows["phone counts 0.0"].verdict is Verdict.HOLDS


def test_conclusions_are_compared_with_the_one_in_person(make_phone, spec):
    # A gap of 6 points that is found in person, and phone answers 9 points higher: counted in full
    # they take the interval to zero. The gap falls along the curve, so the conclusion turns once.
    data = make_phone(np.random.default_rng(6), n=(1500, 1500, 1500), gap=0.06, shift=0.09)
    rows = found(borrowed_rows(data, spec, "s"))
    assert rows[IN_PERSON].lower > 0
    assert rows["phone counts 1.0"].lower < 0
    assert rows["phone counts 1.0"].verdict is Verdict.CHANGES
    verdicts = [rows[name].verdict for name in CURVE]
    first = verdicts.index(Verdict.CHANGES)
    assert set(verdicts[:first]) == {Verdict.HOLDS}
    assert set(verdicts[first:]) == {Verdict.CHANGES}


def test_ordinal_outcomes_have_a_curve_at_the_middle_only(make_phone, spec):
    rows = borrowed_rows(make_phone(np.random.default_rng(2), n_levels=5, zones=30), spec, "s")
    curves = {row.category for row in rows if row.variant in CURVE}
    assert len(curves) == 1
    for category in (">=A", ">=B", ">=C", ">=D"):
        shown = found(rows, category=category)
        assert AVERAGED in shown or shown == {}
    assert {row.category for row in rows if row.variant == AVERAGED} == {
        ">=A",
        ">=B",
        ">=C",
        ">=D",
    }


def test_few_phone_people_are_suppressed_in_both(make_phone, spec):
    data = make_phone(np.random.default_rng(3))
    few = data.phone.take((data.phone.outcome == 0) | (np.cumsum(data.phone.outcome) <= 9))
    rows = borrowed_rows(PhoneData(in_person=data.in_person, phone=few), spec, "s")
    assert [row.check for row in rows] == list(BORROW_CHECKS)
    for row in rows:
        assert row.estimate is row.lower is None
        assert row.note.startswith("Suppressed")


def test_without_phone_interviews_it_does_not_apply(make_phone, spec):
    data = make_phone(np.random.default_rng(4))
    none = PhoneData(in_person=data.in_person, phone=data.phone.take(data.phone.outcome < 0))
    rows = borrowed_rows(none, spec, "s")
    assert [row.check for row in rows] == list(BORROW_CHECKS)
    assert {row.verdict for row in rows} == {Verdict.NOT_APPLICABLE}
    few = borrowed_rows(make_phone(np.random.default_rng(4), zones=4), spec, "s")
    assert {row.verdict for row in few} == {Verdict.NOT_ASSESSED}
    assert all("4 zones" in row.note for row in few)
    handful = borrowed_rows(make_phone(np.random.default_rng(4), n=(100, 100, 9)), spec, "s")
    assert {row.verdict for row in handful} == {Verdict.NOT_ASSESSED}


def test_the_same_people_by_phone_add_nothing(make_phone, spec):
    data = make_phone(np.random.default_rng(5), zones=25)
    same = PhoneData(in_person=data.in_person, phone=data.comparison)
    rows = borrowed_rows(same, spec, "s")
    assert {row.verdict for row in rows} == {Verdict.NOT_ASSESSED}
    assert all("add nothing" in row.note for row in rows)


def test_members_left_out_are_told(make_phone, spec):
    data = make_phone(np.random.default_rng(7))
    young = PhoneData(
        in_person=data.in_person, phone=data.phone.take(data.phone.factors["age"] < 2)
    )
    rows = found(borrowed_rows(young, spec, "s"))
    lost = int((data.members.factors["age"] == 2).sum())
    assert f"Members left out: {lost} of {data.members.n}." in rows[AVERAGED].note
    kept = data.members.outcome[data.members.factors["age"] < 2].mean()
    others = data.comparison
    share = np.bincount(data.members.factors["age"], minlength=3)[:2]
    means = [others.outcome[others.factors["age"] == age].mean() for age in (0, 1)]
    expected = kept - share @ means / share.sum()
    assert rows[IN_PERSON].estimate == pytest.approx(expected)


def simulated(make_phone, shift, replicates, seed):
    """Per replicate: in-person, averaged and mixture interval, and the two measures."""
    rng = np.random.default_rng(seed)
    (contrast,) = [one for one in contrasts(("E", "D")) if one.is_threshold_gap]
    for _ in range(replicates):
        data = make_phone(rng, shift=shift, zones=40)
        here = place(joint_shares(data, ("age",)), contrast)
        discount = discount_posterior(here.measures)
        mixture = robust_mixture(here.measures, 0.5, (1.0, 1.0))[1]
        yield here, averaged_gap(here.measures, discount), mixture


def test_without_a_mode_shift_borrowing_covers_and_is_narrower(make_phone):
    runs = list(simulated(make_phone, 0.0, 400, seed=11))
    truth = 0.15
    for pick in (0, 1):
        intervals = [run[1 + pick] for run in runs]
        covered = np.mean([one.lower <= truth <= one.upper for one in intervals])
        # Monte Carlo error of a rate of 95 % over 400 replicates is 1.1 points: three of them.
        assert covered == pytest.approx(0.95, abs=0.033)
        width = np.array([one.upper - one.lower for one in intervals])
        alone = np.array([here.in_person.upper - here.in_person.lower for here, *_ in runs])
        assert width.mean() < alone.mean()
        # Single intervals are wider where the phone happens to disagree; most are narrower.
        assert np.mean(width < alone) > 0.8


def test_with_a_large_shift_the_gap_stays_near_the_one_in_person(make_phone):
    for here, averaged, mixture in simulated(make_phone, 0.35, 60, seed=12):
        of = here.measures
        # In strong conflict the discount is near a gamma of mean 3v/d2, which pulls the share by
        # 3s2/d: the remainder is of next order in v/d2.
        pull = 3 * of.in_person_var / abs(of.phone - of.in_person)
        assert abs(averaged.estimate - of.gap) < 1.2 * pull * abs(of.slope)
        # That is 3s/d standard errors: less than half of one where d is above 6s.
        assert abs(averaged.estimate - of.gap) < 0.5 * here.in_person.std_error
        # The shift is 6 or more standard errors: e^-18 of the informed component is left.
        assert mixture.estimate == pytest.approx(of.gap, abs=1e-3)
