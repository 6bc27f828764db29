from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coopgap.regression.cumulative import (
    cell_information,
    cluster_information,
    unit_information,
    unit_scores,
)
from coopgap.regression.ordinal import fit_ordinal
from coopgap.survey.cells import collapse


def made(levels=4, seed=0, n=500):
    rng = np.random.default_rng(seed)
    member, sex = rng.integers(0, 2, (2, n))
    zone = rng.integers(0, 15, n)
    latent = 0.8 * member - 0.4 * sex + rng.logistic(size=n)
    outcome = np.digitize(latent, [-1, 0.5, 2][: levels - 1])
    cells = collapse([member, sex, zone], outcome, levels, rng.uniform(0.3, 3, n))
    return cells.codes[:, :2].astype(float), cells.counts, cells.codes[:, 2]


@pytest.mark.parametrize("free", [(), (0,)])
@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_clusters_sum_to_the_inverse_of_the_bread(link, free):
    x, counts, cluster = made()
    fit = fit_ordinal(x, counts, link=link, free=free)
    found = cluster_information(fit, x, counts, cluster)
    assert found.shape == (15, fit.params.size, fit.params.size)
    assert found.sum(axis=0) == pytest.approx(np.linalg.inv(fit.cov), rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_units_sum_to_cells_and_are_minus_the_derivative_of_scores(link):
    x, counts, _ = made()
    fit = fit_ordinal(x, counts, link=link)
    each = unit_information(fit, x)
    assert np.einsum("cj,cjpq->cpq", counts, each) == pytest.approx(
        cell_information(fit, x, counts), rel=1e-10, abs=1e-12
    )
    step = 1e-5
    for at in range(fit.params.size):
        move = np.zeros(fit.params.size)
        move[at] = step
        ends = [
            unit_scores(
                replace(
                    fit,
                    slopes=fit.slopes + sign * move[:2],
                    thresholds=fit.thresholds + sign * move[2:],
                ),
                x,
            )
            for sign in (1, -1)
        ]
        # Central differences, error of the order of the step squared.
        assert -(ends[0] - ends[1]) / (2 * step) == pytest.approx(each[..., at], abs=1e-7)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
@pytest.mark.parametrize("empty", [0, 2, 3])
def test_levels_that_nobody_has_add_nothing(empty, link):
    x, counts, cluster = made()
    counts[:, empty] = 0
    fit = fit_ordinal(x, counts, link=link)
    found = cluster_information(fit, x, counts, cluster)
    assert np.isfinite(found).all()
    v, total = fit.cov, found.sum(axis=0)
    assert v @ total @ v == pytest.approx(v, rel=1e-8, abs=1e-10)


def test_clusters_without_weight_are_left_out():
    x, counts, cluster = made()
    counts[cluster == 3] = 0
    fit = fit_ordinal(x, counts)
    assert len(cluster_information(fit, x, counts, cluster)) == 14
