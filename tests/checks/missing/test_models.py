"""Imputation models against R on the same pseudo-people, and their draws."""

import numpy as np
import pytest
from scipy.special import expit

from coopgap.checks.missing.models import (
    augment,
    cumulative_chances,
    draw_cumulative,
    draw_multinomial,
    fit_cumulative,
    fit_multinomial,
    multinomial_chances,
)

from ..conftest import by_r

KNOWN = by_r("missing")


@pytest.fixture(scope="module")
def data():
    x, level = np.array(KNOWN["x"], dtype=float), np.array(KNOWN["level"])
    return augment(x, np.arange(level.size), level, 3)


def natural(fitted):
    cov = fitted.back @ np.linalg.inv(fitted.information) @ fitted.back.T
    return fitted.back @ fitted.params, cov


def test_the_ordered_model_on_pseudo_people_equals_clm(data):
    params, cov = natural(fit_cumulative(data))
    expected = KNOWN["ordered"]
    assert params == pytest.approx([*expected["slopes"], *expected["thresholds"]], abs=1e-8)
    assert cov == pytest.approx(np.array(expected["cov"]), rel=1e-6)


def test_the_unordered_model_on_pseudo_people_equals_multinom(data):
    params, cov = natural(fit_multinomial(data))
    expected = KNOWN["nominal"]
    # nnet stops on its deviance, which leaves the parameters right to about its square root.
    assert params == pytest.approx(expected["params"], abs=1e-5)
    errors = np.sqrt(np.diag(cov)).reshape(2, -1)[:, 1:]
    assert errors.ravel() == pytest.approx(expected["slope_errors"], rel=1e-4)


def test_pseudo_people_weigh_as_many_as_there_are_parameters_and_stay_in_range(data):
    x = np.array(KNOWN["x"])
    assert data.counts[len(x) :].sum() == pytest.approx(x.shape[1] + 1)
    assert (data.x.min(axis=0) >= x.min(axis=0)).all()
    assert (data.x.max(axis=0) <= x.max(axis=0)).all()


def test_two_levels_are_one_model_however_they_are_asked_for():
    rng = np.random.default_rng(1)
    x = rng.random((200, 2))
    level = (rng.random(200) < expit(x @ [1.0, -1.0])).astype(int)
    data = augment(x, np.arange(200), level, 2)
    ordered, unordered = natural(fit_cumulative(data))[0], natural(fit_multinomial(data))[0]
    assert ordered[:2] == pytest.approx(unordered[1:], abs=1e-7)
    assert -ordered[2] == pytest.approx(unordered[0], abs=1e-7)
    assert cumulative_chances(ordered, x) == pytest.approx(
        multinomial_chances(unordered, x), abs=1e-7
    )


@pytest.mark.parametrize("fit", [fit_cumulative, fit_multinomial])
def test_perfect_prediction_leaves_estimates_finite(fit):
    x = np.repeat([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]], 40, axis=0)
    level = np.repeat([0, 1, 2], 40)
    params, cov = natural(fit(augment(x, np.arange(120), level, 3)))
    assert np.abs(params).max() < 20
    assert np.sqrt(np.diag(cov)).max() < 20


def test_draws_have_the_estimates_for_mean_and_the_inverse_information_for_covariance(data):
    for fitted, draw in (
        (fit_cumulative(data), lambda one, rng: draw_cumulative(one, 2, rng)),
        (fit_multinomial(data), draw_multinomial),
    ):
        rng = np.random.default_rng(5)
        draws = np.array([draw(fitted, rng) for _ in range(20_000)])
        params, cov = natural(fitted)
        error = np.sqrt(np.diag(cov))
        # The Monte Carlo error is 0.007 standard errors; the steps between thresholds are drawn
        # on the logarithm, whose mean is higher by half its variance.
        assert (draws.mean(axis=0) - params) / error == pytest.approx(0, abs=0.1)
        assert draws.std(axis=0) / error == pytest.approx(1, abs=0.05)


def test_drawn_thresholds_are_in_order_where_a_level_is_rare():
    rng = np.random.default_rng(3)
    level = np.repeat([0, 1, 2], [60, 1, 60])
    x = rng.random((121, 2))
    fitted = fit_cumulative(augment(x, np.arange(121), level, 3))
    drawn = np.array([draw_cumulative(fitted, 2, rng)[-2:] for _ in range(500)])
    assert (drawn[:, 1] > drawn[:, 0]).all()
    params, cov = natural(fitted)
    normal = rng.multivariate_normal(params[-2:], cov[-2:, -2:], 500)
    assert (normal[:, 1] < normal[:, 0]).mean() > 0.05
