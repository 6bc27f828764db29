"""Least squares by formula against R (covariance.R, linear.R), statsmodels and the command."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import coopgap as cg
from coopgap.regression.linear import fit_linear

COEFFICIENT = {"rel": 1e-8, "abs": 1e-9}
STD_ERROR = {"rel": 1e-6}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR1S", "CR2", "HC0", "HC1", "HC3"])
def test_lm_with_sandwiches(infert, fixture, kind, weighted):
    expected = fixture("covariance")["lm"]["weighted" if weighted else "plain"]
    vcov = {kind: "cluster"} if kind.startswith("CR") else kind
    fit = cg.linear(
        "case ~ spontaneous + induced + age",
        infert,
        weights="w" if weighted else None,
        vcov=vcov,
    )
    tidy = fit.tidy()
    assert tidy["estimate"].to_numpy() == pytest.approx(expected["coefficients"], **COEFFICIENT)
    errors = np.sqrt(np.diag(expected[kind]))
    # Weighted, another root of the same adjustment: see the notes of `cluster_covariance`.
    loose = {"rel": 0.02} if weighted and kind == "CR2" else STD_ERROR
    assert tidy["std_error"].to_numpy() == pytest.approx(errors, **loose)


@pytest.mark.parametrize("weighted", [False, True])
def test_statsmodels(infert, weighted):
    chosen = {"weights": infert["w"]} if weighted else {}
    model = smf.wls if weighted else smf.ols
    theirs = model("case ~ member + C(education)", infert, **chosen).fit()
    fit = cg.linear(
        "case ~ member + education", infert, weights="w" if weighted else None, vcov="iid"
    )
    tidy = fit.tidy().set_index("term")
    assert tidy.loc["member", "estimate"] == pytest.approx(theirs.params["member"])
    assert tidy.loc["member", "std_error"] == pytest.approx(theirs.bse["member"])
    assert tidy.loc["member", "p_value"] == pytest.approx(theirs.pvalues["member"])
    glance = fit.glance().iloc[0]
    assert glance["r2"] == pytest.approx(theirs.rsquared)
    assert glance["sigma"] == pytest.approx(np.sqrt(theirs.scale))
    assert glance["df_residual"] == theirs.df_resid
    assert fit.predict(infert.head()).to_numpy() == pytest.approx(theirs.predict(infert.head()))


def test_absorbed_sets_are_those_of_r(infert, fixture):
    expected = fixture("linear")
    chosen = {"weights": "w", "vcov": {"CR1": "cluster"}}
    row = cg.linear("case ~ member | pooled", infert, **chosen).tidy().iloc[0]
    assert row["estimate"] == pytest.approx(expected["estimate"], **COEFFICIENT)
    assert row["std_error"] == pytest.approx(expected["cluster_std_error"], **STD_ERROR)
    alone = cg.linear("case ~ member | pooled", infert, weights="w", vcov="HC0").tidy().iloc[0]
    assert alone["std_error"] == pytest.approx(expected["hc0_std_error"], **STD_ERROR)
    cr2 = cg.linear("case ~ member | pooled", infert, vcov={"CR2": "cluster"}).slopes()[0]
    plain = expected["cr2_plain"]
    assert cr2.estimate == pytest.approx(plain["estimate"], **COEFFICIENT)
    assert [cr2.std_error, cr2.df] == pytest.approx([plain["std_error"], plain["df"]], **STD_ERROR)


@pytest.mark.parametrize("kind", ["CR1", "CR2"])
def test_absorbed_sets_are_the_commands(infert, kind):
    row = cg.linear("case ~ member | pooled", infert, weights="w", vcov={kind: "cluster"}).slopes()[
        0
    ]
    own = fit_linear(
        infert["case"].to_numpy(float),
        infert["member"].to_numpy() == 1,
        infert["w"].to_numpy(),
        infert["pooled"].to_numpy(),
        infert["cluster"].to_numpy(),
        kind=kind,
    )
    assert row.estimate == pytest.approx(own.estimate, rel=1e-9)
    assert row.std_error == pytest.approx(own.std_error, rel=1e-9)
    assert row.df == pytest.approx(own.df, rel=1e-9)


def test_covariates_beside_absorbed_sets(infert):
    fit = cg.linear("case ~ member + induced | pooled", infert, weights="w", vcov="iid")
    theirs = smf.wls("case ~ member + induced + C(pooled)", infert, weights=infert["w"]).fit()
    tidy = fit.tidy().set_index("term")
    for term in ("member", "induced"):
        assert tidy.loc[term, "estimate"] == pytest.approx(theirs.params[term])
        assert tidy.loc[term, "std_error"] == pytest.approx(theirs.bse[term])
    assert fit.glance()["df_residual"].item() == theirs.df_resid


def test_two_ways_of_clustering(infert):
    theirs = smf.ols("case ~ member", infert).fit(
        cov_type="cluster",
        cov_kwds={"groups": infert[["cluster", "pooled"]].to_numpy(), "use_correction": False},
    )
    ours = cg.linear("case ~ member", infert, vcov={"CR0": "cluster + pooled"}).tidy()
    assert ours["std_error"].to_numpy() == pytest.approx(theirs.bse.to_numpy(), rel=1e-9)


def test_refusals(infert):
    with pytest.raises(cg.InputError, match="vcov: is CR2 beside absorbed sets"):
        cg.linear("case ~ member + induced | pooled", infert, vcov={"CR2": "cluster"})
    with pytest.raises(cg.NotEstimable, match="pooled constant within sets"):
        cg.linear("case ~ member + pooled | pooled", infert)
    with pytest.raises(cg.InputError, match="names 2 terms behind"):
        cg.linear("case ~ member | pooled + age", infert)
    with pytest.raises(cg.InputError, match="has 3 different answers"):
        cg.linear("education ~ member", infert.assign(education=infert["education"].astype(str)))
    assert isinstance(cg.linear("case ~ member", infert).predict(), pd.Series)
