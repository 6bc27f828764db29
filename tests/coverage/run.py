"""Count how often intervals of the gap cover the true one: `python tests/coverage/run.py`.

Finished blocks are appended to a CSV, so that a run can stop and go on; the table is made from
all of them. A block's seed follows from its setting and number alone. An interval fails where
the 99.9 percent Monte Carlo interval of its coverage lies outside [94, 96] percent.
"""

from __future__ import annotations

import argparse
import time
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from intervals import bootstrap_ends, wald_ends
from scipy import stats
from simulate import N_ZONES, Setting, simulate, true_gaps

from coopgap.errors import NotEstimable

HERE = Path(__file__).parent
GRID = [
    Setting(clusters=clusters, zone_sd=zone_sd, zone_gap_sd=zone_gap_sd)
    for clusters, (zone_sd, zone_gap_sd) in product(
        (N_ZONES, 10), ((0.0, 0.0), (0.25, 0.1), (0.5, 0.3))
    )
]
KEY = ["clusters", "zone_sd", "zone_gap_sd", "interval", "threshold"]
SHOWN = (2, 3)  # thresholds of the five answers: the printed "agree", and the rarest
NAMES = {2: "agree", 3: "strongly agree"}
BLOCK = {"wald": 50, "bootstrap": 5}


def run_block(setting: Setting, family: str, number: int) -> pd.DataFrame:
    """Sums over one block of simulated surveys, a row an interval and threshold."""
    at, kind = GRID.index(setting), list(BLOCK).index(family)
    rng = np.random.default_rng([20200131, at, kind, number])
    truth, rows, strata = true_gaps(setting), [], setting.clusters == N_ZONES
    for _ in range(BLOCK[family]):
        survey = simulate(rng, setting)
        seed = int(rng.integers(2**31))
        try:
            found = (
                wald_ends(survey, strata)
                if family == "wald"
                else bootstrap_ends(survey, strata, seed)
            )
        except NotEstimable:
            found = {"no fit": np.full((4, truth.size), np.nan)}
        for name, (estimate, std_error, lower, upper) in found.items():
            for j in SHOWN:
                error = estimate[j] - truth[j]
                rows.append(
                    {
                        "interval": name,
                        "threshold": NAMES[j],
                        "replicates": 1,
                        "covered": int(lower[j] <= truth[j] <= upper[j]),
                        "error": error,
                        "error_squared": error**2,
                        "variance": std_error[j] ** 2,
                        "width": upper[j] - lower[j],
                    }
                )
    sums = pd.DataFrame(rows).groupby(["interval", "threshold"], as_index=False).sum()
    sums.insert(0, "zone_gap_sd", setting.zone_gap_sd)
    sums.insert(0, "zone_sd", setting.zone_sd)
    sums.insert(0, "clusters", setting.clusters)
    sums["family"], sums["block"] = family, number
    return sums


def table(blocks: pd.DataFrame) -> pd.DataFrame:
    """Coverage in percent with its Monte Carlo error, bias and standard deviation in points."""
    sums = blocks.groupby(KEY, as_index=False)[
        ["replicates", "covered", "error", "error_squared", "variance", "width"]
    ].sum()
    n = sums["replicates"]
    share = sums["covered"] / n
    exact = [
        stats.binomtest(int(k), int(m)).proportion_ci(0.999, method="wilson")
        for k, m in zip(sums["covered"], n, strict=True)
    ]
    bias = sums["error"] / n
    made = sums[[*KEY, "replicates"]].copy()
    made["coverage"] = (100 * share).round(2)
    made["monte_carlo_error"] = (100 * np.sqrt(share * (1 - share) / n)).round(2)
    made["lower_999"] = [round(100 * ends.low, 2) for ends in exact]
    made["upper_999"] = [round(100 * ends.high, 2) for ends in exact]
    made["bias"] = (100 * bias).round(3)
    made["sd"] = (100 * np.sqrt(sums["error_squared"] / n - bias**2)).round(3)
    made["rms_std_error"] = (100 * np.sqrt(sums["variance"] / n)).round(3)
    made["mean_width"] = (100 * sums["width"] / n).round(3)
    made["fails"] = (made["upper_999"] < 94) | (made["lower_999"] > 96)
    return made


def markdown(made: pd.DataFrame) -> str:
    """The table as the README shows it: a row an interval, an asterisk where it fails."""
    settings = [*dict.fromkeys((s.zone_sd, s.zone_gap_sd) for s in GRID)]
    columns = [(*setting, threshold) for threshold in NAMES.values() for setting in settings]
    heads = [f"{threshold}, {sd:g} and {gap:g}" for sd, gap, threshold in columns]
    lines = [
        f"| clusters | interval | replicates | {' | '.join(heads)} |",
        "|" + "---|" * (3 + len(heads)),
    ]
    for (clusters, interval), rows in made.groupby(["clusters", "interval"]):
        found = {
            (row.zone_sd, row.zone_gap_sd, row.threshold): f"{row.coverage:.1f}{'*' * row.fails}"
            for row in rows.itertuples()
        }
        cells = " | ".join(found[column] for column in columns)
        least = f"{rows['replicates'].min():,}"
        lines.append(f"| {clusters} | {interval} | {least} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Run blocks in turn over the grid until each has its replicates or time is up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wald", type=int, default=10_000, help="replicates a setting")
    parser.add_argument("--bootstrap", type=int, default=500, help="replicates a setting")
    parser.add_argument("--minutes", type=float, default=np.inf)
    parser.add_argument("--blocks", type=Path, default=Path("reports/coverage/blocks.csv"))
    parser.add_argument("--table", type=Path, default=HERE / "table.csv")
    options = parser.parse_args()
    stop = time.monotonic() + 60 * options.minutes
    options.blocks.parent.mkdir(parents=True, exist_ok=True)
    done: set[tuple[int, float, float, str, int]] = set()
    if options.blocks.exists():
        old = pd.read_csv(options.blocks)
        done = set(old[[*KEY[:3], "family", "block"]].itertuples(index=False, name=None))
    wanted = {"wald": options.wald, "bootstrap": options.bootstrap}
    tasks = sorted(
        (number * BLOCK[family] / wanted[family], at, family, number)
        for at, family in product(range(len(GRID)), BLOCK)
        for number in range(-(-wanted[family] // BLOCK[family]))
    )
    for _, at, family, number in tasks:
        setting = GRID[at]
        key = (setting.clusters, setting.zone_sd, setting.zone_gap_sd, family, number)
        if key in done:
            continue
        if time.monotonic() > stop:
            break
        block = run_block(setting, family, number)
        block.to_csv(options.blocks, mode="a", header=not options.blocks.exists(), index=False)
    made = table(pd.read_csv(options.blocks))
    made.to_csv(options.table, index=False)
    print(made.to_string(index=False))
    print(markdown(made))


if __name__ == "__main__":
    main()
