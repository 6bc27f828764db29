"""Sandwiches of R (clubSandwich 0.5.8, sandwich 3.0) on `infert`, the file that R read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import cluster_information, unit_information, unit_scores
from coopgap.regression.ordinal import fit_ordinal

R = Path(__file__).parents[1] / "r"
# Two programs at convergence, entries of a matrix after two inversions of uncentred columns.
TIGHT = {"rel": 1e-6, "abs": 1e-13}


def expected(model, name):
    return json.loads((R / "fixtures" / "covariance.json").read_text(encoding="utf-8"))[model][name]


def infert(weighted):
    frame = pd.read_csv(R / "data" / "infert.csv")
    x = frame[["spontaneous", "induced", "age"]].to_numpy(float)
    w = 0.5 + (np.arange(len(frame)) % 7) / 4 if weighted else np.ones(len(frame))
    cluster = (frame["parity"] * 5 + frame["age"] % 5).to_numpy()
    return x, frame["case"].to_numpy(), w, cluster, frame["age"].to_numpy()


def linear_parts(weighted):
    """Bread, unit scores and unit information of weighted least squares, by hand."""
    x, case, w, cluster, second = infert(weighted)
    rows = np.column_stack([np.ones(len(x)), x])
    bread = np.linalg.inv(rows.T @ (rows * w[:, None]))
    residual = case - rows @ (bread @ rows.T @ (w * case))
    each = rows[:, :, None] * rows[:, None, :]
    return bread, (rows * residual[:, None])[:, None, :], each, w[:, None], cluster, second


def by_cluster(each, w, cluster):
    return np.array([(w[:, :, None] * each)[cluster == g].sum(axis=0) for g in np.unique(cluster)])


def linear(weighted, kind, **more):
    bread, scores, each, w, cluster, second = linear_parts(weighted)
    information = {"CR2": by_cluster(each, w, cluster), "HC3": each[:, None]}.get(kind)
    people = np.ones((len(w), 1), dtype=np.int64)
    at = cluster if kind.startswith("CR") else None
    if more.get("second"):
        more["second"] = second
    return cluster_covariance(
        bread,
        scores,
        w,
        w**2,
        at,
        kind=kind,
        information=information,
        people=people,
        **more,
    )


def logit(weighted, kind):
    x, case, w, cluster, _ = infert(weighted)
    counts = np.column_stack([1 - case, case]) * w[:, None]
    squares = np.column_stack([1 - case, case]) * w[:, None] ** 2
    fit = fit_ordinal(x, counts)
    information = None
    if kind == "CR2":
        information = cluster_information(fit, x, counts, cluster)
    elif kind == "HC3":
        information = unit_information(fit, x)
    found = cluster_covariance(
        fit.bread,
        unit_scores(fit, x),
        counts,
        squares,
        cluster if kind.startswith("CR") else None,
        kind=kind,
        information=information,
        people=(counts > 0).astype(np.int64),
    )
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
    x, case, w, cluster, _ = infert(weighted)
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
    found = linear(False, "CR1", second=True)
    text = (R / "fixtures" / "covariance.json").read_text(encoding="utf-8")
    assert found.cov == pytest.approx(np.array(json.loads(text)["two_way"]), **TIGHT)
    assert found.kind == "two-way CR1"
