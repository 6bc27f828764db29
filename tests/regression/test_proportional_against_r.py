"""R's numbers (ordinal 2022.11, VGAM 1.1, sandwich 3.0, brglm2 0.9) on the files R read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import unit_scores
from coopgap.regression.ordinal import fit_ordinal, fit_reduced
from coopgap.regression.proportional import likelihood_ratio
from coopgap.regression.standardise import standardise

R = Path(__file__).parents[1] / "r"
EXPECTED = json.loads((R / "fixtures" / "proportional.json").read_text("utf-8"))
VGLM = json.loads((R / "fixtures" / "vglm.json").read_text("utf-8"))
REDUCED = json.loads((R / "fixtures" / "reduced.json").read_text("utf-8"))
LINKS = ("logit", "probit", "cloglog")
# Two programs at convergence: coefficients to 8 digits, standard errors to 6, as both carry more.
COEFFICIENT = {"rel": 1e-8, "abs": 1e-9}
STD_ERROR = {"rel": 1e-6}


def table(name):
    return pd.read_csv(R / "data" / f"{name}.csv", dtype=str)


def indicators(frame, **levels):
    columns = [frame[name] == level for name, used in levels.items() for level in used]
    return np.column_stack(columns).astype(float)


def wine(weighted):
    frame = table("wine")
    weight = 0.5 + (np.arange(len(frame)) % 7) / 4 if weighted else np.ones(len(frame))
    seen = np.eye(5)[frame["rating"].astype(int) - 1] * weight[:, None]
    return indicators(frame, temp=["warm"], contact=["yes"]), seen, frame["judge"].to_numpy()


def housing():
    frame = table("housing")
    x = indicators(
        frame,
        Infl=["Medium", "High"],
        Type=["Apartment", "Atrium", "Terrace"],
        Cont=["High"],
    )
    seen = np.eye(3)[frame["Sat"].map({"Low": 0, "Medium": 1, "High": 2})]
    return x, seen * frame["Freq"].astype(float).to_numpy()[:, None]


def soup():
    frame = table("soup")
    x = indicators(
        frame,
        DAY=["2"],
        SOUPFREQ=["1-4/month", "<1/month"],
        PRODID=["2", "3", "4", "5", "6"],
    )
    return x, np.eye(6)[frame["SURENESS"].astype(int) - 1]


def modulo(n, number):
    """Made clusters: row numbers modulo a number, as in tests/r/proportional.R."""
    return np.arange(n) % number


def check_same(fit, expected, x, counts, cluster):
    assert fit.params == pytest.approx(expected["params"], **COEFFICIENT)
    assert fit.std_errors == pytest.approx(expected["std_errors"], **STD_ERROR)
    assert fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-12)
    robust = cluster_covariance(fit.bread, unit_scores(fit, x), counts, counts**2, cluster)
    # R differentiates each row's log-likelihood numerically.
    found = np.sqrt(np.diag(robust.cov))
    assert found == pytest.approx(expected["cluster_std_errors"], **STD_ERROR)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("link", LINKS)
def test_freed_wine(link, weighted):
    x, counts, judge = wine(weighted)
    expected = EXPECTED["freed"][link]["wine_weighted" if weighted else "wine"]
    check_same(fit_ordinal(x, counts, link=link, free=(1,)), expected, x, counts, judge)
    assert len(np.unique(judge)) == 9


@pytest.mark.parametrize("weighted", [False, True])
def test_vglm_wine_with_contact_not_parallel(weighted):
    x, counts, judge = wine(weighted)
    expected = VGLM["wine_weighted" if weighted else "wine"]
    fit = fit_ordinal(x, counts, free=(1,))
    assert fit.freed[0] == pytest.approx(expected["free"], **COEFFICIENT)
    assert fit.slopes[0] == pytest.approx(expected["slopes"], **COEFFICIENT)
    assert fit.thresholds == pytest.approx(expected["thresholds"], **COEFFICIENT)
    assert fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-12)
    margins = standardise(fit, x, 1, x[:, 1], counts, counts**2, judge)
    above = np.cumsum((margins.member - margins.comparison)[::-1])[::-1][1:]
    assert above == pytest.approx(expected["gaps"], **COEFFICIENT)


@pytest.mark.parametrize("link", LINKS)
def test_freed_housing(link):
    x, counts = housing()
    fit = fit_ordinal(x, counts, link=link, free=(0, 1))
    check_same(fit, EXPECTED["freed"][link]["housing"], x, counts, modulo(len(x), 13))


@pytest.mark.parametrize("link", LINKS)
def test_freed_soup(link):
    x, counts = soup()
    fit = fit_ordinal(x, counts, link=link, free=(3, 4, 5, 6, 7))
    check_same(fit, EXPECTED["freed"][link]["soup"], x, counts, modulo(len(x), 37))


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize(("name", "n_clusters"), [("soup", 37), ("housing", 13)])
def test_tied_fits_with_clusters(name, n_clusters, link):
    x, counts = soup() if name == "soup" else housing()
    fit, expected = fit_ordinal(x, counts, link=link), EXPECTED[name][link]
    assert fit.slopes == pytest.approx(expected["slopes"], **COEFFICIENT)
    assert fit.thresholds == pytest.approx(expected["thresholds"], **COEFFICIENT)
    assert fit.std_errors == pytest.approx(expected["std_errors"], **STD_ERROR)
    cluster = modulo(len(x), n_clusters)
    robust = cluster_covariance(fit.bread, unit_scores(fit, x), counts, counts**2, cluster)
    found = np.sqrt(np.diag(robust.cov))
    assert found == pytest.approx(expected["cluster_std_errors"], **STD_ERROR)
    assert robust.n_clusters == expected["n_clusters"] == n_clusters


def test_likelihood_ratios_of_housing():
    x, counts = housing()
    expected = EXPECTED["ratio"]
    assert expected["terms"] == ["Infl", "Type", "Cont"]
    for number, columns in enumerate(([0, 1], [2, 3, 4], [5])):
        found = likelihood_ratio(x, counts, columns)
        assert found.df == expected["df"][number]
        # Twelve digits of a log-likelihood near 1,700 leave eight of the ratio.
        assert found.statistic == pytest.approx(expected["statistic"][number], rel=1e-7)
        assert found.p_value == pytest.approx(expected["p_value"][number], rel=1e-6)


@pytest.mark.parametrize("link", ["logit", "probit"])
@pytest.mark.parametrize("name", ["wine", "housing"])
def test_bias_reduced_fits_equal_brglm2(name, link):
    if name == "wine":
        x, seen, _ = wine(weighted=False)
        counts = np.column_stack([seen[:, :1].sum(axis=1), seen[:, 1:].sum(axis=1)])
    else:
        x, seen = housing()
        counts = np.column_stack([seen[:, :2].sum(axis=1), seen[:, 2]])
    fit = fit_reduced(x, counts, link=link)
    expected = REDUCED[link][name]
    found = [-fit.thresholds[0], *fit.slopes]
    assert found == pytest.approx(expected["coefficients"], **COEFFICIENT)
    errors = [fit.std_errors[-1], *fit.std_errors[:-1]]
    assert errors == pytest.approx(expected["std_errors"], **STD_ERROR)


def test_clustered_freed_fit_by_hand():
    """One row a person and cells give the same sandwich; the scores vanish over all people."""
    x, counts, judge = wine(weighted=True)
    fit = fit_ordinal(x, counts, free=(1,))
    scores = np.einsum("cj,cjp->cp", counts, unit_scores(fit, x))
    assert scores.sum(axis=0) == pytest.approx(np.zeros(scores.shape[1]), abs=1e-8)
    cluster = np.unique(judge, return_inverse=True)[1]
    sums = np.array([scores[cluster == g].sum(axis=0) for g in range(9)])
    expected = 9 / 8 * fit.cov @ sums.T @ sums @ fit.cov
    found = cluster_covariance(fit.cov, unit_scores(fit, x), counts, counts**2, cluster)
    assert found.cov == pytest.approx(expected)
