"""A fit looked at: answers left out, answers drawn anew, priors and answers scaled.

People of one cell who gave one answer have one contribution to the likelihood, which is computed
once and counted as often as there are people.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from coopgap.bayes.cells import HierarchicalCells
from coopgap.bayes.draws import cell_cuts, cell_levels, draw_margins, thresholds_at
from coopgap.bayes.layout import Draws, Layout, Priors, constrain, prior_draws
from coopgap.core.arrays import FloatArray, IntArray
from coopgap.regression.links import LINKS, log_probabilities
from coopgap.study.spec import LinkName

HIGH_K: Final = 0.7
_ENTRIES: Final = 200_000
"""Draws of cells held at once: what stays in the processor's cache."""

_DRAWS: Final = 1000
_PRIOR_DRAWS: Final = 4000
_SHARES: Final = 200_000
_POWERS: Final = (0.99, 1.01)
"""To which a part of the model is raised for its power-scaling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loo:
    """Expected log predictive density of a new answer, by entry.

    Attributes
    ----------
    elpd
        Shape (e,): of each distinct cell and answer.
    pareto_k
        Shape (e,): above 0.7 the entry's number cannot be relied on.
    people
        Shape (e,): how many gave the answer in the cell.
    """

    elpd: FloatArray
    pareto_k: FloatArray
    people: IntArray

    @property
    def total(self) -> float:
        """Sum over people."""
        return float(self.elpd @ self.people)

    @property
    def n_high_k(self) -> int:
        """People whose number cannot be relied on."""
        return int(self.people[~(self.pareto_k <= HIGH_K)].sum())


def pointwise(draws: Draws, cells: HierarchicalCells, link: LinkName, which: slice) -> FloatArray:
    """Log-likelihood of each distinct answer in some cells, shape (chains, draws, e)."""
    cuts = cell_cuts(draws, cells, which)
    every = log_probabilities(LINKS[link].at(cuts.reshape(-1, cuts.shape[-1])), LINKS[link])
    given = np.flatnonzero(cells.counts[which])
    return every.reshape(*cuts.shape[:2], -1)[..., given]


def _parts(draws: Draws, cells: HierarchicalCells) -> Iterator[slice]:
    """All cells, some at a time, so that their draws fit in memory."""
    step = max(1, _ENTRIES // (draws["beta"].size * len(cells.levels)))
    yield from (slice(start, start + step) for start in range(0, cells.row.size, step))


def log_likelihood(draws: Draws, cells: HierarchicalCells, link: LinkName) -> FloatArray:
    """Log-likelihood of the survey, shape (chains, draws)."""
    total = np.zeros_like(draws["beta"])
    for which in _parts(draws, cells):
        counts = cells.counts[which]
        total += pointwise(draws, cells, link, which) @ counts[np.nonzero(counts)]
    return total


def loo(draws: Draws, cells: HierarchicalCells, link: LinkName, relative_ess: float = 1.0) -> Loo:
    """Leave-one-out predictive density of a fit.

    `relative_ess` is effective over actual draws, for the length of the smoothed tail.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao & Gabry (2024), Pareto smoothed importance sampling.
    J. Machine Learning Research 25, 72.
    """
    from arviz_stats.base import array_stats

    elpd, pareto_k = [], []
    for which in _parts(draws, cells):
        values = np.moveaxis(pointwise(draws, cells, link, which), -1, 0)
        found, k, _ = array_stats.loo(values, chain_axis=1, draw_axis=2, r_eff=relative_ess)
        elpd.append(np.asarray(found))
        pareto_k.append(np.asarray(k))
    return Loo(
        elpd=np.concatenate(elpd),
        pareto_k=np.concatenate(pareto_k),
        people=cells.counts[np.nonzero(cells.counts)],
    )


def elpd_difference(one: Loo, other: Loo) -> tuple[float, float]:
    """First minus second, summed over the same people, and its standard error."""
    difference, n = one.elpd - other.elpd, float(one.people.sum())
    mean = float(difference @ one.people) / n
    variance = float(np.square(difference - mean) @ one.people) / (n - 1)
    return mean * n, float(np.sqrt(variance * n))


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictive:
    """Shares of each level by group (comparison first) and region.

    Attributes
    ----------
    observed
        Shape (2, R, J): people.
    drawn
        Shape (S, 2, R, J): people of the same surveys answered anew, one a draw.
    """

    observed: IntArray
    drawn: IntArray


def predictive_shares(
    draws: Draws, cells: HierarchicalCells, link: LinkName, seed: int
) -> Predictive:
    """Let the same people answer anew under evenly spaced posterior draws."""
    rng = np.random.default_rng(seed)
    flat = {name: v.reshape(1, -1, *v.shape[2:]) for name, v in draws.items()}
    places = np.linspace(0, flat["beta"].size - 1, min(_DRAWS, flat["beta"].size)).astype(np.int64)
    chosen = {name: values[:, places] for name, values in flat.items()}
    n_regions, n_levels = len(cells.regions), len(cells.levels)
    slot = cells.member * n_regions + cells.cell_region
    drawn = np.zeros((places.size, 2 * n_regions, n_levels), dtype=np.int64)
    step = max(1, _SHARES // places.size)
    for start in range(0, slot.size, step):
        which = slice(start, start + step)
        shares = cell_levels(chosen, cells, link, which)[0]
        people = rng.multinomial(cells.counts[which].sum(axis=1), shares)
        inside = np.zeros((2 * n_regions, people.shape[1]))
        inside[slot[which], np.arange(people.shape[1])] = 1.0
        summed = np.tensordot(people.astype(np.float64), inside, axes=(1, 1))
        drawn += np.moveaxis(summed, 2, 1).astype(np.int64)
    observed = np.zeros((2 * n_regions, n_levels), dtype=np.int64)
    np.add.at(observed, slot, cells.counts)
    return Predictive(
        observed=observed.reshape(2, n_regions, n_levels),
        drawn=drawn.reshape(places.size, 2, n_regions, n_levels),
    )


def prior_gaps(
    cells: HierarchicalCells, layout: Layout, priors: Priors, link: LinkName, seed: int
) -> FloatArray:
    """Standardised gap at each threshold that the prior allows, shape (S, J - 1).

    Cells are those whose covariates are standardised over; their answers are not looked at.
    """
    rng = np.random.default_rng(seed)
    draws = constrain(prior_draws(layout, priors, link, _PRIOR_DRAWS, rng), layout)
    member, comparison = draw_margins(draws, cells, link)
    gap = (member - comparison)[0, 0]
    return np.asarray(np.cumsum(gap[:, ::-1], axis=1)[:, ::-1][:, 1:])


def log_priors(draws: Draws, layout: Layout, priors: Priors, link: LinkName) -> FloatArray:
    """Log-density of the top-level priors, shape (chains, draws), up to a constant.

    Top-level are beta, the slopes, the SDs, the shifts and the thresholds between the groups; the
    levels that the SDs govern belong to the model and are not scaled.
    """
    found = -0.5 * np.square(draws["beta"] / priors.beta_sd)
    for block in layout.blocks:
        prior = block.prior(priors)
        ratio = np.square(draws[f"{block.name}_sd"] / prior.scale)
        if np.isinf(prior.df):
            found = found - 0.5 * ratio
        else:
            found = found - 0.5 * (prior.df + 1) * np.log1p(ratio / prior.df)
    for name in layout.shifts:
        found = found - 0.5 * np.square(draws[name] / priors.threshold_shift_sd).sum(axis=-1)
    for name in (one for one in ("slopes", "area", "area_gap") if one in draws):
        found = found - 0.5 * np.square(draws[name] / priors.slope_sd).sum(axis=-1)
    cuts = thresholds_at(draws, layout.n_cuts + 1, 0.0)
    return np.asarray(found + LINKS[link].log_density(cuts).sum(axis=-1))


def power_scaling(
    quantities: Mapping[str, FloatArray], log_prior: FloatArray, log_lik: FloatArray
) -> dict[str, tuple[float, float]]:
    """Sensitivity of each quantity to the top-level priors, and to the answers, by name.

    All have shape (chains, draws); 0.05 is the usual bar.

    References
    ----------
    Kallioinen, Paananen, Bürkner & Vehtari (2024), Detecting and diagnosing prior and likelihood
    sensitivity with power-scaling. Statistics and Computing 34, 57.
    """
    from arviz_stats.base import array_stats

    def weights(log_density: FloatArray, power: float) -> FloatArray:
        found = np.exp(array_stats.power_scale_lw(log_density, alpha=power, axis=(0, 1)))
        return np.asarray(found / found.sum())

    prior, answers = ([weights(part, power) for power in _POWERS] for part in (log_prior, log_lik))

    def moved(values: FloatArray, by: Sequence[FloatArray]) -> float:
        lower, upper = by
        given = (values, lower, upper, _POWERS[0], _POWERS[1])
        return float(array_stats.power_scale_sense(*given, chain_axis=0, draw_axis=1))

    return {name: (moved(one, prior), moved(one, answers)) for name, one in quantities.items()}
