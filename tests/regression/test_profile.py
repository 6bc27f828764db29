from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special, stats

from coopgap.core.errors import NotEstimable
from coopgap.regression.ordinal import fit_ordinal, profile_interval

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
