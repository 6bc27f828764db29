"""What a design finds: its errors published, by R and simulated; by hand; beside reported ones."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from coopgap.checks.by_mode import PhoneStudy
from coopgap.checks.design import (
    SCENARIOS,
    detectable_gap,
    null_error,
    retrodesign,
    superiority_error,
)
from coopgap.core.vocabulary import Quantity, Verdict, Version
from coopgap.families.dispatch import headline_estimate
from coopgap.matching.dispatch import match
from coopgap.regression.shares import share_margins
from coopgap.study.spec import Matching

from .conftest import (
    build_rows,
    by_r,
    context_of,
    gap_of,
    keys_of,
    pick,
    rows_of,
    sample_of,
    with_outcome,
)

KNOWN = by_r("retrodesign")


def df_of(case):
    """R writes minus one for infinity."""
    return np.inf if case["df"] < 0 else case["df"]


@pytest.mark.parametrize(
    ("gap", "std_error", "power", "type_s", "type_m"),
    # Gelman & Carlin (2014), both examples. They simulate type M with 10,000 estimates, of which
    # some 500 are significant: its Monte Carlo error is about one in a hundred.
    [(0.1, 3.28, 0.05, 0.46, 77.0), (2.0, 8.1, 0.06, 0.24, 9.7)],
)
def test_published_examples(gap, std_error, power, type_s, type_m):
    found = retrodesign(gap, std_error)
    assert found.power == pytest.approx(power, abs=5e-3)
    assert found.type_s == pytest.approx(type_s, abs=5e-3)
    assert found.type_m == pytest.approx(type_m, rel=0.02)


@pytest.mark.parametrize("case", KNOWN["designs"])
def test_integrals_of_r(case):
    found = retrodesign(case["gap"], case["std_error"], df=df_of(case))
    assert found.power == pytest.approx(case["power"], rel=1e-9)
    assert found.type_s == pytest.approx(case["type_s"], rel=1e-7)
    assert found.type_m == pytest.approx(case["type_m"], rel=1e-8)
    smallest = detectable_gap(case["std_error"], df=df_of(case))
    assert smallest == pytest.approx(case["detectable"], rel=1e-9)


@pytest.mark.parametrize(("df", "gap"), [(np.inf, 0.03), (12.0, 0.03), (12.0, -0.06)])
def test_shares_of_simulated_estimates(df, gap):
    rng = np.random.default_rng(2)
    noise = rng.normal(size=400_000) if np.isinf(df) else rng.standard_t(df, 400_000)
    estimate = gap + 0.03 * noise
    found = np.abs(estimate) > 0.03 * stats.t.ppf(0.975, df)
    there = retrodesign(gap, 0.03, df=df)
    # Four Monte Carlo errors each.
    share = found.mean()
    assert abs(there.power - share) < 4 * np.sqrt(share * (1 - share) / 400_000)
    wrong = np.sign(estimate[found]) != np.sign(gap)
    error = np.sqrt(there.type_s * (1 - there.type_s) / found.sum())
    assert abs(there.type_s - wrong.mean()) < 4 * error
    sizes = np.abs(estimate[found]) / abs(gap)
    assert abs(there.type_m - sizes.mean()) < 4 * sizes.std() / found.sum() ** 0.5


@pytest.mark.parametrize("df", [3.0, 99.0, np.inf])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_detectable_gap_has_the_power_it_promises(df, power):
    gap = detectable_gap(0.02, df=df, power=power)
    assert retrodesign(gap, 0.02, df=df).power == pytest.approx(power)


def test_no_mean_no_exaggeration_and_no_gap_no_answer():
    assert retrodesign(0.05, 0.02, df=1.0).type_m == np.inf
    with pytest.raises(ValueError, match="neither may be zero"):
        retrodesign(0.0, 0.02)
    with pytest.raises(ValueError, match="neither may be zero"):
        retrodesign(0.05, 0.0)


def test_superiority_of_two_samples_alike():
    counts = np.array(KNOWN["counts"])
    size = counts.sum()
    found = superiority_error(counts / size, size, size)
    # wilcox.test counts the people without replacement: N + 1 and N(N - 1) in place of N and N².
    assert found == pytest.approx(KNOWN["superiority_error"], rel=2 / size)
    rng = np.random.default_rng(3)
    draws = rng.multinomial(300, counts / size, (20_000, 2)) / 300
    below = np.cumsum(draws[:, 1], axis=1) - draws[:, 1] / 2
    values = (draws[:, 0] * below).sum(axis=1)
    # Monte Carlo error of a standard deviation of 20,000: half a percent.
    assert superiority_error(counts / size, 300, 300) == pytest.approx(values.std(), rel=0.02)


def test_two_levels_are_half_the_difference():
    shares = np.array([0.7, 0.3])
    difference = np.sqrt(0.7 * 0.3 * (1 / 200 + 1 / 300))
    assert superiority_error(shares, 200, 300) == pytest.approx(difference / 2)


def make_sample(*, zone_sd=0.0, size=20, zones=60, seed=3, gap=0.15):
    """People of one stratum, so that the matched gap is the plain difference of two shares."""
    rng = np.random.default_rng(seed)
    zone = np.repeat(np.arange(zones), size)
    member = np.tile([True, False], zones * size // 2)
    level = 0.45 + zone_sd * rng.standard_normal(zones)[zone]
    outcome = rng.random(zone.size) < np.clip(level + gap * member * (zone % 2), 0.02, 0.98)
    rows = build_rows({"one": np.zeros(zone.size)}, member, outcome, zone=zone, sizes={"one": 1})
    return sample_of(rows, ())


def effects_of(sample, at=""):
    return rows_of("design_effect", context_of(sample, keys=keys_of(sample.rows, at)))


def simple_error(rows):
    """Of the difference of two shares of independent people."""
    people = rows.people_by_level()
    shares = people[:, 1] / people.sum(axis=1)
    return float(np.sum(shares * (1 - shares) / people.sum(axis=1)) ** 0.5)


def test_the_independent_variance_is_that_of_two_binomial_shares():
    sample = make_sample(zone_sd=0.1)
    simple = simple_error(sample.rows)
    scenarios = effects_of(sample)[1:]
    assert [row.variant for row in scenarios] == [f"design effect {f:g}" for f in SCENARIOS]
    assert [row.setting for row in scenarios] == list(SCENARIOS)
    for row, factor in zip(scenarios, SCENARIOS, strict=True):
        assert row.std_error == pytest.approx(simple * factor**0.5, rel=1e-9)
        assert row.upper - row.lower == pytest.approx(2 * 1.959964 * row.std_error, rel=1e-6)


def test_gaps_that_differ_between_zones_raise_it_and_shared_levels_lower_it():
    """Levels that both groups of a zone share cancel in the gap; gaps of zones do not."""
    shared = effects_of(make_sample(zone_sd=0.25, gap=0.0))[0].estimate
    differing = effects_of(make_sample(gap=0.5))[0].estimate
    assert shared < 0.9
    assert differing > 1.3


def test_of_more_levels_the_declared_threshold_has_the_scenarios():
    sample = make_sample()
    rng = np.random.default_rng(1)
    outcome = sample.rows.outcome + (rng.random(sample.rows.n) < 0.4)
    levels = ("E", "D", "C")
    sample = with_outcome(sample, outcome, levels=levels)
    matched = headline_estimate(sample)
    for at, quantity in ((">=C", Quantity.RISK_DIFFERENCE), ("", Quantity.SUPERIORITY)):
        rows = effects_of(sample, at)
        assert {row.category for row in rows} == {at}
        assert {row.quantity for row in rows[1:]} == {quantity}
        assert {row.estimate for row in rows[1:]} == {matched.at(at, quantity).estimate}


def test_a_stated_design_effect_widens_and_concludes_nothing():
    """The estimate stays, so that there is no other one to compare."""
    found = effects_of(make_sample(gap=0.16))
    assert {row.verdict for row in found} == {None}
    assert found[1].quantity is Quantity.RISK_DIFFERENCE
    widths = [row.upper - row.lower for row in found[1:]]
    assert np.array(widths) / widths[0] == pytest.approx(np.sqrt(SCENARIOS))


def test_without_zones_it_does_not_apply():
    sample = make_sample()
    sample = replace(sample, rows=replace(sample.rows, zone=None))
    (row,) = effects_of(sample)
    assert row.verdict is Verdict.NOT_APPLICABLE


def test_people_of_chosen_pairs_are_independent_too():
    # Nearest pairs across zones with answers alike within pairs: clustered on the sets the
    # variance would not be that of two binomial shares.
    sample = make_sample(zone_sd=0.3)
    paired = replace(sample, matched=match(sample.rows, Matching(method="nearest", on=("one",))))
    simple = simple_error(paired.rows.take(paired.kept))
    assert paired.matched.n_sets > 100
    alone = effects_of(paired)[1]
    assert alone.variant == "design effect 1"
    assert alone.std_error == pytest.approx(simple, rel=1e-9)


def designs_of(data, gap=0.05, sample=None, at="", **fitting):
    sample = sample or sample_of(data.in_person, **fitting)
    keys = keys_of(data.in_person, at)
    return rows_of("design_analysis", context_of(sample, keys=keys, smallest_gap=gap, phone=data))


def find(rows, variant, quantity="smallest_detectable", category=""):
    return pick(rows, variant=variant, quantity=quantity, category=category)


def without(data):
    return replace(data, phone=data.phone.take(np.zeros(data.phone.n, dtype=np.bool_)))


def test_rows_of_a_binary_outcome(make_phone):
    data = make_phone(np.random.default_rng(1), zones=60)
    found = designs_of(data)
    assert {(row.variant, row.quantity) for row in found} == {
        *(
            (v, q)
            for v in (Version.IN_PERSON, Version.PHONE_IN_PLACE, Version.PHONE_AGAINST)
            for q in ("type_s", "type_m")
        ),
        *(
            (v, "smallest_detectable")
            for v in (Version.IN_PERSON, Version.PHONE_IN_PLACE, Version.PHONE_AGAINST)
        ),
        *((f"design effect {f}", "smallest_detectable") for f in ("1", "1.5", "2")),
    }
    for variant in (Version.IN_PERSON, Version.PHONE_IN_PLACE, Version.PHONE_AGAINST):
        row = find(found, variant)
        there = retrodesign(0.05, row.std_error, df=59)
        assert row.estimate == pytest.approx(detectable_gap(row.std_error, df=59), rel=1e-6)
        assert row.threshold == 0.05
        assert row.power == pytest.approx(there.power, rel=1e-6)
        assert find(found, variant, "type_s").estimate == pytest.approx(there.type_s, rel=1e-4)
        assert find(found, variant, "type_m").estimate == pytest.approx(there.type_m, rel=1e-6)
    # 250 interviews find less than 600.
    assert find(found, Version.PHONE_IN_PLACE).estimate > find(found, Version.IN_PERSON).estimate


def test_simple_random_sample_by_hand(make_phone):
    data = without(make_phone(np.random.default_rng(2), zones=60))
    found, sample = designs_of(data), sample_of(data.in_person)
    rows, weight = data.in_person, sample.weight
    share = rows.outcome[rows.member].mean()
    weight = weight[~rows.member]
    ess = weight.sum() ** 2 / (weight**2).sum()
    error = np.sqrt(share * (1 - share) * (1 / rows.member.sum() + 1 / ess))
    for factor in (1, 1.5, 2):
        row = find(found, f"design effect {factor:g}")
        assert row.setting == factor
        assert row.std_error == pytest.approx(error * factor**0.5, rel=1e-3)
        assert row.estimate == pytest.approx(2.801585 * error * factor**0.5, rel=1e-3)


def test_at_no_gap_the_standard_error_is_the_reported_one(make_phone):
    # Shares made alike by hand: nothing has to be moved.
    data = without(make_phone(np.random.default_rng(3), gap=0.0, zones=60))
    sample = sample_of(data.in_person)
    row = find(designs_of(data), Version.IN_PERSON)
    _, reported = gap_of(headline_estimate(sample))
    assert abs(reported.estimate) < 0.05
    assert row.std_error == pytest.approx(reported.std_error, rel=0.02)


def test_null_error_by_hand():
    # Independent people: variances of two shares, the second one's at the first one's share.
    outcome = np.concatenate([np.repeat([1, 0], [240, 360]), np.repeat([1, 0], [50, 200])])
    margins = share_margins(outcome, np.arange(850) < 600, np.ones(850), 2)
    by_hand = np.sqrt(0.4 * 0.6 / 600 + 0.4 * 0.6 / 250)
    assert null_error(margins, 1) == pytest.approx(by_hand)
    everybody = share_margins(
        np.where(np.arange(850) < 600, outcome, 1), np.arange(850) < 600, np.ones(850), 2
    )
    assert np.isnan(null_error(everybody, 1))


def test_null_error_keeps_the_design_effect():
    # Everybody of a zone answers alike: five people a zone have a design effect of five.
    rng = np.random.default_rng(4)
    zone = np.repeat(np.arange(400), 5)
    member = zone < 200
    outcome = (rng.random(400) < np.where(np.arange(400) < 200, 0.5, 0.2))[zone].astype(int)
    found = null_error(share_margins(outcome, member, np.ones(2000), 2, zone), 1)
    share = outcome[member].mean()
    assert found == pytest.approx(np.sqrt(5 * 2 * share * (1 - share) / 1000), rel=5e-3)


def test_simulated_surveys_find_the_detectable_gap_four_times_in_five(make_rows):
    # Members' share a half, 60 zones that differ in level. The gap worked out from surveys
    # without one is then put into new surveys.
    rng = np.random.default_rng(5)

    def draw(gap):
        zone, member = rng.integers(0, 60, 900), rng.random(900) < 0.5
        level = 0.5 + rng.normal(0, 0.05, 60)[zone] - gap * ~member
        outcome = (rng.random(900) < level).astype(int)
        rows = make_rows({"age": np.zeros(900)}, member, outcome, zone=zone, sizes={"age": 1})
        return sample_of(rows, ())

    smallest = []
    for _ in range(30):
        sample = draw(0.15)
        data = PhoneStudy(in_person=sample.rows, phone=sample.rows.take(np.zeros(900, bool)))
        smallest.append(find(designs_of(data, sample=sample), Version.IN_PERSON).estimate)
    gap = float(np.mean(smallest))
    found = [gap_of(headline_estimate(draw(gap)))[1].p_value < 0.05 for _ in range(600)]
    # Monte Carlo error 1.6 percent, three of them; the errors of surveys vary about their mean.
    assert abs(np.mean(found) - 0.8) < 0.05
    assert gap == pytest.approx(2.82 * np.sqrt(0.25 * 4 / 900), rel=0.05)


def test_ordered_outcomes_have_thresholds_and_superiority(make_phone):
    data = make_phone(np.random.default_rng(6), n_levels=3, zones=60)
    found = designs_of(data)
    assert {row.category for row in found} == {"", ">=C", ">=D"}
    whole = [row for row in found if not row.category]
    assert {row.quantity for row in whole} == {"smallest_superiority"}
    assert {row.threshold for row in whole} == {None}
    row = find(found, Version.IN_PERSON, "smallest_superiority")
    assert row.estimate - 0.5 == pytest.approx(detectable_gap(row.std_error, df=59), rel=1e-6)
    assert find(found, Version.PHONE_IN_PLACE, category=">=C").estimate > 0


def test_a_declared_threshold_is_set_beside_simple_random_samples(make_phone):
    data = without(make_phone(np.random.default_rng(6), n_levels=3, zones=60))
    found, weight = designs_of(data, at=">=C"), sample_of(data.in_person).weight
    simple = {row.category for row in found if row.variant.startswith("design effect")}
    assert simple == {">=C"}
    rows = data.in_person
    share = (rows.outcome[rows.member] == 2).mean()
    ess = weight[~rows.member].sum() ** 2 / (weight[~rows.member] ** 2).sum()
    error = np.sqrt(share * (1 - share) * (1 / rows.member.sum() + 1 / ess))
    assert find(found, "design effect 1", category=">=C").std_error == pytest.approx(
        error, rel=0.01
    )
    assert find(found, Version.IN_PERSON, "smallest_superiority").estimate > 0.5


def test_reported_degrees_of_freedom_are_used(make_phone):
    # CR2 has Satterthwaite's, fewer than G - 1.
    data = without(make_phone(np.random.default_rng(7), zones=12))
    row = find(designs_of(data), Version.IN_PERSON)
    assert row.estimate > detectable_gap(row.std_error, df=11)
    assert row.estimate < detectable_gap(row.std_error, df=3)
    assert stats.t.ppf(0.975, 11) < row.estimate / row.std_error


def test_no_estimate_no_answer(make_phone):
    (row,) = designs_of(make_phone(np.random.default_rng(8), zones=3))
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert "3 zones" in row.note


def test_phone_that_cannot_be_balanced_says_so(make_phone):
    data = make_phone(np.random.default_rng(9))
    old = data.phone.factors["age"] * 0 + 2
    data = replace(
        data,
        phone=replace(data.phone, factors={"age": old}, zone=np.zeros(250, int)),
        in_person=replace(data.in_person, zone=np.zeros(1200, int)),
    )
    found = designs_of(data, std_errors="HC0")
    blank = [row for row in found if row.verdict is Verdict.NOT_ASSESSED]
    assert {row.variant for row in blank} == {Version.PHONE_IN_PLACE, Version.PHONE_AGAINST}
    assert all("1 zones on one side are too few" in row.note for row in blank)
