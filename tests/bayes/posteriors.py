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


def _at(where, value):
    """Put a value in a place of the draws, both chosen by the generator."""

    def spoil(rng, draws):
        place = where(rng)
        draws[place] = value(rng, draws[place]) if callable(value) else value
        return draws

    return spoil


def _draw(rng):
    return rng.integers(CHAINS), rng.integers(DRAWS)


def _chain(rng):
    return rng.integers(CHAINS)


def _from_another(change):
    """Make one chain of another."""

    def spoil(rng, draws):
        one, other = rng.permutation(CHAINS)[:2]
        draws[one] = change(rng, draws[other])
        return draws

    return spoil


def _stuck(latest: bool, noise: float = 0.0):
    """A chain that stays for a tenth of its draws, the last or any, at most nearly."""
    tenth = DRAWS // 10

    def spoil(rng, draws):
        chain = rng.integers(CHAINS)
        start = DRAWS - tenth if latest else rng.integers(DRAWS - tenth)
        draws[chain, start : start + tenth] = draws[chain, start] + rng.normal(0, noise, tenth)
        return draws

    return spoil


def _funnel(rng, draws):
    """A sampler that visits the neck of a funnel in few long stays."""
    scale = np.repeat(rng.normal(0, 3, (CHAINS, DRAWS // 250)), 250, axis=1)
    return draws * np.exp(scale / 2)


def _off(rng, low, high):
    return rng.choice([-1, 1]) * rng.uniform(low, high)


SICK: dict[str, Callable] = {
    "nan": _at(_draw, np.nan),
    "all_nan": lambda rng, draws: np.full_like(draws, np.nan),
    "infinite": _at(_draw, np.inf),
    "constant": lambda rng, draws: np.full_like(draws, rng.normal()),
    "stuck_chain": _at(_chain, lambda rng, draws: rng.normal()),
    "shifted_chain": _at(_chain, lambda rng, draws: draws + _off(rng, 0.8, 3)),
    "wider_chain": _at(_chain, lambda rng, draws: draws * rng.uniform(3, 8)),
    "slow": lambda rng, draws: sound(rng, 1, rng.uniform(0.85, 0.99))["q0"],
    "drift": lambda rng, draws: draws + np.linspace(0, rng.uniform(1, 3), DRAWS),
    "funnel": _funnel,
    "copies": lambda rng, draws: np.repeat(draws[:1], CHAINS, axis=0),
    "one_copy": _from_another(lambda rng, draws: draws),
    "later_copy": _from_another(lambda rng, draws: np.roll(draws, rng.integers(1, DRAWS))),
    "noisy_copy": _from_another(lambda rng, draws: draws + rng.normal(0, 0.3, DRAWS)),
    "mirrored_chain": _from_another(lambda rng, draws: -draws),
    "nearly_one_mean": _at(_chain, lambda rng, draws: draws + _off(rng, 0.2, 0.3)),
    "nearly_one_mean_each": lambda rng, draws: (
        draws + rng.permutation(CHAINS)[:, None] * rng.uniform(0.2, 0.3)
    ),
    "two_and_two": lambda rng, draws: (
        draws + (rng.permutation(CHAINS)[:, None] < 2) * rng.uniform(0.2, 0.3)
    ),
    "stuck_at_the_end": _stuck(latest=True),
    "nearly_stuck_at_the_end": _stuck(latest=True, noise=0.05),
    "stuck_for_a_while": _stuck(latest=False),
    "cauchy": lambda rng, draws: rng.standard_cauchy(draws.shape),
    "infinite_variance": lambda rng, draws: rng.standard_t(1.5, draws.shape),
    "one_heavy_tail": lambda rng, draws: rng.pareto(1.3, draws.shape),
    "another_length": lambda rng, draws: draws[:, : DRAWS - 1],
}
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


def sick_passed(kind: str, seed: int) -> bool:
    """Whether a posterior with one sick quantity among sound ones passes."""
    rng = np.random.default_rng([seed, [*SICK].index(kind)])
    quantities = sound(rng)
    quantities["q1"] = SICK[kind](rng, quantities["q1"])
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
    for kind in SICK:
        passed = sum(sick_passed(kind, seed) for seed in range(options.each))
        through += passed
        print(f"{passed} of {options.each} passed: {kind.replace('_', ' ')}")
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
