"""Standardised margins, doubly robust ones, and the joint band over thresholds."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit

from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Margins, contrast_gradient, estimate_contrasts, joint_intervals
from coopgap.core.tails import max_t_band
from coopgap.core.vocabulary import Quantity
from coopgap.matching.sample import exact_match
from coopgap.regression.aipw import doubly_robust
from coopgap.regression.cumulative import probabilities
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.shares import share_margins
from coopgap.regression.standardise import standardise
from coopgap.survey.cells import collapse, group_codes

from .conftest import GROUP, PARTY, Survey, jackknife, people, survey

DIFFERENCE = np.hstack([np.eye(5), -np.eye(5)])


def both_sides(margins):
    return np.concatenate([margins.member, margins.comparison])


def test_agresti_gaps_and_superiority():
    fit = fit_ordinal(GROUP, PARTY)
    margins = standardise(fit, GROUP, 0, np.array([0, 1.0]), PARTY, PARTY, None, fixed=True)
    # Agresti, Table 6.7, Republican minus Democrat, recomputed with the model's covariance.
    expected = [-0.105190, -0.086091, -0.020303, 0.070748, 0.140836]
    assert margins.member - margins.comparison == pytest.approx(expected, abs=5e-7)
    std_error = np.sqrt(np.diag(DIFFERENCE @ margins.cov @ DIFFERENCE.T))
    expected = [0.015253, 0.012864, 0.010288, 0.010987, 0.019393]
    assert std_error == pytest.approx(expected, abs=5e-7)
    below = np.cumsum(margins.comparison) - margins.comparison / 2
    assert margins.member @ below == pytest.approx(0.645907, abs=5e-7)  # from the fit
    with pytest.raises(NotEstimable, match="nobody"):
        standardise(fit, GROUP, 0, np.zeros(2), PARTY, PARTY, None)


def test_means_of_predictions_by_hand():
    made = survey()
    fit, x = made.fit(), made.x
    margins = made.margins(fit=fit)
    weight = made.cells.counts.sum(axis=1) * x[:, 0]
    for side, found in ((1, margins.member), (0, margins.comparison)):
        as_one = np.column_stack([np.full(len(x), side), x[:, 1:]])
        expected = np.average(probabilities(fit, as_one), axis=0, weights=weight)
        assert found == pytest.approx(expected, abs=1e-13)
    assert margins.df == 13
    assert np.abs(margins.cov[:3].sum(axis=0)).max() < 1e-15
    swapped = Survey(np.column_stack([1 - x[:, 0], x[:, 1:]]), made.cells, made.zone)
    here, there = (one.margins(target=np.ones(len(x))) for one in (made, swapped))
    assert there.comparison == pytest.approx(here.member, abs=1e-10)
    assert there.cov[3:, 3:] == pytest.approx(here.cov[:3, :3], rel=1e-8)


@pytest.mark.parametrize("engine", ["standardised", "doubly robust"])
@pytest.mark.parametrize("zones", [True, False])
def test_covariance_is_the_infinitesimal_jackknife(zones, engine):
    """Reweighting one cluster (one person) a little moves the margins by its influence."""
    made = survey(weighted=zones, cluster=zones, n=300, zones=10)
    x, cluster = made.x, made.zone if zones else None

    def margins(counts, squares=None, by=None):
        fit, squares = fit_ordinal(x, counts), counts if squares is None else squares
        if engine == "standardised":
            return standardise(fit, x, 0, x[:, 0], counts, squares, by)
        return doubly_robust(fit, x, 0, counts, squares, by)

    found = margins(made.cells.counts, made.cells.squares, cluster)
    expected = jackknife(lambda counts: both_sides(margins(counts)), made.cells, cluster)
    assert found.cov == pytest.approx(expected, rel=1e-5, abs=1e-9)
    assert found.df == (9 if zones else np.inf)


def test_a_saturated_logit_gives_the_raw_shares_and_their_covariance():
    member, _, _, zone, outcome, weight = people()
    upper = (outcome >= 1).astype(np.int64)
    cells = collapse([member, zone], upper, 2, weight)
    made = Survey(cells.codes[:, :1].astype(float), cells, cells.codes[:, 1])
    found = made.margins(target=np.ones(len(made.x)))
    raw = share_margins(upper, member == 1, weight, 2, zone)
    assert both_sides(found) == pytest.approx(both_sides(raw), abs=1e-12)
    assert found.cov == pytest.approx(raw.cov, rel=1e-8, abs=1e-14)


THRESHOLDS = np.array([-0.5, 1.0])


def population():
    """Expected counts of an endless sample: membership and outcome both depend on a and b."""
    rows = np.array(list(product((0, 1), (0, 1, 2), (0, 1))), dtype=float)
    member, a, b = rows.T
    share = expit(-0.8 + 0.5 * a + 0.9 * b)
    weight = (1 + a) * (2 - b) * np.where(member == 1, share, 1 - share)
    below = expit(THRESHOLDS - (0.7 * member + 0.6 * a - 1.1 * b)[:, None])
    edges = np.column_stack([np.zeros(12), below, np.ones(12)])
    return rows, 1000 * weight[:, None] * np.diff(edges, axis=1)


def truth(rows, counts):
    as_comparison = counts[rows[:, 0] == 0]
    shares = as_comparison / as_comparison.sum(axis=1, keepdims=True)
    return np.average(shares, axis=0, weights=counts[rows[:, 0] == 1].sum(axis=1))


RIGHT, WRONG = [0, 1, 2], [0, 1]


@pytest.mark.parametrize(
    ("outcome", "membership", "good"),
    [(RIGHT, RIGHT, True), (RIGHT, WRONG, True), (WRONG, RIGHT, True), (WRONG, WRONG, False)],
)
def test_either_model_is_enough(outcome, membership, good):
    rows, counts = population()
    x = rows[:, outcome]
    found = doubly_robust(
        fit_ordinal(x, counts), x, 0, counts, counts, None, z=rows[:, membership[1:]]
    )
    error = np.abs(found.comparison - truth(rows, counts)).max()
    assert error < 1e-9 if good else error > 0.02
    members = counts[rows[:, 0] == 1].sum(axis=0)
    assert found.member == pytest.approx(members / members.sum())


@pytest.mark.parametrize(("outcome", "membership"), [(WRONG, RIGHT), (RIGHT, WRONG)])
def test_simulated_with_one_model_wrong(outcome, membership):
    rows, expected_counts = population()
    expected = truth(rows, expected_counts)[1:].sum()
    share = (expected_counts / expected_counts.sum()).ravel()
    rng, found = np.random.default_rng(7), []
    x, z, pick = rows[:, outcome], rows[:, membership[1:]], np.array([0, 0, 0, 0, 1.0, 1])
    for _ in range(400):
        counts = rng.multinomial(800, share).reshape(12, 3).astype(float)
        one = doubly_robust(fit_ordinal(x, counts), x, 0, counts, counts, None, z=z)
        found.append((one.comparison[1:].sum(), np.sqrt(pick @ one.cov @ pick)))
    estimate, std_error = np.transpose(found)
    # Four Monte Carlo errors of the mean; a standard deviation of 400 draws has one of 3.5 percent.
    assert abs(estimate.mean() - expected) < 4 * estimate.std() / 20
    assert std_error.mean() == pytest.approx(estimate.std(), rel=0.12)


FIXTURE = Path(__file__).parents[1] / "r" / "fixtures" / "band.json"
EXPECTED = json.loads(FIXTURE.read_text("utf-8"))
CLASSES = ("E", "D", "C", "B", "A")
P_VALUE = {"abs": 1e-3}


def close(k):
    """The band's own error, by the number of estimates; mvtnorm's and Sidak's are below 1e-4."""
    return {"abs": 1e-3 if k <= 4 else 2.5e-3}


@pytest.mark.parametrize("k", [2, 3, 4, 8])
def test_independent_normal_estimates_have_sidaks_value(k):
    band = max_t_band(np.linspace(-1, 3, k), np.diag(np.arange(1.0, k + 1)), np.inf)
    assert band.critical == pytest.approx(stats.norm.ppf((1 + 0.95 ** (1 / k)) / 2), **close(k))
    t = np.abs(np.linspace(-1, 3, k)) / np.sqrt(np.arange(1, k + 1))
    alone = 2 * stats.norm.cdf(t) - 1
    assert band.p_values == pytest.approx(1 - alone**k, **P_VALUE)


@pytest.mark.parametrize("name", ["example", "chain"])
@pytest.mark.parametrize("number", range(3))
def test_critical_values_and_p_values_are_mvtnorms(name, number):
    expected = EXPECTED[name]["bands"][number]
    df = np.inf if expected["df"] == "infinity" else expected["df"]
    assert df == (20, 99, np.inf)[number]
    band = max_t_band(np.array(EXPECTED[name]["estimates"]), np.array(EXPECTED[name]["cov"]), df)
    assert band.critical == pytest.approx(expected["critical"], **close(len(band.p_values)))
    assert band.p_values == pytest.approx(expected["p_values"], **P_VALUE)


@pytest.mark.parametrize("df", [8, np.inf])
def test_the_band_holds_as_often_as_it_says(df):
    """Of 200,000 draws the share within the band is known to 0.0005; four of those."""
    cov = np.array(EXPECTED["example"]["cov"])
    band = max_t_band(np.zeros(4), cov, df)
    rng = np.random.default_rng(20200131)
    n = 200_000
    draws = rng.multivariate_normal(np.zeros(4), cov, n) / np.sqrt(np.diag(cov))
    if np.isfinite(df):
        draws /= np.sqrt(rng.chisquare(df, n) / df)[:, None]
    inside = (np.abs(draws).max(axis=1) <= band.critical).mean()
    assert inside == pytest.approx(0.95, abs=0.002)


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.sampled_from([7.0, 99.0, np.inf]))
@settings(max_examples=15, deadline=None)
def test_scale_sign_and_repetition_change_nothing(seed, k, df):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(k, k + 1))
    estimates, cov = rng.normal(size=k) * 3, root @ root.T
    band = max_t_band(estimates, cov, df)
    scale = rng.uniform(0.05, 20, k)
    again = max_t_band(scale * estimates, cov * np.outer(scale, scale), df)
    assert again.critical == pytest.approx(band.critical, abs=1e-6)
    assert again.p_values == pytest.approx(band.p_values, rel=1e-6, abs=1e-12)
    whole = max_t_band(-estimates, cov, df)
    assert whole.critical == band.critical
    assert (whole.p_values == band.p_values).all()
    # Between one estimate's own and Bonferroni's.
    alone, bonferroni = (stats.t.isf(0.025 / m, df) for m in (1, k))
    assert alone - 1e-6 <= band.critical <= bonferroni + 1e-3
    each = 2 * stats.t.sf(np.abs(estimates) / np.sqrt(np.diag(cov)), df)
    assert (band.p_values >= each - 1e-9).all()
    assert (band.p_values <= np.minimum(k * each, 1) + 1e-3).all()


def test_estimates_without_variance_take_no_part():
    cov = np.diag([1.0, 0.0, 2.0])
    cov[0, 2] = cov[2, 0] = 0.5
    found = max_t_band(np.array([1.0, 0.3, -1.0]), cov, 30)
    alone = max_t_band(np.array([1.0, -1.0]), cov[np.ix_([0, 2], [0, 2])], 30)
    assert found.critical == alone.critical
    assert np.isnan(found.p_values[1])
    assert found.p_values[[0, 2]].tolist() == alone.p_values.tolist()
    assert max_t_band(np.ones(2), np.zeros((2, 2)), 30) is None


def margins(df=np.inf, df_of=None):
    """Two multinomial samples of five levels."""
    sides = [np.array([10, 22, 40, 26, 2]) / 100, np.array([34, 27, 27, 9, 3]) / 100]
    cov = np.zeros((10, 10))
    for at, (side, n) in enumerate(zip(sides, (400, 700), strict=True)):
        block = slice(5 * at, 5 * at + 5)
        cov[block, block] = (np.diag(side) - np.outer(side, side)) / n
    return Margins(member=sides[0], comparison=sides[1], cov=cov, df=df, df_of=df_of)


def test_joint_intervals_are_the_pointwise_ones_widened():
    made = margins(df=40.0)
    joint, each = joint_intervals(made, CLASSES), estimate_contrasts(made, CLASSES)
    assert [one.category for one in joint] == [">=A", ">=B", ">=C", ">=D"]
    critical = []
    for contrast, band in joint.items():
        alone = each[contrast]
        assert contrast.quantity is Quantity.RISK_DIFFERENCE
        assert band.estimate == pytest.approx(alone.estimate, abs=1e-12)
        assert band.std_error == pytest.approx(alone.std_error, rel=1e-9)
        assert band.lower < alone.lower < alone.upper < band.upper
        assert band.p_value > alone.p_value
        critical.append((band.upper - band.estimate) / band.std_error)
    assert critical == pytest.approx([critical[0]] * 4)
    one, four = (stats.t.isf(0.025 / k, 40) for k in (1, 4))
    assert one < critical[0] < four


def test_the_band_takes_the_fewest_degrees_of_freedom():
    wide = joint_intervals(margins(df=90.0, df_of=lambda row: 9.0 + 5 * row[3]), CLASSES)
    (first, *_) = wide
    fewest = 9.0 + 5 * contrast_gradient(first, margins())[3]
    assert {interval.df for interval in wide.values()} == {fewest} == {9.0}
    plain = joint_intervals(margins(df=9.0), CLASSES)
    for contrast, interval in plain.items():
        assert wide[contrast].upper == pytest.approx(interval.upper)


def test_two_levels_have_no_band():
    two = Margins(member=np.array([0.4, 0.6]), comparison=np.array([0.5, 0.5]), cov=np.eye(4) / 99)
    assert joint_intervals(two, ("no", "yes")) == {}
    still = Margins(member=np.ones(3) / 3, comparison=np.ones(3) / 3, cov=np.zeros((6, 6)))
    assert joint_intervals(still, ("low", "mid", "high")) == {}


@pytest.mark.parametrize("outcome_model", ["one covariate", "every cell"])
def test_saturated_membership_is_exact_cell_weighting(outcome_model):
    made = survey(n=600, zones=30)
    codes, cells = made.cells.codes, made.cells
    cell = group_codes([codes[:, 1], codes[:, 2]])[1]
    z = np.eye(6)[cell][:, 1:]
    covariates = made.x[:, 1:2] if outcome_model == "one covariate" else z
    x = np.column_stack([made.x[:, 0], covariates])

    def run(scale):
        counts, squares = scale * cells.counts, scale**2 * cells.squares
        return doubly_robust(fit_ordinal(x, counts), x, 0, counts, squares, made.zone, z=z)

    found, rescaled = run(1), run(40)
    total = cells.counts.sum(axis=1)
    matched = exact_match(cell, x[:, 0] == 1, total).weight[:, None] * cells.counts
    others = matched[x[:, 0] == 0].sum(axis=0)
    assert found.comparison == pytest.approx(others / others.sum(), abs=1e-10)
    assert rescaled.comparison == pytest.approx(found.comparison, abs=1e-10)
    assert rescaled.cov == pytest.approx(found.cov, rel=1e-7, abs=1e-14)


def test_doubly_robust_of_right_models_and_of_a_part_of_the_members():
    rows, counts = population()
    fit = fit_ordinal(rows, counts)
    one = doubly_robust(fit, rows, 0, counts, counts, None)
    other = standardise(fit, rows, 0, rows[:, 0], counts, counts, None)
    assert one.comparison == pytest.approx(other.comparison, abs=1e-9)
    gap = np.array([0, 0, 1, 0, 0, -1.0])
    # Weighting on top of a right model costs precision.
    assert gap @ one.cov @ gap > gap @ other.cov @ gap
    part = rows[:, 1] < 2
    found = doubly_robust(fit, rows, 0, counts, counts, None, target=part.astype(float))
    assert found.comparison == pytest.approx(truth(rows[part], counts[part]), abs=1e-9)
    alone = counts * ~((rows[:, 0] == 0) & (rows[:, 1] == 2))[:, None]
    z = np.column_stack([rows[:, 1] == 1, rows[:, 1] == 2]).astype(float)
    with pytest.raises(NotEstimable):
        doubly_robust(fit, rows, 0, alone, alone, None, z=z)
    with pytest.raises(NotEstimable, match="nobody"):
        doubly_robust(fit, rows, 0, counts, counts, None, target=np.zeros(12))
    with pytest.raises(ValueError, match="CR2"):
        doubly_robust(fit, rows, 0, counts, counts, np.arange(12), kind="CR2")


@pytest.mark.parametrize("df", [5, 99, np.inf])
def test_one_estimate_or_several_that_are_one_are_the_two_sided_t(df):
    band = max_t_band(np.array([1.7]), np.array([[0.64]]), df, prob=0.9)
    assert band.critical == pytest.approx(stats.t.ppf(0.95, df), abs=1e-6)
    assert band.p_values[0] == pytest.approx(2 * stats.t.sf(1.7 / 0.8, df), rel=1e-12)
    half = np.array([1.0, -2.0, 0.5])
    band = max_t_band(0.8 * np.abs(half), np.outer(half, half), df)
    assert band.critical == pytest.approx(stats.t.ppf(0.975, df), abs=1e-5)
    assert band.p_values == pytest.approx(2 * stats.t.sf(0.8, df), abs=1e-9)
