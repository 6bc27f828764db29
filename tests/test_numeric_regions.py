"""Runs by region with a number that is a line and one that is a curve."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from coopgap.app.plan import make_plan
from coopgap.bayes.store import DRAWS_FOLDER
from coopgap.core.vocabulary import Verdict
from coopgap.fit import main
from coopgap.survey.numeric import natural_spline

from .studies import MODE, model, nominal, ordinal, where, write_study
from .test_hierarchical_request import BY_REGION, PHONE, regions_of, stand_in

KNOTS = [50, 100, 200, 400]
VARIABLES = {
    "trust": ordinal("low", "mid", "high"),
    "age": {"type": "numeric"},
    "income": {"type": "numeric", "knots": KNOTS},
    "sex": nominal("male", "female"),
    "region": nominal("A", "B", "C"),
}
FIT = {"draws": 700, "target_accept": 0.95, "priors": {"slope_sd": 2.0}}
TERMS = ["age", "income[100]", "income[200]", "income[400]"]


def people(n=500):
    """Log odds rise by 0.03 a year, and with income up to a bend."""
    rng = np.random.default_rng(4)
    age = rng.integers(18, 80, n)
    income = np.round(np.exp(rng.normal(5.0, 0.6, n)), 1)
    member, sex = rng.integers(0, 2, n), rng.integers(0, 2, n)
    called = np.where(member, False, rng.random(n) < 0.3)
    curve = natural_spline(income, tuple(map(float, KNOTS))) @ [0.5, 1.2, 1.4]
    eta = 0.6 * member + 0.03 * (age - 45) + curve - 1.0
    below = expit(eta[:, None] + [1.0, -1.0]) < rng.random(n)[:, None]
    return pd.DataFrame(
        {
            "member": member,
            "region": np.array(["A", "B", "C"])[rng.integers(0, 3, n)],
            "mode": np.where(called, "phone", "in person"),
            "age": age,
            "income": income,
            "sex": np.where(sex, "female", "male"),
            "trust": np.array(["high", "mid", "low"])[below.sum(axis=1)],
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "numbers"
    trust = model("trust", "age", "income", "sex", on=("region", "sex"), hierarchical=FIT)
    design = {"region": "region", "population": "people_of_the_region.csv", "mode": MODE}
    write_study(folder, VARIABLES, {"trust": trust}, design=design, survey="people.csv")
    people().to_csv(folder / "people.csv", index=False)
    shares = "region,population\nA,50\nB,30\nC,20\n"
    (folder / "people_of_the_region.csv").write_text(shares, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def tables(folder):
    """The tables of a run with the command."""
    out = folder.parent / "out"
    assert main([str(folder), "--out", str(out), "--formats", "csv", "--jobs", "1"]) == 0
    assert (out / DRAWS_FOLDER / "trust.nc").is_file()
    return {name: pd.read_csv(out / f"{name}.csv") for name in ("gaps", "coefficients")}


def test_slopes_stand_beside_those_of_the_regression(tables):
    pooled, adjusted = (
        where(tables["coefficients"], family=family, term=TERMS).set_index("term")
        for family in ("hierarchical", "adjusted_ordinal")
    )
    assert list(pooled.index) == TERMS
    assert set(pooled["scale"]) == {"log_odds"}
    assert (pooled["r_hat"] < 1.01).all()
    # The same people and covariates under wide slopes; regions drawn together take little.
    apart = (pooled["estimate"] - adjusted["estimate"]) / adjusted["std_error"]
    assert apart.abs().max() < 0.2
    assert 0 < pooled["lower"]["age"] < pooled["upper"]["age"] < 0.06


def test_gaps_are_standardised_over_all_three_populations(tables):
    rows = where(tables["gaps"], family="hierarchical", quantity="risk_difference")
    assert rows["estimate"].notna().all()
    assert {*rows["group"]} == {"all", "region=A", "region=B", "region=C"}
    everybody = where(rows, group="all")
    assert {*everybody["population"]} == {"all_members", "members", "poststratified"}
    # With log odds of 0.6 for members everywhere.
    gaps = everybody.loc[everybody["category"].str.startswith(">="), "estimate"]
    assert len(gaps) == 6
    assert gaps.between(0.02, 0.25).all()


def test_every_check_by_region_takes_it(folder, monkeypatch):
    """Refits, leave-one-out, predictive draws, phone people; draws of the prior stand for fits."""
    requests = stand_in(monkeypatch)
    found = regions_of(make_plan(folder))
    assert {row.check for row in found.sensitivity} == {*BY_REGION, *PHONE}
    assert not [row for row in found.sensitivity if row.verdict == Verdict.NOT_ASSESSED]
    assert all(list(request.cells.columns) == TERMS for request in requests)
    assert sum(request.form.mode is not None for request in requests) == 1
    notes = {row.note for row in found.sensitivity if "slopes of numeric covariates" in row.note}
    # With a mode term, and with thresholds by mode.
    assert len(notes) == 2
    # Others are called: their numbers have another mean and spread.
    assert len({request.cells.columns["age"].scale for request in requests}) == 3
