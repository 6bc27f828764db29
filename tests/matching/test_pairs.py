"""Nearest, optimal and full matching against every choice there is, and their bounds."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coopgap.core.errors import NotEstimable
from coopgap.matching import flow, nearest
from coopgap.matching.distances import Distance
from coopgap.matching.flow import chosen_solver, full_match, full_sets, optimal_match, optimal_pairs
from coopgap.matching.nearest import nearest_match, nearest_pairs

from .conftest import on_a_line

people = st.lists(
    st.tuples(st.integers(0, 1), st.booleans(), st.integers(0, 6)), min_size=2, max_size=30
)


curved = partial(on_a_line, power=1.5)


def greedy(stratum, member, place, *, ratio, replace, order, caliper):
    """People one by one, as a person with paper would."""
    if replace:
        return dealt(stratum, member, place, ratio=ratio, caliper=caliper)
    at = {"largest": lambda i: (-place[i], i), "smallest": lambda i: (place[i], i)}
    choosers = sorted(np.flatnonzero(member), key=at.get(order, lambda i: i))
    used, pairs = set(), []
    for _ in range(ratio):
        for one in choosers:
            own = {b for a, b in pairs if a == one}
            free = [
                (abs(place[one] - place[j]), j)
                for j in np.flatnonzero(~member)
                if stratum[j] == stratum[one]
                and j not in own
                and j not in used
                and abs(place[one] - place[j]) <= caliper
            ]
            if free:
                chosen = min(free)[1]
                used.add(chosen)
                pairs.append((int(one), int(chosen)))
    return sorted(pairs)


def dealt(stratum, member, place, *, ratio, caliper):
    """With replacement: of equals the next in turn among the members who stand at one place."""
    pairs, served = [], Counter()
    for one in np.flatnonzero(member):
        others = [j for j in np.flatnonzero(~member) if stratum[j] == stratum[one]]
        apart = {
            j: abs(place[one] - place[j]) for j in others if abs(place[one] - place[j]) <= caliper
        }
        if not apart:
            continue
        last = sorted(apart.values())[:ratio][-1]
        chosen = [j for j in apart if apart[j] < last]
        equals = [j for j in apart if apart[j] == last]
        here = (stratum[one], place[one])
        while len(chosen) < min(ratio, len(apart)):
            chosen.append(equals[served[here] % len(equals)])
            served[here] += 1
        pairs += [(int(one), int(j)) for j in chosen]
    return sorted(pairs)


@pytest.mark.parametrize("order", ["largest", "smallest", "random"])
@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("caliper", [np.inf, 1.5])
@given(people=people, ratio=st.integers(1, 3))
def test_pairs_are_those_of_the_greedy_rule(people, ratio, order, replace, caliper):
    stratum, member, place = (np.array(column) for column in zip(*people, strict=True))
    choices = {"ratio": ratio, "replace": replace, "order": order}
    expected = greedy(stratum, member, place, caliper=caliper, **choices)
    distance = on_a_line(place, caliper)
    if not expected:
        with pytest.raises(NotEstimable):
            nearest_pairs(stratum, member, distance, **choices)
        return
    assert nearest_pairs(stratum, member, distance, **choices).tolist() == [
        list(pair) for pair in expected
    ]


def test_shared_comparison_people_have_the_sum_of_their_shares():
    # Members 0, 1 share person 2 and have 3 each: 1/2 a pair, person 2 twice. Scaled to sum to 3.
    member = np.array([True, True, False, False, False])
    matched = nearest_match(
        np.zeros(5, dtype=int),
        member,
        np.ones(5),
        on_a_line([0, 1, 0.4, -1, 2.1]),
        ratio=2,
        replace=True,
    )
    assert matched.weight == pytest.approx([1, 1, 1.5, 0.75, 0.75])
    assert matched.n_sets == 0
    assert (matched.set_id == -1).all()


def test_a_members_sampling_weight_goes_to_that_members_pairs():
    member = np.array([True, True, False, False, False])
    weight = np.array([2.0, 1, 1, 3, 1])
    matched = nearest_match(
        np.zeros(5, dtype=int), member, weight, on_a_line([0, 10, 0, 0.1, 10]), ratio=2
    )
    # Member 0 has 2 and 3, member 1 has 4: M/C is 2/4 and 1/1, scaled by k = (1 + 3 + 1)/(2 + 1).
    assert matched.weight == pytest.approx([1, 1, 5 / 6, 5 / 6, 5 / 3])
    assert matched.set_id.tolist() == [0, 1, 0, 0, 1]
    assert matched.n_sets == 2


def test_strata_without_the_other_group_say_so_with_the_counts():
    with pytest.raises(NotEstimable, match="2 members and 1 comparison people in 2 strata"):
        nearest_pairs(np.array([0, 0, 1]), np.array([True, True, False]), on_a_line([0, 0, 0]))


few = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=8)


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
@given(people=few, ratio=st.integers(1, 2))
def test_pairs_are_the_best_of_all_pairings(people, ratio, caliper, solver):
    member, place = (np.array(column) for column in zip(*people, strict=True))
    expected = every_pairing(member, place, ratio, caliper)
    stratum = np.zeros(member.size, dtype=int)
    if not expected[0]:
        with pytest.raises(NotEstimable):
            optimal_pairs(stratum, member, curved(place, caliper), ratio=ratio, solver=solver)
        return
    pairs = optimal_pairs(stratum, member, curved(place, caliper), ratio=ratio, solver=solver)
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
    distance = curved(place - place.min(), caliper)
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
    pairs = optimal_pairs(np.zeros(2 * n, dtype=int), member, curved(place))
    assert len(pairs) == n
    assert total(pairs, place) == pytest.approx(np.abs(line[0] - line[1]).sum())


def test_never_farther_than_greedy_with_as_many_pairs(random_rows):
    rows = random_rows
    # The comparison group is the larger one: greedy without a caliper leaves no member alone.
    member = rows.member if rows.member.sum() * 2 < rows.n else ~rows.member
    place = np.random.default_rng(2).normal(size=rows.n) ** 2
    stratum, distance = np.zeros(rows.n, dtype=int), curved(place)
    best = optimal_pairs(stratum, member, distance)
    greedy = nearest_pairs(stratum, member, distance, order="largest")
    assert len(best) == len(greedy) == member.sum()
    assert total(best, place) < total(greedy, place)


def test_the_textbook_case_in_which_greedy_goes_wrong():
    # Person 0 takes the nearer person 2 and leaves the far person 3 for person 1.
    member = np.array([True, True, False, False])
    place, stratum = np.array([1.0, 2.0, 1.5, 0.0]), np.zeros(4, dtype=int)
    assert nearest_pairs(stratum, member, curved(place)).tolist() == [[0, 2], [1, 3]]
    assert optimal_pairs(stratum, member, curved(place)).tolist() == [[0, 3], [1, 2]]


def test_strata_are_kept_and_sets_are_pairs(random_rows):
    rows = random_rows
    place = np.random.default_rng(1).integers(0, 9, rows.n)
    matched = optimal_match(
        rows.factors["region"], rows.member, np.ones(rows.n), curved(place), ratio=1
    )
    inside = matched.set_id >= 0
    assert np.array_equal(inside, matched.weight > 0)
    assert (np.bincount(matched.set_id[inside]) == 2).all()
    assert matched.weight[inside] == pytest.approx(np.ones(inside.sum()))
    for number in range(matched.n_sets):
        pair = matched.set_id == number
        assert set(rows.member[pair]) == {True, False}
        assert np.unique(rows.factors["region"][pair]).size == 1


limits = st.sampled_from([None, 1, 2])


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
        size = total(pairs, place)
        best = size if best is None else min(best, size)
    return best


def within_sets(sets, member, place):
    pairs = product(np.flatnonzero(member), np.flatnonzero(~member))
    return total([(a, b) for a, b in pairs if sets[a] == sets[b] >= 0], place)


@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("caliper", [np.inf, 1.5])
@given(people=few, most_others=limits, most_members=limits)
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
    stratum, distance = np.zeros(member.size, dtype=int), curved(place, caliper)
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
    matched = full_match(rows.factors["region"], rows.member, rows.weight, curved(place))
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
    sets = full_sets(stratum, member, curved(place), max_comparison=1, max_members=1)
    assert (np.unique(sets, return_counts=True)[1] == 2).all()
    free = full_sets(stratum, member, curved(place))
    assert within_sets(free, member, place) <= within_sets(sets, member, place)


def test_limits_that_cannot_hold_say_so_with_the_counts():
    member = np.array([True, False, False, False])
    with pytest.raises(NotEstimable, match=r"1 members and 3 comparison.*max_comparison = 2"):
        full_sets(np.zeros(4, dtype=int), member, curved([0, 0, 1, 2]), max_comparison=2)


METHODS = [nearest_pairs, optimal_pairs, full_sets]


@pytest.mark.parametrize("method", METHODS)
def test_empty_caliper_says_so_with_the_counts(method):
    with pytest.raises(NotEstimable, match=r"caliper leaves .*2 members and 1 comparison"):
        method(np.zeros(3, dtype=int), np.array([True, True, False]), curved([0, 1, 9], 2.0))


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
