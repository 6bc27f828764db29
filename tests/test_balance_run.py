"""Balance of a run: declared interactions and components of the outcome, by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import coopgap
from coopgap.report import paper
from coopgap.report.data import make_results
from coopgap.report.pages import Content
from coopgap.survey.example import make_example

PERU = Path(__file__).parents[1] / "models" / "peru"
MODEL = """
outcome = "ses_top"
covariates = ["age_band", "sex", "region"]
[matching]
method = "exact"
on = ["region", "age_band", "sex"]
interactions = [["age_band", "sex"], ["region", "sex"]]
"""
CUTS = [0, 25, 35, 45, 55, 65, 200]
BANDS = ["<25", "25-34", "35-44", "45-54", "55-64", "65+"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "peru"
    shutil.copytree(PERU, folder)
    (folder / "ses_top.toml").write_text(MODEL, encoding="utf-8")
    return coopgap.run(folder, only=["ses_top", "neighbours"], jobs=1)


@pytest.fixture(scope="module")
def people():
    """In-person people with their cell and, by hand, the weight that exact cells give them."""
    data = make_example().data
    here = data[data["mode"] == "in person"].copy()
    here["age_band"] = pd.cut(here["age"], CUTS, right=False, labels=BANDS).astype(str)
    cells = here.groupby(["region", "age_band", "sex"])["member"]
    members, size = cells.transform("sum"), cells.transform("size")
    kept = (members > 0) & (members < size)
    ratio = members / (size - members).clip(lower=1)
    here["after"] = np.where(kept, np.where(here["member"] == 1, 1.0, ratio), 0.0)
    return here


def expected(people, chosen):
    """Member mean, comparison means before and after, SMD before and after of an indicator."""
    member = people["member"] == 1
    x = chosen.astype(float)
    p, q = x[member].mean(), x[~member].mean()
    after = [np.average(x[group], weights=people["after"][group]) for group in (member, ~member)]
    scale = np.sqrt((p * (1 - p) + q * (1 - q)) / 2)
    return [after[0], q, after[1], (p - q) / scale, (after[0] - after[1]) / scale]


def row(run, covariate, level, group="all", model="ses_top"):
    table = run.balance
    (found,) = table[
        (table["model"] == model)
        & (table["group"] == group)
        & (table["covariate"] == covariate)
        & (table["level"] == level)
    ].to_dict("records")
    names = ["member_mean", "comparison_mean_before", "comparison_mean_after"]
    return [found[name] for name in (*names, "smd_before", "smd_after")]


def test_cross_levels_of_declared_interactions_have_rows(run, people):
    for band, sex in (("25-34", "male"), ("65+", "female")):
        chosen = (people["age_band"] == band) & (people["sex"] == sex)
        found = row(run, "age_band:sex", f"{band}:{sex}")
        assert found == pytest.approx(expected(people, chosen), abs=1e-12)
    assert abs(row(run, "age_band:sex", "65+:female")[3]) > 0.1
    assert row(run, "age_band:sex", "65+:female")[4] == pytest.approx(0, abs=1e-12)


def test_an_interaction_with_the_region_is_left_out_within_it(run):
    table = run.balance[run.balance["model"] == "ses_top"]
    lima = set(table.loc[table["group"] == "region=Lima", "covariate"])
    assert {"age_band:sex", "sex", "education"} <= lima
    assert not {"region:sex", "region"} & lima
    assert "region:sex" in set(table.loc[table["group"] == "all", "covariate"])


def test_a_component_that_is_no_covariate_has_rows(run, people):
    for level in ("none or primary", "university"):
        chosen = people["education"] == level
        found = row(run, "education", level)
        assert found == pytest.approx(expected(people, chosen), abs=1e-12)
    # It is no covariate: what is left of it is shown and fails no bar.
    assert max(abs(row(run, "education", level)[4]) for level in ("secondary", "university")) > 0.01
    bars = run.diagnostics[run.diagnostics["diagnostic"] == "largest_smd_after"]
    assert bars["passed"].all()
    others = run.balance[run.balance["model"] == "neighbours"]
    assert not {"education", "age_band:sex"} & set(others["covariate"])


def test_the_report_marks_the_component_and_names_the_interaction(run):
    results = make_results(run.frames, run.study, run.meta)
    rows = paper.table_one(results).rows
    names = [line[0] for line in rows if line[0]]
    assert names[:4] == ["Age", "Sex", "Region", "Type of co-operative"]
    assert {"Age × Sex", "Region × Sex"} <= {name.partition(" (")[0] for name in names}
    assert any(name.startswith("Education (component") for name in names)
    assert sum(line[1] == "25-34:male" for line in rows) == 1
    assert "Education (component)" in Content(results).render("report.md.j2")


def test_what_a_model_does_with_a_variable_is_marked(run):
    table = run.balance[(run.balance["model"] == "ses_top") & (run.balance["group"] == "all")]
    found = dict(zip(table["covariate"], table["use"], strict=True))
    assert found == {
        "age_band": "matched",
        "sex": "matched",
        "region": "matched",
        "coop_type": "reported",
        "age_band:sex": "reported",
        "region:sex": "reported",
        "education": "component",
    }


def test_a_first_table_can_be_made_from_balance_alone(run, people):
    """People by level, before and after, whole and by region, from the survey itself."""
    member, kept = people["member"] == 1, people["after"] > 0
    table = run.balance[run.balance["model"] == "ses_top"]
    for group, inside in (
        ("all", people["region"] != ""),
        ("region=East", people["region"] == "East"),
    ):
        for level in BANDS:
            (found,) = table[
                (table["group"] == group)
                & (table["covariate"] == "age_band")
                & (table["level"] == level)
            ].to_dict("records")
            here = inside & (people["age_band"] == level)
            assert found["n_member_before"] == (here & member).sum()
            assert found["n_member_after"] == (here & member & kept).sum()
            assert found["n_comparison_before"] == (here & ~member).sum()
            assert found["n_comparison_after"] == (here & ~member & kept).sum()
            assert found["member_mean_before"] == pytest.approx(
                (here & member).sum() / (inside & member).sum()
            )


def test_people_without_an_answer_are_counted_before_anybody_is_dropped(run, tmp_path):
    data = make_example().data
    here = data["mode"] == "in person"
    rows = np.flatnonzero(here & (data["member"] == 1) & (data["region"] == "Lima"))[:7]
    others = np.flatnonzero(here & (data["member"] == 0) & (data["region"] == "South"))[:4]
    called = np.flatnonzero(~here)[:5]
    data["sex"] = data["sex"].astype(object)
    data.loc[data.index[[*rows, *others, *called]], "sex"] = None
    folder = tmp_path / "peru"
    shutil.copytree(PERU, folder)
    text = (folder / "study.toml").read_text(encoding="utf-8")
    before = '[variables.sex]\nlabel = "Sex"\ntype = "nominal"\n'
    assert before in text
    text = text.replace(before, before + 'missing = [""]\n')
    (folder / "study.toml").write_text(text, encoding="utf-8")
    (folder / "ses_top.toml").write_text(MODEL, encoding="utf-8")
    found = coopgap.run(folder, data=data, only=["ses_top"], jobs=1).balance
    found = found[found["source"] == "EXAMPLE DATA"].set_index(["group", "covariate"])
    pairs = found[["missing_member", "missing_comparison"]]
    expected = {"all": (7, 4), "region=Lima": (7, 0), "region=South": (0, 4), "region=East": (0, 0)}
    for group, counts in expected.items():
        for covariate in ("sex", "age_band:sex"):
            assert set(pairs.loc[(group, covariate)].itertuples(index=False, name=None)) == {counts}
    assert set(pairs.loc[("all", "age_band")].itertuples(index=False, name=None)) == {(0, 0)}
    # They are in no count of the model's people.
    sex = found.loc[("all", "sex")]
    assert sex["n_member_before"].sum() == 1004 - 7
