"""Millions of people: reading a survey file beside everything that comes before and in a fit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from judged import Judged, at_most, beside, main, timed

from coopgap.families.cells import fit_cells
from coopgap.families.plan import sample_for
from coopgap.regression.standardise import standardise
from coopgap.study.load import load_study
from coopgap.survey.codebook import apply_codebook, needed_columns
from coopgap.survey.example import make_example, write_example
from coopgap.survey.read import read_table
from coopgap.survey.records import complete_rows

PEOPLE, TIMES = 2_400_000, 3.0


def stages(n: int, seed: int = 1) -> dict[str, float]:
    """Seconds by stage for the model of class in the Peru study, read from a Parquet file."""
    study = load_study("peru")
    spec = next(model for model in study.models if model.name == "ses")
    took: dict[str, float] = {}

    def stage(name, call):
        result, took[name] = timed(call)
        return result

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "survey.parquet"
        write_example(make_example(n, mode="free", seed=seed).data, path)
        raw = stage("read", lambda: read_table(path, needed_columns(study)))
        survey = stage("check every value", lambda: apply_codebook(raw, study))
        sample = stage(
            "complete rows and matching",
            lambda: sample_for(complete_rows(survey, study, spec), spec),
        )
        fit = stage("cells and ordinal fit", lambda: fit_cells(sample, sample.weight))
        on = fit.on
        data = (on.member.astype(np.float64), on.cells.counts, on.cells.squares, on.sampled.cluster)
        stage("standardised gap", lambda: standardise(fit.fit, on.x, 0, *data))
    return took


def judge(people: int) -> list[Judged]:
    """Seconds of each stage, and of all after reading together, in times of reading."""
    took = stages(people)
    found = [beside(f"{people:,} people, {name}", seconds, "s") for name, seconds in took.items()]
    after = sum(took.values()) / took["read"] - 1
    bar = TIMES if people == PEOPLE else None
    return [*found, at_most("everything after reading, over reading", after, bar, "times")]


if __name__ == "__main__":
    main(__doc__, judge, people=PEOPLE)
