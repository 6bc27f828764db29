"""Exact, entropy, overlap and cardinality matching, by hand and by other programmes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import optimize

from coopgap.core.errors import NotEstimable
from coopgap.matching.balance import level_balance
from coopgap.matching.cardinality import cardinality_match
from coopgap.matching.dispatch import match, stratum_codes
from coopgap.matching.sample import combined_weight, effective_size, exact_match
from coopgap.matching.weighting import (
    balance_weights,
    common_support,
    dummies,
    entropy_match,
    overlap_match,
)
from coopgap.study.spec import Matching


def test_weights_by_hand():
    # Stratum 0: 2 members, 1 comparison; stratum 1: 1 and 3; stratum 2: a member only;
    # stratum 3: a comparison person only. k = (1 + 3) / (2 + 1) = 4/3.
    stratum = np.array([0, 0, 0, 1, 1, 1, 1, 2, 3])
    member = np.array([1, 1, 0, 1, 0, 0, 0, 1, 0], dtype=bool)
    matched = exact_match(stratum, member, np.ones(9))
    assert matched.weight == pytest.approx([1, 1, 8 / 3, 1, 4 / 9, 4 / 9, 4 / 9, 0, 0])
    assert matched.set_id.tolist() == [0, 0, 0, 1, 1, 1, 1, -1, -1]
    assert matched.n_sets == 2
    # M = (3, 2), C = (4, 4), k = 8/5: stratum 0 gets 8/5 * 3/4, stratum 1 gets 8/5 * 2/4.
    stratum = np.array([0, 0, 0, 1, 1])
    member = np.array([1, 0, 0, 1, 0], dtype=bool)
    weight = np.array([3.0, 1.0, 3.0, 2.0, 4.0])
    for scale in (1.0, 10.0):
        matched = exact_match(stratum, member, scale * weight)
        assert matched.weight == pytest.approx([1, 1.2, 1.2, 1, 0.8])
    with pytest.raises(NotEstimable, match="2 members and 1 comparison people in 3 strata"):
        exact_match(np.array([0, 1, 2]), np.array([True, True, False]), np.ones(3))
    assert effective_size(np.array([1.0, 1.0, 0.0])) == 2
    assert effective_size(np.array([3.0, 1.0])) == pytest.approx(1.6)
    assert effective_size(np.zeros(3)) == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.booleans(), st.floats(0.1, 10)), min_size=2, max_size=60
    )
)
def test_matched_strata_have_the_members_shares(people):
    stratum = np.array([item[0] for item in people])
    member = np.array([item[1] for item in people])
    weight = np.array([item[2] for item in people])
    try:
        matched = exact_match(stratum, member, weight)
    except NotEstimable:
        assert not set(stratum[member]) & set(stratum[~member])
        return
    combined = combined_weight(weight, matched.weight)
    side = [np.bincount(stratum, weights=combined * group) for group in (member, ~member)]
    assert side[0] / side[0].sum() == pytest.approx(side[1] / side[1].sum())
    kept = matched.weight > 0
    assert combined[~member].sum() == pytest.approx(weight[~member & kept].sum())
    assert set(matched.weight[member]) <= {0.0, 1.0}
    assert np.array_equal(matched.set_id >= 0, kept)


def shares(codes, weight):
    return np.bincount(codes, weights=weight) / weight.sum()


def test_one_margin_is_poststratification():
    # With one variable the nearest weights are the ratio of shares: .8/.5 and .2/.5.
    features = dummies(np.array([0, 1]), 2)
    weight = balance_weights(features, np.array([0.2]), np.array([5.0, 5.0]))
    assert weight == pytest.approx([0.8, 0.2])
    for beyond in (1.2, 1.0):  # outside the hull
        with pytest.raises(NotEstimable):
            balance_weights(features, np.array([beyond]), np.ones(2))


def test_two_margins_are_raking():
    # Entropy balancing on the margins of a table is iterative proportional fitting
    # (Deming & Stephan 1940; Ireland & Kullback 1968), done here by hand.
    table = np.array([[20.0, 5.0, 8.0], [4.0, 30.0, 9.0]])
    rows, columns = np.array([0.3, 0.7]), np.array([0.25, 0.35, 0.4])
    raked = table / table.sum()
    for _ in range(500):
        raked *= (rows / raked.sum(axis=1))[:, None]
        raked *= columns / raked.sum(axis=0)
    first, second = np.indices(table.shape).reshape(2, -1)
    features = np.hstack([dummies(first, 2), dummies(second, 3)])
    weight = balance_weights(features, np.array([0.7, 0.35, 0.4]), table.ravel())
    assert weight == pytest.approx(raked.ravel(), rel=1e-9)


def test_agrees_with_direct_minimisation_of_relative_entropy():
    rng = np.random.default_rng(3)
    features, base = rng.normal(size=(12, 2)), rng.uniform(1, 3, 12)
    target = np.array([0.2, -0.1])
    weight = balance_weights(features, target, base)
    q = base / base.sum()
    direct = optimize.minimize(
        lambda w: float(w @ np.log(w / q)),
        q,
        jac=lambda w: np.log(w / q) + 1,
        bounds=[(1e-9, 1)] * 12,
        constraints=[
            {"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda _: np.ones(12)},
            {"type": "eq", "fun": lambda w: features.T @ w - target, "jac": lambda _: features.T},
        ],
        options={"ftol": 1e-14, "maxiter": 500},
    )
    # SLSQP stops at about the square root of its tolerance.
    assert weight == pytest.approx(direct.x, abs=1e-6)


def test_collinear_margins_are_dropped_by_rank():
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 3, 40)
    once = dummies(codes, 3)
    target = np.array([0.3, 0.3])
    single = balance_weights(once, target, np.ones(40))
    double = balance_weights(np.hstack([once, once]), np.tile(target, 2), np.ones(40))
    assert double == pytest.approx(single)


def test_margins_match_exactly_and_weights_keep_their_sum(random_rows):
    rows = random_rows
    matched = entropy_match(rows.factors, rows.factor_levels, rows.member, rows.weight)
    combined = combined_weight(rows.weight, matched.weight)
    for codes in rows.factors.values():
        left = shares(codes[rows.member], combined[rows.member])
        right = shares(codes[~rows.member], combined[~rows.member])
        assert right == pytest.approx(left, abs=1e-9)
    assert combined[~rows.member].sum() == pytest.approx(rows.weight[~rows.member].sum())
    assert np.all(matched.weight[rows.member] == 1)
    assert np.all(matched.set_id == -1)
    assert matched.n_sets == 0


def test_levels_of_one_group_only_are_lost_on_both_sides(make_rows):
    rows = make_rows({"age": [0, 1, 2, 0, 0, 1, 3]}, [True, True, True, False, False, False, False])
    support = common_support(rows.factors, rows.factor_levels, rows.member)
    assert support.lost == {"age=age2": 1}
    matched = entropy_match(rows.factors, rows.factor_levels, rows.member, rows.weight)
    # Members kept are half 0, half 1; comparison people kept weigh 3 together.
    assert matched.weight == pytest.approx([1, 1, 0, 0.75, 0.75, 1.5, 0])


def test_loss_is_followed_through(make_rows):
    # Losing a=1 (no comparison) leaves b=1 without members, whose comparison person goes too.
    rows = make_rows({"a": [0, 1, 0, 0], "b": [0, 1, 0, 1]}, [True, True, False, False])
    matched = entropy_match(rows.factors, rows.factor_levels, rows.member, rows.weight)
    assert matched.weight.tolist() == [1, 0, 1, 0]


def test_impossible_margin_is_named(make_rows):
    # All comparison people of a=1 have b=1, so b=1 has at least the share of a=1 (.75); members
    # have .25.
    rows = make_rows(
        {"a": [1, 1, 1, 0, 0, 1, 0, 1], "b": [0, 0, 0, 1, 0, 1, 1, 1]}, [True] * 4 + [False] * 4
    )
    with pytest.raises(NotEstimable, match="margin of b beside a"):
        entropy_match(rows.factors, rows.factor_levels, rows.member, rows.weight)


def test_nobody_in_common_is_not_estimable(make_rows):
    rows = make_rows({"a": [0, 1]}, [True, False])
    with pytest.raises(NotEstimable, match="1 members and the 1 comparison"):
        entropy_match(rows.factors, rows.factor_levels, rows.member, rows.weight)


def test_no_margins_leave_the_comparison_group_as_it_is(make_rows):
    rows = make_rows({"a": [0, 1, 1]}, [True, False, False], weight=[1, 2, 3])
    matched = entropy_match({}, {}, rows.member, rows.weight)
    assert matched.weight == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("on", [(), ("region",)])
def test_every_term_has_the_same_mean_in_both_groups(random_rows, on):
    rows = random_rows
    matched = match(rows, Matching(method="overlap", on=on, covariates=("age", "sex")))
    for name in ("age", "sex", *on):
        found = level_balance(
            rows.factors[name],
            len(rows.factor_levels[name]),
            rows.member,
            rows.weight,
            matched.weight,
        )
        # The score equations, solved to the last digits.
        assert found.member == pytest.approx(found.comparison_after, abs=1e-10)


def test_weights_are_the_probability_of_the_other_group_by_hand(make_rows):
    # Level 0: 1 of 4 are members, level 1: 2 of 3. Saturated, so the scores are these shares.
    level = [0, 0, 0, 0, 1, 1, 1]
    member = np.array([1, 0, 0, 0, 1, 1, 0], dtype=bool)
    matched = overlap_match(make_rows({"a": level}, member), np.zeros(7, dtype=int), ("a",))
    scores = np.array([1 / 4] * 4 + [2 / 3] * 3)
    raw = np.where(member, 1 - scores, scores)
    for group in (member, ~member):
        raw[group] *= group.sum() / raw[group].sum()
    assert matched.weight == pytest.approx(raw)
    assert matched.n_sets == 0


def test_strata_with_one_group_only_are_left_out(make_rows):
    rows = make_rows(
        {"a": [0, 0, 1, 1, 0, 1], "s": [0, 0, 0, 0, 1, 1]}, [True, False, True, False, True, True]
    )
    matched = overlap_match(rows, rows.factors["s"], ("a",))
    assert (matched.weight > 0).tolist() == [True] * 4 + [False] * 2


def test_refusals_say_what_is_wrong(make_rows):
    rows = make_rows({"a": [0, 0, 1, 1]}, [True, False, True, True])
    with pytest.raises(NotEstimable, match=r"propensity score: .*a"):
        overlap_match(rows, np.zeros(4, dtype=int), ("a",))
    with pytest.raises(NotEstimable, match="3 members and 1 comparison people in 2 strata"):
        overlap_match(
            make_rows({"a": [0] * 4}, [True, False, True, True]), np.array([0, 1, 0, 0]), ("a",)
        )


people = st.lists(
    st.tuples(st.booleans(), st.integers(0, 1), st.integers(0, 2)), min_size=2, max_size=10
)


def differences(rows, weight, name):
    """Standardised differences of every level that somebody has and not everybody."""
    found = level_balance(
        rows.factors[name], len(rows.factor_levels[name]), rows.member, np.ones(rows.n), weight
    )
    return found.smd_after


def balanced(rows, kept, limit):
    member, other = kept & rows.member, kept & ~rows.member
    fine = [np.bincount(rows.factors["s"][g], minlength=2) for g in (member, other)]
    if not np.array_equal(*fine):
        return False
    shares = [
        [(rows.factors["a"][g] == level).mean() for level in range(3)]
        for g in (member, other, rows.member, ~rows.member)
    ]
    for one, two, before_one, before_two in zip(*shares, strict=True):
        width = np.sqrt((before_one * (1 - before_one) + before_two * (1 - before_two)) / 2)
        if abs(one - two) > limit * width + 1e-9:
            return False
    return True


# The fixture is a plain function: sharing it between examples changes nothing.
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.parametrize("limit", [0.01, 0.6])
@given(people=people)
def test_no_larger_sample_is_balanced(make_rows, limit, people):
    member, stratum, level = (np.array(column) for column in zip(*people, strict=True))
    if member.all() or not member.any():
        return
    rows = make_rows({"s": stratum, "a": level}, member)
    largest = 0
    for keep in product((False, True), repeat=rows.n):
        kept = np.array(keep)
        size = int((kept & member).sum())
        if size > largest and balanced(rows, kept, limit):
            largest = size
    if not largest:
        with pytest.raises(NotEstimable, match="is balanced within"):
            cardinality_match(rows, stratum, ("a",), limit=limit, time_limit=60)
        return
    matched = cardinality_match(rows, stratum, ("a",), limit=limit, time_limit=60)
    kept = matched.weight > 0
    assert int((kept & member).sum()) == int((kept & ~member).sum()) == largest
    assert balanced(rows, kept, limit)


def test_limits_hold_and_a_tighter_one_keeps_fewer(random_rows, make_rows):
    rows = make_rows(random_rows.factors, random_rows.member)
    sizes = []
    for limit in (0.2, 0.05, 0.001):
        matching = Matching(
            method="cardinality", on=("region",), covariates=("age", "sex"), limit=limit
        )
        matched = match(rows, matching)
        for name in ("age", "sex"):
            assert np.abs(differences(rows, matched.weight, name)).max() <= limit + 1e-9
        assert np.abs(differences(rows, matched.weight, "region")).max() < 1e-9
        sizes.append(int((matched.weight > 0).sum()))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1] > 0


def test_sampling_weights_weight_the_comparison_group_within_strata(random_rows):
    rows = random_rows
    matched = cardinality_match(
        rows, stratum_codes(rows, ("region",)), ("age",), limit=0.1, time_limit=60
    )
    kept = matched.weight > 0
    shares = []
    for group in (rows.member, ~rows.member):
        here = group & kept
        combined = rows.weight[here] * matched.weight[here]
        total = np.bincount(rows.factors["region"][here], weights=combined)
        shares.append(total / total.sum())
    assert shares[0] == pytest.approx(shares[1])


def test_without_strata_there_are_no_sets(random_rows):
    matched = cardinality_match(
        random_rows, np.zeros(random_rows.n, dtype=int), ("age",), limit=0.1, time_limit=60
    )
    assert matched.n_sets == 0
    assert (matched.set_id == -1).all()


def test_nothing_in_common_says_so_with_the_counts(make_rows):
    rows = make_rows({"a": [0, 0, 1]}, [True, True, False])
    with pytest.raises(NotEstimable, match="2 members and 1 comparison people is balanced"):
        cardinality_match(rows, np.zeros(3, dtype=int), ("a",), limit=0.1, time_limit=60)


def test_exact_cells_of_declared_variables(random_rows):
    rows = random_rows
    matched = match(rows, Matching(method="exact", on=("region", "age")))
    assert matched.method == "exact"
    sets = matched.set_id[matched.set_id >= 0]
    for number in range(matched.n_sets):
        inside = matched.set_id == number
        assert set(rows.member[inside]) == {True, False}
        assert len(set(rows.factors["region"][inside])) == 1
        assert len(set(rows.factors["age"][inside])) == 1
    assert sets.max() + 1 == matched.n_sets


def test_exact_and_entropy_are_one_for_one_variable(random_rows):
    exact, entropy = (
        match(random_rows, Matching(method=method, on=("age",))) for method in ("exact", "entropy")
    )
    assert entropy.weight == pytest.approx(exact.weight)


def test_relabelled_strata_change_nothing(random_rows, make_rows):
    rows = random_rows
    turned = {name: codes.max() - codes for name, codes in rows.factors.items()}
    other = make_rows(turned, rows.member, weight=rows.weight)
    matching = Matching(method="exact", on=("region", "age", "sex"))
    assert match(other, matching).weight == pytest.approx(match(rows, matching).weight)


def test_weighted_outcome_is_the_standardised_one(random_rows):
    # Weighting the comparison group equals averaging its stratum means over the members' strata.
    rows = random_rows
    outcome = np.random.default_rng(2).random(rows.n)
    matched = match(rows, Matching(method="exact", on=("age", "sex")))
    weight = combined_weight(rows.weight, matched.weight)
    other = ~rows.member
    strata = stratum_codes(rows, ("age", "sex"))
    total = mass = 0.0
    for stratum in np.unique(strata):
        people = strata == stratum
        if not (people & rows.member).any() or not (people & other).any():
            continue
        members = rows.weight[people & rows.member].sum()
        mean = np.average(outcome[people & other], weights=rows.weight[people & other])
        total, mass = total + members * mean, mass + members
    assert np.average(outcome[other], weights=weight[other]) == pytest.approx(total / mass)


def test_an_empty_group_is_not_estimable(make_rows):
    rows = make_rows({"a": [0, 0]}, [True, True])
    with pytest.raises(NotEstimable, match="2 members and 0 comparison people"):
        match(rows, Matching(method="exact", on=("a",)))
