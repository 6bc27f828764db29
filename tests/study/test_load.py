"""What a study folder becomes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from typing import get_args

import pytest

from coopgap.bayes.layout import Priors
from coopgap.core.errors import StudyError
from coopgap.study.load import load_study
from coopgap.study.spec import (
    Coding,
    Fitting,
    Headline,
    Hierarchical,
    Multiverse,
    NegativeControl,
    PriorName,
)
from coopgap.survey.codebook import needed_variables

CONTROL = {"variables.helped.role": {"helped": "negative_control"}}


def model_of(folder):
    (model,) = load_study(folder).models
    return model


def test_everything_declared_is_there(make_study):
    study = load_study(make_study())
    assert study.title == "A small study"
    assert study.name == "small"
    assert study.survey is None
    assert study.printed is None
    assert (study.group.member, study.group.comparison) == ((1,), (0,))
    assert (study.group.member_label, study.group.comparison_label) == ("members", "non-members")
    assert (study.design.region, study.design.zone) == ("region", ("zone",))
    assert study.design.weight is None
    assert study.design.mode.phone == ("phone",)
    assert study.headline == {"trust": (Headline(model="trust"),)}
    assert study.phone.margin == {"trust": 0.06}
    assert (study.smallest_gap, study.disclosure_minimum) == (0.05, 0)
    assert study.benchmarks[0].whole.shares == {"low": 20, "middle": 30, "high": 50}
    assert study.negative_control is None
    (model,) = study.models
    assert (model.name, model.outcome, model.link, model.population) == (
        "trust",
        "trust",
        "logit",
        "members",
    )
    assert model.matching.on == ("age_band",)
    assert model.hierarchical == Hierarchical()
    assert model.fitting == Fitting()


def test_values_of_a_file_keep_their_types(make_study):
    changes = {
        "group.member": [True, 1.5, "yes"],
        "group.missing": [8, "n/a"],
        "design.zone": ["village", "ward"],
        "design.missing": {"zone": [99]},
        "where": {"wave": 2, "round": ["a", "b"]},
        "disclosure": {"minimum": 10},
        "encoding": "latin-1",
    }
    study = load_study(make_study(changes))
    assert [type(value) for value in study.group.member] == [bool, float, str]
    assert study.group.missing == (8, "n/a")
    assert study.design.columns["zone"] == ("village", "ward")
    assert study.design.missing == {"zone": (99,)}
    assert study.where == {"wave": (2,), "round": ("a", "b")}
    assert (study.disclosure_minimum, study.encoding) == (10, "iso8859-1")


def test_several_models_answer_one_question_and_its_threshold_is_declared(make_study):
    entries = [{"model": "trust", "at": ">=high"}, "helped"]
    study = load_study(make_study({"headline.trust": entries}, helped=True))
    assert study.headline == {
        "trust": (Headline(model="trust", at=">=high"), Headline(model="helped"))
    }


def test_the_exclusion_of_a_negative_control(make_study):
    table = {"variable": "helped", "outcomes": ["trust"], "exclusion": "Help is given to all."}
    study = load_study(make_study(CONTROL | {"negative_control": table}, helped=True))
    assert study.negative_control == NegativeControl(
        variable="helped", outcomes=("trust",), exclusion="Help is given to all."
    )


FIT = {"zones": False, "priors": {"gap_sd": 0.25}, "draws": 300, "target_accept": 0.95}
REGRESSION = {"free": ["region"], "std_errors": "CR1S", "fixed": True, "form": "shares"}
FITTING = Fitting(form="shares", free=("region",), std_errors="CR1S", fixed=True)
OTHER = {"name": "other", "form": "proportional", "free": []}


def test_the_models_as_declared(make_study):
    model = model_of(make_study(trust=REGRESSION | {"variant": [OTHER], "hierarchical": FIT}))
    assert model.hierarchical == Hierarchical(**FIT)
    assert model.fitting == FITTING
    (variant,) = model.variants
    assert variant.spec.fitting == replace(FITTING, form="proportional", free=())


def test_profile_intervals_are_asked_for(make_study):
    assert model_of(make_study(trust={"intervals": "profile"})).fitting.intervals == "profile"


def test_levels_of_every_type(make_study):
    levels = {name: one.levels for name, one in load_study(make_study()).variables.items()}
    assert levels == {
        "trust": ("low", "middle", "high"),
        "age_band": ("<25", "25-34", "35+"),
        "region": ("north", "south"),
        "hungry": ("no", "yes"),
        "helped": ("no", "yes"),
        "years": (),
        "is_member": ("no", "yes"),
    }


@pytest.mark.parametrize(
    ("cuts", "levels"),
    [
        ([25, 35, 45], ("<25", "25-34", "35-44", "45+")),
        ([25.0, 26, 28], ("<25", "25", "26-27", "28+")),
        ([25.5, 35], ("<25.5", "[25.5, 35)", "35+")),
        ([-5, 0], ("<-5", "-5--1", "0+")),
    ],
)
def test_bands_are_left_closed(make_study, cuts, levels):
    study = load_study(make_study({"variables.age_band.cuts": cuts}))
    assert study.variables["age_band"].levels == levels


def test_variables_as_declared(make_study):
    names = {"age_band": ["young", "middle", "old"], "helped": ["alone", "helped"]}
    changes = {f"variables.{name}.levels": levels for name, levels in names.items()}
    number = {"knots": [20, 40, 60.5], "range": [15, 110], "missing": [998, "?"]}
    changes |= {f"variables.years.{key}": value for key, value in number.items()}
    changes |= {"variables.region.groups": True, "variables.region.role": {"trust": "mediator"}}
    # Collapse folds a level into its neighbour.
    changes |= {"variables.trust.collapse": {"middle": "low"}}
    changes |= {"benchmark.0.shares": {"low": 50, "high": 50}}
    variables = load_study(make_study(changes)).variables
    assert {name: list(variables[name].levels) for name in names} == names
    trust, region, years = (variables[name] for name in ("trust", "region", "years"))
    assert trust.levels == ("low", "high")
    assert trust.declared_levels == ("low", "middle", "high")
    assert trust.collapse == {"middle": "low"}
    assert region.groups
    assert region.role_for("trust") == "mediator"
    assert variables["age_band"].role_for("trust") == "confounder"
    assert years.is_numeric
    assert (years.column, years.levels, years.groups) == ("years", (), False)
    assert (years.knots, years.range) == ((20.0, 40.0, 60.5), (15.0, 110.0))
    assert years.missing == (998, "?")


def test_thresholds_are_of_the_levels_after_collapse(make_study):
    changes = {
        "variables.trust.levels": ["low", "middle", "more", "high"],
        "variables.trust.collapse": {"high": "more"},
        "benchmark": None,
        "headline.trust": {"model": "trust", "at": ">=high"},
    }
    with pytest.raises(StudyError, match=r'at: is ">=high"; allowed: >=more, >=middle'):
        load_study(make_study(changes))


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (
            {"method": "nearest"},
            {"distance": "propensity", "covariates": ("region",), "order": "largest", "ratio": 1},
        ),
        (
            {"method": "nearest", "distance": "mahalanobis", "ratio": 2, "replace": True},
            {"distance": "mahalanobis", "order": "random", "ratio": 2, "replace": True},
        ),
        (
            {"method": "nearest", "replace": True, "ties": "all", "seed": 7},
            {"order": "largest", "replace": True, "ties": "all", "seed": 7},
        ),
        (
            {"method": "optimal", "caliper": 0.2, "covariates": ["helped", "years"]},
            {"caliper": 0.2, "covariates": ("helped", "years"), "distance": "propensity"},
        ),
        ({"method": "full", "max_members": 3}, {"max_members": 3, "max_comparison": None}),
        ({"method": "cardinality", "limit": 0.05}, {"limit": 0.05, "time_limit": 60.0}),
        ({"method": "overlap"}, {"covariates": ("region",)}),
        ({"method": "entropy", "on": ["years"]}, {"on": ("years",), "covariates": ()}),
        (
            {"interactions": [["age_band", "region"]]},
            {"method": "exact", "interactions": (("age_band", "region"),)},
        ),
        # Where every covariate is a stratum a distance is about all of them.
        (
            {"method": "nearest", "on": ["age_band", "region"]},
            {"covariates": ("age_band", "region")},
        ),
    ],
)
def test_a_matching_as_declared(make_study, table, expected):
    model = model_of(make_study(trust={"matching": {"on": ["age_band"]} | table}))
    assert {key: getattr(model.matching, key) for key in expected} == expected
    assert {*model.matching.on, *model.matching.covariates} <= set(model.variables)


def test_a_model_without_matching_is_about_all_members(make_study):
    model = model_of(make_study(trust={"matching": None}))
    assert model.matching.method == "none"
    assert not model.matching.is_declared
    assert model.population == "all_members"
    assert model.variables == ("trust", "age_band", "region")
    (variant,) = model.variants
    assert (variant.spec.matching.method, variant.spec.population) == ("exact", "members")


def test_a_variant_replaces_whole_tables_and_leaves_the_rest(make_study):
    model = model_of(make_study(trust={"matching.method": "entropy"}))
    (variant,) = model.variants
    assert variant.name == "regions too"
    assert variant.spec.matching.on == ("age_band", "region")
    # The variant's own table names no method: the base's "entropy" does not leak into it.
    assert (model.matching.method, variant.spec.matching.method) == ("entropy", "exact")
    assert variant.spec.covariates == model.covariates
    assert variant.spec.hierarchical == model.hierarchical
    assert variant.spec.variants == ()


def test_a_numeric_component_is_a_covariate_and_no_stratum(make_study):
    spec = model_of(make_study({"variables.years.role": {"trust": "component"}}))
    (found,) = (one.spec for one in spec.variants if one.name.startswith("with "))
    assert found.covariates == ("age_band", "region", "years")
    assert found.matching.on == ("age_band",)


def test_a_multiverse_becomes_its_values_and_its_variables_are_read(make_study):
    sets = {"plain": ["age_band", "region"], "hunger too": ["age_band", "region", "hungry"]}
    axes = {
        "method": ["exact", "nearest"],
        "caliper": ["none", 0.25],
        "coding": ["trust", ">=high"],
        "region": ["covariate", "left_out"],
        "covariates": sets,
    }
    study = load_study(make_study(trust={"multiverse": axes}))
    assert study.models[0].multiverse == Multiverse(
        method=("exact", "nearest"),
        caliper=(None, 0.25),
        coding=(Coding(outcome="trust"), Coding(outcome="trust", at="high")),
        region=("covariate", "left_out"),
        covariates={name: tuple(names) for name, names in sets.items()},
    )
    assert "hungry" in needed_variables(study)
    assert "helped" not in needed_variables(study)


def test_sets_without_names_are_named_by_what_they_hold(make_study):
    sets = [["age_band", "region"], []]
    multiverse = model_of(make_study(trust={"multiverse": {"covariates": sets}})).multiverse
    assert multiverse.covariates == {"age_band + region": ("age_band", "region"), "none": ()}


def test_benchmarks_of_one_name_are_one_by_region(make_study):
    shares = {"low": 20, "middle": 30, "high": 50}
    table = {"outcome": "trust", "name": "HHS", "source": "A survey", "shares": shares, "n": 40}
    places = [{}, {"by": {"region": "south"}}, {"by": {"region": "north"}, "design_effect": 2.5}]
    changes = {"benchmark": [table | place for place in places]}
    (benchmark,) = load_study(make_study(changes)).benchmarks
    assert (benchmark.outcome, benchmark.name, benchmark.source) == ("trust", "HHS", "A survey")
    assert benchmark.whole.shares == shares
    assert {name: one.size for name, one in benchmark.regions.items()} == {"north": 16, "south": 40}


@pytest.mark.parametrize("survey", ["example", "data/file.sav"])
def test_survey_is_the_example_or_lies_beside_the_study(make_study, survey):
    folder = make_study({"survey": survey})
    assert load_study(folder).survey == ("example" if survey == "example" else folder / survey)


def test_the_hash_covers_every_name_and_byte(make_study):
    folder = make_study()
    model, study = folder / "trust.toml", folder / "study.toml"
    first = load_study(folder).sha256
    assert load_study(folder).sha256 == first
    text = model.read_text()
    model.write_text(f"{text}# a remark\n")
    second = load_study(folder).sha256
    model.write_text(text)
    model.rename(folder / "confidence.toml")
    study.write_text(study.read_text().replace('"trust" = "trust"', '"trust" = "confidence"'))
    third = load_study(folder).sha256
    at = '"trust" = { model = "confidence", at = ">=high" }'
    study.write_text(study.read_text().replace('"trust" = "confidence"', at))
    assert len({first, second, third, load_study(folder).sha256}) == 4


def test_a_byte_order_mark_and_hidden_files_do_no_harm(make_study):
    folder = make_study()
    (folder / "study.toml").write_bytes(b"\xef\xbb\xbf" + (folder / "study.toml").read_bytes())
    (folder / "._trust.toml").write_bytes(b"\x00\x05\x16\x07\xff")
    assert [model.name for model in load_study(folder).models] == ["trust"]


def message(folder) -> str:
    with pytest.raises(StudyError) as caught:
        load_study(folder)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("study.toml", 'title = "A small\n', 1),
        ("study.toml", 'title = "A"\ntitle = "A"\n', 2),
        ("trust.toml", "\ncovariates = [\n\n= 3", 4),
    ],
)
def test_broken_toml_names_the_line(make_study, name, text, line):
    # What stands before the line is Python's own wording, which may change.
    folder = make_study()
    (folder / name).write_text(text)
    found = message(folder)
    assert found.startswith(f"{name}: is not TOML: ")
    assert f"(at line {line}, column " in found


SHIPPED = "shipped studies: peru, uganda_dairy"


def test_what_is_no_study_folder(make_study):
    folder = make_study()
    path = folder / "study.toml"
    assert message(path) == f"{path}: holds no study.toml; {SHIPPED}"
    (folder / "trust.toml").unlink()
    assert message(folder) == f"{folder}: holds no model file; add one, such as trust.toml"
    path.unlink()
    assert message(folder) == f"{folder}: holds no study.toml; {SHIPPED}"
    for name in ("perú", "models/chile", "../peru", ""):
        assert message(name) == f"{name}: no such study folder; {SHIPPED}"
    assert message("x" * 5000) == f"{'x' * 5000}: cannot be read; File name too long"


@pytest.mark.parametrize("name", ["study.toml", "trust.toml"])
def test_not_utf8(make_study, name):
    folder = make_study()
    path = folder / name
    path.write_bytes(path.read_bytes() + "# Perú\n".encode("latin-1"))
    assert message(folder) == f"{name}: is not UTF-8; save it as UTF-8"


def test_a_folder_in_the_place_of_a_file(make_study):
    folder = make_study()
    (folder / "extra.toml").mkdir()
    assert message(folder) == "extra.toml: cannot be read; Is a directory"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"n = {'[' * 100_000}", "study.toml: nests tables or lists too deeply; flatten it"),
        (f"n = 1{'0' * 5000}", "study.toml: is not TOML: Exceeds the limit (4300 digits)"),
        (f"n = {2**64}", "study.toml: holds a whole number beyond 64 bits; write it as text"),
    ],
)
def test_toml_that_the_parser_gives_up_on(make_study, text, expected):
    folder = make_study()
    (folder / "study.toml").write_text(text)
    assert message(folder).startswith(expected)


def test_loading_brings_in_nothing_heavy():
    code = "import sys, coopgap.study.load; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    heavy = {"arviz", "matplotlib", "numpy", "pandas", "pymc", "pytensor", "scipy"}
    assert heavy.isdisjoint(done.stdout.split())


def test_the_priors_of_a_model_file_are_those_of_the_model():
    assert set(get_args(PriorName)) == {item.name for item in fields(Priors)}
