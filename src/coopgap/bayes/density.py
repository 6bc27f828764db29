"""The density of one model: what the kernel reads, laid out, and as the sampler takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from coopgap.bayes.cells import HierarchicalCells
from coopgap.bayes.compiled import evaluate, expand, logp, pack
from coopgap.bayes.layout import COVARIATE, Layout, make_layout
from coopgap.bayes.records import Form, Priors
from coopgap.core.arrays import FloatArray, IntArray


class KernelInput(NamedTuple):
    """The kernel's arguments between `x` and `gradient`, in that order; shapes as there."""

    settings: IntArray
    blocks: IntArray
    priors: FloatArray
    level_of_row: IntArray
    columns: FloatArray
    row: IntArray
    zone: IntArray
    side: IntArray
    starts: IntArray
    levels: IntArray
    counts: FloatArray
    inside: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Density:
    """One model's density over its free values.

    Attributes
    ----------
    layout
        Of the free values.
    words
        What the kernel reads, packed.
    """

    layout: Layout
    words: IntArray

    def __call__(self, x: FloatArray) -> tuple[float, FloatArray]:
        """Log-density at free values of shape (p,), up to a constant, and its gradient."""
        return evaluate(x, self.words)

    def compiled(self) -> Any:
        """The density as nutpie takes one; its draws are the free values, named `x`.

        Notes
        -----
        `nutpie.compile_pymc_model` would compile the same call anew in every process, 5 to 9
        seconds; functions that numba keeps on disk need none.
        """
        from nutpie.compile_pymc import CompiledPyMCModel

        size = self.layout.size
        return CompiledPyMCModel(
            dims={},
            compiled_logp_func=logp,
            compiled_expand_func=expand,
            initial_point_func=self.initial_point,
            shared_data={},
            shared_var_keys={},
            user_data=self.words,
            n_expanded=size,
            shape_info=(["x"], [slice(0, size)], [(size,)]),
            logp_func=None,
            expand_func=None,
            reparameterized_names=[],
            _n_dim=size,
            _shapes={"x": (size,)},
            _coords={},
        )

    def initial_point(self, seed: int) -> FloatArray:
        """Overdispersed start: uniform on (-1, 1) around 0, and around -1 for logs of SDs."""
        point = np.random.default_rng(seed).uniform(-1.0, 1.0, self.layout.size)
        for block in self.layout.blocks:
            point[block.start - 1] -= 1.0
        return point


def make_density(cells: HierarchicalCells, priors: Priors, form: Form) -> Density:
    """Density of the model `form` with `priors` on `cells`."""
    layout = make_layout(cells, form)
    by_row = [block for block in layout.blocks if not block.of_zone]
    level_of = {"region": cells.region, "gap": cells.region}
    level_of |= {f"{COVARIATE}{name}": cells.covariates[:, k] for k, name in enumerate(cells.terms)}
    half = [layout.prior(block, priors) for block in layout.blocks]
    sds = (priors.threshold_shift_sd, priors.beta_sd, priors.slope_sd)
    side = cells.member.astype(np.int64)
    cell, level = np.nonzero(cells.counts)
    zone = cells.zone if cells.zone is not None and form.zones else np.zeros_like(cells.row)
    given = KernelInput(
        settings=np.array(
            [
                layout.n_cuts,
                layout.shifts.get("shift", -1),
                form.link == "probit",
                len(by_row),
                layout.slopes.start,
                len(cells.columns),
            ],
            dtype=np.int64,
        ),
        blocks=np.array(
            [(b.start, b.n, b.sums_to_zero, b.of_gap) for b in layout.blocks], dtype=np.int64
        ),
        priors=np.array([*((one.scale, one.df) for one in half), *((sd, np.inf) for sd in sds)]),
        level_of_row=np.array([level_of[block.name] for block in by_row]),
        columns=cells.standardised,
        row=cells.row,
        zone=zone,
        side=side,
        starts=np.searchsorted(cell, np.arange(side.size + 1)).astype(np.int64),
        levels=level.astype(np.int64),
        counts=cells.counts[cell, level].astype(np.float64),
        inside=np.array(
            [cells.counts[side == s, 1:-1].sum(axis=0) for s in (0, 1)], dtype=np.float64
        ),
    )
    return Density(layout=layout, words=pack(given))
