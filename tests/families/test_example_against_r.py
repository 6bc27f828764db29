"""The example survey in R (tests/r/example.R: clm, glm, clogit, sandwich) and through the study.

R reads the file that the package writes and makes the bands, strata and weights by itself; here
they come from the shipped study folder, its codebook and its matching.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coopgap.families.cells import fit_cells
from coopgap.families.dispatch import family_estimates
from coopgap.gap import Contrast
from coopgap.plan import make_plan
from coopgap.regression.conditional import fit_conditional
from coopgap.regression.standardise import standardise
from coopgap.vocabulary import Family, Population, Quantity

R = Path(__file__).parents[1] / "r"
EXPECTED = json.loads((R / "fixtures" / "example.json").read_text("utf-8"))
LINKS = ("logit", "probit", "cloglog")
# Two programs at convergence: coefficients to 8 digits, standard errors to 6, as both carry more.
COEFFICIENT = {"rel": 1e-8, "abs": 1e-9}
STD_ERROR = {"rel": 1e-6}


@pytest.fixture(scope="module")
def samples():
    """The samples of both models, from the file that R read."""
    data = pd.read_csv(R / "data" / "example.csv")
    # Columns the study declares and no model of these two has: every level in turn.
    at = np.arange(len(data))
    kinds = np.array(["agrarian", "SACCO", "special or multi-service", "housing", "other"])
    schools = np.array(["none or primary", "secondary", "technical", "university"])
    data = data.assign(
        id=at,
        mode="in person",
        education=schools[at % 4],
        trust=1 + at % 5,
        neighbours=1 + at % 2,
        coop_type=np.where(data["member"] == 1, kinds[at % 5], ""),
    )
    plan = make_plan("peru", data=data, only=["ses", "trusted_person"])
    return {model.spec.name: model.sample for model in plan.models}


def test_matching_weights(samples):
    sample = samples["ses"]
    assert int(sample.kept.sum()) == EXPECTED["n_kept"]
    rows = sample.rows
    assert set(sample.weight[rows.member & sample.kept]) == {1.0}
    order = np.lexsort([rows.factors[name] for name in ("sex", "age_band", "region")])
    comparison = order[(~rows.member & sample.kept)[order]]
    key = np.column_stack([rows.factors[n] for n in ("region", "age_band", "sex")])[comparison]
    first = np.unique(key, axis=0, return_index=True)[1]
    assert sample.weight[comparison][first] == pytest.approx(EXPECTED["weights"], rel=1e-12)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("family", ["adjusted_ordinal", "matched_ordinal"])
def test_clm_with_clusters(samples, family, link):
    sample = dataclasses.replace(samples["ses"], link=link)
    matched = family == "matched_ordinal"
    weight = sample.weight if matched else np.ones(sample.rows.n)
    expected = EXPECTED[family][link]
    found = fit_cells(sample, weight, matched=matched)
    assert found.infinite == ()
    assert found.fit.n_obs == pytest.approx(expected["n"])
    assert found.fit.slopes == pytest.approx(expected["slopes"], **COEFFICIENT)
    assert found.fit.thresholds == pytest.approx(expected["thresholds"], **COEFFICIENT)
    assert found.fit.std_errors == pytest.approx(expected["std_errors"], **STD_ERROR)
    # Sums of 2,007 logarithms and of 400: the last digits differ.
    assert found.fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-12)
    robust = np.sqrt(np.diag(found.covariance.cov))
    assert robust == pytest.approx(expected["cluster_std_errors"], **STD_ERROR)
    assert found.covariance.n_clusters == expected["n_clusters"] == 100
    names = [term.replace("=", "") for term in found.on.terms]
    assert names == expected["terms"]


@pytest.mark.parametrize("family", ["adjusted_ordinal", "matched_ordinal"])
def test_standardised_margins_of_the_members(samples, family):
    sample = samples["ses"]
    matched = family == "matched_ordinal"
    found = fit_cells(sample, sample.weight if matched else np.ones(sample.rows.n), matched=matched)
    on = found.on
    target = (on.member & on.kept).astype(float)
    margins = standardise(found.fit, on.x, 0, target, on.cells.counts, on.cells.squares, on.cluster)
    expected = EXPECTED[family]["logit"]["standardised"]
    assert margins.member == pytest.approx(expected["member"], **COEFFICIENT)
    assert margins.comparison == pytest.approx(expected["comparison"], **COEFFICIENT)
    # R differentiates the margins numerically.
    assert margins.cov == pytest.approx(np.array(expected["cov"]), rel=1e-6, abs=1e-11)


def estimates(sample):
    found = {(one.family, one.population): one for one in family_estimates(sample)}
    return found, {one.family: one for one in found.values()}


def test_the_ordinal_headline_is_the_gap_of_the_same_margins(samples):
    found, _ = estimates(samples["ses"])
    for family in (Family.ADJUSTED_ORDINAL, Family.MATCHED_ORDINAL):
        expected = EXPECTED[family]["logit"]["standardised"]
        gap = np.array(expected["member"]) - np.array(expected["comparison"])
        cov = np.array(expected["cov"])
        one = found[family, Population.MEMBERS]
        for j, level in enumerate(samples["ses"].rows.levels[1:], start=1):
            interval = one.intervals[Contrast(Quantity.RISK_DIFFERENCE, f">={level}", j, True)]
            above = (np.arange(5) >= j).astype(float)
            row = np.concatenate([above, -above])
            assert interval.estimate == pytest.approx(above @ gap, **COEFFICIENT)
            assert interval.std_error == pytest.approx(np.sqrt(row @ cov @ row), **STD_ERROR)


@pytest.mark.parametrize("family", [Family.ADJUSTED_LOGIT, Family.MATCHED_LOGIT])
def test_glm_with_clusters(samples, family):
    sample = samples["trusted_person"]
    matched = family is Family.MATCHED_LOGIT
    expected = EXPECTED[family]
    found = fit_cells(sample, sample.weight if matched else np.ones(sample.rows.n), matched=matched)
    turn = [found.fit.slopes.size, *range(found.fit.slopes.size)]
    coefficients = [-found.fit.thresholds[0], *found.fit.slopes]
    assert coefficients == pytest.approx(expected["coefficients"], **COEFFICIENT)
    assert found.fit.std_errors[turn] == pytest.approx(expected["std_errors"], **STD_ERROR)
    robust = np.sqrt(np.diag(found.covariance.cov))[turn]
    assert robust == pytest.approx(expected["cluster_std_errors"], **STD_ERROR)
    assert found.fit.n_obs == pytest.approx(expected["n"])


@pytest.mark.parametrize(
    ("model", "family"),
    [("ses", Family.CONDITIONAL_ORDINAL), ("trusted_person", Family.CONDITIONAL_LOGIT)],
)
def test_clogit(samples, model, family):
    _, by_family = estimates(samples[model])
    member = by_family[family].coefficients[0]
    assert member.term == "member"
    expected = EXPECTED[family]
    assert member.interval.estimate == pytest.approx(expected["slope"], **COEFFICIENT)
    # The family's standard error is by zone, which clogit refuses with exact sets: that of the
    # likelihood is held on its own.
    inside = samples[model].take(samples[model].matched.set_id >= 0)
    counts = np.eye(len(inside.rows.levels), dtype=np.int64)[inside.rows.outcome]
    x = inside.rows.member[:, None].astype(float)
    fit = fit_conditional(x, counts, inside.matched.set_id)
    assert fit.std_errors[0] == pytest.approx(expected["std_error"], **STD_ERROR)
    assert fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-12)
