from __future__ import annotations

import numpy as np
import pytest

from coopgap.core.errors import NotEstimable
from coopgap.regression.linear import fit_linear


def people(seed=0, n=1200, n_sets=25, n_zones=30):
    """Comparison weights make each set count by its members."""
    rng = np.random.default_rng(seed)
    sets, zone = rng.integers(0, n_sets, n), rng.integers(0, n_zones, n)
    member = rng.random(n) < 0.3 + 0.2 * (sets % 3)
    y = (rng.random(n) < 0.2 + 0.02 * (sets % 3) * sets * member / 3).astype(float)
    members = np.bincount(sets, member)
    others = np.bincount(sets, ~member)
    weight = np.where(member, 1.0, 0.7 * (members / others)[sets])
    return y, member, weight, sets, zone


def by_hand(y, member, weight, sets, zone):
    """Differences within sets, and least squares on demeaned columns."""
    within = [y[(sets == s) & member].mean() - y[(sets == s) & ~member].mean() for s in set(sets)]
    gap = np.average(within, weights=[((sets == s) & member).sum() for s in set(sets)])

    def demean(v):
        return v - (np.bincount(sets, weight * v) / np.bincount(sets, weight))[sets]

    x, z = demean(member.astype(float)), demean(y)
    bread = 1 / (weight * x * x).sum()
    unit = weight * x * (z - gap * x) * bread
    sums = np.bincount(zone, unit)
    n_clusters = np.unique(zone).size
    return gap, np.sqrt(n_clusters / (n_clusters - 1) * sums @ sums), np.sqrt(unit @ unit)


def test_member_weighted_difference_within_sets_by_hand():
    data = people()
    gap, clustered, independent = by_hand(*data)
    fit = fit_linear(*data)
    assert fit.estimate == pytest.approx(gap, abs=1e-11)
    assert fit.std_error == pytest.approx(clustered, rel=1e-9)
    assert (fit.kind, fit.n_clusters, fit.df, fit.n_sets) == ("cluster CR1", 30, 29, 25)
    alone = fit_linear(*data[:4], None)
    assert alone.std_error == pytest.approx(independent, rel=1e-9)
    assert (alone.kind, alone.n_clusters, alone.df) == ("HC0", None, np.inf)


def test_cr2_person_by_person():
    """All dummies built and every cluster's residual projection inverted."""
    y, member, weight, sets, zone = people(n=300, n_sets=8, n_zones=9)
    x = np.column_stack([member, sets[:, None] == np.arange(8)]).astype(float)
    root = np.sqrt(weight)[:, None] * x
    bread = np.linalg.inv(root.T @ root)
    hat = root @ bread @ root.T
    residual = np.sqrt(weight) * y - hat @ (np.sqrt(weight) * y)
    ends = np.zeros((9, y.size))
    for g in range(9):
        here = np.flatnonzero(zone == g)
        values, vectors = np.linalg.eigh(np.eye(here.size) - hat[np.ix_(here, here)])
        ends[g, here] = bread[0] @ root[here].T @ (vectors / np.sqrt(values)) @ vectors.T
    p = ends @ (np.eye(y.size) - hat) @ ends.T
    fit = fit_linear(y, member, weight, sets, zone, kind="CR2")
    assert fit.std_error == pytest.approx(np.sqrt(np.square(ends @ residual).sum()), rel=1e-9)
    assert fit.df == pytest.approx(np.trace(p) ** 2 / np.trace(p @ p), rel=1e-9)
    assert fit.kind == "cluster CR2"
    other = fit_linear(y, member, 40 * weight, sets, zone, kind="CR2")
    assert (other.std_error, other.df) == pytest.approx((fit.std_error, fit.df))
    assert fit.std_error > fit_linear(y, member, weight, sets, zone).std_error * np.sqrt(8 / 9)


def test_without_matching_weights_the_question_is_another():
    # The trap: unweighted absorbed sets weigh each set by its own variance of membership.
    y, member, weight, sets, zone = people()
    gap = by_hand(y, member, weight, sets, zone)[0]
    assert abs(fit_linear(y, member, np.ones_like(y), sets, zone).estimate - gap) > 0.01


def test_scale_of_weights_and_row_order_do_not_matter():
    y, member, weight, sets, zone = people()
    order = np.random.default_rng(1).permutation(y.size)
    fit = fit_linear(y, member, weight, sets, zone)
    other = fit_linear(y[order], member[order], 250 * weight[order], 7 + sets[order], zone[order])
    assert other.estimate == pytest.approx(fit.estimate, abs=1e-11)
    assert other.std_error == pytest.approx(fit.std_error, rel=1e-9)


def test_people_without_a_set_or_weight_are_left_out():
    y, member, weight, sets, zone = people()
    out = np.arange(y.size) % 5 == 0
    fit = fit_linear(y[~out], member[~out], weight[~out], sets[~out], zone[~out])
    by_set = fit_linear(y, member, weight, np.where(out, -1, sets), zone)
    by_weight = fit_linear(y, member, np.where(out, 0.0, weight), sets, zone)
    assert by_set == by_weight == fit


def test_refusals():
    y, member, weight, sets, zone = people()
    with pytest.raises(NotEstimable, match="both groups"):
        fit_linear(y, member, weight, np.where(member, sets, sets + 100), zone)
    with pytest.raises(NotEstimable, match="1 cluster"):
        fit_linear(y, member, weight, sets, 0 * zone)


def test_an_answer_that_nobody_gave_has_no_difference():
    y, member, weight, sets, zone = people()
    fit = fit_linear(0 * y, member, weight, sets, zone)
    assert fit.estimate == 0
    assert fit.std_error == 0
