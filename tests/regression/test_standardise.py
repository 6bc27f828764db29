from __future__ import annotations

import numpy as np
import pytest

from coopgap.core.errors import NotEstimable
from coopgap.regression.cumulative import probabilities
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.shares import share_margins
from coopgap.regression.standardise import standardise
from coopgap.survey.cells import collapse

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
