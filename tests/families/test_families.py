"""Families on small samples, against sums done by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
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

from .conftest import make_sample, rows_of

GAP = np.array([0.0, 1.0, 0.0, -1.0])
LABELS = Keys(model="m", outcome="y", levels=("no", "yes"), source="test.csv")
SEXES, REGIONS = ("male", "female"), ("North", "South")


def make_rows(seed=0, n=900, n_zones=30, levels=("no", "yes"), zones=True):
    """People whose membership, sex and region are associated, outcomes with a latent gap."""
    rng = np.random.default_rng(seed)
    zone = rng.integers(0, n_zones, n)
    region = (zone >= n_zones * 2 // 3).astype(np.int64)
    sex = rng.integers(0, 2, n)
    member = rng.random(n) < 0.35 + 0.2 * sex + 0.1 * region
    latent = rng.logistic(size=n) + 0.6 * member + 0.5 * sex - 0.4 * region
    cuts = np.linspace(-0.8, 1.6, len(levels) - 1)
    outcome = np.searchsorted(cuts, latent)
    zone = zone if zones else None
    return rows_of(outcome, member, levels=levels, zone=zone, sex=sex, region=region)


def by_family(sample):
    return {(e.family, e.population): e for e in family_estimates(sample)}


def stratified_gap(rows, threshold=1):
    """Member-weighted mean over strata of the difference in shares, by hand."""
    above = rows.outcome >= threshold
    total = 0.0
    for sex in (0, 1):
        for region in (0, 1):
            here = (rows.factors["sex"] == sex) & (rows.factors["region"] == region)
            gap = above[here & rows.member].mean() - above[here & ~rows.member].mean()
            total += gap * (here & rows.member).sum()
    return total / rows.member.sum()


def test_unadjusted_is_the_difference_of_raw_shares():
    rows = make_rows()
    estimate = by_family(make_sample(rows))[Family.UNADJUSTED, Population.ALL_MEMBERS]
    raw = rows.outcome[rows.member].mean() - rows.outcome[~rows.member].mean()
    assert estimate.at().estimate == pytest.approx(raw)
    assert estimate.ess_comparison == pytest.approx((~rows.member).sum())


def test_linear_is_the_member_weighted_mean_of_stratum_gaps():
    rows = make_rows(levels=("low", "mid", "high"))
    estimate = by_family(make_sample(rows))[Family.LINEAR, Population.MEMBERS]
    for threshold, category in ((1, ">=mid"), (2, ">=high")):
        found = estimate.at(category).estimate
        assert found == pytest.approx(stratified_gap(rows, threshold), abs=1e-10)


def test_matched_logit_on_saturated_strata_is_close_to_the_stratified_gap():
    # Main terms of two binary covariates against four saturated strata with exact weights: the
    # margins agree up to the interaction, which the simulation does not have.
    rows = make_rows(n=4000)
    estimate = headline_estimate(make_sample(rows))
    found = estimate.at().estimate
    assert found == pytest.approx(stratified_gap(rows), abs=0.004)


def test_adjusted_logit_equals_statsmodels_glm_with_clusters():
    import statsmodels.api as sm

    rows = make_rows(n_zones=60)
    first, estimate = estimate_adjusted(
        make_sample(rows), (Population.MEMBERS, Population.ALL_MEMBERS)
    )
    x = sm.add_constant(
        np.column_stack([rows.member, rows.factors["sex"], rows.factors["region"]]).astype(float)
    )
    fit = sm.GLM(rows.outcome, x, family=sm.families.Binomial()).fit(
        tol=1e-12, cov_type="cluster", cov_kwds={"groups": rows.zone, "use_correction": False}
    )
    by_hand = x.copy()
    margins = []
    for member in (1.0, 0.0):
        by_hand[:, 1] = member
        margins.append(fit.predict(by_hand)[rows.member].mean())
    found = estimate.at().estimate
    assert found == pytest.approx(margins[0] - margins[1], abs=1e-9)
    member = next(c for c in first.coefficients if c.term == "member")
    assert member.interval.estimate == pytest.approx(fit.params[1], abs=1e-8)
    assert member.interval.std_error == pytest.approx(fit.bse[1] * (60 / 59) ** 0.5, abs=1e-6)


def test_conditional_logit_agrees_with_mantel_haenszel_in_size():
    rows = make_rows(n=4000)
    estimate = estimate_conditional(make_sample(rows))
    numerator = denominator = 0.0
    for sex in (0, 1):
        for region in (0, 1):
            here = (rows.factors["sex"] == sex) & (rows.factors["region"] == region)
            y, m = rows.outcome[here] == 1, rows.member[here]
            numerator += (y & m).sum() * (~y & ~m).sum() / here.sum()
            denominator += (y & ~m).sum() * (~y & m).sum() / here.sum()
    found = estimate.at(quantity=Quantity.ODDS_RATIO).estimate
    # Both are consistent for the same common odds ratio; with 4,000 people they differ little.
    assert found == pytest.approx(numerator / denominator, rel=0.01)
    assert estimate.n_sets == 4


def test_few_clusters_refuse_a_whole_fit_and_flag_a_domain():
    sample = make_sample(make_rows(n_zones=4))
    for estimate in family_estimates(sample):
        assert estimate.status is Status.NOT_ESTIMABLE
        assert "4 zones" in estimate.reason
    domain = sample.within(sample.rows.factors["region"] == 0)
    labels = Keys(model="m", outcome="y", levels=sample.rows.levels, source="test.csv")
    for estimate in domain_estimates(domain):
        rows = list(estimate.named(labels).gap_rows())
        assert {row.status for row in rows} == {Status.FEW_CLUSTERS}
        assert all(row.estimate is not None for row in rows)


def test_without_zones_people_are_the_units():
    sample = make_sample(make_rows(zones=False))
    estimates = by_family(sample)
    matched = estimates[Family.MATCHED_LOGIT, Population.MEMBERS]
    assert matched.n_clusters is None
    assert {c.std_error_kind for c in matched.coefficients} == {"HC0"}


def test_rescaled_sampling_weights_change_no_number():
    rows = make_rows(levels=("low", "mid", "high"))
    weight = np.random.default_rng(5).uniform(0.5, 2.0, rows.n)
    first = by_family(make_sample(dataclasses.replace(rows, weight=weight)))
    second = by_family(make_sample(dataclasses.replace(rows, weight=100 * weight)))
    for key, estimate in first.items():
        for contrast, found in estimate.intervals.items():
            other = second[key].intervals[contrast]
            assert other.estimate == pytest.approx(found.estimate, rel=1e-8)
            assert other.std_error == pytest.approx(found.std_error, rel=1e-8)


def test_a_domains_matched_gap_is_its_stratified_gap():
    rows = make_rows()
    sample = make_sample(rows)
    domain = sample.within(rows.factors["region"] == 1)
    matched = next(e for e in domain_estimates(domain) if e.family is Family.MATCHED_LOGIT)
    total = 0.0
    for sex in (0, 1):
        here = (rows.factors["sex"] == sex) & (rows.factors["region"] == 1)
        gap = rows.outcome[here & rows.member].mean() - rows.outcome[here & ~rows.member].mean()
        total += gap * (here & rows.member).sum()
    expected = total / (rows.member & (rows.factors["region"] == 1)).sum()
    assert matched.at().estimate == pytest.approx(expected)


def test_a_domain_with_one_group_is_not_estimable():
    sample = make_sample(make_rows())
    only_members = sample.within(sample.rows.member)
    for estimate in domain_estimates(only_members):
        assert estimate.status is Status.NOT_ESTIMABLE
        assert "0 comparison people" in estimate.reason


def test_nobody_left_by_the_matching_names_the_counts():
    rows = make_rows()
    apart = dataclasses.replace(rows, factors={**rows.factors, "sex": rows.member.astype(np.int64)})
    with pytest.raises(NotEstimable, match=r"\d"):
        match(apart, Matching(on=("sex",)))


def paired(sets, zone, method="optimal"):
    """Alternating members and comparison people with given sets."""
    n = len(sets)
    rows = make_rows(n=n)
    rows = dataclasses.replace(rows, member=np.arange(n) % 2 == 0, zone=zone)
    matched = MatchedSample(
        method=method, weight=np.ones(n), set_id=np.asarray(sets), n_sets=len(set(sets))
    )
    return Sample(rows=rows, matched=matched, covariates=("sex", "region"), link="logit", strata=())


CROSS, NEST = np.array([0, 1, 0, 0, 1, 1, 2, 2]), np.array([0, 0, 0, 0, 1, 1, 2, 2])
PAIRS = np.arange(8) // 2


@pytest.mark.parametrize(
    ("zone", "ways"), [(CROSS, (CROSS, PAIRS)), (NEST, (NEST, None)), (None, (PAIRS, None))]
)
def test_pairs_are_a_way_of_clustering_unless_they_lie_within_zones(zone, ways):
    for way, expected in zip(paired(PAIRS, zone).clusters, ways, strict=True):
        assert way is expected is None or way.tolist() == expected.tolist()


def test_strata_of_exact_matching_are_no_clusters():
    sets, zone = np.arange(8) // 2, np.array([0, 1, 0, 0, 1, 1, 2, 2])
    assert paired(sets, zone, "exact").clusters[1] is None
    assert paired(sets, zone, "cardinality").clusters[1] is None
    # Nor where no zone is declared: people then, as a cell with one comparison person has no
    # residual of its own and a sandwich by cells would cover too seldom.
    assert paired(sets, None, "exact").clusters == (None, None)


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


@pytest.mark.parametrize("levels", [("no", "yes"), ("low", "middle", "high")])
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


def test_doubly_robust_says_why_not():
    rows = make_rows()
    alone = dataclasses.replace(
        rows, factors={**rows.factors, "sex": np.where(rows.member, rows.factors["sex"], 0)}
    )
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
    (wald,) = (
        i
        for c, i in matched.intervals.items()
        if c.quantity is Quantity.RISK_DIFFERENCE and not c.of_member
    )
    assert (row.value < 0.01) == gap
    # Two tests of the same null: near each other where neither is at its end.
    assert gap or row.value == pytest.approx(wald.p_value, abs=0.1)


def test_the_wild_score_row_needs_zones():
    sample = make_sample(make_rows(zones=False))
    matched = headline_estimate(sample)
    row = wild_score_row(sample, matched, LABELS, seed=1)
    assert row.value is None
    assert row.note == "the study declares no zone"


@pytest.mark.parametrize("n_zones", [20, CR2_CLUSTERS + 50])
def test_gaps_of_few_zones_have_cr2_and_their_own_degrees_of_freedom(n_zones):
    sample = make_sample(make_rows(n=2000, n_zones=n_zones))
    matched = headline_estimate(sample)
    found = matched.at()
    result = fit_cells(sample, sample.weight, matched=True)
    on = result.on
    expected = [
        standardise(
            result.fit,
            on.x,
            0,
            on.member.astype(float),
            on.cells.counts,
            on.cells.squares,
            on.cluster,
            kind=kind,
        )
        for kind in ("CR1", "CR2")
    ]
    errors = [np.sqrt(GAP @ margins.cov @ GAP) for margins in expected]
    few = n_zones < CR2_CLUSTERS
    assert found.std_error == pytest.approx(errors[few])
    df = expected[1].df_of(GAP) if few else n_zones - 1
    assert df < n_zones - 1 or not few
    half = stats.t.ppf(0.975, df) * found.std_error
    assert found.upper - found.estimate == pytest.approx(half)
