"""A run on the example survey with answers taken away: what is reported of them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

import coopgap
from coopgap.app.plan import make_plan
from coopgap.families.dispatch import headline_estimate
from coopgap.report.data import make_results
from coopgap.report.pages import Content
from coopgap.survey.example import make_example

from .studies import copy_of, pick, where

SURVEY = os.environ.get("COOPGAP_UGANDA", "")


def without_more(name, folder, stem):
    """A shipped study, one model of which has neither a multiverse nor a hierarchical model."""
    cut = {stem: lambda text: text.partition("[multiverse]")[0].partition("[hierarchical]")[0]}
    return copy_of(folder, name, **cut)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return without_more("peru", tmp_path_factory.mktemp("study"), "trust_agree")


@pytest.fixture(scope="module")
def whole(study):
    """The matched family before anything was taken away."""
    plan = make_plan(study, make_example().data, ["trust_agree"])
    return headline_estimate(plan.models[0].sample).at()


@pytest.fixture(scope="module")
def run(study):
    """Trust goes missing by membership, region and sex, age completely at random."""
    data = make_example().data.astype({"trust": object, "age": object})
    rng = np.random.default_rng(12)
    chance = 0.05 + 0.25 * ((data["member"] == 1) & (data["region"] == "Lima"))
    chance += 0.15 * (data["sex"] == "female")
    for column, silent in (("trust", chance), ("age", 0.05)):
        data.loc[rng.random(len(data)) < silent, column] = None
    return coopgap.run(study, data=data, only=["trust_agree"], checks="full", seed=1, jobs=1)


def imputed(run, variant="multiple imputation", **keys):
    rows = run.sensitivity
    return where(rows, check="missing_imputation", variant=variant, **keys).iloc[0]


def test_bounds_hold_the_gap_before_and_sampling_error_widens_them(run, whole):
    sure, wide = (
        pick(run.sensitivity, check="missing_bounds", variant=name)
        for name in ("bounds", "bounds with sampling error")
    )
    assert wide.lower < sure.lower < whole.estimate < sure.upper < wide.upper
    assert np.isnan(sure.interval_prob)
    assert wide.interval_prob == 0.95
    assert sure.interval_kind == wide.interval_kind == "bounds"
    ends = (sure.lower - wide.reference, sure.upper - wide.reference)
    assert (wide.difference_lower, wide.difference_upper) == pytest.approx(ends, abs=1e-9)
    assert max(map(abs, ends)) > run.study.smallest_gap
    assert wide.verdict == "undecided"


def test_imputed_gaps_lie_by_the_gap_before(run, whole):
    gap = imputed(run, quantity="risk_difference")
    # A quarter of the people is incomplete, which adds about half a standard error of chance.
    assert gap["estimate"] == pytest.approx(whole.estimate, abs=1.2 * whole.std_error)
    assert gap["std_error"] > whole.std_error
    assert gap["difference"] == pytest.approx(gap["estimate"] - gap["reference"], abs=1e-9)
    # It has a quarter of people more than the complete cases: their gaps lie close together.
    width = gap["difference_upper"] - gap["difference_lower"]
    assert width < (gap["upper"] - gap["lower"]) / 2
    furthest = max(-gap["difference_lower"], gap["difference_upper"])
    assert furthest < run.study.smallest_gap
    assert gap["verdict"] == "holds"
    # Of some thirty imputations it is known to about a quarter of itself.
    assert 0.1 < imputed(run, quantity="fmi")["estimate"] < 0.45
    for who, sign in (("members", 1), ("comparison people", -1)):
        shifted = [imputed(run, f"delta {delta}, {who}") for delta in ("-1", "-0.5", "0.5", "1")]
        assert np.all(sign * np.diff([row["estimate"] for row in shifted]) > 0)
    assert (run.sensitivity["quantity"] == "delta").sum() == 2


def test_the_chains_settled_and_the_report_says_what_was_found(run):
    settled = where(run.diagnostics, diagnostic="imputation_convergence").iloc[0]
    assert settled["passed"]
    assert settled["value"] <= settled["bar"] == 1.2
    note = imputed(run)["note"]
    assert "of 2,007 people incomplete" in note
    assert "members and comparison people imputed apart" in note
    content = Content(make_results(run.frames, run.study, run.meta))
    (answer,) = content.results.answers
    bounds, filled = (
        content.sentence(answer, f"missing_{name}") for name in ("bounds", "imputation")
    )
    assert bounds.startswith("Whatever the missing answers are (")
    assert re.search(r"the gap of weighted shares \(.*\) lies between", bounds)
    assert filled.startswith("With missing answers imputed the gap is +")
    assert ": it holds." in filled
    page = content.render("report.md.j2")
    assert bounds in page
    assert filled in page


def test_with_nothing_missing_each_check_is_one_row(study):
    found = coopgap.run(study, only=["trust_agree"], checks="full", seed=1, jobs=1).sensitivity
    missing = found[found["check"].str.startswith("missing")]
    assert list(missing["check"]) == ["missing_bounds", "missing_imputation"]
    assert set(missing["verdict"]) == {"not_applicable"}
    assert missing["estimate"].isna().all()


@pytest.mark.skipif(not Path(SURVEY).is_file(), reason="COOPGAP_UGANDA names no file")
def test_a_real_survey_with_a_few_missing_answers_keeps_its_conclusions(tmp_path):
    folder = without_more("uganda_dairy", tmp_path, "food_insecurity")
    run = coopgap.run(folder, data=SURVEY, only=["food_insecurity"], checks="full", seed=1, jobs=1)
    found = run.sensitivity[run.sensitivity["check"].str.startswith("missing")]
    assert set(found[found["quantity"] != ""]["verdict"]) <= {"", "holds"}
    # Ten outcomes of 913 are missing, fewer than ten of them members'.
    assert where(found, check="missing_bounds")["lower"].notna().all()
