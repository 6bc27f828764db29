"""Count how often surveys in which nothing differs are called: `python tests/alarms/count.py`.

Finished blocks are appended to a CSV, so that a run can stop and go on; the table is made from
all of them. A block's seed follows from its setting and number alone. A rate fails where its 99.9
percent Monte Carlo interval leaves out 5 percent.
"""

from __future__ import annotations

import argparse
import time
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from surveys import METHODS, Setting, alarms, simulate

HERE = Path(__file__).parent
# A block's seed has the place in this order: append only.
GRID = [
    *(
        Setting(phone=phone, zone_sd=zone_sd)
        for phone, zone_sd in product(("spread", "clustered", "elsewhere"), (0.0, 0.25, 0.5))
    ),
    Setting(phone="spread", zone_sd=0.25, younger=True),
]
KEY = ["phone", "zone_sd", "younger", "method", "judged"]
BLOCK = 100
DRAWS = 400  # 2(b + 1)/401 < .05 has probability 20/401, as 2(b + 1)/1001 < .05 has 50/1001


def run_block(setting: Setting, number: int, size: int = BLOCK) -> pd.DataFrame:
    """Alarms in one block of simulated surveys, a row a method and what it judged."""
    rng = np.random.default_rng([20200131, GRID.index(setting), number])
    rows = []
    for _ in range(size):
        data = simulate(rng, setting)
        for method in METHODS:
            found = alarms(data, method, rng, DRAWS)
            rows += [(method, judged, 1, int(alarm)) for judged, alarm in found.items()]
    made = pd.DataFrame(rows, columns=["method", "judged", "surveys", "alarms"])
    sums = made.groupby(["method", "judged"], as_index=False).sum()
    place = {name: getattr(setting, name) for name in KEY[:3]}
    return sums.assign(**place, block=number)[[*KEY, "surveys", "alarms", "block"]]


def table(blocks: pd.DataFrame) -> pd.DataFrame:
    """Rates in percent with their Monte Carlo error."""
    made = blocks.groupby(KEY, as_index=False)[["surveys", "alarms"]].sum()
    share = made["alarms"] / made["surveys"]
    exact = [
        stats.binomtest(int(k), int(n)).proportion_ci(0.999, method="wilson")
        for k, n in zip(made["alarms"], made["surveys"], strict=True)
    ]
    made["rate"] = (100 * share).round(2)
    made["monte_carlo_error"] = (100 * np.sqrt(share * (1 - share) / made["surveys"])).round(2)
    made["fails"] = [not end.low <= 0.05 <= end.high for end in exact]
    return made


def summary(made: pd.DataFrame) -> pd.DataFrame:
    """Rates over all settings with equal ages, by method and what it judged."""
    equal = made[~made["younger"]]
    sums = equal.groupby(["method", "judged"], as_index=False)[["surveys", "alarms"]].sum()
    share = sums["alarms"] / sums["surveys"]
    sums["rate"] = (100 * share).round(2)
    sums["monte_carlo_error"] = (100 * np.sqrt(share * (1 - share) / sums["surveys"])).round(2)
    return sums


def main() -> None:
    """Run blocks in turn over the grid until each has its surveys or time is up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--surveys", type=int, default=2000, help="a setting")
    parser.add_argument("--minutes", type=float, default=np.inf)
    parser.add_argument("--blocks", type=Path, default=Path("reports/alarms/blocks.csv"))
    parser.add_argument("--table", type=Path, default=HERE / "table.csv")
    options = parser.parse_args()
    stop = time.monotonic() + 60 * options.minutes
    options.blocks.parent.mkdir(parents=True, exist_ok=True)
    done: set[tuple[str, float, bool, int]] = set()
    if options.blocks.exists():
        old = pd.read_csv(options.blocks)
        done = set(old[[*KEY[:3], "block"]].itertuples(index=False, name=None))
    for number, setting in product(range(-(-options.surveys // BLOCK)), GRID):
        if (setting.phone, setting.zone_sd, setting.younger, number) in done:
            continue
        if time.monotonic() > stop:
            break
        block = run_block(setting, number)
        block.to_csv(options.blocks, mode="a", header=not options.blocks.exists(), index=False)
    made = table(pd.read_csv(options.blocks))
    made.to_csv(options.table, index=False)
    print(made.to_string(index=False))
    print(summary(made).to_string(index=False))


if __name__ == "__main__":
    main()
