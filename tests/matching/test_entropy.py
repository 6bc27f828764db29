import numpy as np
import pytest
from scipy import optimize

from coopgap.core.errors import NotEstimable
from coopgap.matching.sample import combined_weight
from coopgap.matching.weighting import balance_weights, common_support, dummies, entropy_match


def shares(codes, weight):
    return np.bincount(codes, weights=weight) / weight.sum()


def test_one_margin_is_poststratification():
    # With one variable the nearest weights are the ratio of shares: .8/.5 and .2/.5.
    features = dummies(np.array([0, 1]), 2)
    weight = balance_weights(features, np.array([0.2]), np.array([5.0, 5.0]))
    assert weight == pytest.approx([0.8, 0.2])


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


def test_target_outside_the_hull_is_refused():
    with pytest.raises(NotEstimable):
        balance_weights(np.array([[0.0], [1.0]]), np.array([1.2]), np.ones(2))
    with pytest.raises(NotEstimable):
        balance_weights(np.array([[0.0], [1.0]]), np.array([1.0]), np.ones(2))


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


def test_row_order_does_not_matter(random_rows):
    rows = random_rows
    order = np.random.default_rng(0).permutation(rows.n)
    matched = entropy_match(rows.factors, rows.factor_levels, rows.member, rows.weight)
    shuffled = entropy_match(
        {name: codes[order] for name, codes in rows.factors.items()},
        rows.factor_levels,
        rows.member[order],
        rows.weight[order],
    )
    assert shuffled.weight == pytest.approx(matched.weight[order])


def test_levels_of_one_group_only_are_lost_on_both_sides(make_rows):
    rows = make_rows({"age": [0, 1, 2, 0, 0, 1, 3]}, [True, True, True, False, False, False, False])
    support = common_support(rows.factors, rows.factor_levels, rows.member)
    assert support.lost == {"age=age2": 1}
    matched = entropy_match(rows.factors, rows.factor_levels, rows.member, rows.weight)
    # Members kept are half 0, half 1; comparison people kept weigh 3 together.
    assert matched.weight == pytest.approx([1, 1, 0, 0.75, 0.75, 1.5, 0])


def test_loss_is_followed_through(make_rows):
    # Losing a=1 (no comparison) leaves b=1 without members, whose comparison person goes too.
    rows = make_rows(
        {"a": [0, 1, 0, 0], "b": [0, 1, 0, 1]},
        [True, True, False, False],
    )
    matched = entropy_match(rows.factors, rows.factor_levels, rows.member, rows.weight)
    assert matched.weight.tolist() == [1, 0, 1, 0]


def test_impossible_margin_is_named(make_rows):
    # All comparison people of a=1 have b=1, so b=1 has at least the share of a=1 (.75); members
    # have .25.
    rows = make_rows(
        {"a": [1, 1, 1, 0, 0, 1, 0, 1], "b": [0, 0, 0, 1, 0, 1, 1, 1]},
        [True] * 4 + [False] * 4,
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
