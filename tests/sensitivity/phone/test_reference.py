from dataclasses import replace

import numpy as np
import pytest

from coopgap.core.estimate import Keys
from coopgap.core.vocabulary import Verdict
from coopgap.sensitivity.phone.balanced import balanced_margins, swapped
from coopgap.sensitivity.phone.data import PhoneData, stack
from coopgap.sensitivity.phone.equivalence import equivalence_rows
from coopgap.sensitivity.phone.reference import DRAWS, phone_reference, reference_rows

KEYS = Keys(model="m", outcome="y", source="s")


def rows_of(data, covariates=("age",), region=None, seed=1):
    return reference_rows(data, covariates, region, KEYS, seed)


def find(rows, **wanted):
    (row,) = [row for row in rows if all(getattr(row, k) == v for k, v in wanted.items())]
    return row


def test_phone_and_in_person_shares_are_those_of_the_equivalence_check(make_phone):
    data = make_phone(np.random.default_rng(0), n_levels=3, zones=40, young_phone=True)
    rows = rows_of(data)
    margins = swapped(balanced_margins(stack(data.comparison, data.called), ("age",)).margins)
    row = find(rows, variant="adjusted", category=">=C")
    assert row.estimate == pytest.approx(margins.member[2])
    assert row.threshold == pytest.approx(margins.comparison[2])
    plain = find(rows, variant="unadjusted", category=">=D")
    assert plain.estimate == pytest.approx(np.mean(data.called.outcome >= 1))
    assert plain.threshold == pytest.approx(np.mean(data.comparison.outcome >= 1))
    assert find(
        rows, variant="unadjusted", quantity="phone_superiority"
    ).threshold == pytest.approx(0.5)
    alike = equivalence_rows(data, ("age",), None, KEYS)
    for variant in ("adjusted", "unadjusted"):
        mine = find(rows, variant=variant, quantity="phone_superiority")
        other = find(alike, variant=variant, quantity="superiority")
        assert mine.estimate == pytest.approx(other.estimate)


def test_the_interval_has_the_width_of_the_clustered_standard_error(make_phone):
    """Zones drawn here and linearised there say the same of the difference's variance."""
    data = make_phone(np.random.default_rng(1), zones=60)
    alike = equivalence_rows(data, ("age",), None, KEYS)
    for variant in ("adjusted", "unadjusted"):
        found = find(rows_of(data), variant=variant)
        std_error = find(alike, variant=variant, quantity="risk_difference").std_error
        # 1,000 draws know a 95 % interval to 4 %; 60 zones know the standard error to 9 %.
        assert found.upper - found.lower == pytest.approx(2 * 1.96 * std_error, rel=0.2)


def test_unadjusted_shares_are_compared_in_the_regional_mix_of_the_phone_people(make_phone):
    data = make_phone(np.random.default_rng(2), zones=40)

    def placed(rows, share):
        region = (rows.zone >= 20).astype(np.int64)
        keep = (region == 0) | (np.arange(rows.n) % 5 < share)
        rows = replace(
            rows,
            factors=dict(rows.factors) | {"region": region},
            factor_levels=dict(rows.factor_levels) | {"region": ("a", "b")},
        )
        return rows.take(keep)

    data = PhoneData(in_person=placed(data.in_person, 5), phone=placed(data.phone, 2))
    found = find(rows_of(data, region="region"), variant="unadjusted")
    own, called = data.comparison, data.called
    mix = np.bincount(called.factors["region"]) / called.n
    shares = [own.outcome[own.factors["region"] == h].mean() for h in (0, 1)]
    assert found.threshold == pytest.approx(mix @ shares)
    whole = find(rows_of(data), variant="unadjusted")
    assert whole.threshold == pytest.approx(own.outcome.mean())
    assert whole.threshold != pytest.approx(found.threshold, abs=1e-6)


def test_a_region_that_is_the_outcome_is_no_stratum(make_phone):
    data = make_phone(np.random.default_rng(3), zones=20)
    assert rows_of(data, region="y") == rows_of(data)


def test_a_shift_by_phone_is_outside(make_phone):
    data = make_phone(np.random.default_rng(4), shift=0.25, n_levels=3, zones=40)
    for row in rows_of(data):
        assert row.verdict is Verdict.CHANGES
        assert row.p_value == pytest.approx((1 + (row.quantity != "largest_difference")) / 1001)
        if row.quantity != "largest_difference":
            assert not row.lower <= row.estimate <= row.upper
    same = PhoneData(in_person=data.in_person, phone=data.comparison)
    for row in rows_of(same):
        assert row.verdict is Verdict.HOLDS


def test_outside_is_below_five_percent(make_phone):
    seen = set()
    for seed in range(12):
        data = make_phone(np.random.default_rng(seed), shift=0.07, zones=30, n=(50, 300, 150))
        for row in rows_of(data):
            outside = not row.lower <= row.estimate <= row.upper
            assert outside == (row.p_value < 0.05) == (row.verdict is Verdict.CHANGES)
            seen.add(outside)
    assert seen == {True, False}


def test_largest_difference_is_that_of_the_thresholds_shown(make_phone):
    data = make_phone(np.random.default_rng(5), n_levels=4, zones=40)
    rows = rows_of(data)
    for variant in ("adjusted", "unadjusted"):
        row = find(rows, variant=variant, quantity="largest_difference")
        shares = [one for one in rows if one.variant == variant and one.quantity == "share"]
        differences = [one.estimate - one.threshold for one in shares if one.estimate is not None]
        assert any(row.estimate == pytest.approx(value) for value in differences)
        # Three thresholds at once are found by chance no less often than one of them.
        assert row.p_value >= min(one.p_value for one in shares if one.p_value) - 0.01
        assert row.p_value <= 3 * min(one.p_value for one in shares if one.p_value) + 0.01


def test_the_seed_and_nothing_else_decides(make_phone):
    data = make_phone(np.random.default_rng(6), zones=30, n_levels=3)
    rows = rows_of(data)
    assert rows == rows_of(data)
    other = rows_of(data, seed=2)
    assert [row.estimate for row in rows] == [row.estimate for row in other]
    assert [row.lower for row in rows] != [row.lower for row in other]
    order = np.random.default_rng(0).permutation(data.in_person.n)
    moved = replace(
        data.in_person,
        outcome=data.in_person.outcome[order],
        member=data.in_person.member[order],
        factors={name: codes[order] for name, codes in data.in_person.factors.items()},
        zone=data.in_person.zone[order],
    )
    for left, right in zip(rows, rows_of(replace(data, in_person=moved)), strict=True):
        assert right.estimate == pytest.approx(left.estimate, abs=1e-7)
        if left.lower is not None:
            # Entropy balancing stops at 1e-10; people with equal residuals may trade places.
            assert right.lower == pytest.approx(left.lower, abs=1e-6)


def test_rescaled_weights_change_nothing(make_phone):
    data = make_phone(np.random.default_rng(7), zones=30)
    rng = np.random.default_rng(0)

    def weighted(rows, factor):
        return replace(rows, weight=factor * (0.5 + rng.random(rows.n)))

    rng = np.random.default_rng(0)
    one = PhoneData(in_person=weighted(data.in_person, 1), phone=weighted(data.phone, 1))
    rng = np.random.default_rng(0)
    two = PhoneData(in_person=weighted(data.in_person, 9), phone=weighted(data.phone, 9))
    for left, right in zip(rows_of(one), rows_of(two), strict=True):
        for name in ("estimate", "lower", "upper", "threshold"):
            assert getattr(right, name) == pytest.approx(getattr(left, name), abs=1e-7)


def test_more_draws_change_little(make_phone):
    data = make_phone(np.random.default_rng(8), zones=30)
    found = [
        phone_reference(data, ("age",), None, np.random.default_rng(seed), draws)
        for seed, draws in ((0, DRAWS), (1, 20_000))
    ]
    # The standard error of a 2.5 % quantile of 1,000 normal draws is 8 % of their deviation.
    width = found[1].upper - found[1].lower
    assert np.abs(found[0].lower - found[1].lower) < 0.08 * width
    assert np.abs(found[0].upper - found[1].upper) < 0.08 * width


def test_what_cannot_be_judged_says_why(make_phone):
    data = make_phone(np.random.default_rng(9), zones=30)
    none = replace(data, phone=data.phone.take(data.phone.outcome < 0))
    (row,) = rows_of(none)
    assert row.verdict is Verdict.NOT_APPLICABLE
    narrow = make_phone(np.random.default_rng(9), zones=4)
    rows = rows_of(narrow)
    assert [row.variant for row in rows] == ["adjusted", "unadjusted"]
    assert all(row.verdict is Verdict.NOT_ASSESSED and "4 zones" in row.note for row in rows)


def in_regions(data, wanted, called):
    """Zone z lies in region z // 6; the outcome rises by region."""

    def placed(rows):
        return replace(
            rows,
            factors={**rows.factors, "region": rows.zone // 6},
            factor_levels={**rows.factor_levels, "region": tuple("abcde")},
        )

    own, phone = placed(data.in_person), placed(data.phone)
    phone = phone.take(np.asarray(phone.factors["region"] < wanted))
    unknown = phone.factors["region"].copy()
    unknown[:called] = -1
    return PhoneData(
        in_person=own, phone=replace(phone, factors={**phone.factors, "region": unknown})
    )


@pytest.mark.parametrize("lost", [1, 15])
def test_people_without_a_region_are_left_out_and_regions_stay(make_phone, lost):
    data = make_phone(np.random.default_rng(11), zones=30, n=(50, 900, 400))
    some = in_regions(data, 2, lost)
    known = PhoneData(
        in_person=some.in_person, phone=some.phone.take(some.phone.factors["region"] >= 0)
    )
    wanted = reference_rows(known, ("age",), "region", KEYS, 1)
    found = reference_rows(some, ("age",), "region", KEYS, 1)
    for left, right in zip(wanted, found, strict=True):
        assert replace(right, note="", n=left.n, of=left.of) == replace(left, note="")
    everybody = some.called.n + some.comparison.n
    assert {(row.n, row.of) for row in found} == {(lost, everybody)}
    assert {(row.n, row.of) for row in wanted} == {(0, everybody - lost)}
    assert f"People left out whose region is missing: {lost}." in found[0].note
    assert "region is missing" not in wanted[0].note


def test_hardly_anybody_with_a_region_is_not_assessed(make_phone):
    data = make_phone(np.random.default_rng(12), zones=30, n=(50, 900, 400))
    some = in_regions(data, 2, 10_000)
    (row,) = reference_rows(some, ("age",), "region", KEYS, 1)
    assert row.verdict is Verdict.NOT_ASSESSED
    assert "Nobody of one mode has a region" in row.note
