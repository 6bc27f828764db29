"""Small surveys and draws for the hierarchical model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from coopgap.bayes.cells import hierarchical_cells
from coopgap.bayes.layout import Form, Priors, constrain, make_layout, prior_draws
from coopgap.survey.numeric import numeric
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
