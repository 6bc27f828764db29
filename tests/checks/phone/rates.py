"""Count the verdicts of the phone check where the answer is known.

`python tests/checks/phone/rates.py` makes example surveys in free mode, 100 zones, whose
phone interviews differ by a chosen number of points in the population, and writes a line a setting
and margin to rates.csv. A survey's seed follows from its setting and number alone.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from coopgap.checks.by_mode import PhoneStudy
from coopgap.checks.context import Context
from coopgap.checks.design import retrodesign
from coopgap.checks.phone.equivalence import equivalence
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.vocabulary import Verdict
from coopgap.survey.example import model as printed
from coopgap.survey.example.model import DEFAULT
from coopgap.survey.example.people import (
    People,
    draw_people,
    draw_zones,
    linear_predictor,
    logistic,
)
from coopgap.survey.records import ModelRows

HERE = Path(__file__).parent
MARGINS = (0.06, 0.12)
LEVELS = {"age": tuple("123456"), "sex": ("male", "female"), "region": tuple("CELNS")}
KEYS = Keys(model="m", outcome="trusted_person", source="EXAMPLE DATA")
SIZES = (printed.N_MEMBER, printed.N_COMPARISON, printed.N_PHONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """True difference, phone minus in person, and the zones' standard deviation (log odds)."""

    difference: float
    zone_sd: float


# A survey's seed has the place in this order: append only.
GRID = [
    Setting(difference=difference, zone_sd=zone_sd)
    for difference, zone_sd in product((0.0, 0.06, 0.12, -0.12), (0.25, 0.5))
]


def _population() -> tuple[People, np.ndarray]:
    """Every combination of the in-person comparison group's covariates, with its probability."""
    grid = np.array(list(product(range(6), range(2), range(5), range(4))))
    band, female, region, education = grid.T
    margins = [np.asarray(m[1], float) for m in (printed.AGES, printed.SEXES, printed.REGIONS)]
    weight = np.prod([m[c] / m.sum() for m, c in zip(margins, grid.T, strict=False)], axis=0)
    latent = np.asarray(DEFAULT.education_age)[band] + np.asarray(DEFAULT.education_region)[region]
    cuts = np.array([-np.inf, *DEFAULT.education_thresholds, np.inf])
    weight = weight * (logistic(cuts[education + 1] - latent) - logistic(cuts[education] - latent))
    nobody = np.zeros(len(grid), dtype=np.int64)
    people = People(
        member=nobody == 1,
        phone=nobody == 1,
        band=band,
        age=nobody,
        female=female == 1,
        region=region,
        department=nobody,
        zone=nobody,
        education=education,
    )
    return people, weight / weight.sum()


def true_difference(mode_shift: float, zone_sd: float) -> float:
    """Phone minus in person over the in-person comparison population, zones integrated."""
    people, weight = _population()
    outcome = DEFAULT.outcomes[KEYS.outcome]
    nodes, shares = np.polynomial.hermite_e.hermegauss(41)
    shares = shares / shares.sum()
    eta = linear_predictor(people, outcome, None, people.member)[:, None] + zone_sd * nodes
    below = outcome.thresholds[0]
    moved = logistic(eta + mode_shift - below) - logistic(eta - below)
    return float(weight @ moved @ shares)


@cache
def mode_shift(setting: Setting) -> float:
    """The log odds ratio of the phone that makes the setting's difference."""
    if setting.difference == 0:
        return 0.0
    return float(brentq(lambda m: true_difference(m, setting.zone_sd) - setting.difference, -3, 3))


def survey(setting: Setting, number: int) -> PhoneStudy:
    """An example survey in free mode, everybody complete."""
    rng = np.random.default_rng([20200131, GRID.index(setting), number])
    outcome = replace(DEFAULT.outcomes[KEYS.outcome], mode_shift=mode_shift(setting))
    model = replace(DEFAULT, zone_sd=setting.zone_sd)
    people = draw_people(rng, model, SIZES, exact=False)
    zones = draw_zones(rng, model, 100)
    latent = linear_predictor(people, outcome, zones, people.member)
    answers = np.searchsorted(outcome.thresholds, latent + rng.logistic(size=people.n))
    codes = (people.band, people.female, people.region)
    rows = ModelRows(
        index=np.arange(people.n),
        outcome=answers.astype(np.int64),
        levels=("no", "yes"),
        member=people.member,
        factors={name: code.astype(np.int64) for name, code in zip(LEVELS, codes, strict=True)},
        factor_levels=LEVELS,
        zone=people.zone,
        weight=np.ones(people.n),
        dropped=(),
    )
    return PhoneStudy(
        in_person=rows.take(~people.phone), phone=rows.take(people.phone), covariates=tuple(LEVELS)
    )


def adjusted(data: PhoneStudy, margin: float) -> SensitivityRow:
    """The adjusted difference of the check, or why there is none."""
    study = SimpleNamespace(phone=SimpleNamespace(margin={KEYS.outcome: margin}))
    context = Context(keys=KEYS, study=study, survey=None, spec=None, sample=None, headline=None)
    vars(context)["phone"] = data
    return next(
        row
        for row in equivalence(context)
        if row.variant == "adjusted" and row.quantity in ("risk_difference", "")
    )


def verdicts(setting: Setting, number: int) -> Iterator[dict[str, object]]:
    """What the check says of one survey, a record a margin, adjusted for age, sex and region."""
    data = survey(setting, number)
    for margin in MARGINS:
        place = {
            "difference": setting.difference,
            "zone_sd": setting.zone_sd,
            "margin": margin,
            "surveys": 1,
        }
        row = adjusted(data, margin)
        if row.estimate is None:  # nobody was called at some level of a covariate
            yield place | {"refused": 1}
            continue
        yield place | {
            "refused": 0,
            "found": row.verdict in (Verdict.DIFFERENT, Verdict.DIFFERENT_WITHIN_MARGIN),
            "within": row.verdict in (Verdict.EQUIVALENT, Verdict.DIFFERENT_WITHIN_MARGIN),
            "error": row.estimate - setting.difference,
            "squared": (row.estimate - setting.difference) ** 2,
            "std_error": row.std_error,
            "power_found": _power(setting.difference, row.std_error),
            "power_within": row.power,
        }


def _power(difference: float, std_error: float) -> float:
    """Chance to find the difference: the size of the test where there is none."""
    return 0.05 if difference == 0 else retrodesign(difference, std_error, df=99).power


def table(records: pd.DataFrame) -> pd.DataFrame:
    """Percent of the surveys not refused, with Monte Carlo errors; differences in points."""
    records = records.fillna(0.0).astype(float)
    sums = records.groupby(["difference", "zone_sd", "margin"], as_index=False).sum()
    n = sums["surveys"] - sums["refused"]
    made = sums[["difference", "zone_sd", "margin"]].copy()
    made["surveys"], made["refused"] = sums["surveys"].astype(int), sums["refused"].astype(int)
    for name in ("found", "within"):
        share = sums[name] / n
        made["found_different" if name == "found" else "within_margin"] = (100 * share).round(2)
        made[f"{name}_monte_carlo_error"] = (100 * np.sqrt(share * (1 - share) / n)).round(2)
        made[f"{name}_power"] = (100 * sums[f"power_{name}"] / n).round(2)
    # The stated power to confirm is for no difference.
    made.loc[made["difference"] != 0, "within_power"] = np.nan
    bias = sums["error"] / n
    made["bias"] = (100 * bias).round(3)
    made["sd"] = (100 * np.sqrt(sums["squared"] / n - bias**2)).round(3)
    made["mean_std_error"] = (100 * sums["std_error"] / n).round(3)
    return made


def main() -> None:
    """Make the surveys of the settings asked for and write their lines anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--surveys", type=int, default=2000, help="a setting")
    parser.add_argument("--settings", nargs="+", type=int, default=[*range(len(GRID))])
    parser.add_argument("--table", type=Path, default=HERE / "rates.csv")
    options = parser.parse_args()
    for at in options.settings:
        records = [one for k in range(options.surveys) for one in verdicts(GRID[at], k)]
        made = table(pd.DataFrame(records))
        if options.table.exists():
            made = pd.concat([pd.read_csv(options.table), made])
            made = made.drop_duplicates(["difference", "zone_sd", "margin"], keep="last")
        made = made.sort_values(["difference", "zone_sd", "margin"])
        made.to_csv(options.table, index=False)
    print(made.to_string(index=False))


if __name__ == "__main__":
    main()
