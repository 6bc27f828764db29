"""The three forms of membership, tests of proportional odds, and fits without a finite maximum."""

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
from coopgap.families.sample import Sample
from coopgap.matching.dispatch import match
from coopgap.matching.weights import combined_weight
from coopgap.study.spec import Fitting, Matching
from coopgap.survey.records import ModelRows

LEVELS = ("low", "middle", "high")
LABELS = Keys(model="m", outcome="y", levels=LEVELS, source="x.csv")


def make_sample(outcome, member, sex, zone=None, weight=None, covariates=("sex",)):
    n = outcome.size
    rows = ModelRows(
        index=np.arange(n),
        outcome=outcome.astype(np.int64),
        levels=LEVELS,
        member=member.astype(bool),
        factors={"sex": sex.astype(np.int64)},
        factor_levels={"sex": ("male", "female")},
        zone=zone,
        weight=np.ones(n) if weight is None else weight,
        dropped=(),
    )
    return Sample(
        rows=rows,
        matched=match(rows, Matching(on=("sex",))),
        covariates=covariates,
        link="logit",
        strata=("sex",),
    )


def unequal(seed=4, n=3000):
    """Membership shifts the lower cut by 1.2 and the upper one not at all."""
    rng = np.random.default_rng(seed)
    member, sex = rng.integers(0, 2, n), rng.integers(0, 2, n)
    below = np.column_stack([-0.5 - 1.2 * member, np.full(n, 1.0)]) - 0.3 * sex[:, None]
    chances = 1 / (1 + np.exp(-below))
    outcome = (rng.random(n)[:, None] > chances).sum(axis=1)
    return make_sample(outcome, member, sex, zone=rng.integers(0, 40, n))


def weighted_gap(sample, threshold):
    """The matched gap without a model: members' share less the weighted comparison share."""
    rows = sample.rows
    weight = combined_weight(rows.weight, sample.matched.weight)
    above = rows.outcome >= threshold
    shares = [
        np.average(above[rows.member == side], weights=weight[rows.member == side])
        for side in (True, False)
    ]
    return shares[0] - shares[1]


def gaps(estimate):
    """Contrasts of the gaps at thresholds, lowest first."""
    return [one for one in estimate.intervals if one.is_threshold_gap][::-1]


def risk_difference(estimate, level):
    return estimate.intervals[gaps(estimate)[level - 1]]


@pytest.mark.parametrize("form", ["free", "shares"])
def test_free_gaps_follow_the_shares_where_proportional_odds_cannot(form):
    sample = dataclasses.replace(unequal(), covariates=(), fitting=Fitting(form=form))
    found, tied = headline_estimate(sample), headline_estimate(sample, "proportional")
    assert (found.form, tied.form) == (form, "proportional")
    for level in (1, 2):
        # Membership alone, freed: a saturated model reproduces the weighted table.
        assert risk_difference(found, level).estimate == pytest.approx(weighted_gap(sample, level))
        off = risk_difference(tied, level).estimate - weighted_gap(sample, level)
        assert abs(off) > 0.05


def test_a_models_form_and_the_form_asked_for_are_the_same_fit():
    sample = unequal()
    declared = dataclasses.replace(sample, fitting=Fitting(form="proportional"))
    one, other = headline_estimate(declared), headline_estimate(sample, "proportional")
    assert (one.family, other.family) == ("matched_ordinal", "matched_proportional")
    assert [item.term for item in one.coefficients] == [item.term for item in other.coefficients]
    for contrast in gaps(one):
        assert one.intervals[contrast] == other.intervals[contrast]


def test_what_proportional_odds_changed_has_an_interval_of_its_own():
    sample = unequal()
    freed, tied = headline_estimate(sample), headline_estimate(sample, "proportional")
    for contrast in gaps(freed):
        shift = difference(freed, tied, contrast)
        apart = freed.intervals[contrast].estimate - tied.intervals[contrast].estimate
        assert shift.estimate == pytest.approx(apart)
        assert shift.std_error > 0
        assert (shift.lower > 0) or (shift.upper < 0)


def test_the_standard_error_of_a_difference_is_its_spread_over_surveys():
    kinds = ("CR1", "CR2", "HC1", "HC3")
    shifts, errors = [], {kind: [] for kind in kinds}
    for seed in range(60):
        kind = kinds[seed % 4]
        sample = unequal(seed, n=800)
        sample = dataclasses.replace(sample, fitting=Fitting(std_errors=kind))
        freed, tied = headline_estimate(sample), headline_estimate(sample, "proportional")
        found = difference(freed, tied, gaps(freed)[0])
        shifts.append(found.estimate)
        errors[kind].append(found.std_error)
    # The SD of 60 draws is known to within a tenth; three of those.
    for kind in kinds:
        assert np.mean(errors[kind]) == pytest.approx(np.std(shifts, ddof=1), rel=0.3)


def test_tests_find_what_is_unequal_and_only_that():
    rows = list(proportionality_rows(unequal(), LABELS))
    assert {row.diagnostic for row in rows} == {"proportional_odds"}
    found = {(row.about, row.test): row for row in rows}
    assert list(found) == [
        ("member", "likelihood_ratio"),
        ("sex", "likelihood_ratio"),
        ("all terms", "likelihood_ratio"),
        ("member", "brant"),
        ("all terms", "brant"),
        ("member", "wald"),
        ("sex", "wald"),
        ("all terms", "wald"),
    ]
    for test in OddsTest:
        if test is not OddsTest.BOOTSTRAP:
            row = found["member", test]
            assert row.value < 1e-6
            assert row.passed is False
    assert found["sex", "likelihood_ratio"].passed is True
    wald, ratio = found["member", "wald"], found["all terms", "likelihood_ratio"]
    assert "F " in wald.note
    assert "39 df" in wald.note
    # Two thresholds: a slope more a term. F(1, 39) by zones, chi-square of people.
    assert (wald.df, wald.df_residual, ratio.df, ratio.df_residual) == (1, 39, 2, None)
    assert wald.value == pytest.approx(stats.f.sf(wald.statistic, 1, 39))
    assert ratio.value == pytest.approx(stats.chi2.sf(ratio.statistic, 2))


def test_differing_weights_leave_only_the_clustered_test():
    base = unequal()
    weight = np.random.default_rng(1).uniform(0.5, 2, base.rows.n)
    rows = dataclasses.replace(base.rows, weight=weight)
    sample = dataclasses.replace(base, rows=rows, matched=match(rows, Matching(on=("sex",))))
    rows = list(proportionality_rows(sample, LABELS))
    assert [(row.about, row.test) for row in rows] == [
        ("member", "wald"),
        ("sex", "wald"),
        ("all terms", "wald"),
    ]
    assert rows[0].value < 1e-6
    assert rows[1].value > 0.01
    assert rows[2].value < 1e-6
    assert "on 2 and 38 df" in rows[2].note


def test_a_separated_fit_is_bias_reduced_and_says_so():
    rng = np.random.default_rng(2)
    n = 400
    member, sex = rng.integers(0, 2, n), rng.integers(0, 2, n)
    outcome = np.where(sex == 1, 2, rng.integers(0, 2, n))  # every woman stands highest
    sample = make_sample(outcome, member, sex)
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
    assert abs(risk_difference(estimate, 2).estimate) < 0.02
    free = headline_estimate(sample)
    assert free.form == "shares"
    assert free.fell_back == "no finite estimate for sex=female"
    assert risk_difference(free, 2).estimate == pytest.approx(weighted_gap(sample, 2), abs=1e-12)


def test_the_bootstrap_stands_beside_the_other_tests():
    row = bootstrap_row(unequal(n=600), LABELS, seed=3)
    assert (row.diagnostic, row.about) == ("proportional_odds", "member")
    assert row.test == "bootstrap"
    assert row.value == pytest.approx(1 / 501)  # none of 500 surveys is as unequal
    assert row.passed is False
    assert "500 surveys" in row.note
