from __future__ import annotations

from dataclasses import replace

from coopgap.study.load import load_study
from coopgap.study.model import component_variants
from coopgap.study.spec import Matching, ModelSpec, Variable, Variant


def variable(name, **role):
    return Variable(
        name=name,
        column=name,
        type="nominal",
        levels=("a", "b"),
        declared_levels=("a", "b"),
        role=role,
    )


VARIABLES = {
    "y": variable("y"),
    "age": variable("age"),
    "school": variable("school", y="component"),
}
SPEC = ModelSpec(
    name="m", outcome="y", covariates=("age",), matching=Matching(method="exact", on=("age",))
)


def test_a_component_left_out_is_put_in():
    (found,) = component_variants(SPEC, (), VARIABLES)
    assert found.name == "with school (component)"
    assert found.spec.covariates == ("age", "school")
    assert found.spec.matching.on == ("age", "school")


def test_a_component_put_in_is_left_out():
    spec = replace(SPEC, covariates=("school", "age"), matching=Matching(on=("school", "age")))
    (found,) = component_variants(spec, (), VARIABLES)
    assert found.name == "without school (component)"
    assert found.spec.covariates == ("age",)
    assert found.spec.matching.on == ("age",)


def test_a_component_only_matched_on_gives_both():
    spec = replace(SPEC, matching=Matching(on=("age", "school")))
    found = component_variants(spec, (), VARIABLES)
    assert [variant.name.split()[0] for variant in found] == ["with", "without"]


def test_without_a_matching_there_is_none_either_way():
    spec = replace(SPEC, covariates=("age", "school"), matching=Matching(method="none"))
    (found,) = component_variants(spec, (), VARIABLES)
    assert found.spec.covariates == ("age",)
    assert found.spec.matching == Matching(method="none")


def test_a_declared_variant_is_not_repeated():
    same = replace(SPEC, covariates=("school", "age"), matching=Matching(on=("school", "age")))
    assert component_variants(SPEC, (Variant(name="mine", spec=same),), VARIABLES) == ()


def test_interactions_of_a_component_go_with_it_and_tell_no_designs_apart():
    crossed = (("age", "school"), ("age", "sex"))
    matching = Matching(on=("age", "school"), interactions=crossed)
    spec = replace(SPEC, covariates=("age", "school", "sex"), matching=matching)
    (found,) = component_variants(spec, (), VARIABLES)
    assert found.name == "without school (component)"
    assert found.spec.matching.interactions == (("age", "sex"),)
    # The same design without the interactions is no other design.
    bare = replace(spec, matching=Matching(on=("age",)), covariates=("age", "sex"))
    assert component_variants(spec, (Variant(name="mine", spec=bare),), VARIABLES) == ()


def test_nothing_without_a_component():
    assert component_variants(replace(SPEC, outcome="age"), (), VARIABLES) == ()


def test_the_peru_class_models_have_one():
    study = load_study("peru")
    found = {spec.name: [variant.name for variant in spec.variants] for spec in study.models}
    assert found["ses"] == ["entropy balancing", "with education (component)"]
    assert found["ses_top"] == ["entropy balancing", "with education (component)"]
    assert found["trust"] == ["education too", "entropy balancing"]
