from __future__ import annotations

from dataclasses import replace

import pytest

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


BOTH = {"covariates": ("school", "age"), "matching": Matching(on=("school", "age"))}


@pytest.mark.parametrize(
    ("changes", "names", "covariates", "matching"),
    [
        ({}, ["with school (component)"], ("age", "school"), Matching(on=("age", "school"))),
        (BOTH, ["without school (component)"], ("age",), Matching(on=("age",))),
        # Only matched on it gives both.
        (
            {"matching": Matching(on=("age", "school"))},
            ["with school (component)", "without school (component)"],
            ("age", "school"),
            Matching(on=("age", "school")),
        ),
        # Without a matching there is none either way.
        (
            {"covariates": ("age", "school"), "matching": Matching(method="none")},
            ["without school (component)"],
            ("age",),
            Matching(method="none"),
        ),
        ({"outcome": "age"}, [], None, None),
    ],
)
def test_a_component_is_put_in_or_left_out(changes, names, covariates, matching):
    found = component_variants(replace(SPEC, **changes), (), VARIABLES)
    assert [variant.name for variant in found] == names
    if names:
        assert (found[0].spec.covariates, found[0].spec.matching) == (covariates, matching)


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


def test_the_peru_class_models_have_one():
    study = load_study("peru")
    found = {spec.name: [variant.name for variant in spec.variants] for spec in study.models}
    assert found["ses"] == ["entropy balancing", "with education (component)"]
    assert found["ses_top"] == ["entropy balancing", "with education (component)"]
    assert found["trust"] == ["education too", "entropy balancing"]
