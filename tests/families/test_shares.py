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
from coopgap.regression.shares import weighted_shares
from coopgap.study.spec import DeclaredPopulation, Margin, Matching

from .conftest import ON, make_sample, rows_of


def make_rows(seed=0, n=900, n_zones=60, lonely=0, rare=0.3):
    """Weighted people; in the east are `lonely` members, all women, and as many men, all others."""
    rng = np.random.default_rng(seed)
    zone = rng.integers(0, n_zones, n)
    sex, region = rng.integers(0, 2, (2, n))
    member = rng.random(n) < rare + 0.3 * region
    region[: 2 * lonely] = 2
    member[: 2 * lonely] = sex[: 2 * lonely] = np.arange(2 * lonely) < lonely
    latent = rng.logistic(size=n) + 0.6 * member + 0.5 * sex - 0.4 * region
    outcome, weight = np.digitize(latent, [0.2, 1.4]), rng.choice([0.5, 1.0, 2.0], n)
    return rows_of(outcome, member, zone=zone, weight=weight, sex=sex, region=region)


def shares_of(rows, keep, weight):
    return np.bincount(rows.outcome[keep], weight[keep], minlength=3) / weight[keep].sum()


def stratified(rows, inside):
    """Both groups' shares, strata weighted as the people `inside`; (2, 3)."""
    total = np.zeros((2, 3))
    stratum = 3 * rows.factors["sex"] + rows.factors["region"]
    for one in np.unique(stratum[inside]):
        here = stratum == one
        part = rows.weight[here & inside].sum() / rows.weight[inside].sum()
        for at, side in enumerate((rows.member, ~rows.member)):
            total[at] += part * shares_of(rows, here & side, rows.weight)
    return total


def test_matched_shares_are_the_stratified_mean():
    rows = make_rows(lonely=30)
    sample = make_sample(rows)
    found = estimate_shares(sample)
    kept = sample.kept & rows.member
    expected = stratified(rows, kept)
    assert found.margins.member == pytest.approx(expected[0])
    assert found.margins.comparison == pytest.approx(expected[1])
    assert found.family is Family.SHARES
    assert (found.coefficients, found.form, found.n_clusters) == ((), "", 60)
    assert found.people.tolist() == rows.people_by_level(sample.kept).tolist()
    assert found.std_errors == "cluster CR1"
    shares = headline_estimate(make_sample(rows, form="shares"))
    assert shares.intervals[next(iter(shares.intervals))] == next(iter(found.intervals.values()))


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
    sample = make_sample(make_rows(n_zones=zones), std_errors=asked)
    found = estimate_shares(sample)
    assert found.std_errors == kind
    on, _, _ = matched_shares(sample)
    plain = weighted_shares(
        on.member,
        on.cells.counts,
        on.cells.squares,
        None if kind.startswith("HC") else on.cluster,
        z=on.x[:, 1:],
        kind=kind.removeprefix("cluster "),
        people=on.cells.people,
    )
    assert found.margins.cov == pytest.approx(plain.cov, rel=1e-12)
    assert found.n_clusters == (None if kind.startswith("HC") else zones)


def test_pairs_that_cross_zones_are_a_second_way():
    near = Matching(method="nearest", on=("region",), covariates=("sex",))
    sample = make_sample(dataclasses.replace(make_rows(), weight=np.ones(900)), matching=near)
    sample = dataclasses.replace(sample, strata=("region",))
    found = estimate_shares(sample)
    assert found.std_errors == "two-way CR1"
    on, _, _ = matched_shares(sample)
    both = np.unique(np.column_stack([on.cluster, on.second]), axis=0, return_inverse=True)[1]

    def cov(cluster):
        return weighted_shares(
            on.member,
            on.cells.counts,
            on.cells.squares,
            cluster,
            z=on.x[:, 1:],
            people=on.cells.people,
        ).cov

    expected = cov(on.cluster) + cov(on.second) - cov(both.ravel())
    row = np.array([0, 0, 1.0, 0, 0, -1.0])
    assert row @ found.margins.cov @ row == pytest.approx(row @ expected @ row, rel=1e-9)


def test_overlap_shares_are_of_the_overlap():
    sample = make_sample(make_rows(), matching=Matching(method="overlap", on=(), covariates=ON))
    found = estimate_shares(sample)
    assert found.population is Population.OVERLAP
    for side, group in ((found.margins.member, True), (found.margins.comparison, False)):
        inside = sample.rows.member == group
        assert side == pytest.approx(shares_of(sample.rows, inside, sample.weight))


def test_unadjusted_shares_of_matched_members_leave_out_those_without_a_match():
    rows = make_rows(lonely=30)
    sample = make_sample(rows)
    everybody = estimate_unadjusted(sample)
    matched = estimate_unadjusted(sample, Population.MEMBERS)
    assert (everybody.population, matched.population) == ("all_members", "members")
    kept = sample.kept & rows.member
    assert kept.sum() == rows.member.sum() - 30
    assert matched.margins.member == pytest.approx(shares_of(rows, kept, rows.weight))
    # The whole comparison group stands beside both, also those whom the matching leaves out.
    assert not sample.kept[~rows.member].all()
    assert matched.margins.comparison == pytest.approx(everybody.margins.comparison)
    assert matched.margins.comparison == pytest.approx(shares_of(rows, ~rows.member, rows.weight))
    assert matched.people.sum(axis=1).tolist() == [(~rows.member).sum(), kept.sum()]
    in_run = [one.population for one in family_estimates(sample) if one.family == "unadjusted"]
    assert in_run == ["all_members", "members"]


def test_each_family_is_named_before_it_is_fitted():
    said = []
    for estimate in family_estimates(make_sample(make_rows()), notify=said.append):
        assert said[-1] == estimate.family
    assert said[:2] == [Family.UNADJUSTED] * 2


def test_unadjusted_shares_of_matched_members_say_why_not():
    rows = make_rows()
    alone = dataclasses.replace(rows, factors={**rows.factors, "sex": rows.member.astype(np.int64)})
    sample = dataclasses.replace(
        make_sample(rows),
        rows=alone,
        matched=dataclasses.replace(
            make_sample(rows).matched, weight=np.zeros(rows.n), reason="12 members, 0 beside them"
        ),
    )
    with pytest.raises(NotEstimable, match="0 beside them"):
        estimate_unadjusted(sample, Population.MEMBERS)
    assert estimate_unadjusted(sample).status is Status.OK


@pytest.mark.parametrize(
    "population", [Population.MEMBERS, Population.ALL_MEMBERS, Population.POOLED]
)
def test_shares_within_strata_by_hand(population):
    rows = make_rows(seed=4)
    sample = make_sample(rows, form="shares")
    (found,) = estimate_adjusted(sample, (population,))
    everybody = np.ones(rows.n, bool)
    inside = everybody if population is Population.POOLED else rows.member
    expected = stratified(rows, inside)
    assert found.margins.member == pytest.approx(expected[0])
    assert found.margins.comparison == pytest.approx(expected[1])
    assert found.form == "shares"


def test_a_declared_population_is_taken_as_fixed_by_shares_too():
    """As by the regression in whose place they stand."""
    shares = {("male",): 0.3, ("female",): 0.7}
    declared = DeclaredPopulation(
        file="x.csv", margins=(Margin(variables=("sex",), shares=shares),)
    )
    rows = dataclasses.replace(make_rows(seed=4), weight=np.ones(900))
    vary, fixed = (
        next(
            iter(
                estimate_adjusted(
                    make_sample(rows, form="shares", fixed=fixed),
                    (Population.POSTSTRATIFIED,),
                    declared,
                )
            )
        )
        for fixed in (False, True)
    )
    assert vary.margins.cov == pytest.approx(fixed.margins.cov, rel=1e-12)


def test_shares_within_strata_are_the_matched_ones_of_the_same_strata():
    """Matching weights and weights within strata are one where the target is the members."""
    sample = make_sample(make_rows(seed=4))
    on = sample_cells(sample, sample.rows.weight)
    margins, kind = stratified_shares(on, sample, on.member.astype(float))
    matched = estimate_shares(sample)
    assert kind == matched.std_errors == "cluster CR1"
    assert margins.member == pytest.approx(matched.margins.member)
    assert margins.comparison == pytest.approx(matched.margins.comparison)
    assert margins.cov == pytest.approx(matched.margins.cov, rel=1e-9, abs=1e-15)


def test_a_stratum_of_the_target_with_nobody_refuses_with_the_count():
    rows = make_rows(lonely=30)
    sample = make_sample(rows, form="shares")
    on = sample_cells(sample, sample.rows.weight)
    with pytest.raises(NotEstimable, match="30 people have nobody beside them"):
        stratified_shares(on, sample, on.member.astype(float))
    inside, everybody = estimate_adjusted(sample, (Population.MEMBERS, Population.ALL_MEMBERS))
    # The matching leaves the thirty out: over the members whom it keeps there are shares.
    assert inside.status is Status.OK
    target = target_weights(sample, on, Population.MEMBERS)
    assert inside.margins.member == pytest.approx(stratified_shares(on, sample, target)[0].member)
    assert everybody.status is Status.NOT_ESTIMABLE
    assert everybody.reason == ("within strata of all covariates 30 people have nobody beside them")


def test_a_fallback_that_refuses_says_both_reasons():
    rows = make_rows(lonely=30)
    rows = dataclasses.replace(
        rows, outcome=np.where(rows.member, np.minimum(rows.outcome, 1), rows.outcome)
    )
    (found,) = estimate_adjusted(make_sample(rows), (Population.ALL_MEMBERS,))
    first, second = found.reason.split("; ")
    assert first.startswith("no finite estimate for member")
    assert second.endswith("30 people have nobody beside them")


def test_a_domain_has_shares_of_its_own():
    sample = make_sample(make_rows())
    inside = sample.rows.factors["region"] == 1
    domain = sample.within(inside)
    found = {one.family: one for one in domain_estimates(domain)}
    assert list(found) == [Family.UNADJUSTED, Family.MATCHED_ORDINAL, Family.SHARES]
    expected = stratified(domain.rows, domain.kept & domain.rows.member)
    for one in (found[Family.SHARES], found[Family.MATCHED_ORDINAL]):
        # Exact strata left the domain's regression: membership alone, free, is the shares.
        assert one.margins.member == pytest.approx(expected[0])
        assert one.margins.comparison == pytest.approx(expected[1])
        # Only people of the domain move its margins.
        assert inside[one.influence.people].all()


def test_gaps_of_shares_have_every_quantity():
    found = estimate_shares(make_sample(make_rows()))
    assert {one.quantity for one in found.intervals} == {
        Quantity.RISK_DIFFERENCE,
        Quantity.RISK_RATIO,
        Quantity.CUMULATIVE_ODDS_RATIO,
        Quantity.SUPERIORITY,
        Quantity.SHARE,
    }
    member, comparison = found.margins.member, found.margins.comparison
    (one,) = (i for c, i in found.intervals.items() if c.quantity is Quantity.SUPERIORITY)
    by_hand = sum(
        member[i] * comparison[j] * (1.0 if i > j else 0.5) for i in range(3) for j in range(i + 1)
    )
    assert one.estimate == pytest.approx(by_hand)
