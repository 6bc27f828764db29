"""Runs by region with a number that is a line and one that is a curve."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import coopgap.checks.hierarchical
from coopgap.app.plan import make_plan
from coopgap.bayes.store import DRAWS_FOLDER
from coopgap.checks.hierarchical import fit_regions
from coopgap.checks.registry import Scope, checks
from coopgap.core.vocabulary import Check, Verdict
from coopgap.families.estimate import Tables
from coopgap.fit import main
from coopgap.survey.numeric import natural_spline

from .test_hierarchical_phone import prior_fit

STUDY = """\
title = "Two numbers"
survey = "people.csv"
[group]
column = "member"
member = 1
comparison = 0
[design]
region = "region"
population = "people_of_the_region.csv"
mode = { column = "mode", in_person = "in person", phone = "phone" }
[headline]
trust = "trust"
[variables.trust]
type = "ordinal"
levels = ["low", "mid", "high"]
[variables.age]
type = "numeric"
[variables.income]
type = "numeric"
knots = [50, 100, 200, 400]
[variables.sex]
type = "nominal"
levels = ["male", "female"]
[variables.region]
type = "nominal"
levels = ["A", "B", "C"]
"""
MODEL = """\
outcome = "trust"
covariates = ["age", "income", "sex"]
[matching]
on = ["region", "sex"]
[hierarchical]
draws = 700
target_accept = 0.95
priors = { slope_sd = 2.0 }
"""
TERMS = ["age", "income[100]", "income[200]", "income[400]"]


def people(n=500):
    """Log odds rise by 0.03 a year, and with income up to a bend."""
    rng = np.random.default_rng(4)
    age = rng.integers(18, 80, n)
    income = np.round(np.exp(rng.normal(5.0, 0.6, n)), 1)
    member, sex = rng.integers(0, 2, n), rng.integers(0, 2, n)
    called = np.where(member, False, rng.random(n) < 0.3)
    curve = natural_spline(income, (50.0, 100.0, 200.0, 400.0)) @ [0.5, 1.2, 1.4]
    eta = 0.6 * member + 0.03 * (age - 45) + curve - 1.0
    latent = rng.random(n)
    return pd.DataFrame(
        {
            "member": member,
            "region": np.array(["A", "B", "C"])[rng.integers(0, 3, n)],
            "mode": np.where(called, "phone", "in person"),
            "age": age,
            "income": income,
            "sex": np.where(sex, "female", "male"),
            "trust": np.where(
                latent > expit(eta + 1.0), "low", np.where(latent > expit(eta - 1.0), "mid", "high")
            ),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "numbers"
    folder.mkdir()
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    (folder / "trust.toml").write_text(MODEL, encoding="utf-8")
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
    rows = tables["coefficients"].set_index(["family", "term"])
    assert [term for term in rows.loc["hierarchical"].index if term in TERMS] == TERMS
    pooled, adjusted = (
        rows.loc[[(family, term) for term in TERMS]]
        for family in ("hierarchical", "adjusted_ordinal")
    )
    assert set(pooled["scale"]) == {"log_odds"}
    assert (pooled["r_hat"] < 1.01).all()
    # The same people and covariates under wide slopes; regions drawn together take little.
    apart = (pooled["estimate"].to_numpy() - adjusted["estimate"].to_numpy()) / adjusted[
        "std_error"
    ].to_numpy()
    assert np.abs(apart).max() < 0.2
    assert rows.loc[("hierarchical", "age"), "lower"] > 0
    assert rows.loc[("hierarchical", "age"), "upper"] < 0.06


def test_gaps_are_standardised_over_all_three_populations(tables):
    rows = tables["gaps"]
    rows = rows[(rows["family"] == "hierarchical") & (rows["quantity"] == "risk_difference")]
    assert rows["estimate"].notna().all()
    assert {*rows["group"]} == {"all", "region=A", "region=B", "region=C"}
    everybody = rows[rows["group"] == "all"]
    assert {*everybody["population"]} == {"all_members", "members", "poststratified"}
    # With log odds of 0.6 for members everywhere.
    gaps = everybody.loc[everybody["category"].str.startswith(">="), "estimate"]
    assert len(gaps) == 6
    assert gaps.between(0.02, 0.25).all()


def test_every_check_by_region_takes_it(folder, monkeypatch):
    """Refits, leave-one-out, predictive draws, phone people; draws of the prior stand for fits."""
    requests = []

    def fit(request, cores=1):
        requests.append(request)
        return prior_fit(request, cores)

    monkeypatch.setattr(coopgap.checks.hierarchical, "fit_hierarchical", fit)
    monkeypatch.setattr(coopgap.checks.hierarchical, "executor", lambda jobs: ThreadPoolExecutor(1))
    found = Tables()
    fit_regions(
        found,
        make_plan(folder),
        cost="full",
        seed=1,
        draws=None,
        jobs=1,
        reuse=None,
        notify=lambda text: None,
    )
    by_region = {one.name for one in checks().values() if one.scope in (Scope.FIT, Scope.REFIT)}
    phone = {Check.PHONE_REPLACES, Check.PHONE_JOINS, Check.PHONE_JOINS_MODE}
    assert {row.check for row in found.sensitivity} == {*by_region, *phone}
    assert not [row for row in found.sensitivity if row.verdict == Verdict.NOT_ASSESSED]
    assert all(list(request.cells.columns) == TERMS for request in requests)
    assert sum(request.form.mode is not None for request in requests) == 1
    notes = {row.note for row in found.sensitivity if "slopes of numeric covariates" in row.note}
    # With a mode term, and with thresholds by mode.
    assert len(notes) == 2
    # Others are called: their numbers have another mean and spread.
    assert len({request.cells.columns["age"].scale for request in requests}) == 3
