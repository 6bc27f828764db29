"""The example survey in R and through the study: clm, vglm, glm, clogit, sandwich and survey.

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

from coopgap.app.plan import make_plan
from coopgap.core.vocabulary import Family, Population
from coopgap.families.cells import fit_form
from coopgap.families.dispatch import family_estimates
from coopgap.families.shares import matched_shares
from coopgap.regression.conditional import fit_conditional
from coopgap.regression.shares import weighted_shares

R = Path(__file__).parents[1] / "r"
EXPECTED = json.loads((R / "fixtures" / "example.json").read_text("utf-8"))
VGLM = json.loads((R / "fixtures" / "vglm.json").read_text("utf-8"))
LINKS = ("logit", "probit", "cloglog")
FORMS = {
    "adjusted_ordinal": "free",
    "adjusted_proportional": "proportional",
    "matched_ordinal": "free",
    "matched_proportional": "proportional",
}
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


@pytest.fixture(scope="module")
def estimates(samples):
    """Every family of both models, by model, family and population."""
    return {
        (name, one.family, one.population): one
        for name, sample in samples.items()
        for one in family_estimates(sample)
    }


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


def fitted(sample, family):
    """The cells and fit of a family."""
    matched = family.startswith("matched")
    weight = sample.weight if matched else sample.rows.weight
    return fit_form(sample, weight, FORMS.get(family, "proportional"), matched=matched).fit


def check_fit(found, expected):
    fit = found.fit
    assert found.infinite == ()
    assert fit.n_obs == pytest.approx(expected["n"])
    assert fit.std_errors == pytest.approx(expected["std_errors"], **STD_ERROR)
    # Sums of 2,007 logarithms and of 400: the last digits differ.
    assert fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-12)
    robust = np.sqrt(np.diag(found.covariance.cov))
    assert robust == pytest.approx(expected["cluster_std_errors"], **STD_ERROR)
    assert found.covariance.n_clusters == expected["n_clusters"] == 100


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("family", ["adjusted_proportional", "matched_proportional"])
def test_clm_with_clusters(samples, family, link):
    found = fitted(dataclasses.replace(samples["ses"], link=link), family)
    expected = EXPECTED[family][link]
    check_fit(found, expected)
    assert found.fit.slopes == pytest.approx(expected["slopes"], **COEFFICIENT)
    assert found.fit.thresholds == pytest.approx(expected["thresholds"], **COEFFICIENT)
    names = [term.replace("=", "") for term in found.on.terms]
    assert names == expected["terms"]


@pytest.mark.parametrize("family", ["adjusted_ordinal", "matched_ordinal"])
def test_clm_with_nominal_membership(samples, family):
    found = fitted(samples["ses"], family)
    check_fit(found, EXPECTED[family])
    assert found.fit.params == pytest.approx(EXPECTED[family]["params"], **COEFFICIENT)
    assert found.fit.freed.shape == (1, 4)


@pytest.mark.parametrize("family", ["adjusted_ordinal", "matched_ordinal"])
def test_vglm_with_membership_not_parallel(samples, estimates, family):
    found = fitted(samples["ses"], family)
    expected = VGLM["example_" + family.partition("_")[0]]
    assert found.fit.freed[0] == pytest.approx(expected["free"], **COEFFICIENT)
    assert found.fit.thresholds == pytest.approx(expected["thresholds"], **COEFFICIENT)
    assert found.fit.slopes == pytest.approx(expected["slopes"], **COEFFICIENT)
    assert found.fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-12)
    population = Population.MEMBERS if family == "matched_ordinal" else Population.ALL_MEMBERS
    one = estimates["ses", family, population]
    gaps = [interval.estimate for contrast, interval in one.intervals.items() if is_gap(contrast)]
    assert gaps[::-1] == pytest.approx(expected["gaps"], **COEFFICIENT)


def standardised(family):
    if FORMS[family] == "free":
        return EXPECTED[family]["standardised"]["members"]
    return EXPECTED[family]["logit"]["standardised"]


def is_gap(contrast):
    return contrast.is_threshold_gap


@pytest.mark.parametrize("family", [*FORMS])
def test_the_gaps_of_a_run_are_those_of_the_same_margins(estimates, family):
    one = estimates["ses", family, Population.MEMBERS]
    expected = standardised(family)
    shares = [expected["member"], expected["comparison"]]
    found = np.array([one.margins.member, one.margins.comparison])
    assert found == pytest.approx(np.array(shares), **COEFFICIENT)
    # R differentiates the margins numerically.
    assert one.margins.cov == pytest.approx(np.array(expected["cov"]), rel=1e-6, abs=1e-11)
    check_gaps(one, shares, np.array(expected["cov"]))
    assert one.form == FORMS[family]
    assert one.fell_back == ""


def check_gaps(one, shares, cov):
    """Gap and standard error at every threshold, from shares (2, 5) and their covariance."""
    for contrast in filter(is_gap, one.intervals):
        interval = one.intervals[contrast]
        above = (np.arange(5) >= contrast.level).astype(float)
        row = np.concatenate([above, -above])
        assert interval.estimate == pytest.approx(row @ np.ravel(shares), **COEFFICIENT)
        assert interval.std_error == pytest.approx(np.sqrt(row @ cov @ row), **STD_ERROR)


def test_unadjusted_shares_are_surveys(estimates):
    one = estimates["ses", Family.UNADJUSTED, Population.ALL_MEMBERS]
    expected = EXPECTED["unadjusted"]
    check_gaps(one, expected["shares"], np.array(expected["cov"]))


def test_matched_shares_are_surveys_with_weights_taken_as_fixed(samples):
    sample = samples["ses"]
    on, margins, kind = matched_shares(sample)
    expected = EXPECTED["shares"]
    assert kind == "cluster CR1"
    cells = on.cells
    plain = weighted_shares(on.member, cells.counts, cells.squares, on.cluster)
    for found in (margins, plain):
        assert found.member == pytest.approx(expected["shares"][0], **COEFFICIENT)
        assert found.comparison == pytest.approx(expected["shares"][1], **COEFFICIENT)
    assert plain.cov == pytest.approx(np.array(expected["cov"]), rel=1e-9, abs=1e-15)
    # Here covariates explain little beside the zones: both say nearly the same.
    ratio = np.sqrt(np.diag(margins.cov) / np.diag(plain.cov))
    assert 0.95 < ratio.min() < ratio.max() < 1.05


@pytest.mark.parametrize("family", [Family.ADJUSTED_LOGIT, Family.MATCHED_LOGIT])
def test_glm_with_clusters(samples, family):
    sample = samples["trusted_person"]
    expected = EXPECTED[family]
    found = fitted(sample, family)
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
def test_clogit(samples, estimates, model, family):
    member = estimates[model, family, Population.MEMBERS].coefficients[0]
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
