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
from coopgap.families.dispatch import family_estimates
from coopgap.families.shares import matched_shares
from coopgap.regression.shares import weighted_shares

from .against_r import COEFFICIENT, FORMS, check_fit, check_gaps, check_sets, fitted
from .conftest import gaps

R = Path(__file__).parents[1] / "r"
EXPECTED = json.loads((R / "fixtures" / "example.json").read_text("utf-8"))
VGLM = json.loads((R / "fixtures" / "vglm.json").read_text("utf-8"))
LINKS = ("logit", "probit", "cloglog")


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


LOGITS = ("adjusted_logit", "matched_logit")
TIED = ("adjusted_proportional", "matched_proportional")


BY_LINK = [(family, link) for family in TIED for link in LINKS]
BY_LINK += [(family, "logit") for family in (*FORMS, *LOGITS) if family not in TIED]


@pytest.mark.parametrize(("family", "link"), BY_LINK)
def test_clm_and_glm_with_clusters(samples, family, link):
    """In R membership free by threshold (clm's nominal) and glm have the logit alone."""
    expected = EXPECTED[family][link] if family in TIED else EXPECTED[family]
    sample = samples["trusted_person" if family in LOGITS else "ses"]
    found = fitted(dataclasses.replace(sample, link=link), family)
    check_fit(found, expected)
    assert found.covariance.n_clusters == 100
    if "slopes" in expected:
        assert [term.replace("=", "") for term in found.on.terms] == expected["terms"]
    if FORMS.get(family) == "free":
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
    found = [interval.estimate for interval in gaps(one).values()]
    assert found == pytest.approx(expected["gaps"], **COEFFICIENT)


def standardised(family):
    if FORMS[family] == "free":
        return EXPECTED[family]["standardised"]["members"]
    return EXPECTED[family]["logit"]["standardised"]


@pytest.mark.parametrize("family", [*FORMS])
def test_the_gaps_of_a_run_are_those_of_the_same_margins(estimates, family):
    one = estimates["ses", family, Population.MEMBERS]
    expected = standardised(family)
    shares = [expected["member"], expected["comparison"]]
    found = np.array([one.margins.member, one.margins.comparison])
    assert found == pytest.approx(np.array(shares), **COEFFICIENT)
    # R differentiates the margins numerically.
    assert one.margins.cov == pytest.approx(np.array(expected["cov"]), rel=1e-6, abs=1e-11)
    check_gaps(one, shares, expected["cov"])
    assert one.form == FORMS[family]
    assert one.fell_back == ""


def test_unadjusted_shares_are_surveys(estimates):
    one = estimates["ses", Family.UNADJUSTED, Population.ALL_MEMBERS]
    expected = EXPECTED["unadjusted"]
    check_gaps(one, expected["shares"], expected["cov"])


def test_matched_shares_are_surveys_with_weights_taken_as_fixed(samples):
    sample = samples["ses"]
    on, margins, kind = matched_shares(sample)
    expected = EXPECTED["shares"]
    assert kind == "cluster CR1"
    cells = on.cells
    plain = weighted_shares(on.member, cells.counts, cells.squares, on.sampled.cluster)
    for found in (margins, plain):
        assert found.member == pytest.approx(expected["shares"][0], **COEFFICIENT)
        assert found.comparison == pytest.approx(expected["shares"][1], **COEFFICIENT)
    assert plain.cov == pytest.approx(np.array(expected["cov"]), rel=1e-9, abs=1e-15)
    # Here covariates explain little beside the zones: both say nearly the same.
    ratio = np.sqrt(np.diag(margins.cov) / np.diag(plain.cov))
    assert 0.95 < ratio.min() < ratio.max() < 1.05


@pytest.mark.parametrize(
    ("model", "family"),
    [("ses", Family.CONDITIONAL_ORDINAL), ("trusted_person", Family.CONDITIONAL_LOGIT)],
)
def test_clogit(samples, estimates, model, family):
    check_sets(samples[model], estimates[model, family, Population.MEMBERS], EXPECTED[family])
