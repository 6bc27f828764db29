"""The smallest gap a design finds: by hand, by simulation, beside the reported errors."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from coopgap.checks.by_mode import PhoneStudy
from coopgap.checks.design_analysis import null_error
from coopgap.checks.retrodesign import detectable_gap, retrodesign
from coopgap.core.vocabulary import Verdict, Version
from coopgap.families.dispatch import headline_estimate
from coopgap.regression.shares import share_margins

from .conftest import context_of, gap_of, keys_of, pick, rows_of, sample_of


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
