"""The count of the phone check's verdicts: truths against brute force, table against theory."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coopgap.app.plan import make_plan
from coopgap.checks.by_mode import PhoneStudy
from coopgap.survey.example import make_example
from coopgap.survey.example.model import DEFAULT
from coopgap.survey.example.people import draw_people, linear_predictor
from coopgap.survey.records import complete_rows

HERE = Path(__file__).parent
TABLE = pd.read_csv(HERE / "rates.csv")


@pytest.fixture(scope="module")
def count():
    sys.path.insert(0, str(HERE))
    try:
        import rates

        yield rates
    finally:
        sys.path.remove(str(HERE))
        sys.modules.pop("rates", None)


def share_between(share, errors, low, high):
    """Whether the 99.9 percent Monte Carlo interval of each share meets what is allowed."""
    return ((share + 3.29 * errors >= low) & (share - 3.29 * errors <= high)).all()


def test_true_difference_by_drawing_people(count):
    # In-person comparison people, each in a zone of their own, by phone and in person.
    rng = np.random.default_rng(0)
    people = draw_people(rng, DEFAULT, (0, 400_000, 0), exact=False)
    outcome = DEFAULT.outcomes["trusted_person"]
    latent = linear_predictor(people, outcome, None, people.member)
    latent = latent + 0.5 * rng.normal(size=people.n) + rng.logistic(size=people.n)
    cut = outcome.thresholds[0]
    drawn = np.mean(latent + 0.4 > cut) - np.mean(latent > cut)
    # The same people twice: Monte Carlo error about .0005.
    assert count.true_difference(0.4, 0.5) == pytest.approx(drawn, abs=0.002)


def test_a_setting_has_its_difference(count):
    for setting in count.GRID:
        found = count.true_difference(count.mode_shift(setting), setting.zone_sd)
        assert found == pytest.approx(setting.difference, abs=1e-9)


def test_a_large_example_survey_has_the_true_difference(count):
    # The survey as a user gets it, in free mode, through the study's codebook.
    outcomes = dict(DEFAULT.outcomes)
    outcomes["trusted_person"] = replace(outcomes["trusted_person"], mode_shift=0.5)
    model = replace(DEFAULT, outcomes=outcomes)
    data = make_example(40_000, seed=3, mode="free", model=model).data
    plan = make_plan("peru", data=data, only=["trusted_person"])
    (one,) = plan.models
    called = complete_rows(plan.survey, plan.study, one.spec, mode="phone")
    people = PhoneStudy(in_person=one.rows, phone=called, covariates=one.spec.covariates)
    row = count.adjusted(people, 0.06)
    assert row.std_error < 0.01
    truth = count.true_difference(0.5, DEFAULT.zone_sd)
    assert truth > 5 * row.std_error
    assert abs(row.estimate - truth) < 3 * row.std_error


def test_the_table_holds_every_setting(count):
    held = {(row.difference, row.zone_sd, row.margin) for row in TABLE.itertuples()}
    assert held == {(s.difference, s.zone_sd, m) for s in count.GRID for m in count.MARGINS}
    assert (TABLE["surveys"] >= 2000).all()
    # Nobody called at some level of a covariate: less than one survey in five hundred.
    assert (TABLE["refused"] < TABLE["surveys"] / 500).all()


def test_no_shift_is_called_different_at_the_size_of_the_test():
    rows = TABLE[TABLE["difference"] == 0]
    assert len(rows) == 4
    assert share_between(rows["found_different"], rows["found_monte_carlo_error"], 4, 6)


def test_a_shift_is_called_different_as_often_as_its_power_says():
    rows = TABLE[TABLE["difference"] != 0]
    errors, power = rows["found_monte_carlo_error"], rows["found_power"]
    assert share_between(rows["found_different"], errors, power - 1, power + 1)
    assert power.min() < 60
    assert power.max() > 95


def test_a_difference_at_the_margin_is_seldom_called_within_it():
    rows = TABLE[TABLE["difference"].abs() == TABLE["margin"]]
    assert len(rows) == 6
    assert share_between(rows["within_margin"], rows["within_monte_carlo_error"], 0, 5)


def test_no_shift_is_confirmed_as_often_as_the_printed_power_says():
    rows = TABLE[TABLE["difference"] == 0]
    errors, power = rows["within_monte_carlo_error"], rows["within_power"]
    assert share_between(rows["within_margin"], errors, power - 2, power + 2)
    assert power.max() > 80


def test_standard_errors_are_those_of_the_estimates():
    ratio = TABLE["mean_std_error"] / TABLE["sd"]
    # The Monte Carlo error of a standard deviation of 2,000 is 1.6 percent. With strong zones the
    # few zones of small regions weigh much and CR1 falls short by some percent.
    assert ratio.between(0.92, 1.05).all()
    assert (TABLE["bias"].abs() < 4 * TABLE["sd"] / TABLE["surveys"] ** 0.5).all()


def test_the_table_is_what_the_script_counts(count):
    # The first 120 surveys of two settings against the table's rates: four Monte Carlo errors.
    for at in (1, 2):
        setting = count.GRID[at]
        records = pd.DataFrame([one for k in range(120) for one in count.verdicts(setting, k)])
        made = count.table(records)
        kept = TABLE[
            (TABLE["difference"] == setting.difference) & (TABLE["zone_sd"] == setting.zone_sd)
        ]
        for name in ("found_different", "within_margin"):
            share = kept[name].to_numpy() / 100
            error = np.sqrt(share * (1 - share) / 120)
            assert (abs(made[name].to_numpy() / 100 - share) <= 4 * error + 1e-9).all()
        assert made["mean_std_error"].to_numpy() == pytest.approx(
            kept["mean_std_error"].to_numpy(), rel=0.05
        )
