"""Phone answers among subsamples: variances, degenerate places, rows."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from coopgap.checks.balance import swapped
from coopgap.checks.phone.reference import (
    DRAWS,
    Placed,
    differences,
    phone_reference,
    places,
    two_sided,
    zone_components,
)
from coopgap.core.vocabulary import Check, Verdict

from ..conftest import phone_rows, pick


def rows_of(data, region=None, seed=1):
    return phone_rows(Check.PHONE_SUBSAMPLE_REFERENCE, data, region=region, seed=seed)


def test_phone_and_in_person_shares_are_those_of_the_equivalence_check(make_phone):
    data = make_phone(np.random.default_rng(0), n_levels=3, zones=40, young_phone=True)
    rows = rows_of(data)
    margins = swapped(data.balanced("comparison", "called").margins)
    row = pick(rows, variant="adjusted", category=">=C")
    assert row.estimate == pytest.approx(margins.member[2])
    assert row.threshold == pytest.approx(margins.comparison[2])
    plain = pick(rows, variant="unadjusted", category=">=D")
    assert plain.estimate == pytest.approx(np.mean(data.called.outcome >= 1))
    assert plain.threshold == pytest.approx(np.mean(data.comparison.outcome >= 1))
    assert pick(
        rows, variant="unadjusted", quantity="phone_superiority"
    ).threshold == pytest.approx(0.5)
    alike = phone_rows(Check.PHONE_EQUIVALENCE, data)
    for variant in ("adjusted", "unadjusted"):
        mine = pick(rows, variant=variant, quantity="phone_superiority")
        other = pick(alike, variant=variant, quantity="superiority")
        assert mine.estimate == pytest.approx(other.estimate)


def test_the_interval_has_the_width_of_the_clustered_standard_error(make_phone):
    """Zones drawn here and linearised there say the same of the difference's variance."""
    data = make_phone(np.random.default_rng(1), zones=60)
    alike = phone_rows(Check.PHONE_EQUIVALENCE, data)
    for variant in ("adjusted", "unadjusted"):
        found = pick(rows_of(data), variant=variant)
        std_error = pick(alike, variant=variant, quantity="risk_difference").std_error
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

    data = replace(data, in_person=placed(data.in_person, 5), phone=placed(data.phone, 2))
    found = pick(rows_of(data, region="region"), variant="unadjusted")
    own, called = data.comparison, data.called
    mix = np.bincount(called.factors["region"]) / called.n
    shares = [own.outcome[own.factors["region"] == h].mean() for h in (0, 1)]
    assert found.threshold == pytest.approx(mix @ shares)
    whole = pick(rows_of(data), variant="unadjusted")
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
    same = replace(data, phone=data.comparison)
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
        row = pick(rows, variant=variant, quantity="largest_difference")
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
    one = replace(data, in_person=weighted(data.in_person, 1), phone=weighted(data.phone, 1))
    rng = np.random.default_rng(0)
    two = replace(data, in_person=weighted(data.in_person, 9), phone=weighted(data.phone, 9))
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
    return replace(
        data, in_person=own, phone=replace(phone, factors={**phone.factors, "region": unknown})
    )


@pytest.mark.parametrize("lost", [1, 15])
def test_people_without_a_region_are_left_out_and_regions_stay(make_phone, lost):
    data = make_phone(np.random.default_rng(11), zones=30, n=(50, 900, 400))
    some = in_regions(data, 2, lost)
    known = replace(some, phone=some.phone.take(some.phone.factors["region"] >= 0))
    wanted = rows_of(known, "region")
    found = rows_of(some, "region")
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
    (row,) = rows_of(some, "region")
    assert row.verdict is Verdict.NOT_ASSESSED
    assert "Nobody of one mode has a region" in row.note


def clustered(rng, n_zones, size, zone_sd, columns=1):
    """Scores of `size` people a zone: normal zones and people of standard deviation one."""
    zone = np.repeat(np.arange(n_zones), size)
    pull = rng.normal(0, zone_sd, (n_zones, columns))[zone]
    return zone, pull + rng.normal(size=(zone.size, columns))


def equal(zone, stratum=None):
    none = np.zeros(zone.size, dtype=np.int64)
    weight = np.full(zone.size, 1 / zone.size)
    return Placed(zone=zone, stratum=none if stratum is None else stratum, weight=weight)


def test_components_by_hand():
    # Zone means 0, 1, 5, 6 in two strata; people one above and one below theirs.
    zone, stratum = np.repeat(np.arange(4), 2), np.repeat([0, 1], 4)
    scores = np.array([0.0, 1.0, 5.0, 6.0])[zone] + np.tile([-0.25, 0.25], 4)
    found = zone_components(scores[:, None], equal(zone, stratum))
    within, between = 8 * 0.25**2 / 4, (4 * 0.25) / 2
    left = between - within / 2
    expected = np.array([-0.5, 0.5, -0.5, 0.5]) * np.sqrt(left / between) * np.sqrt(2)
    assert found.between[:, 0] == pytest.approx(expected)
    assert np.abs(found.within[:, 0]) == pytest.approx(np.full(8, 0.25 * np.sqrt(2)))


@pytest.mark.parametrize(
    ("zones", "shared"),
    [("spread", 0.0), ("clustered", 1 / 20 - 1 / 60), ("elsewhere", 1 / 20 + 1 / 60)],
)
def test_the_variance_of_the_difference_is_the_true_one(zones, shared):
    """Zones that both modes share alike cancel; the rest of the variance is that of people."""
    own_zone, _ = clustered(np.random.default_rng(0), 60, 8, 0.6)
    phone_zone = {
        "spread": np.repeat(np.arange(60), 2),
        "clustered": np.repeat(np.arange(20), 6),
        "elsewhere": np.repeat(np.arange(60, 80), 6),
    }[zones]
    true = 0.36 * shared + 1 / 120 + 1 / 480
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        _, scores = clustered(rng, 60, 8, 0.6)
        placed = places((own_zone, phone_zone), None, (np.ones(480), np.ones(120)))
        found.append(differences(scores, *placed, draws=400, rng=rng).var())
    # 60 surveys of 60 zones: zones' variance is known to 3 %, 400 draws to 7 % each.
    assert np.mean(found) == pytest.approx(true, rel=0.06)


def test_weights_of_phone_people_count_by_their_squares():
    rng = np.random.default_rng(1)
    zone, scores = clustered(rng, 50, 10, 0.0)
    called = rng.integers(0, 50, 200)
    weight = rng.exponential(size=200)
    share = weight / weight.sum()
    placed = places((zone, called), None, (np.ones(500), weight))
    off = differences(scores, *placed, draws=4000, rng=rng)
    expected = scores.var() * (share @ share + 1 / 500)
    # 4,000 draws know a variance to 2.2 %; zones add what chance makes them differ by.
    assert off.var() == pytest.approx(expected, rel=0.12)


def test_draws_are_joint_over_scores():
    rng = np.random.default_rng(2)
    zone, scores = clustered(rng, 50, 10, 0.5)
    both = np.hstack([scores, -scores])
    placed = places((zone, zone[::4]), None, (np.ones(500), np.ones(125)))
    off = differences(both, *placed, draws=100, rng=rng)
    assert off[:, 0] == pytest.approx(-off[:, 1])


def test_without_zones_draws_are_of_independent_people():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(300, 1))
    region, called = np.repeat([0, 1], 150), np.repeat([0, 1], [80, 20])
    placed = places(None, (region, called), (np.ones(300), np.ones(100)))
    off = differences(scores, *placed, draws=4000, rng=rng)
    parts = [scores[region == h].var(ddof=1) for h in (0, 1)]
    mix = (0.8, 0.2)
    expected = sum(m / 100 * v + m**2 / 150 * v for m, v in zip(mix, parts, strict=True))
    # 4,000 draws know a variance to 2.2 %.
    assert off.var() == pytest.approx(expected, rel=0.08)


@pytest.mark.parametrize(
    ("zones", "regions"),
    [
        # A zone crosses regions; a region without people in person; regions that are zones.
        ((np.repeat(np.arange(4), 5), [0, 1]), (np.repeat([0, 1], [7, 13]), [0, 1])),
        ((np.repeat(np.arange(4), 5), [0, 9]), (np.repeat([0, 1], [10, 10]), [0, 2])),
        ((np.repeat(np.arange(4), 5), [0, 1]), (np.repeat(np.arange(4), 5), [0, 1])),
    ],
)
def test_regions_that_cannot_hold_draws_are_left_out(zones, regions):
    zones, regions = (tuple(map(np.asarray, pair)) for pair in (zones, regions))
    own, phone = places(zones, regions, (np.ones(20), np.ones(2)))
    assert set(own.stratum) == set(phone.stratum) == {0}
    assert np.unique(own.zone).size == 4
    assert own.weight.sum() == pytest.approx(1)


def test_one_person_a_zone_counts_as_no_zones():
    zones = np.arange(20), np.arange(5)
    own, _ = places(zones, None, (np.ones(20), np.ones(5)))
    assert set(own.zone) == {0}


def test_a_region_of_one_zone_borrows_the_others():
    rng = np.random.default_rng(4)
    zone, scores = clustered(rng, 40, 10, 1.0)
    region = np.minimum(zone // 13, 3)
    assert np.unique(zone[region == 3]).size == 1
    called = np.full(30, 39)
    placed = places((zone, called), (region, np.full(30, 3)), (np.ones(400), np.ones(30)))
    # All is in one zone, whether by phone or in person: it cancels, people do not.
    off = differences(scores, *placed, draws=2000, rng=rng)
    own = ((scores[zone == 39] - scores[zone == 39].mean()) ** 2).sum() / 10**2 * 400 / 360
    assert off.var() == pytest.approx(1 / 30 + own, rel=0.1)
    elsewhere = places((zone, called + 1), (region, np.full(30, 3)), (np.ones(400), np.ones(30)))
    again = differences(scores, *elsewhere, draws=2000, rng=rng)
    assert again.var() == pytest.approx(off.var() + 2.0, rel=0.35)


def test_p_values_count_draws_and_the_value_itself():
    draws = np.arange(1.0, 1001.0)[:, None]
    for value, expected in ((0.0, 2 / 1001), (24.5, 50 / 1001), (25.5, 52 / 1001), (500.5, 1.0)):
        assert two_sided(np.array([value]), draws)[0] == pytest.approx(min(expected, 1.0))
    values = np.random.default_rng(0).normal(size=(2000, 3))
    found = two_sided(values[0], values)
    exact = 2 * np.minimum(stats.norm.cdf(values[0]), stats.norm.sf(values[0]))
    # 2,000 draws.
    assert found == pytest.approx(exact, abs=0.05)
