"""A run by each matching method, from the declared model to the sentence in the report."""

from __future__ import annotations

import pytest

import coopgap
from coopgap.report.data import make_results
from coopgap.report.pages import Content

from .studies import copy_of, model, pick, where

METHODS = {
    "nearest": (
        {"method": "nearest", "caliper": 0.2},
        "of the same region, each the nearest in age and sex, adjusted for age and sex",
    ),
    "shared": (
        {"method": "nearest", "distance": "mahalanobis", "replace": True, "ratio": 2},
        "of the same region, each the nearest in",
    ),
    "optimal": ({"method": "optimal"}, "paired at the least total distance in"),
    "full": ({"method": "full", "max_comparison": 6}, "in sets at the least total"),
    "cardinality": ({"method": "cardinality", "limit": 0.02}, "chosen for balance in"),
    "overlap": ({"method": "overlap"}, "both groups weighted to where they overlap in"),
}
WITH_SETS = {"nearest", "optimal", "full", "cardinality"}


@pytest.fixture(scope="module", params=METHODS)
def run(request, tmp_path_factory):
    """The default study's trust, two levels, matched by one method alone."""
    declared, words = METHODS[request.param]
    matching = declared | {"on": ["region"]}
    trust = model("trust_agree", "age_band", "sex", "region", matching=matching)
    folder = copy_of(tmp_path_factory.mktemp("models") / "peru", trust_agree=trust)
    return request.param, words, coopgap.run(folder, only=["trust_agree"], jobs=1)


def test_the_matched_gap_is_near_the_adjusted_one(run):
    method, _, result = run
    keys = {"group": "all", "quantity": "risk_difference"}
    matched = pick(result.gaps, **keys, family="matched_logit")
    assert matched.status == "ok"
    assert matched.population == ("overlap" if method == "overlap" else "members")
    adjusted = pick(result.gaps, **keys, family="adjusted_logit", population="members")
    # Two adjustments for the same covariates: the one that keeps fewer people sets the scale.
    assert abs(matched.estimate - adjusted.estimate) < 2 * matched.std_error
    # Shared neighbours too: members of one point take turns and do not all get the same person.
    assert matched.std_error < 1.5 * adjusted.std_error
    table = where(result.balance, group="all")
    before, after = (table[f"smd_{when}"].abs().max() for when in ("before", "after"))
    # Optimal pairs use nearly everybody: one to one on 1,004 against 1,003 changes little.
    assert after < (1.0 if method == "optimal" else 0.25) * before


def test_what_needs_sets_is_estimated_where_there_are_sets(run):
    method, _, result = run
    linear, conditional = (
        where(result.gaps, group="all", family=family) for family in ("linear", "conditional_logit")
    )
    assert set(linear["status"]) == {"ok" if method in WITH_SETS else "not_estimable"}
    assert set(linear["population"]) == {"overlap" if method == "overlap" else "members"}
    if method in ("optimal", "cardinality"):
        assert set(conditional["status"]) == {"ok"}
        return
    # Near pairs differ in few covariates: what they cannot tell apart is named.
    keys = {"diagnostic": "not_estimable", "group": "all", "family": "conditional_logit"}
    words = "told apart" if method in WITH_SETS else "makes no sets"
    assert words in pick(result.diagnostics, **keys).note


def test_the_report_says_how_they_were_matched_and_run_json_has_the_ties(run):
    method, words, result = run
    text = Content(make_results(result.frames, result.study, result.meta)).render("report.md.j2")
    assert words in text
    assert "members matched with" in text
    (found,) = result.meta["models"]
    ties = result.diagnostics.set_index("diagnostic")["value"].get("tied_members")
    assert found["tied_members"] == ties
    assert (ties is not None) == (method not in {"cardinality", "overlap"})
    assert 0 < found["members_matched"] <= found["members"] == 1004
