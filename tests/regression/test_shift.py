"""Freed minus tied margins by dense algebra, one cluster after another, and raw shares likewise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import block_diag, sqrtm

from coopgap.errors import NotEstimable
from coopgap.regression.cumulative import cut_points
from coopgap.regression.information import cluster_information
from coopgap.regression.ordinal import (
    fit_ordinal,
    probabilities,
    probability_jacobian,
    unit_scores,
)
from coopgap.regression.shares import cr2_share_margins
from coopgap.regression.shift import cr2_shift, embedding
from coopgap.regression.standardise import margin_influence, standardise
from coopgap.survey.cells import collapse

GAP = np.array([0, 0, 1, 0, 0, -1.0])


def made(seed=0, n=500, zones=14):
    rng = np.random.default_rng(seed)
    member, sex = rng.integers(0, 2, (2, n))
    zone = rng.integers(0, zones, n)
    latent = 0.8 * member - 0.4 * sex + 0.3 * (zone % 3) + rng.logistic(size=n)
    cells = collapse(
        [member, sex, zone], np.digitize(latent, [-0.5, 1.5]), 3, rng.uniform(0.3, 3, n)
    )
    return cells.codes[:, :2].astype(float), cells, cells.codes[:, 2]


def by_zone(values, cluster):
    return np.array([values[cluster == g].sum(axis=0) for g in np.unique(cluster)])


def stacked(fit, x, cells, cluster):
    """Scores of a fit and its margins, their Ω_g, and the pieces of their working variance."""
    weight = cells.counts.sum(axis=1) * x[:, 0]
    sides = [np.column_stack([np.full(len(x), s), x[:, 1:]]) for s in (1.0, 0.0)]
    each = np.hstack([probabilities(fit, rows) for rows in sides])
    slopes = np.concatenate([probability_jacobian(fit, rows) for rows in sides], axis=1)
    away = each - weight @ each / weight.sum()
    scores = by_zone(np.einsum("cj,cjp->cp", cells.counts, unit_scores(fit, x)), cluster)
    information = cluster_information(fit, x, cells.counts, cluster)
    lean = by_zone(weight[:, None, None] * slopes, cluster)
    part = by_zone(weight, cluster)
    p = fit.params.size
    omega = np.array(
        [
            np.block([[i, np.zeros((p, 6))], [-d, t * np.eye(6)]])
            for i, d, t in zip(information, lean, part, strict=True)
        ]
    )
    sums = np.hstack([scores, by_zone(weight[:, None] * away, cluster)])
    return sums, omega, information, away, part, weight


def test_the_joint_shift_by_dense_algebra():
    x, cells, cluster = made()
    free, tied = fit_ordinal(x, cells.counts, free=(0,)), fit_ordinal(x, cells.counts)
    shift, found = cr2_shift(free, tied, x, 0, x[:, 0], cells.counts, cluster)
    m_free, _ = margin_influence(free, x, 0, x[:, 0], cells.counts)
    m_tied, _ = margin_influence(tied, x, 0, x[:, 0], cells.counts)
    assert shift == pytest.approx(m_free - m_tied)
    one, other = (stacked(fit, x, cells, cluster) for fit in (free, tied))
    into, n = embedding(free, tied), 14
    d1, d2 = one[0].shape[1], other[0].shape[1]
    vs = [np.linalg.inv(part[1].sum(axis=0)) for part in (one, other)]
    signs = [np.concatenate([np.zeros(d - 6), sign * GAP]) for d, sign in ((d1, 1), (d2, -1))]
    k = [
        np.concatenate(
            [
                np.real(np.linalg.inv(sqrtm(np.eye(len(v)) - part[1][g] @ v))).T @ v.T @ sign
                for part, v, sign in zip((one, other), vs, signs, strict=True)
            ]
        )
        for g in range(n)
    ]
    sums = np.hstack([one[0], other[0]])
    q = np.array([k[g] @ sums[g] for g in range(n)])
    # Square roots of matrices that are nearly defective keep about half the digits.
    assert GAP @ found.cov @ GAP == pytest.approx(q @ q, rel=1e-6)
    weight, total = one[5], one[5].sum()
    spread = [
        [(weight[:, None] * a).T @ b / total for b in (one[3], other[3])]
        for a in (one[3], other[3])
    ]
    working = []
    for g in range(n):
        omega, t = one[2][g], one[4][g]
        working.append(
            np.block(
                [
                    [omega, np.zeros((d1 - 6, 6)), omega @ into, np.zeros((d1 - 6, 6))],
                    [np.zeros((6, d1 - 6)), t * spread[0][0], np.zeros((6, d2 - 6)),
                     t * spread[0][1]],
                    [into.T @ omega, np.zeros((d2 - 6, 6)), into.T @ omega @ into,
                     np.zeros((d2 - 6, 6))],
                    [np.zeros((6, d1 - 6)), t * spread[1][0], np.zeros((6, d2 - 6)),
                     t * spread[1][1]],
                ]
            )
        )  # fmt: skip
    d = d1 + d2
    rows = np.zeros((n, n * d))
    for g in range(n):
        fitted = block_diag(one[1][g] @ vs[0], other[1][g] @ vs[1])
        for h in range(n):
            rows[g, h * d : (h + 1) * d] = k[g] @ ((g == h) * np.eye(d) - fitted)
    p = rows @ block_diag(*working) @ rows.T
    df = np.trace(p) ** 2 / np.trace(p @ p)
    assert found.df_of(GAP) == pytest.approx(df, rel=1e-5)
    assert 2 < df < 13


def test_the_tied_parameters_give_the_freed_fit_the_same_cut_points():
    x, cells, _ = made()
    free, tied = fit_ordinal(x, cells.counts, free=(0, 1)), fit_ordinal(x, cells.counts, free=(1,))
    params = embedding(free, tied) @ tied.params
    moved = type(free)(
        **{name: getattr(free, name) for name in free.__slots__}
        | {"freed": params[:-2].reshape(2, 2), "thresholds": params[-2:]}
    )
    assert cut_points(moved, x) == pytest.approx(cut_points(tied, x))


def test_nothing_freed_shifts_nothing():
    x, cells, cluster = made()
    fit = fit_ordinal(x, cells.counts)
    shift, found = cr2_shift(fit, fit, x, 0, x[:, 0], cells.counts, cluster)
    assert shift == pytest.approx(np.zeros(6), abs=1e-15)
    assert found.cov == pytest.approx(np.zeros((6, 6)), abs=1e-20)


def people(n=700, zones=12):
    rng = np.random.default_rng(3)
    member = rng.integers(0, 2, n).astype(bool)
    zone = rng.integers(0, zones, n)
    latent = 0.5 * member + 0.2 * (zone % 4) + rng.logistic(size=n)
    return np.digitize(latent, [0.0, 1.5]), member, rng.uniform(0.3, 3, n), zone


def test_shares_of_two_levels_are_a_saturated_logit():
    outcome, member, weight, zone = people()
    outcome = np.minimum(outcome, 1)
    found = cr2_share_margins(outcome, member, weight, 2, zone)
    cells = collapse([member.astype(np.int64), zone], outcome, 2, weight)
    x = cells.codes[:, :1].astype(float)
    fit = fit_ordinal(x, cells.counts)
    args = (fit, x, 0, np.ones(len(x)), cells.counts, cells.squares, cells.codes[:, 1])
    logit = standardise(*args, kind="CR2", fixed=True)
    assert found.cov == pytest.approx(logit.cov, rel=1e-8, abs=1e-14)
    for contrast in (np.array([0, 1.0, 0, -1.0]), np.array([0, 1.0, 0, 0])):
        assert found.df_of(contrast) == pytest.approx(logit.df_of(contrast), rel=1e-8)


def test_shares_person_by_person():
    """CR2 of least squares on two group dummies, each cluster's residual projection inverted."""
    outcome, member, weight, zone = people()
    found = cr2_share_margins(outcome, member, weight, 3, zone)
    dummies = np.column_stack([member, ~member]).astype(float)
    root = np.sqrt(weight)[:, None] * dummies
    bread = np.linalg.inv(root.T @ root)
    answers = np.eye(3)[outcome]
    shares = bread @ (weight[:, None] * dummies).T @ answers
    residual = answers - dummies @ shares
    influence = []
    for g in np.unique(zone):
        here = zone == g
        hat = root[here] @ bread @ root[here].T
        adjusted = np.real(np.linalg.inv(sqrtm(np.eye(here.sum()) - hat)))
        moved = adjusted @ (np.sqrt(weight[here])[:, None] * residual[here])
        influence.append((bread @ root[here].T @ moved).ravel())
    expected = np.array(influence).T @ np.array(influence)
    assert found.cov == pytest.approx(expected, rel=1e-7, abs=1e-14)
    assert np.concatenate([found.member, found.comparison]) == pytest.approx(shares.ravel())


def test_shares_need_two_clusters():
    outcome, member, weight, zone = people()
    with pytest.raises(NotEstimable, match="1 cluster"):
        cr2_share_margins(outcome, member, weight, 3, 0 * zone)
