from __future__ import annotations

import numpy as np
import pytest

from coopgap.core.errors import NotEstimable
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import unit_scores
from coopgap.regression.ordinal import fit_ordinal
from coopgap.survey.cells import collapse


def people(seed=0, n=400, n_zones=12):
    rng = np.random.default_rng(seed)
    member, sex = rng.integers(0, 2, (2, n))
    zone = rng.integers(0, n_zones, n)
    latent = 0.8 * member - 0.4 * sex + rng.normal(size=n_zones)[zone] + rng.logistic(size=n)
    outcome = np.digitize(latent, [-1, 0.5, 2])
    return member, sex, zone, outcome, rng.uniform(0.3, 3, n)


def covariance(columns, outcome, weight, clustered=True):
    cells = collapse(columns, outcome, 4, weight)
    x = cells.codes[:, :2].astype(float)
    fit = fit_ordinal(x, cells.counts)
    cluster = cells.codes[:, 2] if clustered else None
    return fit, cluster_covariance(
        fit.bread, unit_scores(fit, x), cells.counts, cells.squares, cluster
    )


def sandwich_by_hand(fit, member, sex, zone, outcome, weight):
    """One person after another, clusters in a loop."""
    x = np.column_stack([member, sex]).astype(float)
    scores = unit_scores(fit, x)[np.arange(len(outcome)), outcome] * weight[:, None]
    meat = np.zeros((5, 5))
    for g in np.unique(zone):
        total = scores[zone == g].sum(axis=0)
        meat += np.outer(total, total)
    n_clusters = np.unique(zone).size
    return n_clusters / (n_clusters - 1) * fit.bread @ meat @ fit.bread


def test_cluster_sums_by_hand():
    member, sex, zone, outcome, weight = people()
    fit, found = covariance([member, sex, zone], outcome, weight)
    expected = sandwich_by_hand(fit, member, sex, zone, outcome, weight)
    assert found.cov == pytest.approx(expected, rel=1e-10)
    assert (found.kind, found.n_clusters, found.df) == ("cluster CR1", 12, 11)


def test_people_as_clusters_are_hc0_but_for_the_factor():
    member, sex, _, outcome, weight = people()
    n = outcome.size
    _, each = covariance([member, sex, np.arange(n)], outcome, weight)
    _, found = covariance([member, sex], outcome, weight, clustered=False)
    assert each.cov * (n - 1) / n == pytest.approx(found.cov, rel=1e-10)
    assert (found.kind, found.n_clusters, found.df) == ("HC0", None, np.inf)


@pytest.mark.parametrize("clustered", [True, False])
def test_rescaled_weights_change_nothing(clustered):
    member, sex, zone, outcome, weight = people()
    _, found = covariance([member, sex, zone], outcome, weight, clustered)
    _, scaled = covariance([member, sex, zone], outcome, 100 * weight, clustered)
    assert scaled.cov == pytest.approx(found.cov, rel=1e-9)


def test_one_cluster_is_refused_and_two_are_left_to_the_caller():
    member, sex, zone, outcome, weight = people()
    with pytest.raises(NotEstimable, match="1 cluster"):
        covariance([member, sex, 0 * zone], outcome, weight)
    assert covariance([member, sex, zone % 2], outcome, weight)[1].n_clusters == 2
