from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coopgap.core.errors import NotEstimable
from coopgap.matching.distances import Distance
from coopgap.matching.flow import full_match, full_sets

people = st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=7)
limits = st.sampled_from([None, 1, 2])


def on_a_line(places, caliper=np.inf):
    points, cell = np.unique(np.asarray(places, dtype=float), return_inverse=True)
    return Distance(cell=cell, points=points[:, None] ** 1.5, score=points, caliper=caliper)


def gap(place, a, b):
    return abs(place[a] ** 1.5 - place[b] ** 1.5)


def best_cover(members, others, place, caliper, most_others, most_members):
    """Least total distance over every set of pairs that leaves nobody alone; None without one."""
    allowed = [p for p in product(members, others) if abs(place[p[0]] - place[p[1]]) <= caliper]
    best = None
    for keep in product((False, True), repeat=len(allowed)):
        pairs = [pair for pair, kept in zip(allowed, keep, strict=True) if kept]
        per_member = [sum(a == one for a, _ in pairs) for one in members]
        per_other = [sum(b == one for _, b in pairs) for one in others]
        if min(per_member, default=0) < 1 or min(per_other, default=0) < 1:
            continue
        if most_others is not None and max(per_member) > most_others:
            continue
        if most_members is not None and max(per_other) > most_members:
            continue
        size = sum(gap(place, *pair) for pair in pairs)
        best = size if best is None else min(best, size)
    return best


def within_sets(sets, member, place):
    pairs = product(np.flatnonzero(member), np.flatnonzero(~member))
    return sum(gap(place, a, b) for a, b in pairs if sets[a] == sets[b] >= 0)


@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("caliper", [np.inf, 1.5])
@given(people=people, most_others=limits, most_members=limits)
def test_sets_are_the_best_of_all(people, caliper, most_others, most_members):
    member, place = (np.array(column) for column in zip(*people, strict=True))
    near = np.abs(place[:, None] - place) <= caliper
    # People without anybody within the caliper stay out; the others are all used.
    used = (near & (member[:, None] != member)).any(axis=1)
    members, others = np.flatnonzero(used & member), np.flatnonzero(used & ~member)
    if len(members) * len(others) > 12:
        return
    expected = best_cover(members, others, place, caliper, most_others, most_members)
    choices = {"max_comparison": most_others, "max_members": most_members}
    stratum, distance = np.zeros(member.size, dtype=int), on_a_line(place, caliper)
    if expected is None:
        with pytest.raises(NotEstimable):
            full_sets(stratum, member, distance, **choices)
        return
    sets = full_sets(stratum, member, distance, **choices)
    assert np.array_equal(sets >= 0, used)
    assert within_sets(sets, member, place) == pytest.approx(expected)
    for number in np.unique(sets[used]):
        inside = sets == number
        of_members, of_others = (inside & member).sum(), (inside & ~member).sum()
        assert min(of_members, of_others) == 1
        assert of_others <= (most_others or np.inf) or of_members > 1
        assert of_members <= (most_members or np.inf) or of_others > 1


def test_everybody_is_used_and_weights_follow_the_members(random_rows):
    rows = random_rows
    place = np.random.default_rng(6).integers(0, 12, rows.n)
    matched = full_match(rows.factors["region"], rows.member, rows.weight, on_a_line(place))
    assert (matched.weight > 0).all()
    combined = rows.weight * matched.weight
    sides = [
        np.bincount(matched.set_id[group], weights=combined[group])
        for group in (rows.member, ~rows.member)
    ]
    assert sides[1] / sides[1].sum() == pytest.approx(sides[0] / sides[0].sum())
    assert combined[~rows.member].sum() == pytest.approx(rows.weight[~rows.member].sum())
    assert matched.n_sets == np.unique(matched.set_id).size
    for number in range(matched.n_sets):
        assert np.unique(rows.factors["region"][matched.set_id == number]).size == 1


def test_at_least_as_near_as_pairs_with_the_same_limits(random_rows):
    # One to one with equal numbers is optimal pair matching.
    place = np.random.default_rng(8).normal(size=40) ** 2
    member = np.arange(40) < 20
    stratum = np.zeros(40, dtype=int)
    sets = full_sets(stratum, member, on_a_line(place), max_comparison=1, max_members=1)
    assert (np.unique(sets, return_counts=True)[1] == 2).all()
    free = full_sets(stratum, member, on_a_line(place))
    assert within_sets(free, member, place) <= within_sets(sets, member, place)


def test_limits_that_cannot_hold_say_so_with_the_counts():
    member = np.array([True, False, False, False])
    with pytest.raises(NotEstimable, match=r"1 members and 3 comparison.*max_comparison = 2"):
        full_sets(np.zeros(4, dtype=int), member, on_a_line([0, 0, 1, 2]), max_comparison=2)


def test_empty_caliper_says_so_with_the_counts():
    with pytest.raises(NotEstimable, match="caliper leaves nobody of 1 members and 1 comparison"):
        full_sets(np.zeros(2, dtype=int), np.array([True, False]), on_a_line([0, 9], 1.0))
