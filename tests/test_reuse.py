"""Draws are kept beside a run and stand in for sampling only if nothing changed."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import coopgap
from coopgap.bayes.store import DRAWS_FOLDER
from coopgap.fit import main

TABLES = ("gaps", "coefficients", "balance", "sensitivity", "diagnostics")


def fit(out, *more):
    return main(
        ["peru", "--only", "trust_agree", "--draws", "1200", "--out", str(out), "--quiet", *more]
    )


def reused(out):
    rows = pd.read_csv(out / "diagnostics.csv").set_index("diagnostic")
    row = rows.loc["draws_reused"]
    return row["value"] == 1.0, "" if pd.isna(row["note"]) else row["note"]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "peru"
    assert fit(folder) == 0
    return folder


def test_a_rerun_takes_the_draws_and_gives_the_same_tables(out):
    first = {name: (out / f"{name}.csv").read_bytes() for name in TABLES if name != "diagnostics"}
    kept = (out / DRAWS_FOLDER / "trust_agree.nc").read_bytes()
    assert reused(out) == (False, "trust_agree.nc: no draws are kept")
    assert fit(out) == 0
    assert reused(out) == (True, "")
    assert {name: (out / f"{name}.csv").read_bytes() for name in first} == first
    assert (out / DRAWS_FOLDER / "trust_agree.nc").stat().st_size == len(kept)
    sampled = json.loads((out / "run.json").read_text("utf-8"))["seconds"]
    assert sampled["hierarchical"] < sampled["hierarchical trust_agree sample"]


def test_another_seed_samples_anew_and_says_why(out):
    assert fit(out, "--seed", "3") == 0
    assert reused(out) == (
        False,
        "trust_agree.nc: was made from another survey, model, seed or version",
    )


def test_a_damaged_file_is_not_used(out):
    path = out / DRAWS_FOLDER / "trust_agree.nc"
    path.write_bytes(path.read_bytes()[:4000])
    assert fit(out, "--seed", "3") == 0
    assert reused(out) == (False, "trust_agree.nc: is not a file of draws, or is damaged")


def test_draws_of_a_run_are_in_python_too(out):
    run = coopgap.run("peru", only=["trust_agree"], draws=1200, reuse=out)
    assert set(run.draws) == {"trust_agree"}
    chains, kept = run.draws["trust_agree"].draws["beta"].shape
    # Twice as many where the gate asked for a second attempt.
    assert (chains, kept) in ((4, 1200), (4, 2400))
