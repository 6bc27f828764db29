"""Power, type S and type M errors: published, R's integrals, simulation."""

import numpy as np
import pytest
from scipy import stats

from coopgap.checks.retrodesign import detectable_gap, retrodesign, superiority_error

from .conftest import by_r

KNOWN = by_r("retrodesign")


def df_of(case):
    """R writes minus one for infinity."""
    return np.inf if case["df"] < 0 else case["df"]


@pytest.mark.parametrize(
    ("gap", "std_error", "power", "type_s", "type_m"),
    # Gelman & Carlin (2014), both examples. They simulate type M with 10,000 estimates, of which
    # some 500 are significant: its Monte Carlo error is about one in a hundred.
    [(0.1, 3.28, 0.05, 0.46, 77.0), (2.0, 8.1, 0.06, 0.24, 9.7)],
)
def test_published_examples(gap, std_error, power, type_s, type_m):
    found = retrodesign(gap, std_error)
    assert found.power == pytest.approx(power, abs=5e-3)
    assert found.type_s == pytest.approx(type_s, abs=5e-3)
    assert found.type_m == pytest.approx(type_m, rel=0.02)


@pytest.mark.parametrize("case", KNOWN["designs"])
def test_integrals_of_r(case):
    found = retrodesign(case["gap"], case["std_error"], df=df_of(case))
    assert found.power == pytest.approx(case["power"], rel=1e-9)
    assert found.type_s == pytest.approx(case["type_s"], rel=1e-7)
    assert found.type_m == pytest.approx(case["type_m"], rel=1e-8)
    smallest = detectable_gap(case["std_error"], df=df_of(case))
    assert smallest == pytest.approx(case["detectable"], rel=1e-9)


@pytest.mark.parametrize(("df", "gap"), [(np.inf, 0.03), (12.0, 0.03), (12.0, -0.06)])
def test_shares_of_simulated_estimates(df, gap):
    rng = np.random.default_rng(2)
    noise = rng.normal(size=400_000) if np.isinf(df) else rng.standard_t(df, 400_000)
    estimate = gap + 0.03 * noise
    found = np.abs(estimate) > 0.03 * stats.t.ppf(0.975, df)
    there = retrodesign(gap, 0.03, df=df)
    # Four Monte Carlo errors each.
    share = found.mean()
    assert abs(there.power - share) < 4 * np.sqrt(share * (1 - share) / 400_000)
    wrong = np.sign(estimate[found]) != np.sign(gap)
    error = np.sqrt(there.type_s * (1 - there.type_s) / found.sum())
    assert abs(there.type_s - wrong.mean()) < 4 * error
    sizes = np.abs(estimate[found]) / abs(gap)
    assert abs(there.type_m - sizes.mean()) < 4 * sizes.std() / found.sum() ** 0.5


@pytest.mark.parametrize("df", [3.0, 99.0, np.inf])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_detectable_gap_has_the_power_it_promises(df, power):
    gap = detectable_gap(0.02, df=df, power=power)
    assert retrodesign(gap, 0.02, df=df).power == pytest.approx(power)


def test_normal_gap_of_the_textbooks():
    # 1.959964 + 0.841621 standard errors; the wrong tail adds less than 1e-6.
    assert detectable_gap(0.02) == pytest.approx(0.02 * 2.801585, rel=1e-5)


def test_no_mean_no_exaggeration_and_no_gap_no_answer():
    assert retrodesign(0.05, 0.02, df=1.0).type_m == np.inf
    with pytest.raises(ValueError, match="neither may be zero"):
        retrodesign(0.0, 0.02)
    with pytest.raises(ValueError, match="neither may be zero"):
        retrodesign(0.05, 0.0)


def test_superiority_of_two_samples_alike():
    counts = np.array(KNOWN["counts"])
    size = counts.sum()
    found = superiority_error(counts / size, size, size)
    # wilcox.test counts the people without replacement: N + 1 and N(N - 1) in place of N and N².
    assert found == pytest.approx(KNOWN["superiority_error"], rel=2 / size)
    rng = np.random.default_rng(3)
    draws = rng.multinomial(300, counts / size, (20_000, 2)) / 300
    below = np.cumsum(draws[:, 1], axis=1) - draws[:, 1] / 2
    values = (draws[:, 0] * below).sum(axis=1)
    # Monte Carlo error of a standard deviation of 20,000: half a percent.
    assert superiority_error(counts / size, 300, 300) == pytest.approx(values.std(), rel=0.02)


def test_two_levels_are_half_the_difference():
    shares = np.array([0.7, 0.3])
    difference = np.sqrt(0.7 * 0.3 * (1 / 200 + 1 / 300))
    assert superiority_error(shares, 200, 300) == pytest.approx(difference / 2)
