"""The complete rows of a model as the hierarchical model reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.regression.raking import rake_to_population
from coopgap.study.spec import DeclaredPopulation
from coopgap.survey.cells import collapse, group_codes
from coopgap.survey.records import ModelRows

_LEAST_SPREAD: Final = 1e-9
"""Of a column whose unit is that of `Numeric`; a smaller spread is rounding."""


class Column(NamedTuple):
    """What a slope is multiplied by in each row, shape (r,): over people its mean is 0, its SD 1.

    A slope over `scale` is one of the variable; of a spline it is the height at a knot.
    """

    values: FloatArray
    scale: float


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
        By covariate, the names of its levels; numeric ones have none.
    zones
        Names of the zones that somebody is in, where they are told apart.
    columns
        By term of the numeric covariates, as the regressions name it.
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
    zones: tuple[str, ...] = ()
    columns: Mapping[str, Column] = field(default_factory=dict)

    @property
    def n_zones(self) -> int:
        """Zones that somebody is in."""
        return len(self.zones)

    @property
    def standardised(self) -> FloatArray:
        """Columns of the numeric covariates, shape (q, r)."""
        values = [column.values for column in self.columns.values()]
        return np.array(values).reshape(len(values), self.region.size)

    @property
    def digest(self) -> str:
        """SHA-256 of everything in the cells."""
        names = json.dumps([self.levels, self.regions, dict(self.terms)])
        found = hashlib.sha256(names.encode())
        parts = (self.counts, self.member, self.row, self.zone, self.region, self.covariates)
        for part in parts:
            found.update(b"" if part is None else np.ascontiguousarray(part).tobytes())
        for term, (values, scale) in self.columns.items():
            found.update(json.dumps([term, scale]).encode() + values.tobytes())
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
    rows: ModelRows,
    covariates: tuple[str, ...],
    region: str,
    *,
    zones: bool,
    zone_labels: Sequence[str] = (),
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
    zone_labels
        Names by the zone codes of the rows; the codes themselves if absent.

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
    present = {
        name: np.unique(rows.factors[name][keep], return_inverse=True)
        for name in (region, *(name for name in covariates if name != region))
    }
    places, regions = present.pop(region)
    if places.size < 2:
        raise NotEstimable("everybody lives in one region: there is nothing to pool")
    varied = {name: one for name, one in present.items() if one[0].size > 1}
    columns = [rows.member[keep].astype(np.int64), regions, *(one[1] for one in varied.values())]
    names: tuple[str, ...] = ()
    if zones:
        if rows.zone is None:
            raise NotEstimable("the study declares no zone")
        found, index = np.unique(rows.zone[keep], return_inverse=True)
        columns.append(index.astype(np.int64))
        names = tuple(zone_labels[code] if zone_labels else str(code) for code in found)
    cells = collapse(columns, rows.outcome[keep], len(rows.levels))
    codes, row = group_codes(list(cells.codes[:, 1 : 2 + len(varied)].T))
    levelled = [name for name in varied if name not in rows.numeric]
    return HierarchicalCells(
        counts=cells.people,
        member=cells.codes[:, 0] == 1,
        row=row,
        zone=cells.codes[:, -1].copy() if zones else None,
        region=codes[:, 0].copy(),
        covariates=codes[:, [1 + list(varied).index(name) for name in levelled]],
        levels=rows.levels,
        regions=_named(rows, region, places),
        terms={name: _named(rows, name, varied[name][0]) for name in levelled},
        zones=names,
        columns=_columns(rows, varied, codes[:, 1:]),
    )


def _named(rows: ModelRows, name: str, present: IntArray) -> tuple[str, ...]:
    """Names of the levels of a variable that somebody has."""
    return tuple(rows.factor_levels[name][level] for level in present)


def _columns(
    rows: ModelRows, varied: Mapping[str, tuple[IntArray, IntArray]], codes: IntArray
) -> dict[str, Column]:
    """Columns of the numeric covariates, standardised over the people; none that never varies.

    `varied` has by covariate the codes that somebody has and where each person stands among them,
    in the order of the columns of `codes`, which has the same by row.
    """
    found = {}
    for (name, (present, index)), code in zip(varied.items(), codes.T, strict=True):
        if name not in rows.numeric:
            continue
        own, people = rows.numeric[name], np.bincount(index)
        # Sums over distinct values: the order of people does not move a digit.
        columns = own.columns[present]
        columns = columns - people @ columns / people.sum()
        spreads = np.sqrt(people @ columns**2 / people.sum())
        for k, (term, spread) in enumerate(zip(own.terms, spreads, strict=True)):
            if spread > _LEAST_SPREAD:
                values = columns[code, k] / spread
                found[term] = Column(values=values, scale=float(spread * own.scale[k]))
    return found


def population_weights(
    cells: HierarchicalCells, declared: DeclaredPopulation, region: str
) -> FloatArray:
    """How much each row counts, shape (r,), with both groups' people raked to declared margins.

    Raises
    ------
    NotEstimable
        If a margin is by a variable that the model has not, or nobody stands for a part of it.
    """
    people = np.bincount(
        cells.row, weights=cells.counts.sum(axis=1), minlength=cells.region.size
    ).astype(np.float64)
    codes = {name: cells.covariates[:, k] for k, name in enumerate(cells.terms)}
    levels = {**cells.terms, region: cells.regions}
    return people * rake_to_population(people, codes | {region: cells.region}, levels, declared)
