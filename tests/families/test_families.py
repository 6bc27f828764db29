"""Families on small samples, against sums done by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys
from coopgap.core.gap import contrasts
from coopgap.core.vocabulary import Family, Population, Quantity, Status
from coopgap.families.cells import fit_cells
from coopgap.families.cumulative import estimate_adjusted, estimate_doubly_robust
from coopgap.families.dispatch import domain_estimates, family_estimates, headline_estimate
from coopgap.families.proportional import wild_score_row
from coopgap.families.sample import CR2_CLUSTERS, Sample
from coopgap.families.sets import estimate_conditional
from coopgap.matching.dispatch import match
from coopgap.matching.sample import MatchedSample
from coopgap.regression.standardise import standardise
from coopgap.study.spec import Matching

from .conftest import LEVELS, even, make_sample, stratified_gap, uneven

GAP = np.array([0.0, 1.0, 0.0, -1.0])
TWO = ("no", "yes")
LABELS = Keys(model="m", outcome="y", levels=TWO, source="test.csv")


def make_rows(n=900, zones=30, levels=TWO):
    """People whose zones lie in one region each, as membership and answers do not."""
    rows = even(n=n, zones=zones or 30, levels=levels)
    region = (rows.zone >= (zones or 30) * 2 // 3).astype(np.int64)
    factors = rows.factors | {"region": region}
    return dataclasses.replace(rows, zone=rows.zone if zones else None, factors=factors)


def by_family(sample):
    return {(e.family, e.population): e for e in family_estimates(sample)}


def apart(rows):
    """Every member a woman and nobody else."""
    return dataclasses.replace(rows, factors={**rows.factors, "sex": rows.member.astype(np.int64)})


def test_unadjusted_and_linear_gaps_are_differences_of_means():
    rows = make_rows(levels=("low", "mid", "high"))
    found = by_family(make_sample(rows))
    raw, linear = found["unadjusted", "all_members"], found["linear", "members"]
    for level, category in ((1, ">=mid"), (2, ">=high")):
        above = rows.outcome >= level
        by_hand = above[rows.member].mean() - above[~rows.member].mean()
        assert raw.at(category).estimate == pytest.approx(by_hand)
        expected = stratified_gap(rows, level)
        assert linear.at(category).estimate == pytest.approx(expected, abs=1e-10)
    assert raw.ess_comparison == pytest.approx((~rows.member).sum())


def test_regressions_are_near_what_strata_give():
    # Main terms of two binary covariates against four saturated strata with exact weights: the
    # margins agree up to the interaction, which the simulation does not have.
    rows = make_rows(n=4000)
    sample = make_sample(rows)
    assert headline_estimate(sample).at().estimate == pytest.approx(stratified_gap(rows), abs=0.004)
    estimate = estimate_conditional(sample)
    numerator = denominator = 0.0
    for sex in (0, 1):
        for region in (0, 1):
            here = (rows.factors["sex"] == sex) & (rows.factors["region"] == region)
            y, m = rows.outcome[here] == 1, rows.member[here]
            numerator += (y & m).sum() * (~y & ~m).sum() / here.sum()
            denominator += (y & ~m).sum() * (~y & m).sum() / here.sum()
    found = estimate.at(quantity=Quantity.ODDS_RATIO).estimate
    # Mantel-Haenszel: both are consistent for the same common odds ratio.
    assert found == pytest.approx(numerator / denominator, rel=0.01)
    assert estimate.n_sets == 4


def test_adjusted_logit_equals_statsmodels_glm_with_clusters():
    rows = make_rows(zones=60)
    populations = (Population.MEMBERS, Population.ALL_MEMBERS)
    first, estimate = estimate_adjusted(make_sample(rows), populations)
    x = np.column_stack([rows.member, rows.factors["sex"], rows.factors["region"]])
    x = sm.add_constant(x.astype(float))
    clusters = {"groups": rows.zone, "use_correction": False}
    fit = sm.GLM(rows.outcome, x, family=sm.families.Binomial()).fit(
        tol=1e-12, cov_type="cluster", cov_kwds=clusters
    )
    margins = []
    for member in (1.0, 0.0):
        as_one = x.copy()
        as_one[:, 1] = member
        margins.append(fit.predict(as_one)[rows.member].mean())
    assert estimate.at().estimate == pytest.approx(margins[0] - margins[1], abs=1e-9)
    member = next(c for c in first.coefficients if c.term == "member")
    assert member.interval.estimate == pytest.approx(fit.params[1], abs=1e-8)
    assert member.interval.std_error == pytest.approx(fit.bse[1] * (60 / 59) ** 0.5, abs=1e-6)


def test_few_clusters_refuse_a_whole_fit_and_flag_a_domain_and_without_zones_people_are_units():
    sample = make_sample(make_rows(zones=4))
    for estimate in family_estimates(sample):
        assert estimate.status is Status.NOT_ESTIMABLE
        assert "4 zones" in estimate.reason
    for estimate in domain_estimates(sample.within(sample.rows.factors["region"] == 0)):
        rows = list(estimate.named(LABELS).gap_rows())
        assert {row.status for row in rows} == {Status.FEW_CLUSTERS}
        assert all(row.estimate is not None for row in rows)
    matched = headline_estimate(make_sample(make_rows(zones=0)))
    assert matched.n_clusters is None
    assert {c.std_error_kind for c in matched.coefficients} == {"HC0"}


def test_rescaled_sampling_weights_change_no_number():
    rows = make_rows(levels=("low", "mid", "high"))
    weight = np.random.default_rng(5).uniform(0.5, 2.0, rows.n)
    first, second = (
        by_family(make_sample(dataclasses.replace(rows, weight=scale * weight)))
        for scale in (1, 100)
    )
    for key, estimate in first.items():
        for contrast, found in estimate.intervals.items():
            other = second[key].intervals[contrast]
            same = pytest.approx((found.estimate, found.std_error), rel=1e-8)
            assert (other.estimate, other.std_error) == same


def test_a_domains_matched_gap_is_its_stratified_gap_and_of_one_group_there_is_none():
    rows = make_rows()
    sample = make_sample(rows)
    inside = rows.factors["region"] == 1
    domain = sample.within(inside)
    matched = next(e for e in domain_estimates(domain) if e.family is Family.MATCHED_LOGIT)
    expected = stratified_gap(rows, inside=rows.member & inside)
    assert matched.at().estimate == pytest.approx(expected)
    for estimate in domain_estimates(sample.within(rows.member)):
        assert estimate.status is Status.NOT_ESTIMABLE
        assert "0 comparison people" in estimate.reason
    with pytest.raises(NotEstimable, match=r"\d"):
        match(apart(rows), Matching(on=("sex",)))


def paired(sets, zone, method="optimal"):
    """Alternating members and comparison people with given sets."""
    n = len(sets)
    rows = dataclasses.replace(make_rows(n=n), member=np.arange(n) % 2 == 0, zone=zone)
    matched = MatchedSample(
        method=method, weight=np.ones(n), set_id=np.asarray(sets), n_sets=len(set(sets))
    )
    return Sample(rows=rows, matched=matched, covariates=("sex", "region"), link="logit", strata=())


CROSS, NEST = np.array([0, 1, 0, 0, 1, 1, 2, 2]), np.array([0, 0, 0, 0, 1, 1, 2, 2])
PAIRS = np.arange(8) // 2


@pytest.mark.parametrize(
    ("zone", "method", "ways"),
    [
        (CROSS, "optimal", (CROSS, PAIRS)),
        (NEST, "optimal", (NEST, None)),
        (None, "optimal", (PAIRS, None)),
        # Strata are no clusters. Nor where no zone is declared: people then, as a cell with one
        # comparison person has no residual of its own and a sandwich by cells would cover too
        # seldom.
        (CROSS, "exact", (CROSS, None)),
        (CROSS, "cardinality", (CROSS, None)),
        (None, "exact", (None, None)),
    ],
)
def test_pairs_are_a_way_of_clustering_unless_they_lie_within_zones(zone, method, ways):
    sampled = paired(PAIRS, zone, method).sampled(matched=True)
    for way, expected in zip((sampled.cluster, sampled.second), ways, strict=True):
        assert way is expected is None or way.tolist() == expected.tolist()


@pytest.mark.parametrize("family", [Family.MATCHED_LOGIT, Family.LINEAR])
def test_two_ways_of_clustering_add_up(family):
    """Variance by zone and by pair less that by both at once, each from a fit of its own."""
    n, rng = 600, np.random.default_rng(5)
    sets, zone = np.arange(n) // 2, rng.integers(0, CR2_CLUSTERS + 10, n)

    def variance(zone, method):
        found = by_family(paired(sets, zone, method))[(family, Population.MEMBERS)]
        return found.at().std_error ** 2

    both = np.unique(np.column_stack([sets, zone]), axis=0, return_inverse=True)[1].ravel()
    # A method that chooses no pairs clusters on the one way it is given.
    by_zone, by_set, by_both = (variance(way, "cardinality") for way in (zone, sets, both))
    two_way = variance(zone, "optimal")
    assert two_way == pytest.approx(by_zone + by_set - by_both)
    assert two_way != pytest.approx(by_zone, rel=1e-6)


@pytest.mark.parametrize("levels", [TWO, ("low", "middle", "high")])
def test_doubly_robust_is_near_g_computation_where_both_models_hold(levels):
    sample = make_sample(make_rows(n=4000, levels=levels))
    found = estimate_doubly_robust(sample)
    (adjusted,) = estimate_adjusted(sample, (Population.ALL_MEMBERS,))
    assert found.family is Family.DOUBLY_ROBUST
    assert found.population is Population.ALL_MEMBERS
    for contrast in contrasts(levels):
        one, other = found.intervals[contrast], adjusted.intervals[contrast]
        if contrast.quantity is Quantity.RISK_DIFFERENCE and contrast.by_threshold:
            assert abs(one.estimate - other.estimate) < 0.5 * other.std_error
            assert 0.9 < one.std_error / other.std_error < 1.5
    # It says why not.
    rows = make_rows()
    sex = np.where(rows.member, rows.factors["sex"], 0)
    alone = dataclasses.replace(rows, factors={**rows.factors, "sex": sex})
    with pytest.raises(NotEstimable, match=r"propensity score.*sex=female"):
        estimate_doubly_robust(make_sample(alone))


@pytest.mark.parametrize("gap", [False, True])
def test_the_wild_score_row_sees_a_gap_where_there_is_one(gap):
    rows = make_rows(n=1500)
    if not gap:
        shuffled = np.random.default_rng(8).permutation(rows.n)
        rows = dataclasses.replace(rows, outcome=rows.outcome[shuffled])
    sample = make_sample(rows)
    matched = headline_estimate(sample)
    row = wild_score_row(sample, matched, LABELS, seed=1)
    assert (row.diagnostic, row.family) == ("wild_score_p", "matched_logit")
    assert "30 zones with 9,999 random" in row.note
    assert (row.value < 0.01) == gap
    # Two tests of the same null: near each other where neither is at its end.
    assert gap or row.value == pytest.approx(matched.at().p_value, abs=0.1)
    without = make_sample(make_rows(zones=0))
    row = wild_score_row(without, headline_estimate(without), LABELS, seed=1)
    assert (row.value, row.note) == (None, "the study declares no zone")


def test_the_wild_score_row_of_ordered_answers_tests_the_declared_threshold():
    rows = uneven(zones=20)
    found = {}
    for form in ("free", "shares", "proportional"):
        sample = make_sample(rows, form=form)
        for at in ("", ">=middle", ">=high"):
            keys = dataclasses.replace(LABELS, levels=LEVELS, at=at)
            found[form, at] = wild_score_row(sample, headline_estimate(sample), keys, seed=1)
    for at, level in ((">=middle", 1), (">=high", 2)):
        above = (rows.outcome >= level).astype(np.int64)
        two = make_sample(dataclasses.replace(rows, outcome=above, levels=TWO))
        asked = wild_score_row(two, headline_estimate(two), LABELS, seed=1)
        for form in ("free", "shares"):
            assert (found[form, at].value, found[form, at].category) == (asked.value, at)
            assert found[form, at].note == asked.note
    # Members differ at the first cut alone.
    assert found["free", ">=middle"].value < 0.001 < 0.05 < found["free", ">=high"].value
    # One odds ratio for all thresholds, or none of them declared.
    common = {key: row for key, row in found.items() if "proportional" in key or "" in key}
    assert len({row.value for row in common.values()}) == 1
    assert all("one odds ratio over all thresholds" in row.note for row in common.values())
    assert not any(row.category for row in common.values())


@pytest.mark.parametrize("zones", [20, CR2_CLUSTERS + 50])
def test_gaps_of_few_zones_have_cr2_and_their_own_degrees_of_freedom(zones):
    sample = make_sample(make_rows(n=2000, zones=zones))
    found = headline_estimate(sample).at()
    result = fit_cells(sample, sample.weight, matched=True)
    on = result.on
    data = (on.member.astype(float), on.cells.counts, on.cells.squares, on.sampled.cluster)
    few = zones < CR2_CLUSTERS
    margins = standardise(result.fit, on.x, 0, *data, kind="CR2" if few else "CR1")
    assert found.std_error == pytest.approx(np.sqrt(GAP @ margins.cov @ GAP))
    df = margins.df_for(GAP)
    assert df < zones - 1 if few else df == zones - 1
    half = stats.t.ppf(0.975, df) * found.std_error
    assert found.upper - found.estimate == pytest.approx(half)
