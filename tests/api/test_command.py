"""The tables of a run are those of the calls in order."""

import numpy as np
import pandas as pd
import pytest

import coopgap as cg

SAME = {"rel": 1e-9, "abs": 1e-12}
FORMULA = "ses_class ~ member + age_band + sex + region"
STUDY = """
title = "The example, once more"
[group]
column = "member"
member = 1
comparison = 0
[design]
region = "region"
zone = "zone"
[headline]
ses_class = { model = "ses", at = ">=C" }
[variables.ses_class]
type = "ordinal"
levels = ["E", "D", "C", "B", "A"]
[variables.age_band]
type = "banded"
column = "age"
cuts = [25, 35, 45, 55, 65]
[variables.sex]
type = "nominal"
levels = ["male", "female"]
[variables.region]
type = "nominal"
levels = ["Lima", "Center", "East", "North", "South"]
"""
MODEL = """
outcome = "ses_class"
covariates = ["age_band", "sex", "region"]
[matching]
method = "exact"
on = ["region", "age_band", "sex"]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory, example):
    folder = tmp_path_factory.mktemp("study")
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    (folder / "ses.toml").write_text(MODEL, encoding="utf-8")
    return cg.run(folder, data=example)


@pytest.fixture(scope="module")
def matched(example):
    return cg.match(example, "member ~ region + age_band + sex", method="exact")


def rows_of(run, family, population="members"):
    gaps = run.gaps
    kept = (
        (gaps["family"] == family) & (gaps["population"] == population) & (gaps["group"] == "all")
    )
    return gaps[kept].reset_index(drop=True)


def assert_same(found, expected, names):
    assert len(found) == len(expected) > 0
    for name in names:
        first, second = (
            pd.to_numeric(frame[name]).to_numpy(dtype=float, na_value=np.nan)
            for frame in (found, expected)
        )
        assert first == pytest.approx(second, nan_ok=True, **SAME), name


NUMBERS = ("estimate", "std_error", "lower", "upper", "p_value")
COUNTS = ("n_member", "n_comparison", "ess_comparison", "n_sets", "n_fewest")


@pytest.mark.parametrize("free", [True, False])
def test_adjusted_and_matched_gaps(run, example, matched, free):
    chosen = {"vcov": {"CR1": "zone"}, "free": ["member"] if free else []}
    name = "ordinal" if free else "proportional"
    adjusted = cg.gap(cg.ordinal(FORMULA, example, **chosen), "member").to_frame()
    expected = rows_of(run, f"adjusted_{name}", "all_members")
    assert adjusted["quantity"].tolist() == expected["quantity"].tolist()
    assert adjusted["interval_kind"].tolist() == expected["interval_kind"].tolist()
    assert_same(adjusted, expected, (*NUMBERS, *COUNTS))
    fit = cg.ordinal(FORMULA, matched.data, weights="match_weight", **chosen)
    assert_same(
        cg.gap(fit, "member").to_frame(), rows_of(run, f"matched_{name}"), (*NUMBERS, *COUNTS)
    )


def test_doubly_robust_gaps(run, example):
    fit = cg.ordinal(FORMULA, example, vcov={"CR1": "zone"}, free=["member"])
    found = cg.gap(fit, "member", doubly_robust=True).to_frame()
    assert_same(found, rows_of(run, "doubly_robust", "all_members"), NUMBERS)


def test_unadjusted_gaps(run, example):
    fit = cg.ordinal("ses_class ~ member", example, vcov={"CR1": "zone"}, free=["member"])
    found = cg.gap(fit, "member").to_frame()
    expected = rows_of(run, "unadjusted", "all_members")
    assert_same(found, expected, NUMBERS)


def test_gaps_within_sets(run, matched):
    fit = cg.conditional("ses_class ~ member | match_set", matched.data, vcov={"CR1": "zone"})
    tidy, expected = fit.tidy(), rows_of(run, "conditional_ordinal")
    order = ["", ">=A", ">=B", ">=C", ">=D"]
    assert expected["category"].tolist() == order
    tidy = tidy.set_index(tidy["term"].str.removeprefix("member").str.removeprefix(":")).loc[order]
    assert np.exp(tidy["estimate"]).to_numpy() == pytest.approx(expected["estimate"], **SAME)
    assert tidy["std_error"].to_numpy() == pytest.approx(expected["std_error"], **SAME)
    linear = rows_of(run, "linear")
    for level, row in zip("ABCD", linear.itertuples(), strict=True):
        data = matched.data.assign(above=matched.data["ses_class"] >= level)
        one = cg.linear(
            "above ~ member | match_set", data, weights="match_weight", vcov={"CR1": "zone"}
        )
        found = cg.gap(one, "member").at()
        assert row.category == f">={level}"
        assert found.estimate == pytest.approx(row.estimate, **SAME)
        assert found.std_error == pytest.approx(row.std_error, **SAME)
        assert found.lower == pytest.approx(row.lower, **SAME)


def test_coefficients(run, matched):
    fit = cg.ordinal(
        FORMULA, matched.data, weights="match_weight", vcov={"CR1": "zone"}, free=["member"]
    )
    rows = run.coefficients[run.coefficients["family"] == "matched_ordinal"]
    tidy = fit.tidy().set_index("term").loc[rows["term"]]
    pairs = {"conf_low": "lower", "conf_high": "upper", "statistic": "statistic"}
    for name in ("estimate", "std_error", "p_value"):
        pairs[name] = name
    for own, theirs in pairs.items():
        assert tidy[own].to_numpy() == pytest.approx(rows[theirs].to_numpy(float), **SAME)


def test_a_run_under_brooms_names(run, example):
    tidy, glance = run.tidy(), run.glance()
    fit = cg.ordinal(FORMULA, example, vcov={"CR1": "zone"}, free=["member"])
    own = tidy[tidy["family"] == "adjusted_ordinal"]
    assert list(own)[3:] == list(fit.tidy())
    expected = fit.tidy().set_index("term").loc[own["term"]]
    assert own["conf_low"].to_numpy() == pytest.approx(expected["conf_low"].to_numpy(), **SAME)
    row = glance.set_index("family").loc["adjusted_ordinal"]
    assert (row["n_obs"], row["n_clusters"], row["vcov"]) == (len(example), 100, "cluster CR1")
    assert glance["family"].is_unique
    assert {*glance["family"]} == {*run.coefficients["family"]}


def test_balance(run, matched):
    keys = ["covariate", "level"]
    expected = run.balance[run.balance["group"] == "all"].set_index(keys).sort_index()
    found = matched.balance().set_index(keys).sort_index()
    assert found.index.equals(expected.index)
    names = [
        name for name in found if name.startswith(("smd", "member_mean", "comparison_mean", "n_"))
    ]
    assert_same(found, expected, names)
    ordered = expected["ks_before"].notna() & found["ks_before"].notna()
    assert_same(found[ordered], expected[ordered], ["ks_before", "ks_after"])


def test_checks(run, matched):
    fit = cg.ordinal(
        FORMULA, matched.data, weights="match_weight", vcov={"CR1": "zone"}, free=["member"]
    )
    table = run.sensitivity
    found = cg.checks.e_value(cg.gap(fit, "member"), ">=C")
    assert_same(found, table[table["check"] == "e_value"], ("estimate", "lower", "upper"))
    found = cg.checks.rosenbaum(matched, "ses_class")
    expected = table[table["check"] == "rosenbaum"]
    assert_same(found, expected, ("estimate", "p_value", "setting"))
    assert found["direction"].tolist() == expected["direction"].tolist()
    expected = table[
        (table["check"] == "robustness_value") & (table["quantity"] == "robustness_value")
    ]
    assert_same(
        cg.checks.robustness_value(matched, "ses_class", cluster="zone"), expected, ("estimate",)
    )
