"""Sick and sound posteriors made in code: `python tests/bayes/posteriors.py` counts the verdicts.

The sound ones have independent and autocorrelated draws at the effective sizes that runs have.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from coopgap.bayes.gate import SamplerStats, check

CHAINS, DRAWS = 4, 2000

type Quantities = dict[str, np.ndarray]


def sound(rng, n=3, rho=0.0, chains=CHAINS, draws=DRAWS) -> Quantities:
    """Normal draws of n quantities, autoregressive with rho."""
    walk = rng.normal(size=(n, chains, draws))
    for t in range(1, draws if rho else 0):
        walk[..., t] = rho * walk[..., t - 1] + np.sqrt(1 - rho**2) * walk[..., t]
    return {f"q{k}": one for k, one in enumerate(walk)}


def stats(rng, chains=CHAINS, draws=DRAWS, **changes) -> SamplerStats:
    """What a sampler without a fault says of itself, with changes."""
    given = {"energy": rng.normal(size=(chains, draws)), "divergences": 0, "deepest": 0}
    return SamplerStats(**(given | changes))


def passes(quantities, sampler, probabilities=None) -> bool:
    """Whether the gate lets everything through."""
    return all(item.passed for item in check(quantities, probabilities or {}, sampler).items)


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
    rho = rng.uniform(0.85, 0.99)
    return sound(rng, 1, rho)["q0"]


def _drift(rng, draws):
    return draws + np.linspace(0, rng.uniform(1, 3), DRAWS)


def _funnel(rng, draws):
    """A sampler that visits the neck of a funnel in few long stays."""
    scale = np.repeat(rng.normal(0, 3, (CHAINS, DRAWS // 250)), 250, axis=1)
    return draws * np.exp(scale / 2)


def _copies(_rng, draws):
    return np.repeat(draws[:1], CHAINS, axis=0)


def _one_copy(rng, draws):
    one, other = rng.permutation(CHAINS)[:2]
    draws[one] = draws[other]
    return draws


def _later_copy(rng, draws):
    one, other = rng.permutation(CHAINS)[:2]
    draws[one] = np.roll(draws[other], rng.integers(1, DRAWS))
    return draws


def _noisy_copy(rng, draws):
    one, other = rng.permutation(CHAINS)[:2]
    draws[one] = draws[other] + rng.normal(0, 0.3, DRAWS)
    return draws


def _mirrored_chain(rng, draws):
    one, other = rng.permutation(CHAINS)[:2]
    draws[one] = -draws[other]
    return draws


def _nearly_one_mean(rng, draws):
    draws[rng.integers(CHAINS)] += rng.choice([-1, 1]) * rng.uniform(0.2, 0.3)
    return draws


def _nearly_one_mean_each(rng, draws):
    return draws + rng.permutation(CHAINS)[:, None] * rng.uniform(0.2, 0.3)


def _two_and_two(rng, draws):
    return draws + (rng.permutation(CHAINS)[:, None] < 2) * rng.uniform(0.2, 0.3)


def _stuck_at_the_end(rng, draws):
    chain, start = rng.integers(CHAINS), DRAWS - DRAWS // 10
    draws[chain, start:] = draws[chain, start]
    return draws


def _nearly_stuck_at_the_end(rng, draws):
    chain, start = rng.integers(CHAINS), DRAWS - DRAWS // 10
    draws[chain, start:] = draws[chain, start] + rng.normal(0, 0.05, DRAWS - start)
    return draws


def _stuck_for_a_while(rng, draws):
    chain, start = rng.integers(CHAINS), rng.integers(DRAWS - DRAWS // 10)
    draws[chain, start : start + DRAWS // 10] = draws[chain, start]
    return draws


def _cauchy(rng, draws):
    return rng.standard_cauchy(draws.shape)


def _infinite_variance(rng, draws):
    return rng.standard_t(1.5, draws.shape)


def _one_heavy_tail(rng, draws):
    return rng.pareto(1.3, draws.shape)


def _another_length(_rng, draws):
    return draws[:, : DRAWS - 1]


SICK: tuple[Callable, ...] = (
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
    _copies,
    _one_copy,
    _later_copy,
    _noisy_copy,
    _mirrored_chain,
    _nearly_one_mean,
    _nearly_one_mean_each,
    _two_and_two,
    _stuck_at_the_end,
    _nearly_stuck_at_the_end,
    _stuck_for_a_while,
    _cauchy,
    _infinite_variance,
    _one_heavy_tail,
    _another_length,
)
"""Each takes a generator and the draws of one quantity, and gives that quantity's sick draws."""

SAMPLERS = {
    "a divergence": {"divergences": 1},
    "the largest tree depth": {"deepest": 1},
    "no energy": {"energy": np.full((CHAINS, DRAWS), np.nan)},
    "constant energy": {"energy": np.ones((CHAINS, DRAWS))},
    "low E-BFMI": {"energy": np.cumsum(np.ones((CHAINS, DRAWS)), axis=1)},
    "energy of fewer draws": {"energy": np.random.default_rng(0).normal(size=(CHAINS, DRAWS // 2))},
    "energy of fewer chains": {"energy": np.random.default_rng(0).normal(size=(1, DRAWS))},
    "energy in one row": {"energy": np.random.default_rng(0).normal(size=CHAINS * DRAWS)},
}

SOUND = {"independent": 0.0, "effective size 4,300": 0.3, "effective size 1,500": 0.66}
"""Autocorrelation of sound draws; runs of the shipped study have 1,500 of 8,000 and more."""


def sick_passed(spoil: Callable, seed: int) -> bool:
    """Whether a posterior with one sick quantity among sound ones passes."""
    rng = np.random.default_rng([seed, SICK.index(spoil)])
    quantities = sound(rng)
    quantities["q1"] = spoil(rng, quantities["q1"])
    return passes(quantities, stats(rng))


def withheld(rho: float, n_quantities: int, seed: int) -> bool:
    """Whether a sound posterior is withheld."""
    rng = np.random.default_rng([seed, 99])
    return not passes(sound(rng, n_quantities, rho), stats(rng))


def main() -> int:
    """Print how many sick posteriors pass and how many sound ones are withheld."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=20, help="posteriors of each kind")
    parser.add_argument("--quantities", type=int, default=20, help="of a sound posterior")
    options = parser.parse_args()
    through = 0
    for spoil in SICK:
        passed = sum(sick_passed(spoil, seed) for seed in range(options.each))
        through += passed
        print(f"{passed} of {options.each} passed: {spoil.__name__.strip('_').replace('_', ' ')}")
    for name, changes in SAMPLERS.items():
        rng = np.random.default_rng(1)
        passed = passes(sound(rng), stats(rng, **changes))
        through += passed
        print(f"{int(passed)} of 1 passed: {name}")
    for name, rho in SOUND.items():
        n = sum(withheld(rho, options.quantities, seed) for seed in range(5 * options.each))
        print(f"{n} of {5 * options.each} sound posteriors withheld: {name}")
    return 1 if through else 0


if __name__ == "__main__":
    raise SystemExit(main())
