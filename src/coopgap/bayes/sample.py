"""One model's compiled density, and draws from it by nutpie's NUTS.

The kernel is compiled or loaded where this is imported, and not where a model is only described.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from coopgap.bayes.cells import HierarchicalCells
from coopgap.bayes.gate import SamplerStats
from coopgap.bayes.kernel import evaluate, expand, logp, pack
from coopgap.bayes.layout import COVARIATE, MODE_SHIFT, Form, Layout, Priors, constrain, make_layout
from coopgap.core.arrays import FloatArray, IntArray

CHAINS: Final = 4
TUNE: Final = 600
MAX_DEPTH: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Density:
    """One model's density over its free values: their layout, and what the kernel reads, packed."""

    layout: Layout
    words: IntArray

    def __call__(self, x: FloatArray) -> tuple[float, FloatArray]:
        """Log-density at free values of shape (p,), up to a constant, and its gradient."""
        return evaluate(x, self.words)

    def compiled(self) -> Any:
        """The density as nutpie takes one; its draws are the free values, named `x`.

        Notes
        -----
        `nutpie.compile_pymc_model` would compile the same call anew in every process, 5 to 9
        seconds; functions that numba keeps on disk need none.
        """
        from nutpie.compile_pymc import CompiledPyMCModel

        size = self.layout.size
        return CompiledPyMCModel(
            dims={},
            compiled_logp_func=logp,
            compiled_expand_func=expand,
            initial_point_func=self.initial_point,
            shared_data={},
            shared_var_keys={},
            user_data=self.words,
            n_expanded=size,
            shape_info=(["x"], [slice(0, size)], [(size,)]),
            logp_func=None,
            expand_func=None,
            reparameterized_names=[],
            _n_dim=size,
            _shapes={"x": (size,)},
            _coords={},
        )

    def initial_point(self, seed: int) -> FloatArray:
        """Overdispersed start: uniform on (-1, 1) around 0, and around -1 for logs of SDs."""
        point = np.random.default_rng(seed).uniform(-1.0, 1.0, self.layout.size)
        for block in self.layout.blocks:
            point[block.start - 1] -= 1.0
        return point


def make_density(cells: HierarchicalCells, priors: Priors, form: Form) -> Density:
    """Density of the model `form` with `priors` on `cells`."""
    layout = make_layout(cells, form)
    level_of = {"region": cells.region, "gap": cells.region}
    columns, n_gap = cells.standardised, 0
    if cells.department is not None:
        level_of |= dict.fromkeys(("department", "department_gap"), cells.department)
        if form.departments:
            areas = cells.areas[:, cells.department]
            columns, n_gap = np.concatenate([columns, areas, areas]), len(cells.area)
    level_of |= {f"{COVARIATE}{name}": cells.covariates[:, k] for k, name in enumerate(cells.terms)}
    by_row = [block for block in layout.blocks if not block.of_zone]
    half = [(block.prior(priors), block.centred) for block in layout.blocks]
    sds = (priors.threshold_shift_sd, priors.beta_sd, priors.slope_sd)
    n_rows, n_levels = cells.region.size, layout.n_cuts + 1
    zones, n_zones = cells.zone, cells.n_zones
    if zones is None or not form.zones:
        zones, n_zones = np.zeros_like(cells.row), 1

    moves = {"shift": cells.member.astype(np.int64)}
    for k, name in enumerate(cells.terms):
        moves[f"{MODE_SHIFT}{name}"] = cells.covariates[cells.row, k]
    side = np.zeros_like(cells.row)
    for k, name in enumerate(layout.shifts):
        side += moves[name] << k
    n_groups = n_levels << len(layout.shifts)
    cell, level = np.nonzero(cells.counts)
    group = side[cell] * n_levels + level
    order = np.argsort(group, kind="stable")
    cell, level, group = cell[order], level[order], group[order]
    row = cells.row[cell] + n_rows * cells.member[cell]
    zone = zones[cell] + n_zones * cells.member[cell]
    people = cells.counts[cell, level].astype(np.float64)
    inner = people * (level < layout.n_cuts)
    settings = [layout.n_cuts, form.link == "probit", len(by_row), layout.slopes.start]
    # In the order of the kernel's arguments.
    given = (
        np.array([*settings, len(columns), n_gap], dtype=np.int64),
        np.array(list(layout.shifts.values()), dtype=np.int64),
        np.array([(b.start, b.n, b.sums_to_zero, b.of_gap) for b in layout.blocks], dtype=np.int64),
        np.array(
            [
                *((prior.scale, prior.df, centred) for prior, centred in half),
                *((sd, np.inf, 0.0) for sd in sds),
            ]
        ),
        np.array([level_of[block.name] for block in by_row]),
        columns,
        np.searchsorted(group, np.arange(n_groups + 1)).astype(np.int64),
        row.astype(np.int64),
        zone.astype(np.int64),
        people,
        np.bincount(group, people, n_groups),
        np.bincount(row, inner, 2 * n_rows),
        np.bincount(zone, inner, 2 * n_zones),
    )
    return Density(layout=layout, words=pack(given))


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
