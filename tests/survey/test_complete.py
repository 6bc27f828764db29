"""Complete cases: one drop, counted once a person, in a stated order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from coopgap.study.spec import Design, Group, Headline, Matching, ModelSpec, Study, Variable
from coopgap.survey.records import Drop, Survey, complete_rows

VARIABLES = {
    name: Variable(
        name=name,
        column=name,
        type="nominal",
        levels=(f"{name}0", f"{name}1"),
        groups=name == "grouped",
    )
    for name in ("y", "cov", "stratum", "region", "other", "grouped")
}
SPEC = ModelSpec(name="m", outcome="y", covariates=("cov",), matching=Matching(on=("stratum",)))
STUDY = Study(
    name="s",
    title="S",
    survey=None,
    group=Group(column="member", member=(1,), comparison=(0,)),
    design=Design(region="region"),
    variables=VARIABLES,
    models=(SPEC,),
    headline={"y": (Headline(model="m"),)},
    folder=Path("s"),
    sha256="",
)
CODES = {
    "y": [0, 1, -1, -1, 0, 1, 0, 1],
    "cov": [0, 1, -1, 0, -1, 1, 0, 1],
    "stratum": [0, 1, -1, 0, -1, -1, 0, 1],
    "region": [-1, 1, 0, 0, 0, 0, 0, 1],
    "other": [-1] * 8,
    "grouped": [0, -1, 0, 0, 0, 0, 1, 1],
}
SURVEY = Survey(
    source="x.csv",
    sha256="",
    is_example=False,
    member=np.array([True, False] * 4),
    phone=np.array([False] * 7 + [True]),
    codes={name: np.array(values) for name, values in CODES.items()},
    variables=VARIABLES,
    zone=np.arange(8),
    zone_labels=tuple("abcdefgh"),
    weight=np.arange(1.0, 9.0),
    person=None,
    tie=np.arange(8, dtype=np.uint64),
    n_read=8,
    encoding="UTF-8",
    dropped=(),
)


def test_drops_are_counted_at_the_first_missing_answer():
    rows = complete_rows(SURVEY, STUDY, SPEC)
    assert rows.index.tolist() == [0, 1, 6]
    assert rows.dropped == (
        Drop(reason="y missing", count=2, variable="y"),
        Drop(reason="cov missing", count=1, variable="cov"),
        Drop(reason="stratum missing", count=1, variable="stratum"),
    )


def test_rows_carry_everything_the_model_needs():
    rows = complete_rows(SURVEY, STUDY, SPEC)
    assert tuple(rows.factors) == ("cov", "stratum", "region", "grouped")
    assert rows.factors["region"].tolist() == [-1, 1, 0]
    assert rows.factors["grouped"].tolist() == [0, -1, 1]
    assert rows.factor_levels["cov"] == ("cov0", "cov1")
    assert rows.outcome.tolist() == [0, 1, 0]
    assert rows.levels == ("y0", "y1")
    assert rows.member.tolist() == [True, False, True]
    assert rows.weight.tolist() == [1.0, 2.0, 7.0]
    assert rows.zone.tolist() == [0, 1, 6]


@pytest.mark.parametrize(
    ("mode", "expected"), [("in person", [0, 1, 6]), ("phone", [7]), ("both", [0, 1, 6, 7])]
)
def test_modes(mode, expected):
    rows = complete_rows(SURVEY, STUDY, SPEC, mode)
    assert rows.index.tolist() == expected
    assert (rows.dropped == ()) == (mode == "phone")


def test_a_region_that_is_a_covariate_drops_rows():
    rows = complete_rows(SURVEY, STUDY, replace(SPEC, covariates=("cov", "region")))
    assert rows.index.tolist() == [1, 6]
    assert rows.dropped[2] == Drop(reason="region missing", count=1, variable="region")


def test_a_grouped_outcome_is_no_factor_of_itself():
    rows = complete_rows(SURVEY, STUDY, ModelSpec(name="g", outcome="grouped", covariates=()))
    assert tuple(rows.factors) == ("region",)


def test_without_weights_zones_or_region():
    survey = replace(SURVEY, weight=None, zone=None)
    rows = complete_rows(survey, replace(STUDY, design=Design()), SPEC)
    assert rows.weight.tolist() == [1.0, 1.0, 1.0]
    assert rows.zone is None
    assert "region" not in rows.factors


def test_every_person_is_kept_or_counted():
    rows = complete_rows(SURVEY, STUDY, SPEC, "both")
    assert rows.n + sum(drop.count for drop in rows.dropped) == SURVEY.n
    assert not any((rows.factors[name] < 0).any() for name in ("cov", "stratum"))


def test_the_survey_is_left_as_it_was():
    before = SURVEY.phone.copy()
    complete_rows(SURVEY, STUDY, SPEC, "phone")
    np.testing.assert_array_equal(SURVEY.phone, before)
