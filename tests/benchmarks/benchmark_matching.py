"""Matching people who all differ: `python benchmark_matching.py`.

Covariates are continuous, so that no two people stand at one point, which is the hard case;
survey categories cost less. Seconds hold the propensity score or the Mahalanobis points too.
MatchIt matches the same people in the same run.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from judged import Judged, at_most, beside, by_r, fastest, main, timed

from coopgap.matching.distances import Distance, mahalanobis_points
from coopgap.matching.flow import optimal_pairs
from coopgap.matching.nearest import nearest_pairs
from coopgap.regression.ordinal import fit_ordinal

REPEATS = 3


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


def matchit(x: np.ndarray, member: np.ndarray) -> list[float | None]:
    """Seconds by propensity score and by Mahalanobis distance; None without R."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.csv"
        frame = pd.DataFrame(x, columns=list("abc"))
        frame.insert(0, "member", member.astype(int))
        frame.to_csv(path, index=False)
        return by_r("matchit.R", path, REPEATS) or [None, None]


def in_strata(people: int, strata: int) -> tuple[float, float, int]:
    """Seconds, peak gigabytes and pairs of optimal matching, alone in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_in_strata, (people, strata))


def _in_strata(people: int, strata: int) -> tuple[float, float, int]:
    x, member = simulate(people, people)
    stratum = np.random.default_rng(1).integers(0, strata, member.size)
    pairs, seconds = timed(lambda: optimal_pairs(stratum, member, by_mahalanobis(x, member)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    return seconds, peak, len(pairs)


PAIRS_SECONDS = 1.0
STRATA_PEOPLE, STRATA_SECONDS, STRATA_GIGABYTES = 50_000, 60.0, 2.0


def judge(people: int) -> list[Judged]:
    """1,004 beside 1,003 people, MatchIt beside them; then as many of both in exact strata."""
    x, member = simulate(1004, 1003)
    one = np.zeros(member.size, dtype=np.int64)
    found = []
    for (name, distance), theirs in zip(
        (("propensity", by_propensity), ("Mahalanobis", by_mahalanobis)),
        matchit(x, member),
        strict=True,
    ):
        best, ours = (
            fastest(lambda pairs=pairs, of=distance: pairs(one, member, of(x, member)), REPEATS)
            for pairs in (optimal_pairs, nearest_pairs)
        )
        found.append(at_most(f"optimal pairs, 1,004 x 1,003, {name}", best, PAIRS_SECONDS, "s"))
        found.append(beside(f"nearest, 1,004 x 1,003, {name}", ours, "s"))
        ratio = None if theirs is None else theirs / ours
        found.append(beside(f"nearest, {name}, MatchIt over coopgap", ratio, "times"))
    asked = people == STRATA_PEOPLE
    bars = (STRATA_SECONDS, STRATA_GIGABYTES) if asked else (None, None)
    for strata in (60, 1000):
        seconds, peak, pairs = in_strata(people, strata)
        what = f"optimal pairs, {people:,} x {people:,} in {strata:,} strata"
        found.append(at_most(what, seconds, bars[0], "s"))
        found.append(at_most("  peak memory of the process", peak, bars[1], "GB"))
        found.append(beside("  pairs", pairs, ""))
    return found


if __name__ == "__main__":
    main(__doc__, judge, people=STRATA_PEOPLE)
