"""A run with age as a number, from the declared variable to tables, checks and report."""

from __future__ import annotations

import numpy as np
import pytest

import coopgap
from coopgap.fit import main
from coopgap.report.data import make_results
from coopgap.report.pages import Content
from coopgap.survey.example import make_example

from .studies import MODE, model, of_example, pick, where, write_study

CURVE = {"type": "numeric", "label": "Age, curved", "column": "age", "knots": [20, 35, 50, 70]}
NEAREST = {"method": "nearest", "on": ["region", "sex"], "covariates": ["age"]}
NEAREST |= {"distance": "mahalanobis", "caliper": 0.3}
MORE = {
    "variant": [{"name": "curved", "covariates": ["age_curve", "sex", "region"]}],
    "multiverse": {"link": ["logit", "probit"], "population": ["members", "all_members"]},
}


def make_folder(folder, more=MORE, age=None, **tables):
    variables = of_example("trust_agree", "sex", "region")
    variables["sex"] = variables["sex"] | {"groups": True}
    variables |= {"age": {"type": "numeric", "label": "Age"} | (age or {}), "age_curve": CURVE}
    trust = model("trust_agree", "age", "sex", "region", matching=NEAREST, **more)
    tables |= {"design": {"region": "region", "zone": "zone", "mode": MODE}, "survey": "example"}
    return write_study(folder, variables, {"trust": trust}, **tables)


def people():
    data = make_example().data.iloc[::2].astype({"age": float})
    data.loc[data.index % 23 == 0, "age"] = np.nan
    return data


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Half of the example survey, some of whose ages are missing, with every check."""
    folder = make_folder(tmp_path_factory.mktemp("models") / "age")
    return coopgap.run(folder, data=people(), checks="full", jobs=1)


def test_everything_is_estimated_and_nobodys_age_is_told(run):
    assert run.exceptions.empty
    content = Content(make_results(run.frames, run.study, run.meta))
    assert "each the nearest in " in content.render("report.md.j2")
    assert not where(run.balance, covariate="age")["level"].str.contains(r"\d").any()
    assert set(where(run.diagnostics, about="age")["category"]) <= {""}
    assert not run.sensitivity["category"].str.startswith("age=").any()
    # Of specifications some cannot be shuffled.
    notes = where(run.sensitivity, check="multiverse", variant="together")["note"]
    assert "age is numeric" in notes.iloc[0]


def test_coefficients_and_balance_have_its_name_and_its_unit(run):
    rows = where(run.coefficients, term="age")
    assert {*rows["family"]} >= {"adjusted_logit", "matched_logit"}
    # A year of age moves the log odds by hundredths.
    assert abs(pick(rows, family="adjusted_logit").estimate) < 0.05
    row = pick(run.balance, group="all", covariate="age", level="")
    assert 15 < row.comparison_mean_before < row.member_mean < 90
    assert abs(row.smd_after) < 0.1 < row.smd_before
    assert row.ks_after < row.ks_before


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


def test_checks_take_it(run):
    for check, variant in CHECKS.items():
        rows = where(run.sensitivity, check=check)
        rows = rows if variant is None else where(rows, variant=variant)
        assert rows["estimate"].notna().any(), (check, rows[["variant", "note"]].to_dict("records"))


def test_who_was_reached_is_told_by_its_mean(run):
    rows = where(run.sensitivity, check="phone_composition", category="age")
    means = where(people(), member=0).groupby("mode")["age"].mean()
    for mode in ("phone", "in person"):
        row = pick(rows, quantity="mean", variant=mode)
        assert row.estimate == pytest.approx(means[mode], rel=1e-3)
        assert row.lower < row.estimate < row.upper
    assert pick(rows, quantity="smd").estimate < -0.1
    assert "rao_scott_f" in {*rows["quantity"]}


def test_an_official_release_blanks_its_means(tmp_path):
    folder = make_folder(tmp_path / "age", {}, disclosure={"minimum": 10})
    found = coopgap.run(folder, data=people(), jobs=1)
    row = where(found.balance, covariate="age").iloc[0]
    assert row[["member_mean", "comparison_mean_before", "smd_before"]].isna().all()
    slopes = where(found.coefficients, term="age")["estimate"]
    assert len(slopes)
    assert slopes.isna().all()


@pytest.mark.parametrize(
    ("age", "knots", "found"),
    [
        ({3: "forty"}, {}, "an undeclared text"),
        ({3: "999"}, {}, "undeclared code '999'"),
        ("", {}, "nobody answers variable age"),
        ("40", {}, "everybody answers variable age alike"),
        (
            {},
            {"knots": [100, 120, 140]},
            "the knots of variable age (100, 120, 140) lie where",
        ),
    ],
)
def test_numbers_without_a_line_or_curve_are_one_line_and_exit_2(
    tmp_path, capsys, age, knots, found
):
    data = make_example().data.astype({"age": str})
    data = data[["member", "region", "zone", "mode", "trust", "sex", "age"]]
    changed = age if isinstance(age, dict) else dict.fromkeys(range(len(data)), age)
    data["age"] = [changed.get(k, own) for k, own in enumerate(data["age"])]
    data.to_csv(tmp_path / "people.csv", index=False)
    folder = make_folder(tmp_path / "age", age=knots)
    assert main([str(folder), "--data", str(tmp_path / "people.csv"), "--dry-run"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"age: {found}" in error
