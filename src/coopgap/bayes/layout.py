"""Where each parameter stands among the free values that are sampled, and back.

The free values of a model are beta; location; the J - 2 log increments between thresholds; J - 2
shifts of them by membership; then for each block of levels the log of its SD and its raw values;
last the slopes of numeric covariates. Raw values are standard normal; a zero-sum block of n levels
has n - 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from coopgap.bayes.cells import HierarchicalCells
from coopgap.bayes.records import Form, Priors, SdPrior
from coopgap.core.arrays import FloatArray

type Draws = Mapping[str, FloatArray]
"""By name, shape (chains, draws, ...): beta, location, increments, the shifts, for each block its
levels under its name and their SD under its name with `_sd`, and the slopes."""

COVARIATE: Final = "covariate_"
"""What a covariate's name begins with among the draws."""


class Block(NamedTuple):
    """Levels with an SD of their own: `start` is the first raw value, the log SD before it.

    `of_gap` blocks are multiplied by membership, ±1/2; `of_zone` blocks belong to cells, the
    others to rows of region and covariates.
    """

    name: str
    start: int
    n: int
    sums_to_zero: bool
    of_gap: bool
    of_zone: bool

    @property
    def n_free(self) -> int:
        """Free raw values."""
        return self.n - 1 if self.sums_to_zero else self.n


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The free values of one model.

    Attributes
    ----------
    n_cuts
        J - 1.
    shifts
        Position of the first of J - 2 shifts, by the name of what shifts: `shift` for membership.
    blocks
        Region, gap, covariates, zone, zone_gap, as far as the model has them.
    slopes
        Positions of the slopes of numeric covariates.
    size
        Number of free values.
    """

    n_cuts: int
    shifts: Mapping[str, int]
    blocks: tuple[Block, ...]
    slopes: slice
    size: int

    def prior(self, block: Block, priors: Priors) -> SdPrior:
        """Prior on the SD of a block."""
        name = "covariate" if block.name.startswith(COVARIATE) else block.name
        found: SdPrior = getattr(priors, f"{name}_sd")
        return found


def make_layout(cells: HierarchicalCells, form: Form) -> Layout:
    """Lay out the free values of a model with the given cells and parts."""
    n_cuts = len(cells.levels) - 1
    position = 1 + n_cuts
    shifts = {"shift": position} if form.shifts and n_cuts > 1 else {}
    position += len(shifts) * (n_cuts - 1)
    n_regions = len(cells.regions)
    wanted = [("region", n_regions, True, False, False)]
    if form.region_gaps:
        wanted.append(("gap", n_regions, True, True, False))
    wanted += [
        (f"{COVARIATE}{name}", len(levels), True, False, False)
        for name, levels in cells.terms.items()
    ]
    if form.zones and cells.zone is not None:
        wanted.append(("zone", cells.n_zones, False, False, True))
        wanted.append(("zone_gap", cells.n_zones, False, True, True))
    blocks = []
    for name, n, sums_to_zero, of_gap, of_zone in wanted:
        block = Block(name, position + 1, n, sums_to_zero, of_gap, of_zone)
        blocks.append(block)
        position = block.start + block.n_free
    slopes = slice(position, position + len(cells.columns))
    return Layout(
        n_cuts=n_cuts, shifts=shifts, blocks=tuple(blocks), slopes=slopes, size=slopes.stop
    )


def zero_sum(raw: FloatArray) -> FloatArray:
    """Levels that sum to zero, n from n - 1 free values, by the isometry that PyMC uses."""
    n = raw.shape[-1] + 1
    total = raw.sum(axis=-1, keepdims=True)
    root = np.sqrt(n)
    return np.concatenate([raw - total / (root + n), -total / root], axis=-1)


def constrain(x: FloatArray, layout: Layout) -> dict[str, FloatArray]:
    """Free values, shape (chains, draws, p), as named draws.

    Parameters
    ----------
    x
        Free values.
    layout
        Of the model they were drawn from.

    Returns
    -------
    dict
        As `Draws`; a name that the model does not have is absent.
    """
    cuts = layout.n_cuts
    draws = {"beta": x[..., 0], "location": x[..., 1]}
    if cuts > 1:
        draws["increments"] = x[..., 2 : 1 + cuts]
    draws |= {name: x[..., at : at + cuts - 1] for name, at in layout.shifts.items()}
    for block in layout.blocks:
        spread = np.exp(x[..., block.start - 1])
        raw = x[..., block.start : block.start + block.n_free]
        draws[f"{block.name}_sd"] = spread
        draws[block.name] = spread[..., None] * (zero_sum(raw) if block.sums_to_zero else raw)
    slopes = x[..., layout.slopes]
    return draws | ({"slopes": slopes} if slopes.shape[-1] else {})
