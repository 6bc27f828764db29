"""Omitted variable bias: by R, and by adding confounders of the stated strength."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats

from coopgap.checks.omitted import (
    Strength,
    benchmark_strength,
    left_of,
    left_surface,
    linear_gap,
    robustness_value,
)
from coopgap.core.errors import NotEstimable

R = Path(__file__).parents[2] / "r"


def of_example(cluster=True, few=False):
    with (R / "data" / "example.csv").open(encoding="utf-8") as file:
        people = list(csv.DictReader(file))
    columns = {
        "region": [p["region"] for p in people],
        "sex": [p["sex"] for p in people],
        "decade": [str(min(int(p["age"]) // 10, 7)) for p in people],
    }
    coded = {name: np.unique(values, return_inverse=True) for name, values in columns.items()}
    n = len(people)
    return linear_gap(
        np.array([float(p["trusted_person"] == "1") for p in people]),
        np.array([p["member"] == "1" for p in people]),
        np.ones(n) if few else 0.5 + (np.arange(n) % 7) / 4,
        np.ones(n, dtype=np.int64),
        {name: codes.astype(np.int64) for name, (_, codes) in coded.items()},
        {name: tuple(levels) for name, (levels, _) in coded.items()},
        np.array([int(p["zone"]) % (20 if few else 1000) for p in people]) if cluster else None,
        kind="CR2" if few else "CR1",
    )


def test_few_clusters_have_the_cr2_of_r():
    expected = json.loads((R / "fixtures" / "robustness.json").read_text(encoding="utf-8"))["cr2"]
    found = of_example(few=True)
    assert found.std_error == pytest.approx(expected["std_error"], rel=1e-9)
    assert found.df_interval == pytest.approx(expected["df"], rel=1e-6)


def test_gap_strengths_and_what_is_left_are_those_of_r():
    expected = json.loads((R / "fixtures" / "robustness.json").read_text(encoding="utf-8"))
    plain, clustered = of_example(cluster=False), of_example()
    assert plain.estimate == pytest.approx(expected["estimate"], rel=1e-10)
    assert plain.std_error == pytest.approx(expected["std_error"], rel=1e-10)
    assert plain.df == expected["df"]
    assert clustered.std_error == pytest.approx(expected["clustered"], rel=1e-10)
    for name, by_r in expected["strengths"].items():
        found = plain.strengths[name]
        # 1 less a ratio of sums near one loses digits.
        assert found.member == pytest.approx(by_r["member"], rel=1e-8)
        assert found.outcome == pytest.approx(by_r["outcome"], rel=1e-8)
        for multiple, bound in enumerate(by_r["bounds"], start=1):
            strength = benchmark_strength(found, multiple)
            left = left_of(plain, strength)
            assert (*strength, *left[:2]) == pytest.approx(bound, rel=1e-8)


def draw(seed, n=160):
    rng = np.random.default_rng(seed)
    factors = {"a": rng.integers(0, 3, n), "b": rng.integers(0, 2, n)}
    member = rng.random(n) < 0.3 + 0.15 * factors["a"] + 0.1 * factors["b"]
    y = (rng.random(n) < 0.2 + 0.2 * member + 0.1 * factors["a"] + 0.1 * factors["b"]) * 1.0
    weight = rng.uniform(0.3, 2.0, n)
    levels = {"a": ("0", "1", "2"), "b": ("0", "1")}
    gap = linear_gap(y, member, weight, np.ones(n, dtype=np.int64), factors, levels, None)
    root = np.sqrt(weight)[:, None]
    dummies = [factors["a"] == 1, factors["a"] == 2, factors["b"] == 1]
    x = root * np.column_stack([np.ones(n), *dummies])
    return gap, root[:, 0] * member, root[:, 0] * y, x, rng


def left_over(values, x):
    return values - x @ np.linalg.lstsq(x, values, rcond=None)[0]


def unit(values):
    return values / np.linalg.norm(values)


def least_squares(v, d, others):
    """Estimate, classical standard error and degrees of freedom of d."""
    x = np.column_stack([d, others])
    left = left_over(v, x)
    df = v.size - x.shape[1]
    bread = np.linalg.inv(x.T @ x)[0, 0]
    return np.linalg.lstsq(x, v, rcond=None)[0][0], np.sqrt(bread * left @ left / df), df


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("strength", [Strength(0.1, 0.2), Strength(0.4, 0.05), Strength(0.02, 1.0)])
def test_a_confounder_of_that_strength_leaves_that_gap(seed, strength):
    gap, d, v, x, rng = draw(seed)
    along_d = unit(left_over(d, x))
    along_v = unit(left_over(v, np.column_stack([x, d])))
    rest = unit(left_over(rng.normal(size=d.size), np.column_stack([x, d, v])))
    for side in (1, -1):
        of_v = np.sqrt(strength.outcome) * along_v + np.sqrt(1 - strength.outcome) * rest
        z = np.sqrt(strength.member) * along_d + side * np.sqrt(1 - strength.member) * of_v
        estimate, std_error, df = least_squares(v, d, np.column_stack([x, z]))
        away = gap.estimate - estimate
        left = left_of(gap, strength)
        if away * gap.estimate > 0:  # works against the gap
            assert left.estimate == pytest.approx(estimate, abs=1e-8)
        else:
            assert 2 * gap.estimate - left.estimate == pytest.approx(estimate, abs=1e-8)
        if strength.outcome < 1:
            assert left.std_error == pytest.approx(std_error, rel=1e-8)
            half = stats.t.ppf(0.975, df) * std_error
            assert left.upper - left.estimate == pytest.approx(half, rel=1e-8)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("multiple", [1, 2])
def test_a_confounder_k_times_a_covariate_is_at_most_as_strong_as_the_bound(seed, multiple):
    """Beside `b` alone left out, unrelated to it, with k times its partial R² on both sides."""
    gap, d, v, x, rng = draw(seed)
    others, own = x[:, :3], x[:, 3]
    bound = benchmark_strength(gap.strengths["b"], multiple)
    axes = []
    for values in (own, d, v, rng.normal(size=d.size)):
        axes.append(unit(left_over(values, np.column_stack([others, *axes]))))
    along = float(unit(left_over(d, others)) @ axes[0])
    of_d = np.sqrt(multiple * along**2 / (1 - along**2))
    given = np.column_stack([others, d])

    def confounder(share):
        rest = np.sqrt(max(1 - of_d**2 - share**2, 0.0))
        return of_d * axes[1] + share * axes[2] + rest * axes[3]

    def partial(z, beside):
        before, after = left_over(v, beside), left_over(v, np.column_stack([beside, z]))
        return 1 - after @ after / (before @ before)

    wanted = multiple * gap.strengths["b"].outcome
    most = np.sqrt(1 - of_d**2)
    middle = optimize.minimize_scalar(
        lambda share: partial(confounder(share), given), bounds=(-most, most), method="bounded"
    ).x
    found = []
    for end in (-most, most):
        share = optimize.brentq(
            lambda value: partial(confounder(value), given) - wanted, middle, end, xtol=1e-14
        )
        z = confounder(share)
        d_left = left_over(d, x)
        member = (unit(d_left) @ unit(left_over(z, x))) ** 2
        assert member == pytest.approx(bound.member, abs=1e-8)
        found.append(partial(z, np.column_stack([x, d])))
    assert max(found) <= bound.outcome + 1e-8
    # One of the two signs reaches it.
    assert max(found) == pytest.approx(bound.outcome, abs=1e-7)


def test_the_robustness_value_leaves_nothing():
    gap = of_example(cluster=False)
    value = robustness_value(gap.estimate / gap.std_error, gap.df)
    assert left_of(gap, Strength(value, value)).estimate == pytest.approx(0, abs=1e-12)
    value = robustness_value(gap.estimate / gap.std_error, gap.df, alpha=0.05)
    assert left_of(gap, Strength(value, value)).lower == pytest.approx(0, abs=1e-6)


def test_the_surface_is_what_is_left_point_by_point():
    gap = of_example()
    alone = left_of(gap, Strength(0.0, 0.0))
    # The factor of a confounder that explains nothing still counts it.
    half = (alone.upper - alone.estimate) / np.sqrt(gap.df / (gap.df - 1))
    member, outcome = np.array([0.0, 0.1, 0.3]), np.array([0.2, 0.1, 0.9])
    left, limit = left_surface(gap.estimate, half, gap.bias_scale, gap.df, member, outcome)
    points = [left_of(gap, Strength(d, y)) for d, y in zip(member, outcome, strict=True)]
    assert left == pytest.approx([point.estimate for point in points], abs=1e-12)
    assert limit == pytest.approx([point.lower for point in points], abs=1e-12)


def test_a_confounder_that_explains_too_much_does_not_exist():
    assert benchmark_strength(Strength(0.4, 0.1), 3) is None
    assert benchmark_strength(Strength(0.45, 0.1), 2) is None
    assert benchmark_strength(Strength(0.1, 0.6), 3).outcome == 1.0
    assert benchmark_strength(Strength(0.0, 0.0), 3) == (0.0, 0.0)


def test_cells_say_what_their_people_say_and_the_scale_of_weights_changes_nothing():
    y, member = np.array([0.0, 1, 0, 1, 1, 0]), np.array([1, 1, 0, 0, 1, 0], dtype=bool)
    factor, zone = np.array([0, 1, 0, 1, 0, 1]), np.array([0, 1, 2, 0, 1, 2])
    people = np.array([3, 5, 4, 2, 6, 3])
    levels = {"a": ("0", "1")}
    cells = linear_gap(y, member, people * 2.0, people, {"a": factor}, levels, zone)
    each = [np.repeat(values, people) for values in (y, member, factor, zone)]
    ones = np.ones(people.sum())
    alone = linear_gap(
        each[0], each[1], ones, ones.astype(np.int64), {"a": each[2]}, levels, each[3]
    )
    for name in ("estimate", "bias_scale", "df", "std_error", "df_interval"):
        assert getattr(cells, name) == pytest.approx(getattr(alone, name), rel=1e-10)
    assert cells.strengths["a"] == pytest.approx(alone.strengths["a"], rel=1e-9)


def test_what_cannot_be_estimated_is_refused():
    member = np.array([1, 1, 0, 0] * 5, dtype=bool)
    ones = np.ones(20)
    people, codes = ones.astype(np.int64), {"a": member.astype(np.int64)}
    levels = {"a": ("0", "1")}
    y = np.arange(20) % 3 == 0.0
    with pytest.raises(NotEstimable, match="settle who is a member"):
        linear_gap(y * 1.0, member, ones, people, codes, levels, None)
    with pytest.raises(NotEstimable, match="nothing of the outcome"):
        linear_gap(member * 1.0, member, ones, people, {}, {}, None)
    with pytest.raises(NotEstimable, match="1 cluster"):
        linear_gap(y * 1.0, member, ones, people, {}, {}, np.zeros(20, dtype=np.int64))
