"""Secondary suppression: what is shown gives no small count away, and no less would do."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopgap.disclosure import (
    SMALLEST_COUNT,
    count_words,
    gives_away,
    hidden_levels,
    is_few,
    shown_counts,
)

COUNTS = (0, 1, 5, 9, 10, 11, 40)


def rank(vectors):
    return np.linalg.matrix_rank(np.array(vectors)) if len(vectors) else 0


def numbers(thresholds, levels):
    """What a reader has: everybody, people from a threshold up, people at a level, as sums."""
    n = len(levels)
    found = [np.ones(n)]
    found += [np.repeat([0.0, 1.0], [j, n - j]) for j in range(1, n) if thresholds[j]]
    return found + [np.eye(n)[j] for j in range(n) if levels[j]]


def given_away(thresholds, levels):
    """Every set of levels whose people are a linear combination of the numbers shown."""
    shown = numbers(thresholds, levels)
    base = rank(shown)
    subsets = itertools.product((0, 1), repeat=len(levels))
    return [np.array(one) for one in subsets if rank([*shown, one]) == base and any(one)]


def table(n_levels):
    """By choice of thresholds and levels, the sets it gives away as a matrix."""
    marks = itertools.product((False, True), repeat=2 * n_levels - 1)
    return {
        one: np.array(given_away((True, *one[: n_levels - 1]), one[n_levels - 1 :]))
        for one in marks
    }


GIVEN_AWAY = {n: table(n) for n in (2, 3, 4)}


def choice(people):
    shown = shown_counts(np.array(people))
    assert shown.thresholds[0]
    return (*map(bool, shown.thresholds[1:]), *map(bool, shown.levels))


def is_safe(one, people):
    """No sum of levels that a reader can work out holds one to nine people.

    Everybody is left aside: that total is known.
    """
    sets = GIVEN_AWAY[len(people)][one]
    known = sets[~sets.all(axis=1)] @ np.array(people)
    return not ((known > 0) & (known < SMALLEST_COUNT)).any()


def primary(people):
    """What a number may be by itself: ten people behind it and behind its complement."""
    counts, total = np.array(people), sum(people)
    reach = [int(counts[j:].sum()) for j in range(1, counts.size)]
    return tuple(min(one, total - one) >= SMALLEST_COUNT for one in (*reach, *counts))


def cost(one, people):
    """Thresholds and levels withheld, and the people on their smaller side."""
    counts, total, n = np.array(people), sum(people), len(people)
    behind = [int(counts[j:].sum()) for j in range(1, n)]
    thresholds = [min(behind[j], total - behind[j]) for j in range(n - 1) if not one[j]]
    first = primary(people)[n - 1 :]
    levels = [counts[j] for j in range(n) if first[j] and not one[n - 1 + j]]
    return len(thresholds), len(levels), sum(thresholds) + int(sum(levels))


@pytest.mark.parametrize("n_levels", [2, 3, 4])
def test_no_small_count_can_be_worked_out(n_levels):
    withheld = 0
    for people in itertools.product(COUNTS, repeat=n_levels):
        one = choice(people)
        allowed = primary(people)
        assert all(may for may, shown in zip(allowed, one, strict=True) if shown)
        assert is_safe(one, people), people
        withheld += one != allowed
    # Of two levels the first rule is enough.
    assert withheld > 40 if n_levels > 2 else withheld == 0


def test_a_small_level_is_no_difference_of_two_shown_numbers():
    """The plain reading, with every pair of numbers, over tables of five levels."""
    rng = np.random.default_rng(1)
    leaks = 0
    for people in rng.choice([0, 2, 7, 9, 10, 13, 60, 200], size=(4000, 5)):
        shown = shown_counts(people)
        vectors = numbers(shown.thresholds, shown.levels)
        every = numbers([True] * 5, people >= SMALLEST_COUNT)
        for at in np.flatnonzero((people > 0) & (people < SMALLEST_COUNT)):
            sought = np.eye(5)[at]
            assert not any(
                np.array_equal(first - second, sought)
                for first, second in itertools.permutations(vectors, 2)
            )
            leaks += any(
                np.array_equal(first - second, sought)
                for first, second in itertools.permutations(every, 2)
            )
    assert leaks > 1000


@pytest.mark.parametrize("n_levels", [3, 4])
def test_nothing_less_would_do(n_levels):
    """Of all safe choices within the first rule none withholds less, counted as documented."""
    rng = np.random.default_rng(2)
    tables = list(itertools.product(COUNTS, repeat=n_levels))
    for people in (tables[k] for k in rng.permutation(len(tables))[:300]):
        if is_few(sum(people)):
            continue
        allowed = primary(people)
        others = [
            one
            for one in GIVEN_AWAY[n_levels]
            if all(may or not shown for may, shown in zip(allowed, one, strict=True))
            and is_safe(one, people)
        ]
        assert cost(choice(people), people) == min(cost(one, people) for one in others), people


@given(st.lists(st.sampled_from([0, 1, 4, 9, 10, 25, 300]), min_size=2, max_size=9))
def test_runs_between_shown_thresholds_leave_nothing_small(people):
    shown = shown_counts(np.array(people))
    ends = [*np.flatnonzero(shown.thresholds), len(people)]
    for start, end in itertools.pairwise(ends):
        run, levels = np.array(people)[start:end], shown.levels[start:end]
        if not is_few(sum(people)):
            assert not is_few(int(run[~levels].sum()))
            assert not is_few(int(run.sum()))


@pytest.mark.parametrize(
    ("people", "thresholds", "levels"),
    [
        # The lower threshold has fewer people on its smaller side: 100 in place of 103.
        ((100, 3, 147), (0, 1), (0, 0, 1)),
        ((147, 3, 100), (1, 0), (1, 0, 0)),
        # Of equals the lowest.
        ((100, 3, 100), (0, 1), (0, 0, 1)),
        # The end's threshold is small itself; the level beside it would give it away.
        ((3, 50, 100), (0, 1), (0, 0, 1)),
        # A zero may be worked out.
        ((100, 0, 147), (1, 1), (1, 0, 1)),
        # Seven people in a row of two levels are too few together.
        ((60, 3, 4, 80), (0, 0, 1), (0, 0, 0, 1)),
        # Twelve are not.
        ((60, 6, 6, 80), (1, 0, 1), (1, 0, 0, 1)),
        # Two small levels on either side of a large one share its company.
        ((20, 3, 20, 3, 20), (1, 0, 0, 1), (1, 0, 0, 0, 1)),
        ((3, 4, 2), (0, 0), (0, 0, 0)),
        ((50, 60, 70), (1, 1), (1, 1, 1)),
    ],
)
def test_by_hand(people, thresholds, levels):
    shown = shown_counts(np.array(people))
    assert shown.thresholds.astype(int).tolist() == [1, *thresholds]
    assert shown.levels.astype(int).tolist() == list(levels)


def test_choice_is_not_to_be_changed():
    shown = shown_counts(np.array([50, 60]))
    with pytest.raises(ValueError, match="read-only"):
        shown.levels[0] = False


def test_levels_without_order_leave_one_another_company():
    people = np.array([[4, 30, 50, 90], [40, 12, 50, 90]])
    assert hidden_levels(people).tolist() == [True, True, False, False]
    # Each group by itself: tables that share one of them withhold the same of it.
    assert hidden_levels(people[:1]).tolist() == [True, True, False, False]
    assert not hidden_levels(people[1:]).any()
    # Nobody is no secret; the other group's 40 are many.
    assert hidden_levels(np.array([[0, 30, 50], [40, 30, 50]])).tolist() == [True, False, False]


@given(
    st.lists(
        st.lists(st.sampled_from([0, 2, 9, 10, 12, 70]), min_size=3, max_size=3),
        min_size=2,
        max_size=4,
    )
)
def test_what_shown_levels_leave_of_a_group_is_never_few(levels):
    people = np.array(levels).T
    hidden = hidden_levels(people)
    for group in people:
        own = hidden_levels(group[None])
        assert not (own & ~hidden).any()
        # Tables with other groups may withhold more, and together show what any of them shows.
        assert not is_few(int(group[own].sum())) or is_few(int(group.sum()))
        assert (group[~hidden] >= SMALLEST_COUNT).all()


def test_words_of_counts():
    assert [count_words(n) for n in (0, 1, 9, 10, 1200)] == [
        "0",
        "fewer than 10",
        "fewer than 10",
        "10",
        "1,200",
    ]


@pytest.mark.parametrize(
    ("parts", "away"),
    [((), False), ((0,), False), ((3, 40), True), ((4, 6), False), ((4, 5), True)],
)
def test_a_total_gives_small_parts_away(parts, away):
    assert gives_away(parts) is away
