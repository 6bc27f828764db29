"""Millions of people: reading a survey file beside everything that comes before and in a fit."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from judged import Judged, arguments, at_most, beside, finish

from coopgap.families.cells import fit_cells
from coopgap.families.plan import sample_for
from coopgap.regression.standardise import standardise
from coopgap.study.load import load_study
from coopgap.survey.codebook import apply_codebook, needed_columns
from coopgap.survey.example import make_example, write_example
from coopgap.survey.read import read_table
from coopgap.survey.records import complete_rows


def rows(n: int, seed: int = 1) -> list[tuple[str, float, float]]:
    """(stage, seconds, ratio to reading the file) for the model of class in the Peru study."""
    study = load_study("peru")
    spec = next(model for model in study.models if model.name == "ses")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "survey.parquet"
        write_example(make_example(n, mode="free", seed=seed).data, path)
        started = time.perf_counter()
        raw = read_table(path, needed_columns(study))
        reading = time.perf_counter() - started
        steps = [("read", reading)]
        survey, seconds = _timed(lambda: apply_codebook(raw, study))
        steps.append(("check every value", seconds))
        sample, seconds = _timed(lambda: sample_for(complete_rows(survey, study, spec), spec))
        steps.append(("complete rows and matching", seconds))
        fit, seconds = _timed(lambda: fit_cells(sample, sample.weight))
        steps.append(("cells and ordinal fit", seconds))
        on = fit.on
        _, seconds = _timed(
            lambda: standardise(
                fit.fit,
                on.x,
                0,
                on.member.astype(np.float64),
                on.cells.counts,
                on.cells.squares,
                on.cluster,
            )
        )
        steps.append(("standardised gap", seconds))
    return [(name, seconds, seconds / reading) for name, seconds in steps]


def _timed(call):
    started = time.perf_counter()
    result = call()
    return result, time.perf_counter() - started


PEOPLE, TIMES = 2_400_000, 3.0


def judge(people: int) -> list[Judged]:
    """Seconds of each stage, and of all after reading together, in times of reading."""
    stages = rows(people)
    found = [beside(f"{people:,} people, {name}", seconds, "s") for name, seconds, _ in stages]
    after = sum(ratio for _, _, ratio in stages[1:])
    what = "everything after reading, over reading"
    asked = people == PEOPLE
    found.append(at_most(what, after, TIMES, "times") if asked else beside(what, after, "times"))
    return found


def main() -> None:
    """Time, print and judge: people of the free example, from a Parquet file."""
    parser = arguments(__doc__)
    parser.add_argument("--people", type=int, default=PEOPLE)
    options = parser.parse_args()
    finish(judge(options.people), options.results)


if __name__ == "__main__":
    main()
