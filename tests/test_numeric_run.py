"""A run with age as a number, from the declared variable to tables, checks and report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import coopgap
from coopgap.fit import main
from coopgap.report.data import make_results
from coopgap.report.pages import Content
from coopgap.survey.example import make_example

STUDY = """\
title = "Age as a number"
survey = "example"
[group]
column = "member"
member = 1
comparison = 0
[design]
region = "region"
zone = "zone"
mode = { column = "mode", in_person = "in person", phone = "phone" }
[headline]
trust_agree = "trust"
[variables.trust_agree]
column = "trust"
type = "ordinal"
levels = ["not agree", "agree"]
codes = { 1 = "not agree", 2 = "not agree", 3 = "not agree", 4 = "agree", 5 = "agree" }
[variables.age]
label = "Age"
type = "numeric"
[variables.age_curve]
label = "Age, curved"
column = "age"
type = "numeric"
knots = [20, 35, 50, 70]
[variables.sex]
type = "nominal"
levels = ["male", "female"]
groups = true
[variables.region]
type = "nominal"
levels = ["Lima", "Center", "East", "North", "South"]
"""
MODEL = """\
outcome = "trust_agree"
covariates = ["age", "sex", "region"]
[matching]
method = "nearest"
on = ["region", "sex"]
covariates = ["age"]
distance = "mahalanobis"
caliper = 0.3
[[variant]]
name = "curved"
covariates = ["age_curve", "sex", "region"]
[multiverse]
link = ["logit", "probit"]
population = ["members", "all_members"]
"""


def make_folder(folder: Path, model: str = MODEL, study: str = STUDY) -> Path:
    folder.mkdir()
    (folder / "study.toml").write_text(study, encoding="utf-8")
    (folder / "trust.toml").write_text(model, encoding="utf-8")
    return folder


def people() -> pd.DataFrame:
    data = make_example().data.iloc[::2].copy()
    data["age"] = data["age"].astype(float)
    data.loc[data.index % 23 == 0, "age"] = np.nan
    return data


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Half of the example survey, some of whose ages are missing, with every check."""
    data = people()
    folder = make_folder(tmp_path_factory.mktemp("models") / "age")
    return coopgap.run(folder, data=data, checks="full", jobs=1)


def test_everything_is_estimated_and_nobodys_age_is_told(run):
    assert run.exceptions.empty
    content = Content(make_results(run.frames, run.study, run.meta))
    assert "each the nearest in " in content.render("report.md.j2")
    assert not run.balance["level"].str.contains(r"\d").loc[run.balance["covariate"] == "age"].any()
    assert not (run.diagnostics["category"].loc[run.diagnostics["about"] == "age"] != "").any()
    assert not run.sensitivity["category"].str.startswith("age=").any()


def test_coefficients_have_its_name_and_its_unit(run):
    rows = run.coefficients[run.coefficients["term"] == "age"]
    assert {*rows["family"]} >= {"adjusted_logit", "matched_logit"}
    # A year of age moves the log odds by hundredths.
    assert rows.loc[rows["family"] == "adjusted_logit", "estimate"].abs().item() < 0.05


def test_balance_has_its_means_in_one_row(run):
    table = run.balance[run.balance["group"] == "all"]
    (row,) = table[table["covariate"] == "age"].to_dict("records")
    assert row["level"] == ""
    assert 15 < row["comparison_mean_before"] < row["member_mean"] < 90
    assert abs(row["smd_after"]) < 0.1 < row["smd_before"]
    assert row["ks_after"] < row["ks_before"]


CHECKS = {
    "variant": "curved",
    "robustness_value": "age x 1",
    "missing_imputation": "multiple imputation",
    "leave_one_region": "without Lima",
    "phone_joins_mode": "joins with a mode term",
    "multiverse": "specification 2",
    "phone_subsample_reference": None,
    "phone_power_prior": None,
    "design_analysis": "in person",
    "tipping_point": "gap halves",
    "e_value": None,
    "matching_ties": "",
}


@pytest.mark.parametrize(("check", "variant"), CHECKS.items(), ids=CHECKS)
def test_checks_take_it(run, check, variant):
    rows = run.sensitivity[run.sensitivity["check"] == check]
    if variant is not None:
        rows = rows[rows["variant"] == variant]
    assert rows["estimate"].notna().any(), rows[["variant", "note"]].to_dict("records")


def test_who_was_reached_is_told_by_its_mean(run):
    rows = run.sensitivity[
        (run.sensitivity["check"] == "phone_composition") & (run.sensitivity["category"] == "age")
    ]
    found = {(row.quantity, row.variant): row for row in rows.itertuples()}
    data = people()
    means = data[data["member"] == 0].groupby("mode")["age"].mean()
    for mode in ("phone", "in person"):
        row = found["mean", mode]
        assert row.estimate == pytest.approx(means[mode], rel=1e-3)
        assert row.lower < row.estimate < row.upper
    assert found["smd", ""].estimate < -0.1
    assert "rao_scott_f" in {*rows["quantity"]}


def test_shuffles_say_why_there_are_none(run):
    rows = run.sensitivity[
        (run.sensitivity["check"] == "multiverse") & (run.sensitivity["variant"] == "together")
    ]
    assert "age is numeric" in rows["note"].iloc[0]


def test_an_official_release_blanks_its_means(tmp_path):
    study = STUDY.replace("[headline]", "[disclosure]\nminimum = 10\n[headline]")
    model = MODEL.partition("[[variant]]")[0]
    found = coopgap.run(make_folder(tmp_path / "age", model, study), data=people(), jobs=1)
    row = found.balance[found.balance["covariate"] == "age"].iloc[0]
    assert row[["member_mean", "comparison_mean_before", "smd_before"]].isna().all()
    slopes = found.coefficients[found.coefficients["term"] == "age"]
    assert len(slopes)
    assert slopes["estimate"].isna().all()


@pytest.mark.parametrize(
    ("column", "found"),
    [(["30", "forty"], "an undeclared text"), (["30", "999"], "undeclared code '999'")],
)
def test_what_is_no_number_is_one_line_and_exit_2(tmp_path, capsys, column, found):
    data = make_example().data[["member", "region", "zone", "mode", "trust", "sex", "age"]].copy()
    data["age"] = data["age"].astype(str)
    data.loc[data.index[3], "age"] = column[1]
    data.to_csv(tmp_path / "people.csv", index=False)
    folder = make_folder(tmp_path / "age")
    assert main([str(folder), "--data", str(tmp_path / "people.csv"), "--dry-run"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"age: {found}" in error


@pytest.mark.parametrize(
    ("age", "knots", "found"),
    [
        ("", "", "nobody answers variable age"),
        ("40", "", "everybody answers variable age alike"),
        (None, "knots = [100, 120, 140]", "the knots of variable age (100, 120, 140) lie where"),
    ],
)
def test_numbers_without_a_line_or_curve_are_one_line_and_exit_2(
    tmp_path, capsys, age, knots, found
):
    data = make_example().data[["member", "region", "zone", "mode", "trust", "sex", "age"]].copy()
    if age is not None:
        data["age"] = age
    data.to_csv(tmp_path / "people.csv", index=False)
    label = 'label = "Age"\ntype = "numeric"\n'
    folder = make_folder(tmp_path / "age", study=STUDY.replace(label, f"{label}{knots}\n"))
    assert main([str(folder), "--data", str(tmp_path / "people.csv"), "--dry-run"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"age: {found}" in error
