"""An invented survey with a study folder that fits it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

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


def invented(n: int = 600, zones: int = 40) -> pd.DataFrame:
    """Invented people whose answers follow membership, schooling, sex, age and place."""
    rng = np.random.default_rng(1)
    zone = rng.integers(0, zones, n)
    sex, age, school = rng.integers(0, 2, n), rng.integers(18, 80, n), rng.integers(1, 5, n)
    schooling = 0.3 * (school - 2.5)
    chance = -0.3 + schooling + 0.2 * sex + 0.01 * (age - 45)
    member = (rng.random(n) < 1 / (1 + np.exp(-chance))).astype(int)
    place = rng.normal(0, 0.3, zones)[zone]
    trust = 0.4 * member + schooling - 0.2 * sex + 0.01 * (age - 45) + place
    trust = trust + rng.logistic(size=n)
    yes = (trust + rng.normal(0, 1, n) > 0).astype(int)
    return pd.DataFrame(
        {
            "id": np.arange(1, n + 1),
            "member": member,
            "region": np.array(["North", "South", "East"])[zone % 3],
            "zone": zone + 1,
            "sex": np.array(["male", "female"])[sex],
            "age": age.astype(float),
            "yes": yes,
            "w": np.round(np.exp(rng.normal(0, 0.5, n)), 3),
        }
    )


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
