"""A run in which a study states what its negative control excludes."""

from __future__ import annotations

import pytest

import coopgap

from .studies import copy_of, pick, where

TABLE = """\
[negative_control]
variable = "neighbours"
outcomes = ["trusted_person"]
exclusion = "a reason"

[phone] """


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = copy_of(
        tmp_path_factory.mktemp("studies") / "declared",
        study=lambda text: text.replace("[phone] ", TABLE),
    )
    return coopgap.run(folder, only=["neighbours", "trusted_person"], jobs=1)


def test_the_gap_in_the_control_is_that_of_its_model(run):
    control = where(run.sensitivity, check="negative_control")
    gaps = {
        model: pick(
            run.gaps,
            model=model,
            family="matched_logit",
            group="all",
            quantity="risk_difference",
        )
        for model in ("trusted_person", "neighbours")
    }
    for variant, model in (("gap", "trusted_person"), ("control", "neighbours")):
        row = pick(control, model="trusted_person", variant=variant)
        for column in ("estimate", "std_error", "lower", "upper"):
            assert getattr(row, column) == getattr(gaps[model], column)
    expected = gaps["trusted_person"].estimate - gaps["neighbours"].estimate
    less = pick(control, model="trusted_person", variant="less 1 x control")
    assert less.estimate == pytest.approx(expected, abs=1e-9)
    assert pick(control, model="neighbours").verdict == "not_applicable"


def test_each_model_has_bounds_and_benchmarks(run):
    for model in ("neighbours", "trusted_person"):
        rows = where(run.sensitivity, model=model)
        assert (rows["quantity"] == "p_bound").sum() == 6
        assert (rows["quantity"] == "gamma").sum() == 2
        mine = where(rows, check="robustness_value", quantity="r2_outcome")
        assert {*mine["about"]} == {"age_band", "sex", "region", "education"}
    keys = ["check", "variant", "model", "group", "quantity", "category"]
    names = ["rosenbaum", "robustness_value", "negative_control"]
    assert not where(run.sensitivity, check=names).duplicated(keys).any()


def test_a_control_outside_the_run_is_not_assessed():
    run = coopgap.run("peru", only=["trusted_person"], jobs=1)
    row = pick(run.sensitivity, check="negative_control")
    assert row.verdict == "not_assessed"
    assert "neighbours is not part of this run" in row.note
