"""Seconds for the cluster bootstrap of the Peru-sized example: `python benchmark_bootstrap.py`."""

from __future__ import annotations

import argparse
import time

import numpy as np
from benchmark_ordinal import LEVELS, N_LEVELS, simulate

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


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=2007)
    parser.add_argument("--replicates", type=int, default=10_000)
    options = parser.parse_args()
    print(f"{options.people:,} people, {options.replicates:,} replicates")
    for matched in (False, True):
        took, failed = seconds(options.people, options.replicates, matched)
        kind = "matched anew" if matched else "no matching"
        print(f"{kind:<14}{took:8.1f} s   {failed} failed")


if __name__ == "__main__":
    main()
