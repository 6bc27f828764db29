from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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
[variables.years]
type = "numeric"
[variables.is_member]
type = "binary"
column = "member"
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

HELPED = """\
outcome = "helped"
covariates = ["age_band"]
[matching]
on = ["age_band"]
"""

type Changes = Mapping[str, object]
"""A value by its dotted key, None for a key to be left out."""

type MakeStudy = Callable[..., Path]


def changed(text: str, changes: Changes) -> str:
    """TOML with some keys set."""
    table = tomllib.loads(text)
    for path, value in changes.items():
        *parents, key = path.split(".")
        inner: Any = table
        for parent in parents:
            inner = inner[int(parent)] if parent.isdigit() else inner.setdefault(parent, {})
        if value is None:
            del inner[key]
        else:
            inner[key] = value
    return document(table)


def document(table: Mapping[str, object]) -> str:
    return "".join(f"{toml(key)} = {toml(value)}\n" for key, value in table.items())


@pytest.fixture
def write_toml() -> Callable[[Path, Mapping[str, object]], int]:
    """Write a table as a TOML file."""
    return lambda path, table: path.write_text(document(table), encoding="utf-8")


def toml(value: object) -> str:
    if isinstance(value, dict):
        return (
            f"{{ {', '.join(f'{json.dumps(key)} = {toml(one)}' for key, one in value.items())} }}"
        )
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value) if isinstance(value, str | bool) else str(value)


@pytest.fixture
def make_study(tmp_path: Path) -> MakeStudy:
    """Write a valid study of the model `trust`, with some keys set, and a model `helped` too."""

    def make(
        study: Changes | None = None, trust: Changes | None = None, *, helped: bool = False
    ) -> Path:
        folder = tmp_path / "small"
        folder.mkdir()
        texts = {"study": changed(STUDY, study or {}), "trust": changed(MODEL, trust or {})}
        for name, text in (texts | ({"helped": HELPED} if helped else {})).items():
            (folder / f"{name}.toml").write_text(text, encoding="utf-8")
        return folder

    return make
