"""A small survey with departments in regions, one of which nobody lives in, and what is known."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.special import expit

from coopgap.bayes.cells import Departments, hierarchical_cells

from .conftest import ladder_of, make_rows

NAMES = ("a1", "a2", "b1", "b2", "b3", "c1", "c2", "c3")
REGION_OF = np.array([0, 0, 1, 1, 1, 2, 2, 2])
POVERTY = np.array([3.0, 9.0, 4.0, 8.0, 1.0, 7.0, 5.0, 2.0])
EMPTY = NAMES.index("b3")
MEMBERLESS = NAMES.index("c3")


def with_departments(rows, seed=5):
    """The same people in departments of their region; none in b3, no member in c3."""
    rng = np.random.default_rng(seed)
    region, code = rows.factors["region"], np.zeros(rows.n, dtype=np.int64)
    for r in range(3):
        inside = np.flatnonzero(
            np.isin(np.arange(len(NAMES)), EMPTY, invert=True) & (r == REGION_OF)
        )
        here = np.flatnonzero(region == r)
        code[here] = rng.choice(inside, here.size)
    code[(code == MEMBERLESS) & rows.member] = MEMBERLESS - 1
    return dataclasses.replace(
        rows,
        factors={**rows.factors, "department": code},
        factor_levels={**rows.factor_levels, "department": NAMES},
    )


def departments(*, area=True):
    known = {"poverty": POVERTY} if area else {}
    return Departments(variable="department", region=REGION_OF, area=known)


def department_rows(n=300, n_levels=4, n_zones=9):
    return with_departments(make_rows(n=n, n_levels=n_levels, n_zones=n_zones))


def department_cells(rows=None, *, area=True):
    rows = department_rows() if rows is None else rows
    return hierarchical_cells(
        rows, ("region", "sex"), "region", zones=True, departments=departments(area=area)
    )


STANDARDISED = (POVERTY - POVERTY.mean()) / POVERTY.std()


def eta_by_hand(draws, rows, department, m, at):
    """Latent mean of everybody in one draw, without zones, as if in these departments."""
    here = {name: values[at] for name, values in draws.items()}
    z = STANDARDISED[department]
    region = REGION_OF[department]
    level = here["region"][region] + here["department"][department] + here["area"][0] * z
    gap = here["beta"] + here["gap"][region] + here["department_gap"][department]
    gap = gap + here["area_gap"][0] * z
    return here["covariate_sex"][rows.factors["sex"]] + level + gap * m


def shares_of(draws, rows, eta, m, at):
    """Level probabilities from latent means, shape (n, J)."""
    here = {name: values[at] for name, values in draws.items()}
    m = np.broadcast_to(m, rows.n)[:, None]
    cuts = ladder_of(here["increments"] + here["shift"] * m, here["location"])
    below = expit(cuts - eta[:, None])
    ends = np.zeros((rows.n, 1))
    return np.diff(np.concatenate([ends, below, ends + 1], axis=1), axis=1)
