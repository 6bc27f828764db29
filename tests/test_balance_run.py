"""Balance of a run: declared interactions and components of the outcome, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import coopgap
from coopgap.report import paper
from coopgap.report.data import make_results
from coopgap.report.pages import Content
from coopgap.survey.example import make_example

from .studies import copy_of, model, pick, where

CROSSED = {
    "method": "exact",
    "on": ["region", "age_band", "sex"],
    "interactions": [["age_band", "sex"], ["region", "sex"]],
}
MODEL = model("ses_top", "age_band", "sex", "region", matching=CROSSED)
CUTS = [0, 25, 35, 45, 55, 65, 200]
BANDS = ["<25", "25-34", "35-44", "45-54", "55-64", "65+"]
KINDS = ["member_mean", "comparison_mean_before", "comparison_mean_after"]
KINDS += ["smd_before", "smd_after"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = copy_of(tmp_path_factory.mktemp("models") / "peru", ses_top=MODEL)
    return coopgap.run(folder, only=["ses_top", "neighbours"], jobs=1)


@pytest.fixture(scope="module")
def people():
    """In-person people with their cell and, by hand, the weight that exact cells give them."""
    here = where(make_example().data, mode="in person").copy()
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


def numbers(run, covariate, level):
    row = pick(run.balance, model="ses_top", group="all", covariate=covariate, level=level)
    return [getattr(row, name) for name in KINDS]


def test_interactions_and_a_component_that_is_no_covariate_have_rows(run, people):
    for band, sex in (("25-34", "male"), ("65+", "female")):
        chosen = (people["age_band"] == band) & (people["sex"] == sex)
        found = numbers(run, "age_band:sex", f"{band}:{sex}")
        assert found == pytest.approx(expected(people, chosen), abs=1e-12)
    assert abs(found[3]) > 0.1
    assert found[4] == pytest.approx(0, abs=1e-12)
    for level in ("none or primary", "university"):
        found = numbers(run, "education", level)
        chosen = people["education"] == level
        assert found == pytest.approx(expected(people, chosen), abs=1e-12)
    # It is no covariate: what is left of it is shown and fails no bar.
    left = [numbers(run, "education", level)[4] for level in ("secondary", "university")]
    assert max(map(abs, left)) > 0.01
    assert where(run.diagnostics, diagnostic="largest_smd_after")["passed"].all()
    others = where(run.balance, model="neighbours")
    assert not {"education", "age_band:sex"} & set(others["covariate"])
    # Within a region nothing is crossed with it.
    table = where(run.balance, model="ses_top")
    lima = set(where(table, group="region=Lima")["covariate"])
    assert {"age_band:sex", "sex", "education"} <= lima
    assert not {"region:sex", "region"} & lima
    whole = where(table, group="all")
    matched = dict.fromkeys(("age_band", "sex", "region"), "matched")
    reported = dict.fromkeys(("coop_type", "age_band:sex", "region:sex"), "reported")
    uses = dict(zip(whole["covariate"], whole["use"], strict=True))
    assert uses == matched | reported | {"education": "component"}


def test_the_report_marks_the_component_and_names_the_interaction(run):
    results = make_results(run.frames, run.study, run.meta)
    rows = paper.table_one(results).rows
    names = [line[0] for line in rows if line[0]]
    assert names[:4] == ["Age", "Sex", "Region", "Type of co-operative"]
    assert {"Age × Sex", "Region × Sex"} <= {name.partition(" (")[0] for name in names}
    assert any(name.startswith("Education (component") for name in names)
    assert sum(line[1] == "25-34:male" for line in rows) == 1
    assert "Education (component)" in Content(results).render("report.md.j2")


def test_a_first_table_can_be_made_from_balance_alone(run, people):
    """People by level, before and after, whole and by region, from the survey itself."""
    member, kept = people["member"] == 1, people["after"] > 0
    sides = {"member": member, "comparison": ~member}
    for group, inside in (
        ("all", people["region"] != ""),
        ("region=East", people["region"] == "East"),
    ):
        for level in BANDS:
            keys = {"model": "ses_top", "covariate": "age_band", "level": level}
            row = pick(run.balance, **keys, group=group)
            here = inside & (people["age_band"] == level)
            for side, who in sides.items():
                assert getattr(row, f"n_{side}_before") == (here & who).sum()
                assert getattr(row, f"n_{side}_after") == (here & who & kept).sum()
            share = (here & member).sum() / (inside & member).sum()
            assert row.member_mean_before == pytest.approx(share)


def test_people_without_an_answer_are_counted_before_anybody_is_dropped(tmp_path):
    data = make_example().data.astype({"sex": object})
    here, member = data["mode"] == "in person", data["member"] == 1
    rows = np.flatnonzero(here & member & (data["region"] == "Lima"))[:7]
    others = np.flatnonzero(here & ~member & (data["region"] == "South"))[:4]
    data.loc[data.index[[*rows, *others, *np.flatnonzero(~here)[:5]]], "sex"] = None
    before = '[variables.sex]\nlabel = "sex"\ntype = "nominal"\n'
    folder = copy_of(
        tmp_path / "peru",
        ses_top=MODEL,
        study=lambda text: text.replace(before, before + 'missing = [""]\n'),
    )
    found = coopgap.run(folder, data=data, only=["ses_top"], jobs=1).balance
    found = where(found, source="EXAMPLE DATA").set_index(["group", "covariate"])
    pairs = found[["missing_member", "missing_comparison"]]
    expected = {"all": (7, 4), "region=Lima": (7, 0), "region=South": (0, 4), "region=East": (0, 0)}
    for group, counts in expected.items():
        for covariate in ("sex", "age_band:sex"):
            assert set(pairs.loc[(group, covariate)].itertuples(index=False, name=None)) == {counts}
    assert set(pairs.loc[("all", "age_band")].itertuples(index=False, name=None)) == {(0, 0)}
    # They are in no count of the model's people.
    assert found.loc[("all", "sex")]["n_member_before"].sum() == 1004 - 7
