"""R's numbers (tests/r) on the files R read: ordinal, survival, sandwich, VGAM, brglm2."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from coopgap.core.gap import contrasts, estimate_contrasts
from coopgap.core.vocabulary import Quantity
from coopgap.regression.conditional import conditional_covariance, fit_conditional
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import unit_scores
from coopgap.regression.linear import fit_linear
from coopgap.regression.ordinal import fit_ordinal, fit_reduced
from coopgap.regression.proportional import likelihood_ratio
from coopgap.regression.sampled import Sampled
from coopgap.regression.shares import share_margins
from coopgap.regression.standardise import standardise

from .conftest import LINKS, Survey

R = Path(__file__).parents[1] / "r"
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


def table(name, **how):
    return pd.read_csv(R / "data" / f"{name}.csv", **how)


def weights(n):
    return 0.5 + (np.arange(n) % 7) / 4


def indicators(frame, **levels):
    columns = [frame[name] == level for name, used in levels.items() for level in used]
    return np.column_stack(columns).astype(float)


def wine(weighted=False, first="contact"):
    """Design, counts, squares and judges; contact or temperature is the first column."""
    frame = table("wine")
    w = (weights(len(frame)) if weighted else np.ones(len(frame)))[:, None]
    seen = np.eye(5)[frame["rating"].astype(int) - 1]
    x = indicators(frame, contact=["yes"], temp=["warm"])
    x = x if first == "contact" else x[:, ::-1]
    return x, seen * w, seen * w**2, frame["judge"].to_numpy()


def housing():
    frame = table("housing")
    x = indicators(
        frame, Infl=["Medium", "High"], Type=["Apartment", "Atrium", "Terrace"], Cont=["High"]
    )
    seen = np.eye(3)[frame["Sat"].map({"Low": 0, "Medium": 1, "High": 2})]
    counts = seen * frame["Freq"].astype(float).to_numpy()[:, None]
    # Made clusters: row numbers modulo a number, as in tests/r/proportional.R.
    return x, counts, counts**2, np.arange(len(x)) % 13


def soup():
    frame = table("soup", dtype=str)
    x = indicators(
        frame, DAY=["2"], SOUPFREQ=["1-4/month", "<1/month"], PRODID=["2", "3", "4", "5", "6"]
    )
    seen = np.eye(6)[frame["SURENESS"].astype(int) - 1]
    return x, seen, seen, np.arange(len(x)) % 37


def infert():
    frame = table("infert")
    case = frame["case"].to_numpy()
    x = frame[["spontaneous", "induced"]].to_numpy(float)
    return frame, x, np.column_stack([1 - case, case])


CLM = {
    "wine": ("ordinal", ("wine",), lambda: wine(), ()),
    "wine weighted": ("ordinal", ("wine_weighted",), lambda: wine(True), ()),
    "housing": ("ordinal", ("housing",), housing, ()),
    "housing, clusters": ("proportional", "housing", housing, ()),
    "soup, clusters": ("proportional", "soup", soup, ()),
    "wine freed": ("proportional", ("freed", "wine"), lambda: wine(first="temp"), (1,)),
    "wine freed, weighted": (
        "proportional",
        ("freed", "wine_weighted"),
        lambda: wine(True, "temp"),
        (1,),
    ),
    "housing freed": ("proportional", ("freed", "housing"), housing, (0, 1)),
    "soup freed": ("proportional", ("freed", "soup"), soup, (3, 4, 5, 6, 7)),
}
"""By name: the fixture and the place in it, the data, and the columns freed."""


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("name", CLM)
def test_clm(name, link):
    file, place, data, free = CLM[name]
    expected = fixture(file)
    if place[0] == "freed":
        expected = expected["freed"][link][place[1]]
    else:
        expected = expected[place][link] if file == "proportional" else expected[link][place[0]]
    x, counts, squares, cluster = data()
    fit = fit_ordinal(x, counts, link=link, free=free)
    params = expected.get("params") or [*expected["slopes"], *expected["thresholds"]]
    assert fit.params == pytest.approx(params, **COEFFICIENT)
    assert fit.std_errors == pytest.approx(expected["std_errors"], **STD_ERROR)
    assert fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-12)
    robust = cluster_covariance(fit.bread, unit_scores(fit, x), counts, squares, cluster)
    if "cluster_cov" in expected:
        assert robust.cov == pytest.approx(np.array(expected["cluster_cov"]), rel=1e-6, abs=1e-9)
    if "cluster_std_errors" in expected:
        # R differentiates each row's log-likelihood numerically.
        found = np.sqrt(np.diag(robust.cov))
        assert found == pytest.approx(expected["cluster_std_errors"], **STD_ERROR)
    assert robust.n_clusters == expected.get("n_clusters", np.unique(cluster).size)
    assert fit.n_obs == round(counts.sum())


def test_polr_is_no_reference():
    """It stops short: clm and this package agree beyond the digits in which polr leaves them."""
    x, counts, _, _ = wine()
    fit, known = fit_ordinal(x, counts), fixture("ordinal")
    short, exact = (
        np.array([*one["slopes"], *one["thresholds"]])
        for one in (known["polr"], known["logit"]["wine"])
    )
    assert 1e-6 < np.abs(short - fit.params).max() < 1e-4
    assert np.abs(exact - fit.params).max() < 1e-8


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


@pytest.mark.parametrize("weighted", [False, True])
def test_vglm_wine_with_contact_not_parallel(weighted):
    x, counts, squares, judge = wine(weighted, "temp")
    expected = fixture("vglm")["wine_weighted" if weighted else "wine"]
    fit = fit_ordinal(x, counts, free=(1,))
    assert fit.freed[0] == pytest.approx(expected["free"], **COEFFICIENT)
    assert fit.slopes[0] == pytest.approx(expected["slopes"], **COEFFICIENT)
    assert fit.thresholds == pytest.approx(expected["thresholds"], **COEFFICIENT)
    assert fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-12)
    margins = standardise(fit, x, 1, x[:, 1], counts, squares, judge)
    above = np.cumsum((margins.member - margins.comparison)[::-1])[::-1][1:]
    assert above == pytest.approx(expected["gaps"], **COEFFICIENT)
    # By hand: scores vanish over all people, and their sums by judge are the sandwich's.
    scores = np.einsum("cj,cjp->cp", counts, unit_scores(fit, x))
    assert scores.sum(axis=0) == pytest.approx(np.zeros(scores.shape[1]), abs=1e-8)
    sums = np.array([scores[judge == g].sum(axis=0) for g in np.unique(judge)])
    by_hand = 9 / 8 * fit.cov @ sums.T @ sums @ fit.cov
    found = cluster_covariance(fit.cov, unit_scores(fit, x), counts, squares, judge)
    assert found.cov == pytest.approx(by_hand)


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


def test_likelihood_ratios_of_housing():
    x, counts, _, _ = housing()
    expected = fixture("proportional")["ratio"]
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
    x, seen = (wine(first="temp") if name == "wine" else housing())[:2]
    cut = 1 if name == "wine" else 2
    counts = np.column_stack([seen[:, :cut].sum(axis=1), seen[:, cut:].sum(axis=1)])
    fit, expected = fit_reduced(x, counts, link=link), fixture("reduced")[link][name]
    found = [-fit.thresholds[0], *fit.slopes]
    assert found == pytest.approx(expected["coefficients"], **COEFFICIENT)
    errors = [fit.std_errors[-1], *fit.std_errors[:-1]]
    assert errors == pytest.approx(expected["std_errors"], **STD_ERROR)


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
    expected = fixture("binary")["lalonde"]
    yes_no = np.column_stack([~earned, earned]).astype(float)
    made = as_survey(x, yes_no, np.ones((len(x), 1)), frame["age"].to_numpy())
    fit, order = made.fit(), [-1, *range(x.shape[1])]
    found = [-fit.thresholds[0], *fit.slopes]
    assert found == pytest.approx(expected["coefficients"], **COEFFICIENT)
    assert fit.std_errors[order] == pytest.approx(expected["std_errors"], **STD_ERROR)
    errors = np.sqrt(np.diag(made.covariance(kind).cov))[order]
    assert errors == pytest.approx(expected["robust"][kind], **STD_ERROR)
    assert frame["age"].nunique() == expected["n_clusters"] == 40


def esoph():
    """Cases, then controls, of each age and consumption: whether a case, level, age, people."""
    frame = table("esoph")
    level = frame["alcgp"].map({"0-39g/day": 0, "40-79": 1, "80-119": 2, "120+": 3}).to_numpy()
    age = np.unique(frame["agegp"], return_inverse=True)[1]
    people = np.concatenate([frame["ncases"], frame["ncontrols"]])
    return np.repeat([1, 0], len(frame)), np.tile(level, 2), np.tile(age, 2), people[:, None]


def clogit_data(name):
    """Columns, counts by level, and sets."""
    if name.startswith("infert"):
        frame, x, case = infert()
        return x, case, frame["stratum" if name == "infert" else "pooled.stratum"].to_numpy()
    if name == "wine":  # one copy a cut
        x, counts, _, judge = wine()
        return x, counts.astype(np.int64), judge
    if name == "example":  # hypergeometric sums of sets of thousands
        frame = table("example")
        level = np.array(["EDCBA".index(one) for one in frame["ses_class"]])
        region = np.unique(frame["region"], return_inverse=True)[1]
        return frame[["member"]].to_numpy(float), 25 * np.eye(5, dtype=np.int64)[level], region
    case, level, age, people = esoph()  # two kinds of people in sets of hundreds
    if name == "esoph":
        return (level >= 2)[:, None].astype(float), np.eye(2, dtype=np.int64)[case] * people, age
    return case[:, None].astype(float), np.eye(4, dtype=np.int64)[level] * people, age


CLOGIT = ("infert", "infert_pooled", "wine", "esoph", "esoph_drinks", "example")


@pytest.mark.parametrize("name", CLOGIT)
def test_clogit(name):
    expected, data = fixture("conditional")[name], clogit_data(name)
    fit = fit_conditional(*data)
    assert fit.slopes == pytest.approx(np.atleast_1d(expected["slopes"]), **COEFFICIENT)
    assert fit.std_errors == pytest.approx(np.atleast_1d(expected["std_errors"]), **STD_ERROR)
    assert fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-12)
    if "cov" in expected:
        cov = np.reshape(expected["cov"], fit.cov.shape)
        assert fit.cov == pytest.approx(cov, **STD_ERROR)
    if name == "infert":
        # R's help page of clogit: 1.985876 (0.352444), 1.409012 (0.360712), -64.202237.
        assert fit.slopes == pytest.approx([1.985876, 1.409012], abs=5e-7)
        assert fit.std_errors == pytest.approx([0.352444, 0.360712], abs=5e-7)
        assert fit.log_likelihood == pytest.approx(-64.202237, abs=5e-7)
    if name == "wine":
        assert conditional_covariance(fit, *data, data[2]).n_clusters == 9
    if name == "example":
        assert fit.n_obs == 25 * 2007
        robust = conditional_covariance(fit, *data, data[2])
        assert robust.cov[0, 0] ** 0.5 == pytest.approx(expected["region_std_error"], **STD_ERROR)


def absorbed(weighted):
    """Answers, membership, weights and sets of infert, and made clusters."""
    frame, x, case = infert()
    cluster = (frame["parity"] * 5 + frame["age"] % 5).to_numpy(np.int64)
    w = weights(len(frame)) if weighted else np.ones(len(frame))
    sets = frame["pooled.stratum"].to_numpy(np.int64)
    return (case[:, 1].astype(float), x[:, 0] > 0, w, sets), cluster


def test_lm_infert_with_absorbed_sets():
    data, cluster = absorbed(True)
    expected = fixture("linear")
    fit, alone = fit_linear(*data, cluster), fit_linear(*data, None)
    assert fit.estimate == pytest.approx(expected["estimate"], **COEFFICIENT)
    assert fit.std_error == pytest.approx(expected["cluster_std_error"], **STD_ERROR)
    assert fit.n_clusters == expected["n_clusters"]
    assert alone.std_error == pytest.approx(expected["hc0_std_error"], **STD_ERROR)


@pytest.mark.parametrize("weighted", [False, True])
def test_cr2_of_absorbed_sets_is_clubsandwichs(weighted):
    data, cluster = absorbed(weighted)
    expected = fixture("linear")["cr2_weighted" if weighted else "cr2_plain"]
    fit = fit_linear(*data, cluster, kind="CR2")
    assert fit.kind == "cluster CR2"
    assert fit.estimate == pytest.approx(expected["estimate"], **COEFFICIENT)
    # With unequal weights clubSandwich takes another root of the same shrinkage.
    close = 0.02 if weighted else 1e-6
    assert fit.std_error == pytest.approx(expected["std_error"], rel=close)
    assert fit.df == pytest.approx(expected["df"], rel=close)


def test_cr2_of_shares_is_clubsandwichs_logit_on_membership_alone():
    (y, member, ones, _), cluster = absorbed(False)
    expected = fixture("linear")["cr2_shares"]
    found = share_margins(y.astype(int), member, ones, 2, cluster, kind="CR2")
    (ratio,) = (one for one in contrasts(("no", "yes")) if one.quantity is Quantity.ODDS_RATIO)
    interval = estimate_contrasts(found, ("no", "yes"))[ratio]
    assert np.log(interval.estimate) == pytest.approx(expected["estimate"], **COEFFICIENT)
    assert interval.std_error == pytest.approx(expected["std_error"], **STD_ERROR)
    half = stats.t.ppf(0.975, expected["df"]) * expected["std_error"]
    assert np.log(interval.upper / interval.estimate) == pytest.approx(half, **STD_ERROR)


# Two programs at convergence, entries of a matrix after two inversions of uncentred columns.
TIGHT = {"rel": 1e-6, "abs": 1e-13}


def expected(model, name):
    return fixture("covariance")[model][name]


def with_clusters(weighted):
    frame, _, case = infert()
    x = frame[["spontaneous", "induced", "age"]].to_numpy(float)
    cluster = (frame["parity"] * 5 + frame["age"] % 5).to_numpy(np.int64)
    w = weights(len(frame)) if weighted else np.ones(len(frame))
    return x, case[:, 1], w, cluster, frame["age"].to_numpy()


def linear_parts(weighted):
    """Bread, unit scores and unit information of weighted least squares, by hand."""
    x, case, w, cluster, second = with_clusters(weighted)
    rows = np.column_stack([np.ones(len(x)), x])
    bread = np.linalg.inv(rows.T @ (rows * w[:, None]))
    residual = case - rows @ (bread @ rows.T @ (w * case))
    each = rows[:, :, None] * rows[:, None, :]
    return bread, (rows * residual[:, None])[:, None, :], each, w[:, None], cluster, second


def by_cluster(each, w, cluster):
    return np.array([(w[:, :, None] * each)[cluster == g].sum(axis=0) for g in np.unique(cluster)])


def linear(weighted, kind, *, two_ways=False):
    bread, scores, each, w, cluster, second = linear_parts(weighted)
    information = {"CR2": by_cluster(each, w, cluster), "HC3": each[:, None]}.get(kind)
    people = np.ones((len(w), 1), dtype=np.int64)
    at = cluster if kind.startswith("CR") else None
    sampled = Sampled(cluster=at, second=second if two_ways else None, people=people)
    return cluster_covariance(bread, scores, w, w**2, sampled, kind=kind, information=information)


def as_survey(x, yes_no, w, cluster):
    """Two answers, the second yes, one row a person."""
    cells = SimpleNamespace(counts=yes_no * w, squares=yes_no * w**2, people=(yes_no * w > 0) + 0)
    return Survey(x, cells, cluster)


def logit(weighted, kind):
    x, case, w, cluster, _ = with_clusters(weighted)
    found = as_survey(x, np.column_stack([1 - case, case]), w[:, None], cluster).covariance(kind)
    turn = np.zeros((4, 4))  # R: intercept (minus the threshold), then slopes
    turn[0, 3], turn[1:, :3] = -1, np.eye(3)
    return found, turn


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR1S", "HC0", "HC1", "HC3"])
@pytest.mark.parametrize("name", ["plain", "weighted"])
def test_linear_model(name, kind):
    found = linear(name == "weighted", kind)
    assert found.cov == pytest.approx(np.array(expected("lm", name)[kind]), **TIGHT)


@pytest.mark.parametrize("kind", ["CR0", "CR1", "HC0", "HC3"])
@pytest.mark.parametrize("name", ["plain", "weighted"])
def test_logit(name, kind):
    found, turn = logit(name == "weighted", kind)
    cov = turn @ found.cov @ turn.T
    assert cov == pytest.approx(np.array(expected("logit", name)[kind]), **TIGHT)


def inverse_root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors / np.sqrt(values)) @ vectors.T


def people_level(rows, w, residual, cluster, adjustment):
    """CR2 and its degrees of freedom person by person, `w` the working weights.

    `adjustment` turns (working variance, what fitting takes from it) of a cluster into A_g.
    """
    bread = np.linalg.inv(rows.T @ (rows * w[:, None]))
    hat = rows @ bread @ rows.T * w
    left = np.eye(len(w)) - hat
    spread = left @ np.diag(1 / w) @ left.T
    meat, ends = np.zeros((4, 4)), []
    for g in np.unique(cluster):
        here = np.flatnonzero(cluster == g)
        own = rows[here] @ bread @ rows[here].T
        a = adjustment(np.diag(1 / w[here]), own)
        end = bread @ (rows[here] * w[here, None]).T @ a
        meat += np.outer(end @ residual[here], end @ residual[here])
        ends.append((here, end))
    df = []
    for j in range(4):
        p = np.array([[k[j] @ spread[np.ix_(h, i)] @ m[j] for i, m in ends] for h, k in ends])
        df.append(np.trace(p) ** 2 / (p**2).sum())
    return meat, df


def symmetric_in_the_working_metric(phi, own):
    half = np.sqrt(phi)
    weight = np.diag(1 / np.diag(half))
    return half @ inverse_root(np.eye(len(phi)) - weight @ own @ weight) @ weight


def clubsandwich(phi, own):
    half = np.sqrt(phi)
    return half @ inverse_root(half @ (phi - own) @ half) @ half


def people_parts(model, weighted):
    x, case, w, cluster, _ = with_clusters(weighted)
    rows = np.column_stack([np.ones(len(x)), x])
    coefficients = expected(model, "weighted" if weighted else "plain")["coefficients"]
    if model == "lm":
        return rows, w, case - rows @ coefficients, cluster
    mean = 1 / (1 + np.exp(-rows @ coefficients))
    slope = mean * (1 - mean)
    return rows * slope[:, None], w / slope, case - mean, cluster


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("model", ["lm", "logit"])
def test_cr2_person_by_person(model, weighted):
    found, turn = (linear(weighted, "CR2"), np.eye(4)) if model == "lm" else logit(weighted, "CR2")
    meat, df = people_level(*people_parts(model, weighted), symmetric_in_the_working_metric)
    assert turn @ found.cov @ turn.T == pytest.approx(meat, **TIGHT)
    assert [found.df_of(row) for row in turn] == pytest.approx(df, rel=1e-6)
    assert np.sort(found.coefficient_df) == pytest.approx(np.sort(df), rel=1e-6)


@pytest.mark.parametrize("name", ["plain", "weighted"])
@pytest.mark.parametrize("model", ["lm", "logit"])
def test_cr2_of_clubsandwich(model, name):
    weighted = name == "weighted"
    r = expected(model, name)
    meat, df = people_level(*people_parts(model, weighted), clubsandwich)
    assert meat == pytest.approx(np.array(r["CR2"]), **TIGHT)
    assert df == pytest.approx(r["CR2_df"], rel=1e-6)
    found, turn = (linear(weighted, "CR2"), np.eye(4)) if model == "lm" else logit(weighted, "CR2")
    # Both roots undo the same shrinkage; they are one where the working weights are equal and
    # here, with 24 clusters, less than two percent apart.
    close = 1e-6 if (model, name) == ("lm", "plain") else 0.02
    std_errors = np.sqrt(np.diag(turn @ found.cov @ turn.T))
    assert std_errors == pytest.approx(np.sqrt(np.diag(r["CR2"])), rel=close)
    assert [found.df_of(row) for row in turn] == pytest.approx(r["CR2_df"], rel=close)


def test_two_ways():
    found = linear(False, "CR1", two_ways=True)
    assert found.cov == pytest.approx(np.array(fixture("covariance")["two_way"]), **TIGHT)
    assert found.kind == "two-way CR1"
