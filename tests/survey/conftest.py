"""An invented survey with a study folder that fits it."""

from __future__ import annotations

import re

import pytest

from coopgap.core.errors import SurveyError
from coopgap.survey import read
from coopgap.survey.raw import Refusal

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
