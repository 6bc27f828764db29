"""The list of specifications: the product without what cannot be or is another's."""

from dataclasses import replace
from itertools import pairwise

import pytest

from coopgap.checks.multiverse.specifications import specifications
from coopgap.study.load import load_study
from coopgap.study.spec import Matching, Multiverse


def named(one):
    """A specification's choices in a line."""
    return "; ".join(f"{axis}: {value}" for axis, value in one.choices.items())


def listed(make_study, **axes):
    return specifications(*make_study(Multiverse(**axes)))


def test_every_combination_stands_once(make_study, wide):
    found = specifications(*make_study(wide))
    assert found.n_combinations == 3 * 2 * 2 * 3 * 3 == len(found.listed)
    assert not found.removed
    names = [named(one) for one in found.listed]
    assert len(set(names)) == len(names)
    assert [one.id for one in found.listed] == [f"specification {k}" for k in range(1, 109)]
    assert [named(one) for one in found.listed if one.is_declared] == [
        "method: exact; covariates: all; link: logit; coding: y; region: strata"
    ]


def test_a_caliper_makes_specifications_of_methods_that_take_one(make_study):
    found = listed(make_study, method=("exact", "entropy", "nearest"), caliper=(None, 0.1, 0.2))
    assert [named(one) for one in found.listed] == [
        "method: exact",
        "method: entropy",
        "method: nearest; caliper: none",
        "method: nearest; caliper: 0.1",
        "method: nearest; caliper: 0.2",
    ]
    assert found.removed == {"the same as another: the method takes no caliper": 4}
    assert [one.spec.matching.caliper for one in found.listed] == [None, None, None, 0.1, 0.2]


def test_a_caliper_of_the_model_stays_where_none_is_chosen(make_study):
    study, spec = make_study(Multiverse(link=("logit", "probit")))
    matching = Matching(method="nearest", on=("region",), covariates=("age", "sex"), caliper=0.3)
    found = specifications(study, replace(spec, matching=matching))
    assert [one.spec.matching.caliper for one in found.listed] == [0.3, 0.3]
    assert [one.is_declared for one in found.listed] == [True, False]


def test_populations_of_all_rows_need_no_matching(make_study):
    found = listed(
        make_study,
        method=("exact", "entropy"),
        region=("strata", "covariate", "left_out"),
        population=("members", "pooled"),
    )
    names = [named(one) for one in found.listed]
    assert "region: covariate; population: pooled" in names
    assert "region: left_out; population: pooled" in names
    # Strata without a matching are a covariate: of six combinations two are left.
    assert len(names) == 6 + 2
    assert found.removed == {
        "the same as another: a population of all complete rows needs no matching": 4
    }


def test_overlap_weights_go_with_their_own_population(make_study):
    found = listed(
        make_study, method=("exact", "overlap"), population=("members", "all_members", "overlap")
    )
    assert [named(one) for one in found.listed] == [
        "method: exact; population: members",
        "population: all_members",
        "population: overlap",
        "method: overlap; population: overlap",
    ]
    assert found.removed == {"overlap weights are about the overlap, no other population": 2}


def test_a_matching_on_nothing_is_left_out(make_study):
    study, spec = make_study(
        Multiverse(
            covariates={"all": ("age", "sex", "region"), "region": ("region",)},
            region=("strata", "covariate"),
        )
    )
    found = specifications(study, spec)
    assert [one.spec.matching.on for one in found.listed] == [
        ("region", "age", "sex"),
        ("age", "sex"),
        ("region",),
    ]
    assert found.removed == {"nothing is left to match on": 1}


def test_the_region_goes_where_it_is_put(make_study):
    found = listed(
        make_study, method=("exact", "nearest"), region=("strata", "covariate", "left_out")
    )
    spec = {named(one): one.spec for one in found.listed}
    exact = [spec[f"method: exact; region: {at}"] for at in ("strata", "covariate", "left_out")]
    assert [one.matching.on for one in exact] == [("region", "age", "sex"), *[("age", "sex")] * 2]
    assert ["region" in one.covariates for one in exact] == [True, True, False]
    near = [spec[f"method: nearest; region: {at}"] for at in ("strata", "covariate", "left_out")]
    assert [one.matching.on for one in near] == [("region",), (), ()]
    assert ["region" in one.matching.covariates for one in near] == [False, True, False]


def test_a_set_without_the_region_leaves_it_out_of_the_strata_too(make_study):
    found = listed(
        make_study, covariates={"all": ("age", "sex", "region"), "short": ("age", "sex")}
    )
    assert [one.spec.matching.on for one in found.listed] == [
        ("region", "age", "sex"),
        ("age", "sex"),
    ]


def test_freed_slopes_stay_where_the_coding_and_the_covariates_have_them(make_study, wide):
    study, spec = make_study(wide)
    spec = replace(spec, fitting=replace(spec.fitting, free=("region",)))
    for one in specifications(study, spec).listed:
        two = one.at or one.spec.outcome == "y_high"
        kept = not two and "region" in one.spec.covariates
        assert one.spec.fitting.free == (("region",) if kept else ())


def test_without_a_multiverse_there_is_nothing(make_study):
    found = specifications(*make_study(None))
    assert found.listed == ()
    assert found.n_combinations == 0


@pytest.mark.parametrize("name", ["peru", "uganda_dairy"])
def test_shipped_multiverses_have_the_declared_gap_once(name):
    study = load_study(name)
    for spec in study.models:
        found = specifications(study, spec)
        assert sum(one.is_declared for one in found.listed) == 1, spec.name
        assert 12 <= len(found.listed) <= 300
        assert len({named(one) for one in found.listed}) == len(found.listed)


def test_the_list_does_not_depend_on_the_order_of_values(make_study, wide):
    study, spec = make_study(wide)
    turned = replace(wide, method=wide.method[::-1], region=wide.region[::-1])
    first, second = (
        {
            named(one): replace(one, id="")
            for one in specifications(study, replace(spec, multiverse=axes)).listed
        }
        for axes in (wide, turned)
    )
    assert first == second


def test_the_method_of_the_model_keeps_its_own_choices(make_study):
    study, spec = make_study(
        Multiverse(
            method=("cardinality", "exact"),
            covariates={"all": ("age", "sex", "region"), "short": ("age", "region")},
        )
    )
    own = Matching(
        method="cardinality", on=("region",), covariates=("age", "sex"), limit=0.03, time_limit=5
    )
    found = specifications(study, replace(spec, matching=own)).listed
    designs = {named(one): one.spec.matching for one in found}
    assert designs["method: cardinality; covariates: all"] == own
    short = designs["method: cardinality; covariates: short"]
    assert short == replace(own, covariates=("age",))
    assert designs["method: exact; covariates: short"] == Matching(on=("region", "age"))
    assert all(a != b for a, b in pairwise(designs.values()))


def test_a_model_without_matching_is_itself_over_all_members(make_study):
    axes = Multiverse(
        link=("logit", "probit"),
        region=("covariate", "left_out"),
        population=("all_members", "overlap"),
    )
    study, spec = make_study(axes)
    found = specifications(study, replace(spec, matching=Matching(method="none")))
    assert len(found.listed) == 8
    assert not found.removed
    assert {one.spec.matching.method for one in found.listed} == {"none"}
    (own,) = [one for one in found.listed if one.is_declared]
    assert named(own) == "link: logit; region: covariate; population: all_members"
    assert own.population == "all_members"


def test_without_the_choice_of_a_population_it_is_all_members(make_study):
    study, spec = make_study(Multiverse(link=("logit", "probit")))
    found = specifications(study, replace(spec, matching=Matching(method="none")))
    assert [one.population for one in found.listed] == ["all_members", "all_members"]
    assert [one.is_declared for one in found.listed] == [True, False]
