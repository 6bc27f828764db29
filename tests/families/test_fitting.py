"""Freed covariates, chosen standard errors, fixed covariates and profile limits of a model."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from coopgap.core.vocabulary import Population, Quantity, Status
from coopgap.families.cells import PROFILE, fit_cells
from coopgap.families.cumulative import estimate_adjusted
from coopgap.families.difference import difference
from coopgap.families.dispatch import headline_estimate
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import unit_information, unit_scores
from coopgap.regression.ordinal import fit_ordinal, profile_interval
from coopgap.regression.standardise import standardise

from .conftest import gaps, make_sample, people_of, rows_of, uneven

MEMBERS = (Population.ALL_MEMBERS,)
KINDS = ["CR1", "CR1S", "CR2", "HC1", "HC3"]


def unequal(n=3000, zones=60, **fitting):
    """Sex shifts the lower cut by 1.2 and the upper one not at all; membership both by 0.4."""
    return make_sample(uneven(4, n, zones, by="sex"), on=("region",), **fitting)


def terms(estimate):
    return {item.term: item.interval for item in estimate.coefficients}


def freed_terms(estimate):
    return [name for name in terms(estimate) if ":>=" in name]


def design(rows):
    return np.column_stack([rows.member, rows.factors["sex"], rows.factors["region"]]).astype(float)


@pytest.mark.parametrize("family", ["adjusted", "matched"])
def test_a_freed_covariate_has_a_slope_at_each_threshold(family):
    sample = unequal(free=("sex",))
    if family == "adjusted":
        (found,) = estimate_adjusted(sample, MEMBERS, form="proportional")
        weight = sample.rows.weight
    else:
        found, weight = headline_estimate(sample, "proportional"), sample.weight
    named = terms(found)
    cuts = ["low|middle", "middle|high"]
    freed = ["sex=female:>=middle", "sex=female:>=high"]
    assert list(named) == ["member", "region=South", *freed, *cuts]
    # The truth is 1.2 and 0; three standard errors of either.
    for name, truth in zip(freed, (1.2, 0.0), strict=True):
        assert abs(named[name].estimate - truth) < 3 * named[name].std_error
    seen = np.eye(3)[sample.rows.outcome] * weight[:, None]
    one_by_one = fit_ordinal(design(sample.rows), seen, free=(1,))
    values = [interval.estimate for interval in named.values()]
    assert values == pytest.approx(one_by_one.params, abs=1e-7)
    # It stays freed where membership is too.
    both = headline_estimate(sample)
    assert freed_terms(both) == ["member:>=middle", "member:>=high", *freed]
    assert both.form == "free"


def test_a_domain_without_the_freed_covariate_is_fitted_without_it():
    sample = unequal(free=("region",))
    found = headline_estimate(sample.within(sample.rows.factors["region"] == 0))
    assert found.status is Status.OK
    assert freed_terms(found) == ["member:>=middle", "member:>=high"]


def crossing(**fitting):
    """Membership and sex each draw the thresholds together; nobody is a member and a woman."""
    cells = [(0, 0, (30, 40, 30)), (1, 0, (45, 10, 45)), (0, 1, (45, 10, 45))]
    outcome, member, sex = people_of(cells)
    rows = rows_of(outcome, member, sex=sex, region=np.arange(outcome.size) % 2)
    return make_sample(rows, on=("region",), free=("sex",), **fitting)


def test_crossing_thresholds_are_counted_and_named_and_shares_stand_instead():
    found = headline_estimate(crossing())
    assert found.status is Status.OK
    assert found.form == "shares"
    assert found.fell_back == (
        "thresholds cross for 1 of 4 combinations of freed terms: member, sex=female"
    )
    assert found.coefficients == ()
    declared = headline_estimate(crossing(form="shares"))
    assert declared.fell_back == ""
    for contrast, interval in found.intervals.items():
        assert interval == pytest.approx(declared.intervals[contrast], rel=1e-12, nan_ok=True)
    # The same people do not cross where one of the two is tied.
    tied = headline_estimate(crossing(), "proportional")
    assert (tied.status, tied.form) == (Status.OK, "proportional")


def test_covariates_that_cross_alone_refuse_the_proportional_form():
    """Nothing stands in the place of what was asked for; the free form falls back."""
    by_sex_and_region = [(30, 40, 30), (45, 10, 45), (45, 10, 45), (50, 0, 50)]
    outcome, member, stratum = people_of(
        [(m, s, counts) for m in (0, 1) for s, counts in enumerate(by_sex_and_region)]
    )
    rows = rows_of(outcome, member, sex=stratum % 2, region=stratum // 2)
    sample = make_sample(rows, on=("region",), free=("sex", "region"))
    assert "thresholds cross" in headline_estimate(sample).fell_back
    tied = headline_estimate(sample, "proportional")
    assert tied.status is Status.NOT_ESTIMABLE
    assert tied.reason.startswith("thresholds cross")


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["free", "proportional"])
def test_chosen_standard_errors_are_those_of_the_engine(form, kind, fixed):
    sample = unequal(n=900, std_errors=kind, fixed=fixed, form=form)
    found = headline_estimate(sample)
    plain = fit_cells(unequal(n=900), sample.weight, member_free=form == "free", matched=True)
    on, by_person = plain.on, kind.startswith("HC")
    sampled = dataclasses.replace(on.sampled, cluster=None) if by_person else on.sampled
    data = (on.cells.counts, on.cells.squares, sampled)
    chosen = {"kind": kind, "fixed": fixed}
    margins = standardise(plain.fit, on.x, 0, on.member.astype(float), *data, **chosen)
    gap = np.array([0, 1.0, 1.0, 0, -1.0, -1.0])
    expected = np.sqrt(gap @ margins.cov @ gap)
    assert found.at(">=middle").std_error == pytest.approx(expected, rel=1e-9)
    name = kind if by_person else f"cluster {kind}"
    assert {item.std_error_kind for item in found.coefficients} == {name}
    if kind == "HC3":
        fit = plain.fit
        more = {"kind": kind, "information": unit_information(fit, on.x)}
        covariance = cluster_covariance(fit.bread, unit_scores(fit, on.x), *data, **more)
        errors = [item.interval.std_error for item in found.coefficients]
        assert errors == pytest.approx(np.sqrt(np.diag(covariance.cov)), rel=1e-9)
    assert found.n_clusters == (None if by_person else 60)
    (row,) = (row for row in found.diagnostics() if row.diagnostic == "std_errors")
    assert (row.family, row.about, row.group) == ("matched_ordinal", "", "all")
    assert (row.population, row.value) == ("members", found.n_clusters)
    assert row.note.startswith(name)
    assert ("taken as fixed" in row.note) == fixed
    assert ("Satterthwaite" in row.note) == (kind == "CR2")
    # The variance of a difference of two forms is between (a − b)² and (a + b)². HC1 and CR1S
    # multiply by N/(N − k), which differs by form: a difference has none.
    freed, tied = headline_estimate(sample, "free"), headline_estimate(sample, "proportional")
    slack = 0.01 if kind in ("HC1", "CR1S") else 1e-9
    for contrast in filter(lambda one: one.is_threshold_gap, freed.intervals):
        a, b = freed.intervals[contrast].std_error, tied.intervals[contrast].std_error
        shift = difference(freed, tied, contrast)
        assert abs(a - b) - slack * a <= shift.std_error <= (a + b)
        assert difference(freed, freed, contrast).std_error == 0


def test_kinds_differ_as_their_factors_say_and_fixed_covariates_leave_their_spread_out():
    def error(kind):
        return terms(headline_estimate(unequal(n=900, std_errors=kind)))["member:>=high"].std_error

    n, k = int(unequal(n=900).kept.sum()), 6
    assert (error("CR1S") / error("CR1")) ** 2 == pytest.approx((n - 1) / (n - k))
    assert error("HC3") > error("HC1")
    assert error("CR2") != pytest.approx(error("CR1"), rel=1e-4)
    vary, fixed = (headline_estimate(unequal(n=900, fixed=fixed)) for fixed in (False, True))
    share = next(c for c in vary.intervals if c.quantity is Quantity.SHARE and c.of_member)
    assert fixed.intervals[share].estimate == vary.intervals[share].estimate
    assert fixed.intervals[share].std_error != vary.intervals[share].std_error
    # By person no zones are needed.
    assert headline_estimate(unequal(900, 3, std_errors="HC1")).status is Status.OK
    assert "3 zones" in headline_estimate(unequal(900, 3)).reason


def test_profile_limits_stand_beside_the_robust_rows():
    sample = unequal(n=900, intervals="profile")
    (found,) = estimate_adjusted(sample, MEMBERS, form="proportional")
    extra = [item for item in found.coefficients if item.std_error_kind == PROFILE]
    assert [item.term for item in extra] == ["member", "sex=female", "region=South"]
    for column, item in enumerate(extra):
        limits = profile_interval(design(sample.rows), np.eye(3)[sample.rows.outcome], column)
        assert (item.interval.lower, item.interval.upper) == pytest.approx(limits, abs=1e-6)
        # A limit leaves zero out exactly where the likelihood ratio rejects it.
        outside = item.interval.lower > 0 or item.interval.upper < 0
        assert outside == (item.interval.p_value < 0.05)
        plain = next(c for c in found.coefficients if c.term == item.term)
        assert plain.interval.estimate == item.interval.estimate
        assert plain.std_error_kind == "cluster CR1"
    # None without being asked, where slopes are freed, or where there is no maximum.
    women = sample.rows.factors["sex"] == 1
    rows = dataclasses.replace(sample.rows, outcome=np.where(women, 2, sample.rows.outcome))
    separated = dataclasses.replace(sample, rows=rows)
    for each, form in (
        (unequal(n=900), "proportional"),
        (sample, None),
        (separated, "proportional"),
    ):
        (found,) = estimate_adjusted(each, MEMBERS, **({"form": form} if form else {}))
        assert PROFILE not in {item.std_error_kind for item in found.coefficients}
    assert found.infinite
    assert gaps(found)
