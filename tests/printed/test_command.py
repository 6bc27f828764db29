"""The command for printed numbers: what it writes, what it reads, what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial

import pandas as pd
import pytest

from coopgap.__main__ import main as coopgap
from coopgap.app.cli import run
from coopgap.app.printed import find_registry
from coopgap.core.errors import StudyError
from coopgap.core.estimate import TABLES, columns
from coopgap.printed.rows import printed_rows
from coopgap.study.load import load_study

from ..studies import BINARY, model, nominal, write_study

main = partial(run, "printed")

HEAD = "id,source,group,item,category,stat,value,base_n,note\n"
OWN = HEAD + (
    "A1,Figure 1,member,thing,yes,percent,40,100,\n"
    "A2,Figure 1,non-member,thing,yes,percent,30,90,\n"
)


@pytest.fixture(scope="module")
def peru(tmp_path_factory):
    out = tmp_path_factory.mktemp("printed") / "peru"
    code = main(["--out", str(out), "--formats", "csv,html,md,xlsx", "--quiet"])
    assert code == 0
    return out


def write(folder, **tables):
    """A small study beside its printed numbers."""
    variables = {"thing": BINARY, "sex": nominal("male", "female")}
    models = {"thing": model("thing", on=("sex",))}
    write_study(folder, variables, models, title="A small study", **tables)
    (folder / "own.csv").write_text(OWN, "utf-8")
    return folder


@pytest.fixture
def study(tmp_path):
    return write(tmp_path / "small", printed="own.csv")


def test_everything_is_written(peru):
    tables = {f"{name}.csv" for name in (*TABLES, "registry")}
    names = {path.name for path in peru.iterdir()}
    documents = {"report.html", "report.md", "run.json", "tables.xlsx"}
    assert names == tables | documents | {"figures"}
    for name in TABLES:
        frame = pd.read_csv(peru / f"{name}.csv")
        assert list(frame.columns) == list(columns(name))
        assert set(frame["source"]) == {"printed"}
    meta = json.loads((peru / "run.json").read_text("utf-8"))
    assert (meta["program"], meta["printed"], meta["n_numbers"]) == ("coopgap", "peru", 137)


def test_every_number_stands_in_the_registry_that_is_written(peru):
    frame = pd.read_csv(peru / "registry.csv", keep_default_na=False)
    assert len(frame) == 137
    text = (peru / "registry.csv").read_text("utf-8")
    assert (",count,2007,," in text, ",mean,3.75,," in text, "2007.0" in text) == (
        True,
        True,
        False,
    )
    assert ((frame["models"] != "") | (frame["reason"] != "")).all()
    assert set(frame["stat"]) == {"percent", "count", "mean", "points", "not printed"}


def test_a_file_of_ones_own(tmp_path, capsys):
    path = tmp_path / "own.csv"
    path.write_text(OWN, "utf-8")
    out = tmp_path / "out"
    assert coopgap(["printed", str(path), "--out", str(out), "--formats", "csv,md"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert str(out / "registry.csv") in lines
    gaps = pd.read_csv(out / "gaps.csv")
    row = gaps[(gaps["model"] == "printed_thing") & (gaps["quantity"] == "risk_difference")]
    assert row["estimate"].tolist() == pytest.approx([0.1])
    text = (out / "report.md").read_text("utf-8").replace("\N{NO-BREAK SPACE}", " ")
    assert "**Thing**: 40.0 % of members, 30.0 % of non-members" in text
    assert "![Printed gaps in points: Thing +10.0" in text
    # A second run replaces the first.
    assert main([str(path), "--out", str(out), "--formats", "csv", "--quiet"]) == 0
    assert not (out / "report.md").exists()


def test_a_study_folder_that_names_its_registry(study, tmp_path):
    loaded = load_study(study)
    assert [row.estimate for row in printed_rows(loaded.printed).gaps[:2]] == [0.4, 0.3]
    registry, source, title, _ = find_registry(str(study))
    assert (registry.name, source.name, title) == (
        "own",
        "own.csv",
        "A small study: the printed numbers",
    )
    assert main([str(study), "--out", str(tmp_path / "out"), "--quiet", "--formats", "csv"]) == 0
    before = loaded.sha256
    (study / "own.csv").write_text(OWN.replace("40", "41"), "utf-8")
    assert load_study(study).sha256 != before


def test_a_report_without_a_survey_needs_a_title_and_its_numbers_alone(study, tmp_path):
    for path in study.glob("*.toml"):
        path.unlink()
    file = study / "study.toml"
    file.write_text('title = "A report"\nprinted = "own.csv"\n', "utf-8")
    registry, _, title, benchmarks = find_registry(str(study))
    assert (registry.name, title, benchmarks) == ("own", "A report: the printed numbers", ())
    assert main([str(study), "--out", str(tmp_path / "out"), "--quiet", "--formats", "csv"]) == 0
    file.write_text('printed = "own.csv"\n', "utf-8")
    with pytest.raises(StudyError, match=r"study\.toml: title: is absent; give a text"):
        find_registry(str(study))
    file.write_text('title = "A report"\nprinted = "other.csv"\n', "utf-8")
    with pytest.raises(StudyError, match=r"other\.csv: cannot be read"):
        find_registry(str(study))
    file.write_text('title = "A report"\nprinted = "own.csv"\nsurvey = "x.csv"\n', "utf-8")
    with pytest.raises(StudyError, match=r"study\.toml: group"):
        find_registry(str(study))


def test_a_damaged_registry_is_found_before_anything_is_fitted(study):
    (study / "own.csv").write_text(OWN.replace("percent", "per cent", 1), "utf-8")
    with pytest.raises(
        StudyError, match=r'own\.csv: line 2: stat: is "per cent"; allowed: percent'
    ):
        load_study(study)


@pytest.mark.parametrize("named", ["../own.csv", "sub/own.csv", "own.xlsx"])
def test_a_registry_stands_in_the_study_folder(tmp_path, named):
    with pytest.raises(StudyError, match=r"study\.toml: printed: is .*in the study folder"):
        load_study(write(tmp_path / "small", printed=named))


def test_a_study_without_printed_numbers_says_so(tmp_path):
    with pytest.raises(StudyError, match=r"printed: is absent in study\.toml"):
        find_registry(str(write(tmp_path / "small")))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["chile"], "chile: no such registry, file or folder; shipped registries: kenya, peru"),
        (["peru", "--out", "{file}"], "is not a folder"),
        ([""], "registry: is empty; shipped registries: kenya, peru, philippines, poland"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_2(arguments, expected, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--formats", "pdf"])
    assert caught.value.code == 2
    assert "allowed: csv, html" in capsys.readouterr().err
    path = tmp_path / "file"
    path.write_text("x", "utf-8")
    assert main([one.replace("{file}", str(path)) for one in arguments]) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["printed", "report"])
def test_a_package_of_a_commands_name_can_be_run(name):
    command = [sys.executable, "-W", "error", "-m", f"coopgap.{name}", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"usage: coopgap {name} ")
    assert done.stderr == ""


def test_ratios_that_do_not_exist_are_named_and_end_with_3(tmp_path, capsys):
    path = tmp_path / "own.csv"
    path.write_text(OWN.replace("percent,30", "percent,0"), "utf-8")
    arguments = [str(path), "--out", str(tmp_path / "out"), "--quiet", "--formats", "csv"]
    assert main(arguments) == 3
    error = capsys.readouterr().err
    (line,) = [one for one in error.splitlines() if one.startswith("coopgap:")]
    gaps = pd.read_csv(tmp_path / "out" / "gaps.csv")
    blank = int((gaps["status"] == "not_estimable").sum())
    assert blank > 1
    assert line == (
        f"coopgap: {blank} rows not_estimable: a share is 0 or 1; first printed_thing, risk_ratio"
    )
    assert (tmp_path / "out" / "gaps.csv").exists()
