"""Marks that turn the direction of text reach neither report nor table nor terminal."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import coopgap
from coopgap.app.plan import make_plan
from coopgap.core.errors import InputError, StudyError, first_mark, without_marks
from coopgap.datasets.registry import read_registry
from coopgap.study.load import load_study
from coopgap.survey.draft import draft_study
from coopgap.survey.raw import from_dataframe

from .studies import model, nominal, write_study

MARKS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
TURN = "\u202e"
VARIABLES = {
    "trust": {"type": "binary", "levels": ["no", "yes"], "label": "Trust"},
    "place": nominal("north", "south"),
}


def people(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    return pd.DataFrame(
        {
            "member": rng.integers(0, 2, n),
            "zone": [f"village {k}" for k in rng.integers(0, 30, n)],
            "trust": rng.choice(["no", "yes"], n),
            "place": rng.choice(["north", "south"], n),
        }
    )


def folder(tmp_path: Path, old: str = "", new: str = "") -> Path:
    """A study, a text of it changed; `document` would write a mark as an escape."""
    models = {"trust": model("trust", "place", on=("place",))}
    write_study(tmp_path, VARIABLES, models, title="Marks", design={"zone": "zone"})
    path = tmp_path / "study.toml"
    path.write_text(path.read_text("utf-8").replace(old, new), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("mark", MARKS, ids=lambda mark: f"U+{ord(mark):04X}")
def test_a_study_holds_none_in_titles_labels_levels_or_names(tmp_path: Path, mark: str) -> None:
    for place, line in (("Marks", 1), ("Trust", 4), ("north", 4), ('"place"', 4)):
        new = f'"{mark}place"' if place[0] == '"' else f"{place}{mark}"
        with pytest.raises(StudyError) as caught:
            load_study(folder(tmp_path, place, new))
        assert f"study.toml: line {line} holds U+{ord(mark):04X}, a mark" in str(caught.value)
        assert mark not in str(caught.value)


def test_nor_as_an_escape_nor_in_a_model_nor_in_a_registry(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"study\.toml: writes a mark that turns"):
        load_study(folder(tmp_path, "Marks", "M\\u202Earks"))
    study = folder(tmp_path)
    path = study / "trust.toml"
    text = f'\n[[variant]]\nname = "{TURN}other"\nlink = "probit"\n'
    path.write_text(path.read_text("utf-8") + text, encoding="utf-8")
    with pytest.raises(StudyError, match=r"trust\.toml: line 6 holds U\+202E"):
        load_study(study)
    header = "id,source,group,item,category,stat,value,base_n,note\n"
    with pytest.raises(StudyError, match=r"printed\.csv: line 2 holds U\+202E"):
        read_registry("printed.csv", f"{header}a,p. 1,{TURN}members,".encode())


def test_letters_of_any_script_are_taken() -> None:
    for text in ("نعم", "לא", "é字", "a\u200bb", "\u200d"):
        assert first_mark(text) is None
        assert without_marks(text) == text


def test_answers_and_zones_lose_theirs_and_stay_what_they_are(tmp_path: Path) -> None:
    """A mark at an Arabic word's side is common and means nothing: the numbers are the same."""
    study, data = folder(tmp_path), people()
    marked = data.assign(
        zone=[TURN * (k % 2) + zone for k, zone in enumerate(data.zone)],
        place=["\u200f" + place for place in data.place],
    )
    run = coopgap.run(study, data=marked)
    pd.testing.assert_frame_equal(run.gaps, coopgap.run(study, data=data).gaps)
    run.save(tmp_path / "out", ["csv", "md", "html"])
    for path in (tmp_path / "out").iterdir():
        if path.suffix in (".csv", ".md", ".html", ".json"):
            assert not set(MARKS) & set(path.read_text(encoding="utf-8")), path.name


def test_a_files_name_and_messages_lose_theirs(tmp_path: Path) -> None:
    study, data = folder(tmp_path), people()
    path = tmp_path / f"sur{TURN}vey.csv"
    data.to_csv(path, index=False)
    assert make_plan(study, path).survey.source == "survey.csv"
    other = data.rename(columns={"place": f"plac{TURN}"})
    with pytest.raises(InputError) as caught:
        make_plan(study, other)
    assert not set(MARKS) & set(str(caught.value))
    codes = data.assign(place=data.place.where(data.index % 4 > 0, f"w{TURN}est"))
    with pytest.raises(InputError, match="undeclared code 'west'"):
        make_plan(study, codes)


def test_a_draft_from_labels_with_marks_is_a_study_without(tmp_path: Path) -> None:
    raw = from_dataframe(pd.DataFrame({"x": [1, 2, 3] * 20}))
    words = {1: "\u200fنعم", 2: "\u200fلا", 3: "c"}
    raw = replace(raw, labels={"x": f"Trust{TURN}"}, value_labels={"x": words})
    variable = tomllib.loads(draft_study(raw, "s.csv"))["variables"]["x"]
    assert variable["label"] == "Trust"
    assert variable["levels"] == ["نعم", "لا", "c"]
