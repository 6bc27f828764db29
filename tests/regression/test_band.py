"""Max-t bands: closed forms, mvtnorm (tests/r/band.R), simulation, and what must not matter."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from coopgap.core.gap import Margins, contrast_gradient, estimate_contrasts, joint_intervals
from coopgap.core.tails import max_t_band
from coopgap.core.vocabulary import Quantity

FIXTURE = Path(__file__).parents[1] / "r" / "fixtures" / "band.json"
EXPECTED = json.loads(FIXTURE.read_text("utf-8"))
CLASSES = ("E", "D", "C", "B", "A")
P_VALUE = {"abs": 1e-3}


def close(k):
    """The band's own error, by the number of estimates; mvtnorm's and Sidak's are below 1e-4."""
    return {"abs": 1e-3 if k <= 4 else 2.5e-3}


@pytest.mark.parametrize("k", [2, 3, 4, 8])
def test_independent_normal_estimates_have_sidaks_value(k):
    band = max_t_band(np.linspace(-1, 3, k), np.diag(np.arange(1.0, k + 1)), np.inf)
    assert band.critical == pytest.approx(stats.norm.ppf((1 + 0.95 ** (1 / k)) / 2), **close(k))
    t = np.abs(np.linspace(-1, 3, k)) / np.sqrt(np.arange(1, k + 1))
    alone = 2 * stats.norm.cdf(t) - 1
    assert band.p_values == pytest.approx(1 - alone**k, **P_VALUE)


@pytest.mark.parametrize("df", [5, 99, np.inf])
def test_one_estimate_is_the_two_sided_t(df):
    band = max_t_band(np.array([1.7]), np.array([[0.64]]), df, prob=0.9)
    assert band.critical == pytest.approx(stats.t.ppf(0.95, df), abs=1e-6)
    assert band.p_values[0] == pytest.approx(2 * stats.t.sf(1.7 / 0.8, df), rel=1e-12)


@pytest.mark.parametrize("df", [5, 99, np.inf])
def test_perfectly_correlated_estimates_are_one(df):
    half = np.array([1.0, -2.0, 0.5])
    band = max_t_band(0.8 * np.abs(half), np.outer(half, half), df)
    assert band.critical == pytest.approx(stats.t.ppf(0.975, df), abs=1e-5)
    assert band.p_values == pytest.approx(2 * stats.t.sf(0.8, df), abs=1e-9)


@pytest.mark.parametrize("name", ["example", "chain"])
@pytest.mark.parametrize("number", range(3))
def test_critical_values_and_p_values_are_mvtnorms(name, number):
    expected = EXPECTED[name]["bands"][number]
    df = np.inf if expected["df"] == "infinity" else expected["df"]
    assert df == (20, 99, np.inf)[number]
    band = max_t_band(np.array(EXPECTED[name]["estimates"]), np.array(EXPECTED[name]["cov"]), df)
    assert band.critical == pytest.approx(expected["critical"], **close(len(band.p_values)))
    assert band.p_values == pytest.approx(expected["p_values"], **P_VALUE)


@pytest.mark.parametrize("df", [8, np.inf])
def test_the_band_holds_as_often_as_it_says(df):
    """Of 200,000 draws the share within the band is known to 0.0005; four of those."""
    cov = np.array(EXPECTED["example"]["cov"])
    band = max_t_band(np.zeros(4), cov, df)
    rng = np.random.default_rng(20200131)
    n = 200_000
    draws = rng.multivariate_normal(np.zeros(4), cov, n) / np.sqrt(np.diag(cov))
    if np.isfinite(df):
        draws /= np.sqrt(rng.chisquare(df, n) / df)[:, None]
    inside = (np.abs(draws).max(axis=1) <= band.critical).mean()
    assert inside == pytest.approx(0.95, abs=0.002)


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.sampled_from([7.0, 99.0, np.inf]))
@settings(max_examples=15, deadline=None)
def test_scale_sign_and_repetition_change_nothing(seed, k, df):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(k, k + 1))
    estimates, cov = rng.normal(size=k) * 3, root @ root.T
    band = max_t_band(estimates, cov, df)
    scale = rng.uniform(0.05, 20, k)
    again = max_t_band(scale * estimates, cov * np.outer(scale, scale), df)
    assert again.critical == pytest.approx(band.critical, abs=1e-6)
    assert again.p_values == pytest.approx(band.p_values, rel=1e-6, abs=1e-12)
    whole = max_t_band(-estimates, cov, df)
    assert whole.critical == band.critical
    assert (whole.p_values == band.p_values).all()
    # Between one estimate's own and Bonferroni's.
    alone, bonferroni = (stats.t.isf(0.025 / m, df) for m in (1, k))
    assert alone - 1e-6 <= band.critical <= bonferroni + 1e-3
    each = 2 * stats.t.sf(np.abs(estimates) / np.sqrt(np.diag(cov)), df)
    assert (band.p_values >= each - 1e-9).all()
    assert (band.p_values <= np.minimum(k * each, 1) + 1e-3).all()


def test_estimates_without_variance_take_no_part():
    cov = np.diag([1.0, 0.0, 2.0])
    cov[0, 2] = cov[2, 0] = 0.5
    found = max_t_band(np.array([1.0, 0.3, -1.0]), cov, 30)
    alone = max_t_band(np.array([1.0, -1.0]), cov[np.ix_([0, 2], [0, 2])], 30)
    assert found.critical == alone.critical
    assert np.isnan(found.p_values[1])
    assert found.p_values[[0, 2]].tolist() == alone.p_values.tolist()
    assert max_t_band(np.ones(2), np.zeros((2, 2)), 30) is None


def margins(df=np.inf, df_of=None):
    """Two multinomial samples of five levels."""
    sides = [np.array([10, 22, 40, 26, 2]) / 100, np.array([34, 27, 27, 9, 3]) / 100]
    cov = np.zeros((10, 10))
    for at, (side, n) in enumerate(zip(sides, (400, 700), strict=True)):
        block = slice(5 * at, 5 * at + 5)
        cov[block, block] = (np.diag(side) - np.outer(side, side)) / n
    return Margins(member=sides[0], comparison=sides[1], cov=cov, df=df, df_of=df_of)


def test_joint_intervals_are_the_pointwise_ones_widened():
    made = margins(df=40.0)
    joint, each = joint_intervals(made, CLASSES), estimate_contrasts(made, CLASSES)
    assert [one.category for one in joint] == [">=A", ">=B", ">=C", ">=D"]
    critical = []
    for contrast, band in joint.items():
        alone = each[contrast]
        assert contrast.quantity is Quantity.RISK_DIFFERENCE
        assert band.estimate == pytest.approx(alone.estimate, abs=1e-12)
        assert band.std_error == pytest.approx(alone.std_error, rel=1e-9)
        assert band.lower < alone.lower < alone.upper < band.upper
        assert band.p_value > alone.p_value
        critical.append((band.upper - band.estimate) / band.std_error)
    assert critical == pytest.approx([critical[0]] * 4)
    one, four = (stats.t.isf(0.025 / k, 40) for k in (1, 4))
    assert one < critical[0] < four


def test_the_band_takes_the_fewest_degrees_of_freedom():
    wide = joint_intervals(margins(df=90.0, df_of=lambda row: 9.0 + 5 * row[3]), CLASSES)
    (first, *_) = wide
    fewest = 9.0 + 5 * contrast_gradient(first, margins())[3]
    assert {interval.df for interval in wide.values()} == {fewest} == {9.0}
    plain = joint_intervals(margins(df=9.0), CLASSES)
    for contrast, interval in plain.items():
        assert wide[contrast].upper == pytest.approx(interval.upper)


def test_two_levels_have_no_band():
    two = Margins(member=np.array([0.4, 0.6]), comparison=np.array([0.5, 0.5]), cov=np.eye(4) / 99)
    assert joint_intervals(two, ("no", "yes")) == {}
    still = Margins(member=np.ones(3) / 3, comparison=np.ones(3) / 3, cov=np.zeros((6, 6)))
    assert joint_intervals(still, ("low", "mid", "high")) == {}
