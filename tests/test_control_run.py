"""A run in which a study states what its negative control excludes."""

from __future__ import annotations

import shutil

import pytest

import coopgap
from coopgap.study.load import load_study

TABLE = """\
[negative_control]
variable = "neighbours"
outcomes = ["trusted_person"]
exclusion = "a reason"

[phone] """


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies") / "declared"
    shutil.copytree(load_study("peru").folder, folder)
    text = (folder / "study.toml").read_text(encoding="utf-8")
    assert text.count("[phone] ") == 1
    (folder / "study.toml").write_text(text.replace("[phone] ", TABLE), encoding="utf-8")
    return coopgap.run(folder, only=["neighbours", "trusted_person"], jobs=1)


def test_the_gap_in_the_control_is_that_of_its_model(run):
    rows = run.sensitivity.query("check == 'negative_control' and model == 'trusted_person'")
    by_variant = rows.set_index("variant")
    gaps = run.gaps.query(
        "family == 'matched_logit' and group == 'all' and quantity == 'risk_difference'"
    ).set_index("model")
    for variant, model in (("gap", "trusted_person"), ("control", "neighbours")):
        for column in ("estimate", "std_error", "lower", "upper"):
            assert by_variant.loc[variant, column] == gaps.loc[model, column]
    expected = gaps["estimate"]["trusted_person"] - gaps["estimate"]["neighbours"]
    assert by_variant.loc["less 1 x control", "estimate"] == pytest.approx(expected, abs=1e-9)
    assert run.sensitivity.query("check == 'negative_control' and model == 'neighbours'")[
        "verdict"
    ].tolist() == ["not_applicable"]


def test_each_model_has_bounds_and_benchmarks(run):
    for model in ("neighbours", "trusted_person"):
        rows = run.sensitivity[run.sensitivity["model"] == model]
        assert (rows["quantity"] == "p_bound").sum() == 6
        assert (rows["quantity"] == "gamma").sum() == 2
        mine = rows.query("check == 'robustness_value' and quantity == 'r2_outcome'")
        covariates = {*mine["about"]}
        assert covariates == {"age_band", "sex", "region", "education"}
    keys = ["check", "variant", "model", "group", "quantity", "category"]
    confounding = run.sensitivity.query(
        "check in ('rosenbaum', 'robustness_value', 'negative_control')"
    )
    assert not confounding.duplicated(keys).any()


def test_a_control_outside_the_run_is_not_assessed():
    run = coopgap.run("peru", only=["trusted_person"], jobs=1)
    (row,) = run.sensitivity.query("check == 'negative_control'").to_dict("records")
    assert row["verdict"] == "not_assessed"
    assert "neighbours is not part of this run" in row["note"]
