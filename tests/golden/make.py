"""The five tables of a few studies as they are to stay: `make golden` writes them, a test compares.

Tables are gzipped CSV with floats of 12 digits, in `NAME/`. `NAME/draws.json` has the SHA-256 of
each model's draws and the kind of processor that drew them: another kind rounds otherwise, so its
draws are others.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from llvmlite import binding

import coopgap

HERE = Path(__file__).parent
SURVEY = os.environ.get("COOPGAP_UGANDA", "")

STUDY = """
title = "A village census"
[group]
column = "joined"
member = "yes"
comparison = "no"
[headline]
food = { model = "food", at = ">=enough" }
milk = "milk"
[variables.food]
type = "ordinal"
levels = ["hungry", "short", "enough", "plenty"]
[variables.milk]
type = "binary"
yes = [1]
no = [2]
missing = [9]
[variables.land]
type = "banded"
cuts = [1, 2.5]
role = { food = "confounder" }
[variables.school]
type = "numeric"
[variables.head]
type = "nominal"
levels = ["man", "woman"]
groups = true
"""
FOOD = """
outcome = "food"
covariates = ["land", "school", "head"]
[matching]
method = "nearest"
on = ["head"]
covariates = ["land", "school"]
distance = "mahalanobis"
[[variant]]
name = "full matching"
matching = { method = "full", on = ["head"], covariates = ["land", "school"] }
[multiverse]
method = ["nearest", "entropy"]
link = ["logit", "probit"]
"""
MILK = """
outcome = "milk"
covariates = ["land", "school", "head"]
[matching]
method = "exact"
on = ["head", "land"]
"""


class Golden(NamedTuple):
    """Tables by name, and the SHA-256 of the draws of each model."""

    frames: dict[str, pd.DataFrame]
    draws: dict[str, str]


def census() -> pd.DataFrame:
    """An invented survey without regions, zones or phone calls; integers of one generator only."""
    rng = np.random.Generator(np.random.PCG64(11))
    n = 480
    land, school = rng.integers(0, 41, n) / 10, rng.integers(0, 13, n)
    woman = rng.integers(0, 100, n) < 35
    joined = rng.integers(0, 60, n) < 15 + 5 * land + school
    food = (rng.integers(0, 40, n) + 4 * land + school + 4 * joined) // 16
    milk = rng.integers(0, 100, n) < 30 + 2 * school + 8 * joined
    return pd.DataFrame(
        {
            "joined": np.where(joined, "yes", "no"),
            "food": np.array(["hungry", "short", "enough", "plenty"])[food.clip(0, 3).astype(int)],
            "milk": np.where(rng.integers(0, 40, n) == 0, 9, np.where(milk, 1, 2)),
            "land": land,
            "school": school,
            "head": np.where(woman, "woman", "man"),
        }
    )


def _quick_run() -> Any:
    """Peru's trust by region without zones, which samples in a second or two."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "peru"
        shutil.copytree(HERE.parents[1] / "models" / "peru", folder)
        with (folder / "trust_agree.toml").open("a", encoding="utf-8") as file:
            file.write("zones = false\n")
        return coopgap.run(folder, only=["trust_agree"], jobs=1)


def _census_run() -> Any:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "census"
        folder.mkdir()
        for stem, text in (("study", STUDY), ("food", FOOD), ("milk", MILK)):
            (folder / f"{stem}.toml").write_text(text, encoding="utf-8")
        return coopgap.run(folder, data=census(), checks="full", jobs=1)


RUNS = {
    "census": _census_run,
    "quick": _quick_run,
    "peru": lambda: coopgap.run("peru", checks="full", jobs=2),
    "uganda": lambda: coopgap.run("uganda_dairy", data=SURVEY, jobs=2),
}
"""What is run for each; `uganda` needs the path of the published file in COOPGAP_UGANDA."""


def processor() -> str:
    """What decides how the compiled density rounds."""
    return f"{binding.get_host_cpu_name()} {binding.get_host_cpu_features().flatten()}"


def fresh(name: str) -> Golden:
    """Run a study."""
    run = RUNS[name]()
    return Golden(run.frames, {model: _digest(kept.draws) for model, kept in run.draws.items()})


def _digest(draws: dict[str, np.ndarray]) -> str:
    found = hashlib.sha256()
    for name, values in sorted(draws.items()):
        found.update(f"{name} {values.shape}".encode() + np.ascontiguousarray(values).tobytes())
    return found.hexdigest()


def written(frame: pd.DataFrame) -> str:
    """A table as it is kept."""
    return frame.to_csv(index=False, float_format="%.12g", lineterminator="\n")


def load(name: str, table: str) -> pd.DataFrame:
    """A table as it was kept, every cell a text."""
    text = gzip.decompress((HERE / name / f"{table}.csv.gz").read_bytes()).decode()
    return as_text(text)


def as_text(text: str) -> pd.DataFrame:
    """A CSV with every cell a text."""
    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)


def main(names: list[str]) -> None:
    """Write the golden copies of some studies, or of all."""
    for name in names or RUNS:
        if name == "uganda" and not SURVEY:
            print("tests/golden/uganda left as it is: COOPGAP_UGANDA is not set", file=sys.stderr)
            continue
        found = fresh(name)
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        for table, frame in found.frames.items():
            packed = gzip.compress(written(frame).encode(), 9, mtime=0)
            (folder / f"{table}.csv.gz").write_bytes(packed)
        kept = {"processor": hashlib.sha256(processor().encode()).hexdigest(), "draws": found.draws}
        (folder / "draws.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
