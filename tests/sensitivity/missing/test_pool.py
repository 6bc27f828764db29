"""Rubin's rules against mice, and by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from coopgap.core.gap import wald
from coopgap.core.vocabulary import Quantity
from coopgap.sensitivity.missing.pool import (
    largest_r_hat,
    pool,
    pool_difference,
    pool_intervals,
)

R = Path(__file__).parents[2] / "r"
POOLS = json.loads((R / "fixtures" / "missing.json").read_text(encoding="utf-8"))["pools"]


@pytest.mark.parametrize("case", POOLS, ids=lambda case: f"m={len(case['estimates'])}")
def test_pooling_equals_mice(case):
    found = pool(np.array(case["estimates"]), np.array(case["variances"]), case["df_complete"])
    assert found.estimate == pytest.approx(case["estimate"], rel=1e-12)
    assert found.variance == pytest.approx(case["variance"], rel=1e-12)
    assert found.df == pytest.approx(case["df"], rel=1e-10)
    assert found.fmi == pytest.approx(case["fmi"], rel=1e-12)


def test_estimates_that_agree_are_one_estimate_with_nothing_missing():
    found = pool(np.full(20, 0.1), np.full(20, 0.04), 99.0)
    assert (found.estimate, found.variance) == pytest.approx((0.1, 0.04))
    # (d + 1)/(d + 3) · d: Barnard and Rubin's price of having imputed at all.
    assert found.df == pytest.approx(99 * 100 / 102, rel=1e-3)
    assert found.fmi == pytest.approx(0.0, abs=1e-6)


def test_few_clusters_are_no_missing_information():
    estimates, variances = 0.1 + 0.01 * np.arange(20) / 20, np.full(20, 0.04)
    many, few = (pool(estimates, variances, df) for df in (1e6, 7.0))
    assert few.fmi == many.fmi < 0.01
    assert few.df < 7 < many.df


def test_by_hand():
    # U = 2, B = 1, m = 3: T = 2 + 4/3; λ = 0.4; Rubin's df 2/0.16 = 12.5.
    found = pool(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]), np.inf)
    assert found.variance == pytest.approx(10 / 3)
    assert found.df == pytest.approx(12.5)
    assert found.fmi == pytest.approx((2 / 3 + 2 / 15.5) / (5 / 3))
    points = pool(np.array([0.01, 0.02, 0.03]), np.array([1e-4, 2e-4, 3e-4]), np.inf)
    interval = points.interval(Quantity.RISK_DIFFERENCE, prob=0.95)
    assert interval.upper - 0.02 == pytest.approx(0.0216929 * np.sqrt(10 / 3), rel=1e-4)


def test_intervals_are_pooled_with_the_degrees_of_freedom_they_carry():
    intervals = [wald(0.1 * k, 0.2, df=9.0 + k, prob=0.95, null=0.0) for k in range(3)]
    expected = pool(np.array([0.0, 0.1, 0.2]), np.full(3, 0.04), 10.0)
    found = pool_intervals(intervals)
    assert (found.estimate, found.variance, found.df) == pytest.approx(
        (expected.estimate, expected.variance, expected.df), rel=1e-12
    )


def test_chains_that_drift_together_are_seen_and_settled_ones_are_not():
    rng = np.random.default_rng(0)
    settled = rng.normal(size=(20, 8, 10))
    drifting = settled + np.linspace(0, 4, 8)[None, :, None]
    apart = settled + 3 * rng.normal(size=(20, 1, 1))
    assert largest_r_hat(settled) < 1.2
    assert largest_r_hat(drifting) > 1.5
    assert largest_r_hat(apart) > 1.5
    assert largest_r_hat(np.ones((20, 8, 3))) == 1.0


def test_a_difference_from_the_complete_rows_is_what_was_drawn_taken_off():
    # U = .05, B = .01, m = 3: .05 - .01 + .01/3.
    away = [wald(0.1 * k, 0.05**0.5, df=9.0, prob=0.95, null=0.0) for k in range(3)]
    found = pool_difference(away, 0.95)
    assert found.estimate == pytest.approx(0.1)
    assert found.std_error**2 == pytest.approx(0.05 - 0.01 + 0.01 / 3)
    assert found.df == 9.0
    # Drawn from what the complete rows say alone, it is zero but for the number of draws.
    away = [wald(0.1 * k, 0.05, df=9.0, prob=0.95, null=0.0) for k in range(3)]
    assert pool_difference(away, 0.95).std_error ** 2 == pytest.approx(0.01 / 3)
