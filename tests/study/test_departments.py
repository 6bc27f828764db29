"""Departments of a study: each in one region, some of nobody, and what a file knows of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from coopgap.app.plan import make_plan
from coopgap.core.errors import InputError, StudyError
from coopgap.families.plan import domains
from coopgap.report.plan import plan_text
from coopgap.study.load import load_study

from ..studies import BINARY, model, nominal, write_study

DEPARTMENTS = ("n1", "n2", "s1", "s2", "s3")
REGION = dict(zip(DEPARTMENTS, ["north", "north", "south", "south", "south"], strict=True))
AREA = "department,region,poverty\nn1,,3\nn2,north,4.5\ns1,,7\ns2,,1\ns3,south,2\n"


def people(n=400, empty="s3"):
    """Everybody but in one department; only members in s2."""
    rng = np.random.default_rng(0)
    department = rng.choice([name for name in DEPARTMENTS if name != empty], n)
    member = np.where(department == "s2", 1, rng.integers(0, 2, n))
    return pd.DataFrame(
        {
            "member": member,
            "answer": rng.integers(0, 2, n),
            "region": [REGION[name] for name in department],
            "department": department,
        }
    )


@pytest.fixture
def make_folder(tmp_path):
    def make(area=AREA, population=None, design=None, table=None, **changes):
        own = {"region": "region", "department": "department"} if design is None else design
        hierarchical = {"area": "area.csv"} if area is not None else {}
        variables = {
            "answer": BINARY,
            "region": nominal("north", "south"),
            "department": nominal(*DEPARTMENTS),
        } | changes
        if population is not None:
            own = own | {"population": "people.csv"}
        models = {"answer": model("answer", hierarchical=hierarchical, **(table or {}))}
        folder = write_study(tmp_path / "study", variables, models, design=own)
        for name, text in (("area.csv", area), ("people.csv", population)):
            if text is not None:
                (folder / name).write_text(text, encoding="utf-8")
        return folder

    return make


def test_each_department_lies_in_the_region_of_its_people_or_of_the_file(make_folder):
    plan = make_plan(make_folder(), people())
    assert plan.survey.department_region.tolist() == [0, 0, 1, 1, 1]
    study = plan.study
    assert study.department_regions == {"n2": "north", "s3": "south"}
    area = study.models[0].hierarchical.area
    assert area.numbers == {"poverty": {"n1": 3.0, "n2": 4.5, "s1": 7.0, "s2": 1.0, "s3": 2.0}}
    assert "area.csv" in study.files


def test_the_population_may_say_where_a_department_lies(make_folder):
    rows = [f"{REGION[name]},{name},10" for name in DEPARTMENTS]
    wrong = [f"{'south' if REGION[n] == 'north' else 'north'},{n},0" for n in DEPARTMENTS]
    text = "\n".join(["region,department,population", *rows, *wrong])
    plan = make_plan(make_folder(area=None, population=text), people())
    assert plan.survey.department_region.tolist() == [0, 0, 1, 1, 1]
    with pytest.raises(StudyError, match="puts n1 into south, and another row or file into north"):
        load_study(make_folder(area=None, population=text.replace("south,n1,0", "south,n1,5")))


def refusal(folder, data, error=InputError):
    with pytest.raises(error) as caught:
        make_plan(folder, data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_the_survey_cannot_have_is_one_line(make_folder):
    data = people()
    data.loc[data.index[data["department"] == "n1"][:3], "region"] = "south"
    said = refusal(make_folder(), data)
    assert "1 of 5 departments stand in more than one region: n1 first, with 3 of its" in said
    assert "department, region" in said
    said = refusal(make_folder(area=None), people())
    assert "nobody has the level 's3' of variable department, and no file says in which" in said
    assert "[hierarchical] area a column region" in said
    said = refusal(make_folder(area=AREA.replace("n2,north", "n2,south")), people())
    assert "the people of n2 stand in another region than a file of the study says" in said
    # As a covariate it needs somebody at each level.
    said = refusal(make_folder(table={"covariates": ["department"]}), people())
    assert "nobody has the level 's3' of variable department; join it" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("department,poverty\nn1,1\n", "lacks department=n2; give all 5 once"),
        (AREA + "n1,,3\n", "line 7: has department=n1 twice; give it once"),
        (AREA.replace("4.5", "some"), "line 3: poverty is no number; allowed: a number"),
        (AREA.replace("4.5", ""), "line 3: poverty is no number"),
        (AREA.replace("4.5", "inf"), "line 3: poverty is no number"),
        (AREA.replace("n2,", "n9,"), 'line 3: department has no level "n9"; allowed: n1, n2'),
        (AREA.replace("n2,north", "n2,west"), 'line 3: region has no level "west"'),
        (AREA.replace("department", "dept"), "has columns dept, region, poverty; give department"),
        ("department,region\nn1,north\n", "give department and a column for each of some"),
        (AREA.replace("poverty", "answer"), "answer: is a variable of the survey or empty"),
        (AREA.replace("region", "poverty", 1), "has the column poverty twice"),
        (AREA.replace("3\n", "1\n").replace("4.5", "1").replace("7", "1").replace(",2\n", ",1\n"),
         "poverty: is the same for every department; leave it out"),
        (AREA.replace("n2,north", "n2"), "line 3: has another number of cells than the header"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_file_of_areas_is_one_line(make_folder, text, words):
    with pytest.raises(StudyError) as caught:
        load_study(make_folder(area=text))
    assert str(caught.value).startswith("area.csv: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("design", "words"),
    [
        ({"department": "department"}, "design.department: is finer than region, and the study"),
        ({"region": "region", "department": "region"}, "design.department: is the region"),
        ({"region": "region", "department": "no"}, "design.department"),
        ({"region": "region"}, "area.csv: the study declares no department"),
    ],
)
def test_what_the_design_cannot_have_is_one_line(make_folder, design, words):
    with pytest.raises(StudyError) as caught:
        load_study(make_folder(design=design))
    assert words in str(caught.value)


def test_departments_of_both_groups_are_domains(make_folder):
    plan = make_plan(make_folder(), people())
    found = dict(domains(plan.study, plan.models[0]))
    assert [*found] == [
        "region=north",
        "region=south",
        *(f"department={n}" for n in DEPARTMENTS[:3]),
    ]
    data = people()
    here = found["department=s1"].rows
    assert here.n == int((data["department"] == "s1").sum())


def test_a_dry_run_names_departments_with_their_people(make_folder):
    data = people()
    text = plan_text(make_plan(make_folder(), data))
    line = next(line for line in text.splitlines() if line.startswith("department"))
    for name in DEPARTMENTS[:4]:
        inside = data[data["department"] == name]["member"]
        assert f"{name} {(inside == 1).sum()} + {(inside == 0).sum()}" in line
    assert line.endswith("s3 nobody")


def test_where_counts_are_protected_nobody_is_not_told_from_few(make_folder, tmp_path):
    folder = make_folder()
    text = (folder / "study.toml").read_text(encoding="utf-8")
    (folder / "study.toml").write_text(f"disclosure = {{ minimum = 10 }}\n{text}", encoding="utf-8")
    text = plan_text(make_plan(folder, people()))
    line = next(line for line in text.splitlines() if line.startswith("department"))
    assert line.endswith("s3 0 + 0")
