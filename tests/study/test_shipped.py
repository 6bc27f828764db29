from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from coopgap.families.headline import headline_models
from coopgap.study.load import load_study, shipped_studies
from coopgap.study.spec import Headline
from coopgap.survey.codebook import apply_codebook, needed_columns
from coopgap.survey.example import make_example
from coopgap.survey.raw import from_dataframe
from coopgap.survey.read import read_table

ROOT = Path(__file__).resolve().parents[2]


def test_both_studies_ship():
    assert shipped_studies() == ("peru", "uganda_dairy")


@pytest.mark.parametrize("name", ["peru", "uganda_dairy"])
def test_a_name_and_its_folder_are_one_study(name):
    by_name, by_folder = load_study(name), load_study(ROOT / "models" / name)
    assert by_name.name == name
    assert by_name.sha256 == by_folder.sha256
    assert by_name.models == by_folder.models


def test_a_folder_of_a_shipped_name_wins(make_study, monkeypatch):
    folder = make_study()
    folder.rename(folder.with_name("peru"))
    monkeypatch.chdir(folder.parent)
    assert load_study("peru").title == "A small study"


def test_peru():
    study = load_study("peru")
    assert (study.survey, study.printed) == ("example", "peru")
    outcomes = ("neighbours", "ses_class", "ses_top", "trust", "trust_agree", "trusted_person")
    assert tuple(model.outcome for model in study.models) == outcomes
    assert study.headline["ses_class"] == (
        Headline(model="ses", at=">=C"),
        Headline(model="ses_top"),
    )
    assert study.headline["trust"][0] == Headline(model="trust", at=">=agree")
    assert list(study.headline) == ["ses_class", "trust", "trusted_person", "neighbours"]
    named = [outcome for outcome, _ in headline_models(study)]
    assert sorted(named) == sorted(study.phone.margin) == sorted(outcomes)
    assert {model.name for model in study.models if model.hierarchical} == {"ses", "trust_agree"}
    for model in study.models:
        assert model.matching.method == "exact"
        assert model.matching.on == ("region", "age_band", "sex")
        by_method = {one.spec.matching.method: one.spec for one in model.variants}
        education, entropy = by_method["exact"], by_method["entropy"]
        assert education.matching.on == (*model.matching.on, "education")
        assert education.covariates == (*model.covariates, "education")
        assert (entropy.matching.method, entropy.matching.on) == ("entropy", model.matching.on)


def test_peru_variables():
    variables = load_study("peru").variables
    assert variables["ses_class"].levels == ("E", "D", "C", "B", "A")
    assert variables["age_band"].levels == ("<25", "25-34", "35-44", "45-54", "55-64", "65+")
    assert len(variables["region"].levels) == 5
    assert variables["education"].role_for("ses_class") == "component"
    assert variables["education"].role_for("ses_top") == "component"
    assert variables["neighbours"].role_for("neighbours") == "negative_control"
    assert [name for name, one in variables.items() if one.groups] == ["sex", "coop_type"]


def test_peru_benchmark_is_figure_1():
    # WDDCM Peru, Figure 1: national average A 3, B 9, C 27, D 27, E 34 percent.
    benchmark = load_study("peru").benchmarks[0]
    assert benchmark.outcome == "ses_class"
    assert benchmark.whole.shares == {"A": 3, "B": 9, "C": 27, "D": 27, "E": 34}
    assert benchmark.whole.n is None


def test_perus_regional_benchmark_is_the_survey_of_2024():
    """ENADES 2024: classes A to C of Lima are 74 percent; the regions' samples make the whole."""
    benchmark = load_study("peru").benchmarks[1]
    lima = benchmark.regions["Lima"]
    assert sum(lima.shares[level] for level in "ABC") == pytest.approx(73.54)
    assert sum(one.n for one in benchmark.regions.values()) == benchmark.whole.n == 1508


def test_uganda():
    study = load_study("uganda_dairy")
    assert study.survey is None
    assert study.headline["income"] == (Headline(model="income", at=">=the same"),)
    assert study.headline["food_insecurity"] == (Headline(model="food_insecurity"),)
    assert study.variables["income"].levels[0] == "much lower"
    assert len(study.variables["food_insecurity"].items) == 8
    for model in study.models:
        assert model.hierarchical is not None
        assert model.matching.on == ("district", "age_band", "sex", "education")
        assert [variant.spec.matching.method for variant in model.variants] == ["entropy"]


def test_peru_describes_the_example_survey():
    study = load_study("peru")
    raw = from_dataframe(make_example().data, needed_columns(study))
    survey = apply_codebook(raw, study)
    # WDDCM Peru, Components of Research Study: 1,004 members and 1,003 non-members, and 250
    # telephone interviews.
    in_person = ~survey.phone
    assert (survey.member[in_person].sum(), (~survey.member)[in_person].sum()) == (1004, 1003)
    assert survey.phone.sum() == 250
    assert survey.dropped == ()
    # Both read one column, so class A or B is exactly the two highest classes.
    top = survey.codes["ses_top"]
    assert np.array_equal(top == 1, survey.codes["ses_class"] >= 3)


@pytest.mark.skipif("COOPGAP_UGANDA" not in os.environ, reason="needs COOPGAP_UGANDA")
def test_uganda_describes_the_published_file():
    path = Path(os.environ["COOPGAP_UGANDA"])
    study = load_study("uganda_dairy")
    survey = apply_codebook(read_table(path, needed_columns(study)), study)
    assert (int(survey.member.sum()), int((~survey.member).sum())) == (311, 602)
    with path.open(encoding="utf-8", newline="") as file:
        people = [
            row for row in csv.DictReader(file) if row["dairy.cooperative.q149"] in ("1", "2")
        ]
    income = [row["dairy.welfare.g10"] for row in people]
    coded = np.bincount(survey.codes["income"] + 1, minlength=6)
    assert list(coded[1:]) == [income.count(code) for code in "54321"]
    items = study.variables["food_insecurity"].items
    answers = [[row[item] for item in items] for row in people]
    full = [one for one in answers if set(one) <= {"1", "2"}]
    hungry = survey.codes["food_insecurity"]
    assert (hungry >= 0).sum() == len(full)
    assert (hungry == 1).sum() == sum(one.count("1") >= 4 for one in full)
