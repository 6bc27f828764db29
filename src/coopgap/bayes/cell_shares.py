"""Cut points and level probabilities of cells in draws: what the likelihood sees."""

from __future__ import annotations

import numpy as np

from coopgap.bayes.cells import HierarchicalCells
from coopgap.bayes.draws import region_gaps, row_levels, thresholds_at
from coopgap.bayes.layout import Draws
from coopgap.bayes.mode import asked_by, mode_of
from coopgap.core.arrays import FloatArray
from coopgap.regression.links import LINKS
from coopgap.study.spec import LinkName


def cell_cuts(draws: Draws, cells: HierarchicalCells, which: slice) -> FloatArray:
    """Cut points threshold - eta of some cells, their zones' own levels included.

    Parameters
    ----------
    draws
        Posterior draws.
    cells
        All cells.
    which
        The cells wanted.

    Returns
    -------
    FloatArray
        Shape (chains, draws, k, J - 1).
    """
    member, row = cells.member[which], cells.row[which]
    region = cells.region[row]
    gap = region_gaps(draws, len(cells.regions))[..., region]
    eta = row_levels(draws, cells, row)
    if "zone" in draws and cells.zone is not None:
        eta = eta + draws["zone"][..., cells.zone[which]]
        gap = gap + draws["zone_gap"][..., cells.zone[which]]
    eta = eta + gap * (member - 0.5)
    side, asked = member.astype(np.int64), [draws]
    mode = mode_of(draws, cells)
    if mode is not None:
        side = side + 2 * cells.covariates[row, list(cells.terms).index(mode)]
        asked = [asked_by(draws, mode, c) for c in (-0.5, 0.5)]
    n_levels = len(cells.levels)
    sides = [thresholds_at(one, n_levels, m) for one in asked for m in (-0.5, 0.5)]
    return np.asarray(np.stack(sides, axis=-2)[..., side, :] - eta[..., None])


def cell_levels(draws: Draws, cells: HierarchicalCells, link: LinkName, which: slice) -> FloatArray:
    """Probability of each level in some cells, shape (chains, draws, k, J)."""
    below = LINKS[link].distribution(cell_cuts(draws, cells, which))
    edge = np.zeros((*below.shape[:-1], 1))
    return np.diff(np.concatenate([edge, below, edge + 1], axis=-1), axis=-1)
