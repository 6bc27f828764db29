"""Intervals of printed shares: R, statsmodels, Barnard's test, coverage, what must not change."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from coopgap.core.gap import Contrast, estimate_contrast
from coopgap.core.vocabulary import Quantity
from coopgap.printed.compare import margins_of
from coopgap.printed.proportions import (
    LARGEST,
    Sides,
    differences,
    effective_differences,
    exact_difference,
    exact_ratio,
    share_intervals,
)

FIXTURE = json.loads(
    (Path(__file__).parents[1] / "r" / "fixtures" / "printed.json").read_text("utf-8")
)


def sides_of(*comparisons):
    return Sides(*np.array(comparisons, dtype=float).T)


def difference(*sides, prob=0.95):
    return differences(sides_of(sides), prob).each()[0]


def effective(*sides, prob=0.95):
    return effective_differences(sides_of(sides), prob).each()[0]


def wald(*sides, odds):
    """A ratio of two printed shares by the delta method of their margins."""
    first, n_first, second, n_second = sides
    margins = margins_of(
        np.array([1 - first, first]), n_first, np.array([1 - second, second]), n_second
    )
    quantity = Quantity.ODDS_RATIO if odds else Quantity.RISK_RATIO
    return estimate_contrast(Contrast(quantity, "", 1, True), margins)


def ratio(*sides, odds, prob=0.95):
    return exact_ratio(Sides(*np.array(sides, dtype=float)), odds=odds, prob=prob)


@pytest.mark.parametrize("case", FIXTURE["one"], ids=lambda case: f"{case['yes']}/{case['n']}")
def test_intervals_of_one_share_equal_r(case):
    yes, n = case["yes"], case["n"]
    (found,) = share_intervals(np.array([yes / n]), np.array([float(n)])).each()
    # R's quantiles of the beta distribution are good to nine digits here.
    kind = "exact" if min(yes, n - yes) < 10 else "wilson"
    assert found[2:4] == pytest.approx(case[kind], abs=1e-9)


@pytest.mark.parametrize("case", FIXTURE["two"], ids=lambda case: str(case["counts"]))
def test_intervals_of_two_shares_equal_r(case):
    k1, n1, k0, n0 = case["counts"]
    sides = (k1 / n1, n1, k0 / n0, n0)
    hybrid, odds = effective(*sides), ratio(*sides, odds=True)
    assert ratio(*sides, odds=False) is None
    if min(k1, k0, n1 - k1, n0 - k0) >= 10:
        assert hybrid[2:4] == pytest.approx(case["newcombe"], abs=1e-12)
        assert difference(*sides) == hybrid
        assert odds is None
        return
    assert hybrid[2:4] == pytest.approx(case["exact"], abs=1e-9)
    assert hybrid.p_value == pytest.approx(case["exact_p"], abs=1e-10)
    assert difference(*sides)[2:5] == exact_difference(k1, n1, k0, n0)
    # fisher.test finds its limits by uniroot, to four digits.
    assert odds[:2] == pytest.approx(case["fisher_odds"], rel=2e-3)
    assert odds.p_value == pytest.approx(case["fisher_p"], rel=1e-9)


def test_newcombes_published_example():
    # Newcombe (1998), Table II, 56/70 against 48/80, method 10.
    found = effective(56 / 70, 70, 48 / 80, 80)
    assert (found.lower, found.upper) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@given(st.integers(11, 89), st.integers(11, 89))
def test_score_limits_of_a_difference_equal_statsmodels(first, second):
    found = effective(first / 100, 100, second / 100, 100)
    expected = confint_proportions_2indep(first, 100, second, 100, method="newcomb")
    assert (found.lower, found.upper) == pytest.approx(expected)


def test_ratios_of_margins_equal_the_textbook_formulas():
    a, b, c, d = 40, 60, 27, 73
    odds = wald(0.4, 100, 0.27, 100, odds=True)
    assert odds.estimate == pytest.approx(a * d / (b * c))
    assert odds.std_error == pytest.approx(np.sqrt(1 / a + 1 / b + 1 / c + 1 / d))
    risk = wald(0.4, 100, 0.27, 100, odds=False)
    assert risk.std_error == pytest.approx(np.sqrt(1 / a - 1 / 100 + 1 / c - 1 / 100))
    fixed = wald(0.4, 100, 0.27, np.inf, odds=True)
    assert fixed.std_error == pytest.approx(np.sqrt(1 / a + 1 / b))


def test_a_small_share_against_a_fixed_one_is_exact():
    case = FIXTURE["against_fixed"]
    share, n, fixed = case["yes"] / case["n"], case["n"], case["fixed"]
    low, high = share_intervals(np.array([share]), np.array([float(n)])).each()[0][2:4]
    found = difference(share, n, fixed, np.inf)
    assert found[2:4] == pytest.approx((low - fixed, high - fixed))
    assert found.p_value == pytest.approx(case["p"], rel=1e-9)
    expected = [end / (1 - end) * (1 - fixed) / fixed for end in (low, high)]
    assert ratio(share, n, fixed, np.inf, odds=True)[:2] == pytest.approx(expected)


def test_p_values_of_exact_intervals_at_their_ends():
    # As many in both: the smaller tail is more than one half.
    assert ratio(0.5, 2, 0.5, 2, odds=True).p_value == 1.0
    # Far out, and still that of the interval's own ends.
    far = effective(0.5, 16, 0.0, 200)
    assert 0 < far.p_value < 1e-5
    assert effective(0.5, 16, 0.0, 200, prob=1 - far.p_value).lower == pytest.approx(0, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    n1=st.integers(5, 40),
    n0=st.one_of(st.just(np.inf), st.integers(5, 40)),
    shares=st.tuples(st.floats(0.02, 0.98), st.floats(0.02, 0.98)),
    prob=st.sampled_from([0.8, 0.95, 0.99]),
)
def test_a_p_value_says_what_its_interval_says(n1, n0, shares, prob):
    first = round(shares[0] * n1) / n1
    second = shares[1] if n0 == np.inf else round(shares[1] * n0) / n0
    found = [(difference(first, n1, second, n0, prob=prob)[2:5], 0.0)]
    if 0 < first < 1 and 0 < second < 1:
        ratios = [ratio(first, n1, second, n0, odds=odds, prob=prob) for odds in (True, False)]
        found += [(one, 1.0) for one in ratios if one is not None]
    for (lower, upper, p_value), null in found:
        apart = min(abs(lower - null), abs(upper - null))
        assume(apart > 1e-3 and abs(p_value - (1 - prob)) > 1e-6)
        assert (p_value < 1 - prob) == (lower > null or upper < null)


@pytest.mark.parametrize(
    "sides", [(0.28, 482, 0.37, 130), (0.4, 1004, 0.27, 1003), (0.3, 50, 0.4, np.inf)]
)
def test_the_p_value_of_a_difference_is_that_of_its_own_interval(sides):
    first, n_first, second, n_second = sides
    p = effective(*sides).p_value
    # At a coverage of 1 - p the interval ends at zero.
    edge = effective(*sides, prob=1 - p)
    assert min(abs(edge.lower), abs(edge.upper)) == pytest.approx(0, abs=1e-7)
    assert effective(second, n_second, first, n_first).p_value == pytest.approx(p, rel=1e-9)
    if np.isinf(n_second):
        # Against a fixed share it is the score test.
        z = (first - second) / np.sqrt(second * (1 - second) / n_first)
        assert p == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-9)


def test_exact_intervals_never_cover_less_than_they_say():
    n, counts = 19, np.arange(20)  # every count is small
    limits = share_intervals(counts / n, np.full(20, float(n)))
    for share in np.linspace(0.01, 0.99, 99):
        inside = (limits.lower <= share) & (share <= limits.upper)
        assert stats.binom.pmf(counts[inside], n, share).sum() >= 0.95


# The exact difference


@pytest.mark.parametrize("case", FIXTURE["unconditional"], ids=lambda case: str(case["counts"]))
def test_limits_equal_r(case):
    """There the likeliest shares are searched for, and the ends halved twenty times."""
    found = exact_difference(*case["counts"])
    assert found[:2] == pytest.approx(case["limits"], abs=1e-6)
    # R's is at no difference alone; beyond it there may be a larger one.
    assert found.p_value >= case["p_none"] - 1e-9


def test_the_p_value_counts_differences_beyond_none():
    """Of 3 of 8 and 0 of 10 the p-value of a difference a little below zero is larger."""
    case = next(one for one in FIXTURE["unconditional"] if one["counts"] == [3, 8, 0, 10])
    assert case["p_none"] + 1e-4 < exact_difference(3, 8, 0, 10).p_value < 0.05


@pytest.mark.parametrize(
    "counts", [(9, 40, 2, 35), (3, 100, 8, 90), (5, 10, 5, 10), (10, 10, 0, 10)]
)
def test_the_p_value_is_that_of_barnards_test(counts):
    yes1, n1, yes0, n0 = counts
    table = [[yes1, yes0], [n1 - yes1, n0 - yes0]]
    # SciPy searches for the nuisance share between the points of the grid.
    expected = stats.barnard_exact(table, pooled=True).pvalue
    assert exact_difference(*counts).p_value == pytest.approx(expected, rel=3e-4)


@pytest.mark.parametrize(
    ("n1", "n0", "expected"), [(8, 10, (95.0, 93.9, 87.8)), (12, 12, (95.0, 92.9, 88.0))]
)
def test_coverage_is_as_documented(n1, n0, expected):
    yes1, yes0 = (part.ravel() for part in np.mgrid[: n1 + 1, : n0 + 1])
    sides = Sides(yes1 / n1, np.full(yes1.shape, n1 / 1), yes0 / n0, np.full(yes1.shape, n0 / 1))
    score = [
        confint_proportions_2indep(a, n1, b, n0, method="newcomb")
        for a, b in zip(yes1, yes0, strict=True)
    ]
    ends = [one[2:4] for one in (differences(sides), effective_differences(sides))]
    grid = np.arange(1, 100)
    chances = [stats.binom.pmf(np.arange(n + 1), n, grid[:, None] / 100) for n in (n1, n0)]
    for limits, worst in zip([*ends, np.array(score).T], expected, strict=True):
        low, high = (side.reshape(n1 + 1, n0 + 1) for side in limits)
        least = 1.0
        for apart in range(-98, 99):  # points between the two shares
            inside = (low <= apart / 100 + 1e-12) & (apart / 100 - 1e-12 <= high)
            covered = np.diagonal(chances[0] @ inside @ chances[1].T, -apart)
            least = min(least, covered.min())
        assert round(100 * least, 1) == worst
        assert least >= 0.95 or worst < 95


@settings(max_examples=25, deadline=None)
@given(n1=st.integers(1, 15), n0=st.integers(1, 15), part1=st.floats(0, 1), part0=st.floats(0, 1))
def test_it_turns_with_its_groups_and_answers_and_says_what_its_p_value_says(n1, n0, part1, part0):
    yes1, yes0 = round(part1 * n1), round(part0 * n0)
    found = exact_difference(yes1, n1, yes0, n0)
    gap = yes1 / n1 - yes0 / n0
    assert -1 <= found.lower <= gap <= found.upper <= 1
    turned = exact_difference(yes0, n0, yes1, n1)
    assert (-turned.upper, -turned.lower) == pytest.approx(found[:2], abs=1e-9)
    assert turned.p_value == pytest.approx(found.p_value)
    other = exact_difference(n1 - yes1, n1, n0 - yes0, n0)
    assert (-other.upper, -other.lower) == pytest.approx(found[:2], abs=1e-6)
    if abs(found.p_value - 0.05) > 1e-6:
        assert (found.p_value < 0.05) == (found.lower > 0 or found.upper < 0)


def test_it_refuses_what_it_cannot_look_at_and_the_hybrid_takes_over():
    with pytest.raises(ValueError, match="at most 10000 tables"):
        exact_difference(1, 101, 2, 100)
    n = LARGEST // 100
    assert difference(0.03, n, 0.2, 100)[2:5] == exact_difference(3, n, 20, 100)
    for sides in ((3 / 101, 101, 0.2, 100), (0.03, 99.5, 0.2, 100), (0.03, 100, 0.2, np.inf)):
        assert difference(*sides) == effective(*sides)
