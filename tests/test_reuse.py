"""Draws are kept beside a run and stand in for sampling only if nothing changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import coopgap
from coopgap.bayes.store import DRAWS_FOLDER
from coopgap.fit import main
from coopgap.study.spec import Hierarchical

TABLES = ("gaps", "coefficients", "balance", "sensitivity", "diagnostics")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Peru's trust by region without zones, which samples in a second or two."""
    folder = tmp_path_factory.mktemp("models") / "peru"
    shutil.copytree(Path(__file__).parents[1] / "models" / "peru", folder)
    path = folder / "trust_agree.toml"
    path.write_text(f"{path.read_text(encoding='utf-8')}zones = false\n", encoding="utf-8")
    return folder


def fit(study, out, *more):
    command = [str(study), "--only", "trust_agree", "--out", str(out), "--formats", "csv"]
    return main([*command, "--quiet", *more])


def reused(out):
    rows = pd.read_csv(out / "diagnostics.csv").set_index("diagnostic")
    row = rows.loc["draws_reused"]
    return row["value"] == 1.0, "" if pd.isna(row["note"]) else row["note"]


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "peru"
    assert fit(study, folder) == 0
    return folder


def test_a_rerun_takes_the_draws_and_gives_the_same_tables(study, out):
    first = {name: (out / f"{name}.csv").read_bytes() for name in TABLES if name != "diagnostics"}
    kept = (out / DRAWS_FOLDER / "trust_agree.nc").read_bytes()
    assert reused(out) == (False, "trust_agree.nc: no draws are kept")
    assert fit(study, out) == 0
    assert reused(out) == (True, "")
    assert {name: (out / f"{name}.csv").read_bytes() for name in first} == first
    assert (out / DRAWS_FOLDER / "trust_agree.nc").stat().st_size == len(kept)
    sampled = json.loads((out / "run.json").read_text("utf-8"))["seconds"]
    assert sampled["hierarchical"] < sampled["hierarchical trust_agree sample"]


def test_another_seed_samples_anew_and_says_why(study, out):
    assert fit(study, out, "--seed", "3") == 0
    assert reused(out) == (
        False,
        "trust_agree.nc: was made from another survey, model, seed or version",
    )


def test_where_draws_are_damaged_the_run_samples_and_finishes(study, out):
    path = out / DRAWS_FOLDER / "trust_agree.nc"
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    assert fit(study, out, "--seed", "3") == 0
    there, note = reused(out)
    assert not there
    assert "damaged or was altered" in note


def test_draws_of_a_run_are_in_python_too(study, out):
    run = coopgap.run(study, only=["trust_agree"], seed=3, reuse=out)
    rows = run.diagnostics.set_index("diagnostic")
    assert rows.loc["draws_reused", "value"] == 1.0
    assert set(run.draws) == {"trust_agree"}
    assert run.draws["trust_agree"].draws["beta"].shape == (4, Hierarchical().draws)
