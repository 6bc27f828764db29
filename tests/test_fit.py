"""The command: exit codes, one line on stderr, nothing lost."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from coopgap.fit import main
from coopgap.survey.example import make_example

STUDY = """
title = "A small study"
[group]
column = "member"
member = 1
comparison = 0
[design]
region = "region"
zone = "zone"
id = "id"
mode = { column = "mode", in_person = "in person", phone = "phone" }
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


@pytest.fixture(scope="module")
def example():
    return make_example().data


def make_study(folder):
    folder.mkdir()
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    (folder / "trust.toml").write_text(MODEL, encoding="utf-8")
    return folder


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path / "small")


@pytest.fixture(scope="module")
def survey(tmp_path_factory, example):
    path = tmp_path_factory.mktemp("survey") / "answers.csv"
    example.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory, survey):
    """The folder of a run with every page, and what the command said on stdout and stderr."""
    base = tmp_path_factory.mktemp("whole")
    out, said, err = base / "out", io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(err):
        code = run(make_study(base / "small"), "--data", survey, "--out", out, "--figures", "svg")
    assert code in (0, 3), err.getvalue()
    return out, said.getvalue(), err.getvalue()


@pytest.fixture
def former(whole, tmp_path):
    """A copy of that folder."""
    return shutil.copytree(whole[0], tmp_path / "out")


def run(*arguments):
    return main([str(argument) for argument in arguments])


def refused(capsys, *words):
    """Exactly one line on stderr that holds the words, nothing on stdout."""
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("coopgap: ")
    for word in words:
        assert word in lines[0]
    return lines[0]


def test_a_whole_run_writes_what_the_contract_says(whole):
    out, said, err = whole
    tables = {"gaps", "coefficients", "balance", "sensitivity", "diagnostics"}
    assert {path.stem for path in out.glob("*.csv")} == tables
    assert (out / "report.html").exists()
    assert (out / "report.md").exists()
    drawn = {path.stem for path in out.glob("figures/*.png")}
    assert drawn == {path.stem for path in out.glob("figures/*.svg")} != set()
    assert {path.name for path in out.glob("study/*")} == {"study.toml", "trust.toml"}
    meta = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert meta["program"] == "coopgap"
    assert meta["headline"] == {"trust_agree": [{"model": "trust", "at": ""}]}
    assert len(meta["survey_sha256"]) == 64
    assert meta["seconds"]["total"] > 0
    assert said == f"{out / 'report.html'}\n"
    gaps = pd.read_csv(out / "gaps.csv", keep_default_na=False)
    first = gaps[(gaps["family"] == "matched_logit") & (gaps["quantity"] == "risk_difference")]
    (row,) = first[first["group"] == "all"].to_dict("records")
    assert f"{100 * float(row['estimate']):+.1f}" in err
    assert "Look at" in err


def test_every_path_is_told_on_request_and_nothing_more_when_quiet(study, survey, tmp_path, capsys):
    out = tmp_path / "out"
    code = run(study, "--data", survey, "--out", out, "--quiet", "--verbose", "--formats", "csv")
    captured = capsys.readouterr()
    printed = captured.out.splitlines()
    assert {os.path.relpath(line, out) for line in printed} == {
        str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()
    }
    assert captured.err == "" or code == 3


def test_an_earlier_run_is_replaced_and_a_strangers_folder_is_not(
    study, survey, tmp_path, former, capsys
):
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.docx").write_text("mine")
    assert run(study, "--data", survey, "--out", other) == 2
    refused(capsys, "other")
    assert (other / "thesis.docx").read_text() == "mine"
    before = (former / "gaps.csv").read_bytes()
    assert run(study, "--data", survey, "--out", former, "--formats", "csv") in (0, 3)
    assert (former / "gaps.csv").read_bytes() == before
    assert not (former / "report.html").exists()


def test_out_naming_a_file_is_refused_before_anything_is_fitted(study, survey, tmp_path, capsys):
    target = tmp_path / "file"
    target.write_text("mine")
    assert run(study, "--data", survey, "--out", target) == 2
    refused(capsys, "file")
    assert target.read_text() == "mine"


def test_a_parent_that_cannot_be_written_is_refused(study, survey, tmp_path, capsys):
    parent = tmp_path / "file"
    parent.write_text("mine")
    assert run(study, "--data", survey, "--out", parent / "below") == 2
    refused(capsys, "file")


def _changed(example, tmp_path, column, value, rows):
    frame = example.copy()
    frame[column] = frame[column].astype(object)
    frame.loc[frame.index[rows], column] = value
    path = tmp_path / "changed.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("column", "value", "rows", "words"),
    [
        ("trust", 77, slice(0, 12), ["trust", "77", "12"]),
        ("member", 7, slice(0, 3), ["member", "7", "3"]),
        ("member", 1, slice(None), ["member"]),
        ("region", "Lima", slice(None), ["region", "Center"]),
        ("id", "x1", slice(0, 2), ["id"]),
        ("mode", "fax", slice(0, 30), ["mode", "30"]),
    ],
    ids=["undeclared code", "undeclared member", "constant", "empty level", "twice", "mode"],
)
def test_answers_the_study_does_not_declare(
    study, example, tmp_path, capsys, column, value, rows, words
):
    path = _changed(example, tmp_path, column, value, rows)
    assert run(study, "--data", path, "--out", tmp_path / "out") == 2
    refused(capsys, *words)
    assert not (tmp_path / "out").exists()


def test_a_missing_column_and_a_missing_file(study, example, tmp_path, capsys):
    path = tmp_path / "short.csv"
    example.drop(columns="trust").to_csv(path, index=False)
    assert run(study, "--data", path, "--out", tmp_path / "out") == 2
    refused(capsys, "trust", "short.csv")
    assert run(study, "--data", tmp_path / "none.csv", "--out", tmp_path / "out") == 2
    refused(capsys, "none.csv")


def test_an_unknown_key_lists_the_allowed_ones(study, survey, capsys):
    (study / "trust.toml").write_text('colour = "red"\n' + MODEL, encoding="utf-8")
    assert run(study, "--data", survey) == 2
    refused(capsys, "trust.toml", "colour", "covariates")


def test_an_unknown_study_and_an_unknown_model(study, survey, capsys):
    assert run("atlantis") == 2
    refused(capsys, "atlantis", "peru")
    assert run(study, "--data", survey, "--only", "ses") == 2
    refused(capsys, "ses", "trust")


EMPTY = {
    "no stratum": ('method = "exact"\non = ["region", "sex"]', "no stratum holds both groups"),
    "caliper": (
        'method = "nearest"\ncovariates = ["sex", "region"]\ncaliper = 0.001',
        "the caliper leaves no pair",
    ),
}


def crossed(example):
    """Members are men of two regions and women of the others, comparison people the reverse.

    Both groups have every region and either sex, and no two people agree on both.
    """
    here = example[example["mode"] == "in person"]
    inside = here["region"].isin(["Lima", "Center"]) == (here["sex"] == "male")
    return here[(here["member"] == 1) == inside]


@pytest.mark.parametrize("name", EMPTY)
def test_a_matching_that_leaves_nobody_says_why_with_its_counts(
    name, study, tmp_path, example, capsys
):
    apart = crossed(example)
    counts = [int((apart["member"] == value).sum()) for value in (1, 0)]
    apart.to_csv(tmp_path / "apart.csv", index=False)
    declared, words = EMPTY[name]
    model = f'outcome = "trust_agree"\ncovariates = ["sex", "region"]\n[matching]\n{declared}\n'
    (study / "trust.toml").write_text(model, encoding="utf-8")
    command = [study, "--data", tmp_path / "apart.csv", "--out", tmp_path / "out"]
    assert run(*command, "--formats", "csv") == 3
    why = f"{words} ({counts[0]} members and {counts[1]} comparison people"
    lines = capsys.readouterr().err.splitlines()
    for family in ("matched_logit", "conditional_logit", "linear"):
        start = f"coopgap: trust, {family}, all, members: not_estimable: "
        (line,) = [line for line in lines if line.startswith(start)]
        assert why in line
    table = pd.read_csv(tmp_path / "out" / "diagnostics.csv")
    table = table[(table["diagnostic"] == "not_estimable") & (table["population"] == "members")]
    table = table.set_index(["family", "group"])["note"]
    for family in ("matched_logit", "adjusted_logit", "conditional_logit", "linear"):
        assert why in table[family, "all"]
    # A region says why with its own counts.
    lima = apart["member"][apart["region"] == "Lima"]
    own = f"({int((lima == 1).sum())} members and {int((lima == 0).sum())} comparison people"
    if name == "no stratum":
        assert own in table["matched_logit", "region=Lima"]


def test_a_variant_that_leaves_nobody_says_why_with_its_counts(study, tmp_path, example):
    apart = crossed(example)
    apart.to_csv(tmp_path / "apart.csv", index=False)
    model = 'outcome = "trust_agree"\ncovariates = ["region"]\nmatching = { on = ["region"] }\n'
    variant = '[[variant]]\nname = "sex too"\nmatching = { on = ["region", "sex"] }\n'
    (study / "trust.toml").write_text(model + variant, encoding="utf-8")
    command = [study, "--data", tmp_path / "apart.csv", "--out", tmp_path / "out"]
    assert run(*command, "--formats", "csv") == 0
    table = pd.read_csv(tmp_path / "out" / "sensitivity.csv")
    rows = table[table["variant"] == "sex too"]
    assert set(rows["verdict"]) == {"not_assessed"}
    assert set(rows.loc[rows["check"] == "variant", "about"]) == {"sex too"}
    members = int((apart["member"] == 1).sum())
    sizes = pd.read_csv(tmp_path / "out" / "diagnostics.csv")
    (size,) = sizes[sizes["diagnostic"] == "variant"].to_dict("records")
    assert (size["about"], size["n"], size["of"]) == ("sex too", 0, members)
    assert pd.isna(size["value"])
    assert f"({members} members" in size["note"]
    assert (
        rows["note"]
        .str.contains(f"no stratum holds both groups ({members} members", regex=False)
        .all()
    )


def test_dry_run_fits_nothing_writes_nothing_and_imports_no_sampler(study, survey, tmp_path):
    code = (
        "import sys; from coopgap.fit import main; code = main(sys.argv[1:]); "
        "heavy = {'pymc', 'arviz', 'pytensor', 'matplotlib', 'scipy.stats'} & set(sys.modules); "
        "print('heavy:', sorted(heavy)); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(study), "--data", str(survey), "--dry-run"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "heavy: []" in done.stdout
    assert "1,004 members" in done.stdout
    assert not (tmp_path / "reports").exists()


def test_a_dry_run_names_the_design_its_variants_and_their_sizes(study, survey, example, capsys):
    nearest = 'method = "nearest"\non = ["region"]\ncaliper = 0.2\nratio = 2\nreplace = true\n'
    model = f'outcome = "trust_agree"\ncovariates = ["sex", "region"]\n[matching]\n{nearest}'
    variants = """
[[variant]]
name = "pairs"
matching = { method = "optimal", on = ["region"], distance = "mahalanobis" }
[[variant]]
name = "cells"
covariates = ["sex"]
matching = { on = ["region", "sex"] }
[[variant]]
name = "sets"
link = "probit"
matching = { method = "full", on = ["region"], max_comparison = 4 }
[[variant]]
name = "limits"
matching = { method = "cardinality", on = ["region"], limit = 0.05 }
"""
    (study / "trust.toml").write_text(model + variants, encoding="utf-8")
    # With replacement there are no sets, and so no conditional and no absorbed fit.
    assert run(study, "--data", survey, "--dry-run") == 3
    short = capsys.readouterr().out
    assert "conditional and linear families, all: this matching makes no sets" in short
    assert run(study, "--data", survey, "--dry-run", "--verbose") == 3
    text = capsys.readouterr().out
    assert "conditional and linear families, all: this matching makes no sets" in text
    for line in (
        "nearest on region; propensity distance in sex; caliper 0.2; ratio 2; "
        "with replacement; order largest",
        "pairs  ",
        "optimal on region; mahalanobis distance in sex; no caliper; ratio 1",
        "exact on region, sex; covariates sex",
        "full on region; propensity distance in sex; no caliper; max comparison 4; link probit",
        "cardinality on region; in sex; limit 0.05",
    ):
        assert line in text
    # Every region has either sex in both groups: exact cells keep everybody, and the effective
    # size follows from weights of members over comparison people in each cell.
    here = example[example["mode"] == "in person"]
    counts = here.groupby(["region", "sex", "member"]).size().unstack("member")
    assert (counts > 0).all(axis=None)
    ess = 1004**2 / (counts[1] ** 2 / counts[0]).sum()
    assert re.search(rf"  cells .* 1,004 of 1,004 +1,003 of 1,003 +{ess:,.0f}\b", text)


def test_a_dry_run_counts_the_specifications_of_a_multiverse(study, survey, capsys):
    model = """outcome = "trust_agree"
covariates = ["sex", "region"]
[matching]
on = ["region", "sex"]
[multiverse]
method = ["exact", "entropy", "nearest"]
caliper = ["none", 0.2]
region = ["strata", "left_out"]
"""
    (study / "trust.toml").write_text(model, encoding="utf-8")
    assert run(study, "--data", survey, "--dry-run") == 0
    assert "multiverse: 8 specifications" in capsys.readouterr().out
    assert run(study, "--data", survey, "--dry-run", "--verbose") == 0
    assert (
        """
  multiverse  8 specifications of 12 combinations (with --checks full)
              method: exact, entropy, nearest
              caliper: none, 0.2
              region: strata, left_out
              left out 4: the same as another: the method takes no caliper
"""
        in capsys.readouterr().out
    )


def _start(study, survey, out, *more):
    return subprocess.Popen(
        [sys.executable, "-m", "coopgap.fit", study, "--data", survey, "--out", out, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite that runs in the background hands on an interrupt that is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_control_c_exits_130_and_leaves_the_former_output(study, survey, former):
    before = {path: path.read_bytes() for path in former.rglob("*") if path.is_file()}
    # Each family is told before it is fitted.
    process = _start(study, survey, former, "--verbose")
    while "unadjusted" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert {path: path.read_bytes() for path in former.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_sigkill_at_any_moment_leaves_one_whole_output(study, survey, tmp_path):
    out = tmp_path / "out"
    assert run(study, "--data", survey, "--out", out) in (0, 3)
    names = {path.relative_to(out) for path in out.rglob("*")}
    for delay in (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0):
        process = _start(study, survey, out)
        time.sleep(delay)
        process.kill()
        process.communicate(timeout=60)
        assert {path.relative_to(out) for path in out.rglob("*")} == names
        json.loads((out / "run.json").read_text(encoding="utf-8"))
