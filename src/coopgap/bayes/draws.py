"""From parameter draws to outcome distributions of members and comparison people."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from coopgap.arrays import BoolArray, FloatArray
from coopgap.bayes.records import RegionCells

__all__ = ["draw_margins", "reported_parameters", "thresholds_at"]

type Draws = Mapping[str, FloatArray]
"""By variable of the model, shape (chains, draws, ...)."""


def thresholds_at(draws: Draws, n_levels: int, m: float) -> FloatArray:
    """Thresholds of a group, shape (chains, draws, J - 1), for m = +1/2, -1/2 or 0."""
    location = draws["location"][..., None]
    if n_levels == 2:
        return location
    shift = draws["shift_sd"][..., None] * draws["shift_raw"]
    sizes = np.exp(draws["increments"] + shift * m)
    ladder = np.concatenate([np.zeros_like(location), np.cumsum(sizes, axis=-1)], axis=-1)
    return np.asarray(ladder - ladder.mean(axis=-1, keepdims=True) + location)


def _levels(draws: Draws, name: str) -> FloatArray:
    return np.asarray(draws[f"{name}_sd"][..., None] * draws[f"{name}_raw"])


def region_gaps(draws: Draws) -> FloatArray:
    """Log-odds gap of each region, shape (chains, draws, R)."""
    return np.asarray(draws["beta"][..., None] + _levels(draws, "gap"))


def draw_margins(draws: Draws, cells: RegionCells) -> tuple[FloatArray, FloatArray]:
    """Outcome distributions standardised over members' covariates, for all and by region.

    Parameters
    ----------
    draws
        Posterior draws.
    cells
        The cells the model was fitted on.

    Returns
    -------
    member, comparison : FloatArray
        Shape (1 + R, chains, draws, J): the same people, members and comparison members of
        their region, each as a member and as a comparison person. First all, weighted by
        members; then each region. A region without members has NaN.
    """
    n_levels = len(cells.levels)
    region = _levels(draws, "region")
    gaps = region_gaps(draws)
    eta = region[..., cells.region]
    for k, name in enumerate(cells.terms):
        eta = eta + _levels(draws, f"covariate_{name}")[..., cells.covariates[:, k]]
    people = np.where(cells.member, cells.counts.sum(axis=1), 0).astype(np.float64)
    used = people > 0
    sides = []
    for m in (0.5, -0.5):
        log_odds = (eta + gaps[..., cells.region] * m)[..., used]
        sides.append(_standardise(log_odds, thresholds_at(draws, n_levels, m), cells, people, used))
    return sides[0], sides[1]


def _standardise(
    eta: FloatArray,
    thresholds: FloatArray,
    cells: RegionCells,
    people: FloatArray,
    used: BoolArray,
) -> FloatArray:
    """Weighted mean over cells of each level's probability, shape (1 + R, chains, draws, J)."""
    groups = np.vstack(
        [np.ones(int(used.sum())), *(cells.region[used] == r for r in range(len(cells.regions)))]
    )
    weight = groups * people[used]
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = weight / weight.sum(axis=1, keepdims=True)
    edges = [np.zeros((weight.shape[0], *eta.shape[:-1]))]
    for j in range(thresholds.shape[-1]):
        share = 1 / (1 + np.exp(eta - thresholds[..., j, None]))
        edges.append(np.einsum("cdk,gk->gcd", share, weight))
    edges.append(np.ones_like(edges[0]))
    return np.asarray(np.diff(np.stack(edges, axis=-1), axis=-1))


def reported_parameters(draws: Draws, cells: RegionCells) -> dict[str, FloatArray]:
    """Coefficients as the tables name them, each of shape (chains, draws).

    `member`, `VARIABLE=LEVEL`, `LEVEL|LEVEL` (thresholds between the groups, m = 0),
    `sd_superpopulation` (SD of the regional gaps' distribution), `sd_finite` (SD of these
    regions' gaps, weighted by members) and `sd_threshold_shift` (how far the posterior is from
    proportional odds). SDs of nuisance levels are not reported.
    """
    found: dict[str, FloatArray] = {"member": draws["beta"]}
    for name, levels in cells.terms.items():
        values = _levels(draws, f"covariate_{name}")
        found |= {f"{name}={level}": values[..., k] for k, level in enumerate(levels)}
    region = _levels(draws, "region")
    found |= {f"region={name}": region[..., r] for r, name in enumerate(cells.regions)}
    cuts = thresholds_at(draws, len(cells.levels), 0.0)
    pairs = pairwise(cells.levels)
    found |= {f"{low}|{high}": cuts[..., j] for j, (low, high) in enumerate(pairs)}
    found["sd_superpopulation"] = draws["gap_sd"]
    found["sd_finite"] = _finite_sd(region_gaps(draws), cells)
    if len(cells.levels) > 2:
        found["sd_threshold_shift"] = draws["shift_sd"]
    return found


def _finite_sd(gaps: FloatArray, cells: RegionCells) -> FloatArray:
    members = np.array([cells.people(r)[1] for r in range(len(cells.regions))], dtype=np.float64)
    weight = members / members.sum()
    mean = gaps @ weight
    return np.asarray(np.sqrt(np.square(gaps - mean[..., None]) @ weight))
