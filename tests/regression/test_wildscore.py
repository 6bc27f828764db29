from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from coopgap.core.errors import NotEstimable
from coopgap.regression.bootstrap import wild_score_test
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import unit_scores
from coopgap.regression.ordinal import fit_ordinal
from coopgap.survey.cells import collapse


def survey(rng, zones, gap=0.0, n=300):
    """Membership differs between clusters: the hard case for few of them."""
    zone = rng.integers(0, zones, n)
    lean = rng.normal(size=zones)
    member = (rng.random(n) < 1 / (1 + np.exp(-1.5 * lean[zone]))).astype(np.int64)
    sex = rng.integers(0, 2, n)
    latent = gap * member - 0.4 * sex + 0.7 * rng.normal(size=zones)[zone] + rng.logistic(size=n)
    cells = collapse([member, sex, zone], np.digitize(latent, [-0.7, 1.2]), 3)
    return cells.codes[:, :2].astype(float), cells.counts, cells.codes[:, 2]


def test_binary_outcome_by_hand():
    """Logit: the effective score is the sum of (member − its weighted projection) residuals."""
    x, counts, cluster = survey(np.random.default_rng(0), 6)
    counts = np.column_stack([counts[:, 0], counts[:, 1:].sum(axis=1)])
    null = fit_ordinal(x[:, 1:], counts)
    eta = x[:, 1] * null.slopes[0] - null.thresholds[0]
    mean, total = 1 / (1 + np.exp(-eta)), counts.sum(axis=1)
    w = total * mean * (1 - mean)
    design = np.column_stack([np.ones(len(x)), x[:, 1]])
    solve = np.linalg.solve(design.T @ (design * w[:, None]), design.T @ (w * x[:, 0]))
    each = (x[:, 0] - design @ solve) * (counts[:, 1] - total * mean)
    scores = np.array([each[cluster == g].sum() for g in range(6)])
    sums = [abs(np.dot(signs, scores)) for signs in product((1, -1), repeat=6)]
    found = wild_score_test(x, 0, counts, cluster, seed=1)
    assert found.statistic == pytest.approx(scores.sum() / np.sqrt((scores**2).sum()), rel=1e-8)
    assert found.p_value == pytest.approx(
        np.mean(np.array(sums) >= abs(scores.sum()) * (1 - 1e-9)), abs=1e-12
    )
    assert (found.n_signs, found.enumerated, found.n_clusters) == (64, True, 6)


def test_signs_are_drawn_beyond_twelve_clusters_and_agree_with_the_normal():
    rng = np.random.default_rng(5)
    x, counts, cluster = survey(rng, 60, gap=0.35, n=1500)
    found = wild_score_test(x, 0, counts, cluster, seed=3)
    assert not found.enumerated
    assert found.n_signs == 9999
    fit = fit_ordinal(x, counts)
    wald = cluster_covariance(fit.bread, unit_scores(fit, x), counts, counts, cluster)
    z = fit.slopes[0] / np.sqrt(wald.cov[0, 0])
    # A score and a Wald statistic agree to first order.
    assert found.statistic == pytest.approx(z, rel=0.15)
    again = wild_score_test(x, 0, counts, cluster, seed=3)
    assert again.p_value == found.p_value


def test_a_large_gap_is_seen_and_a_level_may_be_empty():
    x, counts, cluster = survey(np.random.default_rng(2), 11, gap=2.5, n=600)
    padded = np.column_stack([counts[:, :1], 0 * counts[:, 0], counts[:, 1:]])
    one, other = (wild_score_test(x, 0, c, cluster, seed=1) for c in (counts, padded))
    assert one.p_value == pytest.approx(2 / 2**11)
    assert other.statistic == pytest.approx(one.statistic, rel=1e-8)


def test_one_cluster_is_refused():
    x, counts, cluster = survey(np.random.default_rng(2), 8)
    with pytest.raises(NotEstimable, match="1 cluster"):
        wild_score_test(x, 0, counts, 0 * cluster, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("zones", [7, 20])
def test_size_under_no_gap(zones):
    rng = np.random.default_rng(11)
    n, rejected, cr1 = 600, 0, 0
    for _ in range(n):
        x, counts, cluster = survey(rng, zones)
        found = wild_score_test(x, 0, counts, cluster, seed=1, replicates=399)
        rejected += found.p_value <= 0.05
        fit = fit_ordinal(x, counts)
        cov = cluster_covariance(fit.bread, unit_scores(fit, x), counts, counts, cluster).cov
        cr1 += abs(fit.slopes[0]) > 1.96 * np.sqrt(cov[0, 0])
    # Binomial error of 5 percent in 600 is 0.9: four of them. The normal Wald test rejects more.
    assert rejected / n == pytest.approx(0.05, abs=0.036)
    assert cr1 / n > rejected / n
