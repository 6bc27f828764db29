"""Families without an outcome model: raw and weighted shares, and shares within strata."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from coopgap.core.errors import NotEstimable
from coopgap.core.vocabulary import Family, Population, Quantity, Status
from coopgap.families.cells import target_weights
from coopgap.families.cumulative import estimate_adjusted
from coopgap.families.dispatch import domain_estimates, family_estimates, headline_estimate
from coopgap.families.sample import sample_cells
from coopgap.families.shares import (
    estimate_shares,
    estimate_unadjusted,
    matched_shares,
    stratified_shares,
)
from coopgap.regression.sampled import Sampled
from coopgap.regression.shares import weighted_shares
from coopgap.study.spec import DeclaredPopulation, Margin, Matching

from .conftest import ON, even, make_sample, shares_of, stratified


def make_rows(seed=0, zones=60, lonely=0):
    return even(seed, zones=zones, lonely=lonely, weighted=True)


def check_margins(found, expected):
    assert found.margins.member == pytest.approx(expected[0])
    assert found.margins.comparison == pytest.approx(expected[1])


def engine(on, cluster, kind="CR1"):
    cells = on.cells
    return weighted_shares(
        on.member,
        cells.counts,
        cells.squares,
        Sampled(cluster=cluster, people=cells.people),
        z=on.x[:, 1:],
        kind=kind,
    )


def test_matched_shares_are_the_stratified_mean():
    rows = make_rows(lonely=30)
    sample = make_sample(rows)
    found = estimate_shares(sample)
    check_margins(found, stratified(rows, sample.kept & rows.member))
    assert found.family is Family.SHARES
    assert (found.coefficients, found.form, found.n_clusters) == ((), "", 60)
    assert found.people.tolist() == rows.people_by_level(sample.kept).tolist()
    assert found.std_errors == "cluster CR1"
    shares = headline_estimate(make_sample(rows, form="shares"))
    assert shares.intervals[next(iter(shares.intervals))] == next(iter(found.intervals.values()))
    assert {one.quantity for one in found.intervals} == {
        Quantity.RISK_DIFFERENCE,
        Quantity.RISK_RATIO,
        Quantity.CUMULATIVE_ODDS_RATIO,
        Quantity.SUPERIORITY,
        Quantity.SHARE,
    }
    pairs = np.outer(found.margins.member, found.margins.comparison)
    higher = np.tril(pairs, -1).sum() + np.trace(pairs) / 2
    assert found.at(quantity=Quantity.SUPERIORITY).estimate == pytest.approx(higher)


@pytest.mark.parametrize(
    ("zones", "asked", "kind"),
    [
        (60, "default", "cluster CR1"),
        (20, "default", "cluster CR2"),
        (60, "CR2", "cluster CR2"),
        (60, "HC1", "HC1"),
        (60, "HC3", "HC3"),
    ],
)
def test_standard_errors_are_the_engines_of_the_kind_asked_for(zones, asked, kind):
    sample = make_sample(make_rows(zones=zones), std_errors=asked)
    found = estimate_shares(sample)
    assert found.std_errors == kind
    on, _, _ = matched_shares(sample)
    clustered = not kind.startswith("HC")
    plain = engine(on, on.sampled.cluster if clustered else None, kind.removeprefix("cluster "))
    assert found.margins.cov == pytest.approx(plain.cov, rel=1e-12)
    assert found.n_clusters == (zones if clustered else None)


def test_pairs_that_cross_zones_are_a_second_way():
    near = Matching(method="nearest", on=("region",), covariates=("sex",))
    sample = make_sample(dataclasses.replace(make_rows(), weight=np.ones(900)), matching=near)
    sample = dataclasses.replace(sample, strata=("region",))
    found = estimate_shares(sample)
    assert found.std_errors == "two-way CR1"
    on, _, _ = matched_shares(sample)
    ways = on.sampled.cluster, on.sampled.second
    both = np.unique(np.column_stack(ways), axis=0, return_inverse=True)[1]
    first, second, joint = (engine(on, way).cov for way in (*ways, both.ravel()))
    row = np.array([0, 0, 1.0, 0, 0, -1.0])
    expected = row @ (first + second - joint) @ row
    assert row @ found.margins.cov @ row == pytest.approx(expected, rel=1e-9)


def test_overlap_shares_are_of_the_overlap():
    sample = make_sample(make_rows(), matching=Matching(method="overlap", on=(), covariates=ON))
    found, rows = estimate_shares(sample), sample.rows
    assert found.population is Population.OVERLAP
    sides = (rows.member, ~rows.member)
    check_margins(found, [shares_of(rows, side, sample.weight) for side in sides])


def test_unadjusted_shares_of_matched_members_leave_out_those_without_a_match():
    rows = make_rows(lonely=30)
    sample = make_sample(rows)
    everybody = estimate_unadjusted(sample)
    matched = estimate_unadjusted(sample, Population.MEMBERS)
    assert (everybody.population, matched.population) == ("all_members", "members")
    kept = sample.kept & rows.member
    assert kept.sum() == rows.member.sum() - 30
    # The whole comparison group stands beside both, also those whom the matching leaves out.
    assert not sample.kept[~rows.member].all()
    sides = [shares_of(rows, side, rows.weight) for side in (kept, ~rows.member)]
    check_margins(matched, sides)
    assert everybody.margins.comparison == pytest.approx(sides[1])
    assert matched.people.sum(axis=1).tolist() == [(~rows.member).sum(), kept.sum()]
    said = []
    for estimate in family_estimates(sample, notify=said.append):
        assert said[-1] == estimate.family  # each family is named before it is fitted
    assert said[:2] == [Family.UNADJUSTED] * 2
    # Where nobody is matched it says why.
    nobody = dataclasses.replace(sample.matched, weight=np.zeros(rows.n), reason="0 beside them")
    sample = dataclasses.replace(sample, matched=nobody)
    with pytest.raises(NotEstimable, match="0 beside them"):
        estimate_unadjusted(sample, Population.MEMBERS)
    assert estimate_unadjusted(sample).status is Status.OK


@pytest.mark.parametrize("over", [Population.MEMBERS, Population.ALL_MEMBERS, Population.POOLED])
def test_shares_within_strata_by_hand(over):
    rows = make_rows(4)
    (found,) = estimate_adjusted(make_sample(rows, form="shares"), (over,))
    inside = np.ones(rows.n, bool) if over is Population.POOLED else rows.member
    check_margins(found, stratified(rows, inside))
    assert found.form == "shares"


def test_a_declared_population_is_taken_as_fixed_by_shares_too():
    """As by the regression in whose place they stand."""
    shares = {("male",): 0.3, ("female",): 0.7}
    margin = Margin(variables=("sex",), shares=shares)
    declared = DeclaredPopulation(file="x.csv", margins=(margin,))
    rows = dataclasses.replace(make_rows(4), weight=np.ones(900))
    vary, fixed = (
        next(iter(estimate_adjusted(sample, (Population.POSTSTRATIFIED,), declared)))
        for sample in (make_sample(rows, form="shares", fixed=fixed) for fixed in (False, True))
    )
    assert vary.margins.cov == pytest.approx(fixed.margins.cov, rel=1e-12)


def test_shares_within_strata_are_the_matched_ones_of_the_same_strata():
    """Matching weights and weights within strata are one where the target is the members."""
    sample = make_sample(make_rows(4))
    on = sample_cells(sample, sample.rows.weight)
    margins, kind = stratified_shares(on, sample, on.member.astype(float))
    matched = estimate_shares(sample)
    assert kind == matched.std_errors == "cluster CR1"
    check_margins(matched, (margins.member, margins.comparison))
    assert margins.cov == pytest.approx(matched.margins.cov, rel=1e-9, abs=1e-15)


def test_a_stratum_of_the_target_with_nobody_refuses_with_the_count():
    rows, alone = make_rows(lonely=30), "30 people have nobody beside them"
    sample = make_sample(rows, form="shares")
    on = sample_cells(sample, sample.rows.weight)
    with pytest.raises(NotEstimable, match=alone):
        stratified_shares(on, sample, on.member.astype(float))
    inside, everybody = estimate_adjusted(sample, (Population.MEMBERS, Population.ALL_MEMBERS))
    # The matching leaves the thirty out: over the members whom it keeps there are shares.
    assert inside.status is Status.OK
    target = target_weights(sample, on, Population.MEMBERS)
    assert inside.margins.member == pytest.approx(stratified_shares(on, sample, target)[0].member)
    assert everybody.status is Status.NOT_ESTIMABLE
    assert everybody.reason == f"within strata of all covariates {alone}"
    # A fallback that refuses says both reasons.
    never = np.where(rows.member, np.minimum(rows.outcome, 1), rows.outcome)
    free = make_sample(dataclasses.replace(rows, outcome=never))
    (found,) = estimate_adjusted(free, (Population.ALL_MEMBERS,))
    first, second = found.reason.split("; ")
    assert first.startswith("no finite estimate for member")
    assert second.endswith(alone)


def test_a_domain_has_shares_of_its_own():
    sample = make_sample(make_rows())
    inside = sample.rows.factors["region"] == 1
    domain = sample.within(inside)
    found = {one.family: one for one in domain_estimates(domain)}
    assert list(found) == [Family.UNADJUSTED, Family.MATCHED_ORDINAL, Family.SHARES]
    expected = stratified(domain.rows, domain.kept & domain.rows.member)
    for one in (found[Family.SHARES], found[Family.MATCHED_ORDINAL]):
        # Exact strata left the domain's regression: membership alone, free, is the shares.
        check_margins(one, expected)
        # Only people of the domain move its margins.
        assert inside[one.influence.people].all()
