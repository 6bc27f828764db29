"""What the hierarchical model is given and what it gives back; nothing here imports PyMC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from coopgap.arrays import BoolArray, FloatArray, IntArray
from coopgap.errors import NotEstimable
from coopgap.survey.cells import collapse
from coopgap.survey.records import ModelRows

__all__ = ["GateItem", "HierarchicalFit", "Priors", "RegionCells", "region_cells"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Priors:
    """Scales of the priors, on the log-odds scale.

    `beta_sd` is the SD of a normal; the others are scales of half-normals on SDs: of the regions'
    levels, of the regions' gaps, of each covariate's levels, and of the shifts by which
    membership changes the log increments between thresholds.
    """

    beta_sd: float = 1.0
    region_sd: float = 0.5
    gap_sd: float = 0.5
    covariate_sd: float = 0.5
    threshold_shift_sd: float = 0.25

    @classmethod
    def with_changes(cls, changes: Mapping[str, float]) -> Priors:
        """The defaults, changed where a model file says so."""
        return replace(cls(), **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionCells:
    """Distinct rows of membership, region and covariates with outcome counts.

    Attributes
    ----------
    counts
        Shape (c, J): people at each outcome level.
    member
        Shape (c,).
    region
        Shape (c,): from 0.
    covariates
        Shape (c, k): level of each covariate, from 0, among the levels somebody has.
    levels, regions
        Names of the J outcome levels and of the R regions.
    terms
        By covariate, the names of its levels.
    """

    counts: IntArray
    member: BoolArray
    region: IntArray
    covariates: IntArray
    levels: tuple[str, ...]
    regions: tuple[str, ...]
    terms: Mapping[str, tuple[str, ...]]

    def people(self, region: int | None = None) -> tuple[int, int]:
        """Comparison people and members, of one region or of all."""
        here = np.ones_like(self.member) if region is None else self.region == region
        totals = self.counts.sum(axis=1)
        return int(totals[here & ~self.member].sum()), int(totals[here & self.member].sum())


def region_cells(rows: ModelRows, covariates: tuple[str, ...], region: str) -> RegionCells:
    """Collapse the complete rows of a model for the hierarchical model.

    Parameters
    ----------
    rows
        Complete in-person rows.
    covariates
        The model's covariates; the region among them is left out, it has its own part.
    region
        The region variable; people without a region are left out.

    Raises
    ------
    NotEstimable
        If sampling weights differ: this model has no rule for them.
    """
    if np.ptp(rows.weight) > 1e-12 * rows.weight.max():
        raise NotEstimable("sampling weights differ and the hierarchical model takes none")
    names = [name for name in covariates if name != region]
    keep = rows.factors[region] >= 0
    columns = [rows.member.astype(np.int64), rows.factors[region]]
    columns += [rows.factors[name] for name in names]
    cells = collapse([column[keep] for column in columns], rows.outcome[keep], len(rows.levels))
    codes = cells.codes.copy()
    terms: dict[str, tuple[str, ...]] = {}
    for k, name in enumerate(names):
        present, codes[:, 2 + k] = np.unique(codes[:, 2 + k], return_inverse=True)
        if present.size > 1:
            terms[name] = tuple(rows.factor_levels[name][level] for level in present)
    used = [2 + k for k, name in enumerate(names) if name in terms]
    present, region_codes = np.unique(codes[:, 1], return_inverse=True)
    return RegionCells(
        counts=cells.people,
        member=cells.codes[:, 0] == 1,
        region=region_codes.astype(np.int64),
        covariates=codes[:, used],
        levels=rows.levels,
        regions=tuple(rows.factor_levels[region][place] for place in present),
        terms=terms,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GateItem:
    """One thing the gate looked at: the worst value found and the bar it must pass."""

    name: str
    value: float
    bar: float
    passed: bool
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchicalFit:
    """Draws of everything that is reported, and whether they may be.

    Attributes
    ----------
    member, comparison
        Shape (G, chains, draws, J): outcome distribution of members and of the same people as
        comparison, for all (first) and for each region, standardised over members.
    parameters
        By term, shape (chains, draws): coefficients on their reported scale.
    region_gap
        Shape (R, chains, draws): the log-odds gap of each region.
    gate
        Every item; the fit passes if all of them do.
    seconds
        Wall time of compiling and of sampling.
    retried
        Whether the first attempt failed the gate and a longer one was made.
    """

    member: FloatArray
    comparison: FloatArray
    parameters: Mapping[str, FloatArray]
    region_gap: FloatArray
    gate: tuple[GateItem, ...]
    seconds: Mapping[str, float]
    retried: bool

    @property
    def passed(self) -> bool:
        """Whether anything of it may be shown; False where nothing was looked at."""
        return bool(self.gate) and all(item.passed for item in self.gate)
