"""Clusters drawn again, and scores with random signs."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Contrast, contrasts
from coopgap.core.vocabulary import Quantity
from coopgap.matching.sample import exact_match
from coopgap.regression.bootstrap import (
    Bootstrap,
    bootstrap_intervals,
    bootstrap_margins,
    multiplicities,
    refit,
    resampling_rows,
    wild_score_test,
)
from coopgap.regression.clusters import grouping
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import unit_scores
from coopgap.regression.newton import fit_batch
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.standardise import standardise
from coopgap.survey.cells import collapse, group_codes

LEVELS = 4


def people(seed=0, n=700, zones=24):
    rng = np.random.default_rng(seed)
    zone = rng.integers(0, zones, n)
    region, sex, age = zone % 3, rng.integers(0, 2, n), rng.integers(0, 3, n)
    member = (rng.random(n) < 0.3 + 0.15 * region).astype(np.int64)
    latent = 0.8 * member - 0.4 * sex + 0.3 * region + 0.4 * rng.normal(size=zones)[zone]
    outcome = np.digitize(latent + rng.logistic(size=n), [-1, 0.5, 3.2])
    return member, region, sex, age, zone, outcome, rng.uniform(0.5, 2, n)


def prepared(**settings):
    member, region, sex, age, zone, outcome, weight = people(**settings)
    cells = collapse([member, region, sex, age, zone], outcome, LEVELS, weight)
    codes = cells.codes
    indicators = [codes[:, 1] == 1, codes[:, 1] == 2, codes[:, 2], codes[:, 3] == 1]
    x = np.column_stack([codes[:, 0], *indicators, codes[:, 3] == 2]).astype(float)
    return x, cells, codes


def loop(x, cells, codes, drawn, matched):
    """One replicate by `fit_ordinal` and `standardise` on cells copied out."""
    zones = np.unique(codes[:, -1])
    times = drawn[np.searchsorted(zones, codes[:, -1])]
    counts = cells.counts * times[:, None]
    target = x[:, 0]
    if matched:
        stratum = group_codes([codes[:, 1], codes[:, 2], codes[:, 3]])[1]
        weight = counts.sum(axis=1)
        some = weight > 0
        found = np.zeros(len(x))
        found[some] = exact_match(stratum[some], x[some, 0] == 1, weight[some]).weight
        counts = counts * found[:, None]
    fit = fit_ordinal(x[counts.sum(axis=1) > 0], counts[counts.sum(axis=1) > 0])
    margins = standardise(fit, x, 0, target, counts, counts, None, fixed=True)
    return np.concatenate([margins.member, margins.comparison])


@pytest.mark.parametrize("stratified", [False, True])
@pytest.mark.parametrize("matched", [False, True])
def test_replicates_are_those_of_a_loop(matched, stratified):
    x, cells, codes = prepared()
    strata = codes[:, 1] if stratified else None
    sets = group_codes([codes[:, 1], codes[:, 2], codes[:, 3]])[1] if matched else None
    groups = grouping(codes[:, -1], cells.counts.sum(axis=1), strata)
    rows = resampling_rows(x, 0, x[:, 0], cells.counts, groups, sets, "logit")
    drawn = multiplicities(groups, 12, np.random.default_rng(5))
    drawn[0] = 1
    margins, fitted, _ = refit(rows, drawn)
    assert fitted.all()
    for times, found in zip(drawn, margins, strict=True):
        assert found == pytest.approx(loop(x, cells, codes, times, matched), abs=1e-8)


def test_every_stratum_keeps_its_number_of_clusters():
    _, cells, codes = prepared()
    groups = grouping(codes[:, -1], cells.counts.sum(axis=1), codes[:, 1])
    drawn = multiplicities(groups, 200, np.random.default_rng(0))
    for stratum in range(3):
        assert (drawn[:, groups.stratum == stratum].sum(axis=1) == 8).all()
    overall = grouping(codes[:, -1], cells.counts.sum(axis=1))
    drawn = multiplicities(overall, 200, np.random.default_rng(0))
    assert (drawn.sum(axis=1) == 24).all()
    assert (drawn[:, overall.stratum == 0].std(axis=0) > 0.5).all()


def test_a_seed_decides_everything():
    x, cells, codes = prepared()

    def run(seed):
        return bootstrap_margins(
            x, 0, x[:, 0], cells.counts, codes[:, -1], seed=seed, replicates=300
        )

    assert (run(3).margins == run(3).margins).all()
    assert (run(3).margins != run(4).margins).any()


def test_a_lost_level_is_kept_and_counted():
    x, cells, codes = prepared()
    counts = cells.counts.copy()
    two = codes[:, -1] <= 1  # the highest level lives in two zones
    counts[~two, 3], counts[two, 3] = 0, counts[two, 2]
    found = bootstrap_margins(x, 0, x[:, 0], counts, codes[:, -1], seed=1, replicates=400)
    # Both zones are missed with probability (22/24)^24 = 0.124: 50 of 400, sd 6.6.
    assert 24 < found.n_lost_level < 76
    lost = found.margins[:, 3] == 0
    assert lost.sum() == found.n_lost_level
    assert found.margins[:, :4].sum(axis=1) == pytest.approx(1, abs=1e-12)
    intervals = bootstrap_intervals(found, "abcd")
    assert intervals[Contrast(Quantity.RISK_RATIO, ">=d", 3, True)] is None
    assert intervals[Contrast(Quantity.RISK_DIFFERENCE, ">=d", 3, True)] is not None


def test_replicates_without_a_fit_are_counted():
    x, cells, codes = prepared()
    counts = cells.counts.copy()
    counts[(codes[:, -1] > 1) & (x[:, 0] == 0)] = 0  # comparison people live in two zones
    found = bootstrap_margins(x, 0, x[:, 0], counts, codes[:, -1], seed=1, replicates=400)
    assert 24 < found.n_failed < 90
    assert len(found.margins) == 400 - found.n_failed
    assert np.isfinite(found.margins).all()


def test_a_level_of_a_covariate_that_a_replicate_lacks_does_no_harm():
    x, cells, codes = prepared()
    extra = (codes[:, -1] == 4).astype(float)
    found = bootstrap_margins(
        np.column_stack([x, extra]), 0, x[:, 0], cells.counts, codes[:, -1], seed=2, replicates=200
    )
    assert found.n_failed == 0


def test_standard_error_is_near_the_sandwich():
    x, cells, codes = prepared(n=3000, zones=120)
    found = bootstrap_margins(x, 0, x[:, 0], cells.counts, codes[:, -1], seed=1, replicates=1000)
    fit = fit_ordinal(x, cells.counts)
    margins = standardise(fit, x, 0, x[:, 0], cells.counts, cells.squares, codes[:, -1])
    gap = np.array([0, 0, 1, 1, 0, 0, -1, -1.0])
    assert found.estimate == pytest.approx(
        np.concatenate([margins.member, margins.comparison]), abs=1e-10
    )
    # Monte Carlo error of a standard deviation from 1,000 draws is 2.2 percent.
    expected = np.sqrt(gap @ margins.cov @ gap)
    assert (found.margins @ gap).std() == pytest.approx(expected, rel=0.08)


def test_intervals_by_hand():
    rng = np.random.default_rng(0)
    share = np.clip(rng.normal([0.4, 0.3], 0.05, (999, 2)), 0.01, 0.99)
    draws = np.column_stack([1 - share[:, 0], share[:, 0], 1 - share[:, 1], share[:, 1]])
    found = Bootstrap(
        estimate=np.array([0.6, 0.4, 0.7, 0.3]),
        margins=draws,
        n_failed=0,
        n_lost_level=0,
        n_clusters=20,
    )
    rd = contrasts("ab")[0]
    ends = np.quantile(share[:, 0] - share[:, 1], [0.025, 0.975])
    percentile = bootstrap_intervals(found, "ab")[rd]
    assert (percentile.lower, percentile.upper) == pytest.approx(ends)
    basic = bootstrap_intervals(found, "ab", kind="basic")[rd]
    assert (basic.lower, basic.upper) == pytest.approx(0.2 - ends[::-1])
    below = (share[:, 0] <= share[:, 1]).sum()
    assert percentile.p_value == pytest.approx(2 * (below + 1) / 1000)
    ratio = bootstrap_intervals(found, "ab")[contrasts("ab")[1]]
    assert ratio.lower == pytest.approx(np.quantile(share[:, 0] / share[:, 1], 0.025), rel=1e-3)
    assert np.isnan(bootstrap_intervals(found, "ab")[contrasts("ab")[-1]].p_value)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_one_sample_of_a_batch_is_fit_ordinal(link):
    x, cells, _ = prepared()
    fit = fit_ordinal(x, cells.counts, link=link)
    start = np.concatenate([np.zeros(x.shape[1]), [-1.0, 0, 1]])
    found = fit_batch(x, np.stack([cells.counts, 2 * cells.counts]), start, link)
    assert found.converged.all()
    assert found.params[0] == pytest.approx(fit.params, abs=1e-9)
    assert found.params[1] == pytest.approx(fit.params, abs=1e-9)


def test_separation_does_not_converge():
    x = np.array([[0.0], [1.0]])
    together = np.array([[[5, 5.0], [6, 4]], [[5, 5], [0, 10]]])
    found = fit_batch(x, together, np.zeros(2))
    assert found.converged.tolist() == [True, False]


def test_a_sample_without_a_fit_is_refused():
    x, cells, codes = prepared()
    counts = cells.counts.copy()
    counts[x[:, 0] == 0] = 0
    with pytest.raises(NotEstimable):
        bootstrap_margins(x, 0, x[:, 0], counts, codes[:, -1], seed=1, replicates=10)


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
