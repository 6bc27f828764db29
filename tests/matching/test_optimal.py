from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coopgap.core.errors import NotEstimable
from coopgap.matching.distances import Distance
from coopgap.matching.flow import chosen_solver, optimal_match, optimal_pairs
from coopgap.matching.nearest import nearest_pairs

people = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=8)


def on_a_line(places, caliper=np.inf):
    points, cell = np.unique(np.asarray(places, dtype=float), return_inverse=True)
    return Distance(cell=cell, points=points[:, None] ** 1.5, score=points, caliper=caliper)


def total(pairs, place):
    return sum(abs(place[a] ** 1.5 - place[b] ** 1.5) for a, b in pairs)


def every_pairing(member, place, ratio, caliper):
    """(members served, pairs, total distance) of the best of all pairings."""
    seats = [i for i in np.flatnonzero(member) for _ in range(ratio)]
    others = list(np.flatnonzero(~member))
    best = (0, 0, 0.0)
    for size in range(1, min(len(seats), len(others)) + 1):
        for taken in set(combinations(seats, size)):
            for given_to in permutations(others, size):
                pairs = list(zip(taken, given_to, strict=True))
                if any(abs(place[a] - place[b]) > caliper for a, b in pairs):
                    continue
                key = (len(set(taken)), size, -total(pairs, place))
                best = max(best, key)
    return best


@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("solver", ["person", "point"])
@pytest.mark.parametrize("caliper", [np.inf, 1.5])
@given(people=people, ratio=st.integers(1, 2))
def test_pairs_are_the_best_of_all_pairings(people, ratio, caliper, solver):
    member, place = (np.array(column) for column in zip(*people, strict=True))
    expected = every_pairing(member, place, ratio, caliper)
    stratum = np.zeros(member.size, dtype=int)
    if not expected[0]:
        with pytest.raises(NotEstimable):
            optimal_pairs(stratum, member, on_a_line(place, caliper), ratio=ratio, solver=solver)
        return
    pairs = optimal_pairs(stratum, member, on_a_line(place, caliper), ratio=ratio, solver=solver)
    assert len({a for a, _ in pairs}) == expected[0]
    assert len(pairs) == expected[1]
    assert total(pairs, place) == pytest.approx(-expected[2])
    assert np.unique(pairs[:, 1]).size == len(pairs)
    assert np.bincount(pairs[:, 0]).max() <= ratio
    assert member[pairs[:, 0]].all()
    assert not member[pairs[:, 1]].any()


@pytest.mark.parametrize("ratio", [1, 2])
@pytest.mark.parametrize("caliper", [np.inf, 0.4])
@pytest.mark.parametrize("decimals", [1, 12], ids=["ties", "no ties"])
def test_people_and_points_reach_the_same_total(random_rows, ratio, caliper, decimals):
    rows = random_rows
    rng = np.random.default_rng(9)
    place = np.round(rng.normal(size=rows.n) + 0.5 * rows.member, decimals)
    assert (np.unique(place).size == rows.n) == (decimals == 12)
    distance = on_a_line(place - place.min(), caliper)
    one, other = (
        optimal_pairs(rows.factors["region"], rows.member, distance, ratio=ratio, solver=solver)
        for solver in ("person", "point")
    )
    assert len(one) == len(other)
    assert total(one, place - place.min()) == pytest.approx(total(other, place - place.min()))


def test_the_solver_follows_the_points_once_people_are_many():
    assert chosen_solver(600 * 600, 600 * 600) == "person"
    assert chosen_solver(2100 * 2100, 2100 * 2100) == "person"
    assert chosen_solver(2100 * 2100, 60 * 60) == "point"
    # The distances of 50,000 by 50,000 people would fill 20 gigabytes.
    assert chosen_solver(50_000 * 50_000, 3000 * 3000) == "point"


def test_many_people_who_all_differ_are_paired_in_order():
    # On a line with as many members as others the pairs of least total distance are those of the
    # sorted people; as a transportation problem these four million arcs take minutes.
    n = 2050
    place = np.random.default_rng(5).normal(size=2 * n) + 4
    member = np.arange(2 * n) < n
    line = np.sort(place[member] ** 1.5), np.sort(place[~member] ** 1.5)
    pairs = optimal_pairs(np.zeros(2 * n, dtype=int), member, on_a_line(place))
    assert len(pairs) == n
    assert total(pairs, place) == pytest.approx(np.abs(line[0] - line[1]).sum())


def test_never_farther_than_greedy_with_as_many_pairs(random_rows):
    rows = random_rows
    # The comparison group is the larger one: greedy without a caliper leaves no member alone.
    member = rows.member if rows.member.sum() * 2 < rows.n else ~rows.member
    place = np.random.default_rng(2).normal(size=rows.n) ** 2
    stratum, distance = np.zeros(rows.n, dtype=int), on_a_line(place)
    best = optimal_pairs(stratum, member, distance)
    greedy = nearest_pairs(stratum, member, distance, order="largest")
    assert len(best) == len(greedy) == member.sum()
    assert total(best, place) < total(greedy, place)


def test_the_textbook_case_in_which_greedy_goes_wrong():
    # Person 0 takes the nearer person 2 and leaves the far person 3 for person 1.
    member = np.array([True, True, False, False])
    place, stratum = np.array([1.0, 2.0, 1.5, 0.0]), np.zeros(4, dtype=int)
    assert nearest_pairs(stratum, member, on_a_line(place)).tolist() == [[0, 2], [1, 3]]
    assert optimal_pairs(stratum, member, on_a_line(place)).tolist() == [[0, 3], [1, 2]]


def test_strata_are_kept_and_sets_are_pairs(random_rows):
    rows = random_rows
    place = np.random.default_rng(1).integers(0, 9, rows.n)
    matched = optimal_match(
        rows.factors["region"], rows.member, np.ones(rows.n), on_a_line(place), ratio=1
    )
    inside = matched.set_id >= 0
    assert np.array_equal(inside, matched.weight > 0)
    assert (np.bincount(matched.set_id[inside]) == 2).all()
    assert matched.weight[inside] == pytest.approx(np.ones(inside.sum()))
    for number in range(matched.n_sets):
        pair = matched.set_id == number
        assert set(rows.member[pair]) == {True, False}
        assert np.unique(rows.factors["region"][pair]).size == 1


def test_empty_caliper_says_so_with_the_counts():
    with pytest.raises(NotEstimable, match=r"caliper leaves no pair \(1 members and 1 comparison"):
        optimal_pairs(
            np.zeros(2, dtype=int), np.array([True, False]), on_a_line([0, 9], caliper=1.0)
        )
