"""Study folders written from Python, rows picked out of tables, scripts as modules."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from .study.conftest import document

ROOT = Path(__file__).parents[1]


def nominal(*levels: str, **more: object) -> dict[str, Any]:
    return {"type": "nominal", "levels": [*levels]} | more


def ordinal(*levels: str, **more: object) -> dict[str, Any]:
    return {"type": "ordinal", "levels": [*levels]} | more


BINARY = {"type": "binary", "yes": [1], "no": [0]}
AGREES = dict.fromkeys("123", "not agree") | dict.fromkeys("45", "agree")
EXAMPLE: dict[str, dict[str, Any]] = {
    "trust_agree": ordinal("not agree", "agree", column="trust", codes=AGREES),
    "ses_class": ordinal(*"EDCBA"),
    "age_band": {"label": "Age", "column": "age", "type": "banded", "cuts": [25, 35, 45, 55, 65]},
    "sex": nominal("male", "female"),
    "region": nominal("Lima", "Center", "East", "North", "South"),
}
"""Variables of the example survey."""
MODE = {"column": "mode", "in_person": "in person", "phone": "phone"}


def of_example(*names: str) -> dict[str, dict[str, Any]]:
    return {name: EXAMPLE[name] for name in names}


def model(outcome: str, *covariates: str, on: tuple[str, ...] = (), **more: object) -> dict:
    """A model file; with strata it is matched exactly."""
    matching = {"matching": {"on": [*on]}} if on else {}
    return {"outcome": outcome, "covariates": [*covariates]} | matching | more


def write_study(
    folder: Path, variables: Mapping[str, Any], models: Mapping[str, Any], **tables: object
) -> Path:
    """A study folder whose models are its headlines."""
    folder.mkdir(exist_ok=True)
    study = {
        "title": "A study",
        "group": {"column": "member", "member": 1, "comparison": 0},
        "headline": {one["outcome"]: name for name, one in models.items()},
        "variables": variables,
    }
    for name, table in {"study": study | tables, **models}.items():
        (folder / f"{name}.toml").write_text(document(table), encoding="utf-8")
    return folder


def copy_of(folder: Path, name: str = "peru", **texts: Any) -> Path:
    """A shipped study, some files changed: a whole text, a function of it, or what is added."""
    shutil.copytree(ROOT / "models" / name, folder, dirs_exist_ok=True)
    for stem, change in texts.items():
        path = folder / f"{stem}.toml"
        text = path.read_text("utf-8") if path.exists() else ""
        if isinstance(change, dict):
            made = document(change)
        elif callable(change):
            made = change(text)
            assert made != text
        else:
            made = f"{text}{change}"
        path.write_text(made, encoding="utf-8")
    return folder


def where(frame: pd.DataFrame, **keys: Any) -> pd.DataFrame:
    """Rows with these values; of several values any."""
    for name, value in keys.items():
        several = isinstance(value, list | set | tuple)
        frame = frame[frame[name].isin([*value]) if several else frame[name] == value]
    return frame


def pick(frame: pd.DataFrame, **keys: Any) -> Any:
    """The only row with these values."""
    (row,) = where(frame, **keys).itertuples()
    return row


@contextmanager
def scripts(
    folder: Path, *names: str, more: tuple[str, ...] = ()
) -> Iterator[dict[str, ModuleType]]:
    """Scripts of a folder that is no package, which import one another and `more` of it."""
    sys.path.insert(0, str(folder))
    try:
        yield {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(folder))
        for name in (*names, *more):
            sys.modules.pop(name, None)
