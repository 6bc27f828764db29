"""Links, likelihood, scores and information of cumulative models, by other algebra and in print."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np
import pytest
from scipy import optimize, special, stats

from coopgap.core.errors import NotEstimable
from coopgap.regression.cumulative import (
    cell_information,
    cell_scores,
    cluster_information,
    probabilities,
    score_products,
    summed_jacobian,
    unit_information,
    unit_scores,
)
from coopgap.regression.design import design_matrix
from coopgap.regression.links import LINKS, curvature, intervals
from coopgap.regression.ordinal import fit_ordinal, natural_fit, profile_interval, total_information
from coopgap.survey.cells import collapse

# Both tails, levels of a rounding's width, levels that hold nearly everybody.
CUTS = np.array(
    [
        [-30.0, -20.0, -1.0, 0.5, 2.0, 5.0],
        [-3.0, -1e-9, 0.0, 1e-9, 1.0, 3.5],
        [-8.0, -7.9999, -2.0, 2.0, 3.0, 3.0001],
        [-25.0, -24.0, -23.0, -22.0, -21.0, 5.5],
    ]
)
# The survival function of the complementary log-log is already 1e-106 at the last of them.
FURTHER = {"logit": 35.0, "probit": 25.0, "cloglog": 0.0}


def pi() -> Decimal:
    """Machin's formula at the precision of the context."""

    def inverse_tangent(n: int) -> Decimal:
        term = total = Decimal(1) / n
        k = 1
        while abs(term) > Decimal(10) ** -500:
            term, k = -term / (n * n), k + 2
            total += term / k
        return total

    return 4 * (4 * inverse_tangent(5) - inverse_tangent(239))


def distribution(link: str, eta: float) -> tuple[Decimal, Decimal]:
    """F and its density."""
    at = Decimal(eta)
    if link == "logit":
        below = 1 / (1 + (-at).exp())
        return below, below * (1 - below)
    if link == "cloglog":
        return 1 - (-at.exp()).exp(), (at - at.exp()).exp()
    density = (-at * at / 2).exp() / (2 * pi()).sqrt()
    # Abramowitz & Stegun 26.2.11 converges everywhere; what it cancels, the digits cover.
    term = total = at
    k = 1
    while abs(term) > Decimal(10) ** -500:
        k += 2
        term = term * at * at / k
        total += term
    return Decimal(1) / 2 + density * total, density


def exact(link: str, row: np.ndarray) -> tuple[list[float], list[float], list[float]]:
    """log P of each level, and f/P below and above each cut point."""
    with localcontext() as context:
        context.prec = 600
        found = [distribution(link, float(eta)) for eta in row]
        ends = [Decimal(0), *(below for below, _ in found), Decimal(1)]
        shares = [upper - lower for lower, upper in pairwise(ends)]
        context.prec = 40
        below = [float(f / p) for (_, f), p in zip(found, shares[:-1], strict=True)]
        above = [float(f / p) for (_, f), p in zip(found, shares[1:], strict=True)]
        return [float(share.ln()) for share in shares], below, above


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("number", range(len(CUTS)))
def test_levels_keep_their_digits(link, number):
    row = CUTS[number].copy()
    row[-1] += FURTHER[link]
    found = intervals(row[None, :], LINKS[link])
    log_prob, below, above = exact(link, row)
    # The probit takes the difference of two logarithms, whose digits a narrow level loses.
    narrow = np.diff(row).min()
    rel = 1e-12 if link != "probit" else max(1e-12, 1e-14 / narrow)
    assert found.log_prob[0] == pytest.approx(log_prob, rel=rel, abs=1e-300)
    assert found.below[0] == pytest.approx(below, rel=rel, abs=1e-300)
    assert found.above[0] == pytest.approx(above, rel=rel, abs=1e-300)


@pytest.mark.parametrize("link", LINKS)
def test_impossible_levels_have_no_derivative(link):
    eta = np.array([[-np.inf, -1.0, -1.0, 0.5, np.inf], [-np.inf, -np.inf, 2.0, 1.0, np.inf]])
    found = intervals(eta, LINKS[link])
    possible = np.array([[0, 1, 0, 1, 1, 0], [0, 0, 1, 0, 1, 0]], dtype=bool)
    assert (np.isfinite(found.log_prob) == possible).all()
    assert (found.log_prob[~possible] == -np.inf).all()
    assert (found.below[~possible[:, :-1]] == 0).all()
    assert (found.above[~possible[:, 1:]] == 0).all()
    infinite = np.isinf(eta)
    assert (found.below[infinite] == 0).all()
    assert (found.above[infinite] == 0).all()
    at = curvature(eta, np.where(possible, 3.0, 0.0), LINKS[link])
    assert all(np.isfinite(part).all() for part in at)
    assert np.exp(found.log_prob[0]).sum() == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize("link", LINKS)
def test_one_level_is_the_interval_that_stands_alone(link):
    eta = np.array([[-2.0, -0.5, 1.0]])
    ends = np.concatenate([[-np.inf], eta[0], [np.inf]])
    alone = LINKS[link].log_between(LINKS[link].at(ends[1:]), LINKS[link].at(ends[:-1]))
    assert intervals(eta, LINKS[link]).log_prob[0] == pytest.approx(alone, rel=1e-14)
    step = 1e-6
    density = np.diff(LINKS[link].distribution(np.stack([eta - step, eta + step])), axis=0)
    # Central differences of step 1e-6 keep nine digits.
    assert np.exp(LINKS[link].log_density(eta)) == pytest.approx(density[0] / (2 * step), rel=1e-8)


@pytest.mark.parametrize("link", LINKS)
def test_curvature_is_the_derivative_of_the_likelihood(link):
    rng = np.random.default_rng(5)
    eta, counts = np.sort(rng.normal(size=(6, 4)), axis=1), rng.poisson(2.0, (6, 5)).astype(float)
    at = curvature(eta, counts, LINKS[link])
    assert at.value.sum() == pytest.approx(
        float((counts * intervals(eta, LINKS[link]).log_prob).sum()), rel=1e-14
    )
    step = 1e-5
    for cut in range(4):
        move = step * (np.arange(4) == cut)
        up, down = (curvature(eta + sign * move, counts, LINKS[link]) for sign in (1, -1))
        # Central differences of step 1e-5 keep eight digits of values of order ten to a thousand.
        slope = (up.value - down.value).sum(axis=1) / (2 * step)
        assert at.slope[:, cut] == pytest.approx(slope, rel=1e-6, abs=1e-6)
        hessian = -(up.slope - down.slope) / (2 * step)
        assert at.diagonal[:, cut] == pytest.approx(hessian[:, cut], rel=1e-6, abs=1e-6)
        if cut < 3:
            assert at.off[:, cut] == pytest.approx(hessian[:, cut + 1], rel=1e-6, abs=1e-6)
    dense = np.zeros((6, 4, 4))
    step = np.arange(4)
    dense[:, step, step] = at.diagonal
    dense[:, step[:-1], step[1:]] = dense[:, step[1:], step[:-1]] = at.off
    assert at.row_sums() == pytest.approx(dense.sum(axis=2), rel=1e-14)


# Agresti, Introduction to Categorical Data Analysis 2e, Table 6.7: party by ideology.
PARTY = np.array([[80, 81, 171, 41, 55], [30, 46, 148, 84, 99]], dtype=float)
REPUBLICAN = np.array([[0.0], [1.0]])
CDF = {
    "logit": special.expit,
    "probit": stats.norm.cdf,
    "cloglog": lambda eta: -np.expm1(-np.exp(eta)),
}


def probability_jacobian(fit, x):
    """Derivative of P(Y = j) in every parameter."""
    return probabilities(fit, x)[:, :, None] * unit_scores(fit, x)


def simulated(seed: int = 3, cells: int = 40, n_levels: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.column_stack(
        [rng.integers(0, 2, cells), rng.normal(2020, 3, cells), rng.integers(0, 2, cells)]
    ).astype(float)
    counts = rng.poisson(4, (cells, n_levels)).astype(float) * rng.uniform(0.2, 3, (cells, 1))
    return x, counts


def plain_log_likelihood(params, x, counts, link):
    k = x.shape[1]
    at = CDF[link](params[k:] - (x @ params[:k])[:, None])
    edge = np.ones((len(x), 1))
    return float((counts * np.log(np.diff(np.hstack([0 * edge, at, edge])))).sum())


def test_agresti_party_by_ideology():
    fit = fit_ordinal(REPUBLICAN, PARTY)
    # 0.975 (0.129) printed; further digits from two programs.
    assert fit.slopes[0] == pytest.approx(0.974515, abs=5e-7)
    assert fit.std_errors[0] == pytest.approx(0.129164, abs=5e-7)
    assert fit.thresholds == pytest.approx([-1.494477, -0.500028, 1.211640, 2.044053], abs=5e-7)
    assert fit.log_likelihood == pytest.approx(-1237.4925, abs=5e-5)
    assert fit.n_obs == 835


def test_whole_people_of_the_printed_peru_classes():
    # WDDCM Peru, Figure 1 as whole people, lowest class first: 1.2185 (0.0845).
    members, national = [100, 221, 402, 261, 20], [341, 271, 271, 90, 30]
    fit = fit_ordinal(REPUBLICAN, np.array([national, members], dtype=float))
    assert fit.slopes[0] == pytest.approx(1.2185, abs=5e-5)
    assert fit.std_errors[0] == pytest.approx(0.0845, abs=5e-5)


def test_proportional_odds_of_fagerland():
    # Fagerland, Lydersen & Laake (2017), package tests: 0.318 (0.228, 0.444).
    table = np.array([[46, 73, 69, 86], [8, 28, 72, 126]], dtype=float)
    fit = fit_ordinal(REPUBLICAN, table)
    slope, std_error = -fit.slopes[0], fit.std_errors[0]
    ends = np.exp(slope + np.array([0, -1, 1]) * stats.norm.ppf(0.975) * std_error)
    assert ends == pytest.approx([0.318, 0.228, 0.444], abs=5e-4)


def test_two_levels_are_the_log_odds_ratio():
    successes, failures = np.array([6.0, 16.0]), np.array([59.0, 20.0])
    fit = fit_ordinal(REPUBLICAN, np.column_stack([failures, successes]))
    expected = np.log(16 * 59 / (20 * 6))
    assert fit.slopes[0] == pytest.approx(expected, abs=1e-12)
    assert fit.std_errors[0] == pytest.approx(np.sqrt(1 / 6 + 1 / 16 + 1 / 59 + 1 / 20), abs=1e-10)
    assert -fit.thresholds[0] == pytest.approx(np.log(6 / 59), abs=1e-12)


@pytest.mark.parametrize("link", LINKS)
def test_maximum_of_a_likelihood_written_plainly(link):
    x, counts = simulated()
    x[:, 1] -= 2020
    fit = fit_ordinal(x, counts, link=link)
    assert fit.log_likelihood == pytest.approx(
        plain_log_likelihood(fit.params, x, counts, link), rel=1e-12
    )
    gradient = optimize.approx_fprime(fit.params, plain_log_likelihood, 1e-6, x, counts, link)
    assert np.abs(gradient).max() / counts.sum() < 1e-5  # forward differences err by their step
    step, p = 1e-4, fit.params.size
    hessian = np.zeros((p, p))
    for i in range(p):
        for j in range(p):
            for si in (1, -1):
                for sj in (1, -1):
                    moved = fit.params.copy()
                    moved[i] += si * step
                    moved[j] += sj * step
                    value = plain_log_likelihood(moved, x, counts, link)
                    hessian[i, j] += si * sj * value / (4 * step**2)
    # Second differences of a log-likelihood near 1,000 keep five digits.
    assert np.linalg.inv(-hessian) == pytest.approx(fit.cov, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("link", LINKS)
def test_scores_and_jacobian_are_derivatives(link):
    x, counts = simulated()
    x[:, 1] -= 2020
    fit = fit_ordinal(x, counts, link=link)
    scores, jacobian = unit_scores(fit, x), probability_jacobian(fit, x)
    assert np.abs(np.einsum("cj,cjp->p", counts, scores)).max() < 1e-8

    def predicted(params):
        at = CDF[link](params[3:] - (x @ params[:3])[:, None])
        edge = np.ones((len(x), 1))
        return np.diff(np.hstack([0 * edge, at, edge]))

    assert probabilities(fit, x) == pytest.approx(predicted(fit.params), abs=1e-13)
    for i in range(fit.params.size):
        step = np.zeros(fit.params.size)
        step[i] = 1e-5
        slope = (predicted(fit.params + step) - predicted(fit.params - step)) / 2e-5
        assert jacobian[:, :, i] == pytest.approx(slope, abs=1e-8)


def test_uncentred_covariate_converges():
    x, counts = simulated()
    shifted = x - [0, 2020, 0]
    fit, centred = fit_ordinal(x, counts), fit_ordinal(shifted, counts)
    assert fit.max_gradient < 1e-10
    assert fit.slopes == pytest.approx(centred.slopes, abs=1e-9)
    assert fit.thresholds == pytest.approx(centred.thresholds + 2020 * fit.slopes[1], rel=1e-9)
    assert fit.std_errors[:3] == pytest.approx(centred.std_errors[:3], rel=1e-9)


@pytest.mark.parametrize("link", LINKS)
def test_far_tails_stay_finite(link):
    # A level of one person in a million: 1 - F loses every digit there if it is subtracted.
    counts = np.array([[1, 500_000, 499_999], [2, 400_000, 599_998]], dtype=float)
    fit = fit_ordinal(REPUBLICAN, counts, link=link)
    assert fit.max_gradient < 1e-10
    scores = unit_scores(fit, np.array([[-30.0], [0.0], [30.0]]))
    assert np.isfinite(scores).all()


def test_levels_that_nobody_has_get_probability_zero():
    padded = np.insert(PARTY, [0, 2, 5], 0.0, axis=1)
    fit, full = fit_ordinal(REPUBLICAN, padded), fit_ordinal(REPUBLICAN, PARTY)
    assert fit.slopes == pytest.approx(full.slopes, abs=1e-12)
    assert list(fit.present) == [False, True, True, False, True, True, True, False]
    assert fit.thresholds[0] == -np.inf
    assert fit.thresholds[-1] == np.inf
    assert fit.thresholds[2] == fit.thresholds[3]
    shares = probabilities(fit, REPUBLICAN)
    assert (shares[:, ~fit.present] == 0).all()
    assert shares[:, fit.present] == pytest.approx(probabilities(full, REPUBLICAN), abs=1e-13)
    jacobian = probability_jacobian(fit, REPUBLICAN)
    variance = np.einsum("cjp,pq,cjq->cj", jacobian, fit.cov, jacobian)
    expected = probability_jacobian(full, REPUBLICAN)
    expected = np.einsum("cjp,pq,cjq->cj", expected, full.cov, expected)
    assert variance[:, fit.present] == pytest.approx(expected, rel=1e-10)


def test_refuses_one_answer():
    with pytest.raises(NotEstimable, match="same answer"):
        fit_ordinal(REPUBLICAN, np.array([[3.0, 0.0], [4.0, 0.0]]))


def test_refuses_dependent_columns_by_name():
    x = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 1], [1, 1, 0]], dtype=float)
    counts = np.full((4, 3), 5.0)
    with pytest.raises(NotEstimable, match=r"sex=Male cannot be told apart"):
        fit_ordinal(x, counts, terms=("member", "sex=Female", "sex=Male"))


def test_refuses_when_everybody_is_a_member():
    with pytest.raises(NotEstimable, match="member cannot be told apart"):
        fit_ordinal(np.ones((2, 1)), PARTY, terms=("member",))


def test_never_a_silent_infinite_slope():
    # OrderedModel reports 38 (SE 2,377) on such data and says that it converged.
    counts = np.array([[10, 5, 0], [0, 0, 12]], dtype=float)
    with pytest.raises(NotEstimable):
        fit_ordinal(REPUBLICAN, counts)


def test_correct_decimals_are_those_one_more_step_leaves():
    x, counts = simulated()
    assert fit_ordinal(x, counts).correct_decimals >= 8
    stopped = natural_fit(
        np.zeros(2),
        np.eye(2),
        np.diag([10.0, 1.0]),  # a column scaled by a tenth
        np.array([True, True]),
        link="logit",
        free=(),
        log_likelihood=0.0,
        n_obs=1,
        iterations=1,
        max_gradient=0.0,
        step=np.array([3e-6, 1e-6]),
    )
    assert stopped.correct_decimals == 4


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
@pytest.mark.parametrize("free", [(), (0,), (0, 2)])
@pytest.mark.parametrize("empty", [(), (2,), (0, 3)])
def test_products_are_those_of_the_scores(link, free, empty):
    rng = np.random.default_rng(2)
    x = np.column_stack([np.arange(60) % 2, rng.integers(0, 2, 60), rng.normal(size=60)])
    counts = rng.integers(1, 9, (60, 5)).astype(np.float64)
    counts[:, list(empty)] = 0.0
    fit = fit_ordinal(x, counts, link=link, free=free)
    scores, directions = unit_scores(fit, x), rng.normal(size=(fit.params.size, 4))
    close = {"rtol": 1e-12, "atol": 1e-12}
    found = cell_scores(fit, x, counts)
    np.testing.assert_allclose(found, np.einsum("cj,cjp->cp", counts, scores), **close)
    np.testing.assert_allclose(score_products(fit, x, directions), scores @ directions, **close)
    weight = rng.random(60)
    summed = np.einsum("c,cjp->jp", weight, probability_jacobian(fit, x))
    np.testing.assert_allclose(summed_jacobian(fit, x, weight), summed, **close)
    whole = cell_information(fit, x, counts).sum(axis=0)
    np.testing.assert_allclose(total_information(fit, x, counts), whole, rtol=1e-11, atol=1e-9)


def made(levels=4, seed=0, n=500):
    rng = np.random.default_rng(seed)
    member, sex = rng.integers(0, 2, (2, n))
    zone = rng.integers(0, 15, n)
    latent = 0.8 * member - 0.4 * sex + rng.logistic(size=n)
    outcome = np.digitize(latent, [-1, 0.5, 2][: levels - 1])
    cells = collapse([member, sex, zone], outcome, levels, rng.uniform(0.3, 3, n))
    return cells.codes[:, :2].astype(float), cells.counts, cells.codes[:, 2]


@pytest.mark.parametrize("free", [(), (0,)])
@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_clusters_sum_to_the_inverse_of_the_bread(link, free):
    x, counts, cluster = made()
    fit = fit_ordinal(x, counts, link=link, free=free)
    found = cluster_information(fit, x, counts, cluster)
    assert found.shape == (15, fit.params.size, fit.params.size)
    assert found.sum(axis=0) == pytest.approx(np.linalg.inv(fit.cov), rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_units_sum_to_cells_and_are_minus_the_derivative_of_scores(link):
    x, counts, _ = made()
    fit = fit_ordinal(x, counts, link=link)
    each = unit_information(fit, x)
    assert np.einsum("cj,cjpq->cpq", counts, each) == pytest.approx(
        cell_information(fit, x, counts), rel=1e-10, abs=1e-12
    )
    step = 1e-5
    for at in range(fit.params.size):
        move = np.zeros(fit.params.size)
        move[at] = step
        ends = [
            unit_scores(
                replace(
                    fit,
                    slopes=fit.slopes + sign * move[:2],
                    thresholds=fit.thresholds + sign * move[2:],
                ),
                x,
            )
            for sign in (1, -1)
        ]
        # Central differences, error of the order of the step squared.
        assert -(ends[0] - ends[1]) / (2 * step) == pytest.approx(each[..., at], abs=1e-7)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
@pytest.mark.parametrize("empty", [0, 2, 3])
def test_levels_that_nobody_has_add_nothing(empty, link):
    x, counts, cluster = made()
    counts[:, empty] = 0
    fit = fit_ordinal(x, counts, link=link)
    found = cluster_information(fit, x, counts, cluster)
    assert np.isfinite(found).all()
    v, total = fit.cov, found.sum(axis=0)
    assert v @ total @ v == pytest.approx(v, rel=1e-8, abs=1e-10)


def test_clusters_without_weight_are_left_out():
    x, counts, cluster = made()
    counts[cluster == 3] = 0
    fit = fit_ordinal(x, counts)
    assert len(cluster_information(fit, x, counts, cluster)) == 14


# R ordinal::wine: temp (warm), contact (yes), people by rating 1 to 5.
WINE_X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
WINE = np.array([[4, 9, 5, 0, 0], [1, 7, 8, 2, 0], [0, 5, 8, 3, 2], [0, 1, 5, 7, 5]], dtype=float)


@pytest.mark.parametrize(
    ("link", "column", "limits"),
    [
        ("logit", 0, (1.5097627406, 3.595225164)),
        ("logit", 1, (0.6157924849, 2.492403788)),
        ("probit", 0, (0.9366304453, 2.082230239)),
        ("probit", 1, (0.3483888864, 1.395268083)),
    ],
)
def test_wine_equals_confint_of_clm(link, column, limits):
    # ordinal: confint(clm(rating ~ temp + contact, wine), type = "profile"), which reads the
    # limits off a spline: five digits.
    found = profile_interval(WINE_X, WINE, column, link=link)
    assert found == pytest.approx(limits, rel=3e-5)


def test_two_groups_by_hand():
    counts = np.array([[12.0, 8.0], [5.0, 15.0]])

    def log_likelihood(intercept, slope):
        eta = intercept + slope * np.array([0.0, 1.0])
        return (
            counts[:, 1] * special.log_expit(eta) + counts[:, 0] * special.log_expit(-eta)
        ).sum()

    def profile(slope):
        return -optimize.minimize_scalar(
            lambda a: -log_likelihood(a, slope),
            bounds=(-9, 9),
            method="bounded",
            options={"xatol": 1e-10},
        ).fun

    shares = counts / counts.sum(axis=1, keepdims=True)
    top = (counts * np.log(shares)).sum()
    for limit in profile_interval(np.array([[0.0], [1.0]]), counts, 0, prob=0.9):
        assert 2 * (top - profile(limit)) == pytest.approx(stats.chi2.ppf(0.9, 1), abs=1e-6)


def test_it_is_free_of_the_columns_place():
    moved = WINE_X + np.array([2020.0, -5.0])
    assert profile_interval(moved, WINE, 0) == pytest.approx(profile_interval(WINE_X, WINE, 0))


def test_many_people_leave_the_wald_interval():
    many = 10_000 * WINE
    fit = fit_ordinal(WINE_X, many)
    half = stats.norm.ppf(0.975) * fit.std_errors[0]
    found = profile_interval(WINE_X, many, 0)
    assert found == pytest.approx((fit.slopes[0] - half, fit.slopes[0] + half), abs=1e-4)


def test_a_separated_fit_has_no_interval():
    with pytest.raises(NotEstimable):
        profile_interval(WINE_X, np.column_stack([WINE[:, 0], WINE[:, 1:].sum(axis=1)]), 0)


LEVELS = {"region": ("North", "South", "East"), "sex": ("Female", "Male")}


def test_treatment_coding_by_hand():
    codes = {"region": np.array([0, 1, 2, 1]), "sex": np.array([1, 0, 1, 0])}
    design = design_matrix(codes, LEVELS)
    assert design.terms == ("region=South", "region=East", "sex=Male")
    expected = [[0, 0, 1], [1, 0, 0], [0, 1, 1], [1, 0, 0]]
    assert (design.x == expected).all()


def test_absent_levels_give_no_column():
    codes = {"region": np.array([1, 2, 1]), "sex": np.array([1, 1, 1])}
    design = design_matrix(codes, LEVELS)
    assert design.terms == ("region=East",)  # South takes the place of the absent reference
    assert design.x.ravel().tolist() == [0, 1, 0]


def test_no_factor_gives_no_column():
    assert design_matrix({}, {}, n=3).x.shape == (3, 0)


def test_refuses_a_missing_code():
    with pytest.raises(ValueError, match="region"):
        design_matrix({"region": np.array([0, -1])}, LEVELS)
