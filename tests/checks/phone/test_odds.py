"""Phone answers as odds and latent shifts: R (tests/r/phone.R), by hand, and by simulation."""

from dataclasses import replace

import numpy as np
import pytest

from coopgap.checks.balance import stack
from coopgap.checks.phone.equivalence import odds_ratio_rows, phone_fit, phone_shifts
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow
from coopgap.core.vocabulary import Check, Verdict

from ..conftest import by_r

EXPECTED = by_r("phone")["odds_ratio"]
BASE = SensitivityRow(check=Check.PHONE_EQUIVALENCE, model="m", outcome="y", source="s")


@pytest.mark.parametrize("variant", ["unadjusted", "adjusted"])
def test_clm_with_clusters(example_phone, variant):
    data, sample = example_phone("ses")
    both = stack(data.called, data.comparison)
    rows = odds_ratio_rows(both, sample.covariates, BASE)
    (row,) = [row for row in rows if row.variant == variant]
    expected = EXPECTED[variant]
    assert data.comparison.n + data.called.n == expected["n"]
    assert np.log(row.estimate) == pytest.approx(expected["log_odds"], rel=1e-8)
    # Both CR1: 100 zones are not few.
    assert row.std_error == pytest.approx(expected["std_error"], rel=1e-6)
    half = 1.660391156 * expected["std_error"]  # t, 99 degrees of freedom, 90 %
    assert np.log([row.lower, row.upper]) == pytest.approx(
        expected["log_odds"] + half * np.array([-1, 1]), rel=1e-7
    )
    assert (row.interval_prob, row.category) == (0.9, "")


def test_two_levels_without_covariates_by_hand(make_rows):
    rows = make_rows(
        {}, np.repeat([True, False], [60, 100]), [1] * 25 + [0] * 35 + [1] * 30 + [0] * 70
    )
    found = phone_fit(rows, ())
    assert found.fit.slopes == pytest.approx([np.log(25 * 70 / (35 * 30))], rel=1e-9)
    woolf = np.sqrt(1 / 25 + 1 / 35 + 1 / 30 + 1 / 70)
    assert found.covariance.cov[0, 0] ** 0.5 == pytest.approx(woolf, rel=1e-9)


def test_adjusting_takes_the_younger_phone_people_out(make_rows):
    # Log odds 0.9 a level of age and 0.5 by phone; phone people are younger.
    rng = np.random.default_rng(0)
    found = {"unadjusted": [], "adjusted": []}
    for _ in range(60):
        age = np.concatenate(
            [rng.choice(3, 250, p=[0.6, 0.3, 0.1]), rng.choice(3, 1000, p=[0.4, 0.35, 0.25])]
        )
        phone = np.arange(1250) < 250
        latent = 0.9 * age + 0.5 * phone + rng.logistic(size=1250)
        rows = make_rows({"age": age}, phone, np.searchsorted([0.0, 1.0, 2.2], latent), n_levels=4)
        for row in odds_ratio_rows(rows, ("age",), BASE):
            found[row.variant].append((np.log(row.estimate), row.lower < np.exp(0.5) < row.upper))
    means = {name: np.mean([one[0] for one in values]) for name, values in found.items()}
    # Monte Carlo error of a mean is about .017: standard error .13 over the root of 60.
    assert means["adjusted"] == pytest.approx(0.5, abs=0.05)
    assert means["unadjusted"] < 0.35
    # 90 % of 60 intervals; three Monte Carlo errors are .12.
    assert np.mean([one[1] for one in found["adjusted"]]) > 0.78


def test_no_odds_ratio_is_said(make_rows):
    rows = make_rows({}, np.arange(40) < 20, [1] * 40, n_levels=3)
    found = list(odds_ratio_rows(rows, (), BASE))
    assert {row.verdict for row in found} == {Verdict.NOT_ASSESSED}
    assert all("same answer" in row.note and row.estimate is None for row in found)


def test_phone_people_in_few_zones_have_their_own_degrees_of_freedom(make_phone):
    # 100 zones in person, phone people in eight of them: CR1 with t(99) would be too narrow.
    data = make_phone(np.random.default_rng(6), n=(50, 1000, 400), zones=100)
    few = data.phone.take(data.phone.zone < 8)
    found = phone_fit(stack(few, data.comparison), ())
    assert found.kind == "CR2"
    assert found.covariance.coefficient_df[0] < 20
    with pytest.raises(NotEstimable, match="5 zones on one side"):
        phone_fit(stack(few.take(few.zone < 5), data.comparison), ())


def test_without_covariates_the_shift_is_the_log_odds_ratio(make_phone):
    data = make_phone(np.random.default_rng(1), shift=0.1, zones=60)
    found = phone_shifts(replace(data, covariates=()))[""]
    p, q = data.called.outcome.mean(), data.comparison.outcome.mean()
    assert found.estimate == pytest.approx(np.log(p / (1 - p) * (1 - q) / q), abs=1e-8)
    # By hand: influences of the two log odds, summed by zone, CR1 and t(G - 1), 90 percent.
    zone = np.concatenate([data.called.zone, data.comparison.zone])
    unit = np.concatenate(
        [
            (data.called.outcome - p) / (p * (1 - p) * data.called.n),
            -(data.comparison.outcome - q) / (q * (1 - q) * data.comparison.n),
        ]
    )
    sums = np.bincount(zone, unit)
    error = np.sqrt(60 / 59 * np.sum(sums**2))
    assert found.std_error == pytest.approx(error, rel=1e-6)
    assert found.upper - found.estimate == pytest.approx(1.671093 * error, rel=1e-5)


def test_covariates_are_held(make_phone):
    # Phone people are younger, the young answer lower: unadjusted the phone looks lower.
    data = make_phone(np.random.default_rng(2), n=(600, 6000, 6000), young_phone=True, zones=60)
    plain, held = (phone_shifts(replace(data, covariates=names))[""] for names in ((), ("age",)))
    assert plain.upper < 0
    assert held.lower < 0 < held.upper


def test_one_shift_for_all_thresholds_and_one_each(make_phone):
    data = make_phone(np.random.default_rng(3), n_levels=4, shift=0.15, zones=60)
    found = phone_shifts(data)
    assert list(found) == ["", ">=B", ">=C", ">=D"]
    each = [found[name].estimate for name in (">=B", ">=C", ">=D")]
    assert min(each) < found[""].estimate < max(each)


def test_nobody_called_gives_nothing_and_few_give_a_reason(make_phone):
    data = make_phone(np.random.default_rng(4))
    nobody = replace(data, phone=data.phone.take(np.zeros(data.phone.n, dtype=np.bool_)))
    assert phone_shifts(nobody) == {}
    few = phone_shifts(make_phone(np.random.default_rng(4), n=(50, 50, 12)))
    assert few[""].std_error > 0
    zones = phone_shifts(make_phone(np.random.default_rng(4), zones=3))
    assert "3 zones on one side are too few" in zones[""]


def test_interval_holds_the_true_shift(make_phone):
    # 200 surveys of independent people, true log odds ratio known: 90 percent, Monte Carlo
    # error 2.1 percent, three of them.
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(200):
        called, other = rng.random(250) < 0.4, rng.random(1000) < 0.3
        data = make_phone(rng, n=(10, 1000, 250))
        own = np.concatenate([np.zeros(10, int), other * 1])
        data = replace(
            data,
            in_person=replace(data.in_person, outcome=own),
            phone=replace(data.phone, outcome=called * 1),
            covariates=(),
        )
        found = phone_shifts(data)[""]
        inside += found.lower < np.log(0.4 / 0.6 * 0.7 / 0.3) < found.upper
    assert abs(inside / 200 - 0.9) < 0.064
