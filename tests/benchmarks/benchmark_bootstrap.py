"""Seconds for the cluster bootstrap of the Peru-sized example: `python benchmark_bootstrap.py`."""

from __future__ import annotations

import time

import numpy as np
from benchmark_ordinal import LEVELS, N_LEVELS, simulate
from judged import Judged, arguments, at_most, beside, finish

from coopgap.regression.bootstrap import bootstrap_margins
from coopgap.regression.design import design_matrix
from coopgap.survey.cells import collapse, group_codes


def seconds(people: int, replicates: int, matched: bool) -> tuple[float, int]:
    """Seconds of `replicates` resamples of zones within regions, and how many failed."""
    frame = simulate(people)
    columns = [frame[name].to_numpy() for name in ("member", *LEVELS, "zone")]
    cells = collapse(columns, frame["outcome"].to_numpy(), N_LEVELS)
    codes = {name: cells.codes[:, 1 + k] for k, name in enumerate(LEVELS)}
    x = np.column_stack([cells.codes[:, 0].astype(float), design_matrix(codes, LEVELS).x])
    start = time.perf_counter()
    found = bootstrap_margins(
        x,
        0,
        x[:, 0],
        cells.counts,
        cells.codes[:, -1],
        seed=1,
        replicates=replicates,
        strata=cells.codes[:, 1],
        sets=group_codes(list(codes.values()))[1] if matched else None,
    )
    return time.perf_counter() - start, found.n_failed


SECONDS, REPLICATES = 60.0, 10_000


def judge(people: int, replicates: int) -> list[Judged]:
    """Seconds beside what is asked of 10,000 replicates."""
    found = []
    for matched in (False, True):
        took, failed = seconds(people, replicates, matched)
        kind = ", matched anew in each" if matched else ""
        what = f"{replicates:,} resamples of zones, {people:,} people{kind}"
        asked = replicates == REPLICATES
        found.append(at_most(what, took, SECONDS, "s") if asked else beside(what, took, "s"))
        found.append(beside("  of which without an estimate", failed, ""))
    return found


def main() -> None:
    """Time, print and judge."""
    parser = arguments(__doc__)
    parser.add_argument("--people", type=int, default=2007)
    parser.add_argument("--replicates", type=int, default=REPLICATES)
    options = parser.parse_args()
    finish(judge(options.people, options.replicates), options.results)


if __name__ == "__main__":
    main()
