"""Draws are kept beside a run and stand in for sampling only if nothing changed."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import coopgap
from coopgap.bayes.store import DRAWS_FOLDER
from coopgap.core.estimate import TABLES
from coopgap.fit import main
from coopgap.study.spec import Hierarchical

from .studies import copy_of, pick
from .test_hierarchical_request import stand_in


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Peru's trust by region without zones, which samples in a second or two."""
    folder = tmp_path_factory.mktemp("models") / "peru"
    return copy_of(folder, trust_agree="zones = false\n")


def fit(study, out, *more):
    command = [str(study), "--only", "trust_agree", "--out", str(out), "--formats", "csv"]
    return main([*command, "--quiet", *more])


def reused(out):
    row = pick(pd.read_csv(out / "diagnostics.csv"), diagnostic="draws_reused")
    return row.value == 1.0, "" if pd.isna(row.note) else row.note


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "peru"
    assert fit(study, folder) == 0
    return folder


def test_a_rerun_takes_the_draws_and_gives_the_same_tables(study, out):
    first = {name: (out / f"{name}.csv").read_bytes() for name in TABLES if name != "diagnostics"}
    path = out / DRAWS_FOLDER / "trust_agree.nc"
    size = path.stat().st_size
    assert reused(out) == (False, "trust_agree.nc: no draws are kept")
    assert fit(study, out) == 0
    assert reused(out) == (True, "")
    assert {name: (out / f"{name}.csv").read_bytes() for name in first} == first
    assert path.stat().st_size == size
    sampled = json.loads((out / "run.json").read_text("utf-8"))["seconds"]
    assert sampled["hierarchical"] < sampled["hierarchical trust_agree sample"]
    run = coopgap.run(study, only=["trust_agree"], reuse=out)
    assert pick(run.diagnostics, diagnostic="draws_reused").value == 1.0
    assert set(run.draws) == {"trust_agree"}
    assert run.draws["trust_agree"].draws["beta"].shape == (4, Hierarchical().draws)


def test_another_seed_and_damaged_draws_are_sampled_anew(study, out, monkeypatch):
    """What is drawn then is made here: which draws are taken is what is looked at."""
    requests = stand_in(monkeypatch)
    assert fit(study, out, "--seed", "3") == 0
    words = "trust_agree.nc: was made from another survey, model, seed or version"
    assert reused(out) == (False, words)
    path = out / DRAWS_FOLDER / "trust_agree.nc"
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    assert fit(study, out, "--seed", "3") == 0
    there, note = reused(out)
    assert not there
    assert "damaged or was altered" in note
    assert len(requests) == 2
