"""Count how often the hierarchical model's intervals hold the true gap, and what it finds falsely.

`python tests/coverage/hierarchical.py`. Each survey is fitted as a run fits the shipped models
(age, sex and region as covariates, zones told apart), but for shorter chains, whose gate is that
of the calibration: its bar for effective sizes is a run's times the share of a run's draws. The
true gap is that of the members' population with zones integrated, each group schooled as it is,
for the models have no schooling; over the members of one survey it differs by 0.03 points (SD).
Where it is zero, an interval that does not hold it is a false finding.

Finished surveys are appended to a CSV, so that a run can stop and go on; the table is made from
all of them. Survey and sampler seeds follow from the setting and the number of the survey alone,
so that other scales of the prior are tried on the same surveys.
"""

from __future__ import annotations

import argparse
import time
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from intervals import THRESHOLDS
from run import GRID, KEY, SUMS, log_odds, read, table
from simulate import N_ZONES, Setting, Simulated, simulate, true_matched_gaps

from coopgap.bayes.cells import HierarchicalCells, hierarchical_cells
from coopgap.bayes.layout import Form, Priors
from coopgap.calibration.replicate import Posterior, Setup, posterior
from coopgap.families.difference import INTERVAL_PROB

HERE = Path(__file__).parent
# A survey's seed has the place in GRID; they are run in this order, the worst case first.
PLACES = [
    *(at for at, setting in enumerate(GRID) if setting.gaps),
    *(at for at, setting in enumerate(GRID) if setting.clusters == N_ZONES and not setting.gaps),
]
SCALE = Priors().threshold_shift_sd
DRAWS, TUNE, TARGET_ACCEPT = 500, 400, 0.9
COVARIATES = ("age", "sex", "region")
LEVELS = tuple("12345")
STRATA = np.arange(60)  # all of region by age by sex
_KIND = 1000  # run.py's parts have the numbers from 0
EXACT_ZERO = 1e-12
FIRST = 40  # the prior was chosen on surveys 0 to 39


def survey_cells(survey: Simulated) -> HierarchicalCells:
    """The survey as the models of a run have it."""
    rows = survey.rows(LEVELS, survey.outcome)
    return hierarchical_cells(rows, COVARIATES, "region", zones=True)


def fit(cells: HierarchicalCells, scale: float, seed: int) -> Posterior:
    """The posterior with Normal(0, scale) on each threshold shift, gated."""
    priors = Priors.with_scales({"threshold_shift_sd": scale})
    setup = Setup(
        cells=cells,
        priors=priors,
        fitted=priors,
        form=Form(),
        draws=DRAWS,
        tune=TUNE,
        target_accept=TARGET_ACCEPT,
        seed=seed,
    )
    return posterior(setup, seed)


def run_survey(at: int, scale: float, number: int) -> pd.DataFrame:
    """One survey, drawn and fitted: a row a threshold, members' gap over all members."""
    setting = GRID[at]
    rng = np.random.default_rng([20200131, at, _KIND, number])
    survey = simulate(rng, setting)
    seed = int(rng.integers(2**31))
    found = fit(survey_cells(survey), scale, seed)
    draws = [found.quantities[f"risk_difference|>={level}|all"] for level in LEVELS[1:]]
    rows = counted(np.stack(draws), true_matched_gaps(setting, STRATA), passed=found.passed)
    return rows.assign(
        **place(setting, scale),
        survey=number,
        retried=found.retried,
        seconds=round(found.seconds, 2),
    )


def place(setting: Setting, scale: float) -> dict[str, object]:
    """The columns of the table's key that a survey's thresholds share."""
    return {
        "gap": "hierarchical ordinal",
        "clusters": setting.clusters,
        "zone_sd": setting.zone_sd,
        "zone_gap_sd": setting.zone_gap_sd,
        "gaps": log_odds(setting),
        "interval": interval(scale),
    }


def interval(scale: float) -> str:
    """What the table calls an interval under this prior on the threshold shifts."""
    return f"credible, shifts Normal(0, {scale:g})"


def counted(draws: np.ndarray, truth: np.ndarray, *, passed: bool) -> pd.DataFrame:
    """What run.py sums, of one survey: draws of shape (J - 1, chains, draws), truth (J - 1,).

    The interval is a run's: the posterior mean, its SD, equal tails. A survey that the gate
    withholds has only `withheld`.
    """
    flat, tail = draws.reshape(len(draws), -1), (1 - INTERVAL_PROB) / 2
    lower, upper = np.quantile(flat, [tail, 1 - tail], axis=1)
    error = flat.mean(axis=1) - truth
    covered = (lower <= truth) & (truth <= upper)
    rows = pd.DataFrame(
        {
            "threshold": THRESHOLDS,
            "replicates": 1,
            "covered": covered.astype(int),
            "error": error,
            "error_squared": error**2,
            "variance": flat.var(axis=1, ddof=1),
            "width": upper - lower,
            "truth": np.where(np.abs(truth) < EXACT_ZERO, 0.0, truth),
            "withheld": int(not passed),
        }
    )
    if not passed:
        rows[SUMS] = 0
    return rows


def summary(surveys: pd.DataFrame) -> pd.DataFrame:
    """The table of run.py, with surveys withheld, the true gap, and false findings in percent."""
    shown = table(surveys[surveys["replicates"] > 0])
    rest = surveys.groupby(KEY, as_index=False).agg(
        withheld=("withheld", "sum"), true_gap=("truth", "first")
    )
    made = rest.merge(shown, on=KEY, how="left")
    false = np.where(made["true_gap"] == 0, 100 - made["coverage"], np.nan)
    made["true_gap"] = (100 * made["true_gap"]).round(3)
    made["false_findings"] = np.round(false, 2)
    order = {name: at for at, name in enumerate(THRESHOLDS)}
    made = made.sort_values(KEY, key=lambda c: c.map(order) if c.name == "threshold" else c)
    return made[[*shown.columns, "true_gap", "false_findings", "withheld"]]


def main() -> None:
    """Run surveys in turn over settings and scales until each has its number or time is up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--surveys", type=int, default=100, help="a setting")
    parser.add_argument("--first", type=int, default=FIRST, help="number of the first survey")
    parser.add_argument(
        "--settings", nargs="+", type=int, choices=PLACES, default=PLACES, help="places in GRID"
    )
    parser.add_argument(
        "--scales", nargs="+", type=float, default=[SCALE], help="SDs of the shifts"
    )
    parser.add_argument("--minutes", type=float, default=np.inf)
    parser.add_argument("--blocks", type=Path, default=Path("reports/coverage/hierarchical.csv"))
    parser.add_argument("--table", type=Path, default=HERE / "hierarchical.csv")
    options = parser.parse_args()
    stop = time.monotonic() + 60 * options.minutes
    options.blocks.parent.mkdir(parents=True, exist_ok=True)
    names, done = [*KEY[:-1], "survey"], set()
    if options.blocks.exists():
        done = set(read(options.blocks)[names].itertuples(index=False, name=None))
    numbers = range(options.first, options.first + options.surveys)
    for number, at, scale in product(numbers, options.settings, options.scales):
        if (*place(GRID[at], scale).values(), number) in done:
            continue
        if time.monotonic() > stop:
            break
        rows = run_survey(at, scale, number)
        rows.to_csv(options.blocks, mode="a", header=not options.blocks.exists(), index=False)
    made = summary(read(options.blocks))
    made.to_csv(options.table, index=False)
    print(made.to_string(index=False))


if __name__ == "__main__":
    main()
