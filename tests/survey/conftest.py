"""An invented survey with a study folder that fits it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

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


type MakeFolder = Callable[..., Path]


@pytest.fixture
def people() -> pd.DataFrame:
    """600 people in 40 zones and three regions."""
    return invented()


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Write the study with more lines in its tables, and keys of its group replaced."""

    def make(
        design: str = "", age: str = "", tables: str = "", model: str = MODEL, **group: str
    ) -> Path:
        text = STUDY.replace("DESIGN", design).replace("AGE", age) + tables
        for key, value in group.items():
            text = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", text, count=1)
        (tmp_path / "study.toml").write_text(text, encoding="utf-8")
        (tmp_path / "model.toml").write_text(model, encoding="utf-8")
        return tmp_path

    return make
