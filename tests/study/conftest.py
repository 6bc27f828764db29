from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

STUDY = """\
title = "A small study"
[group]
column = "member"
member = 1
comparison = 0
[design]
region = "region"
zone = "zone"
mode = { column = "mode", in_person = "here", phone = "phone" }
[headline]
trust = "trust"
[phone]
margin = { trust = 0.06 }
[variables.trust]
type = "ordinal"
levels = ["low", "middle", "high"]
codes = { 1 = "low", 2 = "middle", 3 = "high" }
missing = [98, "n/a"]
[variables.age_band]
type = "banded"
column = "age"
cuts = [25, 35]
[variables.region]
type = "nominal"
levels = ["north", "south"]
[variables.hungry]
type = "count_of"
items = ["h1", "h2"]
yes = [1]
no = [2]
at_least = 1
[variables.helped]
type = "binary"
yes = [1]
no = [2]
[[benchmark]]
outcome = "trust"
source = "A yearbook"
shares = { low = 20, middle = 30, high = 50 }
"""

MODEL = """\
outcome = "trust"
covariates = ["age_band", "region"]
[matching]
method = "exact"
on = ["age_band"]
[[variant]]
name = "regions too"
matching = { on = ["age_band", "region"] }
[hierarchical]
"""


type MakeStudy = Callable[..., Path]


@pytest.fixture
def make_study(tmp_path: Path) -> MakeStudy:
    """Write a valid study, with some pieces of its text replaced."""

    def make(
        study: Mapping[str, str] | None = None, model: Mapping[str, str] | None = None
    ) -> Path:
        folder = tmp_path / "small"
        folder.mkdir()
        for name, text, changes in (("study.toml", STUDY, study), ("trust.toml", MODEL, model)):
            for old, new in (changes or {}).items():
                assert text.count(old) == 1, f"{old!r} does not stand once in {name}"
                text = text.replace(old, new)
            (folder / name).write_text(text, encoding="utf-8")
        return folder

    return make
