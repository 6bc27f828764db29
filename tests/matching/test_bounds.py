"""A stratum too large for a method is not estimable, and said so before memory or time is gone."""

import numpy as np
import pytest

from coopgap.core.errors import NotEstimable
from coopgap.matching import flow, nearest
from coopgap.matching.distances import Distance
from coopgap.matching.flow import full_sets, optimal_pairs
from coopgap.matching.nearest import nearest_pairs

METHODS = [nearest_pairs, optimal_pairs, full_sets]


def one_stratum(n):
    place = np.random.default_rng(1).normal(size=n)
    distance = Distance(cell=np.arange(n), points=place[:, None], score=place)
    return np.zeros(n, dtype=np.int64), np.arange(n) % 2 == 0, distance


@pytest.mark.parametrize("method", METHODS)
def test_distances_are_counted_before_they_are_taken(method):
    with pytest.raises(NotEstimable, match="150,000 kinds of members and 150,000 kinds"):
        method(*one_stratum(300_000))


@pytest.mark.parametrize("method", METHODS)
def test_what_is_within_the_bound_is_matched(method, monkeypatch):
    monkeypatch.setattr(nearest, "MOST_DISTANCES", 2500)
    assert len(method(*one_stratum(100)))
    with pytest.raises(NotEstimable, match="51 kinds"):
        method(*one_stratum(102))


def by_point(stratum, member, distance):
    return optimal_pairs(stratum, member, distance, solver="point")


@pytest.mark.parametrize("method", [full_sets, by_point])
def test_a_solver_that_runs_too_long_is_stopped(method, monkeypatch):
    monkeypatch.setattr(flow, "SOLVER_SECONDS", 1e-9)
    with pytest.raises(NotEstimable, match="took more than 1e-09 seconds"):
        method(*one_stratum(400))


@pytest.mark.parametrize("method", [full_sets, by_point])
def test_pairs_of_a_programme_are_counted(method, monkeypatch):
    monkeypatch.setattr(flow, "MOST_PAIRS", 10)
    with pytest.raises(NotEstimable, match="at most 10 are matched"):
        method(*one_stratum(100))
