"""R's numbers (tests/r, ordinal 2022.11, survival 3.5, sandwich 3.0) on the files R read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from coopgap.gap import contrasts, estimate_contrasts
from coopgap.regression.binary import fit_logit
from coopgap.regression.conditional import conditional_covariance, fit_conditional
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.linear import fit_linear
from coopgap.regression.ordinal import fit_ordinal, unit_scores
from coopgap.regression.shares import cr2_share_margins
from coopgap.regression.standardise import standardise
from coopgap.vocabulary import Quantity

R = Path(__file__).parents[1] / "r"
LINKS = ("logit", "probit", "cloglog")
# Two programs at convergence: coefficients to 8 digits, standard errors to 6, as both carry more.
COEFFICIENT = {"rel": 1e-8, "abs": 1e-9}
STD_ERROR = {"rel": 1e-6}


def fixture(name):
    return json.loads((R / "fixtures" / f"{name}.json").read_text(encoding="utf-8"))


def table(name):
    return pd.read_csv(R / "data" / f"{name}.csv")


def weights(n):
    return 0.5 + (np.arange(n) % 7) / 4


def indicators(frame, **levels):
    columns = [frame[name] == level for name, used in levels.items() for level in used]
    return np.column_stack(columns).astype(float)


def one_hot(levels, n_levels):
    return np.eye(n_levels)[np.asarray(levels)]


def wine(weighted):
    frame = table("wine")
    w = weights(len(frame)) if weighted else np.ones(len(frame))
    seen = one_hot(frame["rating"].astype(int) - 1, 5)
    x = indicators(frame, contact=["yes"], temp=["warm"])
    return x, seen * w[:, None], seen * w[:, None] ** 2, frame["judge"].to_numpy()


def infert():
    frame = table("infert")
    case = frame["case"].to_numpy()
    return (
        frame,
        frame[["spontaneous", "induced"]].to_numpy(float),
        np.column_stack([1 - case, case]),
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("link", LINKS)
def test_clm_wine(link, weighted):
    x, counts, squares, judge = wine(weighted)
    expected = fixture("ordinal")[link]["wine_weighted" if weighted else "wine"]
    fit = fit_ordinal(x, counts, link=link)
    assert fit.slopes == pytest.approx(expected["slopes"], **COEFFICIENT)
    assert fit.thresholds == pytest.approx(expected["thresholds"], **COEFFICIENT)
    assert fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-12)
    assert fit.std_errors == pytest.approx(expected["std_errors"], **STD_ERROR)
    robust = cluster_covariance(fit.bread, unit_scores(fit, x), counts, squares, judge)
    assert robust.n_clusters == expected["n_clusters"] == 9
    assert robust.cov == pytest.approx(np.array(expected["cluster_cov"]), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("link", LINKS)
def test_clm_housing(link):
    frame = table("housing")
    x = indicators(
        frame,
        Infl=["Medium", "High"],
        Type=["Apartment", "Atrium", "Terrace"],
        Cont=["High"],
    )
    counts = one_hot(frame["Sat"].map({"Low": 0, "Medium": 1, "High": 2}), 3)
    fit = fit_ordinal(x, counts * frame["Freq"].to_numpy()[:, None], link=link)
    expected = fixture("ordinal")[link]["housing"]
    assert fit.slopes == pytest.approx(expected["slopes"], **COEFFICIENT)
    assert fit.thresholds == pytest.approx(expected["thresholds"], **COEFFICIENT)
    assert fit.std_errors == pytest.approx(expected["std_errors"], **STD_ERROR)
    assert fit.n_obs == 1681


@pytest.mark.parametrize("population", ["members", "everybody"])
@pytest.mark.parametrize("weighted", [False, True])
def test_standardised_margins_of_wine(weighted, population):
    x, counts, squares, judge = wine(weighted)
    name = "wine_weighted" if weighted else "wine"
    expected = fixture("ordinal")["standardised"][name][population]
    target = x[:, 0] if population == "members" else np.ones(len(x))
    found = standardise(fit_ordinal(x, counts), x, 0, target, counts, squares, judge)
    assert found.member == pytest.approx(expected["member"], **COEFFICIENT)
    assert found.comparison == pytest.approx(expected["comparison"], **COEFFICIENT)
    # R differentiates numerically (numDeriv).
    assert found.cov == pytest.approx(np.array(expected["cov"]), rel=1e-6, abs=1e-11)


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_glm_esoph(link):
    frame = table("esoph")
    x = indicators(
        frame,
        alcgp=["40-79", "80-119", "120+"],
        tobgp=["10-19", "20-29", "30+"],
        agegp=["35-44", "45-54", "55-64", "65-74", "75+"],
    )
    counts = frame[["ncontrols", "ncases"]].to_numpy(float)
    expected = fixture("binary")[link]["esoph"]
    fit = fit_ordinal(x, counts, link=link)
    found = np.concatenate([-fit.thresholds, fit.slopes])
    assert found == pytest.approx(expected["coefficients"], **COEFFICIENT)
    if link == "logit":  # glm reports expected information; observed equals it for logit only
        order = [fit.slopes.size, *range(fit.slopes.size)]
        assert fit.std_errors[order] == pytest.approx(expected["std_errors"], **STD_ERROR)


@pytest.mark.parametrize("weighted", [False, True])
def test_glm_infert_logit_with_clusters(weighted):
    frame, x, case = infert()
    x = np.column_stack([x, frame["age"]])
    w = weights(len(frame)) if weighted else np.ones(len(frame))
    counts, squares = case * w[:, None], case * w[:, None] ** 2
    expected = fixture("binary")["logit"]["infert_weighted" if weighted else "infert"]
    fit = fit_logit(x, counts[:, 1], counts[:, 0])
    order = [3, 0, 1, 2]
    found = np.concatenate([-fit.thresholds, fit.slopes])
    assert found == pytest.approx(expected["coefficients"], **COEFFICIENT)
    assert fit.std_errors[order] == pytest.approx(expected["std_errors"], **STD_ERROR)
    scores = unit_scores(fit, x)
    for cluster, key in (
        (frame["stratum"].to_numpy(), "cluster_std_errors"),
        (None, "hc0_std_errors"),
    ):
        cov = cluster_covariance(fit.bread, scores, counts, squares, cluster).cov
        assert np.sqrt(np.diag(cov))[order] == pytest.approx(expected[key], **STD_ERROR)


@pytest.mark.parametrize(
    ("name", "stratum"), [("infert", "stratum"), ("infert_pooled", "pooled.stratum")]
)
def test_clogit_infert(name, stratum):
    frame, x, case = infert()
    expected = fixture("conditional")[name]
    fit = fit_conditional(x, case, frame[stratum].to_numpy())
    assert fit.slopes == pytest.approx(expected["slopes"], **COEFFICIENT)
    assert fit.std_errors == pytest.approx(expected["std_errors"], **STD_ERROR)
    assert fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-12)
    if name == "infert":
        # R's help page of clogit: 1.985876 (0.352444), 1.409012 (0.360712), -64.202237.
        assert fit.slopes == pytest.approx([1.985876, 1.409012], abs=5e-7)
        assert fit.std_errors == pytest.approx([0.352444, 0.360712], abs=5e-7)
        assert fit.log_likelihood == pytest.approx(-64.202237, abs=5e-7)


def test_clogit_wine_one_copy_a_cut():
    x, counts, _, judge = wine(weighted=False)
    fit = fit_conditional(x, counts.astype(np.int64), judge)
    expected = fixture("conditional")["wine"]
    assert fit.slopes == pytest.approx(expected["slopes"], **COEFFICIENT)
    assert fit.cov == pytest.approx(np.array(expected["cov"]), **STD_ERROR)
    assert fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-12)
    assert conditional_covariance(fit, x, counts.astype(np.int64), judge, judge).n_clusters == 9


def test_lm_infert_with_absorbed_sets():
    frame, x, case = infert()
    cluster = frame["parity"] * 5 + frame["age"] % 5
    data = (case[:, 1].astype(float), x[:, 0] > 0, weights(len(frame)))
    sets = frame["pooled.stratum"].to_numpy(np.int64)
    expected = fixture("linear")
    fit = fit_linear(*data, sets, cluster.to_numpy(np.int64))
    assert fit.estimate == pytest.approx(expected["estimate"], **COEFFICIENT)
    assert fit.std_error == pytest.approx(expected["cluster_std_error"], **STD_ERROR)
    assert fit.n_clusters == expected["n_clusters"]
    alone = fit_linear(*data, sets, None)
    assert alone.std_error == pytest.approx(expected["hc0_std_error"], **STD_ERROR)


@pytest.mark.parametrize("weighted", [False, True])
def test_cr2_of_absorbed_sets_is_clubsandwichs(weighted):
    frame, x, case = infert()
    cluster = (frame["parity"] * 5 + frame["age"] % 5).to_numpy(np.int64)
    weight = weights(len(frame)) if weighted else np.ones(len(frame))
    sets = frame["pooled.stratum"].to_numpy(np.int64)
    y, member = case[:, 1].astype(float), x[:, 0] > 0
    expected = fixture("linear")["cr2_weighted" if weighted else "cr2_plain"]
    fit = fit_linear(y, member, weight, sets, cluster, kind="CR2")
    assert fit.kind == "cluster CR2"
    assert fit.estimate == pytest.approx(expected["estimate"], **COEFFICIENT)
    # With unequal weights clubSandwich takes another root of the same shrinkage.
    close = 0.02 if weighted else 1e-6
    assert fit.std_error == pytest.approx(expected["std_error"], rel=close)
    assert fit.df == pytest.approx(expected["df"], rel=close)


def test_cr2_of_shares_is_clubsandwichs_logit_on_membership_alone():
    frame, x, case = infert()
    cluster = (frame["parity"] * 5 + frame["age"] % 5).to_numpy(np.int64)
    member = x[:, 0] > 0
    expected = fixture("linear")["cr2_shares"]
    found = cr2_share_margins(case[:, 1].astype(int), member, np.ones(len(x)), 2, cluster)
    (ratio,) = (one for one in contrasts(("no", "yes")) if one.quantity is Quantity.ODDS_RATIO)
    interval = estimate_contrasts(found, ("no", "yes"))[ratio]
    assert np.log(interval.estimate) == pytest.approx(expected["estimate"], **COEFFICIENT)
    assert interval.std_error == pytest.approx(expected["std_error"], **STD_ERROR)
    half = stats.t.ppf(0.975, expected["df"]) * expected["std_error"]
    assert np.log(interval.upper / interval.estimate) == pytest.approx(half, **STD_ERROR)


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_svyolr_wine(link):
    x, counts, squares, judge = wine(weighted=True)
    expected = fixture("survey")[link]
    fit = fit_ordinal(x, counts, link=link)
    assert fit.params == pytest.approx(expected["estimates"], **COEFFICIENT)
    robust = cluster_covariance(fit.bread, unit_scores(fit, x), counts, squares, judge)
    # svyolr's Hessian is by finite differences: six digits at most.
    found = np.sqrt(np.diag(robust.cov))
    assert found == pytest.approx(expected["std_errors"], rel=5e-6)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("Rscript") is None, reason="needs R")
def test_r_writes_the_same_bytes_again(tmp_path):
    for folder in ("data", "fixtures"):
        (tmp_path / folder).mkdir()
    packages = (
        "for (p in c('ordinal', 'survival', 'sandwich', 'MASS', 'jsonlite', 'numDeriv', 'MatchIt'))"
    )
    test = f"{packages} if (!requireNamespace(p, quietly = TRUE)) quit(status = 3)"
    if subprocess.run(["Rscript", "-e", test], check=False).returncode:
        pytest.skip("needs the R packages of tests/r")
    subprocess.run(
        ["Rscript", "tests/r/all.R"],
        check=True,
        cwd=R.parents[1],
        env={
            **os.environ,
            "COOPGAP_R_OUT": str(tmp_path / "fixtures"),
            "COOPGAP_R_DATA": str(tmp_path / "data"),
        },
    )
    written = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.*"))
    kept = {path.relative_to(R) for path in (*R.glob("data/*"), *R.glob("fixtures/*"))}
    assert set(written) == kept - {Path("fixtures/uganda.json")}  # needs a file from outside
    for path in written:
        assert (tmp_path / path).read_bytes() == (R / path).read_bytes(), path
