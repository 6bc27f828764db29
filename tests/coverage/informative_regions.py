"""Count coverage of the hierarchical model where weights go with the answers.

`python tests/coverage/informative_regions.py`. The surveys are those of `informative.py`, fitted
with shorter chains than a run's: weighted with the correction and without it, and with the weights
ignored. Gaps of regions are counted together, each against the gap of its own members.

Finished surveys are appended to a CSV, so that a run can stop and go on; the table is made from all
of them. A survey's seed follows from its number alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import informative
import numpy as np
import pandas as pd
from informative import COVARIATES, OUTCOMES, REGIONS, SHARE, SLOPE, read
from run import SUMS, table
from scipy.special import expit

from coopgap.bayes.cells import hierarchical_cells
from coopgap.bayes.fit import Request, summarise
from coopgap.bayes.layout import Form
from coopgap.bayes.sample import make_density, sample
from coopgap.core.gap import contrast_values, contrasts

HERE = Path(__file__).parent
KEY = ["outcome", "group", "draws", "threshold"]
DRAWS, TUNE, TARGET_ACCEPT = 500, 400, 0.9
TAILS = (0.025, 0.975)
SURVEYS = 200


def true_gaps(outcome: str) -> dict[str, np.ndarray]:
    """Gap at each threshold, over all members and over those of each region."""
    found = {"all": OUTCOMES[outcome].true_gaps()}
    weight = np.outer(SHARE["age"][1], SHARE["sex"][1]).ravel()
    inside = np.add.outer(SLOPE["age"], SLOPE["sex"]).ravel()
    cuts = np.array(OUTCOMES[outcome].thresholds)
    for region, slope in zip(REGIONS, SLOPE["region"], strict=True):
        others, members = (
            weight @ expit((inside + slope + gap)[:, None] - cuts) for gap in (0, informative.GAP)
        )
        found[f"region={region}"] = members - others
    return found


def survey_rows(number: int) -> Iterator[dict[str, object]]:
    """Every interval of one survey beside the true gap."""
    for outcome, rows in informative.draw(number).items():
        truth = true_gaps(outcome)
        for weighted in (True, False):
            own = rows if weighted else replace(rows, weight=np.ones(rows.n))
            cells = hierarchical_cells(own, COVARIATES, "region", zones=True)
            request = Request(cells=cells, draws=DRAWS)
            density = make_density(cells, request.priors, Form())
            found = sample(
                density, draws=DRAWS, tune=TUNE, seed=number, target_accept=TARGET_ACCEPT
            )
            fit = summarise(found.draws, found.stats, request, seconds=0.0, retried=False)
            kinds = {"corrected": (fit.member, fit.comparison), "uncorrected": fit.sampled}
            for kind, sides in (kinds if weighted else {"unweighted": fit.sampled}).items():
                for group, (member, comparison) in zip(
                    cells.groups, zip(*sides, strict=True), strict=True
                ):
                    at = [one for one in contrasts(cells.levels) if one.is_threshold_gap][::-1]
                    for true, contrast in zip(truth[group.name], at, strict=True):
                        gap = contrast_values(contrast, member, comparison).ravel()
                        lower, upper = np.quantile(gap, TAILS)
                        yield {
                            "survey": number,
                            "outcome": outcome,
                            "group": group.name.partition("=")[0],
                            "draws": kind,
                            "threshold": contrast.category,
                            "replicates": 1,
                            "covered": int(lower <= true <= upper),
                            "error": gap.mean() - true,
                            "error_squared": (gap.mean() - true) ** 2,
                            "variance": gap.var(),
                            "width": upper - lower,
                        }


def of_survey(number: int) -> pd.DataFrame:
    """What `run.table` sums over surveys, a row an interval's kind."""
    rows = pd.DataFrame(survey_rows(number))
    summed = rows.groupby(KEY, as_index=False, sort=False)[SUMS].sum()
    return summed.assign(survey=number)[["survey", *KEY, *SUMS]]


def main() -> None:
    """Run surveys in turn until there are enough or time is up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--surveys", type=int, default=SURVEYS)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=np.inf)
    parser.add_argument(
        "--kept", type=Path, default=Path("reports/coverage/informative_regions.csv")
    )
    parser.add_argument("--table", type=Path, default=HERE / "informative_regions.csv")
    options = parser.parse_args()
    stop = time.monotonic() + 60 * options.minutes
    options.kept.parent.mkdir(parents=True, exist_ok=True)
    done = set(read(options.kept)["survey"]) if options.kept.exists() else set()
    for number in range(options.first, options.surveys):
        if number in done:
            continue
        if time.monotonic() > stop:
            break
        made = of_survey(number)
        made.to_csv(options.kept, mode="a", header=not options.kept.exists(), index=False)
    made = table(read(options.kept), KEY)
    made.to_csv(options.table, index=False)
    print(made.to_string(index=False))


if __name__ == "__main__":
    main()
