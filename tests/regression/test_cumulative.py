"""Links, likelihood, scores and information of cumulative models, by other algebra and in print."""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np
import pytest
from scipy import optimize, special, stats
from statsmodels.miscmodels.tests.results import results_ordinal_model

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
from coopgap.regression.ordinal import (
    fit_ordinal,
    fit_reduced,
    natural_fit,
    profile_interval,
    total_information,
)
from coopgap.regression.proportional import robust_wald

from .conftest import GROUP, PARTY, SPLIT, WINE, WINE_X, moved, probability_jacobian, survey

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


CDF = {
    "logit": special.expit,
    "probit": stats.norm.cdf,
    "cloglog": lambda eta: -np.expm1(-np.exp(eta)),
}
by_link = pytest.mark.parametrize("link", LINKS)


def plain(params, x, link, free):
    """Probabilities of the levels, written plainly."""
    tied = [k for k in range(x.shape[1]) if k not in free]
    k, cuts = len(tied), (params.size - len(tied)) // (len(free) + 1)
    freed = params[k : k + cuts * len(free)].reshape(len(free), cuts)
    eta = (x[:, tied] @ params[:k])[:, None] + x[:, list(free)] @ freed
    below = CDF[link](params[-cuts:] - eta)
    edge = np.ones((len(x), 1))
    return np.diff(np.hstack([0 * edge, below, edge]))


def simulated(seed=3, cells=40, n_levels=4):
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.integers(0, 2, cells), rng.normal(size=cells)]).astype(float)
    counts = rng.poisson(6, (cells, n_levels)).astype(float) * rng.uniform(0.5, 2, (cells, 1))
    return x, counts


def slopes_of(function, at, step=1e-5):
    """Central differences, the parameter last."""
    steps = step * np.eye(at.size)
    return np.stack([(function(at + e) - function(at - e)) / (2 * step) for e in steps], axis=-1)


@by_link
@pytest.mark.parametrize("free", [(), (0,)])
def test_a_fit_is_the_maximum_of_a_likelihood_written_plainly(link, free):
    x, counts = simulated()
    fit = fit_ordinal(x, counts, link=link, free=free)

    def predicted(params):
        return plain(params, x, link, free)

    assert probabilities(fit, x) == pytest.approx(predicted(fit.params), abs=1e-13)
    log_likelihood = (counts * np.log(predicted(fit.params))).sum()
    assert fit.log_likelihood == pytest.approx(log_likelihood, rel=1e-12)
    # Central differences of step 1e-5 keep eight digits, second ones five.
    jacobian = slopes_of(predicted, fit.params)
    assert probability_jacobian(fit, x) == pytest.approx(jacobian, abs=1e-8)

    def score(params):
        at = predicted(params)
        return np.einsum(
            "cj,cjp->p", counts / at, slopes_of(lambda p: plain(p, x, link, free), params)
        )

    assert np.abs(score(fit.params)).max() / counts.sum() < 1e-8
    information = -slopes_of(score, fit.params, 1e-4)
    assert np.linalg.inv(information) == pytest.approx(fit.cov, rel=1e-3, abs=1e-6)
    elsewhere = fit.params + 0.05
    own = np.einsum("cj,cjp->p", counts, unit_scores(moved(fit, elsewhere), x))
    assert own == pytest.approx(score(elsewhere), rel=1e-6, abs=1e-5)
    each = -slopes_of(lambda params: unit_scores(moved(fit, params), x), fit.params)
    assert unit_information(fit, x) == pytest.approx(each, abs=1e-7)


@by_link
@pytest.mark.parametrize("free", [(), (0,), (0, 2)])
@pytest.mark.parametrize("empty", [(), (2,), (0, 3)])
def test_products_and_sums_are_those_of_the_scores(link, free, empty):
    rng = np.random.default_rng(2)
    x = np.column_stack([np.arange(60) % 2, rng.integers(0, 2, 60), rng.normal(size=60)])
    counts = rng.integers(1, 9, (60, 5)).astype(np.float64)
    counts[:, list(empty)] = 0.0
    fit = fit_ordinal(x, counts, link=link, free=free)
    scores, directions = unit_scores(fit, x), rng.normal(size=(fit.params.size, 4))
    close = {"rel": 1e-11, "abs": 1e-9}
    by_cell = np.einsum("cj,cjp->cp", counts, scores)
    assert cell_scores(fit, x, counts) == pytest.approx(by_cell, **close)
    assert score_products(fit, x, directions) == pytest.approx(scores @ directions, **close)
    weight = rng.random(60)
    summed = np.einsum("c,cjp->jp", weight, probability_jacobian(fit, x))
    assert summed_jacobian(fit, x, weight) == pytest.approx(summed, **close)
    cells = cell_information(fit, x, counts)
    assert total_information(fit, x, counts) == pytest.approx(cells.sum(axis=0), **close)
    by_unit = np.einsum("cj,cjpq->cpq", counts, unit_information(fit, x))
    assert cells == pytest.approx(by_unit, **close)
    cluster = np.arange(60) % 15
    counts[cluster == 3] = 0
    found = cluster_information(fit, x, counts, cluster)
    assert len(found) == 14  # clusters without weight are left out
    rest = cells[cluster != 3].sum(axis=0)
    assert found.sum(axis=0) == pytest.approx(rest, rel=1e-8, abs=1e-8)


@by_link
@pytest.mark.parametrize("empty", [None, 0, 2, 3])
def test_clusters_sum_to_the_inverse_of_the_bread(link, empty):
    made = survey(levels=4)
    counts = made.cells.counts
    if empty is not None:
        counts[:, empty] = 0
    fit = fit_ordinal(made.x, counts, link=link)
    total = cluster_information(fit, made.x, counts, made.zone).sum(axis=0)
    assert fit.cov @ total @ fit.cov == pytest.approx(fit.cov, rel=1e-8, abs=1e-10)


# Numbers in print


def test_agresti_party_by_ideology():
    fit = fit_ordinal(GROUP, PARTY)
    # 0.975 (0.129) printed; further digits from two programs.
    assert [fit.slopes[0], fit.std_errors[0]] == pytest.approx([0.974515, 0.129164], abs=5e-7)
    assert fit.thresholds == pytest.approx([-1.494477, -0.500028, 1.211640, 2.044053], abs=5e-7)
    assert fit.log_likelihood == pytest.approx(-1237.4925, abs=5e-5)
    assert fit.n_obs == 835


def test_slopes_in_print():
    # WDDCM Peru, Figure 1 as whole people, lowest class first: 1.2185 (0.0845).
    peru = np.array([[341, 271, 271, 90, 30], [100, 221, 402, 261, 20]], dtype=float)
    fit = fit_ordinal(GROUP, peru)
    assert [fit.slopes[0], fit.std_errors[0]] == pytest.approx([1.2185, 0.0845], abs=5e-5)
    # Fagerland, Lydersen & Laake (2017), package tests: 0.318 (0.228, 0.444).
    fit = fit_ordinal(GROUP, np.array([[46, 73, 69, 86], [8, 28, 72, 126]], dtype=float))
    half = stats.norm.ppf(0.975) * fit.std_errors[0]
    ends = np.exp(-fit.slopes[0] + np.array([0, -half, half]))
    assert ends == pytest.approx([0.318, 0.228, 0.444], abs=5e-4)
    # The same: Wald -1.472, p .14097.
    fit = fit_ordinal(GROUP, np.array([[11, 7, 8, 4], [14, 10, 3, 2]], dtype=float))
    assert fit.slopes[0] / fit.std_errors[0] == pytest.approx(-1.472, abs=5e-4)


def test_ucla_ologit():
    """UCLA's ologit data; the often printed 1.04769 is short of convergence."""
    frame = results_ordinal_model.data_store.df
    levels = ["unlikely", "somewhat likely", "very likely"]
    counts = np.eye(3)[frame["apply"].map(levels.index).to_numpy(int)]
    fit = fit_ordinal(frame[["pared", "public", "gpa"]].to_numpy(float), counts)
    assert fit.slopes == pytest.approx([1.0476637, -0.0586828, 0.6157458], abs=5e-8)
    assert fit.thresholds == pytest.approx([2.2033232, 4.2987674], abs=5e-8)


def test_two_levels_are_the_log_odds_ratio():
    successes, failures = np.array([6.0, 16.0]), np.array([59.0, 20.0])
    fit = fit_ordinal(GROUP, np.column_stack([failures, successes]))
    assert fit.slopes[0] == pytest.approx(np.log(16 * 59 / (20 * 6)), abs=1e-12)
    assert fit.std_errors[0] == pytest.approx(np.sqrt(1 / 6 + 1 / 16 + 1 / 59 + 1 / 20), abs=1e-10)
    assert -fit.thresholds[0] == pytest.approx(np.log(6 / 59), abs=1e-12)


# What must not matter, and what is refused


@pytest.mark.parametrize("fitted", [fit_ordinal, fit_reduced])
def test_the_place_and_the_unit_of_a_column_do_not_matter(fitted):
    x, counts = simulated()
    fit, far = fitted(x, counts), fitted(x * [1.0, 3.0] + [0.0, 2020.0], counts)
    assert far.max_gradient < 1e-8
    assert far.slopes == pytest.approx(fit.slopes / [1.0, 3.0], rel=1e-8)
    assert far.thresholds == pytest.approx(fit.thresholds + 2020 * far.slopes[1], rel=1e-8)
    assert far.std_errors[:2] == pytest.approx(fit.std_errors[:2] / [1.0, 3.0], rel=1e-8)


@by_link
def test_far_tails_stay_finite(link):
    # A level of one person in a million: 1 - F loses every digit there if it is subtracted.
    counts = np.array([[1, 500_000, 499_999], [2, 400_000, 599_998]], dtype=float)
    fit = fit_ordinal(GROUP, counts, link=link)
    assert fit.max_gradient < 1e-10
    assert np.isfinite(unit_scores(fit, np.array([[-30.0], [0.0], [30.0]]))).all()


def test_levels_that_nobody_has_get_probability_zero():
    padded = np.insert(PARTY, [0, 2, 5], 0.0, axis=1)
    fit, full = fit_ordinal(GROUP, padded), fit_ordinal(GROUP, PARTY)
    assert fit.slopes == pytest.approx(full.slopes, abs=1e-12)
    assert list(fit.present) == [False, True, True, False, True, True, True, False]
    assert [fit.thresholds[0], fit.thresholds[-1]] == [-np.inf, np.inf]
    assert fit.thresholds[2] == fit.thresholds[3]
    shares = probabilities(fit, GROUP)
    assert (shares[:, ~fit.present] == 0).all()
    assert shares[:, fit.present] == pytest.approx(probabilities(full, GROUP), abs=1e-13)
    variances = []
    for one in (fit, full):
        jacobian = probability_jacobian(one, GROUP)
        variances.append(np.einsum("cjp,pq,cjq->cj", jacobian, one.cov, jacobian))
    assert variances[0][:, fit.present] == pytest.approx(variances[1], rel=1e-10)
    gap = np.insert(PARTY, 2, 0.0, axis=1)
    freed, plain_ = (fit_ordinal(GROUP, each, free=(0,)) for each in (gap, PARTY))
    assert freed.freed[0] == pytest.approx(plain_.freed[0][[0, 1, 1, 2, 3]])
    walds = [robust_wald(GROUP, each, each, None, [0]).statistic for each in (gap, PARTY)]
    assert walds[0] == pytest.approx(walds[1])


@pytest.mark.parametrize(
    ("x", "counts", "terms", "words"),
    [
        (GROUP, [[3, 0], [4, 0]], ("member",), "same answer"),
        (
            [[0, 0, 1], [0, 1, 0], [1, 0, 1], [1, 1, 0]],
            np.full((4, 3), 5),
            ("member", "sex=Female", "sex=Male"),
            "sex=Male cannot be told apart",
        ),
        (np.ones((2, 1)), PARTY, ("member",), "member cannot be told apart"),
        # OrderedModel reports 38 (SE 2,377) on such data and says that it converged.
        (GROUP, [[10, 5, 0], [0, 0, 12]], ("member",), "no finite estimate"),
    ],
)
def test_refusals(x, counts, terms, words):
    with pytest.raises(NotEstimable, match=words):
        fit_ordinal(np.array(x, dtype=float), np.array(counts, dtype=float), terms=terms)


def test_a_fit_never_leaves_without_numbers_or_a_reason():
    """Small random tables: finite estimates or NotEstimable, nothing in between."""
    rng = np.random.default_rng(2)
    x = np.array([[m, a] for m in (0, 1) for a in (0, 1)], dtype=float)
    outcomes = set()
    for _ in range(60):
        counts = rng.poisson(rng.choice([0.5, 2, 20]), (4, 4)).astype(float)
        for link in LINKS:
            try:
                fit = fit_ordinal(x, counts, link=link)
            except NotEstimable:
                outcomes.add("refused")
                continue
            outcomes.add("fitted")
            assert np.abs(fit.slopes).max() < 15
            assert fit.max_gradient <= 1e-10
            assert np.linalg.eigvalsh(fit.cov)[0] > -1e-9
    assert outcomes == {"refused", "fitted"}


def test_correct_decimals_are_those_one_more_step_leaves():
    assert fit_ordinal(*simulated()).correct_decimals >= 8
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


# Profile intervals and designs


@pytest.mark.parametrize(
    ("link", "column", "limits"),
    [
        ("logit", 0, (1.5097627406, 3.595225164)),
        ("logit", 1, (0.6157924849, 2.492403788)),
        ("probit", 0, (0.9366304453, 2.082230239)),
        ("probit", 1, (0.3483888864, 1.395268083)),
    ],
)
def test_profile_limits_of_wine_equal_confint_of_clm(link, column, limits):
    # ordinal: confint(clm(rating ~ temp + contact, wine), type = "profile"), which reads the
    # limits off a spline: five digits.
    found = profile_interval(WINE_X, WINE, column, link=link)
    assert found == pytest.approx(limits, rel=3e-5)
    there = profile_interval(WINE_X + np.array([2020.0, -5.0]), WINE, column, link=link)
    assert there == pytest.approx(found)


def test_profile_limits_of_two_groups_by_hand():
    counts = np.array([[12.0, 8.0], [5.0, 15.0]])

    def profile(slope):
        def deviance(intercept):
            eta = intercept + slope * np.array([0.0, 1.0])
            return -(
                counts[:, 1] * special.log_expit(eta) + counts[:, 0] * special.log_expit(-eta)
            ).sum()

        found = optimize.minimize_scalar(
            deviance, bounds=(-9, 9), method="bounded", options={"xatol": 1e-10}
        )
        return -found.fun

    top = (counts * np.log(counts / counts.sum(axis=1, keepdims=True))).sum()
    for limit in profile_interval(GROUP, counts, 0, prob=0.9):
        assert 2 * (top - profile(limit)) == pytest.approx(stats.chi2.ppf(0.9, 1), abs=1e-6)


def test_many_people_leave_the_wald_interval_and_separation_none():
    many = 10_000 * WINE
    fit = fit_ordinal(WINE_X, many)
    half = stats.norm.ppf(0.975) * fit.std_errors[0]
    found = profile_interval(WINE_X, many, 0)
    assert found == pytest.approx((fit.slopes[0] - half, fit.slopes[0] + half), abs=1e-4)
    with pytest.raises(NotEstimable):
        profile_interval(WINE_X, SPLIT, 0)


LEVELS = {"region": ("North", "South", "East"), "sex": ("Female", "Male")}


def test_treatment_coding_by_hand():
    codes = {"region": np.array([0, 1, 2, 1]), "sex": np.array([1, 0, 1, 0])}
    design = design_matrix(codes, LEVELS)
    assert design.terms == ("region=South", "region=East", "sex=Male")
    assert (design.x == [[0, 0, 1], [1, 0, 0], [0, 1, 1], [1, 0, 0]]).all()
    design = design_matrix({"region": np.array([1, 2, 1]), "sex": np.array([1, 1, 1])}, LEVELS)
    assert design.terms == ("region=East",)  # South takes the place of the absent reference
    assert design.x.ravel().tolist() == [0, 1, 0]
    assert design_matrix({}, {}, n=3).x.shape == (3, 0)
    with pytest.raises(ValueError, match="region"):
        design_matrix({"region": np.array([0, -1])}, LEVELS)
