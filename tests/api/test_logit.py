"""Binary fits by formula against R's glm and sandwich, and statsmodels."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import coopgap as cg

COEFFICIENT = {"rel": 1e-8, "abs": 1e-9}
STD_ERROR = {"rel": 1e-6}


@pytest.mark.parametrize("weighted", [False, True])
def test_glm_infert(infert, fixture, weighted):
    expected = fixture("binary")["logit"]["infert_weighted" if weighted else "infert"]
    formula, chosen = "case ~ spontaneous + induced + age", {"weights": "w" if weighted else None}
    fit = cg.logit(formula, infert, vcov="iid", **chosen)
    tidy = fit.tidy()
    assert tidy["term"].tolist() == ["Intercept", "spontaneous", "induced", "age"]
    assert tidy["estimate"].to_numpy() == pytest.approx(expected["coefficients"], **COEFFICIENT)
    assert tidy["std_error"].to_numpy() == pytest.approx(expected["std_errors"], **STD_ERROR)
    for vcov, key in (({"CR1": "stratum"}, "cluster_std_errors"), ("HC0", "hc0_std_errors")):
        errors = cg.logit(formula, infert, vcov=vcov, **chosen).tidy()["std_error"]
        assert errors.to_numpy() == pytest.approx(expected[key], **STD_ERROR)


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC3", "CR0", "CR1", "CR1S"])
def test_sandwiches_of_lalonde(lalonde, fixture, kind):
    expected = fixture("binary")["lalonde"]
    frame = lalonde.assign(
        none=(lalonde["re78"] <= 0) * 1,
        race=pd.Categorical(lalonde["race"], ["white", "black", "hispan"]),
    )
    vcov = {kind: "age"} if kind.startswith("CR") else kind
    fit = cg.logit(
        "none ~ treat + educ + race + married + nodegree + I(re75 / 1000)", frame, vcov=vcov
    )
    tidy = fit.tidy()
    # There the upper answer is to have earned something: every sign is the other.
    assert (-tidy["estimate"]).to_numpy() == pytest.approx(expected["coefficients"], **COEFFICIENT)
    assert tidy["std_error"].to_numpy() == pytest.approx(expected["robust"][kind], **STD_ERROR)


def test_cr2_is_clubsandwichs(fixture, infert):
    expected = fixture("linear")["cr2_shares"]
    found = cg.logit("case ~ member", infert, vcov={"CR2": "cluster"}).tidy().set_index("term")
    assert found.loc["member", "estimate"] == pytest.approx(expected["estimate"], **COEFFICIENT)
    assert found.loc["member", "std_error"] == pytest.approx(expected["std_error"], **STD_ERROR)


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_statsmodels(infert, link):
    model = {"logit": smf.logit, "probit": smf.probit}[link]
    theirs = model("case ~ member + age", infert).fit(disp=0)
    ours = cg.logit("case ~ member + age", infert, link=link, vcov="iid")
    glance, tidy = ours.glance().iloc[0], ours.tidy()
    assert tidy["estimate"].to_numpy() == pytest.approx(theirs.params.to_numpy(), rel=1e-6)
    assert tidy["std_error"].to_numpy() == pytest.approx(theirs.bse.to_numpy(), rel=1e-6)
    assert glance["log_lik"] == pytest.approx(theirs.llf)
    assert glance["pseudo_r2"] == pytest.approx(theirs.prsquared)
    assert [glance["aic"], glance["bic"]] == pytest.approx([theirs.aic, theirs.bic])
    assert ours.predict().to_numpy() == pytest.approx(np.asarray(theirs.predict()), rel=1e-6)
    new = infert.head(4)
    assert ours.predict(new).to_numpy() == pytest.approx(theirs.predict(new).to_numpy(), rel=1e-6)


def test_weighted_fits_have_no_aic(infert):
    glance = cg.logit("case ~ member", infert, weights="w").glance().iloc[0]
    assert np.isnan(glance["aic"])
    assert np.isnan(glance["bic"])
    theirs = smf.glm(
        "case ~ member", infert, family=sm.families.Binomial(), freq_weights=infert["w"]
    )
    assert glance["log_lik"] == pytest.approx(theirs.fit().llf)


@pytest.mark.parametrize(
    "outcome",
    [
        lambda y: y == 1,
        lambda y: pd.Categorical.from_codes(y, ["no", "yes"], ordered=True),
        lambda y: pd.array(y, dtype="Int64"),
        lambda y: pd.array(y == 1, dtype="boolean"),
    ],
    ids=["bool", "categories", "Int64", "boolean"],
)
def test_outcomes_of_two_answers(infert, outcome):
    other = cg.logit("y ~ member", infert.assign(y=outcome(infert["case"])))
    pd.testing.assert_frame_equal(other.tidy(), cg.logit("case ~ member", infert).tidy())


def test_an_outcome_by_expression(example):
    first = cg.logit("I(age > 40) ~ member", example)
    second = cg.logit("old ~ member", example.assign(old=example["age"] > 40))
    pd.testing.assert_frame_equal(first.tidy(), second.tidy())


def test_more_than_two_answers_are_refused(wine):
    with pytest.raises(cg.InputError, match="data: rating: has 5 different answers; allowed: two"):
        cg.logit("rating ~ contact", wine)


def test_a_level_that_the_fit_has_not_seen(wine):
    fit = cg.ordinal("rating ~ temp", wine)
    with pytest.raises(cg.InputError, match="newdata: temp: 1 rows have a level"):
        fit.predict({"temp": ["warm", "hot"]})
    with pytest.raises(cg.InputError, match="newdata: no column 'temp'"):
        fit.predict({"contact": ["yes"]})


def test_a_design_stands_for_weights_and_clusters(example):
    design = cg.Design(zone=("zone",), weight="w")
    frame = example.assign(w=1 + example["age"] % 2)
    first = cg.logit("trusts ~ member", frame, design=design)
    second = cg.logit("trusts ~ member", frame, weights="w", vcov={"CR1": "zone"})
    pd.testing.assert_frame_equal(first.tidy(), second.tidy())
    few = frame[frame["zone"] <= 40]
    third = cg.logit("trusts ~ member", few, design=design)
    assert third.glance()["vcov"].item() == "cluster CR2"
