"""Robustness values: printed ones, and confounders of that strength that leave nothing."""

from dataclasses import replace

import numpy as np
import pytest

from coopgap.checks.omitted import (
    LinearGap,
    Residual,
    Strength,
    interval_value,
    left_of,
    left_surface,
    robustness_value,
    within_sets,
)
from coopgap.checks.robustness import robustness_values
from coopgap.core.estimate import Keys
from coopgap.core.gap import wald
from coopgap.core.vocabulary import Status, Verdict
from coopgap.families.sample import Sample
from coopgap.families.sets import estimate_linear
from coopgap.matching.dispatch import match
from coopgap.study.spec import Matching
from coopgap.survey.records import ModelRows

from ..conftest import answered, context_of


def test_published_robustness_values():
    # Darfur, Cinelli & Hazlett (2020), Table 1: t = 4.18445, 783 degrees of freedom give 13.9 %
    # and 7.6 %; digits as printed by sensemakr.
    assert robustness_value(4.18445, 783) == pytest.approx(0.13878, abs=5e-6)
    assert robustness_value(4.18445, 783, alpha=0.05) == pytest.approx(0.07626, abs=5e-6)


def test_robustness_value_solves_its_equation():
    # A confounder with both partial R2 equal to RV has bias |t|: RV^2/(1 - RV) = f^2.
    value = robustness_value(3.0, 200)
    assert value**2 / (1 - value) == pytest.approx(9 / 200)


def test_robustness_value_of_an_insignificant_estimate_is_zero():
    assert robustness_value(1.5, 100, alpha=0.05) == 0
    assert robustness_value(-1.5, 100) == robustness_value(1.5, 100) > 0


def test_extreme_robustness_value():
    # f > 1/f_crit: the confounder need not explain the outcome; (f2 - c2)/(1 + f2) by hand.
    from scipy import stats

    critical = abs(stats.t.ppf(0.025, 3)) / 3**0.5
    f_value = 40 / 4**0.5
    expected = (f_value**2 - critical**2) / (1 + f_value**2)
    assert robustness_value(40, 4, alpha=0.05) == pytest.approx(expected)


def clustered_sample(seed, slope_sd=0.15):
    """Ten zones whose gaps differ: the clustered standard error is above the classical one."""
    rng = np.random.default_rng(seed)
    n, zone = 1000, rng.integers(0, 10, 1000)
    slope = 0.1 + rng.normal(0, slope_sd, 10)
    member, sex = rng.random(n) < 0.5, rng.integers(0, 2, n)
    y = rng.random(n) < np.clip(0.4 + slope[zone] * member, 0.02, 0.98)
    rows = ModelRows(
        index=np.arange(n),
        outcome=y.astype(np.int64),
        levels=("no", "yes"),
        member=member,
        factors={"sex": sex},
        factor_levels={"sex": ("f", "m")},
        zone=zone,
        weight=rng.uniform(0.5, 2.0, n),
        dropped=(),
    )
    matched = match(rows, Matching(on=("sex",)))
    return Sample(rows=rows, matched=matched, covariates=("sex",), link="logit", strata=("sex",))


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


def robustness_rows(sample, estimate, keys):
    context = context_of(sample, keys=keys, estimates=[estimate])
    return answered(robustness_values, context)


def values_of(sample):
    estimate = estimate_linear(sample)
    labels = Keys(model="m", outcome="y", levels=sample.rows.levels, source="s")
    rows = robustness_rows(sample, estimate, labels)
    return {row.variant: row.estimate for row in rows}, next(iter(estimate.intervals.values()))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_confounder_as_strong_as_the_value_leaves_nothing(seed):
    sample = clustered_sample(seed)
    found, gap = values_of(sample)
    value = found["estimate"]
    assert with_confounder(sample, value, np.sign(gap.estimate)) == pytest.approx(0, abs=1e-10)
    residual = within_sets(
        (sample.rows.outcome > 0) * 1.0, sample.rows.member, sample.weight, sample.matched.set_id
    )
    assert residual.df == 1000 - 2 - 1
    t_value = gap.estimate / residual.bias_scale * np.sqrt(residual.df)
    assert value == pytest.approx(robustness_value(t_value, residual.df))
    # The clustered t would say that a weaker one is enough.
    assert value > robustness_value(gap.estimate / gap.std_error, residual.df) + 0.01


@pytest.mark.parametrize("seed", range(6))
def test_the_interval_holds_zero_from_its_value_on(seed):
    sample = clustered_sample(seed, slope_sd=0.05)
    found, gap = values_of(sample)
    value = found["interval"]
    if gap.lower <= 0 <= gap.upper:
        assert value == 0
        return
    residual = within_sets(
        (sample.rows.outcome > 0) * 1.0, sample.rows.member, sample.weight, sample.matched.set_id
    )
    linear = LinearGap(
        estimate=gap.estimate,
        bias_scale=residual.bias_scale,
        df=residual.df,
        std_error=gap.std_error,
        df_interval=gap.df,
        strengths={},
    )
    left = left_of(linear, Strength(value, value))
    nearer = left.lower if gap.estimate > 0 else left.upper
    assert nearer == pytest.approx(0, abs=1e-9)


def test_an_interval_that_holds_zero_needs_no_confounder():
    # The t quantile of ten zones is far above the one of a thousand people.
    gap = wald(0.113, 0.0505, df=9, prob=0.95, null=0.0)
    assert gap.lower < 0 < gap.upper
    residual = Residual(0.0313 * np.sqrt(997), 997.0)
    assert interval_value(gap, residual) == 0
    assert robustness_value(0.113 / 0.0505, 997, alpha=0.05) > 0


def test_of_a_classical_interval_it_is_the_published_value():
    df = 783.0
    gap = wald(4.18445, 1.0, df=df - 1, prob=0.95, null=0.0)
    value = interval_value(gap, Residual(float(np.sqrt(df)), df))
    assert value == pytest.approx(0.07626, abs=5e-6)


def test_the_extreme_interval_value_is_the_worst_over_the_outcome():
    # Above 1 / critical a confounder that explains less of the outcome is worse: by grid.
    gap = wald(1.0, 0.3, df=9, prob=0.95, null=0.0)
    residual = Residual(0.2, 500.0)
    value = interval_value(gap, residual)
    half = (gap.upper - gap.lower) / 2
    outcome = np.linspace(0, value, 20001)
    _, limit = left_surface(1.0, half, 0.2, 500.0, np.full_like(outcome, value), outcome)
    # The grid of 20001 strengths misses the smallest limit by less than 1e-6.
    assert limit.min() == pytest.approx(0, abs=1e-6)


def test_without_a_linear_estimate_there_is_one_row_with_the_reason():
    sample = clustered_sample(0)
    labels = Keys(model="m", outcome="y", levels=("no", "yes"), source="s")
    missing = replace(estimate_linear(sample), status=Status.NOT_ESTIMABLE, reason="no sets")
    (row,) = robustness_rows(sample, missing, labels)
    assert row.verdict is Verdict.NOT_APPLICABLE
    assert "no sets" in row.note
