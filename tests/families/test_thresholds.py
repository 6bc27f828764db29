"""Tests of proportional odds, and fits without a finite maximum."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from coopgap.core.estimate import Keys
from coopgap.core.vocabulary import OddsTest, Status
from coopgap.families.difference import difference
from coopgap.families.dispatch import headline_estimate
from coopgap.families.proportional import bootstrap_row, proportionality_rows
from coopgap.matching.dispatch import match
from coopgap.matching.sample import combined_weight
from coopgap.study.spec import Fitting, Matching

from .conftest import LEVELS, gaps, make_sample, rows_of, uneven

LABELS = Keys(model="m", outcome="y", levels=LEVELS, source="x.csv")
SEX = {"on": ("sex",), "covariates": ("sex",)}


def unequal(seed=4, n=3000):
    return make_sample(uneven(seed, n), **SEX)


def weighted_gap(sample, threshold):
    """The matched gap without a model: members' share less the weighted comparison share."""
    rows = sample.rows
    weight = combined_weight(rows.weight, sample.matched.weight)
    above = rows.outcome >= threshold
    sides = (rows.member, ~rows.member)
    shares = [np.average(above[side], weights=weight[side]) for side in sides]
    return shares[0] - shares[1]


@pytest.mark.parametrize("form", ["free", "shares"])
def test_free_gaps_follow_the_shares_where_proportional_odds_cannot(form):
    sample = dataclasses.replace(unequal(), covariates=(), fitting=Fitting(form=form))
    found, tied = headline_estimate(sample), headline_estimate(sample, "proportional")
    assert (found.form, tied.form) == (form, "proportional")
    for level in (1, 2):
        # Membership alone, freed: a saturated model reproduces the weighted table.
        category = f">={LEVELS[level]}"
        assert found.at(category).estimate == pytest.approx(weighted_gap(sample, level))
        apart = found.at(category).estimate - tied.at(category).estimate
        assert abs(apart) > 0.04
        # What proportional odds changed has an interval of its own.
        (contrast,) = (c for c in found.intervals if c.is_threshold_gap and c.category == category)
        shift = difference(found, tied, contrast)
        assert shift.estimate == pytest.approx(apart)
        assert shift.lower > 0 or shift.upper < 0


def test_a_models_form_and_the_form_asked_for_are_the_same_fit():
    sample = unequal()
    declared = dataclasses.replace(sample, fitting=Fitting(form="proportional"))
    one, other = headline_estimate(declared), headline_estimate(sample, "proportional")
    assert (one.family, other.family) == ("matched_ordinal", "matched_proportional")
    assert [item.term for item in one.coefficients] == [item.term for item in other.coefficients]
    assert gaps(one) == gaps(other)


def test_the_standard_error_of_a_difference_is_its_spread_over_surveys():
    kinds = ("CR1", "CR2", "HC1", "HC3")
    shifts, errors = [], {kind: [] for kind in kinds}
    for seed in range(60):
        kind = kinds[seed % 4]
        sample = dataclasses.replace(unequal(seed, 800), fitting=Fitting(std_errors=kind))
        freed, tied = headline_estimate(sample), headline_estimate(sample, "proportional")
        lowest = [one for one in freed.intervals if one.is_threshold_gap][-1]
        found = difference(freed, tied, lowest)
        shifts.append(found.estimate)
        errors[kind].append(found.std_error)
    # The SD of 60 draws is known to within a tenth; three of those.
    for kind in kinds:
        assert np.mean(errors[kind]) == pytest.approx(np.std(shifts, ddof=1), rel=0.3)


@pytest.mark.parametrize("weighted", [False, True])
def test_tests_find_what_is_unequal_and_only_that(weighted):
    """Of differing weights the clustered test alone is left."""
    sample = unequal()
    if weighted:
        weight = np.random.default_rng(1).uniform(0.5, 2, sample.rows.n)
        rows = dataclasses.replace(sample.rows, weight=weight)
        sample = dataclasses.replace(sample, rows=rows, matched=match(rows, Matching(on=("sex",))))
    rows = list(proportionality_rows(sample, LABELS))
    assert {row.diagnostic for row in rows} == {"proportional_odds"}
    found = {(row.about, row.test): row for row in rows}
    walds = [(term, "wald") for term in ("member", "sex", "all terms")]
    others = [(term, "likelihood_ratio") for term in ("member", "sex", "all terms")]
    others += [("member", "brant"), ("all terms", "brant")]
    assert list(found) == (walds if weighted else others + walds)
    assert found["sex", "wald"].value > 0.01
    assert found["all terms", "wald"].value < 1e-6
    assert "on 2 and 38 df" in found["all terms", "wald"].note
    for test in {OddsTest.WALD} if weighted else {*OddsTest} - {OddsTest.BOOTSTRAP}:
        assert found["member", test].value < 1e-6
        assert found["member", test].passed is False
    wald = found["member", "wald"]
    assert "F " in wald.note
    assert "39 df" in wald.note
    # Two thresholds: a slope more a term. F(1, 39) by zones, chi-square of people.
    assert (wald.df, wald.df_residual) == (1, 39)
    assert wald.value == pytest.approx(stats.f.sf(wald.statistic, 1, 39))
    if not weighted:
        assert found["sex", "likelihood_ratio"].passed is True
        ratio = found["all terms", "likelihood_ratio"]
        assert (ratio.df, ratio.df_residual) == (2, None)
        assert ratio.value == pytest.approx(stats.chi2.sf(ratio.statistic, 2))


def test_a_separated_fit_is_bias_reduced_and_says_so():
    rng = np.random.default_rng(2)
    n = 400
    member, sex = rng.integers(0, 2, n), rng.integers(0, 2, n)
    outcome = np.where(sex == 1, 2, rng.integers(0, 2, n))  # every woman stands highest
    sample = make_sample(rows_of(outcome, member, sex=sex), **SEX)
    estimate = headline_estimate(sample, "proportional")
    assert estimate.status is Status.OK
    assert estimate.infinite == ("sex=female",)
    assert estimate.fell_back == ""
    assert all("bias-reduced" in item.std_error_kind for item in estimate.coefficients)
    slope = next(item for item in estimate.coefficients if item.term == "sex=female")
    assert 2 < slope.interval.estimate < 12
    row = [*estimate.diagnostics()][-1]
    assert (row.diagnostic, row.family) == ("bias_reduced", "matched_proportional")
    assert (row.group, row.population) == ("all", "members")
    assert "sex=female" in row.note
    assert abs(estimate.at(">=high").estimate) < 0.02
    free = headline_estimate(sample)
    assert free.form == "shares"
    assert free.fell_back == "no finite estimate for sex=female"
    assert free.at(">=high").estimate == pytest.approx(weighted_gap(sample, 2), abs=1e-12)


def test_the_bootstrap_stands_beside_the_other_tests():
    row = bootstrap_row(unequal(n=600), LABELS, seed=3)
    assert (row.diagnostic, row.about) == ("proportional_odds", "member")
    assert row.test == "bootstrap"
    assert row.value == pytest.approx(1 / 501)  # none of 500 surveys is as unequal
    assert row.passed is False
    assert "500 surveys" in row.note
