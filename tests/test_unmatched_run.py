"""A run of models without `[matching]`, beside the same models matched."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import coopgap
from coopgap.app.plan import make_plan
from coopgap.checks.moved import movable, moved_margins
from coopgap.core.gap import contrast_values
from coopgap.families.dispatch import headline_estimate
from coopgap.fit import main
from coopgap.survey.example import make_example

from .studies import EXAMPLE, MODE, model, pick, where, write_study

COVARIATES = ("age_band", "sex", "region")
OUTCOMES = {"trust_agree": "trust_agree", "ses": "ses_class"}
FAMILIES = {
    "trust_agree": {"unadjusted", "adjusted_logit", "doubly_robust"},
    "ses": {"unadjusted", "adjusted_ordinal", "adjusted_proportional", "doubly_robust"},
}
HEADLINE = {"trust_agree": "adjusted_logit", "ses": "adjusted_ordinal"}
each_model = pytest.mark.parametrize("model", OUTCOMES)


def make_study(folder, on=()):
    """A model of two levels and one of more, over the example survey."""
    models = {name: model(outcome, *COVARIATES, on=on) for name, outcome in OUTCOMES.items()}
    design = {"region": "region", "zone": "zone", "id": "id", "mode": MODE}
    question = {"trust_agree": "trust_agree", "ses_class": {"model": "ses", "at": ">=C"}}
    tables = {"design": design, "headline": question, "survey": "example"}
    return write_study(folder, EXAMPLE, models, **tables)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("models") / "two")


@pytest.fixture(scope="module")
def run(folder):
    return coopgap.run(folder, jobs=1)


@pytest.fixture(scope="module")
def matched(tmp_path_factory):
    return coopgap.run(make_study(tmp_path_factory.mktemp("models") / "two", COVARIATES), jobs=1)


def of_survey(frame, model):
    return frame[(frame["model"] == model) & (frame["source"] != "printed")]


@each_model
def test_it_has_the_families_that_need_no_matching(run, model):
    rows = of_survey(run.gaps, model)
    assert {*rows["family"]} - {"benchmark"} == FAMILIES[model]
    own = rows[rows["family"] != "benchmark"]
    assert {*own["population"]} == {"all_members"}
    assert own["n_sets"].isna().all()
    assert {*where(own, group="all")["status"]} <= {"ok", "few_people"}
    assert run.exceptions.empty
    # A region alone has its adjusted gap.
    inside = own[own["group"].str.startswith("region=")]
    assert {*inside["family"]} == {"unadjusted", HEADLINE[model]}


@each_model
def test_its_rows_are_those_that_the_matched_model_has_too(run, matched, model):
    keys = ["family", "group", "population", "quantity", "category", "comparator", "interval_kind"]
    numbers = ["estimate", "std_error", "lower", "upper", "p_value"]
    mine, theirs = (
        where(of_survey(one.gaps, model), group="all", family=FAMILIES[model]).set_index(keys)
        for one in (run, matched)
    )
    pd.testing.assert_frame_equal(mine[numbers], theirs.loc[mine.index, numbers], rtol=1e-12)


def test_the_adjusted_gap_over_all_members_is_the_headline(run):
    first = run.gaps[run.gaps["p_adjusted"].notna()]
    assert sorted(first["family"]) == sorted(HEADLINE.values())
    assert {*first["population"]} == {"all_members"}
    assert {*first["quantity"]} == {"risk_difference"}
    assert sorted(first["category"]) == ["", ">=C"]
    p = np.sort(first["p_value"])
    np.testing.assert_allclose(np.sort(first["p_adjusted"]), [2 * p[0], max(2 * p[0], p[1])])


@each_model
def test_checks_of_matched_people_say_why_they_do_not_apply(run, model):
    rows = of_survey(run.sensitivity, model)
    for check in ("rosenbaum", "matching_ties", "missing_bounds"):
        row = pick(rows, check=check)
        assert row.verdict == "not_applicable"
        assert row.note.startswith("The model declares no matching.")
    compared = where(rows, check=["variant", "tipping_point", "e_value", "design_analysis"])
    assert compared["estimate"].notna().any()
    assert HEADLINE[model] in {*compared["family"]}
    assert not any("matched" in family for family in rows["family"])


def test_robustness_values_are_those_of_least_squares_beside_the_covariates(run, folder):
    rows = make_plan(folder, only=["trust_agree"]).models[0].rows
    dummies = [
        pd.get_dummies(rows.factors[name], drop_first=True, dtype=float) for name in COVARIATES
    ]
    x = np.column_stack([np.ones(rows.n), rows.member, *dummies])
    fit = sm.OLS(rows.outcome, x).fit()
    f = abs(fit.tvalues[1]) / np.sqrt(fit.df_resid)
    expected = (np.sqrt(f**4 + 4 * f**2) - f**2) / 2
    table = of_survey(run.sensitivity, "trust_agree")
    row = pick(table, quantity="robustness_value", variant="estimate")
    assert row.estimate == pytest.approx(expected, rel=1e-9)


def test_nothing_stands_after_a_matching_that_is_none(run, matched):
    after = [name for name in run.balance if name.endswith("_after")]
    mine, theirs = (of_survey(one.balance, "ses") for one in (run, matched))
    assert mine[after].isna().all().all()
    before = ["covariate", "level", "comparison_mean_before", "smd_before", "ks_before"]
    here = [where(one, group="all")[before].reset_index(drop=True) for one in (mine, theirs)]
    pd.testing.assert_frame_equal(*here)


def test_report_and_dry_run_tell_what_is_there_and_nothing_of_matching(
    run, folder, tmp_path, capsys
):
    written = run.save(tmp_path / "out", ["md", "html", "tex", "docx"])
    assert (tmp_path / "out" / "figures" / "gaps_ses.png") in written
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "1,004 members beside 1,003 non-members" in text
    assert "Members answer “" in text
    assert "within sets" not in text
    # What the program says of matching is that there is none.
    told = re.sub(r"(?m)^.*The model declares no matching\..*$", "", text)
    told = re.sub("unmatched groups' (?:spread|denominator)", "", told)
    assert not re.search("match", told, re.IGNORECASE)
    capsys.readouterr()
    assert main([str(folder), "--dry-run", "--verbose"]) == 0
    text = capsys.readouterr().out
    assert "families    unadjusted, adjusted_logit, doubly_robust\n" in text
    # The questions of the checks are those of every study.
    plan = text.partition("\nwith --checks quick\n")[0]
    assert "match" not in plan.replace("no matching", "")


@pytest.mark.parametrize("form", ["free", "shares", "proportional"])
def test_what_moves_answers_starts_at_the_headline(folder, form):
    """In every form, strata of few covariates for shares: the margins before any answer moves."""
    sample = make_plan(folder, only=["ses"]).models[0].sample
    sample = replace(sample, covariates=("sex",), fitting=replace(sample.fitting, form=form))
    declared, at = headline_estimate(sample), movable(sample)
    assert at.shares == (form == "shares")
    start = moved_margins(at, at.nothing())
    for contrast, interval in declared.intervals.items():
        value = contrast_values(contrast, start.margins.member, start.margins.comparison)
        assert float(value) == pytest.approx(interval.estimate, abs=1e-9)
        if contrast.is_threshold_gap:
            assert start.variance(contrast) ** 0.5 == pytest.approx(interval.std_error, rel=1e-6)


def test_nobody_complete_is_no_fault(folder, tmp_path, capsys):
    """Only members answer the outcome: rows without numbers, each with its reason, exit 3."""
    data = make_example().data.iloc[::4].astype({"trust": float})
    data["trust"] = data["trust"].where(data["member"] == 1)
    data.to_csv(tmp_path / "people.csv", index=False)
    command = [str(folder), "--data", str(tmp_path / "people.csv"), "--only", "trust_agree"]
    command += ["--formats", "csv", "--quiet", "--out", str(tmp_path / "out")]
    assert main(command) == 3
    error = capsys.readouterr().err
    assert "trust_agree, adjusted_logit, all, all_members: not_estimable" in error
    rows = pd.read_csv(tmp_path / "out" / "sensitivity.csv")
    assert pick(rows, check="e_value").verdict == "not_applicable"
