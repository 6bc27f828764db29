"""One replicate: a truth from the prior, answers from the truth, a posterior, ranks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from coopgap.bayes.cells import HierarchicalCells
from coopgap.bayes.draws import (
    cell_levels,
    draw_margins,
    headline_gap,
    place_gaps,
    region_gaps,
)
from coopgap.bayes.gate import BARS, check
from coopgap.bayes.layout import Draws, Form, Priors, constrain, make_layout, prior_draws
from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.gap import contrast_values, contrasts
from coopgap.study.spec import Hierarchical

RANKED_DRAWS: Final = 200
"""Draws that a truth is ranked among: ranks run from 0 to this."""

LATENT: Final = "latent"
"""Quantity name of a gap on the latent scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What all replicates share.

    `fitted` are the priors the model is fitted with and `priors` those the truths come from: they
    differ only where calibration must fail.
    """

    cells: HierarchicalCells
    priors: Priors
    fitted: Priors
    form: Form
    draws: int
    tune: int
    target_accept: float
    seed: int


def calibrated(draws: Draws, cells: HierarchicalCells, form: Form) -> dict[str, FloatArray]:
    """The gaps that are ranked, each of shape (chains, draws), by `quantity category group`.

    For all members, for each region that has some, and for the departments of these: the gap on
    the latent scale and the standardised difference at every threshold. With them the slopes of
    the departments' areas.
    """
    member, comparison = draw_margins(draws, cells, form.link)
    of_regions, of_places = region_gaps(draws, cells), place_gaps(draws, cells)
    found = {f"{LATENT}||all": headline_gap(draws, cells)}
    at = [contrast for contrast in contrasts(cells.levels) if contrast.is_threshold_gap]
    for g, (group, region, department) in enumerate(cells.groups):
        if g and not cells.people(region)[1]:
            continue
        if department is not None:
            found[f"{LATENT}||{group}"] = of_places[..., department]
        elif region is not None:
            found[f"{LATENT}||{group}"] = of_regions[..., region]
        for contrast in at:
            key = f"{contrast.quantity}|{contrast.category}|{group}"
            found[key] = contrast_values(contrast, member[g], comparison[g])
    for name in (one for one in ("area", "area_gap") if one in draws):
        found |= {f"{name}|{of}|all": draws[name][..., k] for k, of in enumerate(cells.area)}
    return found


def simulate(
    truth: Draws, cells: HierarchicalCells, form: Form, rng: np.random.Generator
) -> IntArray:
    """Outcome counts of the same people under one draw of the parameters, shape (c, J)."""
    shares = cell_levels(truth, cells, form.link, slice(None))[0, 0]
    return rng.multinomial(cells.counts.sum(axis=1), shares).astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """Draws of the gaps that are ranked, and what the gate says of them."""

    quantities: dict[str, FloatArray]
    passed: bool
    failed: tuple[str, ...]
    retried: bool
    seconds: float


def posterior(setup: Setup, seed: int) -> Posterior:
    """Sample a replicate's posterior, with one longer attempt as a fit has.

    Notes
    -----
    The gate's bars are those of a fit for the share of a fit's draws that a replicate has, so that
    replicates may be shorter and fail as often.
    """
    # The kernel is compiled or loaded here and not where a setup is only described.
    from coopgap.bayes.sample import attempts, make_density

    usual = Hierarchical().draws
    bars = BARS.of_share(min(1.0, setup.draws / usual))
    tries = attempts(
        make_density(setup.cells, setup.fitted, setup.form),
        draws=setup.draws,
        tune=setup.tune,
        seed=seed,
        target_accept=setup.target_accept,
    )
    for found in tries:
        quantities = calibrated(found.draws, setup.cells, setup.form)
        gate = check(quantities, {}, found.stats, bars).items
        failed = tuple(item.name for item in gate if not item.passed)
        if not failed:
            break
    return Posterior(
        quantities=quantities,
        passed=not failed,
        failed=failed,
        retried=found.retried,
        seconds=found.seconds,
    )


def replicate(setup: Setup, number: int) -> dict[str, Any]:
    """One replicate.

    Parameters
    ----------
    setup
        What all replicates share.
    number
        Of this replicate; with the seed it decides everything random.

    Returns
    -------
    dict
        `number`, `ranks` by quantity, `passed` (the gate's verdict), `failed` (what failed),
        `retried`, `seconds`.
    """
    rng = np.random.default_rng([setup.seed, number])
    layout = make_layout(setup.cells, setup.form)
    truth = constrain(prior_draws(layout, setup.priors, setup.form.link, 1, rng), layout)
    counts = simulate(truth, setup.cells, setup.form, rng)
    found = posterior(
        replace(setup, cells=replace(setup.cells, counts=counts)), int(rng.integers(2**31))
    )
    true = calibrated(truth, setup.cells, setup.form)
    return {
        "number": number,
        "ranks": {
            key: int((_thinned(values) < true[key][0, 0]).sum())
            for key, values in found.quantities.items()
        },
        "passed": found.passed,
        "failed": list(found.failed),
        "retried": found.retried,
        "seconds": round(found.seconds, 3),
    }


def _thinned(draws: FloatArray) -> FloatArray:
    """As many draws of each chain, evenly spaced, `RANKED_DRAWS` in all."""
    chains, n = draws.shape
    places = np.linspace(0, n - 1, RANKED_DRAWS // chains).round().astype(np.int64)
    return np.asarray(draws[:, places].ravel())
