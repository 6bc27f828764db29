"""Conditional logit: by enumeration, in closed form, over simulated surveys, and what it costs."""

from __future__ import annotations

import dataclasses
import itertools
import time
from math import comb

import numpy as np
import pytest
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar

from coopgap.core.errors import NotEstimable
from coopgap.regression import conditional, separation
from coopgap.regression import sets as set_sums
from coopgap.regression.conditional import (
    MOST_SECONDS,
    conditional_covariance,
    conditional_scores,
    constant_within_sets,
    fit_conditional,
    likelihood_seconds,
    require_affordable,
)
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.separation import separated_terms
from coopgap.regression.sets import batches, group_sets, subset_moments


def pairs(b: int, c: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """b pairs in which only the member said yes, c in which only the comparison person did."""
    x = np.tile([[1.0], [0.0]], (b + c, 1))
    yes = np.concatenate([np.tile([1, 0], b), np.tile([0, 1], c)])
    return x, np.column_stack([1 - yes, yes]), np.repeat(np.arange(b + c), 2)


def people(seed, n_sets, size, n_levels=2, k=1, n_zones=10):
    rng = np.random.default_rng(seed)
    sets = np.repeat(np.arange(n_sets), size)
    x = rng.integers(0, 2, (sets.size, k)).astype(float)
    zone = rng.integers(0, n_zones, sets.size)
    latent = x @ np.full(k, 0.6) + rng.normal(size=n_sets)[sets] + rng.normal(size=n_zones)[zone]
    outcome = np.digitize(latent + rng.logistic(size=sets.size), np.linspace(-0.5, 2, n_levels - 1))
    counts = np.eye(n_levels, dtype=np.int64)[outcome]
    return x, counts, sets, zone


def enumerated(slopes, x, counts, sets):
    """The conditional log-likelihood by writing out every subset, summed over cuts."""
    total = 0.0
    for s in np.unique(sets):
        rows = x[sets == s]
        for cut in range(1, counts.shape[1]):
            y = counts[sets == s][:, cut:].sum(axis=1)
            subsets = itertools.combinations(range(len(rows)), int(y.sum()))
            terms = [np.exp(rows[list(chosen)].sum(axis=0) @ slopes) for chosen in subsets]
            total += float(y @ rows @ slopes - np.log(np.sum(terms)))
    return total


@pytest.mark.parametrize(("b", "c"), [(16, 6), (1, 1), (40, 3)])
def test_pairs_give_the_log_ratio_of_discordant_pairs(b, c):
    x, counts, sets = pairs(b, c)
    fit = fit_conditional(x, counts, sets)
    assert fit.slopes[0] == pytest.approx(np.log(b / c), abs=1e-12)
    assert fit.cov[0, 0] == pytest.approx(1 / b + 1 / c, rel=1e-10)
    assert fit.n_sets_discordant == b + c
    # Independent people in pairs are whole pairs.
    found = conditional_covariance(fit, x, counts, sets, None)
    assert found.kind == "HC0"
    assert found.cov[0, 0] == pytest.approx(1 / b + 1 / c, rel=1e-10)


@pytest.mark.parametrize("n_levels", [2, 4])
def test_likelihood_score_and_information_by_enumeration(n_levels):
    x, counts, sets, _ = people(4, n_sets=8, size=7, n_levels=n_levels, k=2)
    fit = fit_conditional(x, counts, sets)
    args = (x, counts, sets)
    assert fit.log_likelihood == pytest.approx(enumerated(fit.slopes, *args), rel=1e-12)
    gradient = optimize.approx_fprime(fit.slopes, enumerated, 1e-6, *args)
    assert np.abs(gradient).max() < 1e-4  # forward differences err by the step
    hessian, step = np.zeros((2, 2)), 1e-4
    for i, j, si, sj in itertools.product((0, 1), (0, 1), (1, -1), (1, -1)):
        moved = fit.slopes + step * (si * np.eye(2)[i] + sj * np.eye(2)[j])
        hessian[i, j] += si * sj * enumerated(moved, *args) / (4 * step**2)
    assert fit.cov == pytest.approx(np.linalg.inv(-hessian), rel=1e-5)


def test_alike_people_may_be_grouped_or_not():
    x, counts, sets, zone = people(5, n_sets=6, size=40, n_levels=3, k=2)
    key = np.column_stack([sets, x, zone])
    rows, index = np.unique(key, axis=0, return_inverse=True)
    grouped = np.zeros((len(rows), 3), dtype=np.int64)
    np.add.at(grouped, index.ravel(), counts)
    each = fit_conditional(x, counts, sets)
    some = fit_conditional(rows[:, 1:3], grouped, rows[:, 0].astype(int))
    assert some.slopes == pytest.approx(each.slopes, abs=1e-10)
    assert some.cov == pytest.approx(each.cov, rel=1e-8)
    assert some.log_likelihood == pytest.approx(each.log_likelihood, rel=1e-12)
    for cluster in (True, False):
        here = conditional_covariance(each, x, counts, sets, zone if cluster else None)
        there = conditional_covariance(
            some,
            rows[:, 1:3],
            grouped,
            rows[:, 0].astype(int),
            rows[:, 3].astype(int) if cluster else None,
        )
        assert there.cov == pytest.approx(here.cov, rel=1e-8)


def test_two_groups_are_the_recursion_over_any_split_of_them():
    """Alike people in one group or in several: the linear sum and the recursion agree."""
    rng = np.random.default_rng(21)
    x, whole = rng.normal(size=(8, 2, 2)), rng.integers(0, 30, (8, 2))
    parts = rng.binomial(whole, 0.4)
    order = rng.permutation(4)
    split = np.hstack([parts, whole - parts])[:, order]
    rows = np.hstack([x, x])[:, order]
    total = rng.integers(0, whole.sum(axis=1)[:, None] + 1, (8, 3))
    slopes = np.array([0.7, -1.3])
    two = subset_moments(x, whole, x @ slopes, total)
    four = subset_moments(rows, split, rows @ slopes, total)
    for found, expected in zip(two, four, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def test_two_groups_are_a_noncentral_hypergeometric_distribution():
    size, log_odds, total = np.array([[40, 90]]), 0.8, np.array([[0, 55, 130]])
    x = np.array([[[1.0], [0.0]]])
    found = subset_moments(x, size, log_odds * x[:, :, 0], total)
    for at, m in enumerate(total[0]):
        members = stats.nchypergeom_fisher(130, 40, m, np.exp(log_odds))
        assert found.mean[0, at, 0] == pytest.approx(members.mean(), abs=1e-9)
        assert found.cov[0, at, 0, 0] == pytest.approx(members.var(), abs=1e-9)
        ways = [comb(40, r) * comb(90, m - r) * np.exp(log_odds * r) for r in range(min(m, 40) + 1)]
        assert found.log_sum[0, at] == pytest.approx(np.log(sum(ways)), abs=1e-10)
    # A total that a set does not reach has no ways.
    beyond = subset_moments(x, np.array([[2, 3]]), x[:, :, 0], np.array([[5, 6]]))
    assert np.isfinite(beyond.log_sum[0, 0])
    assert beyond.log_sum[0, 1] == -np.inf


def test_a_set_of_nine_hundred_people():
    x, counts, sets, _ = people(8, n_sets=1, size=900, k=2)
    fit = fit_conditional(x, counts, sets)
    assert fit.max_gradient < 1e-10
    # One large set: the conditional slope is the binomial one to the order of 1/n.
    plain = fit_ordinal(x, counts.astype(float))
    assert fit.slopes == pytest.approx(plain.slopes, rel=5e-3)
    assert fit.cov == pytest.approx(plain.cov[:2, :2], rel=1e-2, abs=2e-4)


def test_scores_of_a_set_sum_to_its_exact_score():
    x, counts, sets, _ = people(9, n_sets=12, size=6, n_levels=3, k=2)
    fit = fit_conditional(x, counts, sets)
    # Each set in one cluster: the correction for crossing sets must vanish.
    scores = conditional_scores(fit, x, counts, sets, sets)
    for s in range(3):
        here = sets == s
        args = (x[here], counts[here], sets[here])
        found = np.einsum("cj,cjk->k", counts[here], scores[here])
        assert found == pytest.approx(
            optimize.approx_fprime(fit.slopes, enumerated, 1e-7, *args), abs=1e-5
        )
    assert np.abs(np.einsum("cj,cjk->k", counts, scores)).max() < 1e-9


def test_nested_sets_give_the_cluster_sandwich_of_exact_scores():
    x, counts, sets, _ = people(10, n_sets=24, size=5)
    zone = sets // 3
    fit = fit_conditional(x, counts, sets)
    meat = 0.0
    for z in np.unique(zone):
        here = zone == z
        args = (x[here], counts[here], sets[here])
        meat += optimize.approx_fprime(fit.slopes, enumerated, 1e-7, *args)[0] ** 2
    expected = 8 / 7 * fit.cov[0, 0] ** 2 * meat
    found = conditional_covariance(fit, x, counts, sets, zone)
    assert found.cov[0, 0] == pytest.approx(expected, rel=1e-5)  # forward differences
    assert (found.n_clusters, found.df) == (8, 7)


def test_levels_that_nobody_has_make_no_cut():
    x, counts, sets, _ = people(11, n_sets=20, size=6, n_levels=3)
    padded = np.insert(counts, [0, 1, 3], 0, axis=1)
    fit, full = fit_conditional(x, padded, sets), fit_conditional(x, counts, sets)
    assert fit.slopes == pytest.approx(full.slopes, abs=1e-12)
    # Levels 1, 3 and 4 of six are people's; a cut starts at each but the lowest.
    low, high = full.discordant_by_cut
    assert padded.any(axis=0).tolist() == [False, True, False, True, True, False]
    assert fit.discordant_by_cut.tolist() == [0, 0, low, high, 0]
    scores = conditional_scores(fit, x, padded, sets)
    expected = conditional_scores(full, x, counts, sets)
    assert scores[:, padded.any(axis=0)] == pytest.approx(expected, abs=1e-12)


def test_a_fit_without_a_maximum_ends_where_its_information_is_lost(monkeypatch):
    """Each step towards infinity leaves 1/e of the information: some twenty leave none."""
    rng = np.random.default_rng(0)
    sets = np.repeat(np.arange(400), 3)
    x = np.column_stack([*rng.integers(0, 2, (2, sets.size)), np.zeros(sets.size)]).astype(float)
    yes = (rng.random(sets.size) < 1 / (1 + np.exp(-0.5 * x[:, 0] - 0.3 * x[:, 1]))).astype(int)
    yes[:12] = x[:12, 2] = np.tile([1, 0, 0], 4)
    points = []
    evaluate = conditional._point
    monkeypatch.setattr(conditional, "_point", lambda *at: points.append(at) or evaluate(*at))
    with pytest.raises(NotEstimable, match="no finite estimate for rare"):
        fit_conditional(x, np.eye(2, dtype=np.int64)[yes], sets, terms=("member", "sex", "rare"))
    assert 15 < len(points) < 30


@pytest.mark.slow
@pytest.mark.parametrize(("cells", "low", "high"), [(12, 0.92, 1.08), (40, 0.88, 1.06)])
def test_standard_errors_when_sets_cross_zones(cells, low, high):
    """Mean standard error against the spread of the estimates over simulated surveys."""
    rng = np.random.default_rng(1)
    zone = np.repeat(np.arange(60), 12)
    estimates, std_errors = [], []
    for _ in range(300):
        odds = rng.normal(0, 0.8, 60)
        member = (rng.random(zone.size) < 1 / (1 + np.exp(-odds[zone]))).astype(int)
        cell = rng.integers(0, cells, zone.size)
        latent = (0.5 + rng.normal(0, 0.3, 60)[zone]) * member + rng.normal(0, 0.5, 60)[zone]
        latent += rng.normal(0, 0.5, cells)[cell] + rng.logistic(size=zone.size)
        counts = np.eye(2, dtype=np.int64)[(latent > 0).astype(int)]
        sets = zone // 12 * cells + cell
        x = member[:, None].astype(float)
        fit = fit_conditional(x, counts, sets)
        estimates.append(fit.slopes[0])
        std_errors.append(conditional_covariance(fit, x, counts, sets, zone).cov[0, 0] ** 0.5)
    # Monte Carlo error of the spread is 4 %.
    assert low < np.mean(std_errors) / np.std(estimates) < high


def stratified(n_sets, size, n_groups, k, n_levels=3, seed=0):
    """Cells of sets of `size` people of `n_groups` kinds with `k` columns, membership first."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, (n_sets * n_groups, k)).astype(np.float64)
    x[:, 0] = np.tile(np.arange(n_groups) % 2, n_sets)
    x[:, 1:] += rng.normal(scale=0.1, size=x[:, 1:].shape)
    counts = rng.multinomial(size // n_groups, np.full(n_levels, 1 / n_levels), size=len(x))
    return x, counts, np.repeat(np.arange(n_sets), n_groups)


@pytest.mark.parametrize(
    ("shape", "minutes", "words"),
    [
        # 300,000 people of 8 kinds in 60 strata, and 50 covariates of 12 levels of 3,000 people.
        ((60, 5000, 8, 6), 10, "60 sets of up to 5,000 people with 6 columns"),
        ((60, 50, 50, 551), 25, "60 sets of up to 50 people with 551 columns"),
    ],
)
def test_what_would_run_for_long_is_refused_at_once(shape, minutes, words):
    data = stratified(*shape)
    started = time.process_time()
    with pytest.raises(NotEstimable, match=words):
        fit_conditional(*data)
    assert time.process_time() - started < 20
    groups = group_sets(*data)
    assert likelihood_seconds(batches(groups, groups.x)) > 60 * minutes


@pytest.mark.parametrize(
    "shape",
    [(400, 2, 2, 2), (60, 60, 6, 6), (3, 900, 9, 4), (2, 300, 300, 6), (60, 5000, 2, 1, 5)],
)
def test_the_estimate_is_near_what_a_fit_takes(shape):
    x, counts, sets = stratified(*shape)
    groups = group_sets(x, counts, sets)
    expected = likelihood_seconds(batches(groups, groups.x))
    assert expected < MOST_SECONDS
    started = time.process_time()
    fit = fit_conditional(x, counts, sets)
    conditional_covariance(fit, x, counts, sets, None)
    taken = time.process_time() - started
    assert expected / 8 < taken < max(8 * expected, 0.3)
    # Two kinds of people in large strata take seconds, pairs of a large survey less than is most.
    assert taken < 5


def test_batches_keep_sets_of_two_groups_apart():
    more, two = stratified(30, 8, 4, 2, seed=1), stratified(20, 8, 2, 2, seed=2)
    x, counts = (np.concatenate(pair) for pair in zip(more[:2], two[:2], strict=True))
    groups = group_sets(x, counts, np.concatenate([more[2], 100 + two[2]]))
    shapes = [batch.size.shape for batch in batches(groups, groups.x)]
    assert shapes == [(20, 2), (30, 4)]
    # Pairs of a large survey are no trouble.
    groups = group_sets(*stratified(50_000, 2, 2, 10))
    prepared = batches(groups, groups.x)
    require_affordable(prepared)
    assert likelihood_seconds(prepared) < MOST_SECONDS / 6


def test_totals_taken_one_after_another_are_the_same(monkeypatch):
    x, counts, sets = stratified(3, 120, 6, 3)
    whole = fit_conditional(x, counts, sets)
    monkeypatch.setattr(set_sums, "_AT_ONCE", 500)
    parts = fit_conditional(x, counts, sets)
    np.testing.assert_allclose(parts.slopes, whole.slopes, rtol=1e-12)
    np.testing.assert_allclose(parts.cov, whole.cov, rtol=1e-11)


def test_a_check_for_separation_that_runs_too_long_is_no_estimate(monkeypatch):
    rng = np.random.default_rng(5)
    x, counts = rng.normal(size=(400, 30)), rng.integers(0, 3, (400, 4))
    monkeypatch.setattr(separation, "SOLVER_SECONDS", 1e-9)
    with pytest.raises(NotEstimable, match="took more than 1e-09 seconds"):
        separated_terms(x, counts, [str(k) for k in range(30)])


def test_mcnemar_of_fagerland():
    """The conditional likelihood's score test of no gap, on pairs, is McNemar's test.

    Fagerland, Lydersen & Laake (2017), package tests: paired 59, 6 / 16, 80 have z -2.132,
    p .033006, exact .052479, mid-P .034690. Pairs that agree add nothing to the likelihood.
    """
    table = np.array([[59, 6], [16, 80]])
    x = np.tile([[1.0], [0.0]], (161, 1))
    member, other = np.repeat([(0, 0), (0, 1), (1, 0), (1, 1)], table.ravel(), axis=0).T
    yes = np.column_stack([1 - member, 1 - other]).ravel()  # rows: members, first column: yes
    counts, sets = np.column_stack([1 - yes, yes]), np.repeat(np.arange(161), 2)
    fit = fit_conditional(x, counts, sets)
    assert fit.n_sets_discordant == 22
    nothing = dataclasses.replace(fit, slopes=np.zeros(1))
    people = np.einsum("cj,cjk->c", counts, conditional_scores(nothing, x, counts, sets, sets))
    by_set = np.bincount(sets, people)
    z = by_set.sum() / np.sqrt((by_set**2).sum())
    assert z == pytest.approx(-2.132, abs=5e-4)
    assert 2 * stats.norm.sf(abs(z)) == pytest.approx(0.033006, abs=5e-7)
    favour = int((by_set > 0).sum())
    exact = stats.binomtest(favour, 22).pvalue
    assert exact == pytest.approx(0.052479, abs=5e-7)
    assert exact - stats.binom.pmf(favour, 22, 0.5) == pytest.approx(0.034690, abs=5e-7)
    assert exact == pytest.approx(mcnemar(table, exact=True).pvalue, rel=1e-12)
    assert z**2 == pytest.approx(mcnemar(table, exact=False, correction=False).statistic)


def test_what_has_no_estimate_is_named():
    x, counts, sets, _ = people(12, n_sets=15, size=6, k=2)
    region = (sets % 2)[:, None].astype(float)
    constant, dependent = np.hstack([x, region]), np.column_stack([x, x[:, 0] + sets])
    of_five = pairs(5, 0)
    alike = np.tile([[1, 0], [1, 0]], (5, 1))
    named = {"terms": ("member", "sex", "age")}
    for data, words, more in (
        ((of_five[0], alike, of_five[2]), "no discordant set", {}),
        ((np.ones_like(of_five[0]), *of_five[1:]), "no discordant set", {}),
        # Ten pairs, all in one direction: the estimate is infinite, not 10 with SE 12.
        (pairs(10, 0), "no finite estimate", {}),
        ((constant, counts, sets), "age constant within sets", named),
        ((dependent, counts, sets), "age cannot be told apart", named),
    ):
        with pytest.raises(NotEstimable, match=words):
            fit_conditional(*data, **more)
    assert constant_within_sets(constant, counts, sets).tolist() == [False, False, True]
    assert constant_within_sets(x[:, :0], counts, sets).shape == (0,)


def test_order_numbers_levels_and_groups_do_not_matter():
    x, counts, sets, zone = people(6, n_sets=20, size=9, n_levels=3, k=2)
    order = np.random.default_rng(0).permutation(len(x))
    fit = fit_conditional(x, counts, sets)
    moved = fit_conditional(x[order], counts[order], 1000 - 7 * sets[order])
    assert moved.slopes == pytest.approx(fit.slopes, abs=1e-11)
    here = conditional_covariance(fit, x, counts, sets, zone).cov
    there = conditional_covariance(moved, x[order], counts[order], -sets[order], zone[order]).cov
    assert there == pytest.approx(here, rel=1e-8)
    for turned in (fit_conditional(x, counts[:, ::-1], sets), fit_conditional(1 - x, counts, sets)):
        assert turned.slopes == pytest.approx(-fit.slopes, abs=1e-10)
