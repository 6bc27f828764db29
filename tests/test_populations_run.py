"""A run over a declared population, with a freed covariate and chosen standard errors."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import coopgap
from coopgap.report.data import make_results
from coopgap.report.pages import Content
from coopgap.survey.example import make_example

PERU = Path(__file__).parents[1] / "models" / "peru"
FILE = "peru_adults_2017.csv"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "peru"
    shutil.copytree(PERU, folder)
    text = (folder / "study.toml").read_text(encoding="utf-8")
    declared = text.replace('"peru_2019_population_16plus.csv"', f'"{FILE}"')
    assert declared != text
    (folder / "study.toml").write_text(declared, encoding="utf-8")
    (folder / FILE).write_text("sex,population\nfemale,60\nmale,40\n", encoding="utf-8")
    (folder / "ses.toml").write_text(
        'outcome = "ses_class"\ncovariates = ["sex", "region"]\npopulation = "poststratified"\n'
        'free = ["sex"]\nstd_errors = "CR2"\nfixed = true\n'
        '[matching]\nmethod = "exact"\non = ["region", "sex"]\n',
        encoding="utf-8",
    )
    return folder


@pytest.fixture(scope="module")
def run(folder):
    return coopgap.run(folder, only=["ses"], jobs=1)


def test_the_gap_over_the_declared_population_has_rows_of_its_own(run):
    rows = run.gaps[(run.gaps["family"] == "adjusted_ordinal") & (run.gaps["group"] == "all")]
    assert set(rows["population"]) == {"members", "all_members", "poststratified"}
    told = run.diagnostics[run.diagnostics["diagnostic"] == "poststratified"]
    (found,) = told.to_dict("records")
    assert found["about"] == FILE
    assert found["value"] == 1
    assert FILE in found["note"]


def test_the_model_file_s_choices_are_in_the_tables(run):
    rows = run.coefficients[run.coefficients["family"] == "adjusted_ordinal"]
    assert set(rows["std_error_kind"]) == {"cluster CR2"}
    freed = rows[rows["term"].str.startswith("sex=") & rows["term"].str.contains(":>=")]
    assert len(freed) == 4
    said = run.diagnostics[run.diagnostics["diagnostic"] == "std_errors"]
    said = said.set_index(["family", "population"])["note"]
    for population in ("members", "all_members", "poststratified"):
        assert "taken as fixed" in said["adjusted_ordinal", population]
    assert said["linear", "members"] == "cluster CR1"


def test_the_report_and_the_record_name_the_population(run):
    result = Content(make_results(run.frames, run.study, run.meta))
    assert "declared population" in result.render("report.md.j2")
    assert run.meta["study_sha256"]


def test_covariates_have_coefficients_and_no_row_among_the_gaps(run):
    """Covariates' coefficients are no findings: gaps.csv compares members and nobody else."""
    terms = set(run.coefficients["term"])
    covariates = {term for term in terms if term.startswith(("sex=", "region="))}
    assert covariates
    surveyed = run.gaps[run.gaps["family"] != "printed"]
    assert "term" not in surveyed.columns
    levels = {f"{sign}{level}" for level in "ABCDE" for sign in ("", ">=")} | {""}
    assert set(surveyed["category"]) <= levels
    comparators = set(surveyed["comparator"][surveyed["quantity"] != "gap_difference"])
    outside = {name for name in comparators if name.startswith("ENADES 2024")}
    assert comparators - outside <= {"", "comparison", "national"}
    assert not set(surveyed["quantity"]) & {"coefficient", "log_odds"}
    slopes = run.coefficients[run.coefficients["term"].isin(covariates)]["estimate"].dropna()
    gaps = surveyed["estimate"].dropna().to_numpy()
    for slope in slopes:
        for shown in (slope, -slope, np.exp(slope), np.exp(-slope)):
            assert not np.isclose(gaps, shown, rtol=1e-9, atol=0).any()


def test_a_population_by_a_variable_that_is_no_covariate_is_raked_to(tmp_path):
    """Education enters neither regression nor matching; outside shares are set beside it."""
    folder = tmp_path / "peru"
    shutil.copytree(PERU, folder)
    text = (folder / "study.toml").read_text(encoding="utf-8")
    text = text.replace('"peru_2019_population_16plus.csv"', '"schooling.csv"')
    (folder / "study.toml").write_text(text, encoding="utf-8")
    shares = {"none or primary": 0.4, "secondary": 0.3, "technical": 0.2, "university": 0.1}
    lines = [f"{level},{round(1000 * share)}" for level, share in shares.items()]
    (folder / "schooling.csv").write_text(
        "\n".join(["education,population", *lines]) + "\n", encoding="utf-8"
    )
    (folder / "ses.toml").write_text(
        'outcome = "ses_class"\ncovariates = ["sex"]\n[matching]\nmethod = "exact"\non = ["sex"]\n',
        encoding="utf-8",
    )
    run = coopgap.run(folder, only=["ses"], jobs=1)
    data = make_example().data
    own = data[(data["mode"] == "in person") & (data["member"] == 1)]
    weight = own["education"].map(shares) / own["education"].map(
        own["education"].value_counts(normalize=True)
    )
    gaps = run.gaps
    raked = gaps[
        (gaps["family"] == "benchmark")
        & (gaps["population"] == "poststratified")
        & (gaps["group"] == "all")
        & (gaps["comparator"] == "")
        & (gaps["category"].isin(["C", "D"]))
    ]
    assert len(raked) == 2
    for row in raked.to_dict("records"):
        expected = np.average(own["ses_class"] == row["category"], weights=weight)
        assert row["estimate"] == pytest.approx(expected, abs=1e-10)
        assert abs(expected - np.mean(own["ses_class"] == row["category"])) > 1e-3
    told = run.diagnostics
    told = told[(told["diagnostic"] == "effective_size") & (told["group"] == "all")]
    told = told[told["about"] == "national"]
    (size,) = told.to_dict("records")
    assert (size["about"], size["population"]) == ("national", "poststratified")
    assert size["value"] == pytest.approx(weight.sum() ** 2 / (weight**2).sum())
