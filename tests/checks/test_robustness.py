"""Robustness values and benchmarks: confounders of that strength that leave nothing, and rows."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from coopgap.checks.omitted import Strength, left_of, linear_gap, value_at_zero, within_sets
from coopgap.checks.robustness import benchmark_rows, measured_covariates, robustness_values
from coopgap.core.vocabulary import Status, Verdict, Version
from coopgap.families.sets import estimate_linear
from coopgap.study.spec import Matching, ModelSpec, Variable, Variant

from .conftest import answered, build_rows, context_of, keys_of, sample_of


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
