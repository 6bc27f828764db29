"""The fixtures of this folder: each has a script, and R writes the same bytes again."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .invented import extract

R = Path(__file__).parent
NEEDS = re.compile(r"library\((\w+)\)|(\w+):::?\w|package = \"(\w+)\"|packageVersion\(\"(\w+)\"\)")
WRITES = re.compile(r"^write_(fixture|data)\((?:.|\n)*?, \"(\w+)\"\)$", re.MULTILINE)
OUTSIDE = {"uganda": "COOPGAP_UGANDA"}
"""Scripts that need a file which is not shipped, by the variable that names it."""


def text_of(script):
    return (R / f"{script}.R").read_text(encoding="utf-8")


def all_scripts():
    """The names in all.R, in its order."""
    return re.findall(r'"(\w+)"', text_of("all").partition("{")[0])


def packages(script):
    """Every package that a script or what it sources names."""
    found = NEEDS.findall(text_of("common") + text_of(script))
    return sorted({name for names in found for name in names if name})


def written(script):
    """Places, relative to this folder, of what a script writes."""
    suffix = {"fixture": ("fixtures", "json"), "data": ("data", "csv")}
    return {
        Path(suffix[kind][0], f"{name}.{suffix[kind][1]}")
        for kind, name in WRITES.findall(text_of(script))
    }


@pytest.fixture(scope="session")
def installed():
    if shutil.which("Rscript") is None:
        pytest.skip("needs R")
    listing = "cat(rownames(installed.packages()), sep = '\\n')"
    done = subprocess.run(["Rscript", "-e", listing], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_packages_a_script_names_are_found():
    assert packages("reduced") == ["brglm2", "jsonlite", "numDeriv", "ordinal", "sandwich"]
    assert {"MASS", "MatchIt"} <= set(packages("data"))
    assert {"survey"} <= set(packages("survey"))
    assert {"clubSandwich"} <= set(packages("covariance"))
    assert {"survival", "sandwich"} <= set(packages("uganda"))


def test_every_file_that_is_kept_has_a_script():
    scripts = {path.stem for path in R.glob("*.R")} - {"all", "common"}
    assert set(all_scripts()) <= scripts
    kept = {path.relative_to(R) for path in (*R.glob("data/*"), *R.glob("fixtures/*"))}
    made = [written(script) for script in sorted(scripts)]
    assert sum(map(len, made)) == len(set().union(*made))
    by_python = {"data/example.csv", "data/example_phone.csv", "data/invented.csv"}
    assert set().union(*made) | {*map(Path, by_python)} == kept


def test_the_example_that_r_reads_is_the_one_the_package_makes():
    spec = importlib.util.spec_from_file_location("example_for_r", R / "example.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kept = (R / "data" / "example.csv").read_text(encoding="utf-8")
    assert module.extract() == kept
    header, *rows = kept.splitlines()
    assert header.endswith(",provenance")
    assert len(rows) == 2007
    assert all(row.endswith(",EXAMPLE DATA") for row in rows)
    called = (R / "data" / "example_phone.csv").read_text(encoding="utf-8")
    assert module.extract("phone") == called
    assert len(called.splitlines()) == 251
    assert all(row.endswith(",EXAMPLE DATA") for row in called.splitlines()[1:])


def test_the_invented_people_that_r_reads_are_those_of_the_tests():
    assert extract() == (R / "data" / "invented.csv").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("script", [*all_scripts(), *OUTSIDE])
def test_r_writes_the_same_bytes_again(script, tmp_path, installed):
    missing = sorted(set(packages(script)) - installed)
    if missing:
        pytest.skip(f"needs the R package {', '.join(missing)}")
    if OUTSIDE.get(script, "PATH") not in os.environ:
        pytest.skip(f"needs {OUTSIDE[script]}")
    for folder in ("data", "fixtures"):
        (tmp_path / folder).mkdir()
    places = {"COOPGAP_R_OUT": str(tmp_path / "fixtures")}
    if script in ("data", "api"):  # the others read what is kept
        places["COOPGAP_R_DATA"] = str(tmp_path / "data")
    subprocess.run(
        ["Rscript", f"tests/r/{script}.R"], check=True, cwd=R.parents[1], env=os.environ | places
    )
    found = {path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")}
    assert found == written(script)
    for path in sorted(found):
        assert (tmp_path / path).read_bytes() == (R / path).read_bytes(), path
