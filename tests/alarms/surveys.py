"""Comparison people in person and by phone who answer by one law, and three ways to judge them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coopgap.checks.by_mode import PhoneStudy
from coopgap.checks.phone.reference import phone_reference
from coopgap.survey.example import model as printed
from coopgap.survey.example.model import DEFAULT
from coopgap.survey.example.people import People, draw_people, linear_predictor
from coopgap.survey.records import ModelRows

SIZES = (0, printed.N_COMPARISON, printed.N_PHONE)
LEVELS = {"age_band": tuple("123456"), "sex": ("male", "female"), "region": tuple("CELNS")}
AGREE = 3  # the level at which the printed "agree" starts, of five from 0
N_ZONES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is simulated.

    Attributes
    ----------
    phone
        `spread`: over all zones; `clustered`: about ten people in a quarter of them; `elsewhere`:
        ten in each of as many zones where nobody was asked in person.
    zone_sd
        Of the zones' intercepts, log-odds.
    younger
        Whether phone people are as young as the example's; else of the ages of those in person.
    """

    phone: str
    zone_sd: float
    younger: bool = False


def simulate(rng: np.random.Generator, setting: Setting) -> PhoneStudy:
    """Draw people, zones and the five answers to trust; the mode shifts nothing.

    Phone people have another regional mix, and stand where the setting says.
    """
    outcome = replace(DEFAULT.outcomes["trust"], mode_shift=0.0)
    ages = DEFAULT.phone_age if setting.younger else printed.AGES[1]
    model = replace(DEFAULT, phone_age=tuple(float(age) for age in ages))
    people = draw_people(rng, model, SIZES, exact=False)
    zone = _zones(rng, people, setting.phone)
    intercept = rng.normal(0.0, 1.0, 2 * N_ZONES) * setting.zone_sd
    eta = linear_predictor(people, outcome, None, people.member) + intercept[zone]
    latent = eta + rng.logistic(size=people.n)
    answers = np.searchsorted(outcome.thresholds, latent).astype(np.int64)
    return _data(people, zone, answers)


def _zones(rng: np.random.Generator, people: People, phone: str) -> np.ndarray:
    zone = people.zone.copy()
    if phone == "spread":
        return zone
    for region in np.unique(people.region[people.phone]):
        here = np.flatnonzero(people.phone & (people.region == region))
        zones = np.unique(zone[people.region == region])
        kept = rng.choice(zones, min(zones.size, -(-here.size // 10)), replace=False)
        zone[here] = rng.permutation(np.resize(kept, here.size))
        if phone == "elsewhere":
            zone[here] += N_ZONES
    return zone


def _data(people: People, zone: np.ndarray, answers: np.ndarray) -> PhoneStudy:
    codes = (people.band, people.female, people.region)

    def rows(keep: np.ndarray) -> ModelRows:
        return ModelRows(
            index=np.flatnonzero(keep),
            outcome=answers[keep],
            levels=tuple("12345"),
            member=people.member[keep],
            factors={
                name: code[keep].astype(np.int64) for name, code in zip(LEVELS, codes, strict=True)
            },
            factor_levels=LEVELS,
            zone=zone[keep],
            weight=np.ones(int(keep.sum())),
            dropped=(),
        )

    return PhoneStudy(in_person=rows(~people.phone), phone=rows(people.phone))


def alarms(data: PhoneStudy, method: str, rng: np.random.Generator, draws: int) -> dict[str, bool]:
    """Whether each version of a method calls the survey different, at "agree" and over all.

    The methods: `subset`, 250 of the in-person people without replacement; `whole zones`, zones
    drawn within regions until 250 people are there, of the last zone only as many as are missing,
    drawn without replacement, each subsample with an error of a whole survey drawn likewise;
    `shipped`, the package's. The first two judge the share of "agree" as answered, beside the
    in-person share in the regional mix of the phone people.
    """
    if method == "shipped":
        found = {}
        for name, covariates in (("adjusted", tuple(LEVELS)), ("unadjusted", ())):
            one = phone_reference(data, covariates, "region", rng, draws)
            (at,) = [k for k, c in enumerate(one.contrasts) if c.category == f">={AGREE + 1}"]
            found[f"{name}, agree"] = bool(one.p_value[at] < 0.05)
            found[f"{name}, superiority"] = bool(one.p_value[-1] < 0.05)
            found[f"{name}, all thresholds"] = one.p_largest < 0.05
        return found
    own, called = data.comparison, data.called
    agrees = [(rows.outcome >= AGREE).astype(float) for rows in (own, called)]
    off = PLAIN[method](own, called, agrees[0], rng, draws)
    value = agrees[1].mean() - _mixed(own, called, agrees[0])
    extreme = min(int((off <= value).sum()), int((off >= value).sum()))
    return {"unadjusted, agree": 2 * (extreme + 1) / (draws + 1) < 0.05}


def _mixed(own: ModelRows, called: ModelRows, answers: np.ndarray) -> float:
    """In-person share in the regional mix of the phone people."""
    mix = np.bincount(called.factors["region"], minlength=5) / called.n
    counts = np.bincount(own.factors["region"], minlength=5)
    return float(mix @ (np.bincount(own.factors["region"], answers, 5) / counts))


def _subset(
    own: ModelRows, called: ModelRows, answers: np.ndarray, rng: np.random.Generator, draws: int
) -> np.ndarray:
    """In each region as many people as by phone, none twice."""
    region = own.factors["region"]
    total = np.zeros(draws)
    for place, size in enumerate(np.bincount(called.factors["region"], minlength=5)):
        here = answers[region == place]
        order = np.argsort(rng.random((draws, here.size)), axis=1)[:, :size]
        total += here[order].sum(axis=1)
    return total / called.n - _mixed(own, called, answers)


def _whole_zones(
    own: ModelRows, called: ModelRows, answers: np.ndarray, rng: np.random.Generator, draws: int
) -> np.ndarray:
    region = own.factors["region"]
    mix = np.bincount(called.factors["region"], minlength=5)
    off = np.zeros(draws)
    for place in np.flatnonzero(mix):
        size = mix[place]
        zones = [answers[own.zone == z] for z in np.unique(own.zone[region == place])]
        sizes = np.array([zone.size for zone in zones])
        sums = np.array([zone.sum() for zone in zones])
        share = sums.sum() / sizes.sum()
        whole = rng.integers(0, len(zones), (draws, len(zones)))
        error = sums[whole].sum(axis=1) / sizes[whole].sum(axis=1) - share
        order = rng.integers(0, len(zones), (draws, -(-int(size) // int(sizes.min()))))
        reached = np.cumsum(sizes[order], axis=1)
        last = (reached < size).sum(axis=1)[:, None]
        at = np.arange(order.shape[1])
        full = (sums[order] * (at < last)).sum(axis=1)
        lacking = size - np.where(at < last, sizes[order], 0).sum(axis=1)
        cut = np.take_along_axis(order, last, axis=1)[:, 0]
        yes = sums[cut].astype(int)
        part = rng.hypergeometric(yes, sizes[cut] - yes, lacking)
        off += size / called.n * ((full + part) / size - share + error)
    return off


PLAIN = {"subset": _subset, "whole zones": _whole_zones}
METHODS = ("subset", "whole zones", "shipped")
"""The place in this order is part of a block's seed: append only."""
