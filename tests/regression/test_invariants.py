"""What must not matter to a fit, its cluster covariance and its margins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import unit_scores
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.separation import separated_terms
from coopgap.regression.standardise import standardise
from coopgap.survey.cells import collapse

from .conftest import LINKS

often = settings(max_examples=15, deadline=None)


@st.composite
def surveys(draw):
    """People with membership, two covariates, zones, outcomes and weights; estimable."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, n_levels = draw(st.integers(40, 150)), draw(st.integers(2, 5))
    x = np.column_stack([rng.integers(0, 2, n), rng.integers(0, 2, n), rng.integers(0, 4, n)])
    zone = rng.integers(0, 7, n)
    latent = x @ [0.7, -0.5, 0.2] + 0.4 * rng.normal(size=7)[zone] + rng.logistic(size=n)
    outcome = np.digitize(latent, np.sort(rng.normal(0.3, 1.2, n_levels - 1)))
    seen = np.eye(n_levels)[outcome]
    full = np.linalg.matrix_rank(np.column_stack([np.ones(n), x])) == 4
    assume(full and np.unique(outcome).size > 1)
    assume(not separated_terms(x.astype(float), seen, ("member", "sex=b", "age")))
    return x, zone, outcome, rng.uniform(0.2, 4, n), n_levels


def estimates(x, zone, outcome, weight, n_levels, link="logit", cells=False):
    """A fit on people, or on their cells, its cluster covariance and its margins."""
    columns = [*x.T, zone, *([] if cells else [np.arange(len(x))])]
    made = collapse(columns, outcome, n_levels, weight)
    rows, cluster = made.codes[:, :3].astype(float), made.codes[:, 3]
    fit = fit_ordinal(rows, made.counts, link=link, people=made.people)
    data = (made.counts, made.squares, cluster)
    cov = cluster_covariance(fit.bread, unit_scores(fit, rows), *data).cov
    return fit, cov, standardise(fit, rows, 0, rows[:, 0], *data)


@given(surveys(), st.integers(0, 1000), st.floats(1e-3, 1e3), st.sampled_from(LINKS))
@often
def test_row_order_cells_and_scale_of_weights_change_nothing(survey, seed, scale, link):
    x, zone, outcome, weight, n_levels = survey
    order = np.random.default_rng(seed).permutation(len(x))
    here = estimates(*survey, link=link)
    for side in (here[2].member, here[2].comparison):
        assert (side >= 0).all()
        assert side.sum() == pytest.approx(1, abs=1e-12)
    turned = (x[order], zone[order], outcome[order], scale * weight[order], n_levels)
    for there in (estimates(*turned, link=link), estimates(*survey, link=link, cells=True)):
        # Steep slopes near separation keep fewer digits: absolute errors stand for those.
        assert there[0].slopes == pytest.approx(here[0].slopes, rel=1e-6, abs=1e-8)
        assert there[1] == pytest.approx(here[1], rel=1e-6, abs=1e-8)
        assert there[2].member == pytest.approx(here[2].member, abs=1e-9)
        assert there[2].cov == pytest.approx(here[2].cov, rel=1e-6, abs=1e-9)


@given(surveys())
@often
def test_unit_weights_are_no_weights_and_people_counted_twice_halve_the_covariance(survey):
    x, zone, outcome, _, n_levels = survey
    bare, once, twice = (
        estimates(x, zone, outcome, weight, n_levels)[0]
        for weight in (None, np.ones(len(x)), np.full(len(x), 2.0))
    )
    assert bare.slopes == pytest.approx(once.slopes, rel=1e-6, abs=1e-8)
    assert bare.n_obs == once.n_obs == len(x)
    assert twice.cov == pytest.approx(once.cov / 2, rel=1e-6, abs=1e-9)


@given(surveys(), st.sampled_from(["logit", "probit"]))
@often
def test_reversed_levels_flip_the_signs(survey, link):
    x, zone, outcome, weight, n_levels = survey
    here = estimates(*survey, link=link)
    there = estimates(x, zone, n_levels - 1 - outcome, weight, n_levels, link=link)
    assert there[0].slopes == pytest.approx(-here[0].slopes, rel=1e-6, abs=1e-8)
    finite = np.isfinite(here[0].thresholds)
    turned = there[0].thresholds[::-1][finite]
    assert turned == pytest.approx(-here[0].thresholds[finite], rel=1e-6, abs=1e-7)
    assert there[2].member == pytest.approx(here[2].member[::-1], abs=1e-9)
