"""Two one-sided tests, odds and latent shifts: published, R, by hand, by simulation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from coopgap.checks.balance import stack
from coopgap.checks.by_mode import PhoneStudy
from coopgap.checks.phone.equivalence import odds_ratio_rows, phone_fit, phone_shifts
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow
from coopgap.core.tost import (
    power_at_zero,
    smallest_margin,
    smallest_possible,
    two_one_sided,
    verdict_over_all,
)
from coopgap.core.vocabulary import Check, Verdict

from ..conftest import by_r, phone_rows, pick


def rows_of(data, margin):
    return phone_rows(Check.PHONE_EQUIVALENCE, data, margin=margin)


def test_plain_difference_by_hand(make_phone):
    data = make_phone(np.random.default_rng(0))
    rows = rows_of(data, 0.1)
    row = pick(rows, variant="unadjusted", quantity="risk_difference")
    p, q = data.phone.outcome.mean(), data.comparison.outcome.mean()
    error = np.sqrt(p * (1 - p) / 250 + q * (1 - q) / 600)
    assert row.estimate == pytest.approx(p - q)
    assert row.std_error == pytest.approx(error)
    assert row.upper - row.lower == pytest.approx(2 * 1.6448536 * error)
    assert row.interval_prob == 0.9
    assert row.threshold == 0.1
    assert row.category == ""


def test_adjusting_takes_the_younger_phone_sample_out(make_phone):
    # Age moves the answer by 10 points a level and phone people are younger: the plain difference
    # is about -3.5 points, the adjusted one is the mode shift of 8.
    rng = np.random.default_rng(1)
    found = {"unadjusted": [], "adjusted": []}
    for _ in range(40):
        data = make_phone(rng, young_phone=True, shift=0.08, n=(50, 600, 400))
        rows = rows_of(data, None)
        for variant, values in found.items():
            row = pick(rows, variant=variant, quantity="risk_difference")
            values.append(row.estimate)
    means = {variant: np.mean(values) for variant, values in found.items()}
    # Monte Carlo error of each mean is about .005.
    assert means["adjusted"] == pytest.approx(0.08, abs=0.016)
    assert means["unadjusted"] == pytest.approx(0.08 - 0.035, abs=0.016)


@pytest.mark.parametrize(("shift", "least", "most"), [(0.0, 0.02, 0.10), (0.15, 0.90, 1.0)])
def test_a_mode_shift_is_found_at_its_rate(make_phone, shift, least, most):
    # Without a shift a difference is claimed at 5 % (three Monte Carlo errors of 200: .05), with
    # 15 points (4 standard errors) nearly always.
    rng = np.random.default_rng(2)
    claimed = []
    for _ in range(200):
        data = make_phone(rng, shift=shift, n=(10, 600, 250), zones=40)
        row = pick(rows_of(data, 0.02), variant="adjusted", quantity="risk_difference")
        claimed.append(row.verdict in (Verdict.DIFFERENT, Verdict.DIFFERENT_WITHIN_MARGIN))
    assert least <= np.mean(claimed) <= most


def test_undeclared_margin_is_not_assessed_and_says_what_could_be(make_phone):
    data = make_phone(np.random.default_rng(3))
    rows = rows_of(data, None)
    row = pick(rows, variant="unadjusted", quantity="risk_difference")
    assert row.verdict is Verdict.NOT_ASSESSED
    assert row.p_value is None
    assert row.power is None
    assert row.threshold == pytest.approx(2.926405 * row.std_error, rel=1e-6)


def test_ordinal_outcome_has_a_row_a_threshold_and_one_over_all(make_phone):
    data = make_phone(np.random.default_rng(4), n_levels=3, zones=30)
    rows = rows_of(data, 0.3)
    plain = [row for row in rows if row.variant == "unadjusted"]
    assert [(row.quantity, row.category) for row in plain] == [
        ("risk_difference", ">=C"),
        ("risk_difference", ">=D"),
        ("superiority", ""),
        ("largest_difference", ""),
        ("cumulative_odds_ratio", ""),
    ]
    # Whichever each threshold says, all are far within 30 points.
    assert plain[3].p_value == max(row.p_value for row in plain[:2])
    assert plain[3].verdict in (Verdict.EQUIVALENT, Verdict.DIFFERENT_WITHIN_MARGIN)
    assert all(row.power > 0.999 for row in plain[:2])
    assert plain[3].power is None


def printed_trust(make_rows, margin):
    """The printed trust question, 27 % of 1,003 in person and of 250 by phone."""
    in_person = make_rows(
        {"age": [0] * 2007},
        np.repeat([True, False], [1004, 1003]),
        np.concatenate([np.ones(402), np.zeros(602), np.ones(271), np.zeros(732)]),
    )
    phone = make_rows({"age": [0] * 250}, [False] * 250, np.repeat([1, 0], [68, 182]))
    return rows_of(PhoneStudy(in_person=in_person, phone=phone, covariates=("age",)), margin)


@pytest.mark.parametrize(
    ("margin", "power", "power_clustered"), [(0.05, 0, 0), (0.07, 0.44, 0.14), (0.10, 0.88, 0.66)]
)
def test_power_and_the_margin_below_which_there_is_none(make_rows, margin, power, power_clustered):
    rows = printed_trust(make_rows, margin)
    for variant, expected in (("design effect 1", power), ("design effect 1.5", power_clustered)):
        asked = pick(rows, variant=variant, quantity="smallest_margin")
        # Two printed digits; 271 of 1,003 is not quite 27 %.
        assert asked.power == pytest.approx(expected, abs=6e-3)
        possible = pick(rows, variant=variant, quantity="smallest_margin_possible")
        assert possible.power == 0.0
        assert (asked.power == 0) == (margin <= possible.estimate)
    # Five points could never have been confirmed: 5.2 is the least that could.
    possible = pick(rows, variant="design effect 1", quantity="smallest_margin_possible")
    assert possible.estimate == pytest.approx(
        1.6448536 * np.sqrt(271 / 1003 * (732 / 1003) * (1 / 250 + 1 / 1003)), rel=1e-7
    )
    assert 0.0515 < possible.estimate < 0.0525
    scenario = [row for row in rows if row.quantity == "smallest_margin"]
    assert [row.setting for row in scenario] == [1.0, 1.5, 2.0]
    # 2.926 standard errors; 271 of 1,003 is not quite .27.
    error = np.sqrt(0.27 * 0.73 * (1 / 250 + 1 / 1003))
    assert scenario[2].estimate == pytest.approx(2.9264 * error * np.sqrt(2), rel=1e-3)


@pytest.mark.parametrize("n_levels", [2, 4])
def test_the_margin_below_which_there_is_no_power_needs_no_declared_margin(make_phone, n_levels):
    data = make_phone(np.random.default_rng(8), n_levels=n_levels)
    rows = rows_of(data, None)
    for quantity in ("smallest_margin", "smallest_margin_possible"):
        found = [row for row in rows if row.quantity == quantity]
        assert len(found) == 3 * (n_levels - 1)
        assert len({(row.variant, row.category) for row in found}) == len(found)


def four_levels(make_rows, in_person, phone):
    """No members; both modes with the numbers given at E, D, C and B."""
    codes = np.repeat(np.arange(4), in_person)
    person = make_rows(
        {"age": np.zeros(codes.size + 20)},
        np.arange(codes.size + 20) < 20,
        np.r_[np.arange(20) % 4, codes],
        n_levels=4,
    )
    called = np.repeat(np.arange(4), phone)
    by_phone = make_rows({"age": np.zeros(called.size)}, called < 0, called, n_levels=4)
    return PhoneStudy(in_person=person, phone=by_phone)


def test_a_threshold_of_few_people_counts_in_the_verdict_over_all(make_rows):
    # At D or higher all are alike; at C or higher five people called, 18 points fewer.
    data = four_levels(make_rows, (500, 300, 100, 100), (125, 120, 0, 5))
    rows = rows_of(data, 0.1)
    assert pick(rows, variant="unadjusted", category=">=D").verdict is Verdict.EQUIVALENT
    assert pick(rows, variant="unadjusted", category=">=C").estimate == pytest.approx(-0.18)
    whole = pick(rows, variant="unadjusted", quantity="largest_difference")
    assert whole.verdict is Verdict.DIFFERENT
    assert whole.estimate == pytest.approx(-0.18)


@pytest.mark.parametrize(("lost", "words"), [(100, "100 of 1,000"), (3, "3 of 1,000")])
def test_adjusted_rows_say_whom_they_leave_out(make_rows, lost, words):
    age = np.r_[np.zeros(20), np.zeros(1000 - lost), np.ones(lost)]
    outcome = np.arange(1020) % 2
    person = make_rows({"age": age}, np.arange(1020) < 20, outcome, sizes={"age": 2})
    phone = make_rows({"age": np.zeros(250)}, [False] * 250, np.arange(250) % 2, sizes={"age": 2})
    rows = rows_of(PhoneStudy(in_person=person, phone=phone, covariates=("age",)), 0.1)
    assert words in pick(rows, variant="adjusted", quantity="risk_difference").note
    assert "Left out" not in pick(rows, variant="unadjusted", quantity="risk_difference").note


def test_where_nobody_differs_there_is_no_error_to_test_with(make_rows):
    in_person = make_rows({"age": [0] * 40}, np.arange(40) < 20, [0] * 40)
    phone = make_rows({"age": [0] * 20}, [False] * 20, [0] * 20)
    rows = rows_of(PhoneStudy(in_person=in_person, phone=phone, covariates=("age",)), 0.1)
    row = pick(rows, variant="unadjusted", quantity="risk_difference")
    assert (row.verdict, row.estimate, row.p_value) == (Verdict.NOT_ASSESSED, 0.0, None)
    assert (row.std_error, row.lower, row.upper, row.interval_prob) == (None,) * 4
    assert not [row for row in rows if row.quantity == "smallest_margin"]


def test_without_a_standard_error_the_note_names_the_cause(make_rows):
    # Half agree in every zone and mode: nothing varies. Powers of two leave no rounding.
    person = make_rows({}, np.arange(512) < 256, np.arange(512) % 2, zone=np.arange(512) // 2 % 16)
    phone = make_rows({}, [False] * 128, np.arange(128) % 2, zone=np.arange(128) // 2 % 16)
    rows = rows_of(PhoneStudy(in_person=person, phone=phone), 0.1)
    row = pick(rows, variant="unadjusted", quantity="risk_difference")
    assert row.std_error is None
    assert row.verdict is Verdict.NOT_ASSESSED
    assert "No margin" not in row.note
    assert "no standard error" in row.note


def simple_error(p, n, q, m):
    return (p * (1 - p) / n + q * (1 - q) / m) ** 0.5


def test_published_p_value():
    # TOSTER's own test: .65 against .70, n = 100 each, margin .10 (z statistic, unpooled).
    found = two_one_sided(-0.05, simple_error(0.65, 100, 0.70, 100), 0.10)
    assert found.p_equivalence == pytest.approx(0.224846, abs=5e-7)
    assert found.verdict is Verdict.INCONCLUSIVE


def test_power_is_the_share_of_simulated_confirmations():
    rng = np.random.default_rng(7)
    std_error, margin = 0.03, 0.07
    estimates = rng.normal(0, std_error, 40_000)
    rejected = (np.abs(estimates) + stats.norm.ppf(0.95) * std_error) < margin
    # Monte Carlo error .0025.
    assert power_at_zero(std_error, margin) == pytest.approx(rejected.mean(), abs=0.008)


@pytest.mark.parametrize("df", [9.0, 99.0, np.inf])
def test_smallest_margin_has_the_power_it_promises(df):
    margin = smallest_margin(0.03, df=df)
    assert power_at_zero(0.03, margin, df=df) == pytest.approx(0.8)


@pytest.mark.parametrize("df", [9.0, 99.0, np.inf])
def test_up_to_the_smallest_possible_margin_nothing_is_ever_confirmed(df):
    margin = smallest_possible(0.03, df=df)
    assert power_at_zero(0.03, margin, df=df) == 0.0
    assert power_at_zero(0.03, 0.5 * margin, df=df) == 0.0
    assert power_at_zero(0.03, margin * 1.001, df=df) > 0
    # The luckiest finding, no difference at all, is confirmed just above it and not below.
    for factor, confirmed in ((0.999, False), (1.001, True)):
        assert (two_one_sided(0.0, 0.03, factor * margin, df=df).p_equivalence < 0.05) is confirmed


@pytest.mark.parametrize(
    ("estimate", "std_error", "verdict"),
    [
        (0.00, 0.02, Verdict.EQUIVALENT),
        (0.03, 0.01, Verdict.DIFFERENT_WITHIN_MARGIN),
        (0.12, 0.02, Verdict.DIFFERENT),
        (0.05, 0.04, Verdict.INCONCLUSIVE),
        (-0.03, 0.01, Verdict.DIFFERENT_WITHIN_MARGIN),
    ],
)
def test_verdicts(estimate, std_error, verdict):
    found = two_one_sided(estimate, std_error, 0.07, df=99)
    assert found.verdict is verdict
    inside = max(-found.lower, found.upper) < 0.07
    assert inside == (found.p_equivalence < 0.05)


def test_without_a_margin_nothing_is_assessed_but_the_smallest_margin_is_there():
    found = two_one_sided(0.2, 0.02, None)
    assert found.verdict is Verdict.NOT_ASSESSED
    assert np.isnan(found.p_equivalence)
    assert np.isnan(found.power)
    # 1.644854 + 1.281552 standard errors.
    assert found.smallest_margin == pytest.approx(0.02 * 2.926405, rel=1e-6)


def test_without_a_standard_error_nothing_is_assessed():
    assert two_one_sided(0.0, 0.0, 0.05).verdict is Verdict.NOT_ASSESSED


def test_type_one_error_at_the_margin_is_nominal():
    # A true difference at the margin is declared equivalent in 5 % of samples.
    rng = np.random.default_rng(11)
    estimates = rng.normal(0.10, 0.02, 4000)
    wrong = np.mean([two_one_sided(value, 0.02, 0.10).p_equivalence < 0.05 for value in estimates])
    assert wrong == pytest.approx(0.05, abs=0.0105)  # three Monte Carlo errors


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([Verdict.EQUIVALENT, Verdict.EQUIVALENT], Verdict.EQUIVALENT),
        ([Verdict.EQUIVALENT, Verdict.DIFFERENT_WITHIN_MARGIN], Verdict.DIFFERENT_WITHIN_MARGIN),
        ([Verdict.EQUIVALENT, Verdict.INCONCLUSIVE], Verdict.INCONCLUSIVE),
        ([Verdict.INCONCLUSIVE, Verdict.DIFFERENT], Verdict.DIFFERENT),
        ([Verdict.NOT_ASSESSED, Verdict.DIFFERENT], Verdict.NOT_ASSESSED),
    ],
)
def test_verdict_over_all_thresholds(verdicts, expected):
    assert verdict_over_all(verdicts) is expected


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
