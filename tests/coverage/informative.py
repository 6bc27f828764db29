"""Count coverage where weights go with the answers: `python tests/coverage/informative.py`.

A population without end has five regions with zones in each, two covariates, an answer of five
levels and one of yes or no. A survey draws 20 zones in each region and ten members and ten others
in each zone. Zones and people are drawn with chances that go with their answers, members' another
way than others', so that a gap without weights is off. A weight is the density of what was drawn
in the population over its density in the sample, so that the true gap is known without drawing.

Finished surveys are appended to a CSV by blocks, so that a run can stop and go on; the table is
made from all of them. A survey's seed follows from its number alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from run import SUMS, table
from scipy.special import expit, logit, ndtr

from coopgap.core.gap import Contrast, Interval
from coopgap.core.vocabulary import Population, Quantity
from coopgap.families.cumulative import (
    estimate_adjusted,
    estimate_doubly_robust,
    estimate_matched,
)
from coopgap.families.estimate import Estimate
from coopgap.families.sample import Sample
from coopgap.families.sets import estimate_linear
from coopgap.families.shares import estimate_shares, estimate_unadjusted
from coopgap.matching.dispatch import match
from coopgap.study.spec import Matching
from coopgap.survey.records import ModelRows

HERE = Path(__file__).parent
KEY = ["outcome", "family", "weights", "threshold"]
COVARIATES = ("region", "age", "sex")
REGIONS = ("Center", "East", "Lima", "North", "South")
FACTOR_LEVELS = {"region": REGIONS, "age": ("young", "middle", "old"), "sex": ("male", "female")}
ZONES_IN_REGION, PEOPLE_IN_ZONE = 20, 10
SHARE = {
    # Of others and of members, by region, age and sex.
    "region": np.array([[0.1, 0.15, 0.4, 0.15, 0.2], [0.2, 0.1, 0.3, 0.25, 0.15]]),
    "age": np.array([[0.4, 0.35, 0.25], [0.25, 0.4, 0.35]]),
    "sex": np.array([[0.5, 0.5], [0.6, 0.4]]),
}
SLOPE = {"region": [0.0, -0.3, 0.6, 0.2, -0.2], "age": [0.0, 0.2, 0.5], "sex": [0.0, -0.3]}
GAP = 0.4
"""Members' log odds at every threshold."""
ZONE, ZONE_GAP, OWN = 0.25, 0.15, 0.3
"""How far an answer goes with its zone, with its zone's members, and with what is a person's own
and chances go with: correlations."""
ZONE_DRAWN, ZONE_GAP_DRAWN = 0.3, 0.3
"""How far the log chance of a zone goes with its level, and with that of its members."""
PERSON_DRAWN = (-0.3, 0.4)
"""How far the log chance of a person, other or member, goes with what is their own."""
BLOCK, IGNORED = 10, 500
"""Surveys of a block, and of those that are estimated without weights too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An answer by its levels and the thresholds of its latent answer, logistic in everybody."""

    levels: tuple[str, ...]
    thresholds: tuple[float, ...]

    def true_gaps(self, *, raw: bool = False) -> np.ndarray:
        """Gap at each threshold over members' covariates, or of each group over its own."""
        above = []
        for member in (0, 1):
            of = [SHARE[name][member if raw else 1] for name in COVARIATES]
            weight = np.prod(list(product(*of)), axis=1)
            eta = np.sum(list(product(*(SLOPE[name] for name in COVARIATES))), axis=1)
            at = eta[:, None] + member * GAP - np.array(self.thresholds)
            above.append(weight @ expit(at))
        return above[1] - above[0]


OUTCOMES = {
    "five levels": Outcome(levels=tuple("12345"), thresholds=(-1.6, -0.5, 0.7, 2.2)),
    "yes or no": Outcome(levels=("no", "yes"), thresholds=(0.4,)),
}


def draw(number: int) -> dict[str, ModelRows]:
    """One survey by its number, complete rows by outcome."""
    rng = np.random.default_rng([20200131, 2000, number])
    n_zones = len(REGIONS) * ZONES_IN_REGION
    zone = np.repeat(np.arange(n_zones), 2 * PEOPLE_IN_ZONE)
    member = np.tile(np.repeat([0, 1], PEOPLE_IN_ZONE), n_zones)
    region = zone // ZONES_IN_REGION
    # Everything drawn is normal, moved by what its log chance goes with it: the ratio of the two
    # densities is the weight.
    level, moved = (rng.normal(shift, 1.0, n_zones) for shift in (ZONE_DRAWN, ZONE_GAP_DRAWN))
    drawn = np.array(PERSON_DRAWN)[member]
    own = rng.normal(drawn, 1.0)
    log_weight = (ZONE_DRAWN**2 + ZONE_GAP_DRAWN**2 + drawn**2) / 2 - drawn * own
    log_weight -= (ZONE_DRAWN * level + ZONE_GAP_DRAWN * moved)[zone]
    weight = np.exp(log_weight) * SHARE["region"][member, region]
    codes = {"region": region}
    for name in ("age", "sex"):
        cuts = SHARE[name].cumsum(axis=1)[member, :-1]
        codes[name] = (rng.random(zone.size)[:, None] > cuts).sum(axis=1)
    eta = sum(np.array(SLOPE[name])[codes[name]] for name in COVARIATES) + GAP * member
    shared = OWN * own + ZONE * level[zone] + ZONE_GAP * (moved[zone] * member)
    rest = np.sqrt(1 - OWN**2 - ZONE**2 - ZONE_GAP**2 * member)
    rows = {}
    for name, outcome in OUTCOMES.items():
        latent = eta + logit(ndtr(shared + rest * rng.normal(size=zone.size)))
        rows[name] = ModelRows(
            index=np.arange(zone.size),
            outcome=(latent[:, None] > np.array(outcome.thresholds)).sum(axis=1),
            levels=outcome.levels,
            member=member == 1,
            factors=codes,
            factor_levels=FACTOR_LEVELS,
            zone=zone,
            weight=weight,
            dropped=(),
        )
    return rows


def sample_of(rows: ModelRows) -> Sample:
    """Matched exactly on all covariates."""
    return Sample(
        rows=rows,
        matched=match(rows, Matching(method="exact", on=COVARIATES)),
        covariates=COVARIATES,
        link="logit",
        strata=COVARIATES,
    )


def _adjusted(sample: Sample, form: str | None = None) -> Estimate:
    return next(estimate_adjusted(sample, (Population.ALL_MEMBERS,), form=form))


FAMILIES: dict[str, Callable[[Sample], Estimate]] = {
    "unadjusted": estimate_unadjusted,
    "adjusted": _adjusted,
    "adjusted proportional": lambda sample: _adjusted(sample, "proportional"),
    "matched": estimate_matched,
    "matched proportional": lambda sample: estimate_matched(sample, "proportional"),
    "linear": estimate_linear,
    "shares": estimate_shares,
    "doubly robust": estimate_doubly_robust,
}
"""All but the conditional family, which has ratios of odds within sets and no gap."""


def gaps_of(estimate: Estimate) -> dict[str, Interval]:
    """The gap at each threshold, lowest first."""
    found = {
        contrast.category: interval
        for contrast, interval in estimate.intervals.items()
        if contrast.quantity is Quantity.RISK_DIFFERENCE and threshold(contrast)
    }
    return dict(sorted(found.items()))


def threshold(contrast: Contrast) -> bool:
    """Whether a contrast is of all levels from one on."""
    return contrast.category == "" or contrast.category.startswith(">=")


def survey_rows(number: int) -> Iterator[dict[str, object]]:
    """Every interval of one survey beside the true gap."""
    for outcome, rows in draw(number).items():
        for weights in ("used", "ignored") if number < IGNORED else ("used",):
            own = rows if weights == "used" else replace(rows, weight=np.ones(rows.n))
            sample = sample_of(own)
            for family, estimate in FAMILIES.items():
                if len(rows.levels) == 2 and family.endswith("proportional"):
                    continue
                truth = OUTCOMES[outcome].true_gaps(raw=family == "unadjusted")
                gaps = gaps_of(estimate(sample))
                for true, (category, interval) in zip(truth, gaps.items(), strict=True):
                    yield {
                        "survey": number,
                        "outcome": outcome,
                        "family": family,
                        "weights": weights,
                        "threshold": category,
                        "truth": true,
                        "estimate": interval.estimate,
                        "std_error": interval.std_error,
                        "lower": interval.lower,
                        "upper": interval.upper,
                    }


def block(first: int) -> pd.DataFrame:
    """What `run.table` sums over the surveys of a block, a row an interval."""
    rows = pd.DataFrame(
        one for number in range(first, first + BLOCK) for one in survey_rows(number)
    )
    return summed(rows).assign(block=first)[["block", *KEY, *SUMS]]


def summed(rows: pd.DataFrame) -> pd.DataFrame:
    """Sums of surveys' rows by what the table has a row for."""
    error = rows["estimate"] - rows["truth"]
    counted = rows[KEY].assign(
        replicates=1,
        covered=((rows["lower"] <= rows["truth"]) & (rows["truth"] <= rows["upper"])).astype(int),
        error=error,
        error_squared=error**2,
        variance=rows["std_error"] ** 2,
        width=rows["upper"] - rows["lower"],
    )
    return counted.groupby(KEY, as_index=False, sort=False).sum()


def with_truth(made: pd.DataFrame) -> pd.DataFrame:
    """The table with the true gap in points beside each interval."""
    found = {
        (name, raw, f">={level}" if len(one.levels) > 2 else ""): gap
        for name, one in OUTCOMES.items()
        for raw in (True, False)
        for level, gap in zip(one.levels[1:], one.true_gaps(raw=raw), strict=True)
    }
    keys = zip(made["outcome"], made["family"] == "unadjusted", made["threshold"], strict=True)
    return made.assign(true_gap=[round(100 * found[key], 4) for key in keys])


def read(path: Path) -> pd.DataFrame:
    """A file of blocks or of the table; of two levels the threshold is an empty text."""
    return pd.read_csv(path, dtype={"threshold": "str"}, keep_default_na=False)


def main() -> None:
    """Run blocks in turn until there are surveys enough or time is up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--surveys", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=np.inf)
    parser.add_argument("--blocks", type=Path, default=Path("reports/coverage/informative.csv"))
    parser.add_argument("--table", type=Path, default=HERE / "informative.csv")
    options = parser.parse_args()
    stop = time.monotonic() + 60 * options.minutes
    options.blocks.parent.mkdir(parents=True, exist_ok=True)
    done = set(read(options.blocks)["block"]) if options.blocks.exists() else set()
    for first in range(0, options.surveys, BLOCK):
        if first in done:
            continue
        if time.monotonic() > stop:
            break
        made = block(first)
        made.to_csv(options.blocks, mode="a", header=not options.blocks.exists(), index=False)
    made = with_truth(table(read(options.blocks), KEY))
    made.to_csv(options.table, index=False)
    print(made.to_string(index=False))


if __name__ == "__main__":
    main()
