from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopgap.core.errors import NotEstimable
from coopgap.matching.distances import Distance
from coopgap.matching.nearest import nearest_match, nearest_pairs

people = st.lists(
    st.tuples(st.integers(0, 1), st.booleans(), st.integers(0, 6)), min_size=2, max_size=30
)


def on_a_line(places, caliper=np.inf):
    points, cell = np.unique(np.asarray(places, dtype=float), return_inverse=True)
    return Distance(cell=cell, points=points[:, None], score=points, caliper=caliper)


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


def test_empty_caliper_says_so_with_the_counts():
    member = np.array([True, True, False])
    with pytest.raises(NotEstimable, match=r"caliper leaves no pair \(2 members and 1 comparison"):
        nearest_pairs(np.zeros(3, dtype=int), member, on_a_line([0, 1, 9], caliper=2.0))


def test_strata_without_the_other_group_say_so_with_the_counts():
    with pytest.raises(NotEstimable, match="2 members and 1 comparison people in 2 strata"):
        nearest_pairs(np.array([0, 0, 1]), np.array([True, True, False]), on_a_line([0, 0, 0]))
