"""Log-likelihood of draws and leave-one-out predictive density, from cells.

People of one cell who gave one answer have one contribution, which is computed once and counted
as often as there are people.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from coopgap.bayes.cell_shares import cell_cuts
from coopgap.bayes.cells import HierarchicalCells
from coopgap.bayes.layout import Draws
from coopgap.core.arrays import FloatArray, IntArray
from coopgap.regression.links import LINKS
from coopgap.study.spec import LinkName

HIGH_K: Final = 0.7
_CHUNK: Final = 4_000_000


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
    cell, level = np.nonzero(cells.counts[which])
    edge = np.full((*cuts.shape[:-1], 1), np.inf)
    ends = np.concatenate([-edge, cuts, edge], axis=-1)
    lower, upper = ends[..., cell, level], ends[..., cell, level + 1]
    return LINKS[link].log_interval(upper, lower)


def _parts(draws: Draws, cells: HierarchicalCells) -> Iterator[slice]:
    """All cells, some at a time, so that their draws fit in memory."""
    step = max(1, _CHUNK // (draws["beta"].size * len(cells.levels)))
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

    Parameters
    ----------
    draws
        Posterior draws.
    cells
        The cells the model was fitted on.
    link
        Of the model.
    relative_ess
        Effective over actual draws, for the length of the smoothed tail.

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
