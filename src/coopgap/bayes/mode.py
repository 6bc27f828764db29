"""Thresholds that the mode of interview moves: the free values it adds, and draws asked one way.

The mode is a covariate of two levels, named in `Form.mode`. With c = -1/2 at its first level (in
person) and +1/2 at its second (by phone) the log increments of the model get t_k c more. They stand
behind all other free values, so that a model without them is laid out, and computed, as if there
were no such thing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from coopgap.bayes.cells import HierarchicalCells
from coopgap.bayes.layout import Draws, Layout, make_layout
from coopgap.bayes.records import Form, Priors

if TYPE_CHECKING:
    from coopgap.bayes.density import Density

MODE_SHIFT: Final = "shift_by_"
"""What the name of the mode's shifts begins with among the draws; the covariate's follows."""


def layout_of(cells: HierarchicalCells, form: Form) -> Layout:
    """Lay out the free values of a model, mode shifts included where the form has them.

    Parameters
    ----------
    cells
        Distinct rows with counts.
    form
        Parts of the model. A mode that nobody, or everybody, was asked in is no covariate of the
        cells, and an outcome of two levels has no increments: neither has shifts.

    Raises
    ------
    ValueError
        If the mode has more than two levels.
    """
    layout = make_layout(cells, form)
    if form.mode is None or form.mode not in cells.terms or layout.n_cuts == 1:
        return layout
    if len(cells.terms[form.mode]) != 2:
        raise ValueError(f"{form.mode} has {len(cells.terms[form.mode])} levels; a mode has two")
    shifts = {**layout.shifts, f"{MODE_SHIFT}{form.mode}": layout.size}
    return replace(layout, shifts=shifts, size=layout.size + layout.n_cuts - 1)


def density_of(cells: HierarchicalCells, priors: Priors, form: Form) -> Density:
    """Density of the model `form` with `priors` on `cells`, mode shifts included."""
    # Kernels are compiled or loaded where they are imported: only the one that is needed.
    layout = layout_of(cells, form)
    if f"{MODE_SHIFT}{form.mode}" in layout.shifts:
        from coopgap.bayes.mode_density import make_mode_density

        return make_mode_density(cells, priors, form, layout)
    from coopgap.bayes.density import make_density

    return make_density(cells, priors, form)


def mode_of(draws: Draws, cells: HierarchicalCells) -> str | None:
    """The covariate that moves the thresholds in these draws; None without one."""
    for name in cells.terms:
        if f"{MODE_SHIFT}{name}" in draws:
            return name
    return None


def asked_by(draws: Draws, mode: str, c: float) -> Draws:
    """Draws of the same model for people asked one way, its shifts taken into the increments.

    Parameters
    ----------
    draws
        With shifts of `mode`.
    mode
        The covariate.
    c
        -1/2 in person, +1/2 by phone.
    """
    key = f"{MODE_SHIFT}{mode}"
    kept = {name: values for name, values in draws.items() if name != key}
    return kept | {"increments": draws["increments"] + c * draws[key]}


def in_person(draws: Draws, cells: HierarchicalCells) -> tuple[Draws, HierarchicalCells]:
    """Draws and cells as if everybody had been asked in person; as they are without mode shifts.

    Returns
    -------
    draws : Draws
        Without mode shifts, which are in the increments.
    cells : HierarchicalCells
        Every row has the mode's first level.
    """
    mode = mode_of(draws, cells)
    if mode is None:
        return draws, cells
    codes = cells.covariates.copy()
    codes[:, list(cells.terms).index(mode)] = 0
    return asked_by(draws, mode, -0.5), replace(cells, covariates=np.ascontiguousarray(codes))
