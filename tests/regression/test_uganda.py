"""Real microdata against R: needs the path of farmers.csv in COOPGAP_UGANDA.

Uganda dairy farmers 2021, repository bjvca/PIMDVC, wave_2021/farmers.csv; the codebook is applied
here again, from pandas, as tests/r/uganda.R applies it in R.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coopgap.regression.conditional import fit_conditional
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import unit_scores
from coopgap.regression.design import design_matrix
from coopgap.regression.linear import fit_linear
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.separation import separated_terms
from coopgap.regression.shares import weighted_shares
from coopgap.regression.standardise import standardise

FIXTURE = Path(__file__).parents[1] / "r" / "fixtures" / "uganda.json"
DISTRICTS = ("KIBOGA", "KIRUHURA", "KYANKWANZI", "MASINDI", "MBARARA", "NAKASEKE")
LEVELS = {
    "district": DISTRICTS,
    "age": ("<35", "35-44", "45-54", "55-64", "65+"),
    "sex": ("Female", "Male"),
    "education": ("1", "2", "3", "4", "5", "6"),
}
STD_ERROR = {"rel": 1e-6}  # R's carry more digits than are asked for

pytestmark = pytest.mark.skipif("COOPGAP_UGANDA" not in os.environ, reason="needs COOPGAP_UGANDA")


@pytest.fixture(scope="module")
def expected():
    return json.loads(FIXTURE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def everybody():
    raw = pd.read_csv(os.environ["COOPGAP_UGANDA"], dtype=str, na_values=["n/a"])

    def number(column, *missing):
        value = pd.to_numeric(raw[column])
        return value.mask(value.isin(missing))

    items = pd.concat([number(f"dairy.welfare.g{i:02}a", 98) for i in range(1, 9)], axis=1)
    age = number("dairy.q2", 999)
    education = number("dairy.q4", 96, 98)
    return pd.DataFrame(
        {
            "member": 2 - number("dairy.cooperative.q149", 98),
            "income": 5 - number("dairy.welfare.g10", 98),
            "insecure": ((items == 1).sum(axis=1) >= 4).where(items.notna().all(axis=1)),
            "district": raw["district"].map({name: i for i, name in enumerate(DISTRICTS)}),
            "age": np.digitize(age, [35, 45, 55, 65]) + 0 * age,
            "sex": raw["dairy.q3"].map({"Female": 0, "Male": 1}),
            "education": education - 1,
            "zone": pd.factorize(raw["sub"])[0],
        }
    )


def complete(everybody, outcome):
    """Complete rows, exact sets, matching weights; comparison weights sum to their number."""
    people = everybody[["member", outcome, *LEVELS, "zone"]].dropna().astype(np.int64)
    people["set"] = people.groupby(list(LEVELS)).ngroup()
    members = people.groupby("set")["member"].transform("sum")
    others = people.groupby("set")["member"].transform("size") - members
    people["kept"] = (members > 0) & (others > 0)
    weight = np.where(people["member"] == 1, 1.0, members / others.where(others > 0, 1))
    comparison = (people["kept"] & (people["member"] == 0)).to_numpy()
    weight[comparison] *= comparison.sum() / weight[comparison].sum()
    people["weight"] = np.where(people["kept"], weight, 0.0)
    return people


def fitted(people, outcome, weight, n_levels, free=()):
    design = design_matrix({name: people[name].to_numpy() for name in LEVELS}, LEVELS)
    x = np.column_stack([people["member"].to_numpy(float), design.x])
    seen = np.eye(n_levels)[people[outcome].to_numpy()]
    counts, squares = seen * weight[:, None], seen * weight[:, None] ** 2
    assert separated_terms(x, counts, ("member", *design.terms), free) == ()
    fit = fit_ordinal(x, counts, free=free)
    zone = people["zone"].to_numpy()
    robust = cluster_covariance(fit.bread, unit_scores(fit, x), counts, squares, zone)
    return fit, robust, (x, counts, squares, zone)


FORMS = {
    "adjusted_ordinal": (0,),
    "adjusted_proportional": (),
    "matched_ordinal": (0,),
    "matched_proportional": (),
}
"""Families by the columns whose coefficients differ by threshold: membership, or none."""


def ordinal(everybody, family):
    """Income's people, their fit with clusters, and what went in."""
    people = complete(everybody, "income")
    matched = family.startswith("matched")
    people = people[people["kept"]] if matched else people
    weight = people["weight"].to_numpy() if matched else np.ones(len(people))
    return people, *fitted(people, "income", weight, 5, FORMS[family])


def params(expected):
    """Slopes, freed slopes and thresholds in this package's order."""
    return expected.get("params") or [*expected["slopes"], *expected["thresholds"]]


@pytest.mark.parametrize("family", [*FORMS])
def test_ordinal_families(everybody, expected, family):
    expected = expected[family]
    people, fit, robust, (x, counts, squares, zone) = ordinal(everybody, family)
    assert len(people) == expected["n"]
    assert fit.params == pytest.approx(params(expected), rel=1e-8, abs=1e-9)
    assert fit.std_errors == pytest.approx(expected["std_errors"], **STD_ERROR)
    assert fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-12)
    found = np.sqrt(np.diag(robust.cov))
    assert found == pytest.approx(expected["cluster_std_errors"], **STD_ERROR)
    assert robust.n_clusters == expected["n_clusters"]
    targets = {"members": x[:, 0] * people["kept"].to_numpy(), "all_members": x[:, 0]}
    for population, margins in expected["standardised"].items():
        here = standardise(fit, x, 0, targets[population], counts, squares, zone)
        assert here.member == pytest.approx(margins["member"], rel=1e-8)
        assert here.comparison == pytest.approx(margins["comparison"], rel=1e-8)
        # R differentiates the margins numerically.
        assert here.cov == pytest.approx(np.array(margins["cov"]), rel=1e-6, abs=1e-11)


def test_one_odds_ratio_hid_the_gap_at_higher(everybody, expected):
    """Half a point up where proportional odds say two and a half down; shares say the same."""
    gaps = {}
    for family in ("matched_ordinal", "matched_proportional"):
        _, fit, _, (x, counts, squares, zone) = ordinal(everybody, family)
        margins = standardise(fit, x, 0, x[:, 0], counts, squares, zone)
        gaps[family] = (margins.member - margins.comparison)[3:].sum()
        r = expected[family]["standardised"]["members"]
        by_r = (np.array(r["member"]) - np.array(r["comparison"]))[3:].sum()
        assert gaps[family] == pytest.approx(by_r, abs=1e-9)
    assert round(100 * gaps["matched_ordinal"], 1) == 0.6
    assert round(100 * gaps["matched_proportional"], 1) == -2.5
    shares = weighted_shares(x[:, 0] == 1, counts, squares, zone)
    by_shares = (shares.member - shares.comparison)[3:].sum()
    assert gaps["matched_ordinal"] == pytest.approx(by_shares, abs=0.01)


@pytest.mark.parametrize("family", ["adjusted_logit", "matched_logit"])
def test_logit_families(everybody, expected, family):
    expected = expected[family]
    people = complete(everybody, "insecure")
    people = people if family == "adjusted_logit" else people[people["kept"]]
    weight = people["weight"].to_numpy() if family == "matched_logit" else np.ones(len(people))
    fit, robust, _ = fitted(people, "insecure", weight, 2)
    assert len(people) == expected["n"]
    order = [fit.slopes.size, *range(fit.slopes.size)]
    found = np.concatenate([-fit.thresholds, fit.slopes])
    assert found == pytest.approx(expected["coefficients"], rel=1e-8, abs=1e-9)
    assert fit.std_errors[order] == pytest.approx(expected["std_errors"], **STD_ERROR)
    found = np.sqrt(np.diag(robust.cov))[order]
    assert found == pytest.approx(expected["cluster_std_errors"], **STD_ERROR)


@pytest.mark.parametrize(
    ("family", "outcome", "n_levels"),
    [("conditional_ordinal", "income", 5), ("conditional_logit", "insecure", 2)],
)
def test_conditional_families(everybody, expected, family, outcome, n_levels):
    people = complete(everybody, outcome)
    people = people[people["kept"]]
    counts = np.eye(n_levels, dtype=np.int64)[people[outcome].to_numpy()]
    x = people[["member"]].to_numpy(float)
    fit = fit_conditional(x, counts, people["set"].to_numpy())
    expected = expected[family]
    assert fit.slopes[0] == pytest.approx(expected["slope"], rel=1e-8)
    assert fit.cov[0, 0] == pytest.approx(expected["inverse_information"], rel=1e-8)
    assert fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-12)


@pytest.mark.parametrize(("outcome", "cuts"), [("income", (1, 2, 3, 4)), ("insecure", (1,))])
def test_linear_rows(everybody, expected, outcome, cuts):
    people = complete(everybody, outcome)
    people = people[people["kept"]]
    rows = expected[f"linear_{outcome}"]
    rows = rows if isinstance(rows, list) else [rows]
    for cut, row in zip(cuts, rows, strict=True):
        fit = fit_linear(
            (people[outcome] >= cut).to_numpy(float),
            people["member"].to_numpy() == 1,
            people["weight"].to_numpy(),
            people["set"].to_numpy(),
            people["zone"].to_numpy(),
        )
        assert fit.estimate == pytest.approx(row["estimate"], rel=1e-8, abs=1e-10)
        assert fit.std_error == pytest.approx(row["std_error"], **STD_ERROR)
