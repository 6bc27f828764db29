"""Sandwiches and CR2 by dense algebra, one cluster after another, and what must hold of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from linearmodels.iv.absorbing import AbsorbingLS
from scipy import stats
from scipy.linalg import block_diag, sqrtm

from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Contrast, estimate_contrasts
from coopgap.core.vocabulary import Quantity
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import cluster_information, probabilities, unit_scores
from coopgap.regression.linear import fit_linear
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.sampled import Sampled

from .conftest import people, probability_jacobian, survey

GAP = np.array([0, 0, 1, 0, 0, -1.0])


def by_zone(values, cluster):
    return np.array([values[cluster == g].sum(axis=0) for g in np.unique(cluster)])


def test_cluster_sums_by_hand_and_the_factors_of_each_kind():
    """One person after another, clusters in a loop."""
    made = survey()
    fit, found = made.fit(), made.covariance()
    member, sex, region, zone, outcome, weight = people()
    x = np.column_stack([member, sex, region == 1, region == 2]).astype(float)
    scores = unit_scores(fit, x)[np.arange(500), outcome] * weight[:, None]
    sums = by_zone(scores, zone) @ fit.bread
    assert found.cov == pytest.approx(14 / 13 * sums.T @ sums, rel=1e-9)
    assert (found.kind, found.n_clusters, found.df) == ("cluster CR1", 14, 13)
    cov = {kind: made.covariance(kind).cov for kind in ("CR0", "CR1S", "HC0", "HC1")}
    assert cov["CR0"] == pytest.approx(found.cov * 13 / 14, rel=1e-12)
    assert cov["CR1S"] == pytest.approx(found.cov * 499 / 494, rel=1e-12)
    assert cov["HC1"] == pytest.approx(cov["HC0"] * 500 / 494, rel=1e-12)
    # People as clusters are HC0 but for the factor.
    each = scores @ fit.bread
    assert cov["HC0"] == pytest.approx(each.T @ each, rel=1e-9)
    alone = made.covariance("HC0")
    assert (alone.kind, alone.n_clusters, alone.df) == ("HC0", None, np.inf)
    strata = made.covariance(strata=made.zone % 3)
    within = np.arange(14) % 3
    by_hand = sum(np.cov(sums[within == h].T) * (within == h).sum() for h in range(3))
    assert strata.cov == pytest.approx(by_hand, rel=1e-9)
    assert (strata.kind, strata.n_clusters, strata.df) == ("cluster CR1, strata", 14, 11)


@pytest.mark.parametrize("kind", ["CR1", "CR2", "HC0", "HC3"])
def test_rescaled_weights_change_nothing(kind):
    made = survey()
    one, many = (each.covariance(kind) for each in (made, made.scaled(100)))
    assert many.cov == pytest.approx(one.cov, rel=1e-8)
    margins = [each.margins(kind=kind, cluster=kind[0] == "C") for each in (made, made.scaled(50))]
    assert margins[1].cov == pytest.approx(margins[0].cov, rel=1e-8, abs=1e-14)
    assert margins[1].df_for(GAP) == pytest.approx(margins[0].df_for(GAP), rel=1e-7)


def dense(scores, omega, v, working, centre, contrast):
    """Variance of c'b and its degrees of freedom from scores (G, d) and Ω_g (G, d, d)."""
    n, d = scores.shape
    k = []
    for g in range(n):
        a = np.real(np.linalg.inv(sqrtm(np.eye(d) - omega[g] @ v)))
        k.append(a.T @ v.T @ contrast)
    q = np.array([k[g] @ scores[g] for g in range(n)])
    # Residual scores of all clusters as one linear map of the scores.
    rows = np.zeros((n, n * d))
    for g in range(n):
        for h in range(n):
            rows[g, h * d : (h + 1) * d] = k[g] @ ((g == h) * np.eye(d) - omega[g] @ v)
    p = centre @ rows @ block_diag(*working) @ rows.T
    return q @ centre @ q, np.trace(p) ** 2 / np.trace(p @ p)


def centre_within(strata):
    together = strata[:, None] == strata
    sizes = together.sum(axis=1)
    return (np.eye(len(strata)) - together / sizes[:, None]) * (sizes / (sizes - 1))[:, None]


@pytest.mark.parametrize("stratified", [False, True])
def test_coefficients_by_dense_algebra(stratified):
    made = survey()
    fit, cluster = made.fit(), made.zone
    found = made.covariance("CR2", strata=cluster % 3 if stratified else None)
    scores = by_zone(np.einsum("cj,cjp->cp", made.cells.counts, unit_scores(fit, made.x)), cluster)
    omega = cluster_information(fit, made.x, made.cells.counts, cluster)
    centre = centre_within(np.unique(cluster) % 3) if stratified else np.eye(14)
    for j, contrast in enumerate(np.eye(6)):
        variance, df = dense(scores, omega, fit.bread, omega, centre, contrast)
        assert found.cov[j, j] == pytest.approx(variance, rel=1e-8)
        assert found.df_of(contrast) == pytest.approx(df, rel=1e-7)
    assert found.kind == "cluster CR2" + (", strata" if stratified else "")
    assert 2 < found.coefficient_df.min() < found.coefficient_df.max() < 14


def stacked_parts(fit, x, cells, cluster):
    counts = cells.counts
    weight = counts.sum(axis=1) * x[:, 0]
    sides = [np.column_stack([np.full(len(x), s), x[:, 1:]]) for s in (1.0, 0.0)]
    each = np.hstack([probabilities(fit, rows) for rows in sides])
    slopes = np.concatenate([probability_jacobian(fit, rows) for rows in sides], axis=1)
    m = weight @ each / weight.sum()
    spread = (weight[:, None] * (each - m)).T @ (each - m) / weight.sum()
    own = by_zone(weight[:, None] * (each - m), cluster)
    scores = by_zone(np.einsum("cj,cjp->cp", counts, unit_scores(fit, x)), cluster)
    first = cluster_information(fit, x, counts, cluster)
    lean = by_zone(weight[:, None, None] * slopes, cluster)
    parts = list(zip(first, lean, by_zone(weight, cluster), strict=True))
    omega = np.array([np.block([[i, np.zeros((6, 6))], [-d, t * np.eye(6)]]) for i, d, t in parts])
    working = [block_diag(i, t * spread) for i, _, t in parts]
    return np.hstack([scores, own]), omega, working


@pytest.mark.parametrize("stratified", [False, True])
def test_margins_by_dense_algebra(stratified):
    made = survey()
    fit, cluster = made.fit(), made.zone
    found = made.margins(kind="CR2", strata=cluster % 3 if stratified else None)
    scores, omega, working = stacked_parts(fit, made.x, made.cells, cluster)
    v = np.linalg.inv(omega.sum(axis=0))
    centre = centre_within(np.unique(cluster) % 3) if stratified else np.eye(14)
    for contrast in (GAP, np.array([0, 1, 1, 0, 0, 0.0])):
        padded = np.concatenate([np.zeros(6), contrast])
        variance, df = dense(scores, omega, v, working, centre, padded)
        # Square roots of matrices that are nearly defective keep about half the digits.
        assert contrast @ found.cov @ contrast == pytest.approx(variance, rel=1e-6)
        assert found.df_of(contrast) == pytest.approx(df, rel=1e-5)
    # An interval uses its contrast's own degrees of freedom.
    key = Contrast(Quantity.RISK_DIFFERENCE, ">=c", 2, True)
    interval = estimate_contrasts(made.margins(kind="CR2"), "abc")[key]
    quantile = stats.t.ppf(0.975, made.margins(kind="CR2").df_of(GAP))
    assert (interval.upper - interval.lower) / (2 * interval.std_error) == pytest.approx(quantile)
    assert quantile > stats.t.ppf(0.975, 13)


@pytest.mark.parametrize("kind", ["CR1", "CR2"])
def test_margins_with_covariates_fixed_are_the_delta_method(kind):
    made = survey()
    fit, x = made.fit(), made.x
    coefficients, found = made.covariance(kind), made.margins(kind=kind, fixed=True)
    weight = made.cells.counts.sum(axis=1) * x[:, 0]
    sides = [x, np.column_stack([0 * x[:, 0], x[:, 1:]])]
    jacobian = np.concatenate([probability_jacobian(fit, rows) for rows in sides], axis=1)
    gradient = np.einsum("c,cjp->jp", weight / weight.sum(), jacobian)
    assert found.cov == pytest.approx(gradient @ coefficients.cov @ gradient.T, rel=1e-9, abs=1e-14)
    assert found.df_for(GAP) == pytest.approx(coefficients.df_of(gradient.T @ GAP), rel=1e-9)


def test_working_model_makes_cr2_unbiased():
    """Poisson-like scores with variance Ω_g: the mean of CR2 is V, that of CR1 is not."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 3)) * np.repeat([1.0, 3.0], [30, 10])[:, None]
    cluster = np.arange(40) // 5
    omega = np.array([rows[cluster == g].T @ rows[cluster == g] for g in range(8)])
    v = np.linalg.inv(omega.sum(axis=0))
    hat = np.eye(40) - rows @ v @ rows.T
    total = {"CR1": np.zeros((3, 3)), "CR2": np.zeros((3, 3))}
    # The covariance is linear in y y': its mean is its sum over the columns of a root of Var(y).
    for y in np.eye(40):
        residual = hat @ y
        for kind, sums in total.items():
            sums += cluster_covariance(
                v,
                (rows * residual[:, None])[:, None, :],
                np.ones((40, 1)),
                np.ones((40, 1)),
                cluster,
                kind=kind,
                information=omega,
            ).cov
    assert total["CR2"] == pytest.approx(v, rel=1e-10, abs=1e-14)
    assert np.abs(total["CR1"] / v - 1).max() > 0.05


def test_many_small_clusters_make_cr2_and_cr1_one_and_a_zones_own_term_keeps_a_root():
    made = survey(seed=3, n=4000)
    cluster = np.random.default_rng(3).permutation(len(made.x))
    two, one = (made.covariance(kind, cluster=cluster).cov for kind in ("CR2", "CR1"))
    # Cells of unequal weight as clusters: some leverage is left.
    assert np.sqrt(np.diag(two) / np.diag(one)) == pytest.approx(1, abs=0.12)
    own = replace(made, x=np.column_stack([made.x, made.zone == 5]).astype(float))
    found = own.covariance("CR2")
    assert np.isfinite(found.cov).all()
    assert (np.diag(found.cov)[:3] > 0).all()


def test_hc3_is_near_the_jackknife():
    """Leaving people out one at a time, by refitting: HC3 is its first order."""
    made = survey(n=150, weighted=False)
    counts, fit = made.cells.counts, made.fit()
    moves = []
    for c, j in np.argwhere(counts > 0):
        less = counts.copy()
        less[c, j] -= 1
        moves.append(np.sqrt(counts[c, j]) * (fit_ordinal(made.x, less).params - fit.params))
    jackknife = np.diag(np.transpose(moves) @ moves)
    # One Newton step instead of a refit.
    assert np.abs(np.diag(made.covariance("HC0").cov) / jackknife - 1).max() > 0.03
    assert np.diag(made.covariance("HC3").cov) == pytest.approx(jackknife, rel=0.03)


def test_negative_eigenvalues_are_set_to_zero_and_said():
    rng = np.random.default_rng(1)
    influence = rng.normal(size=(12, 1, 3))
    one = np.ones((12, 1))
    found = cluster_covariance(
        np.eye(3),
        influence,
        one,
        one,
        Sampled(cluster=np.arange(12) // 4, second=np.arange(12) % 3),
    )
    assert found.kind == "two-way CR1, negative eigenvalues set to zero"
    assert np.linalg.eigvalsh(found.cov)[0] > -1e-12
    assert found.df == 2


def test_refusals():
    made = survey()
    zone = made.zone
    for error, words, kind, more in (
        (NotEstimable, "1 cluster", "CR1", {"cluster": 0 * zone}),
        (ValueError, "one first-stage unit", "CR1", {"strata": np.where(zone == 0, 0, 1)}),
        (ValueError, "more than one stratum", "CR1", {"strata": made.x[:, 1].astype(int)}),
        (ValueError, "expected one of", "CR1", {"cluster": None}),
        (ValueError, "two ways", "CR2", {"second": zone}),
    ):
        with pytest.raises(error, match=words):
            made.covariance(kind, **more)
    fit = made.fit()
    data = (fit.bread, unit_scores(fit, made.x), made.cells.counts, made.cells.squares, zone)
    with pytest.raises(ValueError, match="expected one of"):
        cluster_covariance(*data, kind="HC1")
    # Two clusters are left to the caller.
    assert made.covariance(cluster=zone % 2).n_clusters == 2


def linear_people(seed=0, n=1200, n_sets=25, n_zones=30):
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


def test_it_is_linearmodels_with_absorbed_sets():
    y, member, weight, sets, zone = linear_people()
    frame = pd.DataFrame({"member": member.astype(float), "set": pd.Categorical(sets)})
    model = AbsorbingLS(y, frame[["member"]], absorb=frame[["set"]], weights=weight)
    for clusters, scale in ((zone, np.sqrt(30 / 29)), (None, 1.0)):
        how = {"cov_type": "robust"} if clusters is None else {"clusters": clusters}
        other = model.fit(debiased=False, **{"cov_type": "clustered", **how})
        fit = fit_linear(y, member, weight, sets, clusters)
        assert fit.estimate == pytest.approx(other.params["member"], rel=1e-6)
        assert fit.std_error == pytest.approx(scale * other.std_errors["member"], rel=1e-6)


def test_cr2_person_by_person():
    """All dummies built and every cluster's residual projection inverted."""
    y, member, weight, sets, zone = linear_people(n=300, n_sets=8, n_zones=9)
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


def test_member_weighted_difference_within_sets_by_hand():
    data = linear_people()
    y, member, weight, sets, zone = data
    gap, clustered, independent = by_hand(*data)
    fit = fit_linear(*data)
    assert fit.estimate == pytest.approx(gap, abs=1e-11)
    assert fit.std_error == pytest.approx(clustered, rel=1e-9)
    assert (fit.kind, fit.n_clusters, fit.df, fit.n_sets) == ("cluster CR1", 30, 29, 25)
    alone = fit_linear(*data[:4], None)
    assert alone.std_error == pytest.approx(independent, rel=1e-9)
    assert (alone.kind, alone.n_clusters, alone.df) == ("HC0", None, np.inf)
    # The trap: unweighted absorbed sets weigh each set by its own variance of membership.
    assert abs(fit_linear(y, member, np.ones_like(y), sets, zone).estimate - gap) > 0.01
    order = np.random.default_rng(1).permutation(y.size)
    turned = (y[order], member[order], 250 * weight[order], 7 + sets[order], zone[order])
    other = fit_linear(*turned)
    assert other.estimate == pytest.approx(fit.estimate, abs=1e-11)
    assert other.std_error == pytest.approx(fit.std_error, rel=1e-9)
    # An answer that nobody gave has no difference.
    nothing = fit_linear(0 * y, member, weight, sets, zone)
    assert (nothing.estimate, nothing.std_error) == (0, 0)


def test_people_without_a_set_or_weight_are_left_out_and_who_is_left_may_be_too_few():
    y, member, weight, sets, zone = linear_people()
    out = np.arange(y.size) % 5 == 0
    fit = fit_linear(y[~out], member[~out], weight[~out], sets[~out], zone[~out])
    by_set = fit_linear(y, member, weight, np.where(out, -1, sets), zone)
    by_weight = fit_linear(y, member, np.where(out, 0.0, weight), sets, zone)
    assert by_set == by_weight == fit
    with pytest.raises(NotEstimable, match="both groups"):
        fit_linear(y, member, weight, np.where(member, sets, sets + 100), zone)
    with pytest.raises(NotEstimable, match="1 cluster"):
        fit_linear(y, member, weight, sets, 0 * zone)
