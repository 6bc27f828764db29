"""The file of a declared population, read from the study folder."""

from __future__ import annotations

import tracemalloc
from types import SimpleNamespace

import pytest

from coopgap.core.errors import StudyError
from coopgap.study.load import load_study
from coopgap.study.outside import read_population

JOINT = "\n".join(
    [
        "age_band,region,population",
        "<25,north,10",
        "<25,south,20",
        "25-34,north,30",
        "25-34,south,0",
        "35+,north,15",
        "35+,south,25",
    ]
)


@pytest.fixture
def populated(make_study):
    def make(content=JOINT, name="farmers_2020.csv", **changes):
        folder = make_study(
            {"design.population": name}, {"population": "poststratified", **changes}
        )
        if content is not None:
            (folder / "farmers_2020.csv").write_text(content, encoding="utf-8")
        return folder

    return make


def test_combinations_are_not_built_to_find_one_absent():
    names = [f"v{k}" for k in range(6)]
    levels = tuple(f"level {k}" for k in range(40))
    variables = {name: SimpleNamespace(levels=levels, is_numeric=False) for name in names}
    rows = [",".join(["level 0"] * 5 + [f"level {k}", "1"]) for k in range(39)]
    content = "\n".join([",".join([*names, "population"]), *rows]).encode()
    tracemalloc.start()
    with pytest.raises(StudyError, match=r"lacks .*v5=level 39; give every .* 4,096,000,000 by v0"):
        read_population("people.csv", content, variables)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_one_joint_margin(populated):
    study = load_study(populated())
    declared = study.design.population
    assert declared.file == "farmers_2020.csv"
    (margin,) = declared.margins
    assert margin.variables == ("age_band", "region")
    assert margin.shares == {
        ("<25", "north"): 0.1,
        ("<25", "south"): 0.2,
        ("25-34", "north"): 0.3,
        ("25-34", "south"): 0.0,
        ("35+", "north"): 0.15,
        ("35+", "south"): 0.25,
    }
    assert study.models[0].population == "poststratified"


def test_blank_cells_make_several_margins_in_any_order(populated):
    content = "population,region,age_band\n3,south,\n1,north,\n500,,35+\n250,,<25\n250,,25-34\n"
    first, second = load_study(populated(content)).design.population.margins
    assert first.shares == {("north",): 0.25, ("south",): 0.75}
    assert list(second.shares.items()) == [(("<25",), 0.25), (("25-34",), 0.25), (("35+",), 0.5)]


def test_the_file_is_hashed_with_the_study(populated):
    folder = populated()
    before = load_study(folder).sha256
    path = folder / "farmers_2020.csv"
    path.write_text(JOINT.replace("<25,north,10", "<25,north,11"), encoding="utf-8")
    assert load_study(folder).sha256 != before


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "farmers_2020.csv: cannot be read; No such file or directory"),
        ("", "farmers_2020.csv: has columns none; give population and a column for each of some "
             "variables"),
        ("population\n3", "farmers_2020.csv: has columns population; "
                          "give population and a column for each of some variables"),
        (JOINT.replace("region", "county"), "farmers_2020.csv: county: is no declared variable; "
         "declared: trust, age_band, region, hungry, helped, years, is_member"),
        (JOINT.replace("age_band", "region"), "farmers_2020.csv: has the column region twice; "
         "allowed: each once"),
        ("region,population\n", "farmers_2020.csv: holds no row; give the people at each level"),
        (JOINT.replace("25-34,south,0", "25-34,east,0"),
         'farmers_2020.csv: line 5: region has no level "east"; allowed: north, south'),
        (JOINT.replace("25-34,south,0\n", ""),
         "farmers_2020.csv: lacks age_band=25-34, region=south; "
         "give every combination of levels: 6 by age_band, region"),
        (f"{JOINT}\n<25,south,3",
         "farmers_2020.csv: has age_band=<25, region=south twice; give it once"),
        (JOINT.replace("south,25", "south,many"),
         "farmers_2020.csv: line 7: population is no number of people; allowed: 0 or more"),
        (JOINT.replace("south,25", "south,-1"),
         "farmers_2020.csv: line 7: population is no number of people; allowed: 0 or more"),
        (JOINT.replace("south,25", "south,nan"),
         "farmers_2020.csv: line 7: population is no number of people; allowed: 0 or more"),
        (JOINT.replace("35+,south,25", ",,25"),
         "farmers_2020.csv: line 7: names no level; give one at least"),
        (JOINT.replace("south,25", "south,25,26"),
         "farmers_2020.csv: line 7: has another number of cells than the header; mend that line"),
        ("years,population\n30,5\n",
         "farmers_2020.csv: years: is numeric, and margins are by level; declare it banded"),
        ("region,population\nnorth,0\nsouth,0",
         "farmers_2020.csv: has nobody by region; give people"),
    ],
)  # fmt: skip
def test_refusals_are_one_clear_line(populated, content, expected):
    with pytest.raises(StudyError) as caught:
        load_study(populated(content))
    assert str(caught.value) == expected


def test_bytes_that_are_no_text_are_refused(populated):
    folder = populated()
    (folder / "farmers_2020.csv").write_bytes(b"region,population\n\xff,1")
    with pytest.raises(StudyError, match=r"farmers_2020.csv: is not UTF-8; save it as UTF-8"):
        load_study(folder)


def test_a_variable_of_the_file_must_be_a_covariate(populated):
    with pytest.raises(StudyError) as caught:
        load_study(populated(covariates=["age_band"]))
    assert str(caught.value) == (
        "trust.toml: population: is poststratified, and farmers_2020.csv is by region, "
        "no covariate here; add it to covariates: age_band"
    )


@pytest.mark.parametrize("name", ["../people.csv", "people.txt", "/elsewhere/people.csv"])
def test_the_file_stands_in_the_study_folder(populated, name):
    with pytest.raises(StudyError) as caught:
        load_study(populated(name=name))
    assert str(caught.value) == (
        "study.toml: design.population: is no name of a CSV file; "
        "allowed: FILE.csv in the study folder"
    )


@pytest.mark.parametrize(("north", "refused"), [(40, False), (41, True), (40.00001, True)])
def test_margins_of_two_populations_are_refused(populated, north, refused):
    lines = f"<25,,40\n25-34,,30\n35+,,30\n,north,{north}\n,south,{100 - north}"
    joint = "<25,north,20\n<25,south,20\n25-34,north,10\n25-34,south,20\n35+,north,10\n35+,south,20"
    folder = populated(f"age_band,region,population\n{lines}\n{joint}")
    if not refused:
        assert len(load_study(folder).design.population.margins) == 3
        return
    with pytest.raises(StudyError) as caught:
        load_study(folder)
    assert str(caught.value) == (
        f"farmers_2020.csv: region: has {north:.10g} percent of north by region and 40 by "
        "age_band, region; give margins of one population"
    )


def test_margins_of_a_benchmarks_outcome_are_refused(make_study):
    folder = make_study({"design.population": "farmers_2020.csv"})
    (folder / "farmers_2020.csv").write_text(
        "trust,population\nlow,1\nmiddle,1\nhigh,1\n", encoding="utf-8"
    )
    with pytest.raises(StudyError) as caught:
        load_study(folder)
    assert str(caught.value) == (
        "farmers_2020.csv: trust: is the outcome of a benchmark; give margins of other variables"
    )
