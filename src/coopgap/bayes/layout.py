"""The model's parts and priors, and where each parameter stands among the free values.

The free values of a model are beta; location; the J - 2 log increments between thresholds; J - 2
shifts of them by membership, and by the mode of interview; then for each block of levels the log
of its SD and its free levels, n - 1 of n that sum to zero; last the slopes of numeric covariates,
and of what is known of the departments' areas: of levels, then of gaps.

A block is centred in part: a level is SD^(1 - c) times a free one, which is normal with SD^c. With
c = 0 the free levels are standard normal, right where the answers say little of a level; with c = 1
they are the levels themselves, right where they say much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from coopgap.bayes.cells import HierarchicalCells
from coopgap.core.arrays import FloatArray
from coopgap.regression.links import LINKS
from coopgap.study.spec import LinkName

DRAWS_VERSION: Final = 1
"""Of what decides the draws of a density: raise it when `coopgap.bayes.kernel`, `sample`, or the
layout here, give other draws for the same seed. Kept draws of another version are not reused."""

type Draws = Mapping[str, FloatArray]
"""By name, shape (chains, draws, ...): beta, location, increments, the shifts, for each block its
levels under its name and their SD under its name with `_sd`, the slopes, and those of the
departments' areas: `area` of levels, `area_gap` of gaps."""

COVARIATE: Final = "covariate_"
"""What a covariate's name begins with among the draws."""

MODE_SHIFT: Final = "shift_by_"
"""What the name of the mode's shifts begins with among the draws; the covariate's follows."""

_INFORMATION: Final = 0.25
"""About what one answer says of its latent mean, on either link's scale."""

_KNOWN: Final = 0.03

_MOST: Final = 0.25
"""Most that a block is centred beside zones, which tell a level less well than their people do:
with 60,000 people in 300 zones and twice as much, chains diverge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SdPrior:
    """Half-t prior on a standard deviation; half-normal with infinite degrees of freedom."""

    scale: float
    df: float = np.inf


_NORMAL: Final = ("beta_sd", "slope_sd", "threshold_shift_sd")
_HALF: Final = SdPrior(scale=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priors:
    """Priors on the latent scale: log odds, or probits.

    `beta_sd`, `slope_sd` and `threshold_shift_sd` are SDs of normals: of beta, of each slope of a
    numeric covariate (for one SD of its column), and of each shift by membership, or by mode, of
    the log increments between thresholds. The others are priors on SDs: of the regions' levels, of
    the regions' gaps, of each covariate's levels, and of the levels and gaps of departments and of
    zones. The slopes of the departments' areas have `slope_sd` too.

    The default of a slope lets a column move people as far from each other as a covariate's levels
    do: SDs of levels are half-normal with scale 0.5, whose root mean square is 0.5.
    """

    beta_sd: float = 1.0
    region_sd: SdPrior = field(default=_HALF)
    gap_sd: SdPrior = field(default=_HALF)
    covariate_sd: SdPrior = field(default=_HALF)
    slope_sd: float = 0.5
    department_sd: SdPrior = field(default=_HALF)
    department_gap_sd: SdPrior = field(default=_HALF)
    zone_sd: SdPrior = field(default=_HALF)
    zone_gap_sd: SdPrior = field(default=_HALF)
    threshold_shift_sd: float = 0.5

    @classmethod
    def with_scales(cls, scales: Mapping[str, float]) -> Priors:
        """The defaults, with the scales that a model file sets."""
        changes: dict[str, Any] = {
            name: scale if name in _NORMAL else SdPrior(scale=scale)
            for name, scale in scales.items()
        }
        return replace(cls(), **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Which parts the model has.

    Attributes
    ----------
    link
        Latent distribution.
    shifts
        Whether the distances between thresholds may differ by membership; without it the model
        has proportional odds.
    region_gaps
        Whether regions have gaps of their own.
    departments
        Whether departments have levels and gaps of their own, and their areas slopes.
    zones
        Whether zones have levels and gaps of their own.
    mode
        The covariate of two levels, in person and by phone, by which the distances between
        thresholds may differ as they may by membership; None where none does.
    """

    link: Literal["logit", "probit"] = "logit"
    shifts: bool = True
    region_gaps: bool = True
    departments: bool = True
    zones: bool = True
    mode: str | None = None

    def mode_among(self, cells: HierarchicalCells) -> str | None:
        """The mode where it moves thresholds: there are increments, and both ways of asking."""
        return self.mode if self.mode in cells.terms and len(cells.levels) > 2 else None


class Block(NamedTuple):
    """Levels with an SD of their own: `start` is the first free one, the log SD before it.

    `of_gap` blocks are multiplied by membership, ±1/2; `of_zone` blocks belong to zones, the
    others to rows of region, department and covariates. Levels of departments and zones are drawn
    from their distribution and need not sum to zero. `centred` is from 0 to 1.
    """

    name: str
    start: int
    n: int
    sums_to_zero: bool
    of_gap: bool
    of_zone: bool
    centred: float

    @property
    def n_free(self) -> int:
        """Free levels."""
        return self.n - 1 if self.sums_to_zero else self.n

    @property
    def free(self) -> slice:
        """Where they stand."""
        return slice(self.start, self.start + self.n_free)

    def prior(self, priors: Priors) -> SdPrior:
        """Prior on the SD."""
        name = "covariate" if self.name.startswith(COVARIATE) else self.name
        found: SdPrior = getattr(priors, f"{name}_sd")
        return found


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
        Region, gap, covariates, department, department_gap, zone, zone_gap, as far as the model
        has them.
    slopes, area, area_gap
        Positions of the slopes of numeric covariates, and of the departments' areas: those of
        their levels and of their gaps. They follow each other.
    size
        Number of free values.
    """

    n_cuts: int
    shifts: Mapping[str, int]
    blocks: tuple[Block, ...]
    slopes: slice
    area: slice
    area_gap: slice
    size: int


def make_layout(cells: HierarchicalCells, form: Form) -> Layout:
    """Lay out the free values of a model; `ValueError` if its mode has more than two levels."""
    n_cuts, n_regions = len(cells.levels) - 1, len(cells.regions)
    names = ["shift"] if form.shifts and n_cuts > 1 else []
    mode = form.mode_among(cells)
    if mode is not None:
        if len(cells.terms[mode]) != 2:
            raise ValueError(f"{mode} has {len(cells.terms[mode])} levels; a mode has two")
        names.append(f"{MODE_SHIFT}{mode}")
    shifts = {name: 1 + n_cuts + k * (n_cuts - 1) for k, name in enumerate(names)}
    departments = form.departments and cells.department is not None
    wanted = [("region", n_regions, "")]
    if form.region_gaps:
        wanted.append(("gap", n_regions, ""))
    for name, levels in cells.terms.items():
        wanted.append((f"{COVARIATE}{name}", len(levels), ""))
    if departments:
        n = len(cells.departments)
        wanted += [(name, n, "department") for name in ("department", "department_gap")]
    zones = form.zones and cells.zone is not None
    if zones:
        wanted += [(name, cells.n_zones, "zone") for name in ("zone", "zone_gap")]
    blocks, position = [], 1 + n_cuts + len(shifts) * (n_cuts - 1)
    for name, n, within in wanted:
        of_gap = name.endswith("gap") and not name.startswith(COVARIATE)
        centred = min(_centred(cells, n, of_gap=of_gap), _MOST if zones else 1.0)
        block = Block(name, position + 1, n, not within, of_gap, within == "zone", centred)
        blocks.append(block)
        position = block.free.stop
    n_areas = len(cells.area) if departments else 0
    ends = np.cumsum([position, len(cells.columns), n_areas, n_areas]).tolist()
    slopes, area, area_gap = (slice(*two) for two in pairwise(ends))
    return Layout(
        n_cuts=n_cuts,
        shifts=shifts,
        blocks=tuple(blocks),
        slopes=slopes,
        area=area,
        area_gap=area_gap,
        size=area_gap.stop,
    )


def _centred(cells: HierarchicalCells, n_levels: int, *, of_gap: bool) -> float:
    """How far a block is centred: half where its people tell a level to within `_KNOWN`.

    Well short of what is best at an SD of 0.5 (Papaspiliopoulos, Roberts & Sköld 2007,
    Statistical Science 22): SDs may be near nothing, where centred levels make a funnel.
    """
    # A gap is seen in differences of halves.
    answers = _INFORMATION * float(cells.weighted.sum()) / n_levels * (0.25 if of_gap else 1.0)
    return answers / (answers + _KNOWN**-2)


class Names(NamedTuple):
    """The dimension that draws of a name have beside chains and draws, and labels along it."""

    dims: Mapping[str, str]
    coords: Mapping[str, tuple[str, ...]]


def draw_names(cells: HierarchicalCells) -> Names:
    """Names for all that draws of a model on these cells may have."""
    # A variable may not have the name of a dimension.
    dims = {"region": "regions", "gap": "regions", "zone": "zones", "zone_gap": "zones"}
    dims |= {"department": "departments", "department_gap": "departments"}
    dims |= {"increments": "inner_levels", "shift": "inner_levels", "slopes": "terms"}
    dims |= {"area": "area_terms", "area_gap": "area_terms"}
    coords = {"regions": cells.regions, "zones": cells.zones, "terms": tuple(cells.columns)}
    coords |= {"departments": cells.departments, "area_terms": tuple(cells.area)}
    coords["inner_levels"] = cells.levels[1:-1]
    for name, levels in cells.terms.items():
        dims |= {f"{COVARIATE}{name}": f"{name}_levels", f"{MODE_SHIFT}{name}": "inner_levels"}
        coords[f"{name}_levels"] = levels
    return Names(dims, coords)


def zero_sum(raw: FloatArray) -> FloatArray:
    """Levels that sum to zero, n from n - 1 free values, by the isometry that PyMC uses."""
    n = raw.shape[-1] + 1
    total = raw.sum(axis=-1, keepdims=True)
    root = np.sqrt(n)
    return np.concatenate([raw - total / (root + n), -total / root], axis=-1)


def constrain(x: FloatArray, layout: Layout) -> dict[str, FloatArray]:
    """Free values, shape (chains, draws, p), as `Draws`; what the model has not is absent."""
    cuts = layout.n_cuts
    draws = {"beta": x[..., 0], "location": x[..., 1]}
    if cuts > 1:
        draws["increments"] = x[..., 2 : 1 + cuts]
    draws |= {name: x[..., at : at + cuts - 1] for name, at in layout.shifts.items()}
    for block in layout.blocks:
        log_sd, free = x[..., block.start - 1], x[..., block.free]
        scale = np.exp((1 - block.centred) * log_sd)[..., None]
        draws[f"{block.name}_sd"] = np.exp(log_sd)
        draws[block.name] = scale * (zero_sum(free) if block.sums_to_zero else free)
    linear = ("slopes", layout.slopes), ("area", layout.area), ("area_gap", layout.area_gap)
    return draws | {name: x[..., at] for name, at in linear if at.stop > at.start}


def prior_draws(
    layout: Layout, priors: Priors, link: LinkName, n: int, rng: np.random.Generator
) -> FloatArray:
    """Free values drawn from the prior, shape (1, n, p).

    Notes
    -----
    A uniform Dirichlet on the level probabilities at eta = 0 makes the thresholds at m = 0 the
    order statistics of J - 1 independent draws from the latent distribution.
    """
    x = rng.normal(size=(n, layout.size))
    x[:, 0] *= priors.beta_sd
    cuts = layout.n_cuts
    thresholds = np.sort(LINKS[link].quantile(rng.uniform(size=(n, cuts))), axis=1)
    x[:, 1] = thresholds.mean(axis=1)
    x[:, 2 : 1 + cuts] = np.log(np.diff(thresholds, axis=1))
    for at in layout.shifts.values():
        x[:, at : at + cuts - 1] *= priors.threshold_shift_sd
    for block in layout.blocks:
        prior = block.prior(priors)
        own = rng.normal(size=n) if np.isinf(prior.df) else rng.standard_t(prior.df, size=n)
        log_sd = np.log(prior.scale * np.abs(own))
        x[:, block.start - 1] = log_sd
        x[:, block.free] *= np.exp(block.centred * log_sd)[:, None]
    x[:, layout.slopes.start :] *= priors.slope_sd
    return x[None]
