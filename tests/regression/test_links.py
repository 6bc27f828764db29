"""The links against hundreds of digits of `decimal`, far into both tails and in narrow levels."""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np
import pytest

from coopgap.regression.links import LINKS, curvature, intervals

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
    alone = LINKS[link].log_interval(ends[1:], ends[:-1])
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
