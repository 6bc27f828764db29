"""Differences of two estimates: with itself, of others' people, of some of them, by deletion."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from coopgap.core.errors import NotEstimable
from coopgap.core.gap import contrast_gradient
from coopgap.core.vocabulary import Population, Quantity
from coopgap.families.cumulative import estimate_adjusted, estimate_doubly_robust, estimate_matched
from coopgap.families.difference import difference
from coopgap.families.sets import estimate_conditional
from coopgap.families.shares import estimate_shares, estimate_unadjusted
from coopgap.study.spec import Matching

from .conftest import LEVELS, even, make_sample


def make_rows(seed=0, n=1200, n_zones=60, zones=True):
    """Rows at positions in a survey of which they are some."""
    rows = even(seed, n, n_zones, spread=0.4, index=5 * np.arange(n) + 3)
    return rows if zones else dataclasses.replace(rows, zone=None)


def adjusted(sample):
    return next(iter(estimate_adjusted(sample, (Population.ALL_MEMBERS,))))


def gap(estimate, category=">=middle"):
    return next(
        one for one in estimate.intervals if one.is_threshold_gap and one.category == category
    )


def without_people(estimate):
    """The estimate without any weight on people: less it, only one's own error is left."""
    own = estimate.influence
    return dataclasses.replace(estimate, influence=dataclasses.replace(own, weight=0 * own.weight))


FAMILIES = {
    "matched": estimate_matched,
    "proportional": lambda sample: estimate_matched(sample, "proportional"),
    "shares": estimate_shares,
    "adjusted": adjusted,
    "unadjusted": estimate_unadjusted,
    "doubly robust": estimate_doubly_robust,
}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("n_zones", [20, 60])
def test_less_itself_is_nothing_and_contributions_are_those_of_the_standard_error(name, n_zones):
    found = FAMILIES[name](make_sample(make_rows(n_zones=n_zones)))
    for contrast in found.intervals:
        if contrast.quantity in (Quantity.RISK_DIFFERENCE, Quantity.SUPERIORITY, Quantity.SHARE):
            none = difference(found, found, contrast)
            assert (none.estimate, none.std_error, none.lower, none.upper) == (0, 0, 0, 0)
        if contrast.is_threshold_gap:
            error = difference(found, without_people(found), contrast).std_error
            assert error == pytest.approx(found.intervals[contrast].std_error, rel=1e-9)


@pytest.mark.parametrize("std_errors", ["CR1", "CR2", "HC3"])
def test_variances_of_other_people_in_other_zones_add(std_errors):
    rows = make_rows()
    low = rows.zone < 35
    one, other = (make_sample(rows.take(side), std_errors=std_errors) for side in (low, ~low))
    first, second = estimate_matched(one), estimate_matched(other)
    contrast = gap(first)
    found = difference(first, second, contrast)
    a, b = first.intervals[contrast], second.intervals[contrast]
    assert found.estimate == pytest.approx(a.estimate - b.estimate)
    # CR1 has one factor for all 60 zones in place of one for 35 and one for 25.
    factors = np.array([35 / 34, 25 / 24]) / (60 / 59) if std_errors == "CR1" else np.ones(2)
    variances = np.array([a.std_error, b.std_error]) ** 2 / factors
    assert found.std_error**2 == pytest.approx(variances.sum())
    back = difference(second, first, contrast)
    assert found.df == back.df == min(a.df, b.df)
    half = stats.t.ppf(0.975, found.df) * found.std_error
    assert (found.lower, found.upper) == pytest.approx(
        (found.estimate - half, found.estimate + half)
    )
    z = abs(found.estimate) / found.std_error
    assert found.p_value == pytest.approx(2 * stats.t.sf(z, found.df))


def contributions(first, second, contrast, rows):
    """What each person adds to the error of the difference, shape (n,)."""
    total = np.zeros(rows.n)
    for estimate, sign in ((first, 1), (second, -1)):
        own = estimate.influence
        gradient = contrast_gradient(contrast, estimate.margins)
        total[np.searchsorted(rows.index, own.people)] += sign * own.of(gradient)
    return total


def test_two_groups_of_people_in_the_same_zones_covary():
    rows = make_rows()
    women = rows.factors["sex"] == 1
    region = {"on": ("region",), "covariates": ("region",)}
    first, second = (
        estimate_shares(make_sample(rows.take(side), **region)) for side in (women, ~women)
    )
    contrast = gap(first)
    found = difference(first, second, contrast)
    sums = np.bincount(rows.zone, contributions(first, second, contrast, rows), minlength=60)
    assert found.std_error == pytest.approx(np.sqrt(60 / 59 * sums @ sums))
    independent = np.hypot(*(each.intervals[contrast].std_error for each in (first, second)))
    assert found.std_error != pytest.approx(independent, rel=1e-3)


def beside(rows):
    """Estimates that share people with the matched one, and that one first."""
    sample = make_sample(rows)
    return {
        "matched": estimate_matched(sample),
        "proportional": estimate_matched(sample, "proportional"),
        "unadjusted": estimate_unadjusted(sample),
        "doubly robust": estimate_doubly_robust(sample),
        "other strata": estimate_matched(make_sample(rows, on=("region",))),
        "women left out": estimate_matched(make_sample(rows.take(rows.factors["sex"] == 0))),
    }


@pytest.fixture(scope="module")
def differences():
    """The matched gap less each other, in 45 surveys, by name: shape (45, 3)."""
    made = {}
    for seed in range(45):
        found = beside(make_rows(seed, n=700))
        first = found.pop("matched")
        contrast = gap(first)
        for name, other in found.items():
            one = difference(first, other, contrast)
            apart = np.hypot(*(e.intervals[contrast].std_error for e in (first, other)))
            made.setdefault(name, []).append((one.estimate, one.std_error, apart))
    return {name: np.array(values) for name, values in made.items()}


@pytest.mark.parametrize(
    "name", ["proportional", "unadjusted", "doubly robust", "other strata", "women left out"]
)
def test_the_standard_error_is_the_spread_over_surveys(differences, name):
    estimate, error, independent = differences[name].T
    # The SD of 45 draws is known to 11 percent; three of those.
    assert error.mean() == pytest.approx(estimate.std(ddof=1), rel=0.33)
    assert error.mean() < 0.9 * independent.mean()


def two_way(total, first, second):
    """Standard error by sums over each way of clustering, less those over both at once."""
    variance = 0.0
    for sign, ways in ((1, [first]), (1, [second]), (-1, [first, second])):
        codes = np.unique(np.column_stack(ways), axis=0, return_inverse=True)[1].ravel()
        sums = np.bincount(codes, total)
        variance += sign * sums.size / (sums.size - 1) * sums @ sums
    return np.sqrt(variance)


NEAR = Matching(method="nearest", on=("region",), covariates=("sex",))


def sets_of(sample):
    """The set of each person, everybody else alone."""
    return np.where(sample.kept, sample.matched.set_id, -1 - np.arange(sample.rows.n))


def test_pairs_that_cross_zones_are_clustered_both_ways():
    rows = make_rows()
    sample = dataclasses.replace(make_sample(rows, matching=NEAR), strata=("region",))
    first, second = estimate_matched(sample), estimate_matched(sample, "proportional")
    contrast = gap(first)
    found = difference(first, second, contrast)
    total = contributions(first, second, contrast, rows)
    assert all(each.influence.sampled.second is not None for each in (first, second))
    here = sample.kept
    expected = two_way(total[here], rows.zone[here], sets_of(sample)[here])
    assert found.std_error == pytest.approx(expected)
    # A family's own error is by the same two ways.
    alone = difference(first, without_people(first), contrast).std_error
    assert alone == pytest.approx(first.intervals[contrast].std_error, rel=1e-6)


def test_sets_of_either_estimate_cluster_the_difference():
    """Pairs beside exact strata: zones, and the pairs where there are any."""
    rows = make_rows()
    paired = dataclasses.replace(make_sample(rows, matching=NEAR), strata=("region",))
    first, second = estimate_matched(paired), estimate_matched(make_sample(rows))
    contrast = gap(first)
    found, back = difference(first, second, contrast), difference(second, first, contrast)
    assert back.estimate == -found.estimate
    assert back.std_error == pytest.approx(found.std_error, rel=1e-12)
    total = contributions(first, second, contrast, rows)
    inside = paired.kept | make_sample(rows).kept
    expected = two_way(total[inside], rows.zone[inside], sets_of(paired)[inside])
    assert found.std_error == pytest.approx(expected)


def test_without_zones_people_are_the_units_or_the_pairs_of_both_matchings():
    """Their sets have numbers alike: set 0 of one matching is not set 0 of the other."""
    rows = make_rows(zones=False)
    sample = make_sample(rows)
    first, second = estimate_matched(sample), estimate_unadjusted(sample)
    contrast = gap(first)
    found = difference(first, second, contrast)
    total = contributions(first, second, contrast, rows)
    assert found.std_error == pytest.approx(np.sqrt(total @ total))
    assert found.df == np.inf
    samples = [
        dataclasses.replace(make_sample(rows, on=(), matching=near), strata=())
        for near in (
            Matching(method="nearest", covariates=("region",)),
            Matching(method="nearest", covariates=("region", "sex"), seed=2),
        )
    ]
    first, second = (estimate_matched(sample) for sample in samples)
    found = difference(first, second, contrast)
    total = contributions(first, second, contrast, rows)
    inside = samples[0].kept | samples[1].kept
    expected = two_way(total[inside], *(sets_of(one)[inside] for one in samples))
    assert found.std_error == pytest.approx(expected)


def test_the_complement_has_the_same_gaps_the_other_way_round():
    sample = make_sample(make_rows())
    estimate = estimate_matched(sample)
    turned = estimate.complement()
    assert turned.keys.levels == LEVELS[::-1]
    rows = {row.category: row for row in estimate.gap_rows() if row.quantity == "risk_difference"}
    for category, opposite in ((">=middle", ">=low"), (">=high", ">=middle")):
        gap, back = estimate.at(category), turned.at(opposite)
        assert back.estimate == pytest.approx(-gap.estimate, abs=1e-12)
        assert back.std_error == pytest.approx(gap.std_error)
        assert back.lower == pytest.approx(-gap.upper)
        assert rows[category].estimate == gap.estimate
    whole = estimate.at(quantity=Quantity.SUPERIORITY).estimate
    assert turned.at(quantity=Quantity.SUPERIORITY).estimate == pytest.approx(1 - whole)
    # What people move the one by is what they move the other by.
    first, second = (
        next(one for one in each.contrasts() if one.is_threshold_gap and one.level == level)
        for each, level in ((estimate, 1), (turned, 2))
    )
    nothing = estimate.difference(turned, first, second, share=-1.0)
    assert (nothing.estimate, nothing.std_error) == pytest.approx((0, 0), abs=1e-12)
    assert {row.n_member for row in estimate.gap_rows()} == {estimate.people[1].sum()}
    with pytest.raises(KeyError, match=">=nobody"):
        estimate.at(">=nobody")
    conditional = estimate_conditional(sample)
    with pytest.raises(NotEstimable, match="no complement"):
        conditional.complement()
    with pytest.raises(NotEstimable, match="no contributions"):
        difference(estimate, conditional, first)
