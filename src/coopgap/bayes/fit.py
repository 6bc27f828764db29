"""Sample the hierarchical model, pass its draws through the gate, retry once."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from coopgap.arrays import FloatArray
from coopgap.bayes.draws import draw_margins, region_gaps, reported_parameters
from coopgap.bayes.gate import SamplerStats, check
from coopgap.bayes.model import build_model
from coopgap.bayes.records import GateItem, HierarchicalFit, Priors, RegionCells
from coopgap.gap import contrast_values, contrasts
from coopgap.vocabulary import Quantity

__all__ = ["CHAINS", "fit_hierarchical", "sample"]

CHAINS = 4
TUNE = 1000


def sample(
    model: Any,
    *,
    draws: int,
    seed: int,
    target_accept: float,
    tune: int = TUNE,
    chains: int = CHAINS,
) -> tuple[dict[str, FloatArray], SamplerStats, dict[str, float]]:
    """Draw with PyMC's own NUTS, named, chains one after another.

    Parameters
    ----------
    model
        From `build_model`.
    draws
        A chain.
    seed
        The same seed gives the same draws.
    target_accept
        Target acceptance.
    tune
        Tuning steps a chain, before the draws.
    chains
        Number of chains.

    Returns
    -------
    draws : dict
        By variable, shape (chains, draws, ...).
    stats : SamplerStats
    seconds : dict
        `compile` and `sample`.
    """
    import pymc as pm

    started = time.perf_counter()
    with model:
        step = pm.NUTS(target_accept=target_accept)
        compiled = time.perf_counter()
        tree = pm.sample(
            draws,
            tune=tune,
            chains=chains,
            cores=1,
            step=step,
            random_seed=seed,
            nuts_sampler="pymc",
            progressbar=False,
            quiet=True,
            compute_convergence_checks=False,
        )
    done = time.perf_counter()
    stats = tree.sample_stats
    posterior = {str(name): values.to_numpy() for name, values in tree.posterior.items()}
    return (
        posterior,
        SamplerStats(
            energy=stats["energy"].to_numpy(),
            divergences=int(stats["diverging"].sum()),
            deepest=int(stats["reached_max_treedepth"].sum()),
        ),
        {"compile": compiled - started, "sample": done - compiled},
    )


def fit_hierarchical(
    cells: RegionCells,
    priors: Priors,
    *,
    draws: int,
    target_accept: float,
    seed: int,
    smallest_gap: float,
) -> HierarchicalFit:
    """Fit, gate, and retry once with twice the draws and a higher target acceptance.

    Parameters
    ----------
    cells
        Distinct rows with counts.
    priors
        Prior scales.
    draws
        A chain.
    target_accept
        Target acceptance of the first attempt.
    seed
        Of this fit.
    smallest_gap
        The smallest gap of interest, on the probability scale.
    """
    model = build_model(cells, priors)
    seconds = {"compile": 0.0, "sample": 0.0}
    for number in (0, 1):
        posterior, stats, spent = sample(
            model,
            draws=draws << number,
            tune=TUNE << number,
            seed=seed + number,
            target_accept=1 - (1 - target_accept) / (1 + number),
        )
        seconds = {key: seconds[key] + spent[key] for key in seconds}
        fit = summarise(posterior, stats, cells, smallest_gap, seconds, retried=number > 0)
        if fit.passed:
            break
    return fit


def summarise(
    posterior: dict[str, FloatArray],
    stats: SamplerStats,
    cells: RegionCells,
    smallest_gap: float,
    seconds: dict[str, float],
    *,
    retried: bool,
) -> HierarchicalFit:
    """Everything that is reported, with the gate's verdict on it."""
    member, comparison = draw_margins(posterior, cells)
    parameters = reported_parameters(posterior, cells)
    gaps = np.moveaxis(region_gaps(posterior), -1, 0)
    quantities, probabilities = _reported(member, comparison, cells, smallest_gap)
    quantities |= {f"parameter {name}": draws for name, draws in parameters.items()}
    gate: tuple[GateItem, ...] = check(quantities, probabilities, stats)
    return HierarchicalFit(
        member=member,
        comparison=comparison,
        parameters=parameters,
        region_gap=gaps,
        gate=gate,
        seconds=seconds,
        retried=retried,
    )


def _reported(
    member: FloatArray, comparison: FloatArray, cells: RegionCells, smallest_gap: float
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Continuous quantities and zero-one events behind the rows of gaps.csv."""
    quantities: dict[str, FloatArray] = {}
    probabilities: dict[str, FloatArray] = {}
    for g, group in enumerate(("all", *cells.regions)):
        for contrast in contrasts(cells.levels):
            if g and contrast.quantity is Quantity.SHARE:
                continue
            key = f"{contrast.quantity} {contrast.category} {group}".replace("  ", " ")
            key += " (members)" if contrast.of_member else ""
            draws = contrast_values(contrast, member[g], comparison[g])
            quantities[key] = draws
            if g and contrast.quantity is Quantity.RISK_DIFFERENCE and contrast.by_threshold:
                probabilities[f"{key} above zero"] = (draws > 0).astype(np.float64)
                probabilities[f"{key} above smallest"] = (draws > smallest_gap).astype(np.float64)
    return quantities, probabilities
