"""The density of one model with mode shifts: that without them, and what they add."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from coopgap.bayes.cells import HierarchicalCells
from coopgap.bayes.compiled import pack
from coopgap.bayes.density import Density, make_density
from coopgap.bayes.layout import Layout
from coopgap.bayes.mode_compiled import evaluate_by_mode, logp_by_mode, parts
from coopgap.bayes.records import Form, Priors
from coopgap.core.arrays import FloatArray


class ModeDensity(Density):
    """One model's density over its free values, those of the mode's shifts among them."""

    __slots__ = ()

    def __call__(self, x: FloatArray) -> tuple[float, FloatArray]:
        """Log-density at free values of shape (p,), up to a constant, and its gradient."""
        return evaluate_by_mode(x, self.words)

    def compiled(self) -> Any:
        """The density as nutpie takes one; its draws are the free values, named `x`."""
        return replace(Density.compiled(self), compiled_logp_func=logp_by_mode)


def make_mode_density(
    cells: HierarchicalCells, priors: Priors, form: Form, layout: Layout
) -> ModeDensity:
    """Density of the model `form`, which names a mode that the cells have.

    Parameters
    ----------
    cells
        Distinct rows with counts.
    priors, form
        Priors and parts of the model.
    layout
        From `coopgap.bayes.mode.layout_of`.
    """
    if form.mode is None:
        raise ValueError("the form names no mode")
    plain = make_density(cells, priors, form)
    by_phone = cells.covariates[cells.row, list(cells.terms).index(form.mode)]
    side = cells.member + 2 * by_phone
    inside = [cells.counts[side == s, 1:-1].sum(axis=0) for s in range(4)]
    added = (side.astype(np.int64), np.array(inside, dtype=np.float64))
    return ModeDensity(layout=layout, words=pack([*parts(plain.words), *added]))
