"""The complete rows of a model as the hierarchical model reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from coopgap.arrays import BoolArray, IntArray
from coopgap.errors import NotEstimable
from coopgap.survey.cells import collapse, group_codes
from coopgap.survey.records import ModelRows

__all__ = ["HierarchicalCells", "hierarchical_cells", "members_by_row"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchicalCells:
    """Distinct rows of membership, region, covariates and zone with outcome counts.

    Attributes
    ----------
    counts
        Shape (c, J): people at each outcome level.
    member
        Shape (c,).
    row
        Shape (c,): the row of region and covariates that the cell has.
    zone
        Shape (c,): from 0; None where zones are not told apart.
    region
        Shape (r,): region of each row, from 0.
    covariates
        Shape (r, k): level of each covariate, from 0, among the levels somebody has.
    levels, regions
        Names of the J outcome levels and of the R regions.
    terms
        By covariate, the names of its levels.
    n_zones
        Zones that somebody is in.
    """

    counts: IntArray
    member: BoolArray
    row: IntArray
    zone: IntArray | None
    region: IntArray
    covariates: IntArray
    levels: tuple[str, ...]
    regions: tuple[str, ...]
    terms: Mapping[str, tuple[str, ...]]
    n_zones: int = 0

    @property
    def digest(self) -> str:
        """SHA-256 of everything in the cells."""
        names = json.dumps([self.levels, self.regions, dict(self.terms)])
        found = hashlib.sha256(names.encode())
        parts = (self.counts, self.member, self.row, self.zone, self.region, self.covariates)
        for part in parts:
            found.update(b"" if part is None else np.ascontiguousarray(part).tobytes())
        return found.hexdigest()

    @property
    def cell_region(self) -> IntArray:
        """Region of each cell, shape (c,)."""
        return np.asarray(self.region[self.row])

    @property
    def members_by_row(self) -> IntArray:
        """Members in each row of region and covariates, shape (r,)."""
        people = np.where(self.member, self.counts.sum(axis=1), 0)
        rows = np.bincount(self.row, weights=people, minlength=self.region.size)
        return rows.astype(np.int64)

    def people_by_level(self, region: int | None = None) -> IntArray:
        """People of one region or of all, comparison group first, shape (2, J)."""
        here = np.ones_like(self.member) if region is None else self.cell_region == region
        groups = (here & ~self.member, here & self.member)
        return np.stack([self.counts[group].sum(axis=0) for group in groups])

    def people(self, region: int | None = None) -> tuple[int, int]:
        """Comparison people and members, of one region or of all."""
        comparison, member = self.people_by_level(region).sum(axis=1)
        return int(comparison), int(member)


def members_by_row(
    rows: ModelRows, covariates: tuple[str, ...], region: str, among: BoolArray
) -> IntArray:
    """Members of some of the people in each row of region and covariates, shape (r,).

    Parameters
    ----------
    rows, covariates, region
        As in `hierarchical_cells`.
    among
        Shape (n,): the people to count.
    """
    keep = rows.factors[region] >= 0
    names = (region, *(name for name in covariates if name != region))
    codes, row = group_codes([rows.factors[name][keep] for name in names])
    counted = (rows.member & among)[keep]
    return np.bincount(row[counted], minlength=len(codes)).astype(np.int64)


def hierarchical_cells(
    rows: ModelRows, covariates: tuple[str, ...], region: str, *, zones: bool
) -> HierarchicalCells:
    """Collapse the complete rows of a model for the hierarchical model.

    Parameters
    ----------
    rows
        Complete in-person rows.
    covariates
        The model's covariates; the region among them is left out, it has its own part.
    region
        The region variable; people without a region are left out.
    zones
        Whether to tell zones apart.

    Raises
    ------
    NotEstimable
        If a group is empty, if sampling weights differ (this model has no rule for them), if all
        people live in one region, or if zones are asked for and not declared.
    """
    n_member = int(rows.member.sum())
    if n_member in (0, rows.n):
        raise NotEstimable(
            f"{n_member:,} members and {rows.n - n_member:,} comparison people are left"
        )
    if np.ptp(rows.weight) > 1e-12 * rows.weight.max():
        raise NotEstimable("sampling weights differ and the hierarchical model takes none")
    keep = rows.factors[region] >= 0
    factors = {
        name: _present(rows.factors[name][keep], rows.factor_levels[name])
        for name in (region, *(name for name in covariates if name != region))
    }
    regions = factors.pop(region)
    if len(regions[1]) < 2:
        raise NotEstimable("everybody lives in one region: there is nothing to pool")
    terms = {name: one for name, one in factors.items() if len(one[1]) > 1}
    columns = [rows.member[keep].astype(np.int64), regions[0], *(one[0] for one in terms.values())]
    n_zones = 0
    if zones:
        if rows.zone is None:
            raise NotEstimable("the study declares no zone")
        found, index = np.unique(rows.zone[keep], return_inverse=True)
        columns.append(index.astype(np.int64))
        n_zones = int(found.size)
    cells = collapse(columns, rows.outcome[keep], len(rows.levels))
    codes, row = group_codes(list(cells.codes[:, 1 : 2 + len(terms)].T))
    return HierarchicalCells(
        counts=cells.people,
        member=cells.codes[:, 0] == 1,
        row=row,
        zone=cells.codes[:, -1].copy() if zones else None,
        region=codes[:, 0].copy(),
        covariates=codes[:, 1:].copy(),
        levels=rows.levels,
        regions=regions[1],
        terms={name: one[1] for name, one in terms.items()},
        n_zones=n_zones,
    )


def _present(codes: IntArray, names: tuple[str, ...]) -> tuple[IntArray, tuple[str, ...]]:
    """Codes among the levels that somebody has, and the names of those."""
    found, index = np.unique(codes, return_inverse=True)
    return index.astype(np.int64), tuple(names[level] for level in found)
