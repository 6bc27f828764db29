"""A run with departments: rows, what stands behind them, the report, an official release."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import coopgap
from coopgap.core.disclose import protected_rows
from coopgap.core.estimate import GapRow
from coopgap.core.vocabulary import Status
from coopgap.report.data import make_results
from coopgap.report.figures import draw
from coopgap.report.figures.canvas import drawing_style
from coopgap.report.pages import Content
from coopgap.survey.example import make_example

from .studies import MODE, model, nominal, of_example, where, write_study

EMPTY = "Tacna"


@pytest.fixture(scope="module")
def survey():
    return make_example().data


@pytest.fixture(scope="module")
def folder(survey, tmp_path_factory):
    folder = tmp_path_factory.mktemp("departments") / "study"
    lies_in = dict(zip(survey["department"], survey["region"], strict=True)) | {EMPTY: "South"}
    variables = of_example("trust_agree", "sex", "region")
    hierarchical = {"zones": False, "area": "area.csv", "draws": 2000}
    write_study(
        folder,
        variables | {"department": nominal(*lies_in)},
        {"trust_agree": model("trust_agree", "sex", "region", hierarchical=hierarchical)},
        design={
            "region": "region",
            "department": "department",
            "zone": "zone",
            "mode": MODE,
            "population": "people.csv",
        },
    )
    known = np.random.default_rng(0).uniform(5, 50, len(lies_in)).round(1)
    pd.DataFrame(
        {"department": [*lies_in], "region": [*lies_in.values()], "poverty": known}
    ).to_csv(folder / "area.csv", index=False)
    pd.DataFrame({"department": [*lies_in], "population": range(1, len(lies_in) + 1)}).to_csv(
        folder / "people.csv", index=False
    )
    return folder


@pytest.fixture(scope="module")
def run(folder, survey):
    return coopgap.run(folder, data=survey, jobs=1)


def by_department(run, **fields):
    rows = where(run.gaps, family="hierarchical", quantity="risk_difference", **fields)
    rows = rows[rows["group"].str.startswith("department=")]
    return rows.set_index(rows["group"].str.partition("=")[2])


def test_each_department_has_a_row_and_nobody_s_is_marked(run, survey):
    rows = by_department(run, population="all_members")
    assert set(rows.index) == {*survey["department"], EMPTY}
    assert rows["status"][EMPTY] == "predicted"
    assert (rows["status"] == "predicted").sum() == 1
    in_person = survey[survey["mode"] == "in person"]
    counts = in_person[in_person["member"] == 1].groupby("department").size()
    assert rows["n_member"].drop(EMPTY).to_dict() == counts.to_dict()
    assert rows["n_member"][EMPTY] == 0
    # It is less well known than any department of its region.
    south = ["Arequipa", "Ayacucho", "Cusco", "Puno"]
    assert rows["std_error"][EMPTY] > rows["std_error"][south].max()


def test_pooled_gaps_lie_between_their_own_and_their_region(run):
    """Gaps alone stand beside pooled ones, which spread less and are better known."""
    pooled = by_department(run, population="all_members")["estimate"]
    alone = where(run.gaps, family="adjusted_logit", quantity="risk_difference")
    alone = alone[alone["group"].str.startswith("department=")]
    assert len(alone) == 10
    alone = alone.set_index(alone["group"].str.partition("=")[2])["estimate"]
    assert pooled[alone.index].std() < 0.8 * alone.std()
    assert np.corrcoef(pooled[alone.index], alone)[0, 1] > 0.8


def test_the_population_s_gap_is_the_departments_by_their_people(run, survey):
    """Sex is no margin: within a department its people stand for it, as they are."""
    rows = by_department(run, population="poststratified")
    whole = where(
        run.gaps, family="hierarchical", quantity="risk_difference", population="poststratified",
        group="all",
    )  # fmt: skip
    names = [*dict.fromkeys(survey["department"]), EMPTY]
    weight = pd.Series(range(1, 12), index=names) / 66
    expected = (rows["estimate"] * weight[rows.index]).sum()
    assert whole["estimate"].tolist() == pytest.approx([expected])


def test_slopes_of_areas_are_told_with_the_prior_s_share(run):
    terms = where(run.coefficients, family="hierarchical").set_index("term")
    assert {"poverty", "member:poverty", "sd_department", f"member:department={EMPTY}"} <= {
        *terms.index
    }
    shares = where(run.diagnostics, diagnostic="prior_share").set_index("about")["value"]
    known = np.random.default_rng(0).uniform(5, 50, 11).round(1)
    for term in ("poverty", "member:poverty"):
        sd = terms["std_error"][term] * known.std()
        assert shares[term] == pytest.approx(sd**2 / 0.5**2, rel=1e-3)
    (told,) = where(run.diagnostics, diagnostic="departments_in_model")["value"]
    assert told == 11
    # People behind each term are counted: those of a department, none where nobody was asked.
    assert terms["n_smaller"][f"member:department={EMPTY}"] == 0
    assert terms["n_smaller"]["member:department=Amazonas"] == 30


@pytest.mark.slow  # every refit of the full checks, a minute and a half
def test_the_checks_of_the_model_by_region_run(folder, survey):
    found = coopgap.run(folder, data=survey, checks="full", jobs=1).sensitivity
    groups = set(where(found, check="prior_refit")["group"])
    assert {f"department={EMPTY}", "department=Lima", "region=South"} <= groups
    loo = where(found, check="loo")
    assert "no departments, minus declared" in set(loo["variant"])
    for check in ("phone_replaces", "phone_joins", "phone_joins_mode", "power_scaling"):
        rows = where(found, check=check, family="hierarchical")
        assert rows["estimate"].notna().any(), check
    assert where(found, check="leave_one_region")["estimate"].notna().any()
    assert where(found, check="posterior_predictive")["estimate"].notna().any()


def test_the_report_has_departments_under_regions(run):
    results = make_results(run.frames, run.study, run.meta)
    with drawing_style():
        text = Content(results, draw).render("report.md.j2")
    assert f"| {EMPTY} (nobody asked here) | 0 | 0 |" in text
    assert "by department" in text
    assert "figures/departments_trust_agree" in text
    assert "Predicted from elsewhere: no member was asked here" in text
    assert text.index("by region") < text.index("by department")


def test_an_official_release_blanks_departments_of_few(run):
    rows = [
        GapRow(**{k: None if v != v else v for k, v in row.items()})
        for row in run.gaps.to_dict("records")
        if row["group"].startswith("department=")
    ]
    told = {
        (row.group, row.family, row.population, row.category): row
        for row in protected_rows(rows, 40)
        if row.quantity == "risk_difference"
    }
    here = told[f"department={EMPTY}", "hierarchical", "all_members", ""]
    assert here.status is Status.SUPPRESSED
    assert here.estimate is None
    lima = told["department=Lima", "hierarchical", "all_members", ""]
    assert lima.estimate is not None
