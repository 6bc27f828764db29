"""The exact difference of two small shares: R, Barnard's test, coverage, what must not change."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from coopgap.printed.exact import LARGEST, exact_difference
from coopgap.printed.intervals import difference, effective_difference, newcombe

FIXTURE = json.loads(
    (Path(__file__).parents[1] / "r" / "fixtures" / "printed.json").read_text("utf-8")
)


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
    yes1, yes0 = np.arange(n1 + 1), np.arange(n0 + 1)
    grid = np.linspace(0.01, 0.99, 99)
    chance1 = stats.binom.pmf(yes1, n1, grid[:, None])
    chance0 = stats.binom.pmf(yes0, n0, grid[:, None])
    for interval, worst in zip((difference, effective_difference, newcombe), expected, strict=True):
        ends = np.array([[interval(a / n1, n1, b / n0, n0)[2:4] for b in yes0] for a in yes1])
        covered = [
            chance1[i] @ ((ends[..., 0] <= p - q) & (p - q <= ends[..., 1])) @ chance0[j]
            for (i, p), (j, q) in product(enumerate(grid), repeat=2)
        ]
        assert round(100 * min(covered), 1) == worst
        if interval is difference:
            assert min(covered) >= 0.95


@settings(max_examples=40, deadline=None)
@given(
    n1=st.integers(1, 15),
    n0=st.integers(1, 15),
    part1=st.floats(0, 1),
    part0=st.floats(0, 1),
)
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
    for sides in ((3 / 101, 101, 0.2, 100), (0.03, 99.5, 0.2, 100), (0.03, 100, 0.2, None)):
        assert difference(*sides) == effective_difference(*sides)
