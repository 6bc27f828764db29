"""An invented survey with a study folder that fits it; what tests of reading look at."""

from __future__ import annotations

import re

import pytest

from coopgap.app.plan import make_plan
from coopgap.core.errors import InputError, SurveyError
from coopgap.survey import read
from coopgap.survey.raw import RawTable, Refusal

from ..r.invented import invented

STUDY = """\
title = "Invented"
[group]
column = "member"
member = 1
comparison = 0
[design]
zone = "zone"
region = "region"
DESIGN
[headline]
yes = "model"
[variables.yes]
type = "binary"
yes = [1]
no = [0]
[variables.region]
type = "nominal"
levels = ["North", "South", "East"]
[variables.sex]
type = "nominal"
levels = ["male", "female"]
[variables.age]
type = "banded"
cuts = [35, 50, 65]
AGE
"""
MODEL = """\
outcome = "yes"
covariates = ["age"]
[matching]
method = "exact"
on = ["region", "sex"]
"""


def cells(source, column):
    """The cells of a column, None where empty, of a table or a file."""
    raw = source if isinstance(source, RawTable) else read.read_table(source, [column])
    answers = raw.answers(column)
    values = [*answers.values, None]
    return [values[place] for place in answers.index]


def refusal(path, columns=None, **options):
    with pytest.raises(SurveyError) as caught:
        read.read_table(path, columns, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message


def plan_refusal(study, data, error=InputError):
    """What a dry run says of a study or a survey that cannot be used."""
    with pytest.raises(error) as caught:
        make_plan(study, data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def people():
    """600 people in 40 zones and three regions."""
    return invented()


@pytest.fixture
def make_folder(tmp_path):
    """Write the study with more lines in its tables, and keys of its group replaced."""

    def make(design="", age="", tables="", model=MODEL, **group):
        text = STUDY.replace("DESIGN", design).replace("AGE", age) + tables
        for key, value in group.items():
            text = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", text, count=1)
        (tmp_path / "study.toml").write_text(text, encoding="utf-8")
        (tmp_path / "model.toml").write_text(model, encoding="utf-8")
        return tmp_path

    return make


@pytest.fixture
def in_process(monkeypatch):
    """Read without a child process, which takes a second to start and does the same."""

    def read_here(path, columns, encoding, limits):
        request = {
            "path": str(path),
            "kind": path.suffix.lower()[1:],
            "columns": columns,
            "encoding": encoding,
            "memory": limits.memory,
        }
        try:
            return read.read(request).unify_dictionaries()
        except Refusal as refusal:
            raise SurveyError(str(path), refusal.found, refusal.allowed) from refusal

    monkeypatch.setattr(read, "_read_in_child", read_here)
