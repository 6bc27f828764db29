import numpy as np
import pytest
from scipy import stats

from coopgap.core.vocabulary import Verdict
from coopgap.sensitivity.phone.tost import (
    power_at_zero,
    smallest_margin,
    smallest_possible,
    two_one_sided,
    verdict_over_all,
)


def simple_error(p, n, q, m):
    return (p * (1 - p) / n + q * (1 - q) / m) ** 0.5


def test_published_p_value():
    # TOSTER's own test: .65 against .70, n = 100 each, margin .10 (z statistic, unpooled).
    found = two_one_sided(-0.05, simple_error(0.65, 100, 0.70, 100), 0.10)
    assert found.p_equivalence == pytest.approx(0.224846, abs=5e-7)
    assert found.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("margin", "factor", "power"),
    [(0.05, 1, 0.0), (0.07, 1, 0.44), (0.10, 1, 0.88), (0.07, 1.5, 0.14), (0.10, 1.5, 0.66)],
)
def test_power_of_the_printed_design(margin, factor, power):
    # WDDCM Peru: 250 by phone against 1,003 in person, 27 % trust; two digits.
    std_error = simple_error(0.27, 250, 0.27, 1003) * factor**0.5
    assert power_at_zero(std_error, margin) == pytest.approx(power, abs=5e-3)


def test_power_is_the_share_of_simulated_confirmations():
    rng = np.random.default_rng(7)
    std_error, margin = 0.03, 0.07
    estimates = rng.normal(0, std_error, 40_000)
    rejected = (np.abs(estimates) + stats.norm.ppf(0.95) * std_error) < margin
    # Monte Carlo error .0025.
    assert power_at_zero(std_error, margin) == pytest.approx(rejected.mean(), abs=0.008)


@pytest.mark.parametrize("df", [9.0, 99.0, np.inf])
def test_smallest_margin_has_the_power_it_promises(df):
    margin = smallest_margin(0.03, df=df)
    assert power_at_zero(0.03, margin, df=df) == pytest.approx(0.8)


@pytest.mark.parametrize("df", [9.0, 99.0, np.inf])
def test_up_to_the_smallest_possible_margin_nothing_is_ever_confirmed(df):
    margin = smallest_possible(0.03, df=df)
    assert power_at_zero(0.03, margin, df=df) == 0.0
    assert power_at_zero(0.03, 0.5 * margin, df=df) == 0.0
    assert power_at_zero(0.03, margin * 1.001, df=df) > 0
    # The luckiest finding, no difference at all, is confirmed just above it and not below.
    for factor, confirmed in ((0.999, False), (1.001, True)):
        assert (two_one_sided(0.0, 0.03, factor * margin, df=df).p_equivalence < 0.05) is confirmed


@pytest.mark.parametrize(
    ("estimate", "std_error", "verdict"),
    [
        (0.00, 0.02, Verdict.EQUIVALENT),
        (0.03, 0.01, Verdict.DIFFERENT_WITHIN_MARGIN),
        (0.12, 0.02, Verdict.DIFFERENT),
        (0.05, 0.04, Verdict.INCONCLUSIVE),
        (-0.03, 0.01, Verdict.DIFFERENT_WITHIN_MARGIN),
    ],
)
def test_verdicts(estimate, std_error, verdict):
    found = two_one_sided(estimate, std_error, 0.07, df=99)
    assert found.verdict is verdict
    inside = max(-found.lower, found.upper) < 0.07
    assert inside == (found.p_equivalence < 0.05)


def test_without_a_margin_nothing_is_assessed_but_the_smallest_margin_is_there():
    found = two_one_sided(0.2, 0.02, None)
    assert found.verdict is Verdict.NOT_ASSESSED
    assert np.isnan(found.p_equivalence)
    assert np.isnan(found.power)
    # 1.644854 + 1.281552 standard errors.
    assert found.smallest_margin == pytest.approx(0.02 * 2.926405, rel=1e-6)


def test_without_a_standard_error_nothing_is_assessed():
    assert two_one_sided(0.0, 0.0, 0.05).verdict is Verdict.NOT_ASSESSED


def test_type_one_error_at_the_margin_is_nominal():
    # A true difference at the margin is declared equivalent in 5 % of samples.
    rng = np.random.default_rng(11)
    estimates = rng.normal(0.10, 0.02, 4000)
    wrong = np.mean([two_one_sided(value, 0.02, 0.10).p_equivalence < 0.05 for value in estimates])
    assert wrong == pytest.approx(0.05, abs=0.0105)  # three Monte Carlo errors


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([Verdict.EQUIVALENT, Verdict.EQUIVALENT], Verdict.EQUIVALENT),
        ([Verdict.EQUIVALENT, Verdict.DIFFERENT_WITHIN_MARGIN], Verdict.DIFFERENT_WITHIN_MARGIN),
        ([Verdict.EQUIVALENT, Verdict.INCONCLUSIVE], Verdict.INCONCLUSIVE),
        ([Verdict.INCONCLUSIVE, Verdict.DIFFERENT], Verdict.DIFFERENT),
        ([Verdict.NOT_ASSESSED, Verdict.DIFFERENT], Verdict.NOT_ASSESSED),
    ],
)
def test_verdict_over_all_thresholds(verdicts, expected):
    assert verdict_over_all(verdicts) is expected
