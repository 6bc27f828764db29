"""Answers drawn from the posterior beside the answers given, by group, region and level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from coopgap.bayes.cell_shares import cell_levels
from coopgap.bayes.cells import HierarchicalCells
from coopgap.bayes.draws import draw_margins
from coopgap.bayes.layout import Draws, Layout, constrain
from coopgap.bayes.prior import prior_draws
from coopgap.bayes.records import Priors
from coopgap.core.arrays import FloatArray, IntArray
from coopgap.study.spec import LinkName

_DRAWS: Final = 1000
_PRIOR_DRAWS: Final = 4000
_CHUNK: Final = 200_000


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
    """Let the same people answer anew under evenly spaced posterior draws.

    Parameters
    ----------
    draws
        Posterior draws.
    cells
        The cells the model was fitted on.
    link
        Of the model.
    seed
        Of the answers.
    """
    rng = np.random.default_rng(seed)
    flat = {name: v.reshape(1, -1, *v.shape[2:]) for name, v in draws.items()}
    places = np.linspace(0, flat["beta"].size - 1, min(_DRAWS, flat["beta"].size)).astype(np.int64)
    chosen = {name: values[:, places] for name, values in flat.items()}
    n_regions, n_levels = len(cells.regions), len(cells.levels)
    slot = cells.member * n_regions + cells.cell_region
    drawn = np.zeros((places.size, 2 * n_regions, n_levels), dtype=np.int64)
    step = max(1, _CHUNK // places.size)
    for start in range(0, slot.size, step):
        which = slice(start, start + step)
        shares = cell_levels(chosen, cells, link, which)[0]
        people = rng.multinomial(cells.counts[which].sum(axis=1), shares)
        inside = np.zeros((2 * n_regions, people.shape[1]))
        inside[slot[which], np.arange(people.shape[1])] = 1.0
        drawn += np.einsum("gk,skj->sgj", inside, people).astype(np.int64)
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

    Parameters
    ----------
    cells
        Whose covariates are standardised over; their answers are not looked at.
    layout, priors, link
        Of the model.
    seed
        Of the draws.
    """
    rng = np.random.default_rng(seed)
    draws = constrain(prior_draws(layout, priors, link, _PRIOR_DRAWS, rng), layout)
    member, comparison = draw_margins(draws, cells, link)
    gap = (member - comparison)[0, 0]
    return np.asarray(np.cumsum(gap[:, ::-1], axis=1)[:, ::-1][:, 1:])
