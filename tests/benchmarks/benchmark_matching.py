"""Matching people who all differ: `python benchmark_matching.py`.

Covariates are continuous, so that no two people stand at one point, which is the hard case;
survey categories cost less. Seconds hold the propensity score or the Mahalanobis points too.
MatchIt matches the same people in the same run.
"""

from __future__ import annotations

import multiprocessing
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from judged import Judged, arguments, at_most, beside, finish

from coopgap.matching.distances import Distance, mahalanobis_points
from coopgap.matching.flow import optimal_pairs
from coopgap.matching.nearest import nearest_pairs
from coopgap.regression.ordinal import fit_ordinal

REPEATS = 3
HERE = Path(__file__).parent


def simulate(members: int, comparison: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three covariates, shape (n, 3), shifted for members; and membership, shape (n,)."""
    member = np.arange(members + comparison) < members
    rng = np.random.default_rng(seed)
    return rng.normal(size=(member.size, 3)) + 0.4 * member[:, None], member


def by_propensity(x: np.ndarray, member: np.ndarray) -> Distance:
    """Everybody at a point of their own on the line of the linear propensity score."""
    fit = fit_ordinal(x, np.column_stack([~member, member]).astype(float))
    score = x @ fit.slopes - fit.thresholds[0]
    return Distance(cell=np.arange(member.size), points=score[:, None], score=score)


def by_mahalanobis(x: np.ndarray, member: np.ndarray) -> Distance:
    """Everybody at a point of their own."""
    points = mahalanobis_points(x, member, np.ones(member.size))
    return Distance(cell=np.arange(member.size), points=points, score=np.zeros(member.size))


def fastest(call: Callable[[], object]) -> float:
    """Least seconds of several calls."""
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def matchit(x: np.ndarray, member: np.ndarray) -> tuple[float, float] | None:
    """Seconds by propensity score and by Mahalanobis distance; None without R."""
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.csv"
        frame = pd.DataFrame(x, columns=list("abc"))
        frame.insert(0, "member", member.astype(int))
        frame.to_csv(path, index=False)
        done = subprocess.run(
            ["Rscript", str(HERE / "matchit.R"), str(path), str(REPEATS)],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        return None
    one, other = done.stdout.split()
    return float(one), float(other)


def in_strata(people: int, strata: int) -> tuple[float, float, int]:
    """Seconds, peak gigabytes and pairs of optimal matching, alone in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_in_strata, (people, strata))


def _in_strata(people: int, strata: int) -> tuple[float, float, int]:
    x, member = simulate(people, people)
    stratum = np.random.default_rng(1).integers(0, strata, member.size)
    start = time.perf_counter()
    pairs = optimal_pairs(stratum, member, by_mahalanobis(x, member))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    return seconds, peak, len(pairs)


PAIRS_SECONDS = 1.0
STRATA_PEOPLE, STRATA_SECONDS, STRATA_GIGABYTES = 50_000, 60.0, 2.0


def judge_pairs() -> list[Judged]:
    """1,004 members and 1,003 comparison people, MatchIt beside them."""
    x, member = simulate(1004, 1003)
    one = np.zeros(member.size, dtype=np.int64)
    theirs = matchit(x, member) or (None, None)
    found = []
    for (name, distance), other in zip(
        (("propensity", by_propensity), ("Mahalanobis", by_mahalanobis)), theirs, strict=True
    ):
        best = fastest(lambda distance=distance: optimal_pairs(one, member, distance(x, member)))
        found.append(at_most(f"optimal pairs, 1,004 x 1,003, {name}", best, PAIRS_SECONDS, "s"))
        ours = fastest(lambda distance=distance: nearest_pairs(one, member, distance(x, member)))
        found.append(beside(f"nearest, 1,004 x 1,003, {name}", ours, "s"))
        ratio = None if other is None else other / ours
        found.append(beside(f"nearest, {name}, MatchIt over coopgap", ratio, "times"))
    return found


def judge_strata(people: int) -> list[Judged]:
    """As many members as comparison people in exact strata, optimal."""
    found = []
    for strata in (60, 1000):
        seconds, peak, pairs = in_strata(people, strata)
        what = f"optimal pairs, {people:,} x {people:,} in {strata:,} strata"
        memory = "  peak memory of the process"
        if people == STRATA_PEOPLE:
            found.append(at_most(what, seconds, STRATA_SECONDS, "s"))
            found.append(at_most(memory, peak, STRATA_GIGABYTES, "GB"))
        else:
            found += [beside(what, seconds, "s"), beside(memory, peak, "GB")]
        found.append(beside("  pairs", pairs, ""))
    return found


def main() -> None:
    """Time, print and judge."""
    parser = arguments(__doc__)
    parser.add_argument(
        "--people", type=int, default=STRATA_PEOPLE, help="of each group, in strata"
    )
    options = parser.parse_args()
    finish(judge_pairs(), options.results)
    finish(judge_strata(options.people), options.results)


if __name__ == "__main__":
    main()
