"""Strata in a run: who counts as drawn, what is refused, what is said; weights beside them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import coopgap
from coopgap.app.plan import make_plan
from coopgap.core.errors import InputError
from coopgap.families.sample import sample_cells
from coopgap.fit import main
from coopgap.regression.shares import weighted_shares

from .r.invented import invented
from .studies import BINARY, model, nominal, where, write_study

PEOPLE = {
    "yes": BINARY,
    "age": {"type": "banded", "cuts": [35, 50, 65]},
    "sex": nominal("male", "female"),
    "region": nominal("North", "South", "East"),
}
DESIGN = {"region": "region", "zone": "zone", "strata": "stratum", "weight": "w", "id": "id"}


def people():
    """Invented people in four strata of ten zones, and how many zones the strata's regions have."""
    found = invented()
    stratum = found["zone"] % 4
    return found.assign(stratum=stratum, zones=np.array([100, 50, 40, 10])[stratum])


def study(folder, hierarchical=None, **design):
    more = {} if hierarchical is None else {"hierarchical": hierarchical}
    matched = model("yes", "age", "sex", "region", on=("region", "sex"), std_errors="CR1", **more)
    return write_study(folder, PEOPLE, {"model": matched}, design=DESIGN | design)


def drawn_of(folder, data, **design):
    return make_plan(study(folder, **design), data).survey.drawn


def errors(run):
    rows = run.gaps[run.gaps["std_error"].notna() & (run.gaps["interval_kind"] == "confidence")]
    return rows.set_index(["family", "group", "population", "quantity", "category", "comparator"])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return coopgap.run(study(tmp_path_factory.mktemp("run") / "study"), data=people(), jobs=1)


def test_a_zone_without_a_complete_row_counts_as_drawn(tmp_path):
    data = people()
    data["member"] = data["member"].astype("Int64").where(data["zone"] != 4)
    folder = study(tmp_path / "study")
    survey = make_plan(folder, data).survey
    assert np.unique(survey.zone).size == 39
    assert survey.drawn.first.n.tolist() == [10, 10, 10, 10]
    assert survey.drawn.first.df == 36
    assert survey.drawn.labels == ("0", "1", "2", "3")


def test_a_wave_left_out_was_not_drawn(tmp_path):
    data = people().assign(wave=lambda one: np.where(one["zone"] > 20, 2, 1))
    folder = study(tmp_path / "study")
    with (folder / "study.toml").open("a", encoding="utf-8") as file:
        file.write("\n[where]\nwave = 1\n")
    assert make_plan(folder, data).survey.drawn.first.n.tolist() == [5, 5, 5, 5]


def test_fractions_are_of_zones_in_the_population(tmp_path):
    by_size = drawn_of(tmp_path / "sizes", people(), fpc="zones")
    shares = people().assign(zones=lambda one: 10 / one["zones"])
    by_share = drawn_of(tmp_path / "shares", shares, fpc="zones")
    for drawn in (by_size, by_share):
        np.testing.assert_allclose(drawn.first.left, [0.9, 0.8, 0.75, 0])


def test_a_raw_share_has_the_error_of_the_textbook(run):
    """Σ_h G_h/(G_h − 1) Σ (z_g − z̄_h)², z the linearised sums of zones; within three strata."""
    data = people()
    rows = where(run.coefficients, family="adjusted_logit", term="member")
    assert rows["std_error_kind"].tolist() == ["cluster CR1, strata"]
    plan = make_plan(run.study.folder, data)
    estimate_of = where(run.gaps, family="unadjusted", quantity="share", comparator="")
    drawn, sample = plan.survey.drawn, plan.models[0].sample
    side, weight = sample.rows.member, sample.rows.weight
    share = (weight * sample.rows.outcome)[side].sum() / weight[side].sum()
    unit = np.where(side, weight * (sample.rows.outcome - share) / weight[side].sum(), 0)
    sums = np.bincount(sample.rows.zone, unit)
    of_zone = np.zeros(sums.size, dtype=int)
    of_zone[sample.rows.zone] = sample.rows.stratum
    by_hand = sum(
        n / (n - 1) * ((sums[of_zone == h] - sums[of_zone == h].mean()) ** 2).sum()
        for h, n in enumerate(drawn.first.n)
    )
    on = sample_cells(replace(sample, covariates=()), weight)
    margins = weighted_shares(on.member, on.cells.counts, on.cells.squares, on.sampled, kind="CR1")
    assert margins.cov[1, 1] == pytest.approx(by_hand, rel=1e-10)
    assert margins.df == 36
    assert estimate_of["estimate"].iloc[0] == pytest.approx(share, rel=1e-12)


def test_order_scale_and_names_of_strata_change_nothing(run, tmp_path):
    data = people().sample(frac=1, random_state=3)
    data = data.assign(w=data["w"] * 7, stratum=data["stratum"].map("dbca".__getitem__))
    other = coopgap.run(study(tmp_path / "study"), data=data, jobs=1)
    one, two = errors(run), errors(other).reindex(errors(run).index)
    for name in ("estimate", "std_error", "lower", "upper"):
        np.testing.assert_allclose(one[name], two[name], rtol=1e-9, atol=1e-12)


def test_joined_strata_are_one_named_by_several_columns(tmp_path):
    data = people().assign(
        half=lambda one: one["stratum"] // 2, pair=lambda one: one["stratum"] % 2
    )
    drawn = drawn_of(tmp_path / "study", data, strata=["half", "pair"])
    assert drawn.labels == ("0 / 0", "0 / 1", "1 / 0", "1 / 1")


def test_run_json_and_the_page_say_how_people_were_drawn(run, tmp_path):
    saved = run.save(tmp_path / "out")
    design = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))["design"]
    assert design["strata"] == {
        "columns": ["stratum"],
        "n": 4,
        "zones": 40,
        "lonely": 0,
        "lonely_rule": None,
    }
    assert saved
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "40 zones drawn in 4 strata (stratum)" in text
    assert "by strata and zones as drawn (Taylor linearisation)" in text


def lonely(data):
    return data.assign(stratum=data["stratum"].where(data["zone"] != 4, 7))


WRONG = {
    "a stratum with one zone": (
        {},
        lonely,
        r"stratum: 1 strata have one first-stage unit.*lonely = \"adjust\"",
    ),
    "a zone in two strata": (
        {},
        lambda data: data.assign(stratum=data["id"] % 4),
        "stratum: .* zones stand in more than one stratum",
    ),
    "fewer in the population than drawn": (
        {"fpc": "zones"},
        lambda data: data.assign(zones=9),
        "zones: is below the number drawn in 4 strata",
    ),
    "a population that differs": (
        {"fpc": "zones"},
        lambda data: data.assign(zones=100 + data["id"]),
        "zones: differs within 4 strata",
    ),
    "no population": (
        {"fpc": "zones"},
        lambda data: data.assign(zones=data["zones"].where(data["zone"] != 8)),
        "zones: .* values are missing, zero, negative or not numbers",
    ),
    "a column that is not there": ({"strata": "strat"}, lambda data: data, "strat"),
    "a negative weight": (
        {},
        lambda data: data.assign(w=data["w"].where(data["id"] != 3, -1)),
        "w: 1 weights are missing, zero, negative or not numbers",
    ),
    "a rule that is none": ({"lonely": "average"}, lambda data: data, "adjust"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_line(name, tmp_path, capsys):
    design, change, told = WRONG[name]
    data = tmp_path / "people.csv"
    change(people()).to_csv(data, index=False)
    out = tmp_path / "out"
    code = main([str(study(tmp_path / "study", **design)), "--data", str(data), "--out", str(out)])
    err = capsys.readouterr().err.strip()
    assert code == 2
    assert "\n" not in err
    assert not out.exists()
    with pytest.raises(InputError, match=told):
        make_plan(tmp_path / "study", data)


@pytest.mark.parametrize("rule", ["adjust", "certainty"])
def test_a_lonely_stratum_is_taken_by_the_declared_rule(rule, tmp_path, capsys):
    data = lonely(people())
    drawn = drawn_of(tmp_path / "study", data, lonely=rule)
    assert drawn.first.lonely.tolist() == [False, False, False, False, True]
    assert drawn.first.df == 35
    file = tmp_path / "people.csv"
    data.to_csv(file, index=False)
    assert main([str(tmp_path / "study"), "--data", str(file), "--dry-run"]) == 0
    told = "".join(capsys.readouterr())
    assert f"strata    5 strata, 40 zones drawn; 1 with one ({rule})" in told


def test_weighted_people_have_a_model_by_region(tmp_path):
    """Its intervals are corrected, and the page says by how much."""
    folder = study(tmp_path / "study", hierarchical={"draws": 1000})
    run = coopgap.run(folder, data=people(), jobs=1)
    rows = where(run.gaps, family="hierarchical", group="all")
    assert set(rows["status"]) == {"ok"}
    widths = where(run.diagnostics, diagnostic="corrected_width", group="all")
    assert (widths["value"] > 0.8).all()
    run.save(tmp_path / "out")
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "the intervals of the model by region are corrected over 40 zones" in text
    assert isinstance(run.gaps, pd.DataFrame)
