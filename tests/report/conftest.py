"""Small tables of every kind of row, with labels that mean harm."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pandas as pd
import pytest

from coopgap.core.estimate import TABLES, Row, to_frame
from coopgap.core.vocabulary import EXAMPLE
from coopgap.study.spec import (
    Design,
    Group,
    Headline,
    Hierarchical,
    Matching,
    ModelSpec,
    Phone,
    Study,
    Variable,
)

ROWS = Path(__file__).parent / "rows"
PLACES = ("region", "sex")
HOSTILE = (
    "<script>alert(1)</script>",
    "100% $x_$ ^{2}",
    "=1+1",
    "| a | b |",
    "R&D & <b>",
    "\\input{x} ~ # [y](http://z)",
    "very long " * 30,
    "@cmd",
    "control \x07 \x1b[31m and 字",
)
FIRST = ("<script", "=1+1", "| a | b |", "@cmd")
"""Starts of a label that a page, a workbook, a table or a sheet could take for something."""
HOSTILE_TOGETHER = [
    " ".join(sorted(HOSTILE, key=lambda label, first=first: not label.startswith(first)))
    for first in FIRST
]
"""All of them in one text, each of those in front once."""


def variable(name: str, levels: tuple[str, ...], label: str, kind: str, **how: bool) -> Variable:
    keys = {"name": name, "column": name, "type": kind, "label": label}
    return Variable(**keys, levels=levels, declared_levels=levels, **how)  # type: ignore[arg-type]


def make_study(labels: tuple[str, ...] = ("Agrees", "Class", "Region", "Sex")) -> Study:
    agree, ses, region, sex = labels[:4]
    variables = (
        variable("agree", ("no", "yes"), agree, "binary"),
        variable("ses", ("C", "B", "A"), ses, "ordinal"),
        variable("region", ("North", "South"), region, "nominal"),
        variable("sex", ("m", "f"), sex, "nominal", groups=True),
    )
    models = [
        ModelSpec(name=name, outcome=name, covariates=PLACES, matching=Matching(on=PLACES))
        for name in ("agree", "ses")
    ]
    return Study(
        name="small",
        title="A study",
        survey="example",
        group=Group(column="member", member=(1,), comparison=(0,)),
        design=Design(region="region", zone=("zone",)),
        variables={one.name: one for one in variables},
        models=(replace(models[0], hierarchical=Hierarchical()), models[1]),
        headline={"agree": (Headline(model="agree"),), "ses": (Headline(model="ses"),)},
        folder=Path("small"),
        sha256="0" * 64,
        printed="peru",
        phone=Phone(margin={"agree": 0.06}),
    )


def interval(estimate: float, half: float = 0.05, kind: str = "confidence") -> dict[str, object]:
    return {
        "estimate": estimate,
        "std_error": half / 2,
        "lower": estimate - half,
        "upper": estimate + half,
        "interval_prob": 0.95,
        "interval_kind": kind,
        "p_value": 0.0004,
    }


def record(kind: type[Row], model: str, source: str, **cells: object) -> Row:
    """A row of a model whose outcome has the same name."""
    keys = {"model": model, "outcome": model, "source": source}
    names = {item.name for item in fields(kind)}
    return kind(**{name: value for name, value in keys.items() if name in names} | cells)


def read_rows(folder: str, source: str) -> dict[str, pd.DataFrame]:
    """Tables of a folder of `rows`, whose source is the survey's where they name none."""
    frames = {}
    for name in TABLES:
        path = ROWS / folder / f"{name}.csv"
        if path.exists():
            types = to_frame(name, []).dtypes
            frame = pd.read_csv(path).reindex(columns=types.index)
            texts = dict.fromkeys(types.index[types == "string"], "") | {"source": source}
            frames[name] = frame.astype(dict.fromkeys(texts, object)).fillna(texts).astype(types)
    return frames


def make_frames(source: str = EXAMPLE, *, printed: bool = True) -> dict[str, pd.DataFrame]:
    """The tables of the small study, with printed rows behind the survey's."""
    frames = read_rows("small", source)
    if printed:
        return frames
    return {
        name: frame[frame["source"] != "printed"].reset_index(drop=True)
        for name, frame in frames.items()
    }


def make_pooled(source: str = EXAMPLE) -> dict[str, pd.DataFrame]:
    """The tables with a hierarchical model of the ordered outcome and all of its checks."""
    frames = make_frames(source)
    more = read_rows("pooled", source)
    return frames | {
        name: pd.concat([frames[name], rows], ignore_index=True) for name, rows in more.items()
    }


def make_meta(*, is_example: bool = True) -> dict[str, object]:
    return {
        "program": "coopgap",
        "version": "0.1.0",
        "finished": "2026-01-01T00:00:00+00:00",
        "study": "small",
        "study_sha256": "0" * 64,
        "survey": EXAMPLE if is_example else "survey.csv",
        "survey_sha256": None,
        "is_example": is_example,
        "headline": {name: [{"model": name, "at": ""}] for name in ("agree", "ses")},
        "checks": "quick",
        "seed": 20190000,
        "n_read": 800,
        "n_member": 400,
        "n_comparison": None,
        "n_phone": 10,
        "n_phone_member": 0,
        "dropped": [{"reason": "membership missing", "count": 3}],
        "models": [{"model": "agree", "outcome": "agree", "n": 790, "dropped": [], "draws": None}],
        "versions": {"python": "3.13.0", "nutpie": "0.16.11"},
        "seconds": {"total": 1.5},
    }


def make_hostile(frames, label: str):
    """The frames with a label in every text column that names something."""
    result = {}
    for name, frame in frames.items():
        new = frame.copy()
        for column in ("variant", "note", "level", "about", "choice", "term"):
            if column in new:
                new[column] = new[column].mask(new[column] != "", label).astype("string")
        if "group" in new:
            regional = new["group"].str.startswith("region=North")
            new["group"] = new["group"].mask(regional, f"region={label}").astype("string")
        result[name] = new
    return result


@pytest.fixture(scope="session")
def hostile():
    return HOSTILE


@pytest.fixture(scope="session")
def build():
    """Makers of a study, its frames and its meta."""

    class Build:
        study = staticmethod(make_study)
        frames = staticmethod(make_frames)
        meta = staticmethod(make_meta)
        pooled = staticmethod(make_pooled)
        hostile = staticmethod(make_hostile)
        interval = staticmethod(interval)

    return Build
