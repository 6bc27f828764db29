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

from .conftest import GROUP, LINKS, drawn_within
from .conftest import survey as make_survey

GAP = np.array([0, 0, 1, 1, 0, 0, -1, -1.0])


def prepared(n=700, zones=24):
    """Design, cells, and their codes: membership, sex, region and zone."""
    made = make_survey(levels=4, n=n, zones=zones)
    return made.x, made.cells, made.cells.codes


def drawn_again(x, counts, codes, replicates=400, seed=1, **more):
    return bootstrap_margins(
        x, 0, x[:, 0], counts, codes[:, -1], seed=seed, replicates=replicates, **more
    )


def loop(x, cells, codes, drawn, matched):
    """One replicate by `fit_ordinal` and `standardise` on cells copied out."""
    times = drawn[np.searchsorted(np.unique(codes[:, -1]), codes[:, -1])]
    counts = cells.counts * times[:, None]
    if matched:
        stratum = group_codes([codes[:, 1], codes[:, 2]])[1]
        weight = counts.sum(axis=1)
        some, found = weight > 0, np.zeros(len(x))
        found[some] = exact_match(stratum[some], x[some, 0] == 1, weight[some]).weight
        counts = counts * found[:, None]
    some = counts.sum(axis=1) > 0
    fit = fit_ordinal(x[some], counts[some])
    margins = standardise(fit, x, 0, x[:, 0], counts, counts, None, fixed=True)
    return np.concatenate([margins.member, margins.comparison])


@pytest.mark.parametrize("stratified", [False, True])
@pytest.mark.parametrize("matched", [False, True])
def test_replicates_are_those_of_a_loop(matched, stratified):
    x, cells, codes = prepared()
    sets = group_codes([codes[:, 1], codes[:, 2]])[1] if matched else None
    zone, region = codes[:, -1], codes[:, 2]
    declared = (region, drawn_within(region, zone).first) if stratified else ()
    groups = grouping(zone, cells.counts.sum(axis=1), *declared)
    rows = resampling_rows(x, 0, x[:, 0], cells.counts, groups, sets, "logit")
    drawn = multiplicities(groups, 12, np.random.default_rng(5))
    drawn[0] = 1
    margins, fitted, _ = refit(rows, drawn)
    assert fitted.all()
    for times, found in zip(drawn, margins, strict=True):
        assert found == pytest.approx(loop(x, cells, codes, times, matched), abs=1e-8)
    many = multiplicities(groups, 200, np.random.default_rng(0))
    assert (many.sum(axis=1) == 24).all()
    # Where strata are declared each keeps its number of clusters.
    for stratum in range(3 if stratified else 0):
        assert (many[:, groups.stratum == stratum].sum(axis=1) == 8).all()
    assert (many.std(axis=0) > 0.5).all()


def test_what_a_replicate_lacks_is_counted():
    x, cells, codes = prepared()
    two = codes[:, -1] <= 1
    highest = cells.counts.copy()  # the highest level lives in two zones
    highest[~two, 3], highest[two, 3] = 0, highest[two, 2]
    found = drawn_again(x, highest, codes)
    # Both zones are missed with probability (22/24)^24 = 0.124: 50 of 400, sd 6.6.
    assert 24 < found.n_lost_level < 76
    assert (found.margins[:, 3] == 0).sum() == found.n_lost_level
    assert found.margins[:, :4].sum(axis=1) == pytest.approx(1, abs=1e-12)
    intervals = bootstrap_intervals(found, "abcd")
    assert intervals[Contrast(Quantity.RISK_RATIO, ">=d", 3, True)] is None
    assert intervals[Contrast(Quantity.RISK_DIFFERENCE, ">=d", 3, True)] is not None
    others = cells.counts.copy()  # comparison people live in two zones
    others[~two & (x[:, 0] == 0)] = 0
    found = drawn_again(x, others, codes)
    assert 24 < found.n_failed < 90
    assert len(found.margins) == 400 - found.n_failed
    assert np.isfinite(found.margins).all()
    # A level of a covariate does no harm; a sample without a fit is refused.
    extra = (codes[:, -1] == 4).astype(float)
    assert drawn_again(np.column_stack([x, extra]), cells.counts, codes, 200).n_failed == 0
    nobody = cells.counts * (x[:, 0] == 1)[:, None]
    with pytest.raises(NotEstimable):
        drawn_again(x, nobody, codes, 10)


def test_standard_error_is_near_the_sandwich_and_a_seed_decides_everything():
    made = make_survey(levels=4, n=3000, zones=120)
    data = (made.x, made.cells.counts, made.cells.codes)
    found, margins = drawn_again(*data, 1000), made.margins()
    sides = np.concatenate([margins.member, margins.comparison])
    assert found.estimate == pytest.approx(sides, abs=1e-10)
    # Monte Carlo error of a standard deviation from 1,000 draws is 2.2 percent.
    expected = np.sqrt(GAP @ margins.cov @ GAP)
    assert (found.margins @ GAP).std() == pytest.approx(expected, rel=0.08)
    first, again, other = (drawn_again(*data, 30, seed).margins for seed in (3, 3, 4))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("link", LINKS)
def test_one_sample_of_a_batch_is_fit_ordinal(link):
    x, cells, _ = prepared()
    fit = fit_ordinal(x, cells.counts, link=link)
    start = np.concatenate([np.zeros(x.shape[1]), [-1.0, 0, 1]])
    found = fit_batch(x, np.stack([cells.counts, 2 * cells.counts]), start, link)
    assert found.converged.all()
    assert found.params == pytest.approx(np.tile(fit.params, (2, 1)), abs=1e-9)
    # A separated sample does not converge.
    together = np.array([[[5, 5.0], [6, 4]], [[5, 5], [0, 10]]])
    assert fit_batch(GROUP, together, np.zeros(2)).converged.tolist() == [True, False]


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
