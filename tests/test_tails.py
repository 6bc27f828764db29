"""Quantiles and tails beside those of scipy.stats, digit by digit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from coopgap.core.tails import (
    chi2_above,
    f_above,
    normal_above,
    normal_quantile,
    t_above,
    t_quantile,
)

PROBS = (0.0, 1e-300, 1e-9, 0.025, 0.5, 0.9, 0.975, 1 - 1e-12, 1.0, 1.5, -0.1, np.nan)
VALUES = (0.0, 1e-12, 0.3, 1.0, 1.96, 7.5, 38.0, 250.0, np.inf, np.nan)
DFS = (0.4, 1.0, 2.0, 3.7, 48.0, 99.0, 2005.0, 1e9, np.inf, 0.0, -1.0, np.nan)
FINITE = [df for df in DFS if not np.isinf(df)]


def same(found: float, wanted: float) -> bool:
    return isinstance(found, float) and np.array_equal(found, wanted, equal_nan=True)


@pytest.mark.parametrize("df", DFS)
def test_t(df):
    assert [p for p in PROBS if not same(t_quantile(p, df), stats.t.ppf(p, df))] == []
    signed = (*VALUES, *(-x for x in VALUES))
    assert [x for x in signed if not same(t_above(x, df), stats.t.sf(x, df))] == []


def test_normal():
    assert [p for p in PROBS if not same(normal_quantile(p), stats.norm.ppf(p))] == []
    signed = (*VALUES, *(-x for x in VALUES))
    assert [x for x in signed if not same(normal_above(x), stats.norm.sf(x))] == []


@pytest.mark.parametrize("df", FINITE)
def test_chi_square(df):
    assert [x for x in VALUES if not same(chi2_above(x, df), stats.chi2.sf(x, df))] == []


@pytest.mark.parametrize(("df", "error"), [*itertools.product((1.0, 3.0, 8.0, 0.0), FINITE)])
def test_f(df, error):
    found = [(x, f_above(x, df, error), stats.f.sf(x, df, error)) for x in VALUES]
    assert [one for one in found if not same(*one[1:])] == []


def test_t_by_its_density():
    """The quantile is where numerical integration of the density says it is."""
    grid = np.linspace(-60, t_quantile(0.975, 5.0), 400_001)
    density = stats.t.pdf(grid, 5.0)
    assert np.trapezoid(density, grid) == pytest.approx(0.975, abs=1e-6)
