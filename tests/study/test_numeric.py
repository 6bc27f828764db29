"""Numeric variables in a study folder: what they may declare, and where levels are needed."""

from __future__ import annotations

import pytest

from coopgap.core.errors import StudyError
from coopgap.study.load import load_study

AGE = '[variables.age_years]\ntype = "numeric"\n'
HELPED = "[variables.helped]\n"
COVARIATES = 'covariates = ["age_band", "region"]'
WITH_AGE = {COVARIATES: 'covariates = ["age_years", "region"]'}
BAND = 'declare it banded: type = "banded" with cuts'


def declared(make_study, lines="", model=None):
    return load_study(make_study({HELPED: f"{AGE}{lines}{HELPED}"}, model))


def test_a_number_has_no_levels(make_study):
    study = declared(
        make_study, 'knots = [20, 40, 60.5]\nrange = [15, 110]\nmissing = [998, "?"]\n'
    )
    variable = study.variables["age_years"]
    assert variable.is_numeric
    assert (variable.levels, variable.groups) == ((), False)
    assert variable.knots == (20.0, 40.0, 60.5)
    assert variable.range == (15.0, 110.0)
    assert variable.missing == (998, "?")


def test_it_may_be_a_covariate_and_in_a_distance(make_study):
    method = 'method = "exact"\non = ["age_band"]\n'
    nearest = 'method = "nearest"\non = ["age_band"]\ncovariates = ["age_years"]\n'
    model = WITH_AGE | {method: nearest}
    (spec,) = declared(make_study, model=model).models
    assert spec.covariates == ("age_years", "region")
    assert spec.matching.covariates == ("age_years",)
    # In the model by region too.
    assert spec.hierarchical is not None


def test_entropy_balances_its_mean(make_study):
    method = 'method = "exact"\non = ["age_band"]\n'
    entropy = 'method = "entropy"\non = ["age_years"]\n'
    (spec,) = declared(make_study, model={method: entropy}).models
    assert spec.matching.on == ("age_years",)


WRONG = {
    "levels": ('levels = ["a", "b"]\n', ": unknown key levels; allowed: "),
    "groups": ("groups = true\n", ": unknown key groups; allowed: "),
    "two knots": (
        "knots = [20, 40]\n",
        ".knots: has 2; give three or more, or none for a straight line",
    ),
    "knots that fall": ("knots = [20, 40, 40]\n", ".knots: do not increase; give increasing "),
    "one end": ("range = [20]\n", ".range: is no pair of increasing numbers; give "),
}


@pytest.mark.parametrize(("lines", "expected"), WRONG.values(), ids=WRONG)
def test_what_a_number_may_not_declare(make_study, lines, expected):
    with pytest.raises(StudyError) as caught:
        declared(make_study, lines)
    assert str(caught.value).startswith(f"study.toml: variables.age_years{expected}")


OWN, OTHER = '["age_band", "region"]', '["age_years"]'
METHOD = 'method = "exact"\n'
ON = 'on = ["age_band"]\n'
NEEDS_LEVELS = {
    "outcome": (
        {'outcome = "trust"': 'outcome = "age_years"'},
        "outcome: age_years is numeric, and an outcome has levels",
    ),
    "stratum": (
        {METHOD + ON: 'on = ["age_years"]\n'},
        "matching.on: age_years is numeric, and strata have levels",
    ),
    "stratum of a distance": (
        {METHOD + ON: 'method = "nearest"\non = ["age_years"]\n'},
        "matching.on: age_years is numeric, and strata have levels",
    ),
    "limits": (
        WITH_AGE | {METHOD: 'method = "cardinality"\n'},
        "matching.covariates: age_years is numeric, and cardinality balances levels",
    ),
    "interaction": (
        WITH_AGE | {METHOD: f'{METHOD}interactions = [["age_years", "region"]]\n'},
        "matching.interactions: age_years is numeric, and interactions cross levels",
    ),
    "strata of a multiverse": (
        WITH_AGE | {"[hierarchical]\n": '[multiverse]\nmethod = ["exact", "overlap"]\n'},
        "multiverse.method: age_years is numeric, and exact matching on covariates needs levels",
    ),
    "sets of a multiverse": (
        {"[hierarchical]\n": f"[multiverse]\ncovariates = [{OWN}, {OTHER}]\n"},
        "multiverse.covariates: age_years is numeric, and exact matching on covariates needs "
        "levels",
    ),
}


@pytest.mark.parametrize(("model", "expected"), NEEDS_LEVELS.values(), ids=NEEDS_LEVELS)
def test_where_levels_are_needed_it_says_to_band_it(make_study, model, expected):
    with pytest.raises(StudyError) as caught:
        declared(make_study, model=model)
    assert str(caught.value) == f"trust.toml: {expected}; {BAND}"


def test_a_region_has_levels(make_study):
    changes = {HELPED: f"{AGE}{HELPED}", 'region = "region"': 'region = "age_years"'}
    with pytest.raises(StudyError) as caught:
        load_study(make_study(changes))
    assert str(caught.value) == (
        f"study.toml: design.region: age_years is numeric, and regions have levels; {BAND}"
    )


def test_margins_of_a_population_are_by_level(make_study):
    changes = {HELPED: f"{AGE}{HELPED}", "[design]\n": '[design]\npopulation = "people.csv"\n'}
    folder = make_study(changes)
    (folder / "people.csv").write_text("age_years,population\n30,5\n")
    with pytest.raises(StudyError) as caught:
        load_study(folder)
    assert str(caught.value) == (
        "people.csv: age_years: is numeric, and margins are by level; declare it banded"
    )


def test_a_numeric_component_is_a_covariate_and_no_stratum(make_study):
    lines = 'role = { trust = "component" }\n'
    (spec,) = declared(make_study, lines).models
    (found,) = (one.spec for one in spec.variants if one.name.startswith("with "))
    assert found.covariates == ("age_band", "region", "age_years")
    assert found.matching.on == ("age_band",)
