"""Sandwiches and CR2 by dense algebra, one cluster after another, and what must hold of them."""

from __future__ import annotations

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
from coopgap.regression.cumulative import (
    cluster_information,
    probabilities,
    unit_information,
    unit_scores,
)
from coopgap.regression.linear import fit_linear
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.standardise import standardise
from coopgap.survey.cells import collapse


def people(seed=0, n=400, n_zones=12):
    rng = np.random.default_rng(seed)
    member, sex = rng.integers(0, 2, (2, n))
    zone = rng.integers(0, n_zones, n)
    latent = 0.8 * member - 0.4 * sex + rng.normal(size=n_zones)[zone] + rng.logistic(size=n)
    outcome = np.digitize(latent, [-1, 0.5, 2])
    return member, sex, zone, outcome, rng.uniform(0.3, 3, n)


def covariance(columns, outcome, weight, clustered=True):
    cells = collapse(columns, outcome, 4, weight)
    x = cells.codes[:, :2].astype(float)
    fit = fit_ordinal(x, cells.counts)
    cluster = cells.codes[:, 2] if clustered else None
    return fit, cluster_covariance(
        fit.bread, unit_scores(fit, x), cells.counts, cells.squares, cluster
    )


def sandwich_by_hand(fit, member, sex, zone, outcome, weight):
    """One person after another, clusters in a loop."""
    x = np.column_stack([member, sex]).astype(float)
    scores = unit_scores(fit, x)[np.arange(len(outcome)), outcome] * weight[:, None]
    meat = np.zeros((5, 5))
    for g in np.unique(zone):
        total = scores[zone == g].sum(axis=0)
        meat += np.outer(total, total)
    n_clusters = np.unique(zone).size
    return n_clusters / (n_clusters - 1) * fit.bread @ meat @ fit.bread


def test_cluster_sums_by_hand():
    member, sex, zone, outcome, weight = people()
    fit, found = covariance([member, sex, zone], outcome, weight)
    expected = sandwich_by_hand(fit, member, sex, zone, outcome, weight)
    assert found.cov == pytest.approx(expected, rel=1e-10)
    assert (found.kind, found.n_clusters, found.df) == ("cluster CR1", 12, 11)


def test_people_as_clusters_are_hc0_but_for_the_factor():
    member, sex, _, outcome, weight = people()
    n = outcome.size
    _, each = covariance([member, sex, np.arange(n)], outcome, weight)
    _, found = covariance([member, sex], outcome, weight, clustered=False)
    assert each.cov * (n - 1) / n == pytest.approx(found.cov, rel=1e-10)
    assert (found.kind, found.n_clusters, found.df) == ("HC0", None, np.inf)


@pytest.mark.parametrize("clustered", [True, False])
def test_rescaled_weights_change_nothing(clustered):
    member, sex, zone, outcome, weight = people()
    _, found = covariance([member, sex, zone], outcome, weight, clustered)
    _, scaled = covariance([member, sex, zone], outcome, 100 * weight, clustered)
    assert scaled.cov == pytest.approx(found.cov, rel=1e-9)


def test_one_cluster_is_refused_and_two_are_left_to_the_caller():
    member, sex, zone, outcome, weight = people()
    with pytest.raises(NotEstimable, match="1 cluster"):
        covariance([member, sex, 0 * zone], outcome, weight)
    assert covariance([member, sex, zone % 2], outcome, weight)[1].n_clusters == 2


def probability_jacobian(fit, x):
    """Derivative of P(Y = j) in every parameter."""
    return probabilities(fit, x)[:, :, None] * unit_scores(fit, x)


def made(seed=0, n=500, zones=14):
    rng = np.random.default_rng(seed)
    member, sex = rng.integers(0, 2, (2, n))
    zone = rng.integers(0, zones, n)
    latent = 0.8 * member - 0.4 * sex + 0.3 * (zone % 3) + rng.logistic(size=n)
    cells = collapse(
        [member, sex, zone], np.digitize(latent, [-0.5, 1.5]), 3, rng.uniform(0.3, 3, n)
    )
    codes = cells.codes
    x = np.column_stack([codes[:, 0], codes[:, 1], codes[:, 2] % 3 == 1, codes[:, 2] % 3 == 2])
    return x.astype(float), cells, codes[:, 2]


def leverage_covariance(x, cells, cluster, kind, **more):
    fit = fit_ordinal(x, cells.counts)
    information = cluster_information(fit, x, cells.counts, cluster) if kind == "CR2" else None
    return fit, cluster_covariance(
        fit.bread,
        unit_scores(fit, x),
        cells.counts,
        cells.squares,
        cluster,
        kind=kind,
        information=information,
        people=cells.people,
        **more,
    )


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


def by_zone(values, cluster):
    return np.array([values[cluster == g].sum(axis=0) for g in np.unique(cluster)])


@pytest.mark.parametrize("stratified", [False, True])
def test_coefficients_by_dense_algebra(stratified):
    x, cells, cluster = made()
    strata = cluster % 3 if stratified else None
    fit, found = leverage_covariance(x, cells, cluster, "CR2", strata=strata)
    scores = by_zone(np.einsum("cj,cjp->cp", cells.counts, unit_scores(fit, x)), cluster)
    omega = cluster_information(fit, x, cells.counts, cluster)
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
    part = by_zone(weight, cluster)
    omega = np.array(
        [
            np.block([[i, np.zeros((6, 6))], [-d, t * np.eye(6)]])
            for i, d, t in zip(first, lean, part, strict=True)
        ]
    )
    working = [block_diag(i, t * spread) for i, t in zip(first, part, strict=True)]
    return np.hstack([scores, own]), omega, working


@pytest.mark.parametrize("stratified", [False, True])
def test_margins_by_dense_algebra(stratified):
    x, cells, cluster = made()
    fit = fit_ordinal(x, cells.counts)
    found = standardise(
        fit,
        x,
        0,
        x[:, 0],
        cells.counts,
        cells.squares,
        cluster,
        kind="CR2",
        strata=cluster % 3 if stratified else None,
    )
    scores, omega, working = stacked_parts(fit, x, cells, cluster)
    v = np.linalg.inv(omega.sum(axis=0))
    centre = centre_within(np.unique(cluster) % 3) if stratified else np.eye(14)
    for contrast in (np.array([0, 0, 1, 0, 0, -1.0]), np.array([0, 1, 1, 0, 0, 0.0])):
        padded = np.concatenate([np.zeros(6), contrast])
        variance, df = dense(scores, omega, v, working, centre, padded)
        # Square roots of matrices that are nearly defective keep about half the digits.
        assert contrast @ found.cov @ contrast == pytest.approx(variance, rel=1e-6)
        assert found.df_of(contrast) == pytest.approx(df, rel=1e-5)


def test_margins_with_covariates_fixed_are_the_delta_method():
    x, cells, cluster = made()
    fit, coefficients = leverage_covariance(x, cells, cluster, "CR2")
    args = (fit, x, 0, x[:, 0], cells.counts, cells.squares, cluster)
    found = standardise(*args, kind="CR2", fixed=True)
    weight = cells.counts.sum(axis=1) * x[:, 0]
    rows = np.column_stack([0 * x[:, 0], x[:, 1:]])
    jacobian = np.concatenate(
        [probability_jacobian(fit, x), probability_jacobian(fit, rows)], axis=1
    )
    gradient = np.einsum("c,cjp->jp", weight / weight.sum(), jacobian)
    assert found.cov == pytest.approx(gradient @ coefficients.cov @ gradient.T, rel=1e-9, abs=1e-14)
    gap = np.array([0, 0, 1, 0, 0, -1.0])
    assert found.df_of(gap) == pytest.approx(coefficients.df_of(gradient.T @ gap), rel=1e-9)
    plain = standardise(*args, kind="CR1", fixed=True)
    _, cr1 = leverage_covariance(x, cells, cluster, "CR1")
    assert plain.cov == pytest.approx(gradient @ cr1.cov @ gradient.T, rel=1e-9, abs=1e-14)


def test_intervals_use_each_contrast_s_own_degrees_of_freedom():
    x, cells, cluster = made()
    fit = fit_ordinal(x, cells.counts)
    margins = standardise(fit, x, 0, x[:, 0], cells.counts, cells.squares, cluster, kind="CR2")
    key = Contrast(Quantity.RISK_DIFFERENCE, ">=c", 2, True)
    found = estimate_contrasts(margins, "abc")[key]
    gap = np.array([0, 0, 1, 0, 0, -1.0])
    quantile = stats.t.ppf(0.975, margins.df_of(gap))
    assert (found.upper - found.lower) / (2 * found.std_error) == pytest.approx(quantile)
    assert quantile > stats.t.ppf(0.975, 13)


def test_many_small_clusters_make_cr2_and_cr1_one():
    rng = np.random.default_rng(3)
    x, cells, _ = made(seed=3, n=4000)
    cluster = rng.permutation(len(x))
    _, two = leverage_covariance(x, cells, cluster, "CR2")
    _, one = leverage_covariance(x, cells, cluster, "CR1")
    # 56 cells of unequal weight as clusters: some leverage is left.
    assert np.sqrt(np.diag(two.cov) / np.diag(one.cov)) == pytest.approx(1, abs=0.12)


def test_rescaled_weights_change_neither_covariance_nor_df():
    x, cells, cluster = made()
    fit = fit_ordinal(x, cells.counts)
    one = standardise(fit, x, 0, x[:, 0], cells.counts, cells.squares, cluster, kind="CR2")
    fit = fit_ordinal(x, 50 * cells.counts)
    many = standardise(
        fit, x, 0, x[:, 0], 50 * cells.counts, 2500 * cells.squares, cluster, kind="CR2"
    )
    gap = np.array([0, 0, 1, 0, 0, -1.0])
    assert many.cov == pytest.approx(one.cov, rel=1e-8, abs=1e-14)
    assert many.df_of(gap) == pytest.approx(one.df_of(gap), rel=1e-7)


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


def test_a_coefficient_carried_by_one_cluster_keeps_a_generalised_root():
    x, cells, cluster = made()
    x = np.column_stack([x, cluster == 5]).astype(float)
    _, found = leverage_covariance(x, cells, cluster, "CR2")
    assert np.isfinite(found.cov).all()
    assert (np.diag(found.cov)[:3] > 0).all()


def test_strata_centre_and_count():
    x, cells, cluster = made()
    fit, found = leverage_covariance(x, cells, cluster, "CR1", strata=cluster % 3)
    scores = np.einsum("cj,cjp->cp", cells.counts, unit_scores(fit, x)) @ fit.bread
    sums, strata = by_zone(scores, cluster), np.unique(cluster) % 3
    by_hand = sum(np.cov(sums[strata == h].T) * (strata == h).sum() for h in range(3))
    assert found.cov == pytest.approx(by_hand, rel=1e-9)
    assert (found.kind, found.n_clusters, found.df) == ("cluster CR1, strata", 14, 11)


def test_cr1s_hc1_and_cr0_are_factors():
    x, cells, cluster = made()
    _, one = leverage_covariance(x, cells, cluster, "CR1")
    _, stata = leverage_covariance(x, cells, cluster, "CR1S")
    _, zero = leverage_covariance(x, cells, cluster, "CR0")
    assert stata.cov == pytest.approx(one.cov * 499 / 494, rel=1e-12)
    assert zero.cov == pytest.approx(one.cov * 13 / 14, rel=1e-12)
    _, hc0 = leverage_covariance(x, cells, None, "HC0")
    _, hc1 = leverage_covariance(x, cells, None, "HC1")
    assert hc1.cov == pytest.approx(hc0.cov * 500 / 494, rel=1e-12)


def test_hc3_is_near_the_jackknife():
    """Leaving people out one at a time, by refitting: HC3 is its first order."""
    x, cells, _ = made(n=150)
    counts = cells.people.astype(float)
    fit = fit_ordinal(x, counts)
    moves = []
    for c, j in np.argwhere(counts > 0):
        less = counts.copy()
        less[c, j] -= 1
        moves.append(np.sqrt(counts[c, j]) * (fit_ordinal(x, less).params - fit.params))
    information = unit_information(fit, x)
    found = cluster_covariance(
        fit.bread, unit_scores(fit, x), counts, counts, None, kind="HC3", information=information
    )
    # One Newton step instead of a refit.
    hc0 = cluster_covariance(fit.bread, unit_scores(fit, x), counts, counts, None)
    assert np.abs(np.diag(hc0.cov) / np.diag(np.transpose(moves) @ moves) - 1).max() > 0.03
    assert np.diag(found.cov) == pytest.approx(np.diag(np.transpose(moves) @ moves), rel=0.03)


def test_negative_eigenvalues_are_set_to_zero_and_said():
    rng = np.random.default_rng(1)
    influence = rng.normal(size=(12, 1, 3))
    one = np.ones((12, 1))
    found = cluster_covariance(
        np.eye(3), influence, one, one, np.arange(12) // 4, second=np.arange(12) % 3
    )
    assert found.kind == "two-way CR1, negative eigenvalues set to zero"
    assert np.linalg.eigvalsh(found.cov)[0] > -1e-12
    assert found.df == 2


def test_refusals():
    x, cells, cluster = made()
    with pytest.raises(NotEstimable, match="single cluster"):
        leverage_covariance(x, cells, cluster, "CR1", strata=np.where(cluster == 0, 0, 1))
    with pytest.raises(ValueError, match="more than one stratum"):
        leverage_covariance(x, cells, cluster, "CR1", strata=x[:, 1].astype(int))
    with pytest.raises(ValueError, match="expected one of"):
        leverage_covariance(x, cells, cluster, "HC1")
    with pytest.raises(ValueError, match="expected one of"):
        leverage_covariance(x, cells, None, "CR1")
    with pytest.raises(ValueError, match="two ways"):
        leverage_covariance(x, cells, cluster, "CR2", second=cluster)


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


def test_member_weighted_difference_within_sets_by_hand():
    data = linear_people()
    gap, clustered, independent = by_hand(*data)
    fit = fit_linear(*data)
    assert fit.estimate == pytest.approx(gap, abs=1e-11)
    assert fit.std_error == pytest.approx(clustered, rel=1e-9)
    assert (fit.kind, fit.n_clusters, fit.df, fit.n_sets) == ("cluster CR1", 30, 29, 25)
    alone = fit_linear(*data[:4], None)
    assert alone.std_error == pytest.approx(independent, rel=1e-9)
    assert (alone.kind, alone.n_clusters, alone.df) == ("HC0", None, np.inf)


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


def test_without_matching_weights_the_question_is_another():
    # The trap: unweighted absorbed sets weigh each set by its own variance of membership.
    y, member, weight, sets, zone = linear_people()
    gap = by_hand(y, member, weight, sets, zone)[0]
    assert abs(fit_linear(y, member, np.ones_like(y), sets, zone).estimate - gap) > 0.01


def test_scale_of_weights_and_row_order_do_not_matter():
    y, member, weight, sets, zone = linear_people()
    order = np.random.default_rng(1).permutation(y.size)
    fit = fit_linear(y, member, weight, sets, zone)
    other = fit_linear(y[order], member[order], 250 * weight[order], 7 + sets[order], zone[order])
    assert other.estimate == pytest.approx(fit.estimate, abs=1e-11)
    assert other.std_error == pytest.approx(fit.std_error, rel=1e-9)


def test_people_without_a_set_or_weight_are_left_out():
    y, member, weight, sets, zone = linear_people()
    out = np.arange(y.size) % 5 == 0
    fit = fit_linear(y[~out], member[~out], weight[~out], sets[~out], zone[~out])
    by_set = fit_linear(y, member, weight, np.where(out, -1, sets), zone)
    by_weight = fit_linear(y, member, np.where(out, 0.0, weight), sets, zone)
    assert by_set == by_weight == fit


def test_refusals_linear():
    y, member, weight, sets, zone = linear_people()
    with pytest.raises(NotEstimable, match="both groups"):
        fit_linear(y, member, weight, np.where(member, sets, sets + 100), zone)
    with pytest.raises(NotEstimable, match="1 cluster"):
        fit_linear(y, member, weight, sets, 0 * zone)


def test_an_answer_that_nobody_gave_has_no_difference():
    y, member, weight, sets, zone = linear_people()
    fit = fit_linear(0 * y, member, weight, sets, zone)
    assert fit.estimate == 0
    assert fit.std_error == 0
