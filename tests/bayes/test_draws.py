"""From draws to margins, coefficients and rows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from coopgap.bayes.cells import hierarchical_cells
from coopgap.bayes.draws import (
    draw_margins,
    headline_gap,
    region_gaps,
    reported_parameters,
    standardised,
    superpopulation_gap,
    thresholds_at,
)
from coopgap.bayes.fit import Request, summarise
from coopgap.bayes.gate import GateItem, SamplerStats
from coopgap.bayes.layout import Form
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys
from coopgap.core.gap import LOG_SCALE
from coopgap.core.vocabulary import Quantity, Scale, Status
from coopgap.families.behind import Behind
from coopgap.families.hierarchical import coefficient_rows, gap_rows, gate_rows, posterior_interval
from coopgap.families.sample import Sample
from coopgap.matching.sample import MatchedSample
from coopgap.regression.cumulative import CumulativeFit
from coopgap.regression.standardise import standardise

from .conftest import LEVELS, make_cells, make_draws, make_rows, shares_by_hand

LABELS = Keys(model="m", outcome="y", levels=LEVELS, source="EXAMPLE DATA")


def one(draws, k):
    return {name: values[k // 50, k % 50] for name, values in draws.items()}


def test_margins_of_draws_are_weighted_means_over_members():
    rows, cells = make_rows(), make_cells()
    draws = make_draws(cells)
    member, comparison = draw_margins(draws, cells, "logit")
    for side, found in ((1, member), (0, comparison)):
        shares = shares_by_hand(draws, rows, member=side)[rows.member]
        assert found[0, 0, 7] == pytest.approx(shares.mean(axis=0))
        inside = rows.factors["region"][rows.member] == 1
        assert found[2, 0, 7] == pytest.approx(shares[inside].mean(axis=0))
    assert member.shape == (4, 4, 50, 4)
    assert member.sum(axis=-1) == pytest.approx(np.ones((4, 4, 50)))


@pytest.mark.parametrize(("link", "cdf"), [("logit", expit), ("probit", norm.cdf)])
@pytest.mark.parametrize("spread", [0.0, 0.2, 0.6, 1.0])
def test_zones_are_averaged_over(link, cdf, spread):
    found = standardised(
        np.array([[[0.4]]]),
        np.array([[[-0.5, 1.2]]]),
        np.array([[spread]]),
        np.array([0]),
        np.array([1.0]),
        1,
        link,
    )[0, 0, 0]
    below = [
        quad(lambda u, cut=cut: cdf(cut - 0.4 - spread * u) * norm.pdf(u), -9, 9)[0]
        for cut in (-0.5, 1.2)
    ]
    # Nine nodes; the docstring promises 2e-6 up to an SD of one.
    assert np.cumsum(found)[:2] == pytest.approx(below, abs=2e-6)


@pytest.mark.parametrize("far", [1.0, 40.0, 250.0, 900.0])
def test_zones_on_the_log_odds_are_averaged_node_by_node(far):
    rng = np.random.default_rng(3)
    eta, spread = rng.uniform(-far, far, (1, 6, 5)), np.linspace(0, far / 10, 6)[None]
    region, share = np.array([0, 1, 1, 0, 1]), rng.dirichlet(np.ones(5))
    found = standardised(eta, np.zeros((1, 6, 1)), spread, region, share, 2, "logit")
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    by_node = expit(-eta[0][..., None] - spread[0][:, None, None] * nodes)
    below = by_node @ weights / weights.sum()
    assert found[0, 0, :, 0] == pytest.approx(below @ share, rel=1e-13, abs=1e-15)


def test_one_draw_without_zones_is_g_computation():
    """The same numbers through the regressions' standardisation."""
    cells = make_cells()
    form = Form(shifts=False, region_gaps=False, zones=False)
    draws = make_draws(cells, form)
    here = one(draws, 3)
    x = np.column_stack(
        [
            cells.member - 0.5,
            *(cells.cell_region == r for r in range(3)),
            *(cells.covariates[cells.row, 0] == s for s in range(2)),
        ]
    ).astype(float)
    slopes = np.concatenate([[here["beta"]], here["region"], here["covariate_sex"]])
    cuts = thresholds_at(draws, 4, 0.0)[0, 3]
    # standardise() sets the member column to 1 and 0; the code here is +1/2 and -1/2.
    x[:, 0] += 0.5
    fit = CumulativeFit(
        link="logit",
        slopes=slopes,
        thresholds=cuts + here["beta"] / 2,
        cov=np.eye(slopes.size + 3),
        present=np.ones(4, dtype=bool),
        log_likelihood=0.0,
        n_obs=300,
        iterations=0,
        max_gradient=0.0,
        correct_decimals=0,
    )
    counts = cells.counts.astype(float)
    target = cells.member.astype(float)
    margins = standardise(fit, x, 0, target, counts, counts, None, fixed=True)
    member, comparison = draw_margins(draws, cells, "logit")
    assert member[0, 0, 3] == pytest.approx(margins.member, abs=1e-12)
    assert comparison[0, 0, 3] == pytest.approx(margins.comparison, abs=1e-12)


def test_beta_is_the_mean_log_odds_ratio_over_the_cuts():
    cells = make_cells()
    draws = make_draws(cells)
    members, others = (thresholds_at(draws, 4, m) for m in (0.5, -0.5))
    assert (members - others).mean(axis=-1) == pytest.approx(np.zeros((4, 50)), abs=1e-12)
    found = reported_parameters(draws, cells)
    by_cut = np.mean([found[f"member:>={level}"] for level in LEVELS[1:]], axis=0)
    assert by_cut == pytest.approx(found["member"])


def test_the_headline_is_the_members_weighted_mean_of_the_regions():
    cells = make_cells()
    draws = make_draws(cells)
    gaps = region_gaps(draws, cells)
    members = np.array([cells.people(r)[1] for r in range(3)])
    assert headline_gap(draws, cells)[2, 3] == pytest.approx(
        np.average(gaps[2, 3], weights=members)
    )
    expected = np.sqrt(np.cov(gaps[2, 3], aweights=members, ddof=0))
    assert reported_parameters(draws, cells)["sd_finite"][2, 3] == pytest.approx(float(expected))


def test_what_the_model_has_no_rule_for_is_refused():
    rows = dataclasses.replace(make_rows(), weight=np.linspace(1, 2, 300))
    with pytest.raises(NotEstimable, match="weights"):
        hierarchical_cells(rows, ("sex",), "region", zones=False)
    even = dataclasses.replace(make_rows(), weight=np.full(300, 2.0))
    assert hierarchical_cells(even, ("sex",), "region", zones=False).counts.sum() == 300
    with pytest.raises(NotEstimable, match="no zone"):
        hierarchical_cells(make_rows(), ("sex",), "region", zones=True)
    with pytest.raises(NotEstimable, match="one region"):
        hierarchical_cells(make_rows(n_regions=1), ("sex",), "region", zones=False)


def make_fit(cells, *, passed=True, seed=1):
    draws = make_draws(cells, seed=seed, shape=(4, 200))
    stats = SamplerStats(energy=np.zeros((4, 200)), divergences=0, deepest=0)
    fit = summarise(draws, stats, Request(cells=cells), seconds=2.0, retried=False)
    gate = (GateItem(name="chains", value=4.0, bar=4.0, passed=passed),)
    return dataclasses.replace(fit, gate=gate)


def test_rows_are_posterior_means_with_equal_tailed_intervals():
    cells = make_cells(n_zones=9)
    fit = make_fit(cells)
    rows = list(gap_rows(fit, cells, LABELS, 0.05))
    gap = (fit.member[2, ..., 2:].sum(-1) - fit.comparison[2, ..., 2:].sum(-1)).ravel()
    by_key = {(r.group, r.quantity, r.category): r for r in rows}
    found = by_key["region=B", Quantity.RISK_DIFFERENCE, ">=high"]
    assert found.estimate == pytest.approx(gap.mean())
    assert (found.lower, found.upper) == pytest.approx(tuple(np.quantile(gap, [0.025, 0.975])))
    above = by_key["region=B", Quantity.PROB_ABOVE_SMALLEST, ">=high"]
    assert above.estimate == pytest.approx((gap > 0.05).mean())
    assert above.lower is None
    ranks = [r for r in rows if r.quantity is Quantity.EXPECTED_RANK]
    assert sum(r.estimate for r in ranks) == pytest.approx(1 + 2 + 3)
    assert all(r.std_error > 0 and 1 <= r.lower <= r.upper <= 3 for r in ranks)


def test_regions_are_compared_draw_by_draw():
    cells = make_cells(n_zones=9)
    fit = make_fit(cells)
    labels = dataclasses.replace(LABELS, at=">=high")
    rows = [r for r in gap_rows(fit, cells, labels, 0.05) if r.quantity is Quantity.GAP_DIFFERENCE]
    assert [(r.group, r.comparator) for r in rows] == [
        ("region=B", "region=A"),
        ("region=C", "region=A"),
        ("region=C", "region=B"),
    ]
    gap = (fit.member[1:, ..., 2:].sum(-1) - fit.comparison[1:, ..., 2:].sum(-1)).reshape(3, -1)
    for row, (high, low) in zip(rows, ((1, 0), (2, 0), (2, 1)), strict=True):
        draws = gap[high] - gap[low]
        assert row.category == ">=high"
        assert row.estimate == pytest.approx(draws.mean())
        assert row.std_error == pytest.approx(draws.std(ddof=1))
        assert (row.lower, row.upper) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])))
        assert row.interval_kind == "credible"
    people = [cells.people_by_level(r).sum(axis=1) for r in range(3)]
    assert [r.n_member for r in rows] == [
        min(people[a][1], people[b][1]) for a, b in ((1, 0), (2, 0), (2, 1))
    ]
    # Without a declared threshold the whole distribution is put first.
    whole = [r for r in gap_rows(fit, cells, LABELS, 0.05) if r.quantity is Quantity.GAP_DIFFERENCE]
    assert {r.category for r in whole} == {""}
    assert whole[0].estimate != pytest.approx(rows[0].estimate, rel=1e-3)


def test_ratios_are_medians_so_that_swapped_groups_give_the_inverse():
    cells = make_cells(n_zones=9)
    fit = make_fit(cells)
    swapped = dataclasses.replace(fit, member=fit.comparison, comparison=fit.member)
    both = [list(gap_rows(one, cells, LABELS, 0.05)) for one in (fit, swapped)]
    ratios = [pair for pair in zip(*both, strict=True) if pair[0].quantity in LOG_SCALE]
    assert {row.quantity for row, _ in ratios} == {
        Quantity.RISK_RATIO,
        Quantity.CUMULATIVE_ODDS_RATIO,
    }
    for row, other in ratios:
        assert row.lower < row.estimate < row.upper
        # An even number of draws: the median is the mean of two, which no inverse keeps exactly.
        assert row.estimate * other.estimate == pytest.approx(1, rel=1e-3)
        assert row.std_error == pytest.approx(other.std_error)


def test_the_ratio_of_lognormal_draws_is_the_exponential_of_their_middle():
    # Mean exp(mu + sd²/2), median exp(mu).
    draws = np.exp(np.random.default_rng(4).normal(0.7, 1.0, (4, 20_000)))
    found = posterior_interval(draws, Quantity.ODDS_RATIO)
    assert found.estimate == pytest.approx(np.exp(0.7), rel=0.02)
    assert found.std_error == pytest.approx(1.0, rel=0.02)
    middle = np.sqrt(found.lower * found.upper)
    assert found.estimate == pytest.approx(middle, rel=0.03)
    assert posterior_interval(draws).estimate == pytest.approx(np.exp(1.2), rel=0.05)


def test_coefficients_say_their_scale_and_zones():
    cells = make_cells(n_zones=9)
    rows = {r.term: r for r in coefficient_rows(make_fit(cells), cells, Form(), LABELS)}
    assert rows["member"].scale is Scale.LOG_ODDS
    assert rows["low|mid"].scale is Scale.THRESHOLD
    assert rows["sd_zone_gap"].scale is Scale.SD
    assert rows["member"].n_clusters == cells.n_zones
    probit = coefficient_rows(make_fit(cells), cells, Form(link="probit"), LABELS)
    assert next(iter(probit)).scale is Scale.PROBIT


def test_what_the_gate_withholds_stays_blank():
    cells = make_cells()
    fit = make_fit(cells, passed=False)
    rows = list(gap_rows(fit, cells, LABELS, 0.05))
    assert len(rows) == len(list(gap_rows(make_fit(cells), cells, LABELS, 0.05)))
    assert {r.status for r in rows} == {Status.WITHHELD}
    assert all(r.estimate is None and r.lower is None and r.std_error is None for r in rows)
    assert list(coefficient_rows(fit, cells, Form(), LABELS)) == []
    gated = list(gate_rows(fit, cells, LABELS))
    assert [r.family for r in gated if r.diagnostic == "withheld"] == ["hierarchical"]
    looked_at = [r.about for r in gated if r.diagnostic == "gate"]
    assert looked_at == [item.name for item in fit.gate]
    assert not dataclasses.replace(fit, gate=()).passed


def by_sex_alone(**changes):
    rows = dataclasses.replace(make_rows(), **changes)
    return hierarchical_cells(rows, ("sex",), "region", zones=False)


def test_a_region_without_members_has_no_gap_and_does_no_harm():
    rows = make_rows()
    region, member = rows.factors["region"].copy(), rows.member.copy()
    region[region == 2] = 0
    region[:8], member[:8] = 2, False
    cells = by_sex_alone(member=member, factors={**rows.factors, "region": region})
    energy = np.random.default_rng(0).normal(size=(4, 200))
    stats = SamplerStats(energy=energy, divergences=0, deepest=0)
    draws = make_draws(cells, shape=(4, 200))
    fit = summarise(draws, stats, Request(cells=cells), seconds=1.0, retried=False)
    assert next(item for item in fit.gate if item.name == "finite_draws").passed
    found = list(gap_rows(make_fit(cells), cells, LABELS, 0.05))
    assert {r.status for r in found if r.group == "region=C"} == {Status.NOT_ESTIMABLE}
    said = [r for r in gate_rows(fit, cells, LABELS) if r.diagnostic == "not_estimable"]
    assert [(r.family, r.group, r.population) for r in said] == [
        ("hierarchical", "region=C", "all_members")
    ]
    assert {r.status for r in found if r.group == "all"} == {Status.OK}
    # Of few people it is marked and has its coefficient.
    region = np.where(np.arange(300) < 8, 2, np.minimum(rows.factors["region"], 1))
    cells = by_sex_alone(factors={**rows.factors, "region": region})
    terms = {r.term for r in coefficient_rows(make_fit(cells), cells, Form(), LABELS)}
    assert {"member:region=A", "member:region=C"} <= terms
    found = [r for r in gap_rows(make_fit(cells), cells, LABELS, 0.05) if r.group == "region=C"]
    assert {r.status for r in found} == {Status.FEW_PEOPLE}
    assert all(r.estimate is not None for r in found)


def test_the_superpopulation_gap_is_what_independent_regions_imply():
    """Simulated regions: the mean of the normal, given the regions' mean and the SD."""
    draws = {"beta": np.full((4, 50_000), 0.4), "gap_sd": np.full((4, 50_000), 0.3)}
    found = superpopulation_gap(draws, 5)
    rng = np.random.default_rng(1)
    means = rng.uniform(-5, 5, 2_000_000)
    own = means + rng.normal(0, 0.3 / np.sqrt(5), means.size)
    near = means[np.abs(own - 0.4) < 0.02]
    # About 8,000 simulated truths: standard error of the mean .0015, of the SD .001.
    assert found.mean() == pytest.approx(near.mean(), abs=0.006)
    assert found.std() == pytest.approx(near.std(), abs=0.005)
    assert superpopulation_gap({"beta": draws["beta"]}, 5) is draws["beta"]


def test_the_people_behind_every_term_are_counted():
    rows = make_rows()
    cells = hierarchical_cells(rows, ("sex",), "region", zones=False)
    sample = Sample(
        rows=rows,
        matched=MatchedSample.nobody("exact", rows.n, "no matching"),
        covariates=("sex",),
        link="logit",
        strata=(),
    )
    behind = Behind(sample=sample, phone=rows.take(rows.outcome < 0), places={"region": "region"})
    found = {
        row.term: behind.of(row) for row in coefficient_rows(make_fit(cells), cells, Form(), LABELS)
    }
    assert None not in found.values()
    region = rows.factors["region"] == 0
    both = [int((region & rows.member).sum()), int((region & ~rows.member).sum())]
    assert found["member:region=A"] == (min(both), min(both))
    whole = rows.people_by_level()
    assert found["sd_finite"] == (whole.sum(axis=1).min(),) * 2
    top = f"member:>={rows.levels[-1]}"
    assert found[top][1] == min(whole[:, -1].min(), whole[:, :-1].sum(axis=1).min())
