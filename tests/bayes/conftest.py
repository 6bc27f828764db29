"""Small surveys and draws for the hierarchical model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, ndtr

from coopgap.bayes.cells import hierarchical_cells
from coopgap.bayes.layout import Form, Priors, constrain, make_layout, prior_draws
from coopgap.survey.numeric import natural_spline, numeric
from coopgap.survey.records import ModelRows

LEVELS = ("low", "mid", "high", "top")
KNOTS = (50.0, 100.0, 200.0, 400.0)


def make_rows(seed=0, n=300, n_levels=4, n_regions=3, n_zones=0):
    rng = np.random.default_rng(seed)
    region, sex, member = rng.integers(0, n_regions, n), rng.integers(0, 2, n), rng.random(n) < 0.5
    latent = rng.logistic(size=n) + 0.7 * member + 0.3 * sex
    cuts = np.linspace(-1, 2.2, n_levels - 1)
    zone = region + n_regions * rng.integers(0, max(n_zones // n_regions, 1), n)
    return ModelRows(
        index=np.arange(n),
        outcome=np.searchsorted(cuts, latent).astype(np.int64),
        levels=LEVELS[:n_levels],
        member=member,
        factors={"region": region, "sex": sex},
        factor_levels={"region": ("A", "B", "C")[:n_regions], "sex": ("male", "female")},
        zone=zone if n_zones else None,
        weight=np.ones(n),
        dropped=(),
    )


def make_cells(seed=0, n=300, n_levels=4, n_zones=0):
    rows = make_rows(seed, n, n_levels, n_zones=n_zones)
    return hierarchical_cells(rows, ("region", "sex"), "region", zones=n_zones > 0)


def with_modes(rows, seed=9):
    """The same people, some of both groups asked by phone."""
    mode = (np.random.default_rng(seed).random(rows.n) < 0.4).astype(np.int64)
    return dataclasses.replace(
        rows,
        factors={**rows.factors, "mode": mode},
        factor_levels={**rows.factor_levels, "mode": ("in person", "phone")},
    )


def make_mode_cells(seed=0, n=300, n_levels=4, n_zones=0):
    rows = with_modes(make_rows(seed, n, n_levels, n_zones=n_zones))
    return hierarchical_cells(rows, ("region", "sex", "mode"), "region", zones=n_zones > 0)


def with_weights(rows, seed=13):
    """The same people with weights that go with their answers, members' another way."""
    noise = np.random.default_rng(seed).uniform(0.5, 1.5, rows.n)
    up = np.where(rows.member, rows.outcome, len(rows.levels) - rows.outcome)
    return dataclasses.replace(rows, weight=3.0 * noise / (1.0 + up))


def with_numbers(rows, seed=11):
    """The same people with an age, which is a line, and an income, which is a curve."""
    rng = np.random.default_rng(seed)
    answers = {
        "age": rng.integers(18, 80, rows.n).astype(float),
        "income": np.round(np.exp(rng.normal(5.0, 0.6, rows.n)), 1),
    }
    codes, columns = {}, {}
    for name, answer in answers.items():
        values, codes[name] = np.unique(answer, return_inverse=True)
        columns[name] = numeric(name, values, KNOTS if name == "income" else ())
    return dataclasses.replace(
        rows,
        factors={**rows.factors, **codes},
        factor_levels={**rows.factor_levels, "age": (), "income": ()},
        numeric=columns,
    )


def make_number_cells(seed=0, n=300, n_levels=4, n_zones=0, *, mode=False):
    rows = make_rows(seed, n, n_levels, n_zones=n_zones)
    rows = with_numbers(with_modes(rows) if mode else rows)
    names = ("age", "region", "sex", "income", *(("mode",) if mode else ()))
    return hierarchical_cells(rows, names, "region", zones=n_zones > 0)


def make_draws(cells, form=None, seed=1, shape=(4, 50)):
    """Draws from the prior in the shape of posterior ones."""
    layout = make_layout(cells, form or Form())
    rng = np.random.default_rng(seed)
    x = prior_draws(layout, Priors(), (form or Form()).link, shape[0] * shape[1], rng)
    return constrain(x.reshape(*shape, layout.size), layout)


def columns_of(rows, *, standardised=True):
    """Age and the curve of income of each person, shape (n, 4); none without them."""
    if not rows.numeric:
        return np.zeros((rows.n, 0))
    age, income = (rows.numeric[name].values[rows.factors[name]] for name in ("age", "income"))
    x = np.column_stack([age, natural_spline(income, KNOTS)])
    return (x - x.mean(axis=0)) / x.std(axis=0) if standardised else x


def ladder_of(sizes, location):
    """Thresholds from the logarithms of their distances, the last axis, and their mean."""
    first = np.zeros((*np.shape(sizes)[:-1], 1))
    ladder = np.cumsum(np.concatenate([first, np.exp(sizes)], axis=-1), axis=-1)
    return ladder - ladder.mean(axis=-1, keepdims=True) + location


def shares_by_hand(draws, rows, *, member=None, mode=None, at=(0, 7), link="logit"):
    """Level probabilities of everybody in one draw, from the formulas of the documentation.

    As they are, their zones with them, or all as members or not, asked by one mode. Shape (n, J).
    """
    here = {name: values[at] for name, values in draws.items()}
    m = np.broadcast_to(rows.member if member is None else member, rows.n)[:, None] - 0.5
    region, sex = rows.factors["region"], rows.factors["sex"]
    eta = here["covariate_sex"][sex] + here["region"][region]
    eta = eta + columns_of(rows) @ here.get("slopes", np.zeros(0))
    gap = here["beta"] + here.get("gap", np.zeros(len(here["region"])))[region]
    sizes = here.get("increments", np.zeros(0)) + here.get("shift", 0.0) * m
    if "mode" in rows.factors:
        asked = np.broadcast_to(rows.factors["mode"] if mode is None else mode, rows.n)
        eta = eta + here["covariate_mode"][asked]
        sizes = sizes + here.get("shift_by_mode", 0.0) * (asked[:, None] - 0.5)
    if "zone" in here and member is None:
        eta, gap = eta + here["zone"][rows.zone], gap + here["zone_gap"][rows.zone]
    n_cuts = len(rows.levels) - 1
    cuts = ladder_of(sizes if n_cuts > 1 else np.zeros((rows.n, 0)), here["location"])
    ends = np.full((rows.n, 1), np.inf)
    edges = np.concatenate([-ends, cuts - (eta + gap * m[:, 0])[:, None], ends], axis=1)
    low, high = edges[:, :-1], edges[:, 1:]
    # Both ends in the lower tail, where small probabilities keep their digits.
    up = low > 0
    low, high = np.where(up, -high, low), np.where(up, -low, high)
    cdf = expit if link == "logit" else ndtr
    return cdf(high) - cdf(low)


def answered(shares, rows):
    """Log-probability of each person's answer."""
    return np.log(shares[np.arange(rows.n), rows.outcome])


EXAMPLE = Path(__file__).parents[1] / "r" / "data" / "example.csv"
CLASSES = ("E", "D", "C", "B", "A")
FACTORS = {
    "region": ("Lima", "Center", "East", "North", "South"),
    "age_band": ("<25", "25-34", "35-44", "45-54", "55-64", "65+"),
    "sex": ("male", "female"),
}


def example_file():
    return pd.read_csv(EXAMPLE)


def example_people():
    """Classes of the example survey that R reads, bands made here again."""
    people = example_file()
    factors = {name: people[name].map(FACTORS[name].index).to_numpy() for name in ("region", "sex")}
    factors["age_band"] = np.digitize(people["age"], [25, 35, 45, 55, 65])
    return ModelRows(
        index=np.arange(len(people)),
        outcome=people["ses_class"].map(CLASSES.index).to_numpy(np.int64),
        levels=CLASSES,
        member=people["member"].to_numpy() == 1,
        factors=factors,
        factor_levels=FACTORS,
        zone=people["zone"].to_numpy(np.int64),
        weight=np.ones(len(people)),
        dropped=(),
    )
