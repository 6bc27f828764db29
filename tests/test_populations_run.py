"""A run over a declared population, with a freed covariate and chosen standard errors."""

from __future__ import annotations

import numpy as np
import pytest

import coopgap
from coopgap.report.data import make_results
from coopgap.report.pages import Content
from coopgap.survey.example import make_example

from .studies import copy_of, model, pick, where


def with_population(folder, name, shares, ses):
    """The default study with another population, by level of one variable, and model of class."""
    copy_of(folder, ses=ses, study=lambda t: t.replace("peru_2019_population_16plus.csv", name))
    variable, parts = shares
    lines = [f"{variable},population", *(f"{level},{n}" for level, n in parts.items())]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return coopgap.run(folder, only=["ses"], jobs=1)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    choices = {"free": ["sex"], "std_errors": "CR2", "fixed": True, "population": "poststratified"}
    ses = model("ses_class", "sex", "region", on=("region", "sex"), **choices)
    people = ("sex", {"female": 60, "male": 40})
    folder = tmp_path_factory.mktemp("models") / "peru"
    return with_population(folder, "peru_adults_2017.csv", people, ses)


def test_the_gap_over_the_declared_population_has_rows_of_its_own(run):
    rows = where(run.gaps, family="adjusted_ordinal", group="all")
    assert set(rows["population"]) == {"members", "all_members", "poststratified"}
    told = pick(run.diagnostics, diagnostic="poststratified")
    assert (told.about, told.value) == ("peru_adults_2017.csv", 1)
    assert told.about in told.note
    text = Content(make_results(run.frames, run.study, run.meta)).render("report.md.j2")
    assert "declared population" in text
    assert run.meta["study_sha256"]


def test_the_model_file_s_choices_are_in_the_tables(run):
    rows = where(run.coefficients, family="adjusted_ordinal")
    assert set(rows["std_error_kind"]) == {"cluster CR2"}
    freed = rows["term"].str.startswith("sex=") & rows["term"].str.contains(":>=")
    assert freed.sum() == 4
    said = where(run.diagnostics, diagnostic="std_errors")
    said = said.set_index(["family", "population"])["note"]
    for population in ("members", "all_members", "poststratified"):
        assert "taken as fixed" in said["adjusted_ordinal", population]
    assert said["linear", "members"] == "cluster CR1"


def test_covariates_have_coefficients_and_no_row_among_the_gaps(run):
    """Covariates' coefficients are no findings: gaps.csv compares members and nobody else."""
    terms = {term for term in run.coefficients["term"] if term.startswith(("sex=", "region="))}
    assert terms
    surveyed = run.gaps[run.gaps["family"] != "printed"]
    assert "term" not in surveyed.columns
    levels = {f"{sign}{level}" for level in "ABCDE" for sign in ("", ">=")} | {""}
    assert set(surveyed["category"]) <= levels
    comparators = set(surveyed["comparator"][surveyed["quantity"] != "gap_difference"])
    outside = {name for name in comparators if name.startswith("ENADES 2024")}
    assert comparators - outside <= {"", "comparison", "national"}
    assert not set(surveyed["quantity"]) & {"coefficient", "log_odds"}
    slopes = where(run.coefficients, term=terms)["estimate"].dropna().to_numpy()
    shown = np.concatenate([slopes, -slopes, np.exp(slopes), np.exp(-slopes)])
    gaps = surveyed["estimate"].dropna().to_numpy()
    assert not np.isclose(gaps[:, None], shown, rtol=1e-9, atol=0).any()


def test_a_population_by_a_variable_that_is_no_covariate_is_raked_to(tmp_path):
    """Education enters neither regression nor matching; outside shares are set beside it."""
    shares = {"none or primary": 0.4, "secondary": 0.3, "technical": 0.2, "university": 0.1}
    counts = {level: round(1000 * share) for level, share in shares.items()}
    ses = model("ses_class", "sex", on=("sex",))
    run = with_population(tmp_path / "peru", "schooling.csv", ("education", counts), ses)
    own = where(make_example().data, mode="in person", member=1)
    held = own["education"].value_counts(normalize=True)
    weight = own["education"].map(shares) / own["education"].map(held)
    keys = {"population": "poststratified", "group": "all"}
    for category in ("C", "D"):
        benchmark = {"family": "benchmark", "comparator": "", "category": category}
        row = pick(run.gaps, **keys, **benchmark)
        expected = np.average(own["ses_class"] == category, weights=weight)
        assert row.estimate == pytest.approx(expected, abs=1e-10)
        assert abs(expected - np.mean(own["ses_class"] == category)) > 1e-3
    size = pick(run.diagnostics, **keys, diagnostic="effective_size", about="national")
    assert size.value == pytest.approx(weight.sum() ** 2 / (weight**2).sum())
