"""R's numbers (tests/r, ordinal 2022.11, survival 3.5, sandwich 3.0) on the files R read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from coopgap.core.gap import contrasts, estimate_contrasts
from coopgap.core.vocabulary import Quantity
from coopgap.regression.conditional import conditional_covariance, fit_conditional
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import unit_information, unit_scores
from coopgap.regression.linear import fit_linear
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.shares import share_margins
from coopgap.regression.standardise import standardise

R = Path(__file__).parents[1] / "r"
LINKS = ("logit", "probit", "cloglog")
# Two programs at convergence: coefficients to 8 digits, standard errors to 6, as both carry more.
COEFFICIENT = {"rel": 1e-8, "abs": 1e-9}
STD_ERROR = {"rel": 1e-6}
# F and F' of each link, written once more.
CURVES = {
    "logit": (special.expit, stats.logistic.pdf),
    "probit": (stats.norm.cdf, stats.norm.pdf),
    "cloglog": (lambda eta: -np.expm1(-np.exp(eta)), lambda eta: np.exp(eta - np.exp(eta))),
}


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


def test_polr_is_no_reference():
    """It stops short: clm and this package agree beyond the digits in which polr leaves them."""
    x, counts, _, _ = wine(weighted=False)
    fit, short = fit_ordinal(x, counts), fixture("ordinal")["polr"]
    there = np.array([*short["slopes"], *short["thresholds"]])
    off = np.abs(there - fit.params).max()
    assert 1e-6 < off < 1e-4
    converged = fixture("ordinal")["logit"]["wine"]
    exact = np.array([*converged["slopes"], *converged["thresholds"]])
    assert np.abs(exact - fit.params).max() < 1e-8


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


class AsGlm:
    """A fit of two levels, yes the lower one: P(yes) = F(θ − x'b), so that glm has (θ, −b).

    glm's bread is the inverse of the expected information, which is the observed one for the
    logit alone: it is put together here from F and F'.
    """

    def __init__(self, x, yes_no, link):
        self.x, self.link = x, link
        self.fit = fit_ordinal(x, yes_no, link=link)
        self.turn = np.zeros((self.fit.params.size,) * 2)
        self.turn[0, -1], self.turn[1:, :-1] = 1, -np.eye(self.fit.slopes.size)
        rows = np.column_stack([-x, np.ones(len(x))])
        share, density = (curve(rows @ self.fit.params) for curve in CURVES[link])
        working = yes_no.sum(axis=1) * density**2 / (share * (1 - share))
        self.bread = np.linalg.inv(rows.T @ (rows * working[:, None]))

    @property
    def coefficients(self):
        return self.turn @ self.fit.params

    def errors(self, cov=None):
        cov = self.bread if cov is None else cov
        return np.sqrt(np.diag(self.turn @ cov @ self.turn.T))

    def sandwich(self, counts, squares, cluster, **more):
        scores = unit_scores(self.fit, self.x)
        found = cluster_covariance(self.bread, scores, counts, squares, cluster, **more)
        return self.errors(found.cov)


@pytest.mark.parametrize("link", LINKS)
def test_glm_esoph(link):
    frame = table("esoph")
    x = indicators(
        frame,
        alcgp=["40-79", "80-119", "120+"],
        tobgp=["10-19", "20-29", "30+"],
        agegp=["35-44", "45-54", "55-64", "65-74", "75+"],
    )
    expected = fixture("binary")[link]["esoph"]
    found = AsGlm(x, frame[["ncases", "ncontrols"]].to_numpy(float), link)
    assert found.coefficients == pytest.approx(expected["coefficients"], **COEFFICIENT)
    assert found.errors() == pytest.approx(expected["std_errors"], **STD_ERROR)
    if link == "logit":  # observed and expected information are one
        assert found.errors(found.fit.cov) == pytest.approx(expected["std_errors"], **STD_ERROR)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("link", LINKS)
def test_glm_infert_with_clusters(link, weighted):
    frame, x, case = infert()
    x = np.column_stack([x, frame["age"]])
    w = (weights(len(frame)) if weighted else np.ones(len(frame)))[:, None]
    yes_no = case[:, ::-1]
    expected = fixture("binary")[link]["infert_weighted" if weighted else "infert"]
    found = AsGlm(x, yes_no * w, link)
    assert found.coefficients == pytest.approx(expected["coefficients"], **COEFFICIENT)
    assert found.errors() == pytest.approx(expected["std_errors"], **STD_ERROR)
    for cluster, key in (
        (frame["stratum"].to_numpy(), "cluster_std_errors"),
        (None, "hc0_std_errors"),
    ):
        errors = found.sandwich(yes_no * w, yes_no * w**2, cluster)
        assert errors == pytest.approx(expected[key], **STD_ERROR)


def test_two_levels_are_the_glm_of_infert():
    frame, x, case = infert()
    x = np.column_stack([x, frame["age"]])
    expected = fixture("binary")["logit"]["infert"]
    fit = fit_ordinal(x, case.astype(float))
    assert [-fit.thresholds[0], *fit.slopes] == pytest.approx(
        expected["coefficients"], **COEFFICIENT
    )
    order = [3, 0, 1, 2]
    assert fit.std_errors[order] == pytest.approx(expected["std_errors"], **STD_ERROR)


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC3", "CR0", "CR1", "CR1S"])
def test_glm_lalonde(kind):
    """A logit of 614 people with a shifted group: sandwiches by person and by age."""
    frame = table("lalonde")
    x = np.column_stack(
        [
            frame[["treat", "educ"]],
            indicators(frame, race=["black", "hispan"]),
            frame[["married", "nodegree"]],
            frame["re75"] / 1000,
        ]
    )
    earned = (frame["re78"] > 0).to_numpy()
    yes_no = np.column_stack([earned, ~earned]).astype(float)
    expected = fixture("binary")["lalonde"]
    found = AsGlm(x, yes_no, "logit")
    assert found.coefficients == pytest.approx(expected["coefficients"], **COEFFICIENT)
    assert found.errors(found.fit.cov) == pytest.approx(expected["std_errors"], **STD_ERROR)
    cluster = frame["age"].to_numpy() if kind.startswith("CR") else None
    information = unit_information(found.fit, x) if kind == "HC3" else None
    errors = found.sandwich(yes_no, yes_no, cluster, kind=kind, information=information)
    assert errors == pytest.approx(expected["robust"][kind], **STD_ERROR)
    assert frame["age"].nunique() == expected["n_clusters"] == 40


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


def cases_by_age():
    """Cases, then controls, of each age and consumption: whether a case, level, age, people."""
    frame = table("esoph")
    level = frame["alcgp"].map({"0-39g/day": 0, "40-79": 1, "80-119": 2, "120+": 3}).to_numpy()
    age = np.unique(frame["agegp"], return_inverse=True)[1]
    people = np.concatenate([frame["ncases"], frame["ncontrols"]])
    return np.repeat([1, 0], len(frame)), np.tile(level, 2), np.tile(age, 2), people


def test_clogit_esoph_two_kinds_of_people_in_sets_of_hundreds():
    case, level, age, people = cases_by_age()
    counts = np.eye(2, dtype=np.int64)[case] * people[:, None]
    fit = fit_conditional((level >= 2)[:, None].astype(float), counts, age)
    expected = fixture("conditional")["esoph"]
    assert fit.slopes == pytest.approx([expected["slopes"]], **COEFFICIENT)
    assert fit.std_errors == pytest.approx([expected["std_errors"]], **STD_ERROR)
    assert fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-12)


def test_clogit_esoph_two_kinds_of_people_one_copy_a_cut():
    case, level, age, people = cases_by_age()
    counts = np.eye(4, dtype=np.int64)[level] * people[:, None]
    fit = fit_conditional(case[:, None].astype(float), counts, age)
    expected = fixture("conditional")["esoph_drinks"]
    assert fit.slopes == pytest.approx([expected["slopes"]], **COEFFICIENT)
    assert fit.std_errors == pytest.approx([expected["std_errors"]], **STD_ERROR)
    assert fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-12)


def test_hypergeometric_sums_of_sets_of_thousands():
    frame = table("example")
    level = np.array(["EDCBA".index(name) for name in frame["ses_class"]])
    region = np.unique(frame["region"], return_inverse=True)[1]
    data = (frame[["member"]].to_numpy(float), 25 * np.eye(5, dtype=np.int64)[level], region)
    fit = fit_conditional(*data)
    expected = fixture("conditional")["example"]
    assert fit.n_obs == 25 * 2007
    assert fit.slopes == pytest.approx([expected["slopes"]], **COEFFICIENT)
    assert fit.std_errors == pytest.approx([expected["std_errors"]], **STD_ERROR)
    assert fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-12)
    robust = conditional_covariance(fit, *data, region)
    assert robust.cov[0, 0] ** 0.5 == pytest.approx(expected["region_std_error"], **STD_ERROR)


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
    y, ones = case[:, 1].astype(int), np.ones(len(x))
    found = share_margins(y, member, ones, 2, cluster, kind="CR2")
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
