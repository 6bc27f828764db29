"""Who was reached: the Rao-Scott test against its parts, shares and what balancing leaves."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import special, stats

from coopgap.checks.balance import stack
from coopgap.checks.by_mode import PhoneStudy
from coopgap.checks.phone.composition import rao_scott
from coopgap.core.vocabulary import Check, Verdict

from ..conftest import phone_rows


def rows_of(data, *names):
    return phone_rows(Check.PHONE_COMPOSITION, data, covariates=names)


def test_independent_people_of_one_variable_give_about_pearsons_chi_square(make_rows):
    # WDDCM Peru, Table 1, age: 132.95 on 5 df. The variance here is not pooled over the groups,
    # so the statistic is the chi-square over the mean ratio of the two variances.
    counts = np.array([[80, 142, 183, 219, 185, 195], [183, 209, 213, 216, 113, 69]])
    codes = np.concatenate([np.repeat(np.arange(6), row) for row in counts])
    member = np.repeat([True, False], counts.sum(axis=1))
    rows = make_rows({"age": codes}, member, np.zeros(codes.size))
    found = rao_scott(rows, ("age",))
    assert found.df == pytest.approx(5, rel=0.01)
    assert found.statistic * found.df == pytest.approx(132.95, rel=0.05)
    assert found.p_value == pytest.approx(
        stats.chi2.sf(found.statistic * found.df, found.df), rel=1e-9
    )


def test_binary_variable_by_hand(make_rows):
    # One difference of shares: F = d^2 / (p1q1/n1 + p0q0/n0) on 1 and infinity.
    member = np.repeat([True, False], [40, 60])
    codes = np.concatenate([np.repeat([0, 1], [10, 30]), np.repeat([0, 1], [30, 30])])
    found = rao_scott(make_rows({"a": codes}, member, np.zeros(100)), ("a",))
    assert found.df == pytest.approx(1)
    assert found.statistic == pytest.approx(0.25**2 / (0.75 * 0.25 / 40 + 0.25 / 60))


def test_clustered_test_holds_its_level(make_rows):
    # Whole zones differ in age; phone people live in the same zones. An unclustered test would
    # reject far too often if zones were phone-only; here half the zones are.
    rng = np.random.default_rng(5)
    rejected = []
    for _ in range(300):
        zone = np.repeat(np.arange(40), 15)
        age = (rng.random(600) < rng.beta(2, 2, 40)[zone]).astype(int)
        rows = make_rows({"age": age}, zone < 20, np.zeros(600), sizes={"age": 2}, zone=zone)
        rejected.append(rao_scott(rows, ("age",)).p_value < 0.05)
    # Three Monte Carlo errors of 300 tests at 5 %.
    assert np.mean(rejected) == pytest.approx(0.05, abs=0.038)


def test_copied_variable_adds_nothing(make_phone):
    data = make_phone(np.random.default_rng(6), young_phone=True, zones=30)
    rows = stack(data.called, data.comparison)
    rows.factors["again"] = rows.factors["age"]
    rows.factor_levels["again"] = rows.factor_levels["age"]
    one, two = rao_scott(rows, ("age",)), rao_scott(rows, ("age", "again"))
    assert two.p_value == pytest.approx(one.p_value, rel=1e-6)


def test_few_zones_have_no_p_value(make_rows):
    rng = np.random.default_rng(1)
    rows = make_rows(
        {"a": rng.integers(0, 2, 80)}, rng.random(80) < 0.5, np.zeros(80), zone=np.arange(80) % 5
    )
    assert np.isnan(rao_scott(rows, ("a",)).p_value)


def test_shares_of_each_mode_have_the_degrees_of_freedom_of_their_own_zones(make_rows):
    rng = np.random.default_rng(7)
    sizes = {"a": 2}

    def people(n, zones, members=0):
        zone = np.arange(n) % zones
        codes = rng.integers(0, 2, n)
        return make_rows({"a": codes}, np.arange(n) < members, codes, sizes=sizes, zone=zone)

    called = people(120, 8)
    data = PhoneStudy(in_person=people(700, 60, 100), phone=called)
    row = next(row for row in rows_of(data, "a") if row.variant == "phone")
    means = np.array([np.mean(called.factors["a"][called.zone == one] == 0) for one in range(8)])
    assert row.std_error == pytest.approx(means.std(ddof=1) / np.sqrt(8))
    half = stats.t.ppf(0.975, 7) * row.std_error / (row.estimate * (1 - row.estimate))
    assert special.logit(row.upper) - special.logit(row.estimate) == pytest.approx(half)
    data = PhoneStudy(in_person=people(700, 60, 100), phone=people(120, 2))
    found = rows_of(data, "a")
    row = next(row for row in found if row.variant == "phone")
    assert row.std_error is row.lower is None
    assert "fewer than 6 zones" in row.note
    tests = [row for row in found if row.quantity == "rao_scott_f"]
    assert all(row.p_value is None for row in tests)


def test_shares_and_smd_by_hand(make_phone):
    data = make_phone(np.random.default_rng(8), young_phone=True)
    rows = rows_of(data, "age")
    by = {(row.variant, row.quantity, row.category): row for row in rows}
    phone = np.mean(data.phone.factors["age"] == 0)
    other = np.mean(data.comparison.factors["age"] == 0)
    share = by["phone", "share", "age=0"]
    assert share.estimate == pytest.approx(phone)
    assert share.std_error == pytest.approx(np.sqrt(phone * (1 - phone) / 250))
    smd = by["", "smd", "age=0"]
    pooled = np.sqrt((phone * (1 - phone) + other * (1 - other)) / 2)
    assert smd.estimate == pytest.approx((phone - other) / pooled)
    assert smd.verdict is Verdict.CHANGES
    assert (smd.about, f"{smd.about}={smd.choice}") == ("age", smd.category)
    test = by["", "rao_scott_f", "age"]
    assert (test.about, test.choice) == ("age", "")
    assert test.p_value < 0.001
    assert test.verdict is Verdict.CHANGES
    left = next(row for row in rows if row.quantity == "largest_smd")
    assert left.estimate == pytest.approx(0, abs=1e-8)
    assert left.verdict is Verdict.HOLDS
    assert by["balanced", "ess", ""].estimate < by["balanced", "ess", ""].of == 250


def test_the_same_people_have_no_difference(make_phone):
    data = make_phone(np.random.default_rng(9))
    same = replace(data, phone=data.comparison)
    rows = rows_of(same, "age")
    test = next(row for row in rows if row.quantity == "rao_scott_f")
    assert test.p_value == pytest.approx(1)
    assert test.verdict is Verdict.HOLDS
    ess = next(row for row in rows if row.quantity == "ess")
    assert ess.estimate == pytest.approx(600)


def two_modes(make_rows, in_person, phone):
    """One variable with the numbers given at its levels, in person twice: members alike."""
    codes, called = (np.repeat(np.arange(len(one)), one) for one in (in_person, phone))
    sizes = {"a": len(in_person)}
    member = np.repeat([True, False], codes.size)
    return PhoneStudy(
        covariates=("a",),
        in_person=make_rows(
            {"a": np.tile(codes, 2)}, member, np.zeros(2 * codes.size), sizes=sizes
        ),
        phone=make_rows({"a": called}, [False] * called.size, np.zeros(called.size), sizes=sizes),
    )


def test_every_level_has_its_shares_and_nobody_s_share_no_interval(make_rows):
    data = two_modes(make_rows, [200] * 3, (4, 246, 0))
    rows = rows_of(data, "a")
    mine = [row for row in rows if (row.variant, row.quantity) == ("phone", "share")]
    assert [row.estimate for row in mine] == pytest.approx([4 / 250, 246 / 250, 0])
    assert mine[0].lower is not None
    assert mine[2].lower is mine[2].std_error is None


def test_groups_with_nobody_in_common_differ(make_rows):
    # In person all are at one level, by phone all at the other: no standard deviation to divide by.
    rows = rows_of(two_modes(make_rows, (100, 0), (0, 100)), "a")
    smds = [row for row in rows if row.quantity == "smd"]
    assert len(smds) == 2
    test = next(row for row in rows if row.quantity == "rao_scott_f")
    assert test.verdict is not Verdict.HOLDS


@pytest.mark.parametrize(("lost", "share"), [(100, 0.1), (3, 0.003)])
def test_what_balancing_leaves_is_measured_against_everybody_in_person(make_rows, lost, share):
    data = two_modes(make_rows, (450, 550 - lost, lost), (125, 125, 0))
    rows = rows_of(data, "a")
    left = next(row for row in rows if row.quantity == "largest_smd")
    p = lost / 1000
    # Nobody by phone is at the lost level, before balancing and after.
    assert (left.category, left.about, left.choice) == ("a=2", "a", "2")
    assert left.estimate == pytest.approx(p / np.sqrt(p * (1 - p) / 2))
    assert left.verdict is (Verdict.CHANGES if lost == 100 else Verdict.HOLDS)
    unmatched = next(row for row in rows if row.quantity == "unmatched_share")
    assert unmatched.estimate == share
    assert (unmatched.n, unmatched.of) == (lost, 1000)
    assert unmatched.note.endswith(f"without phone people: {lost}.")


def test_a_difference_that_chance_accounts_for_is_inconclusive(make_rows):
    # 12 of 30 against 50 of 100: SMD 0.2, far from significant.
    in_person = make_rows({"a": np.repeat([0, 1], 100)}, np.arange(200) % 2 == 0, np.zeros(200))
    phone = make_rows({"a": np.repeat([0, 1], [12, 18])}, [False] * 30, np.zeros(30))
    rows = rows_of(PhoneStudy(in_person=in_person, phone=phone, covariates=("a",)), "a")
    test = next(row for row in rows if row.quantity == "rao_scott_f")
    assert test.p_value > 0.2
    assert test.verdict is Verdict.INCONCLUSIVE
