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

from coopgap.core.band import max_t_band
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Margins, contrast_gradient, estimate_contrasts, joint_intervals
from coopgap.core.vocabulary import Quantity
from coopgap.matching.sample import exact_match
from coopgap.regression.aipw import doubly_robust
from coopgap.regression.cumulative import probabilities
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.shares import share_margins
from coopgap.regression.standardise import standardise
from coopgap.survey.cells import collapse, group_codes

PARTY = np.array([[80, 81, 171, 41, 55], [30, 46, 148, 84, 99]], dtype=float)
SIDE = np.array([[0.0], [1.0]])
DIFFERENCE = np.hstack([np.eye(5), -np.eye(5)])


def people(seed=0, n=600, n_zones=20):
    rng = np.random.default_rng(seed)
    sex, region = rng.integers(0, 2, n), rng.integers(0, 3, n)
    member = (rng.random(n) < 0.3 + 0.15 * region).astype(np.int64)
    zone = rng.integers(0, n_zones, n)
    latent = 0.9 * member - 0.5 * sex + 0.4 * region + rng.logistic(size=n)
    return member, sex, region, zone, np.digitize(latent, [0, 1.5]), rng.uniform(0.3, 3, n)


def prepared(weight_power=1.0, zones=True, seed=0):
    member, sex, region, zone, outcome, weight = people(seed)
    columns = [member, sex, region, zone] if zones else [member, sex, region]
    cells = collapse(columns, outcome, 3, weight**weight_power)
    codes = cells.codes
    x = np.column_stack([codes[:, 0], codes[:, 1], codes[:, 2] == 1, codes[:, 2] == 2])
    return cells, x.astype(float), codes[:, 3] if zones else None


def test_agresti_gaps_in_each_category():
    fit = fit_ordinal(SIDE, PARTY)
    margins = standardise(fit, SIDE, 0, np.array([0, 1.0]), PARTY, PARTY, None, fixed=True)
    # Agresti, Table 6.7, Republican minus Democrat, recomputed with the model's covariance.
    expected = [-0.105190, -0.086091, -0.020303, 0.070748, 0.140836]
    assert margins.member - margins.comparison == pytest.approx(expected, abs=5e-7)
    std_error = np.sqrt(np.diag(DIFFERENCE @ margins.cov @ DIFFERENCE.T))
    expected = [0.015253, 0.012864, 0.010288, 0.010987, 0.019393]
    assert std_error == pytest.approx(expected, abs=5e-7)


def test_agresti_probability_of_superiority():
    fit = fit_ordinal(SIDE, PARTY)
    margins = standardise(fit, SIDE, 0, np.array([0, 1.0]), PARTY, PARTY, None)
    below = np.cumsum(margins.comparison) - margins.comparison / 2
    assert margins.member @ below == pytest.approx(0.645907, abs=5e-7)  # from the fit
    shares = PARTY / PARTY.sum(axis=1, keepdims=True)
    raw = shares[1] @ (np.cumsum(shares[0]) - shares[0] / 2)
    assert raw == pytest.approx(0.645735, abs=5e-7)  # from the table


def test_means_of_predictions_by_hand():
    cells, x, cluster = prepared()
    fit = fit_ordinal(x, cells.counts)
    margins = standardise(fit, x, 0, x[:, 0], cells.counts, cells.squares, cluster)
    weight = cells.counts.sum(axis=1) * x[:, 0]
    as_member = np.average(probabilities(fit, x), axis=0, weights=weight)
    moved = np.column_stack([0 * x[:, 0], x[:, 1:]])
    assert margins.member == pytest.approx(as_member, abs=1e-13)
    expected = np.average(probabilities(fit, moved), axis=0, weights=weight)
    assert margins.comparison == pytest.approx(expected, abs=1e-13)
    assert margins.df == np.unique(cluster).size - 1


@pytest.mark.parametrize("zones", [True, False])
def test_covariance_is_the_infinitesimal_jackknife(zones):
    """Reweighting one cluster (one person) a little moves the margins by its influence."""
    cells, x, cluster = prepared(zones=zones, weight_power=1.0 if zones else 0.0)

    def margins(counts):
        found = standardise(fit_ordinal(x, counts), x, 0, x[:, 0], counts, counts, None)
        return np.concatenate([found.member, found.comparison])

    step, moves = 1e-4, []
    if zones:
        for g in np.unique(cluster):
            tilt = step * (cluster == g)[:, None] * cells.counts
            moves.append((margins(cells.counts + tilt) - margins(cells.counts - tilt)) / (2 * step))
        n_clusters = len(moves)
        expected = np.transpose(moves) @ moves * n_clusters / (n_clusters - 1)
    else:
        for c, j in np.argwhere(cells.people > 0):
            tilt = np.zeros_like(cells.counts)
            tilt[c, j] = step
            move = (margins(cells.counts + tilt) - margins(cells.counts - tilt)) / (2 * step)
            moves.append(move * np.sqrt(cells.people[c, j]))
        expected = np.transpose(moves) @ moves
    fit = fit_ordinal(x, cells.counts)
    found = standardise(fit, x, 0, x[:, 0], cells.counts, cells.squares, cluster)
    # Central differences in the weights: error of the order of the step squared.
    assert found.cov == pytest.approx(expected, rel=1e-5, abs=1e-10)


def test_a_saturated_logit_gives_the_raw_shares_and_their_covariance():
    member, _, _, zone, outcome, weight = people()
    upper = (outcome >= 1).astype(np.int64)
    cells = collapse([member, zone], upper, 2, weight)
    x = cells.codes[:, :1].astype(float)
    fit = fit_ordinal(x, cells.counts)
    target = np.ones(len(x))
    found = standardise(fit, x, 0, target, cells.counts, cells.squares, cells.codes[:, 1])
    raw = share_margins(upper, member == 1, weight, 2, zone)
    assert found.member == pytest.approx(raw.member, abs=1e-12)
    assert found.comparison == pytest.approx(raw.comparison, abs=1e-12)
    assert found.cov == pytest.approx(raw.cov, rel=1e-8, abs=1e-14)


def test_rows_of_the_covariance_sum_to_zero():
    cells, x, cluster = prepared()
    fit = fit_ordinal(x, cells.counts)
    found = standardise(fit, x, 0, np.ones(len(x)), cells.counts, cells.squares, cluster)
    assert np.abs(found.cov[:3].sum(axis=0)).max() < 1e-15
    assert found.member.sum() == pytest.approx(1, abs=1e-14)


def test_swapped_groups_flip_the_gap():
    cells, x, cluster = prepared()
    target = np.ones(len(x))
    swapped = np.column_stack([1 - x[:, 0], x[:, 1:]])
    here = standardise(
        fit_ordinal(x, cells.counts), x, 0, target, cells.counts, cells.squares, cluster
    )
    there = standardise(
        fit_ordinal(swapped, cells.counts), swapped, 0, target, cells.counts, cells.squares, cluster
    )
    assert there.comparison == pytest.approx(here.member, abs=1e-10)
    assert there.cov[3:, 3:] == pytest.approx(here.cov[:3, :3], rel=1e-8)


def test_nobody_in_the_target_is_refused():
    fit = fit_ordinal(SIDE, PARTY)
    with pytest.raises(NotEstimable, match="nobody"):
        standardise(fit, SIDE, 0, np.zeros(2), PARTY, PARTY, None)


THRESHOLDS = np.array([-0.5, 1.0])


def expit(eta):
    return 1 / (1 + np.exp(-eta))


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


def aipw_people(rng, n=600, zones=30):
    zone = rng.integers(0, zones, n)
    a, b = rng.integers(0, 3, n), rng.integers(0, 2, n)
    member = (rng.random(n) < expit(-0.8 + 0.5 * a + 0.9 * b)).astype(np.int64)
    latent = 0.7 * member + 0.6 * a - 1.1 * b + 0.3 * rng.normal(size=zones)[zone]
    return member, a, b, zone, np.digitize(latent + rng.logistic(size=n), THRESHOLDS)


def saturated(codes):
    cell = group_codes([codes[:, 1], codes[:, 2]])[1]
    return np.eye(6)[cell][:, 1:], cell


@pytest.mark.parametrize("outcome_model", ["one covariate", "every cell"])
def test_saturated_membership_is_exact_cell_weighting(outcome_model):
    member, a, b, zone, outcome = aipw_people(np.random.default_rng(1))
    weight = np.random.default_rng(2).uniform(0.5, 2, member.size)
    cells = collapse([member, a, b, zone], outcome, 3, weight)
    z, cell = saturated(cells.codes)
    covariates = cells.codes[:, 1:2] if outcome_model == "one covariate" else z
    x = np.column_stack([cells.codes[:, 0], covariates]).astype(float)
    found = doubly_robust(
        fit_ordinal(x, cells.counts), x, 0, cells.counts, cells.squares, cells.codes[:, 3], z=z
    )
    total = cells.counts.sum(axis=1)
    matched = exact_match(cell, cells.codes[:, 0] == 1, total).weight[:, None] * cells.counts
    others = matched[cells.codes[:, 0] == 0].sum(axis=0)
    assert found.comparison == pytest.approx(others / others.sum(), abs=1e-10)


@pytest.mark.parametrize("clustered", [True, False])
def test_covariance_is_the_infinitesimal_jackknife_aipw(clustered):
    member, a, b, zone, outcome = aipw_people(np.random.default_rng(4), n=300, zones=10)
    columns = [member, a, b, zone] if clustered else [member, a, b]
    cells = collapse(columns, outcome, 3)
    x = cells.codes[:, :3].astype(float)

    def margins(counts):
        found = doubly_robust(fit_ordinal(x, counts), x, 0, counts, counts, None)
        return np.concatenate([found.member, found.comparison])

    step, moves = 1e-4, []
    if clustered:
        for g in range(10):
            tilt = step * (cells.codes[:, 3] == g)[:, None] * cells.counts
            moves.append((margins(cells.counts + tilt) - margins(cells.counts - tilt)) / (2 * step))
        expected = np.transpose(moves) @ moves * 10 / 9
    else:
        for c, j in np.argwhere(cells.people > 0):
            tilt = np.zeros_like(cells.counts)
            tilt[c, j] = step
            move = (margins(cells.counts + tilt) - margins(cells.counts - tilt)) / (2 * step)
            moves.append(move * np.sqrt(cells.people[c, j]))
        expected = np.transpose(moves) @ moves
    found = doubly_robust(
        fit_ordinal(x, cells.counts),
        x,
        0,
        cells.counts,
        cells.squares,
        cells.codes[:, 3] if clustered else None,
    )
    # Central differences in the weights: error of the order of the step squared.
    assert found.cov == pytest.approx(expected, rel=1e-5, abs=1e-9)
    assert found.df == (9 if clustered else np.inf)


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


def test_rescaled_weights_change_nothing():
    member, a, b, zone, outcome = aipw_people(np.random.default_rng(1))
    cells = collapse([member, a, b, zone], outcome, 3)
    x = cells.codes[:, :3].astype(float)

    def run(scale):
        counts = scale * cells.counts
        fit = fit_ordinal(x, counts)
        return doubly_robust(fit, x, 0, counts, scale**2 * cells.squares, cells.codes[:, 3])

    assert run(40).comparison == pytest.approx(run(1).comparison, abs=1e-10)
    assert run(40).cov == pytest.approx(run(1).cov, rel=1e-7, abs=1e-14)


def test_target_keeps_part_of_the_members():
    rows, counts = population()
    target = (rows[:, 1] < 2).astype(float)
    found = doubly_robust(fit_ordinal(rows, counts), rows, 0, counts, counts, None, target=target)
    part = target == 1
    assert found.comparison == pytest.approx(truth(rows[part], counts[part]), abs=1e-9)


def test_right_models_agree_with_standardisation():
    rows, counts = population()
    fit = fit_ordinal(rows, counts)
    one = doubly_robust(fit, rows, 0, counts, counts, None)
    other = standardise(fit, rows, 0, rows[:, 0], counts, counts, None)
    assert one.comparison == pytest.approx(other.comparison, abs=1e-9)
    gap = np.array([0, 0, 1, 0, 0, -1.0])
    # Weighting on top of a right model costs precision.
    assert gap @ one.cov @ gap > gap @ other.cov @ gap


def test_refusals():
    rows, counts = population()
    fit = fit_ordinal(rows, counts)
    alone = counts * ~((rows[:, 0] == 0) & (rows[:, 1] == 2))[:, None]
    z = np.column_stack([rows[:, 1] == 1, rows[:, 1] == 2]).astype(float)
    with pytest.raises(NotEstimable):
        doubly_robust(fit, rows, 0, alone, alone, None, z=z)
    with pytest.raises(NotEstimable, match="nobody"):
        doubly_robust(fit, rows, 0, counts, counts, None, target=np.zeros(12))
    with pytest.raises(ValueError, match="CR2"):
        doubly_robust(fit, rows, 0, counts, counts, np.arange(12), kind="CR2")


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


@pytest.mark.parametrize("df", [5, 99, np.inf])
def test_one_estimate_is_the_two_sided_t(df):
    band = max_t_band(np.array([1.7]), np.array([[0.64]]), df, prob=0.9)
    assert band.critical == pytest.approx(stats.t.ppf(0.95, df), abs=1e-6)
    assert band.p_values[0] == pytest.approx(2 * stats.t.sf(1.7 / 0.8, df), rel=1e-12)


@pytest.mark.parametrize("df", [5, 99, np.inf])
def test_perfectly_correlated_estimates_are_one(df):
    half = np.array([1.0, -2.0, 0.5])
    band = max_t_band(0.8 * np.abs(half), np.outer(half, half), df)
    assert band.critical == pytest.approx(stats.t.ppf(0.975, df), abs=1e-5)
    assert band.p_values == pytest.approx(2 * stats.t.sf(0.8, df), abs=1e-9)


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
