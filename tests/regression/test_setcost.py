"""What an exact likelihood costs is known before it runs, and bounded."""

from __future__ import annotations

import time

import numpy as np
import pytest

from coopgap.core.errors import NotEstimable
from coopgap.regression import separation
from coopgap.regression import sets as set_sums
from coopgap.regression.conditional import (
    MOST_SECONDS,
    conditional_covariance,
    fit_conditional,
    likelihood_seconds,
    require_affordable,
)
from coopgap.regression.separation import separated_terms
from coopgap.regression.sets import batches, group_sets


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
    [(400, 2, 2, 2), (60, 60, 6, 6), (3, 900, 9, 4), (2, 300, 300, 8), (60, 5000, 2, 6)],
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


def test_two_kinds_of_people_in_large_strata_take_seconds():
    x, counts, sets = stratified(60, 5000, 2, 1, n_levels=5)
    groups = group_sets(x, counts, sets)
    assert likelihood_seconds(batches(groups, groups.x)) < 5
    started = time.process_time()
    fit = fit_conditional(x, counts, sets)
    conditional_covariance(fit, x, counts, sets, None)
    assert time.process_time() - started < 5
    assert fit.n_obs == 300_000
    assert fit.n_sets_discordant == 60


def test_batches_keep_sets_of_two_groups_apart():
    more, two = stratified(30, 8, 4, 2, seed=1), stratified(20, 8, 2, 2, seed=2)
    x, counts = (np.concatenate(pair) for pair in zip(more[:2], two[:2], strict=True))
    groups = group_sets(x, counts, np.concatenate([more[2], 100 + two[2]]))
    shapes = [batch.size.shape for batch in batches(groups, groups.x)]
    assert shapes == [(20, 2), (30, 4)]


def test_pairs_of_a_large_survey_are_no_trouble():
    groups = group_sets(*stratified(150_000, 2, 2, 10))
    prepared = batches(groups, groups.x)
    require_affordable(prepared)
    assert likelihood_seconds(prepared) < MOST_SECONDS / 2


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
