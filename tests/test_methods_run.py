"""A run by each matching method, from the declared model to the sentence in the report."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import coopgap
from coopgap.report.data import make_results
from coopgap.report.pages import Content

PERU = Path(__file__).parents[1] / "models" / "peru"
STRATA = 'on = ["region"]'
METHODS = {
    "nearest": (
        f'method = "nearest"\n{STRATA}\ncaliper = 0.2',
        "of the same Region, each the nearest in Age and Sex, adjusted for Age and Sex",
    ),
    "shared": (
        f'method = "nearest"\n{STRATA}\ndistance = "mahalanobis"\nreplace = true\nratio = 2',
        "of the same Region, each the nearest in",
    ),
    "optimal": (f'method = "optimal"\n{STRATA}', "paired at the least total distance in"),
    "full": (f'method = "full"\n{STRATA}\nmax_comparison = 6', "in sets at the least total"),
    "cardinality": (f'method = "cardinality"\n{STRATA}\nlimit = 0.02', "chosen for balance in"),
    "overlap": (f'method = "overlap"\n{STRATA}', "both groups weighted to where they overlap in"),
}
WITH_SETS = {"nearest", "optimal", "full", "cardinality"}


@pytest.fixture(scope="module", params=METHODS)
def run(request, tmp_path_factory):
    """The default study's trust, two levels, matched by one method alone."""
    folder = tmp_path_factory.mktemp("models") / "peru"
    shutil.copytree(PERU, folder)
    declared, words = METHODS[request.param]
    (folder / "trust_agree.toml").write_text(
        'outcome = "trust_agree"\ncovariates = ["age_band", "sex", "region"]\n'
        f"[matching]\n{declared}\n",
        encoding="utf-8",
    )
    return request.param, words, coopgap.run(folder, only=["trust_agree"], jobs=1)


def gap(frame, family):
    rows = frame[(frame["family"] == family) & (frame["group"] == "all")]
    (row,) = rows[rows["quantity"] == "risk_difference"].to_dict("records")
    return row


def test_the_matched_gap_is_near_the_adjusted_one(run):
    method, _, result = run
    matched = gap(result.gaps, "matched_logit")
    assert matched["status"] == "ok"
    assert matched["population"] == ("overlap" if method == "overlap" else "members")
    adjusted = result.gaps[
        (result.gaps["family"] == "adjusted_logit")
        & (result.gaps["group"] == "all")
        & (result.gaps["quantity"] == "risk_difference")
        & (result.gaps["population"] == "members")
    ].iloc[0]
    # Two adjustments for the same covariates: the one that keeps fewer people sets the scale.
    assert abs(matched["estimate"] - adjusted["estimate"]) < 2 * matched["std_error"]
    # Shared neighbours too: members of one point take turns and do not all get the same person.
    assert matched["std_error"] < 1.5 * adjusted["std_error"]


def test_what_needs_sets_is_estimated_where_there_are_sets(run):
    method, _, result = run
    rows = result.gaps[result.gaps["group"] == "all"]
    linear = rows[rows["family"] == "linear"]
    conditional = rows[rows["family"] == "conditional_logit"]
    assert set(linear["status"]) == {"ok" if method in WITH_SETS else "not_estimable"}
    assert set(linear["population"]) == {"overlap" if method == "overlap" else "members"}
    if method in ("optimal", "cardinality"):
        assert set(conditional["status"]) == {"ok"}
        return
    # Near pairs differ in few covariates: what they cannot tell apart is named.
    told = result.diagnostics
    told = told[(told["diagnostic"] == "not_estimable") & (told["group"] == "all")]
    (reason,) = told[told["family"] == "conditional_logit"]["note"]
    assert ("told apart" if method in WITH_SETS else "makes no sets") in reason


def test_the_matching_leaves_less_imbalance(run):
    method, _, result = run
    table = result.balance[result.balance["group"] == "all"]
    before, after = (table[f"smd_{when}"].abs().max() for when in ("before", "after"))
    # Optimal pairs use nearly everybody: one to one on 1,004 against 1,003 changes little.
    assert after < before
    if method != "optimal":
        assert after < 0.25 * before


def test_the_report_says_how_they_were_matched(run):
    _, words, result = run
    content = Content(make_results(result.frames, result.study, result.meta))
    text = content.render("report.md.j2")
    assert words in text
    assert "members matched with" in text


def test_run_json_has_the_ties_that_the_diagnostics_have(run):
    method, _, result = run
    (found,) = result.meta["models"]
    ties = result.diagnostics.set_index("diagnostic")["value"].get("tied_members")
    assert found["tied_members"] == ties
    assert (ties is not None) == (method not in {"cardinality", "overlap"})
    assert 0 < found["members_matched"] <= found["members"] == 1004
