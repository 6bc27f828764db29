"""Freed covariates, chosen standard errors, fixed covariates and profile limits of a model."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from coopgap.core.estimate import Keys
from coopgap.core.vocabulary import Population, Quantity, Status
from coopgap.families.cells import PROFILE, fit_cells
from coopgap.families.cumulative import estimate_adjusted
from coopgap.families.difference import difference
from coopgap.families.dispatch import headline_estimate
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import unit_information, unit_scores
from coopgap.regression.ordinal import fit_ordinal, profile_interval
from coopgap.regression.standardise import standardise

from .conftest import LEVELS, make_sample, rows_of

LABELS = Keys(model="m", outcome="y", levels=LEVELS, source="x.csv")
MEMBERS = (Population.ALL_MEMBERS,)


def people(outcome, member, sex, region, zone=None, **fitting):
    rows = rows_of(outcome, member, zone=zone, sex=sex, region=region)
    return make_sample(rows, on=("region",), **fitting)


def unequal(seed=4, n=3000, zones=60, **fitting):
    """Sex shifts the lower cut by 1.2 and the upper one not at all; membership both by 0.4."""
    rng = np.random.default_rng(seed)
    member, sex, region = rng.integers(0, 2, (3, n))
    below = np.column_stack([-0.5 - 1.2 * sex, np.full(n, 1.0)]) - 0.4 * member[:, None]
    outcome = (rng.random(n)[:, None] > 1 / (1 + np.exp(-below))).sum(axis=1)
    zone = rng.integers(0, zones, n)
    return people(outcome, member, sex, region, zone, **fitting)


def terms(estimate):
    return {item.term: item.interval for item in estimate.coefficients}


@pytest.mark.parametrize("family", ["adjusted", "matched"])
def test_a_freed_covariate_has_a_slope_at_each_threshold(family):
    sample = unequal(free=("sex",))
    if family == "adjusted":
        (found,) = estimate_adjusted(sample, MEMBERS, form="proportional")
        weight = sample.rows.weight
    else:
        found, weight = headline_estimate(sample, "proportional"), sample.weight
    named = terms(found)
    assert list(named) == [
        "member",
        "region=South",
        "sex=female:>=middle",
        "sex=female:>=high",
        "low|middle",
        "middle|high",
    ]
    # The truth is 1.2 and 0; three standard errors of either.
    for name, truth in (("sex=female:>=middle", 1.2), ("sex=female:>=high", 0.0)):
        assert abs(named[name].estimate - truth) < 3 * named[name].std_error
    x = np.column_stack(
        [sample.rows.member, sample.rows.factors["sex"], sample.rows.factors["region"]]
    ).astype(float)
    people = np.eye(3)[sample.rows.outcome] * weight[:, None]
    one_by_one = fit_ordinal(x, people, free=(1,))
    values = [interval.estimate for interval in named.values()]
    assert values == pytest.approx(one_by_one.params, abs=1e-7)


def test_freed_covariates_stay_freed_where_membership_is_too():
    freed = headline_estimate(unequal(free=("sex",)))
    names = [name for name in terms(freed) if ":>=" in name]
    assert names == ["member:>=middle", "member:>=high", "sex=female:>=middle", "sex=female:>=high"]
    assert freed.form == "free"


def test_a_domain_without_the_freed_covariate_is_fitted_without_it():
    sample = unequal(free=("region",))
    domain = sample.within(sample.rows.factors["region"] == 0)
    found = headline_estimate(domain)
    assert found.status is Status.OK
    freed = [name for name in terms(found) if ":>=" in name]
    assert freed == ["member:>=middle", "member:>=high"]


def people_of(cells):
    """Outcome, membership and sex of cells with counts by level."""
    rows = [
        (level, member, sex)
        for member, sex, counts in cells
        for level, count in enumerate(counts)
        for _ in range(count)
    ]
    return np.array(rows).T


def crossing(**fitting):
    """Membership and sex each draw the thresholds together; nobody is a member and a woman."""
    cells = [(0, 0, (30, 40, 30)), (1, 0, (45, 10, 45)), (0, 1, (45, 10, 45))]
    outcome, member, sex = people_of(cells)
    region = np.arange(outcome.size) % 2
    return people(outcome, member, sex, region, free=("sex",), **fitting)


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


def test_the_same_people_do_not_cross_where_one_of_the_two_is_tied():
    found = headline_estimate(crossing(), "proportional")
    assert found.status is Status.OK
    assert found.form == "proportional"


def test_covariates_that_cross_alone_refuse_the_proportional_form():
    """Nothing stands in the place of what was asked for; the free form falls back."""
    by_sex_and_region = [(30, 40, 30), (45, 10, 45), (45, 10, 45), (50, 0, 50)]
    outcome, member, stratum = people_of(
        [(m, s, counts) for m in (0, 1) for s, counts in enumerate(by_sex_and_region)]
    )
    sample = people(outcome, member, stratum % 2, stratum // 2, free=("sex", "region"))
    assert "thresholds cross" in headline_estimate(sample).fell_back
    tied = headline_estimate(sample, "proportional")
    assert tied.status is Status.NOT_ESTIMABLE
    assert tied.reason.startswith("thresholds cross")


KINDS = ["CR1", "CR1S", "CR2", "HC1", "HC3"]


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["free", "proportional"])
def test_chosen_standard_errors_are_those_of_the_engine(form, kind, fixed):
    sample = unequal(n=900, std_errors=kind, fixed=fixed, form=form)
    found = headline_estimate(sample)
    free = form == "free"
    plain = fit_cells(unequal(n=900), sample.weight, member_free=free, matched=True)
    on, by_person = plain.on, kind.startswith("HC")
    cluster = None if by_person else on.cluster
    data = (on.cells.counts, on.cells.squares, cluster)
    margins = standardise(
        plain.fit,
        on.x,
        0,
        on.member.astype(float),
        *data,
        kind=kind,
        fixed=fixed,
        people=on.cells.people,
    )
    above = np.array([0, 1.0, 1.0])
    gap = np.concatenate([above, -above])
    (interval,) = (
        value
        for contrast, value in found.intervals.items()
        if contrast.quantity is Quantity.RISK_DIFFERENCE and contrast.category == ">=middle"
    )
    assert interval.std_error == pytest.approx(np.sqrt(gap @ margins.cov @ gap), rel=1e-9)
    name = kind if by_person else f"cluster {kind}"
    assert {item.std_error_kind for item in found.coefficients} == {name}
    if kind == "HC3":
        covariance = cluster_covariance(
            plain.fit.bread,
            unit_scores(plain.fit, on.x),
            *data,
            kind=kind,
            information=unit_information(plain.fit, on.x),
        )
        errors = [item.interval.std_error for item in found.coefficients]
        assert errors == pytest.approx(np.sqrt(np.diag(covariance.cov)), rel=1e-9)
    assert found.n_clusters == (None if by_person else 60)
    (row,) = (row for row in found.diagnostics() if row.diagnostic == "std_errors")
    assert (row.diagnostic, row.family) == ("std_errors", "matched_ordinal")
    assert (row.about, row.group, row.population) == ("", "all", "members")
    assert row.value == found.n_clusters
    assert row.note.startswith(name)
    assert ("taken as fixed" in row.note) == fixed
    assert ("Satterthwaite" in row.note) == (kind == "CR2")


def test_kinds_differ_as_their_factors_say():
    def error(kind):
        return terms(headline_estimate(unequal(n=900, std_errors=kind)))["member:>=high"].std_error

    n, k = int(unequal(n=900).kept.sum()), 6
    assert (error("CR1S") / error("CR1")) ** 2 == pytest.approx((n - 1) / (n - k))
    assert error("HC3") > error("HC1")
    assert error("CR2") != pytest.approx(error("CR1"), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fixed", [False, True])
def test_the_difference_of_two_forms_takes_the_chosen_kind_too(kind, fixed):
    """The variance of a difference of two fits is between (a − b)² and (a + b)²."""
    sample = unequal(n=900, std_errors=kind, fixed=fixed)
    freed, tied = headline_estimate(sample), headline_estimate(sample, "proportional")
    # HC1 and CR1S multiply by N/(N − k), which differs by form: a difference has none.
    slack = 0.01 if kind in ("HC1", "CR1S") else 1e-9
    for contrast in filter(lambda one: one.is_threshold_gap, freed.intervals):
        a, b = freed.intervals[contrast].std_error, tied.intervals[contrast].std_error
        shift = difference(freed, tied, contrast)
        assert abs(a - b) - slack * a <= shift.std_error <= (a + b)
        assert difference(freed, freed, contrast).std_error == 0


def test_fixed_covariates_leave_their_own_spread_out():
    vary, fixed = (headline_estimate(unequal(n=900, fixed=fixed)) for fixed in (False, True))
    share = next(c for c in vary.intervals if c.quantity is Quantity.SHARE and c.of_member)
    assert fixed.intervals[share].estimate == vary.intervals[share].estimate
    assert fixed.intervals[share].std_error != vary.intervals[share].std_error


def test_hc_needs_no_zones_and_counts_none():
    few = dataclasses.replace(unequal(n=900, zones=3, std_errors="HC1"))
    assert headline_estimate(few).status is Status.OK
    usual = unequal(n=900, zones=3)
    assert "3 zones" in headline_estimate(usual).reason


def test_profile_limits_stand_beside_the_robust_rows():
    sample = unequal(n=900, intervals="profile")
    (found,) = estimate_adjusted(sample, MEMBERS, form="proportional")
    extra = [item for item in found.coefficients if item.std_error_kind == PROFILE]
    assert [item.term for item in extra] == ["member", "sex=female", "region=South"]
    rows = sample.rows
    x = np.column_stack([rows.member, rows.factors["sex"], rows.factors["region"]]).astype(float)
    people = np.eye(3)[rows.outcome]
    for column, item in enumerate(extra):
        limits = profile_interval(x, people, column)
        assert (item.interval.lower, item.interval.upper) == pytest.approx(limits, abs=1e-6)
        # A limit leaves zero out exactly where the likelihood ratio rejects it.
        outside = item.interval.lower > 0 or item.interval.upper < 0
        assert outside == (item.interval.p_value < 0.05)
        plain = next(c for c in found.coefficients if c.term == item.term)
        assert plain.interval.estimate == item.interval.estimate
        assert plain.std_error_kind == "cluster CR1"


def test_no_profile_without_being_asked_or_where_there_is_no_maximum():
    (found,) = estimate_adjusted(unequal(n=900), MEMBERS, form="proportional")
    assert PROFILE not in {item.std_error_kind for item in found.coefficients}
    sample = unequal(n=900, intervals="profile")
    (found,) = estimate_adjusted(sample, MEMBERS)  # freed slopes have none
    assert PROFILE not in {item.std_error_kind for item in found.coefficients}
    rows = dataclasses.replace(
        sample.rows, outcome=np.where(sample.rows.factors["sex"] == 1, 2, sample.rows.outcome)
    )
    sample = dataclasses.replace(sample, rows=rows)
    (found,) = estimate_adjusted(sample, MEMBERS, form="proportional")
    assert found.infinite
    assert PROFILE not in {item.std_error_kind for item in found.coefficients}
