"""Robustness values and benchmarks: by R, by adding confounders of that strength, published."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from coopgap.checks.robustness import (
    Residual,
    Strength,
    benchmark_rows,
    benchmark_strength,
    interval_value,
    left_of,
    left_surface,
    linear_gap,
    measured_covariates,
    robustness_values,
    value_at_zero,
    within_sets,
)
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import wald
from coopgap.core.vocabulary import Status, Verdict, Version
from coopgap.families.sets import estimate_linear
from coopgap.study.spec import Matching, ModelSpec, Variable, Variant

from .conftest import R, answered, build_rows, by_r, context_of, keys_of, sample_of

KNOWN = by_r("robustness")


def of_example(cluster=True, few=False):
    people = pd.read_csv(R / "data" / "example.csv")
    decade = np.minimum(people["age"] // 10, 7)
    factors = {"region": people["region"], "sex": people["sex"], "decade": decade}
    rows = build_rows(
        {name: np.unique(values, return_inverse=True)[1] for name, values in factors.items()},
        people["member"] == 1,
        people["trusted_person"] == 1,
        weight=None if few else 0.5 + (np.arange(len(people)) % 7) / 4,
        zone=people["zone"] % (20 if few else 1000) if cluster else None,
    )
    return linear_gap(rows, tuple(factors), 1)


def test_few_clusters_have_the_cr2_of_r():
    gap = of_example(few=True).interval
    assert gap.std_error == pytest.approx(KNOWN["cr2"]["std_error"], rel=1e-9)
    assert gap.df == pytest.approx(KNOWN["cr2"]["df"], rel=1e-6)


def test_gap_strengths_and_what_is_left_are_those_of_r():
    plain, residual, strengths = of_example(cluster=False)
    assert plain.estimate == pytest.approx(KNOWN["estimate"], rel=1e-10)
    assert plain.std_error == pytest.approx(KNOWN["std_error"], rel=1e-10)
    assert residual.df == KNOWN["df"]
    assert of_example().interval.std_error == pytest.approx(KNOWN["clustered"], rel=1e-10)
    for name, expected in KNOWN["strengths"].items():
        # 1 less a ratio of sums near one loses digits.
        assert strengths[name].member == pytest.approx(expected["member"], rel=1e-8)
        assert strengths[name].outcome == pytest.approx(expected["outcome"], rel=1e-8)
        for multiple, bound in enumerate(expected["bounds"], start=1):
            strength = benchmark_strength(strengths[name], multiple)
            left = left_of(plain, residual, strength)
            assert (*strength, *left[:2]) == pytest.approx(bound, rel=1e-8)


def draw(seed, n=160):
    rng = np.random.default_rng(seed)
    factors = {"a": rng.integers(0, 3, n), "b": rng.integers(0, 2, n)}
    member = rng.random(n) < 0.3 + 0.15 * factors["a"] + 0.1 * factors["b"]
    y = rng.random(n) < 0.2 + 0.2 * member + 0.1 * factors["a"] + 0.1 * factors["b"]
    weight = rng.uniform(0.3, 2.0, n)
    gap = linear_gap(build_rows(factors, member, y, weight=weight), ("a", "b"), 1)
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
    (gap, residual, _), d, v, x, rng = draw(seed)
    along_d = unit(left_over(d, x))
    along_v = unit(left_over(v, np.column_stack([x, d])))
    rest = unit(left_over(rng.normal(size=d.size), np.column_stack([x, d, v])))
    for side in (1, -1):
        of_v = np.sqrt(strength.outcome) * along_v + np.sqrt(1 - strength.outcome) * rest
        z = np.sqrt(strength.member) * along_d + side * np.sqrt(1 - strength.member) * of_v
        estimate, std_error, df = least_squares(v, d, np.column_stack([x, z]))
        away = gap.estimate - estimate
        left = left_of(gap, residual, strength)
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
    (_, _, strengths), d, v, x, rng = draw(seed)
    others, own = x[:, :3], x[:, 3]
    bound = benchmark_strength(strengths["b"], multiple)
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

    wanted = multiple * strengths["b"].outcome
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
    gap, residual, _ = of_example(cluster=False)
    value = value_at_zero(abs(gap.estimate) / residual.bias_scale, 0.0)
    left = left_of(gap, residual, Strength(value, value))
    assert left.estimate == pytest.approx(0, abs=1e-12)
    value = interval_value(gap, residual)
    assert left_of(gap, residual, Strength(value, value)).lower == pytest.approx(0, abs=1e-4)


def test_published_robustness_values():
    # Darfur, Cinelli & Hazlett (2020), Table 1: t = 4.18445, 783 degrees of freedom give 13.9 %
    # and 7.6 %; digits as printed by sensemakr.
    assert value_at_zero(4.18445 / 783**0.5, 0.0) == pytest.approx(0.13878, abs=5e-6)
    gap = wald(4.18445, 1.0, df=782, prob=0.95, null=0.0)
    value = interval_value(gap, Residual(783**0.5, 783.0))
    assert value == pytest.approx(0.07626, abs=5e-6)


def test_the_robustness_value_solves_its_equation():
    # A confounder with both partial R2 equal to RV has bias |t|: RV^2/(1 - RV) = f^2.
    value = value_at_zero(3 / 200**0.5, 0.0)
    assert value**2 / (1 - value) == pytest.approx(9 / 200)
    assert value_at_zero(0.1, 0.2) == 0


def test_the_extreme_robustness_value():
    # f > 1/f_crit: the confounder need not explain the outcome; (f2 - c2)/(1 + f2) by hand.
    critical = abs(stats.t.ppf(0.025, 3)) / 3**0.5
    f_value = 40 / 4**0.5
    expected = (f_value**2 - critical**2) / (1 + f_value**2)
    assert value_at_zero(f_value, critical) == pytest.approx(expected)


def test_the_extreme_interval_value_is_the_worst_over_the_outcome():
    # Above 1 / critical a confounder that explains less of the outcome is worse: by grid.
    gap = wald(1.0, 0.3, df=9, prob=0.95, null=0.0)
    value = interval_value(gap, Residual(0.2, 500.0))
    half = (gap.upper - gap.lower) / 2
    outcome = np.linspace(0, value, 20001)
    _, limit = left_surface(1.0, half, 0.2, 500.0, np.full_like(outcome, value), outcome)
    # The grid of 20001 strengths misses the smallest limit by less than 1e-6.
    assert limit.min() == pytest.approx(0, abs=1e-6)


def test_an_interval_that_holds_zero_needs_no_confounder():
    # The t quantile of ten zones is far above the one of a thousand people.
    gap = wald(0.113, 0.0505, df=9, prob=0.95, null=0.0)
    assert gap.lower < 0 < gap.upper
    residual = Residual(0.0313 * np.sqrt(997), 997.0)
    assert interval_value(gap, residual) == 0
    assert interval_value(wald(0.113, 0.0505, df=996, prob=0.95, null=0.0), residual) > 0


def test_the_surface_is_what_is_left_point_by_point():
    gap, residual, _ = of_example()
    alone = left_of(gap, residual, Strength(0.0, 0.0))
    # The factor of a confounder that explains nothing still counts it.
    half = (alone.upper - alone.estimate) / np.sqrt(residual.df / (residual.df - 1))
    member, outcome = np.array([0.0, 0.1, 0.3]), np.array([0.2, 0.1, 0.9])
    left, limit = left_surface(gap.estimate, half, *residual, member, outcome)
    points = [left_of(gap, residual, Strength(d, y)) for d, y in zip(member, outcome, strict=True)]
    assert left == pytest.approx([point.estimate for point in points], abs=1e-12)
    assert limit == pytest.approx([point.lower for point in points], abs=1e-12)


def test_a_confounder_that_explains_too_much_does_not_exist():
    assert benchmark_strength(Strength(0.4, 0.1), 3) is None
    assert benchmark_strength(Strength(0.45, 0.1), 2) is None
    assert benchmark_strength(Strength(0.1, 0.6), 3).outcome == 1.0
    assert benchmark_strength(Strength(0.0, 0.0), 3) == (0.0, 0.0)


def test_the_scale_of_weights_changes_nothing():
    y, member = np.array([0, 1, 0, 1, 1, 0]), np.array([1, 1, 0, 0, 1, 0], dtype=bool)
    factor, people = np.array([0, 1, 0, 1, 0, 1]), np.array([3, 5, 4, 2, 6, 3])
    each = [np.repeat(values, people) for values in (factor, member, y)]
    zone = np.arange(23) % 7
    rows = [
        build_rows({"a": each[0]}, *each[1:], zone=zone, weight=w * np.ones(23)) for w in (1, 9)
    ]
    first, second = (linear_gap(one, ("a",), 1) for one in rows)
    for one, other in zip(first[:2], second[:2], strict=True):
        assert other == pytest.approx(one, rel=1e-10)
    assert second.strengths["a"] == pytest.approx(first.strengths["a"], rel=1e-9)


def test_what_cannot_be_estimated_is_refused():
    member, y = np.array([1, 1, 0, 0] * 5, dtype=bool), np.arange(20) % 3 == 0
    rows = build_rows({"a": member}, member, y)
    with pytest.raises(NotEstimable, match="settle who is a member"):
        linear_gap(rows, ("a",), 1)
    with pytest.raises(NotEstimable, match="nothing of the outcome"):
        linear_gap(build_rows({}, member, member), (), 1)
    with pytest.raises(NotEstimable, match="too few zones"):
        linear_gap(build_rows({}, member, y, zone=np.zeros(20)), (), 1)


def clustered_sample(seed, slope_sd=0.15):
    """Ten zones whose gaps differ: the clustered standard error is above the classical one."""
    rng = np.random.default_rng(seed)
    n, zone = 1000, rng.integers(0, 10, 1000)
    slope = 0.1 + rng.normal(0, slope_sd, 10)
    member, sex = rng.random(n) < 0.5, rng.integers(0, 2, n)
    y = rng.random(n) < np.clip(0.4 + slope[zone] * member, 0.02, 0.98)
    weight = rng.uniform(0.5, 2.0, n)
    return sample_of(build_rows({"sex": sex}, member, y, zone=zone, weight=weight))


def residuals(values, x, root):
    scaled = root[:, None] * x
    return root * values - scaled @ np.linalg.lstsq(scaled, root * values, rcond=None)[0]


def with_confounder(sample, strength, sign):
    """The gap beside a variable made to have that partial R2 with membership and outcome."""
    rows, weight = sample.rows, sample.weight
    root = np.sqrt(weight)
    sets = np.eye(2)[rows.factors["sex"]]
    y, d = rows.outcome.astype(float), rows.member.astype(float)
    d_left = residuals(d, sets, root)
    y_left = residuals(y, np.column_stack([sets, d]), root)
    rng = np.random.default_rng(9)
    noise = residuals(rng.normal(size=d.size), np.column_stack([sets, d, y]), root)
    unit = [one / np.linalg.norm(one) for one in (d_left, sign * y_left, noise)]
    # Partial R2 with the outcome is given membership, so of the part that membership leaves.
    across = np.sqrt(strength) * unit[1] + np.sqrt(1 - strength) * unit[2]
    hidden = np.sqrt(strength) * unit[0] + np.sqrt(1 - strength) * across
    x = np.column_stack([root * d, root[:, None] * sets, hidden])
    return np.linalg.lstsq(x, root * y, rcond=None)[0][0]


def values_of(sample, estimate=None):
    estimate = estimate or estimate_linear(sample)
    rows = answered(robustness_values, context_of(sample, estimates=[estimate]))
    return rows, {row.variant: row.estimate for row in rows}


def residual_of(sample):
    rows = sample.rows
    return within_sets(rows.outcome * 1.0, rows.member, sample.weight, sample.matched.set_id)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_confounder_as_strong_as_the_value_leaves_nothing(seed):
    sample = clustered_sample(seed)
    (gap,), residual = estimate_linear(sample).intervals.values(), residual_of(sample)
    value = values_of(sample)[1]["estimate"]
    assert with_confounder(sample, value, np.sign(gap.estimate)) == pytest.approx(0, abs=1e-10)
    assert residual.df == 1000 - 2 - 1
    assert value == pytest.approx(value_at_zero(abs(gap.estimate) / residual.bias_scale, 0.0))
    # The clustered t would say that a weaker one is enough.
    clustered = abs(gap.estimate / gap.std_error) / residual.df**0.5
    assert value > value_at_zero(clustered, 0.0) + 0.01


@pytest.mark.parametrize("seed", range(6))
def test_the_interval_holds_zero_from_its_value_on(seed):
    sample = clustered_sample(seed, slope_sd=0.05)
    (gap,) = estimate_linear(sample).intervals.values()
    value = values_of(sample)[1]["interval"]
    if gap.lower <= 0 <= gap.upper:
        assert value == 0
        return
    left = left_of(gap, residual_of(sample), Strength(value, value))
    nearer = left.lower if gap.estimate > 0 else left.upper
    assert nearer == pytest.approx(0, abs=1e-9)


def test_without_a_linear_estimate_there_is_one_row_with_the_reason():
    sample = clustered_sample(0)
    missing = replace(estimate_linear(sample), status=Status.NOT_ESTIMABLE, reason="no sets")
    ((row,), _) = values_of(sample, missing)
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert "no sets" in row.note


COVARIATES = ("age", "school")


def make_people(n_levels=2, zones=12, gap=0.2, n=800):
    rng = np.random.default_rng(5)
    age, school = rng.integers(0, 3, n), rng.integers(0, 2, n)
    member = rng.random(n) < 0.25 + 0.2 * school + 0.05 * age
    steps = 0.3 + gap * member + 0.15 * school
    steps = steps[:, None] - 0.25 * np.arange(n_levels - 1)
    outcome = (rng.random(n)[:, None] < steps).sum(axis=1)
    zone = None if zones is None else np.arange(n) % zones
    return build_rows({"age": age, "school": school}, member, outcome, n_levels=n_levels, zone=zone)


def rows_of(rows, covariates=COVARIATES, at=""):
    sample = SimpleNamespace(rows=rows, is_matched=True)
    headline = SimpleNamespace(family=None, population=None)
    context = context_of(sample, headline, keys=keys_of(rows, at))
    return answered(lambda one: benchmark_rows(one, rows, covariates), context)


def by_key(rows):
    return {(row.variant, row.quantity): row for row in rows}


def test_every_covariate_has_its_multiples_and_what_they_leave():
    rows = make_people()
    shown = by_key(rows_of(rows))
    gap, residual, _ = linear_gap(rows, COVARIATES, 1)
    assert gap.df < 11  # twelve zones are few
    alone = shown[Version.NO_CONFOUNDER, "risk_difference"]
    assert (alone.estimate, alone.std_error) == pytest.approx(gap[:2])
    assert shown[Version.NO_CONFOUNDER, "bias_scale"].estimate == residual.bias_scale
    assert shown[Version.NO_CONFOUNDER, "df"].estimate == 800 - 5
    for name in COVARIATES:
        gaps = []
        for multiple in (1, 2, 3):
            variant = f"{name} x {multiple}"
            parts = [shown[variant, f"r2_{of}"].estimate for of in ("membership", "outcome")]
            left = left_of(gap, residual, Strength(*parts))
            row = shown[variant, "risk_difference"]
            assert (row.about, row.setting) == (name, multiple)
            assert (row.estimate, row.lower) == pytest.approx((left.estimate, left.lower))
            gaps.append(row.estimate)
        assert gap.estimate > gaps[0] > gaps[1] > gaps[2]


def test_the_verdict_says_whether_it_would_move_the_gap_by_much():
    rows = [row for row in rows_of(make_people(gap=0.08)) if row.quantity == "risk_difference"]
    (alone,) = [row for row in rows if row.variant == Version.NO_CONFOUNDER]
    others = [row for row in rows if row.variant != Version.NO_CONFOUNDER]
    for row in others:
        moved = row.estimate - alone.estimate
        assert (row.reference, row.difference) == (alone.estimate, pytest.approx(moved))
        assert row.difference_lower == row.difference_upper == row.difference
        turned = row.upper < 0 < alone.lower
        assert row.verdict is (Verdict.CHANGES if abs(moved) > 0.025 or turned else Verdict.HOLDS)
    assert {row.verdict for row in others} == {Verdict.CHANGES, Verdict.HOLDS}


def test_of_several_thresholds_the_one_nearest_to_half_is_shown():
    rows = make_people(n_levels=4)
    reach = {f">={level}": np.mean(rows.outcome >= k) for k, level in enumerate(rows.levels)}
    (category,) = {row.category for row in rows_of(rows)}
    assert abs(reach[category] - 0.5) == min(
        abs(value - 0.5) for name, value in reach.items() if name != ">=E"
    )


def test_of_several_thresholds_the_declared_one_is_shown():
    rows = make_people(n_levels=4)
    for level in rows.levels[1:3]:
        found = rows_of(rows, at=f">={level}")
        assert {row.category for row in found} == {f">={level}"}
    two = replace(rows, outcome=(rows.outcome >= 2).astype(np.int64), levels=("below", "reached"))
    assert by_key(found)[Version.NO_CONFOUNDER, "risk_difference"].estimate == pytest.approx(
        by_key(rows_of(two))[Version.NO_CONFOUNDER, "risk_difference"].estimate
    )


def test_a_constant_covariate_has_no_benchmark():
    rows = make_people()
    rows = replace(rows, factors={**rows.factors, "age": np.zeros(rows.n, dtype=np.int64)})
    assert {row.variant.split(" x ")[0] for row in rows_of(rows)} == {
        Version.NO_CONFOUNDER,
        "school",
    }


def test_few_zones_and_nobody_have_one_row_with_the_reason():
    (row,) = rows_of(make_people(zones=4))
    assert row.verdict is Verdict.NOT_ASSESSED
    assert "too few zones" in row.note
    rows = make_people()
    (row,) = rows_of(rows.take(np.zeros(rows.n, bool)))
    assert "nobody has an answer" in row.note


def test_without_zones_everything_is_classical():
    found = by_key(rows_of(make_people(zones=None)))
    alone, scale, df = (
        found[Version.NO_CONFOUNDER, what] for what in ("risk_difference", "bias_scale", "df")
    )
    assert alone.std_error == pytest.approx(scale.estimate / df.estimate**0.5)


def variable(name, **role):
    return Variable(
        name=name,
        column=name,
        type="nominal",
        levels=("0", "1"),
        declared_levels=("0", "1"),
        role=role,
    )


def test_covariates_of_variants_count_and_components_do_not():
    base = ModelSpec(
        name="m", outcome="y", covariates=("age",), matching=Matching(on=("age", "place"))
    )
    more = replace(base, covariates=("age", "school", "wealth"))
    spec = replace(base, variants=(Variant(name="more", spec=more),))
    variables = {name: variable(name) for name in ("age", "place", "school")}
    variables["wealth"] = variable("wealth", y="component")
    assert measured_covariates(spec, variables) == ("age", "place", "school")


def test_without_covariates_the_gap_stands_alone():
    rows = make_people()
    found = by_key(rows_of(rows, ()))
    assert {variant for variant, _ in found} == {Version.NO_CONFOUNDER}
    member = rows.member
    raw = rows.outcome[member].mean() - rows.outcome[~member].mean()
    assert found[Version.NO_CONFOUNDER, "risk_difference"].estimate == pytest.approx(raw)
