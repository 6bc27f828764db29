"""The gate fails closed: no pathological posterior passes, healthy ones seldom fail."""

from __future__ import annotations

import numpy as np
import pytest

from coopgap.bayes.gate import check
from coopgap.bayes.records import SamplerStats

CHAINS, DRAWS = 4, 1500


def healthy(rng, chains=CHAINS, draws=DRAWS):
    return {f"q{k}": rng.normal(size=(chains, draws)) for k in range(3)}


def stats(rng, chains=CHAINS, draws=DRAWS, **changes):
    return SamplerStats(
        **({"energy": rng.normal(size=(chains, draws)), "divergences": 0, "deepest": 0} | changes)
    )


def verdict(quantities, sampler, probabilities=None):
    return all(item.passed for item in check(quantities, probabilities or {}, sampler))


def _nan(rng, draws):
    draws[rng.integers(CHAINS), rng.integers(DRAWS)] = np.nan
    return draws


def _all_nan(_rng, draws):
    return np.full_like(draws, np.nan)


def _infinite(rng, draws):
    draws[rng.integers(CHAINS), rng.integers(DRAWS)] = np.inf
    return draws


def _constant(rng, draws):
    return np.full_like(draws, rng.normal())


def _stuck_chain(rng, draws):
    draws[rng.integers(CHAINS)] = rng.normal()
    return draws


def _shifted_chain(rng, draws):
    draws[rng.integers(CHAINS)] += rng.choice([-1, 1]) * rng.uniform(0.8, 3)
    return draws


def _wider_chain(rng, draws):
    draws[rng.integers(CHAINS)] *= rng.uniform(3, 8)
    return draws


def _slow(rng, draws):
    walk = np.empty_like(draws)
    walk[:, 0] = draws[:, 0]
    rho = rng.uniform(0.85, 0.99)
    for t in range(1, DRAWS):
        walk[:, t] = rho * walk[:, t - 1] + np.sqrt(1 - rho**2) * draws[:, t]
    return walk


def _drift(rng, draws):
    return draws + np.linspace(0, rng.uniform(1, 3), DRAWS)


def _funnel(rng, draws):
    """A sampler that visits the neck of a funnel in few long stays."""
    scale = np.repeat(rng.normal(0, 3, (CHAINS, DRAWS // 300)), 300, axis=1)
    return draws * np.exp(scale / 2)


PATHOLOGIES = [
    _nan,
    _all_nan,
    _infinite,
    _constant,
    _stuck_chain,
    _shifted_chain,
    _wider_chain,
    _slow,
    _drift,
    _funnel,
]


@pytest.mark.parametrize("spoil", PATHOLOGIES, ids=lambda f: f.__name__.strip("_"))
@pytest.mark.parametrize("seed", range(14))
def test_no_pathological_posterior_passes(spoil, seed):
    rng = np.random.default_rng([seed, PATHOLOGIES.index(spoil)])
    quantities = healthy(rng)
    quantities["q1"] = spoil(rng, quantities["q1"])
    assert not verdict(quantities, stats(rng))


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize(
    "changes",
    [
        {"divergences": 1},
        {"deepest": 1},
        {"energy": np.full((CHAINS, DRAWS), np.nan)},
        {"energy": np.ones((CHAINS, DRAWS))},
        {"energy": np.cumsum(np.ones((CHAINS, DRAWS)), axis=1)},
    ],
    ids=["divergence", "tree depth", "no energy", "constant energy", "low e-bfmi"],
)
def test_what_the_sampler_says_of_itself_can_withhold(seed, changes):
    rng = np.random.default_rng(seed)
    assert not verdict(healthy(rng), stats(rng, **changes))


@pytest.mark.parametrize("chains", [1, 2, 3])
def test_too_few_chains_are_withheld(chains):
    rng = np.random.default_rng(chains)
    assert not verdict(healthy(rng, chains), stats(rng, chains))


def test_short_chains_are_withheld():
    rng = np.random.default_rng(0)
    assert not verdict(healthy(rng, draws=200), stats(rng, draws=200))


def test_nothing_to_look_at_is_withheld():
    rng = np.random.default_rng(0)
    assert not verdict({}, stats(rng))


def test_an_uncertain_probability_is_withheld_and_a_certain_one_passes():
    rng = np.random.default_rng(1)
    quantities = healthy(rng)
    sticky = np.repeat(rng.random((CHAINS, DRAWS // 10)) < 0.5, 10, axis=1).astype(float)
    assert not verdict(quantities, stats(rng), {"p": sticky})
    assert verdict(quantities, stats(rng), {"p": np.ones((CHAINS, DRAWS))})
    assert not verdict(quantities, stats(rng), {"p": np.full((CHAINS, DRAWS), np.nan)})


def test_healthy_posteriors_are_seldom_withheld(record_property):
    withheld = sum(
        not verdict(healthy(rng), stats(rng)) for rng in map(np.random.default_rng, range(200))
    )
    record_property("withheld_of_200", withheld)
    print(f"healthy posteriors withheld: {withheld} of 200")
    assert withheld <= 2


def test_the_gate_does_not_round():
    rng = np.random.default_rng(3)
    quantities = healthy(rng)
    quantities["q0"][0] += 0.35
    found = {item.name: item for item in check(quantities, {}, stats(rng))}
    # summary(round_to=None) prints 1.0 for an R-hat like this one.
    assert 1.01 < found["r_hat"].value < 1.05
    assert not found["r_hat"].passed
    assert found["r_hat"].note == "of q0"
