from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from statsmodels.miscmodels.tests.results import results_ordinal_model

from coopgap.core.errors import NotEstimable
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import unit_scores
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.separation import separated_terms
from coopgap.regression.standardise import standardise
from coopgap.survey.cells import collapse

TERMS = ("member", "sex=b", "age")
LINKS = ("logit", "probit", "cloglog")


@st.composite
def surveys(draw):
    """People with membership, two covariates, zones, outcomes and weights; estimable."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, n_levels = draw(st.integers(40, 150)), draw(st.integers(2, 5))
    x = np.column_stack([rng.integers(0, 2, n), rng.integers(0, 2, n), rng.integers(0, 4, n)])
    zone = rng.integers(0, 7, n)
    latent = x @ [0.7, -0.5, 0.2] + 0.4 * rng.normal(size=7)[zone] + rng.logistic(size=n)
    cuts = np.sort(rng.normal(0.3, 1.2, n_levels - 1))
    outcome = np.digitize(latent, cuts)
    seen = np.eye(n_levels)[outcome]
    full = np.linalg.matrix_rank(np.column_stack([np.ones(n), x])) == 4
    assume(full and np.unique(outcome).size > 1)
    assume(not separated_terms(x.astype(float), seen, TERMS))
    return x, zone, outcome, rng.uniform(0.2, 4, n), n_levels


def estimates(x, zone, outcome, weight, n_levels, link="logit"):
    """A fit on people, its cluster covariance and its margins over the members."""
    seen = np.eye(n_levels)[outcome]
    counts, squares = seen * weight[:, None], seen * weight[:, None] ** 2
    rows = x.astype(float)
    fit = fit_ordinal(rows, counts, link=link)
    cov = cluster_covariance(fit.bread, unit_scores(fit, rows), counts, squares, zone).cov
    margins = standardise(fit, rows, 0, rows[:, 0], counts, squares, zone)
    return fit, cov, margins


def check_same(here, there, rel=1e-6):
    # Steep slopes near separation keep fewer digits: absolute errors stand for those.
    assert there[0].slopes == pytest.approx(here[0].slopes, rel=rel, abs=1e-8)
    assert there[1] == pytest.approx(here[1], rel=rel, abs=1e-8)
    assert there[2].member == pytest.approx(here[2].member, abs=1e-9)
    assert there[2].cov == pytest.approx(here[2].cov, rel=rel, abs=1e-9)


@given(surveys(), st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_row_order_does_not_matter(survey, seed):
    x, zone, outcome, weight, n_levels = survey
    order = np.random.default_rng(seed).permutation(len(x))
    here = estimates(*survey)
    check_same(here, estimates(x[order], zone[order], outcome[order], weight[order], n_levels))


@given(surveys(), st.floats(1e-3, 1e3))
@settings(max_examples=15, deadline=None)
def test_rescaled_weights_change_nothing(survey, scale):
    x, zone, outcome, weight, n_levels = survey
    check_same(estimates(*survey), estimates(x, zone, outcome, scale * weight, n_levels))


@given(surveys())
@settings(max_examples=15, deadline=None)
def test_cells_and_people_are_the_same(survey):
    x, zone, outcome, weight, n_levels = survey
    cells = collapse([*x.T, zone], outcome, n_levels, weight)
    rows, cluster = cells.codes[:, :3].astype(float), cells.codes[:, 3]
    fit = fit_ordinal(rows, cells.counts)
    cov = cluster_covariance(
        fit.bread, unit_scores(fit, rows), cells.counts, cells.squares, cluster
    ).cov
    margins = standardise(fit, rows, 0, rows[:, 0], cells.counts, cells.squares, cluster)
    check_same(estimates(*survey), (fit, cov, margins))


@given(surveys())
@settings(max_examples=15, deadline=None)
def test_unit_weights_are_no_weights(survey):
    x, zone, outcome, _, n_levels = survey
    cells = collapse([*x.T, zone], outcome, n_levels)
    fit = fit_ordinal(cells.codes[:, :3].astype(float), cells.counts, people=cells.people)
    here = estimates(x, zone, outcome, np.ones(len(x)), n_levels)
    assert fit.slopes == pytest.approx(here[0].slopes, rel=1e-6, abs=1e-8)
    assert fit.n_obs == here[0].n_obs == len(x)


@given(surveys(), st.sampled_from(["logit", "probit"]))
@settings(max_examples=15, deadline=None)
def test_reversed_levels_flip_the_signs(survey, link):
    x, zone, outcome, weight, n_levels = survey
    here = estimates(*survey, link=link)
    there = estimates(x, zone, n_levels - 1 - outcome, weight, n_levels, link=link)
    assert there[0].slopes == pytest.approx(-here[0].slopes, rel=1e-6, abs=1e-8)
    finite = np.isfinite(here[0].thresholds)
    assert there[0].thresholds[::-1][finite] == pytest.approx(
        -here[0].thresholds[finite], rel=1e-6, abs=1e-7
    )
    assert there[2].member == pytest.approx(here[2].member[::-1], abs=1e-9)


@given(surveys())
@settings(max_examples=15, deadline=None)
def test_people_counted_twice_halve_the_model_covariance(survey):
    x, zone, outcome, _, n_levels = survey
    once = estimates(x, zone, outcome, np.ones(len(x)), n_levels)[0]
    twice = estimates(x, zone, outcome, np.full(len(x), 2.0), n_levels)[0]
    assert twice.cov == pytest.approx(once.cov / 2, rel=1e-6, abs=1e-9)


@given(surveys(), st.sampled_from(LINKS))
@settings(max_examples=15, deadline=None)
def test_margins_are_distributions(survey, link):
    _, _, margins = estimates(*survey, link=link)
    for side in (margins.member, margins.comparison):
        assert (side >= 0).all()
        assert side.sum() == pytest.approx(1, abs=1e-12)


def test_ucla_ologit():
    """UCLA's ologit data; the often printed 1.04769 is short of convergence."""
    frame = results_ordinal_model.data_store.df
    x = frame[["pared", "public", "gpa"]].to_numpy(float)
    counts = np.eye(3)[
        pd.Categorical(frame["apply"], ["unlikely", "somewhat likely", "very likely"]).codes
    ]
    fit = fit_ordinal(x, counts)
    assert fit.slopes == pytest.approx([1.0476637, -0.0586828, 0.6157458], abs=5e-8)
    assert fit.thresholds == pytest.approx([2.2033232, 4.2987674], abs=5e-8)


def test_wald_of_fagerland():
    # Fagerland, Lydersen & Laake (2017), package tests: Wald -1.472, p .14097.
    fit = fit_ordinal(
        np.array([[0.0], [1.0]]), np.array([[11, 7, 8, 4], [14, 10, 3, 2]], dtype=float)
    )
    assert fit.slopes[0] / fit.std_errors[0] == pytest.approx(-1.472, abs=5e-4)


def test_a_fit_never_leaves_without_numbers_or_a_reason():
    """Small random tables: finite estimates or NotEstimable, nothing in between."""
    rng = np.random.default_rng(2)
    x = np.array([[m, a] for m in (0, 1) for a in (0, 1)], dtype=float)
    outcomes = set()
    for _ in range(100):
        counts = rng.poisson(rng.choice([0.5, 2, 20]), (4, 4)).astype(float)
        for link in LINKS:
            try:
                fit = fit_ordinal(x, counts, link=link)
            except NotEstimable:
                outcomes.add("refused")
                continue
            outcomes.add("fitted")
            assert np.isfinite(fit.slopes).all()
            assert np.abs(fit.slopes).max() < 15
            assert fit.max_gradient <= 1e-10
            assert np.linalg.eigvalsh(fit.cov)[0] > -1e-9
    assert outcomes == {"refused", "fitted"}
