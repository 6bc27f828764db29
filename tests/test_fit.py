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

from .studies import MODE, model, of_example, pick, where, write_study

DESIGN = {"region": "region", "zone": "zone", "id": "id", "mode": MODE}
STRATA = ["region", "sex"]


def make_study(folder, **more):
    variables = of_example("trust_agree", "region", "sex")
    trust = model("trust_agree", "sex", "region", on=("region", "sex")) | more
    return write_study(folder, variables, {"trust": trust}, design=DESIGN)


@pytest.fixture(scope="module")
def example():
    return make_example().data


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
    (line,) = captured.err.splitlines()
    assert line.startswith("coopgap: ")
    assert [word for word in words if word not in line] == []


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
    row = pick(gaps, family="matched_logit", quantity="risk_difference", group="all")
    assert f"{100 * float(row.estimate):+.1f}" in err
    assert "Look at" in err


def test_every_path_is_told_on_request_and_nothing_more_when_quiet(study, survey, tmp_path, capsys):
    out = tmp_path / "out"
    code = run(study, "--data", survey, "--out", out, "--quiet", "--verbose", "--formats", "csv")
    captured = capsys.readouterr()
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert {os.path.relpath(line, out) for line in captured.out.splitlines()} == files
    assert captured.err == "" or code == 3


def test_an_earlier_run_is_replaced_and_a_strangers_place_is_not(
    study, survey, tmp_path, former, capsys
):
    other, file = tmp_path / "other", tmp_path / "file"
    other.mkdir()
    for path in (other / "thesis.docx", file):
        path.write_text("mine")
    # A folder with other files, a file, and a folder below a file, which cannot be made.
    for out, word in ((other, "other"), (file, "file"), (file / "below", "file")):
        assert run(study, "--data", survey, "--out", out) == 2
        refused(capsys, word)
    assert {path.read_text() for path in (other / "thesis.docx", file)} == {"mine"}
    before = (former / "gaps.csv").read_bytes()
    assert run(study, "--data", survey, "--out", former, "--formats", "csv") in (0, 3)
    assert (former / "gaps.csv").read_bytes() == before
    assert not (former / "report.html").exists()


@pytest.mark.parametrize(
    ("column", "value", "rows", "words"),
    [
        ("trust", 77, slice(0, 12), ["trust", "77", "12"]),
        ("member", 7, slice(0, 3), ["member", "7", "3"]),
        ("member", 1, slice(None), ["member"]),
        ("region", "Lima", slice(None), ["region", "Center"]),
        ("id", "x1", slice(0, 2), ["id"]),
        ("mode", "fax", slice(0, 30), ["mode", "30"]),
        ("trust", None, None, ["trust", "changed.csv"]),
    ],
    ids=[
        "undeclared code",
        "undeclared member",
        "constant",
        "empty level",
        "twice",
        "mode",
        "gone",
    ],
)
def test_answers_the_study_does_not_declare(
    study, example, tmp_path, capsys, column, value, rows, words
):
    frame = example.astype({column: object})
    if rows is None:
        frame = frame.drop(columns=column)
    else:
        frame.loc[frame.index[rows], column] = value
    frame.to_csv(tmp_path / "changed.csv", index=False)
    assert run(study, "--data", tmp_path / "changed.csv", "--out", tmp_path / "out") == 2
    refused(capsys, *words)
    assert not (tmp_path / "out").exists()


def test_what_is_not_there_and_an_unknown_key_are_named(study, survey, tmp_path, capsys):
    for arguments, words in (
        ([study, "--data", tmp_path / "none.csv"], ["none.csv"]),
        (["atlantis"], ["atlantis", "peru"]),
        ([study, "--data", survey, "--only", "ses"], ["ses", "trust"]),
    ):
        assert run(*arguments, "--out", tmp_path / "out") == 2
        refused(capsys, *words)
    path = study / "trust.toml"
    path.write_text(f'colour = "red"\n{path.read_text("utf-8")}', encoding="utf-8")
    assert run(study, "--data", survey) == 2
    refused(capsys, "trust.toml", "colour", "covariates")


@pytest.fixture(scope="module")
def apart(example):
    """Members are men of two regions and women of the others, comparison people the reverse.

    Both groups have every region and either sex, and no two people agree on both.
    """
    here = example[example["mode"] == "in person"]
    inside = here["region"].isin(["Lima", "Center"]) == (here["sex"] == "male")
    return here[(here["member"] == 1) == inside]


EMPTY = {
    "no stratum": ({"on": STRATA}, "no stratum holds both groups"),
    "caliper": (
        {"method": "nearest", "covariates": ["sex", "region"], "caliper": 0.001},
        "the caliper leaves no pair",
    ),
    "variant": ({"on": ["region"]}, "no stratum holds both groups"),
}
VARIANT = {"name": "sex too", "matching": {"on": STRATA}}


@pytest.mark.parametrize("name", EMPTY)
def test_a_matching_that_leaves_nobody_says_why_with_its_counts(name, tmp_path, apart, capsys):
    matching, words = EMPTY[name]
    more = {"matching": matching}
    if name == "variant":
        more |= {"covariates": ["region"], "variant": [VARIANT]}
    study = make_study(tmp_path / "small", **more)
    apart.to_csv(tmp_path / "apart.csv", index=False)
    command = [study, "--data", tmp_path / "apart.csv", "--out", tmp_path / "out"]
    assert run(*command, "--formats", "csv") == (0 if name == "variant" else 3)
    members, others = (int((apart["member"] == value).sum()) for value in (1, 0))
    why = f"{words} ({members} members and {others} comparison people"
    lines = capsys.readouterr().err.splitlines()
    diagnostics = pd.read_csv(tmp_path / "out" / "diagnostics.csv")
    if name == "variant":
        table = where(pd.read_csv(tmp_path / "out" / "sensitivity.csv"), variant="sex too")
        assert set(table["verdict"]) == {"not_assessed"}
        assert set(where(table, check="variant")["about"]) == {"sex too"}
        assert table["note"].str.contains(why, regex=False).all()
        size = pick(diagnostics, diagnostic="variant")
        assert (size.about, size.n, size.of) == ("sex too", 0, members)
        assert pd.isna(size.value)
        assert f"({members} members" in size.note
        return
    for family in ("matched_logit", "conditional_logit", "linear"):
        start = f"coopgap: trust, {family}, all, members: not_estimable: "
        (line,) = [line for line in lines if line.startswith(start)]
        assert why in line
    table = where(diagnostics, diagnostic="not_estimable", population="members")
    table = table.set_index(["family", "group"])["note"]
    for family in ("matched_logit", "adjusted_logit", "conditional_logit", "linear"):
        assert why in table[family, "all"]
    if name == "no stratum":  # a region says why with its own counts
        lima = apart["member"][apart["region"] == "Lima"]
        own = f"({int((lima == 1).sum())} members and {int((lima == 0).sum())} comparison people"
        assert own in table["matched_logit", "region=Lima"]


def test_dry_run_fits_nothing_writes_nothing_and_imports_no_sampler(study, survey, tmp_path):
    code = (
        "import sys; from coopgap.fit import main; code = main(sys.argv[1:]); "
        "heavy = {'pymc', 'arviz', 'pytensor', 'matplotlib', 'scipy.stats'} & set(sys.modules); "
        "print('heavy:', sorted(heavy)); sys.exit(code)"
    )
    command = [sys.executable, "-c", code, study, "--data", survey, "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "heavy: []" in done.stdout
    assert "1,004 members" in done.stdout
    assert not (tmp_path / "reports").exists()


def test_a_dry_run_names_the_design_its_variants_and_their_sizes(tmp_path, survey, example, capsys):
    nearest = {"method": "nearest", "on": ["region"], "caliper": 0.2, "ratio": 2, "replace": True}
    designs = {
        "pairs": {"method": "optimal", "on": ["region"], "distance": "mahalanobis"},
        "cells": {"on": STRATA},
        "sets": {"method": "full", "on": ["region"], "max_comparison": 4},
        "limits": {"method": "cardinality", "on": ["region"], "limit": 0.05},
    }
    variants = {name: {"name": name, "matching": table} for name, table in designs.items()}
    variants["cells"]["covariates"] = ["sex"]
    variants["sets"]["link"] = "probit"
    study = make_study(tmp_path / "small", matching=nearest, variant=[*variants.values()])
    # With replacement there are no sets, and so no conditional and no absorbed fit.
    texts = []
    for more in ((), ("--verbose",)):
        assert run(study, "--data", survey, "--dry-run", *more) == 3
        texts.append(capsys.readouterr().out)
        assert "conditional and linear families, all: this matching makes no sets" in texts[-1]
    for line in (
        "nearest on region; propensity distance in sex; caliper 0.2; ratio 2; "
        "with replacement; order largest",
        "pairs  ",
        "optimal on region; mahalanobis distance in sex; no caliper; ratio 1",
        "exact on region, sex; covariates sex",
        "full on region; propensity distance in sex; no caliper; max comparison 4; link probit",
        "cardinality on region; in sex; limit 0.05",
    ):
        assert line in texts[1]
    # Every region has either sex in both groups: exact cells keep everybody, and the effective
    # size follows from weights of members over comparison people in each cell.
    here = example[example["mode"] == "in person"]
    counts = here.groupby(["region", "sex", "member"]).size().unstack("member")
    assert (counts > 0).all(axis=None)
    ess = 1004**2 / (counts[1] ** 2 / counts[0]).sum()
    assert re.search(rf"  cells .* 1,004 of 1,004 +1,003 of 1,003 +{ess:,.0f}\b", texts[1])


def test_a_dry_run_counts_the_specifications_of_a_multiverse(tmp_path, survey, capsys):
    axes = {"method": ["exact", "entropy", "nearest"], "caliper": ["none", 0.2]}
    axes["region"] = ["strata", "left_out"]
    study = make_study(tmp_path / "small", multiverse=axes)
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


def start(study, survey, out, *more):
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
    process = start(study, survey, former, "--verbose")
    while "unadjusted" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert {path: path.read_bytes() for path in former.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_sigkill_at_any_moment_leaves_one_whole_output(study, survey, former):
    names = {path.relative_to(former) for path in former.rglob("*")}
    for delay in range(1, 11):
        process = start(study, survey, former, "--figures", "svg")
        time.sleep(delay / 2)
        process.kill()
        process.communicate(timeout=60)
        assert {path.relative_to(former) for path in former.rglob("*")} == names
        json.loads((former / "run.json").read_text(encoding="utf-8"))
