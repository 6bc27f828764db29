"""The `[multiverse]` table: what it becomes, and one clear line for whatever is wrong."""

from __future__ import annotations

import pytest

from coopgap.core.errors import StudyError
from coopgap.study.load import load_study
from coopgap.study.spec import Coding, Multiverse
from coopgap.survey.codebook import needed_variables

AXES = "method, caliper, covariates, link, coding, region, mode, population"
METHODS = "exact, entropy, nearest, optimal, full, cardinality, overlap"
DECLARED = "trust, age_band, region, hungry, helped"
OWN = "lacks what the model itself has"

ERRORS = {
    "empty": ("", f": combines nothing; give any of {AXES}"),
    "unknown": ('std_errors = ["CR1"]', f": unknown key std_errors; allowed: {AXES}"),
    "method": ('method = ["exact", "magic"]', f'.method: holds "magic"; allowed: {METHODS}'),
    "no value": ("link = []", ".link: is empty; give two values or more, or leave it out"),
    "a text": ('link = "logit"', ".link: is a text; allowed: a list of texts"),
    "twice": ('link = ["logit", "logit"]', '.link: holds "logit" twice; allowed: each once'),
    "own link": ('link = ["probit"]', f".link: {OWN}; add logit"),
    "own method": ('method = ["entropy"]', f".method: {OWN}; add exact"),
    "own population": ('population = ["pooled"]', f".population: {OWN}; add members"),
    "population": (
        'population = ["members", "poststratified"]',
        '.population: holds "poststratified"; allowed: members, all_members, pooled, overlap',
    ),
    "caliper below zero": (
        'caliper = ["none", -0.1]',
        '.caliper: holds what is no caliper; allowed: numbers above 0, "none"',
    ),
    "caliper in words": (
        'caliper = ["none", "wide"]',
        '.caliper: holds what is no caliper; allowed: numbers above 0, "none"',
    ),
    "caliper twice": (
        'caliper = ["none", 0.1, 0.1]',
        ".caliper: holds 0.1 twice; allowed: each once",
    ),
    "too many": (
        'method = ["exact", "entropy"]\nlink = ["logit", "probit", "cloglog"]\n'
        f'caliper = ["none", {", ".join(f"{k / 1000}" for k in range(1, 1700))}]',
        ": has 10,200 combinations; allowed: at most 10,000",
    ),
    "own caliper": ("caliper = [0.1]", f".caliper: {OWN}; add none"),
    "coding of another question": (
        'coding = ["trust", "helped"]',
        '.coding: holds "helped"; allowed: trust, >=middle, >=high',
    ),
    "coding at the lowest level": (
        'coding = ["trust", ">=low"]',
        '.coding: holds ">=low"; allowed: trust, >=middle, >=high',
    ),
    "own coding": ('coding = [">=high"]', f".coding: {OWN}; add trust"),
    "covariate": (
        'covariates = [["age_band", "region"], ["agee"]]',
        f".covariates: no variable agee is declared; declared: {DECLARED}",
    ),
    "outcome as covariate": (
        'covariates = [["age_band", "region"], ["trust"]]',
        ".covariates: trust is the outcome or reads its column; leave it out",
    ),
    "set twice": (
        'covariates = [["age_band", "region"], ["region", "age_band"]]',
        ".covariates: holds a set twice; allowed: each once",
    ),
    "own covariates": ('covariates = [["age_band"]]', f".covariates: {OWN}; add age_band, region"),
    "no sets": ('covariates = ["age_band"]', ".covariates: holds a text; allowed: lists of texts"),
    "a name that divides": (
        'covariates = { "a; b" = ["age_band", "region"] }',
        ".covariates: has a name that is empty or holds ; or :; mend it",
    ),
    "own region": ('region = ["left_out"]', f".region: {OWN}; add covariate"),
    "mode": (
        'mode = ["in_person", "by post"]',
        '.mode: holds "by post"; allowed: in_person, phone_joins',
    ),
}


def with_table(text, **study):
    return {"model": {"[hierarchical]\n": f"[multiverse]\n{text}\n"}, "study": study}


@pytest.mark.parametrize(("text", "expected"), ERRORS.values(), ids=ERRORS)
def test_a_table_that_cannot_be_meant_is_refused_in_one_line(make_study, text, expected):
    with pytest.raises(StudyError) as caught:
        load_study(make_study(**with_table(text)))
    assert str(caught.value) == f"trust.toml: multiverse{expected}"


@pytest.mark.parametrize(
    ("text", "study", "expected"),
    [
        (
            'region = ["covariate", "strata"]',
            {'region = "region"\n': ""},
            ".region: the study declares no region; name one under [design] in study.toml",
        ),
        (
            'mode = ["in_person", "phone_joins"]',
            {'mode = { column = "mode", in_person = "here", phone = "phone" }\n': ""},
            ".mode: the study declares no mode; name one under [design] in study.toml",
        ),
        (
            'covariates = [["age_band", "region"], ["helped"]]',
            {"[variables.helped]\n": '[variables.helped]\ncolumn = "member"\n'},
            ": uses helped, the membership question; leave it out",
        ),
    ],
)
def test_choices_that_the_design_cannot_have_are_refused(make_study, text, study, expected):
    folder = make_study(study, with_table(text)["model"])
    with pytest.raises(StudyError) as caught:
        load_study(folder)
    assert str(caught.value) == f"trust.toml: multiverse{expected}"


UNMATCHED = {
    "method": ('method = ["exact"]', ".method: is about a matching, but {}; leave it out"),
    "caliper": ('caliper = ["none"]', ".caliper: is about a matching, but {}; leave it out"),
    "strata": (
        'region = ["covariate", "strata"]',
        ".region: holds strata, but {}; allowed: covariate, left_out",
    ),
    "members": (
        'population = ["all_members", "members"]',
        ".population: holds members, but {}; allowed: all_members, pooled, overlap",
    ),
    "own population": ('population = ["pooled"]', f".population: {OWN}; add all_members"),
}


@pytest.mark.parametrize(("text", "expected"), UNMATCHED.values(), ids=UNMATCHED)
def test_choices_about_a_matching_need_one(make_study, text, expected):
    changes = with_table(text)["model"]
    changes |= {'[matching]\nmethod = "exact"\non = ["age_band"]\n': ""}
    with pytest.raises(StudyError) as caught:
        load_study(make_study(model=changes))
    found = expected.format("the model has no [matching]")
    assert str(caught.value) == f"trust.toml: multiverse{found}"


def test_a_table_becomes_its_values_and_its_variables_are_read(make_study):
    text = """
method = ["exact", "nearest"]
caliper = ["none", 0.25]
coding = ["trust", ">=high"]
region = ["covariate", "left_out"]
covariates = { plain = ["age_band", "region"], "hunger too" = ["age_band", "region", "hungry"] }
"""
    study = load_study(make_study(**with_table(text)))
    assert study.models[0].multiverse == Multiverse(
        method=("exact", "nearest"),
        caliper=(None, 0.25),
        coding=(Coding(outcome="trust"), Coding(outcome="trust", at="high")),
        region=("covariate", "left_out"),
        covariates={
            "plain": ("age_band", "region"),
            "hunger too": ("age_band", "region", "hungry"),
        },
    )
    assert "hungry" in needed_variables(study)
    assert "helped" not in needed_variables(study)


def test_sets_without_names_are_named_by_what_they_hold(make_study):
    text = 'covariates = [["age_band", "region"], []]'
    study = load_study(make_study(**with_table(text)))
    assert study.models[0].multiverse.covariates == {
        "age_band + region": ("age_band", "region"),
        "none": (),
    }


def test_a_variant_has_no_multiverse_of_its_own(make_study):
    changed = {'name = "regions too"\n': 'name = "regions too"\nmultiverse = {}\n'}
    with pytest.raises(StudyError) as caught:
        load_study(make_study(model=changed))
    assert str(caught.value) == (
        "trust.toml: variant[1].multiverse: is not available in this version; "
        "declare it once, for the model"
    )
