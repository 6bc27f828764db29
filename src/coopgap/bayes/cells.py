"""The complete rows of a model as the hierarchical model reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.regression.raking import rake_to_population
from coopgap.study.spec import DeclaredPopulation
from coopgap.survey.cells import collapse, group_codes
from coopgap.survey.records import ModelRows

_LEAST_SPREAD: Final = 1e-9
"""Of a column whose unit is that of `Numeric`; a smaller spread is rounding."""

_FEWEST_ZONES: Final = 6
"""As of every fit over zones."""

_EQUAL: Final = 1e-12
"""Weights of a group that are less apart, as a share of the largest, are rounding."""


class Column(NamedTuple):
    """What a slope is multiplied by in each row, shape (r,): over people its mean is 0, its SD 1.

    A slope over `scale` is one of the variable; of a spline it is the height at a knot.
    """

    values: FloatArray
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the people of the cells were sampled, where their weights differ within a group.

    Attributes
    ----------
    cell, level
        Shape (n,): cell and outcome level of each person, who stand in an order that is theirs.
    weight
        Shape (n,): sampling weights, scaled to sum to the people of each group.
    cluster
        Shape (n,): the zone, from 0, whether the model has zones or not; each person's own where
        none is declared.
    """

    cell: IntArray
    level: IntArray
    weight: FloatArray
    cluster: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Departments:
    """The departments of a study, each in one region; nobody need live there.

    Attributes
    ----------
    variable
        Whose levels, the declared ones, are the departments.
    region
        Shape (L,): the region of each, an index into the levels of the region variable.
    area
        By name, shape (L,): a number known of each department.
    """

    variable: str
    region: IntArray
    area: Mapping[str, FloatArray] = field(default_factory=dict)


class Group(NamedTuple):
    """Whom a gap is given for: everybody, a region, or a department of one."""

    name: str
    region: int | None = None
    department: int | None = None


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
    sampling
        Of people whose weights differ; None where each counts as one.
    department
        Shape (r,): department of each row; None where departments are not told apart.
    departments, department_region
        Names of the D departments of these regions, and shape (D,): the region of each.
    area
        By name what is known of departments, its values of shape (D,), over departments of mean 0
        and SD 1.
    lender
        Shape (r,): the row whose people a row has. It is itself, save for rows of a department
        without members, which has the people of its region.
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
    sampling: Sampling | None = None
    department: IntArray | None = None
    departments: tuple[str, ...] = ()
    department_region: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    area: Mapping[str, Column] = field(default_factory=dict)
    lender: IntArray | None = None

    @property
    def groups(self) -> tuple[Group, ...]:
        """Everybody, each region, each department."""
        regions = [Group(f"region={name}", r) for r, name in enumerate(self.regions)]
        inside = zip(self.departments, self.department_region.tolist(), strict=True)
        within = [Group(f"department={name}", r, d) for d, (name, r) in enumerate(inside)]
        return (Group("all"), *regions, *within)

    @property
    def areas(self) -> FloatArray:
        """What is known of departments, shape (a, D)."""
        values = [column.values for column in self.area.values()]
        return np.array(values).reshape(len(values), len(self.departments))

    @property
    def place(self) -> IntArray:
        """Department of each row where they are told apart, else its region, shape (r,)."""
        return self.region if self.department is None else self.department

    @property
    def weighted(self) -> FloatArray:
        """What the likelihood counts at each outcome level, shape (c, J): weights, or people."""
        return self._summed(1)

    @property
    def squares(self) -> FloatArray:
        """Sums of squared weights, shape (c, J); people where each counts as one."""
        return self._summed(2)

    def _summed(self, power: int) -> FloatArray:
        if self.sampling is None:
            return self.counts.astype(np.float64)
        slot = self.sampling.cell * len(self.levels) + self.sampling.level
        summed = np.bincount(slot, self.sampling.weight**power, self.counts.size)
        return summed.reshape(self.counts.shape)

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
        for term, (values, scale) in [*self.columns.items(), *self.area.items()]:
            found.update(json.dumps([term, scale]).encode() + values.tobytes())
        if self.sampling is not None:
            for part in (self.sampling.cell, self.sampling.level, self.sampling.cluster):
                found.update(part.tobytes())
            found.update(self.sampling.weight.tobytes())
        if self.department is not None and self.lender is not None:
            found.update(json.dumps(self.departments).encode())
            for part in (self.department, self.department_region, self.lender):
                found.update(part.tobytes())
        return found.hexdigest()

    @property
    def cell_region(self) -> IntArray:
        """Region of each cell, shape (c,)."""
        return np.asarray(self.region[self.row])

    @property
    def people_by_row(self) -> FloatArray:
        """People in each row of region and covariates, or their weight, shape (r,)."""
        return np.bincount(self.row, self.weighted.sum(axis=1), self.region.size)

    @property
    def members_by_row(self) -> FloatArray:
        """Members in each row of region and covariates, or their weight, shape (r,)."""
        of_cell = np.where(self.member, self.weighted.sum(axis=1), 0.0)
        return np.bincount(self.row, of_cell, self.region.size)

    def lent(self, people: FloatArray) -> FloatArray:
        """People of each row, shape (r,), with those that departments without any are lent."""
        if self.lender is None or self.department is None:
            return people
        has = np.bincount(self.department, people, minlength=len(self.departments)) > 0
        return np.where(has[self.department], people, people[self.lender])

    def people_by_level(self, region: int | None = None, department: int | None = None) -> IntArray:
        """People of one region, department or of all, comparison group first, shape (2, J)."""
        here = np.ones_like(self.member) if region is None else self.cell_region == region
        if department is not None and self.department is not None:
            here = self.department[self.row] == department
        groups = (here & ~self.member, here & self.member)
        return np.stack([self.counts[group].sum(axis=0) for group in groups])

    def people(self, region: int | None = None, department: int | None = None) -> tuple[int, int]:
        """Comparison people and members, of one region, department or of all."""
        comparison, member = self.people_by_level(region, department).sum(axis=1)
        return int(comparison), int(member)


def members_by_row(
    rows: ModelRows,
    covariates: tuple[str, ...],
    region: str,
    among: BoolArray,
    department: str | None = None,
) -> FloatArray:
    """Members of some of the people in each row of region and covariates, or weight, shape (r,).

    Parameters
    ----------
    rows, covariates, region
        As in `hierarchical_cells`.
    among
        Shape (n,): the people to count.
    department
        The variable of the departments, where the cells have them. Rows in which nobody stands
        come after these.
    """
    places = (region,) if department is None else (region, department)
    keep = np.all([rows.factors[name] >= 0 for name in places], axis=0)
    names = (*places, *(name for name in covariates if name not in places))
    codes, row = group_codes([rows.factors[name][keep] for name in names])
    counted = (rows.member & among)[keep]
    weight = scaled_weights(rows.member[keep], rows.weight[keep])
    found = _sums(row[counted], None if weight is None else weight[counted], len(codes))
    return found.astype(np.float64)


def scaled_weights(member: BoolArray, weight: FloatArray) -> FloatArray | None:
    """Weights (n,) scaled to sum to the people of each group; None where a group's are alike."""
    scaled, alike = np.ones(weight.size), True
    for group in (~member, member):
        own = weight[group]
        if own.size and np.ptp(own) > _EQUAL * own.max():
            # Of sorted weights the sum does not depend on the order of people.
            scaled[group], alike = own * (own.size / np.sort(own).sum()), False
    return None if alike else scaled


def hierarchical_cells(
    rows: ModelRows,
    covariates: tuple[str, ...],
    region: str,
    *,
    zones: bool,
    zone_labels: Sequence[str] = (),
    departments: Departments | None = None,
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
    departments
        Departments to be told apart within regions; people without one are left out. They are
        not, and nobody is, where no region has people in two of them.

    Raises
    ------
    NotEstimable
        If a group is empty, if all people live in one region, or if zones are asked for and not
        declared.

    Notes
    -----
    Weights that differ within a group are scaled to sum to its people: the likelihood then has
    about the information of the sample (Pfeffermann, Skinner, Holmes, Goldstein & Rasbash 1998,
    J. Royal Statistical Society B 60). Scales of the two groups are apart because the gap is
    between them: a group that was sampled more densely knows as much of itself as it has people.
    """
    n_member = int(rows.member.sum())
    if n_member in (0, rows.n):
        raise NotEstimable(
            f"{n_member:,} members and {rows.n - n_member:,} comparison people are left"
        )
    covariates = tuple(name for name in covariates if name != region)
    keep = rows.factors[region] >= 0
    own = None
    if departments is not None:
        own = rows.factors[departments.variable]
        covariates = tuple(name for name in covariates if name != departments.variable)
        lived_in = np.unique(own[keep & (own >= 0)])
        if lived_in.size == np.unique(departments.region[lived_in]).size:
            departments = own = None
    if own is not None:
        keep = keep & (own >= 0)
    present = {
        name: np.unique(rows.factors[name][keep], return_inverse=True)
        for name in (region, *covariates)
    }
    places, regions = present.pop(region)
    if places.size < 2:
        raise NotEstimable("everybody lives in one region: there is nothing to pool")
    varied = {name: one for name, one in present.items() if one[0].size > 1}
    columns = [rows.member[keep].astype(np.int64), regions, *(one[1] for one in varied.values())]
    if own is not None:
        columns.insert(2, own[keep])
    names: tuple[str, ...] = ()
    if zones:
        if rows.zone is None:
            raise NotEstimable("the study declares no zone")
        found, index = np.unique(rows.zone[keep], return_inverse=True)
        columns.append(index.astype(np.int64))
        names = tuple(zone_labels[code] if zone_labels else str(code) for code in found)
    cells = collapse(columns, rows.outcome[keep], len(rows.levels))
    weight = scaled_weights(rows.member[keep], rows.weight[keep])
    n_places = 1 if own is None else 2
    codes, row = group_codes(list(cells.codes[:, 1 : 1 + n_places + len(varied)].T))
    inside: dict[str, Any] = {}
    if departments is not None:
        member = np.bincount(row, cells.people.sum(axis=1) * (cells.codes[:, 0] == 1)) > 0
        codes, inside = _inside(departments, rows, places, codes, member)
    levelled = [name for name in varied if name not in rows.numeric]
    return HierarchicalCells(
        counts=cells.people,
        member=cells.codes[:, 0] == 1,
        row=row,
        zone=cells.codes[:, -1].copy() if zones else None,
        region=codes[:, 0].copy(),
        covariates=codes[:, [n_places + list(varied).index(name) for name in levelled]],
        levels=rows.levels,
        regions=_named(rows, region, places),
        terms={name: _named(rows, name, varied[name][0]) for name in levelled},
        zones=names,
        columns=_columns(rows, varied, codes[:, n_places:], weight),
        sampling=None if weight is None else _sampling(rows.take(keep), cells.index, weight),
        **inside,
    )


def _sampling(rows: ModelRows, cell: IntArray, weight: FloatArray) -> Sampling:
    """How people were sampled, in an order that does not depend on that of the rows."""
    zone = np.zeros(rows.n, dtype=np.int64) if rows.zone is None else rows.zone
    order = np.lexsort((weight, zone, rows.outcome, cell))
    found, cluster = np.unique(zone[order], return_inverse=True)
    if rows.zone is not None and found.size < _FEWEST_ZONES:
        raise NotEstimable(
            f"{found.size} zones are too few for the standard errors of weighted people; "
            f"{_FEWEST_ZONES} are needed"
        )
    return Sampling(
        cell=cell[order],
        level=rows.outcome[order],
        weight=weight[order],
        cluster=np.arange(rows.n) if rows.zone is None else cluster,
    )


def _inside(
    departments: Departments,
    rows: ModelRows,
    places: IntArray,
    codes: IntArray,
    member: BoolArray,
) -> tuple[IntArray, dict[str, Any]]:
    """Rows with those of departments without members, and what cells have of departments.

    `codes`, shape (r, 2 + k), are a row's region, department as declared, and covariates; `member`,
    shape (r,), whether a member stands there; `places` the declared regions that somebody is in.
    """
    kept = np.flatnonzero(np.isin(departments.region, places))
    region = np.searchsorted(places, departments.region[kept])
    codes = codes.copy()
    codes[:, 1] = np.searchsorted(kept, codes[:, 1])
    lender = [np.arange(len(codes))]
    own, every = codes, [codes]
    for d in np.setdiff1d(np.arange(kept.size), own[member, 1]):
        of_region = np.flatnonzero((own[:, 0] == region[d]) & (own[:, 1] != d))
        lent = own[of_region].copy()
        lent[:, 1] = d
        lender.append(of_region)
        every.append(lent)
    codes = np.concatenate(every)
    area = {}
    for name, values in departments.area.items():
        spread = float(values.std())
        area[name] = Column(values=((values - values.mean()) / spread)[kept], scale=spread)
    names = rows.factor_levels[departments.variable]
    return codes, {
        "department": codes[:, 1].copy(),
        "departments": tuple(names[k] for k in kept),
        "department_region": region.astype(np.int64),
        "area": area,
        "lender": np.concatenate(lender),
    }


def _named(rows: ModelRows, name: str, present: IntArray) -> tuple[str, ...]:
    """Names of the levels of a variable that somebody has."""
    return tuple(rows.factor_levels[name][level] for level in present)


def _columns(
    rows: ModelRows,
    varied: Mapping[str, tuple[IntArray, IntArray]],
    codes: IntArray,
    weight: FloatArray | None,
) -> dict[str, Column]:
    """Columns of the numeric covariates, standardised over the people; none that never varies.

    `varied` has by covariate the codes that somebody has and where each person stands among them,
    in the order of the columns of `codes`, which has the same by row. `weight` are the people's.
    """
    found = {}
    for (name, (present, index)), code in zip(varied.items(), codes.T, strict=True):
        if name not in rows.numeric:
            continue
        own, people = rows.numeric[name], _sums(index, weight)
        # Sums over distinct values: the order of people does not move a digit.
        columns = own.columns[present]
        columns = columns - people @ columns / people.sum()
        spreads = np.sqrt(people @ columns**2 / people.sum())
        for k, (term, spread) in enumerate(zip(own.terms, spreads, strict=True)):
            if spread > _LEAST_SPREAD:
                values = columns[code, k] / spread
                found[term] = Column(values=values, scale=float(spread * own.scale[k]))
    return found


def _sums(index: IntArray, weight: FloatArray | None, n: int = 0) -> FloatArray | IntArray:
    """People by index, or their weight, which is summed in an order that is not the rows'."""
    if weight is None:
        return np.bincount(index, minlength=n)
    order = np.lexsort((weight, index))
    return np.bincount(index[order], weight[order], n)


def population_weights(
    cells: HierarchicalCells,
    declared: DeclaredPopulation,
    region: str,
    department: str | None = None,
) -> FloatArray:
    """How much each row counts, shape (r,), with both groups' people raked to declared margins.

    With margins by `department`, one in which nobody was asked has the people of its region.
    Weights of each group are scaled to its people, as in the likelihood.

    Raises
    ------
    NotEstimable
        If a margin is by a variable that the model has not, or nobody stands for a part of it.
    """
    people = cells.people_by_row
    codes = {name: cells.covariates[:, k] for k, name in enumerate(cells.terms)}
    codes |= {region: cells.region}
    levels = {**cells.terms, region: cells.regions}
    if cells.department is not None and department is not None:
        codes |= {department: cells.department}
        levels |= {department: cells.departments}
        if any(department in margin.variables for margin in declared.margins):
            people = cells.lent(people)
    return people * rake_to_population(people, codes, levels, declared)
