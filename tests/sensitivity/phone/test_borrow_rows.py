"""Rows of borrowing: what stands beside what, what is said of it, how often it is true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from coopgap.core.estimate import Keys
from coopgap.core.gap import contrasts
from coopgap.core.vocabulary import Check, IntervalKind, Verdict, Version
from coopgap.sensitivity.phone.borrow import averaged_gap, discount_posterior, robust_mixture
from coopgap.sensitivity.phone.borrow_rows import DISCOUNTS, VAGUE, WEIGHTS
from coopgap.sensitivity.phone.borrow_rows import _place as place
from coopgap.sensitivity.phone.data import LIMITS, PhoneData
from coopgap.sensitivity.phone.gaps import gap_rows_with_phone
from coopgap.sensitivity.phone.joint import joint_shares
from coopgap.sensitivity.phone.rows import BORROW_CHECKS, borrowed_rows

CURVE = {f"phone counts {discount:.1f}" for discount in DISCOUNTS}
KEYS = Keys(model="m", outcome="y", source="s")


def found(rows, check=Check.PHONE_POWER_PRIOR, quantity="risk_difference", category=""):
    return {
        row.variant: row
        for row in rows
        if (row.check, row.quantity, row.category) == (check, quantity, category)
    }


def test_rows_are_unique_and_complete(make_phone, spec):
    rows = borrowed_rows(make_phone(np.random.default_rng(0), zones=30), spec, "EXAMPLE DATA", 0.05)
    keys = [(row.check, row.variant, row.quantity, row.category, row.comparator) for row in rows]
    assert len(keys) == len(set(keys))
    assert set(found(rows)) == {Version.IN_PERSON, Version.AVERAGED, *CURVE}
    assert set(found(rows, quantity="discount")) == {
        Version.PRIOR,
        Version.POSTERIOR,
        Version.AGREED,
    }
    tenths = found(rows, quantity="discount_probability")
    assert [row.setting for row in tenths.values()] == list(DISCOUNTS[:-1])
    assert next(iter(tenths)) == "discount 0.0 to 0.1"
    assert sum(row.estimate for row in tenths.values()) == pytest.approx(1)
    kinds = [(weight, vague) for weight in WEIGHTS for vague in VAGUE]
    for quantity in ("phone_weight", "risk_difference"):
        mixed = found(rows, Check.PHONE_ROBUST_MIXTURE, quantity)
        assert [(row.setting, row.choice) for row in mixed.values()] == kinds
        assert set(mixed) == {f"weight {weight:g}, vague {vague}" for weight, vague in kinds}
    assert {row.source for row in rows} == {"EXAMPLE DATA"}
    assert {row.interval_kind for row in rows if row.lower is not None} == {
        IntervalKind.CREDIBLE,
        IntervalKind.CONFIDENCE,
    }
    assert LIMITS in found(rows)[Version.AVERAGED].note


def test_nothing_of_the_phone_is_the_gap_in_person_interval_and_all(make_phone, spec):
    # Eight zones: t with 7 degrees of freedom, far from normal.
    data = make_phone(np.random.default_rng(1), zones=8)
    rows = found(borrowed_rows(data, spec, "s", 0.05))
    beside = next(
        row
        for row in gap_rows_with_phone(data, ("age",), KEYS, 0.05)
        if row.check is Check.PHONE_REPLACES and row.variant == "in person"
    )
    for row in (rows[Version.IN_PERSON], rows["phone counts 0.0"]):
        assert row.estimate == pytest.approx(beside.estimate, abs=1e-9)
        assert row.lower == pytest.approx(beside.lower, abs=1e-6)
        assert row.upper == pytest.approx(beside.upper, abs=1e-6)
    assert rows["phone counts 0.0"].verdict is Verdict.HOLDS


@pytest.mark.parametrize(
    ("n", "shift", "verdicts"),
    [
        # Phone answers nine points higher count more and more: the gap moves by over 2.5 points.
        ((1500, 1500, 1500), 0.09, {Verdict.HOLDS, Verdict.CHANGES}),
        # A hundred people in person: what the phone makes of them is not known to five points.
        ((600, 100, 600), 0.0, {Verdict.HOLDS, Verdict.UNDECIDED}),
    ],
)
def test_the_gap_moves_by_a_part_of_what_the_answers_lie_apart(
    make_phone, spec, by_rule, n, shift, verdicts
):
    # Without covariates and zones the three shares are independent. A discount of a weights the
    # phone share by w = a / v_p over 1 / v_c + a / v_p, so the gap moves by w (c - p), which has
    # the variance w^2 (v_c + v_p). Shares lie far from 0 and 1.
    data = make_phone(np.random.default_rng(6), n=n, gap=0.06, shift=shift)
    rows = found(borrowed_rows(data, replace(spec, covariates=()), "s", 0.05))
    c, p = data.comparison.outcome.mean(), data.called.outcome.mean()
    v_c, v_p = c * (1 - c) / n[1], p * (1 - p) / n[2]
    here = rows[Version.IN_PERSON]
    assert here.verdict is here.difference is here.reference is None
    seen = set()
    curve = [row for row in rows.values() if row.setting is not None]
    assert [row.setting for row in curve] == list(DISCOUNTS)
    for row in curve:
        a = row.setting
        part = a / v_p / (1 / v_c + a / v_p)
        half = stats.norm.ppf(0.975) * part * (v_c + v_p) ** 0.5
        assert row.reference == here.estimate
        assert row.difference == pytest.approx(part * (c - p), abs=1e-6)
        assert row.difference_lower == pytest.approx(part * (c - p) - half, abs=1e-5)
        assert row.difference_upper == pytest.approx(part * (c - p) + half, abs=1e-5)
        assert row.verdict is by_rule(row, here)
        seen.add(row.verdict)
    assert rows["phone counts 0.0"].verdict is Verdict.HOLDS
    assert seen == verdicts


@pytest.mark.parametrize("smallest_gap", [0.005, 0.05, 0.2])
def test_every_gap_is_judged_by_its_difference(make_phone, spec, by_rule, smallest_gap):
    # In full the phone share counts as in generalised least squares on all three shares: the gap
    # then moves by a contrast of them, with the variance that their covariance gives it.
    data = make_phone(np.random.default_rng(8), gap=0.06, shift=0.05)
    rows = borrowed_rows(data, spec, "s", smallest_gap)
    here = found(rows)[Version.IN_PERSON]
    judged = [row for row in rows if row.difference is not None]
    names = {f"weight {weight:g}, vague {vague}" for weight in WEIGHTS for vague in VAGUE}
    assert {row.variant for row in judged} == {Version.AVERAGED, *CURVE, *names}
    for row in judged:
        assert row.difference == pytest.approx(row.estimate - here.estimate, abs=1e-12)
        assert row.verdict is by_rule(row, here, smallest_gap)
    shares, cov = joint_shares(data, ("age",)).at_least(1)
    design, precision = np.array([[1.0, 0], [0, 1], [0, 1]]), np.linalg.inv(cov)
    pooled = np.linalg.solve(design.T @ precision @ design, design.T @ precision)
    moved = np.array([1.0, -1.0]) @ pooled - np.array([1.0, -1.0, 0.0])
    half = stats.norm.ppf(0.975) * (moved @ cov @ moved) ** 0.5
    whole = found(rows)["phone counts 1.0"]
    assert whole.difference == pytest.approx(moved @ shares, abs=1e-6)
    assert whole.difference_upper - whole.difference == pytest.approx(half, abs=1e-5)
    assert whole.difference - whole.difference_lower == pytest.approx(half, abs=1e-5)


def test_ordinal_outcomes_have_a_curve_at_the_middle_only(make_phone, spec):
    rows = borrowed_rows(
        make_phone(np.random.default_rng(2), n_levels=5, zones=30), spec, "s", 0.05
    )
    curves = {row.category for row in rows if row.variant in CURVE}
    assert len(curves) == 1
    for category in (">=A", ">=B", ">=C", ">=D"):
        assert {Version.IN_PERSON, Version.AVERAGED} <= set(found(rows, category=category))
    assert {row.category for row in rows if row.variant == Version.AVERAGED} == {
        ">=A",
        ">=B",
        ">=C",
        ">=D",
    }


def test_a_declared_threshold_has_the_curve(make_phone, spec):
    data = make_phone(np.random.default_rng(2), n_levels=5, zones=30)
    for at in (">=B", ">=D", ">=A"):
        rows = borrowed_rows(data, spec, "s", 0.05, at=at)
        assert {row.category for row in rows if row.variant in CURVE} == {at}


def test_without_phone_interviews_it_does_not_apply(make_phone, spec):
    data = make_phone(np.random.default_rng(4))
    none = PhoneData(in_person=data.in_person, phone=data.phone.take(data.phone.outcome < 0))
    rows = borrowed_rows(none, spec, "s", 0.05)
    assert [row.check for row in rows] == list(BORROW_CHECKS)
    assert {row.verdict for row in rows} == {Verdict.NOT_APPLICABLE}
    few = borrowed_rows(make_phone(np.random.default_rng(4), zones=4), spec, "s", 0.05)
    assert {row.verdict for row in few} == {Verdict.NOT_ASSESSED}
    assert all("4 zones" in row.note for row in few)


def test_the_same_people_by_phone_add_nothing(make_phone, spec):
    data = make_phone(np.random.default_rng(5), zones=25)
    same = PhoneData(in_person=data.in_person, phone=data.comparison)
    rows = borrowed_rows(same, spec, "s", 0.05)
    assert {row.verdict for row in rows} == {Verdict.NOT_ASSESSED}
    assert all("add nothing" in row.note for row in rows)


def test_members_left_out_are_told(make_phone, spec):
    data = make_phone(np.random.default_rng(7))
    young = PhoneData(
        in_person=data.in_person, phone=data.phone.take(data.phone.factors["age"] < 2)
    )
    rows = found(borrowed_rows(young, spec, "s", 0.05))
    lost = int((data.members.factors["age"] == 2).sum())
    assert (rows[Version.AVERAGED].n, rows[Version.AVERAGED].of) == (lost, data.members.n)
    assert f"Members left out: {lost} of {data.members.n}." in rows[Version.AVERAGED].note
    kept = data.members.outcome[data.members.factors["age"] < 2].mean()
    others = data.comparison
    share = np.bincount(data.members.factors["age"], minlength=3)[:2]
    means = [others.outcome[others.factors["age"] == age].mean() for age in (0, 1)]
    expected = kept - share @ means / share.sum()
    assert rows[Version.IN_PERSON].estimate == pytest.approx(expected)


def simulated(make_phone, shift, replicates, seed):
    """Per replicate: in-person, averaged and mixture interval, and the two measures."""
    rng = np.random.default_rng(seed)
    (contrast,) = [one for one in contrasts(("E", "D")) if one.is_threshold_gap]
    for _ in range(replicates):
        data = make_phone(rng, shift=shift, zones=40)
        here = place(joint_shares(data, ("age",)), contrast, 0.05)
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
