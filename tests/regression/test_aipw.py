from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from coopgap.core.errors import NotEstimable
from coopgap.matching.sample import exact_match
from coopgap.regression.aipw import doubly_robust
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.standardise import standardise
from coopgap.survey.cells import collapse, group_codes

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


def people(rng, n=600, zones=30):
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
    member, a, b, zone, outcome = people(np.random.default_rng(1))
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
def test_covariance_is_the_infinitesimal_jackknife(clustered):
    member, a, b, zone, outcome = people(np.random.default_rng(4), n=300, zones=10)
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
    member, a, b, zone, outcome = people(np.random.default_rng(1))
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
