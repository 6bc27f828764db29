"""A saved run's report is made again from its folder alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

import coopgap
from coopgap.__main__ import main
from coopgap.app.report import read_run
from coopgap.core.estimate import TABLES
from coopgap.report.figures import canvas
from coopgap.report.write import _drawn_before, write_report
from coopgap.survey.example import make_example

STUDY = """
title = "A small study"
survey = "answers.csv"
[group]
column = "member"
member = 1
comparison = 0
[design]
region = "region"
zone = "zone"
id = "id"
mode = { column = "mode", in_person = "in person", phone = "phone" }
population = "people.csv"
[headline]
trust_agree = "trust"
[variables.trust_agree]
column = "trust"
type = "ordinal"
levels = ["not agree", "agree"]
codes = { "1" = "not agree", "2" = "not agree", "3" = "not agree", "4" = "agree", "5" = "agree" }
[variables.region]
type = "nominal"
levels = ["Center", "East", "Lima", "North", "South"]
[variables.sex]
type = "nominal"
levels = ["male", "female"]
"""
MODEL = """
outcome = "trust_agree"
covariates = ["sex", "region"]
[matching]
method = "exact"
on = ["region", "sex"]
"""
PEOPLE = "sex,population\nmale,490\nfemale,510\n"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run of a study that is gone, with every page and figure."""
    root = tmp_path_factory.mktemp("saved")
    study = root / "my study"
    study.mkdir()
    for name, text in {"study.toml": STUDY, "trust.toml": MODEL, "people.csv": PEOPLE}.items():
        (study / name).write_text(text, encoding="utf-8")
    make_example().data.to_csv(study / "answers.csv", index=False)
    run = coopgap.run(study)
    run.save(root / "out", ("html", "md", "parquet"), ("svg", "pdf"))
    shutil.rmtree(study)
    return root / "out", run


@pytest.fixture
def folder(saved, tmp_path):
    """A copy that a test may spoil."""
    return Path(shutil.copytree(saved[0], tmp_path / "out"))


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def again(folder, *more):
    return main(["report", str(folder), *more])


def refused(capsys, folder, *words):
    before = contents(folder) if folder.is_dir() else {}
    assert again(folder) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert told.err.startswith("coopgap: ")
    for word in words:
        assert word in told.err
    assert (contents(folder) if folder.is_dir() else {}) == before


def test_a_run_keeps_its_study_and_never_the_survey(folder):
    kept = contents(folder / "study")
    assert kept == {
        "study.toml": STUDY.encode(),
        "trust.toml": MODEL.encode(),
        "people.csv": PEOPLE.encode(),
    }


def test_the_tables_are_read_as_they_were(saved):
    folder, run = saved
    found = read_run(folder)
    for name in TABLES:
        pd.testing.assert_frame_equal(found.frames[name], run.frames[name], check_exact=True)
    assert found.meta | run.meta == found.meta
    assert sorted(found.meta["tables_sha256"]) == sorted(TABLES)
    assert (found.study.name, found.study.sha256) == (run.study.name, run.study.sha256)


def test_a_report_made_again_is_the_first_one_byte_by_byte(folder, capsys):
    first = contents(folder)
    for name in first:
        if name.startswith(("report.", "figures/")):
            (folder / name).unlink()
    (folder / "notes.txt").write_text("mine")
    (folder / "figures" / "mine.png").write_text("mine too")
    assert again(folder, "--figures", "svg,pdf") == 0
    assert capsys.readouterr().out == f"{folder / 'report.html'}\n"
    found = contents(folder)
    assert found.pop("notes.txt") == b"mine"
    assert found.pop("figures/mine.png") == b"mine too"
    assert found == first
    assert not [path for path in folder.parent.iterdir() if path.name.startswith(".")]


def test_a_figure_is_drawn_only_if_it_or_what_it_shows_is_another(folder, monkeypatch):
    drawn, save_png = [], canvas.save_png

    def noted(drawing, path):
        drawn.append(drawing.name)
        save_png(drawing, path)

    monkeypatch.setattr(canvas, "save_png", noted)
    shelf = folder / "figures"
    first = contents(shelf)
    assert again(folder) == 0
    assert drawn == []
    (shelf / "love.png").write_bytes(first["headline.png"])
    assert again(folder) == 0
    assert drawn == ["love"]
    assert contents(shelf) == first
    monkeypatch.setattr(canvas, "_ROW", 0.3)
    assert again(folder) == 0
    assert {"headline", "love"} <= set(drawn[1:])
    assert (shelf / "love.png").read_bytes() != first["love.png"]
    (folder / "run.json").write_text('{"program": "coopgap", "figures_sha256": {"love": 3}}')
    assert _drawn_before(folder) == _drawn_before(shelf) == {}


def test_parquet_is_read_where_there_is_no_csv(folder, saved):
    first = contents(folder)
    for name in TABLES:
        (folder / f"{name}.csv").unlink()
    for name, frame in saved[1].frames.items():
        pd.testing.assert_frame_equal(read_run(folder).frames[name], frame, check_exact=True)
    assert again(folder) == 0
    assert contents(folder) == first


def test_any_text_comes_back_from_a_table(build, hostile, folder):
    study = read_run(folder).study
    meta = {"program": "coopgap", "study": "x", "study_sha256": study.sha256}
    texts = [*hostile, "'=1", "''=1", "'quoted", "a\rb", "a\nb", 'a"b', "é 字", ""]
    frames = build.frames()
    rows = len(frames["gaps"])
    assert rows >= len(texts)
    frames["gaps"]["form"] = pd.array((texts * rows)[:rows], dtype="string")
    write_report(frames, study, meta, folder, ("csv",))
    found = read_run(folder).frames
    for name in TABLES:
        pd.testing.assert_frame_equal(found[name], frames[name], check_exact=True)


def test_no_run_and_a_strangers_folder_are_one_line(tmp_path, capsys):
    refused(capsys, tmp_path / "none", "is no folder")
    (tmp_path / "thesis.docx").write_text("mine")
    refused(capsys, tmp_path, "holds no run.json", "coopgap fit")
    (tmp_path / "run.json").write_text('{"program": "other"}')
    refused(capsys, tmp_path, "is no run of coopgap")
    (tmp_path / "run.json").write_text('{"program": "coopgap", "printed": "peru"}')
    refused(capsys, tmp_path, "printed numbers", "coopgap printed")
    (tmp_path / "run.json").write_text('{"program": "coop')
    refused(capsys, tmp_path, "run.json", "damaged")


def test_a_folder_without_its_study_or_with_another_is_one_line(folder, capsys):
    toml = folder / "study" / "study.toml"
    changed = STUDY.replace('trust_agree = "trust"', 'trust_agree = { model = "trust" }')
    toml.write_text(changed, encoding="utf-8")
    refused(capsys, folder, "study", "is not the study that was run")
    toml.write_text("title = ", encoding="utf-8")
    refused(capsys, folder, "study.toml", "is not TOML")
    shutil.rmtree(folder / "study")
    refused(capsys, folder, "study", "absent")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda text: "", "is empty"),
        (lambda text: text[: text.rindex(",confidence,")], "cells"),
        (lambda text: text[: text.rindex("\n", 0, -1) + 1], "not the table that was written"),
        (lambda text: text.replace(",0.95,", ",0.9,", 1), "not the table that was written"),
        (lambda text: text.replace("estimate,", "guess,", 1), "no column estimate"),
        (
            lambda text: text.replace(",risk_difference,", ",risk,", 1),
            "not the table that was written",
        ),
        (lambda text: text.replace(",0.95,", ",most,", 1), "column interval_prob, row"),
        (lambda text: text.replace("trust,", '"trust,', 1), "cannot be read"),
    ],
    ids=["empty", "cut", "short", "changed", "column", "word", "number", "quote"],
)
def test_a_damaged_table_is_one_line(folder, capsys, spoil, words):
    path = folder / "gaps.csv"
    text = path.read_text(encoding="utf-8")
    spoiled = spoil(text)
    assert spoiled != text
    path.write_text(spoiled, encoding="utf-8")
    refused(capsys, folder, "gaps.csv", words, "fit it again")


def test_a_table_that_is_gone_or_binary_is_one_line(folder, capsys):
    path = folder / "gaps.csv"
    path.write_bytes(b"\xff\xfe\x00")
    refused(capsys, folder, "gaps.csv", "cannot be read")
    path.unlink()
    (folder / "gaps.parquet").write_bytes(b"no parquet")
    refused(capsys, folder, "gaps.csv", "cannot be read")
    (folder / "gaps.parquet").unlink()
    refused(capsys, folder, "gaps.csv", "is absent")


def test_formats_that_are_none_are_refused_by_the_command(folder, capsys):
    for option in ("--formats", "--figures"):
        with pytest.raises(SystemExit) as stopped:
            again(folder, option, "png")
        assert stopped.value.code == 2
        assert "png; allowed: " in capsys.readouterr().err
