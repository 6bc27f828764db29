"""Variances of replicates: the textbook's for a mean, and to first order exact for a total."""

from __future__ import annotations

import numpy as np
import pytest

from coopgap.regression.replicates import (
    linearised_replicates,
    replicate_covariance,
    replicate_deviations,
)


@pytest.fixture
def values():
    return np.random.default_rng(4).normal(size=(30, 2))


def test_leaving_one_out_gives_the_variance_of_a_mean(values):
    n = len(values)
    without = (values.sum(axis=0) - values) / (n - 1)
    expected = np.cov(values.T) / n
    np.testing.assert_allclose(replicate_covariance(without, (n - 1) / n), expected, rtol=1e-12)


def test_leaving_one_out_of_each_stratum_gives_the_variance_of_a_stratified_mean(values):
    """JKn: a factor (n_h - 1)/n_h for each replicate, and the mean over all replicates."""
    sizes, share = (12, 18), (0.3, 0.7)
    parts = np.split(values[:, 0], [sizes[0]])
    means, replicates, rscales = [part.mean() for part in parts], [], []
    for stratum, part in enumerate(parts):
        n = len(part)
        for one in part:
            own = [*means]
            own[stratum] = (part.sum() - one) / (n - 1)
            replicates.append([np.dot(share, own)])
            rscales.append((n - 1) / n)
    cov = replicate_covariance(np.array(replicates), 1.0, np.array(rscales))
    expected = sum(
        s**2 * part.var(ddof=1) / len(part) for s, part in zip(share, parts, strict=True)
    )
    assert cov[0, 0] == pytest.approx(expected, rel=1e-12)


def test_balanced_halves_of_pairs_give_the_variance_of_differences():
    """A Hadamard matrix of order four: two units in each of three strata, weights doubled."""
    signs = np.array([[1, 1, 1], [-1, 1, -1], [1, -1, -1], [-1, -1, 1]])
    pairs = np.array([[3.0, 5.0], [1.0, 4.0], [2.0, 2.5]])
    chosen = np.where(signs[:, :, None] > 0, [1, 0], [0, 1])
    totals = (2 * chosen * pairs).sum(axis=(1, 2))[:, None]
    expected = ((pairs[:, 0] - pairs[:, 1]) ** 2).sum()
    assert replicate_covariance(totals, 1 / 4)[0, 0] == pytest.approx(expected)
    # Fay's halves keep a part of the other unit: squares grow by 1/(1 - rho)^2.
    rho = 0.3
    kept = np.where(chosen, 2 - rho, rho)
    totals = (kept * pairs).sum(axis=(1, 2))[:, None]
    fay = replicate_covariance(totals, 1 / (4 * (1 - rho) ** 2))
    assert fay[0, 0] == pytest.approx(expected)


def test_a_replicate_that_counts_for_nothing_does_not_move_the_mean(values):
    rscales = np.ones(30)
    rscales[3] = 0
    kept = np.delete(values, 3, axis=0)
    own = replicate_covariance(values, 0.5, rscales)
    np.testing.assert_allclose(own, replicate_covariance(kept, 0.5), rtol=1e-12)
    assert not replicate_deviations(values, 0.5, rscales)[3].any()


def test_what_replicates_move_a_total_by_is_exact(values):
    rng = np.random.default_rng(5)
    weight, replicates = rng.uniform(1, 3, 30), rng.uniform(0, 4, (30, 7))
    moved = linearised_replicates(weight[:, None] * values, weight, replicates)
    np.testing.assert_allclose(moved, replicates.T @ values - weight @ values, rtol=1e-10)
