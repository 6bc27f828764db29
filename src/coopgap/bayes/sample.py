"""Draw from the posterior with nutpie's NUTS, named."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from coopgap.bayes.density import Density
from coopgap.bayes.layout import constrain
from coopgap.bayes.records import SamplerStats
from coopgap.core.arrays import FloatArray

CHAINS: Final = 4
TUNE: Final = 600
MAX_DEPTH: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """Draws by name as in `coopgap.bayes.layout`, what the sampler says of itself, wall time.

    `retried` says that a first attempt was not taken.
    """

    draws: dict[str, FloatArray]
    stats: SamplerStats
    seconds: float
    retried: bool = False


def sample(
    density: Density,
    *,
    draws: int,
    seed: int,
    target_accept: float,
    tune: int = TUNE,
    chains: int = CHAINS,
    cores: int = 1,
) -> Sampled:
    """Draw from a density.

    Parameters
    ----------
    density
        From `make_density`.
    draws
        A chain.
    seed
        The same seed gives the same draws, on any number of cores.
    target_accept
        Target acceptance.
    tune
        Tuning steps a chain, before the draws.
    chains
        Number of chains.
    cores
        Threads.

    References
    ----------
    Hoffman & Gelman (2014), The No-U-Turn Sampler. J. Machine Learning Research 15, 1593-1623.
    """
    import nutpie

    started = time.perf_counter()
    tree = nutpie.sample(
        density.compiled(),
        draws=draws,
        tune=tune,
        chains=chains,
        cores=cores,
        seed=seed,
        save_warmup=False,
        progress_bar=False,
        target_accept=target_accept,
        maxdepth=MAX_DEPTH,
    )
    seconds = time.perf_counter() - started
    stats = tree.sample_stats
    return Sampled(
        draws=constrain(tree.posterior["x"].to_numpy(), density.layout),
        stats=SamplerStats(
            energy=np.asarray(stats["energy"], dtype=np.float64),
            divergences=int(stats["diverging"].sum()),
            deepest=int(stats["maxdepth_reached"].sum()),
        ),
        seconds=seconds,
    )


def attempts(
    density: Density,
    *,
    draws: int,
    seed: int,
    target_accept: float,
    tune: int = TUNE,
    cores: int = 1,
) -> Iterator[Sampled]:
    """Draw, and for who asks again once more: twice the draws, smaller steps, another seed.

    Parameters
    ----------
    density, draws, seed, target_accept, tune, cores
        Of the first attempt, as in `sample`.

    Yields
    ------
    Sampled
        `seconds` are those of all attempts so far.
    """
    seconds = 0.0
    for number in (0, 1):
        found = sample(
            density,
            draws=draws << number,
            tune=tune << number,
            seed=seed + number,
            target_accept=1 - (1 - target_accept) / (1 + number),
            cores=cores,
        )
        seconds += found.seconds
        yield replace(found, seconds=seconds, retried=number > 0)
