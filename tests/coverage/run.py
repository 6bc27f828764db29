"""Count how often intervals of the gap cover the true one: `python tests/coverage/run.py`.

Finished blocks are appended to a CSV, so that a run can stop and go on; the table is made from
all of them. A block's seed follows from its setting, part and number alone. An interval fails
where the 99.9 percent Monte Carlo interval of its coverage lies outside [94, 96] percent.
"""

from __future__ import annotations

import argparse
import time
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from intervals import JOINT, NAMES, OFFERED, PARTS, THRESHOLDS, default_interval
from scipy import stats
from simulate import N_ZONES, Setting, simulate

from coopgap.core.errors import NotEstimable

HERE = Path(__file__).parent
_GAP = 0.49
# Members' log odds at each threshold: none at the rarest, none at "agree", half at the rarest.
UNEVEN = ((_GAP, _GAP, _GAP, 0.0), (_GAP, _GAP, 0.0, _GAP), (_GAP, _GAP, _GAP, _GAP / 2))
# A block's seed has the place in this order: append only.
GRID = [
    *(
        Setting(clusters=clusters, zone_sd=zone_sd, zone_gap_sd=zone_gap_sd)
        for clusters, (zone_sd, zone_gap_sd) in product(
            (N_ZONES, 10, 30), ((0.0, 0.0), (0.25, 0.1), (0.5, 0.3))
        )
    ),
    *(Setting(clusters=N_ZONES, zone_sd=0.25, zone_gap_sd=0.0, gaps=gaps) for gaps in UNEVEN),
]
KEY = ["gap", "clusters", "zone_sd", "zone_gap_sd", "gaps", "interval", "threshold"]
BLOCK = {"wald": 50, "bootstrap": 5, "logit": 50, "matched": 50, "free": 50, "tied": 50}
BLOCK["adjusted"] = 50
FREE = ("free", "tied", "adjusted")
"""Parts that are counted in the uneven settings too, and one of them there alone."""
SUMS = ["replicates", "covered", "error", "error_squared", "variance", "width"]


def run_block(setting: Setting, part: str, number: int) -> pd.DataFrame:
    """Sums over one block of simulated surveys, a row an interval and threshold."""
    at, kind = GRID.index(setting), list(PARTS).index(part)
    rng = np.random.default_rng([20200131, at, kind, number])
    rows, strata = [], setting.clusters == N_ZONES
    for _ in range(BLOCK[part]):
        survey = simulate(rng, setting)
        seed = int(rng.integers(2**31))
        try:
            found = PARTS[part](survey, setting, strata, seed)
        except NotEstimable:
            found = {(part, "no fit", ""): (0.0, np.full(4, np.nan))}
        for (gap, name, threshold), (truth, ends) in found.items():
            estimate, std_error, lower, upper = ends
            rows.append(
                {
                    "gap": gap,
                    "interval": name,
                    "threshold": threshold,
                    "replicates": 1,
                    "covered": int(lower <= truth <= upper),
                    "error": estimate - truth,
                    "error_squared": (estimate - truth) ** 2,
                    "variance": std_error**2,
                    "width": upper - lower,
                }
            )
    sums = pd.DataFrame(rows).groupby(["gap", "interval", "threshold"], as_index=False).sum()
    place = {name: getattr(setting, name) for name in ("clusters", "zone_sd", "zone_gap_sd")}
    place["gaps"] = log_odds(setting)
    return sums.assign(**place, part=part, block=number)[[*KEY, *SUMS, "part", "block"]]


def log_odds(setting: Setting) -> str:
    """Members' log odds by threshold as the table has them; empty where they are one number."""
    return " ".join(f"{gap:g}" for gap in setting.gaps)


def table(blocks: pd.DataFrame, key: list[str] = KEY) -> pd.DataFrame:
    """Coverage in percent with its Monte Carlo error, bias and standard deviation in points."""
    sums = blocks.groupby(key, as_index=False)[SUMS].sum()
    n = sums["replicates"]
    share = sums["covered"] / n
    exact = [
        stats.binomtest(int(k), int(m)).proportion_ci(0.999, method="wilson")
        for k, m in zip(sums["covered"], n, strict=True)
    ]
    bias = sums["error"] / n
    made = sums[[*key, "replicates"]].copy()
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


def read(path: Path) -> pd.DataFrame:
    """A file of blocks or of the table; no log odds by threshold is an empty text."""
    return pd.read_csv(path, dtype={"gaps": "str"}, keep_default_na=False, na_values=["nan"])


def larger_counts(made: pd.DataFrame, kept: pd.DataFrame) -> pd.DataFrame:
    """Of two tables, for each key the row with more replicates; of equals the one just made."""
    both = pd.concat([made, kept]).sort_values("replicates", ascending=False, kind="stable")
    return both.drop_duplicates(KEY).sort_values(KEY, ignore_index=True)


def defaults(made: pd.DataFrame) -> pd.DataFrame:
    """The rows that a run puts first: no proportional odds, the interval of so many zones."""
    own = made["interval"] == made["clusters"].map(default_interval)
    own |= made["interval"] == JOINT
    return made[own & ~made["gap"].str.endswith("proportional")]


def markdown(made: pd.DataFrame) -> str:
    """The table as the book shows it: a row an interval, an asterisk where it fails.

    Of proportional odds the interval of a run alone; the csv has every other.
    """
    own = made["interval"] == made["clusters"].map(default_interval)
    offered = made["interval"].isin((*OFFERED, JOINT)) & ~made["gap"].str.endswith("proportional")
    made = made[(made["gaps"] == "") & (own | offered)]
    settings = [*dict.fromkeys((s.zone_sd, s.zone_gap_sd) for s in GRID if not s.gaps)]
    columns = [(*setting, threshold) for threshold in (*NAMES, "all") for setting in settings]
    heads = [f"{threshold}, {sd:g} and {gap:g}" for sd, gap, threshold in columns]
    lines = [
        f"| gap | clusters | interval | replicates | {' | '.join(heads)} |",
        "|" + "---|" * (4 + len(heads)),
    ]
    for (gap, clusters, interval), rows in made.groupby(["gap", "clusters", "interval"]):
        found = {
            (row.zone_sd, row.zone_gap_sd, row.threshold): f"{row.coverage:.1f}{'*' * row.fails}"
            for row in rows.itertuples()
        }
        cells = " | ".join(found.get(column, "") for column in columns)
        least = f"{rows['replicates'].min():,}"
        bold = interval in (default_interval(clusters), JOINT)
        bold &= not gap.endswith("proportional")
        name = f"**{interval}**" if bold else interval
        lines.append(f"| {gap} | {clusters} | {name} | {least} | {cells} |")
    return "\n".join(lines)


def uneven(made: pd.DataFrame) -> str:
    """Coverage where members' log odds differ by threshold; without a gap, 100 less false ones."""
    made = made[made["gaps"] != ""]
    columns = [*THRESHOLDS, "all"]
    lines = [
        f"| log odds by threshold | gap | replicates | {' | '.join(columns)} |",
        "|" + "---|" * (3 + len(columns)),
    ]
    for (gaps, gap), rows in made.groupby(["gaps", "gap"]):
        found = {row.threshold: f"{row.coverage:.1f}{'*' * row.fails}" for row in rows.itertuples()}
        cells = " | ".join(found.get(column, "") for column in columns)
        lines.append(f"| {gaps} | {gap} | {rows['replicates'].min():,} | {cells} |")
    return "\n".join(lines)


def failing_defaults(made: pd.DataFrame) -> str:
    """One sentence that names each setting in which a default fails."""
    failing = defaults(made)
    failing = failing[failing["fails"]]
    places = [
        f"{row.gap}, {row.clusters} clusters, {row.threshold}, "
        f"{row.gaps or f'{row.zone_sd:g} and {row.zone_gap_sd:g}'} ({row.coverage:.1f})"
        for row in failing.itertuples()
    ]
    return f"Defaults that fail: {'; '.join(places) if places else 'none'}."


def main() -> None:
    """Run blocks in turn over the grid until each has its replicates or time is up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=10_000, help="a setting")
    parser.add_argument("--bootstrap", type=int, default=500, help="its replicates a setting")
    parser.add_argument("--parts", nargs="+", choices=[*PARTS], default=[*PARTS])
    parser.add_argument("--clusters", nargs="+", type=int, choices=[100, 10, 30])
    parser.add_argument("--minutes", type=float, default=np.inf)
    parser.add_argument("--blocks", type=Path, default=Path("reports/coverage/blocks.csv"))
    parser.add_argument("--table", type=Path, default=HERE / "table.csv")
    parser.add_argument("--anew", action="store_true", help="keep no row of the present table")
    options = parser.parse_args()
    stop = time.monotonic() + 60 * options.minutes
    options.blocks.parent.mkdir(parents=True, exist_ok=True)
    done: set[tuple[int, float, float, str, str, int]] = set()
    if options.blocks.exists():
        old = read(options.blocks)
        done = set(old[[*KEY[1:5], "part", "block"]].itertuples(index=False, name=None))
    wanted = dict.fromkeys(PARTS, options.replicates) | {"bootstrap": options.bootstrap}
    tasks = sorted(
        (number * BLOCK[part] / wanted[part], at, part, number)
        for at, part in product(range(len(GRID)), options.parts)
        for number in range(-(-wanted[part] // BLOCK[part]))
        if options.clusters is None or GRID[at].clusters in options.clusters
        if (part in FREE if GRID[at].gaps else part != "tied")
    )
    for _, at, part, number in tasks:
        setting = GRID[at]
        place = (setting.clusters, setting.zone_sd, setting.zone_gap_sd, log_odds(setting))
        if (*place, part, number) in done:
            continue
        if time.monotonic() > stop:
            break
        block = run_block(setting, part, number)
        block.to_csv(options.blocks, mode="a", header=not options.blocks.exists(), index=False)
    made = table(read(options.blocks))
    if options.table.exists() and not options.anew:
        made = larger_counts(made, read(options.table))
    made.to_csv(options.table, index=False)
    print(made.to_string(index=False))
    print(markdown(made), uneven(made), failing_defaults(made), sep="\n\n")


if __name__ == "__main__":
    main()
