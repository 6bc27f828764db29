"""Products with scores that are never formed are those of the scores."""

from __future__ import annotations

import numpy as np
import pytest

from coopgap.regression.cumulative import (
    cell_information,
    cell_scores,
    probabilities,
    score_products,
    summed_jacobian,
    unit_scores,
)
from coopgap.regression.ordinal import fit_ordinal, total_information


def probability_jacobian(fit, x):
    """Derivative of P(Y = j) in every parameter."""
    return probabilities(fit, x)[:, :, None] * unit_scores(fit, x)


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
