from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special, stats

from coopgap.core.errors import NotEstimable
from coopgap.regression.cumulative import probabilities, unit_scores
from coopgap.regression.ordinal import fit_ordinal, natural_fit

# Agresti, Introduction to Categorical Data Analysis 2e, Table 6.7: party by ideology.
PARTY = np.array([[80, 81, 171, 41, 55], [30, 46, 148, 84, 99]], dtype=float)
REPUBLICAN = np.array([[0.0], [1.0]])
LINKS = ("logit", "probit", "cloglog")

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
