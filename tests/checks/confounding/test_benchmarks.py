"""Rows of confounders as strong as a covariate."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from coopgap.checks.omitted import Strength, left_of, linear_gap
from coopgap.checks.robustness import benchmark_rows, measured_covariates
from coopgap.core.estimate import Keys
from coopgap.core.vocabulary import Verdict, Version
from coopgap.study.spec import Matching, ModelSpec, Variable, Variant

from ..conftest import answered, context_of

COVARIATES = ("age", "school")


@pytest.fixture
def make_sample(make_rows):
    def make(n_levels=2, zones=12, gap=0.2, n=800):
        rng = np.random.default_rng(5)
        age, school = rng.integers(0, 3, n), rng.integers(0, 2, n)
        member = rng.random(n) < 0.25 + 0.2 * school + 0.05 * age
        steps = 0.3 + gap * member + 0.15 * school
        steps = steps[:, None] - 0.25 * np.arange(n_levels - 1)
        outcome = (rng.random(n)[:, None] < steps).sum(axis=1)
        zone = None if zones is None else np.arange(n) % zones
        return make_rows(
            {"age": age, "school": school}, member, outcome, n_levels=n_levels, zone=zone
        )

    return make


def rows_of(rows, covariates=COVARIATES, at=""):
    labels = Keys(model="m", outcome="y", levels=rows.levels, source="s", at=at)
    sample = SimpleNamespace(rows=rows, is_matched=True)
    headline = SimpleNamespace(family=None, population=None)
    context = context_of(sample, headline, keys=labels)
    return answered(lambda one: benchmark_rows(one, rows, covariates), context)


def by_key(rows):
    return {(row.variant, row.quantity): row for row in rows}


def test_every_covariate_has_its_multiples_and_what_they_leave(make_sample):
    rows = make_sample()
    found = by_key(rows_of(rows))
    ones = np.ones(rows.n)
    gap = linear_gap(
        rows.outcome.astype(float),
        rows.member,
        ones,
        ones.astype(np.int64),
        rows.factors,
        rows.factor_levels,
        rows.zone,
        kind="CR2",
    )
    assert found[Version.NO_CONFOUNDER, "risk_difference"].estimate == pytest.approx(gap.estimate)
    assert found[Version.NO_CONFOUNDER, "risk_difference"].std_error == pytest.approx(gap.std_error)
    assert found[Version.NO_CONFOUNDER, "bias_scale"].estimate == pytest.approx(gap.bias_scale)
    assert found[Version.NO_CONFOUNDER, "df"].estimate == 800 - 5
    for name in COVARIATES:
        gaps = []
        for multiple in (1, 2, 3):
            variant = f"{name} x {multiple}"
            parts = [found[variant, f"r2_{of}"].estimate for of in ("membership", "outcome")]
            left = left_of(gap, Strength(*parts))
            row = found[variant, "risk_difference"]
            assert (row.about, row.setting) == (name, multiple)
            assert (row.estimate, row.lower) == pytest.approx((left.estimate, left.lower))
            gaps.append(row.estimate)
        assert gap.estimate > gaps[0] > gaps[1] > gaps[2]


def test_the_verdict_says_whether_it_would_move_the_gap_by_much(make_sample):
    rows = [row for row in rows_of(make_sample(gap=0.08)) if row.quantity == "risk_difference"]
    (alone,) = [row for row in rows if row.variant == Version.NO_CONFOUNDER]
    others = [row for row in rows if row.variant != Version.NO_CONFOUNDER]
    for row in others:
        moved = row.estimate - alone.estimate
        assert (row.reference, row.difference) == (alone.estimate, pytest.approx(moved))
        assert row.difference_lower == row.difference_upper == row.difference
        turned = row.upper < 0 < alone.lower
        assert row.verdict is (Verdict.CHANGES if abs(moved) > 0.025 or turned else Verdict.HOLDS)
    assert {row.verdict for row in others} == {Verdict.CHANGES, Verdict.HOLDS}


def test_of_several_thresholds_the_one_nearest_to_half_is_shown(make_sample):
    rows = make_sample(n_levels=4)
    reach = {f">={level}": np.mean(rows.outcome >= k) for k, level in enumerate(rows.levels)}
    (category,) = {row.category for row in rows_of(rows)}
    assert abs(reach[category] - 0.5) == min(
        abs(value - 0.5) for name, value in reach.items() if name != ">=E"
    )


def test_of_several_thresholds_the_declared_one_is_shown(make_sample):
    rows = make_sample(n_levels=4)
    for level in rows.levels[1:3]:
        found = rows_of(rows, at=f">={level}")
        assert {row.category for row in found} == {f">={level}"}
    two = replace(rows, outcome=(rows.outcome >= 2).astype(np.int64), levels=("below", "reached"))
    assert by_key(found)[Version.NO_CONFOUNDER, "risk_difference"].estimate == pytest.approx(
        by_key(rows_of(two))[Version.NO_CONFOUNDER, "risk_difference"].estimate
    )


def test_a_constant_covariate_has_no_benchmark(make_sample):
    rows = make_sample()
    rows = replace(rows, factors={**rows.factors, "age": np.zeros(rows.n, dtype=np.int64)})
    assert {row.variant.split(" x ")[0] for row in rows_of(rows)} == {
        Version.NO_CONFOUNDER,
        "school",
    }


def test_few_zones_and_nobody_have_one_row_with_the_reason(make_sample):
    (row,) = rows_of(make_sample(zones=4))
    assert row.verdict is Verdict.NOT_ASSESSED
    assert "too few zones" in row.note
    rows = make_sample()
    (row,) = rows_of(rows.take(np.zeros(rows.n, bool)))
    assert "nobody has an answer" in row.note


def test_without_zones_everything_is_classical(make_sample):
    found = by_key(rows_of(make_sample(zones=None)))
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


def test_without_covariates_the_gap_stands_alone(make_sample):
    rows = make_sample()
    found = by_key(rows_of(rows, ()))
    assert {variant for variant, _ in found} == {Version.NO_CONFOUNDER}
    member = rows.member
    raw = rows.outcome[member].mean() - rows.outcome[~member].mean()
    assert found[Version.NO_CONFOUNDER, "risk_difference"].estimate == pytest.approx(raw)
