"""Whole runs of large surveys: processor seconds and memory of the command, in its own process.

Beside them the exact conditional fit of large strata by itself: `sets`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from judged import Judged, arguments, at_most, beside, finish
from sizes import Size, survey, write_study

from coopgap.regression.conditional import conditional_covariance, fit_conditional
from coopgap.survey.cells import collapse

CASES: dict[str, tuple[Size, float | None, float | None]] = {
    "people": (Size(people=300_000, zones=300, regions=10), 100.0, 1.5),
    "zones": (Size(people=20_000, zones=1000, regions=200), 100.0, 1.5),
    "covariates": (Size(people=3000, zones=60, regions=5, covariates=50), None, None),
}
"""Sizes by name with what is asked: processor seconds and gigabytes at most."""

FINISHED = (0, 3)


def measured(size: Size) -> tuple[int, float, float, float]:
    """Exit code, processor and wall seconds, and gigabytes of one run."""
    with tempfile.TemporaryDirectory() as folder:
        study = write_study(size, Path(folder) / "study")
        command = ["-m", "coopgap.fit", str(study), "--out", f"{folder}/out", "--quiet"]
        started = time.perf_counter()
        quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
        child = os.posix_spawn(
            sys.executable, [sys.executable, *command], os.environ, file_actions=quiet
        )
        _, status, used = os.wait4(child, 0)
    seconds = used.ru_utime + used.ru_stime
    wall = time.perf_counter() - started
    return os.waitstatus_to_exitcode(status), seconds, wall, used.ru_maxrss / 2**20


def judge(name: str) -> list[Judged]:
    """What a run of one size takes."""
    size, seconds_asked, memory_asked = CASES[name]
    code, seconds, wall, memory = measured(size)
    if code not in FINISHED:
        raise SystemExit(f"{size}: the run ended with exit {code}")
    return [
        at_most(f"{size}, processor", seconds, seconds_asked, "s"),
        at_most(f"{size}, memory", memory, memory_asked, "GB"),
        beside(f"{size}, wall", wall, "s"),
    ]


def judge_sets() -> list[Judged]:
    """Ordinal answers within strata that hold two kinds of people: members and others."""
    size = Size(people=300_000, zones=300, regions=6)
    people = survey(size)
    strata = (people["region"] * 5 + people["age"]) * 2 + people["sex"]
    columns = [column.to_numpy() for column in (strata, people["member"], people["zone"])]
    started = time.process_time()
    cells = collapse(columns, people["answer"].to_numpy(), 5)
    stratum, member, zone = cells.codes.T
    x = member[:, None].astype(float)
    fit = fit_conditional(x, cells.people, stratum)
    conditional_covariance(fit, x, cells.people, stratum, zone)
    seconds = time.process_time() - started
    title = f"{fit.n_obs:,} people in {fit.n_sets_discordant} strata, conditional fit, processor"
    return [at_most(title, seconds, 5.0, "s")]


def main() -> None:
    """Run and judge each size, or those named."""
    parser = arguments(__doc__)
    parser.add_argument("names", nargs="*", default=[*CASES, "sets"], metavar="SIZE")
    options = parser.parse_args()
    for name in options.names:
        finish(judge_sets() if name == "sets" else judge(name), options.results)


if __name__ == "__main__":
    main()
