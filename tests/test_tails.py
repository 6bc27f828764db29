"""Quantiles and tails beside those of scipy.stats, digit by digit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from coopgap.core import tails

PROBS = (0.0, 1e-300, 1e-9, 0.025, 0.5, 0.9, 0.975, 1 - 1e-12, 1.0, 1.5, -0.1, np.nan)
VALUES = (0.0, 1e-12, 0.3, 1.0, 1.96, 7.5, 38.0, 250.0, np.inf, np.nan)
SIGNED = (*VALUES, *(-x for x in VALUES))
DFS = (0.4, 1.0, 2.0, 3.7, 48.0, 99.0, 2005.0, 1e9, np.inf, 0.0, -1.0, np.nan)
FINITE = [df for df in DFS if not np.isinf(df)]
PAIRS = {
    "t_quantile": (tails.t_quantile, stats.t.ppf, PROBS, [(df,) for df in DFS]),
    "t_above": (tails.t_above, stats.t.sf, SIGNED, [(df,) for df in DFS]),
    "normal_quantile": (tails.normal_quantile, stats.norm.ppf, PROBS, [()]),
    "normal_above": (tails.normal_above, stats.norm.sf, SIGNED, [()]),
    "chi2_above": (tails.chi2_above, stats.chi2.sf, VALUES, [(df,) for df in FINITE]),
    "f_above": (
        tails.f_above,
        stats.f.sf,
        VALUES,
        [*itertools.product((1.0, 3.0, 8.0, 0.0), FINITE)],
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_tails_are_scipys(name):
    ours, theirs, values, parameters = PAIRS[name]
    for x, more in itertools.product(values, parameters):
        found = ours(x, *more)
        assert isinstance(found, float)
        assert np.array_equal(found, theirs(x, *more), equal_nan=True), (x, more)


def test_t_by_its_density():
    """The quantile is where numerical integration of the density says it is."""
    grid = np.linspace(-60, tails.t_quantile(0.975, 5.0), 400_001)
    density = stats.t.pdf(grid, 5.0)
    assert np.trapezoid(density, grid) == pytest.approx(0.975, abs=1e-6)
