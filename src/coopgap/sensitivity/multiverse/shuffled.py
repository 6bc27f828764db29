"""One specification under many shuffles of membership: its estimate over its standard error.

Matching weights of exact cells, entropy balancing and overlap weights are the same for everybody
of a design cell and group, so that a shuffle is a table of cells by group and outcome level. All
shuffles are fitted in one pass; what one person moves an estimate by is summed by zone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Contrast
from coopgap.core.vocabulary import Population
from coopgap.matching.dispatch import match
from coopgap.matching.distances import linear_propensity
from coopgap.regression.design import design_matrix
from coopgap.regression.ordinal import fit_ordinal
from coopgap.sensitivity.multiverse.tables import table_gaps
from coopgap.study.spec import LinkName, Matching, ModelSpec
from coopgap.survey.cells import group_codes
from coopgap.survey.numeric import Numeric
from coopgap.survey.records import ModelRows

BY_CELL = ("exact", "entropy", "overlap")
"""Methods whose weights are the same for everybody of a design cell and group."""

_BATCH = 50


class Studentised(NamedTuple):
    """By shuffle, shape (B,): the estimate and its standard error; NaN without a fit."""

    estimate: FloatArray
    std_error: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class CellDesign:
    """The D design cells of n people; rows 0 to D − 1 are comparison people, D to 2D − 1 members.

    Attributes
    ----------
    cell, outcome, zone
        Shape (n,): design cell, outcome level, cluster index from 0 or None.
    weight
        Shape (n,): sampling weights.
    n_levels
        J.
    x
        Shape (2D, 1 + k): membership, then covariates.
    factors, factor_levels, numeric
        By variable of the design, shape (D,), its level; and its levels, or columns of numbers.
    covariates
        Variables of the regression.
    matching
        None where the regression is over all complete rows.
    population
        Whose covariates the gap is standardised over.
    """

    cell: IntArray
    outcome: IntArray
    zone: IntArray | None
    weight: FloatArray
    n_levels: int
    x: FloatArray
    factors: Mapping[str, IntArray]
    factor_levels: Mapping[str, tuple[str, ...]]
    numeric: Mapping[str, Numeric]
    covariates: tuple[str, ...]
    link: LinkName
    matching: Matching | None
    population: Population

    @property
    def n_cells(self) -> int:
        """D."""
        return len(self.x) // 2


def cell_design(rows: ModelRows, spec: ModelSpec, population: Population | None) -> CellDesign:
    """Collapse the people of a specification into design cells.

    Parameters
    ----------
    rows
        Its complete rows.
    spec
        Its covariates, link and matching; a method of `BY_CELL`.
    population
        None for the matched sample's.
    """
    names = tuple(name for name in spec.variables if name != spec.outcome)
    nobody = np.zeros(rows.n, dtype=np.int64)
    codes, cell = group_codes([nobody, *(rows.factors[name] for name in names)])
    factors = {name: codes[:, 1 + k] for k, name in enumerate(names)}
    design = design_matrix(
        {name: factors[name] for name in spec.covariates},
        rows.factor_levels,
        len(codes),
        rows.numeric,
    )
    sides = np.repeat([0.0, 1.0], len(codes))
    zone = rows.zone
    return CellDesign(
        cell=cell,
        outcome=rows.outcome,
        zone=None if zone is None else np.unique(zone, return_inverse=True)[1],
        weight=rows.weight,
        n_levels=len(rows.levels),
        x=np.column_stack([sides, np.vstack([design.x, design.x])]),
        factors=factors,
        factor_levels={name: rows.factor_levels[name] for name in names},
        numeric=rows.numeric,
        covariates=spec.covariates,
        link=spec.link,
        matching=None if population else spec.matching,
        population=population or Population.MEMBERS,
    )


def shuffled_gaps(
    design: CellDesign,
    member: Iterator[BoolArray],
    contrast: Contrast,
    known: dict[bytes, FloatArray | None] | None = None,
) -> Studentised:
    """The gap of each shuffle with its standard error clustered on zone.

    Parameters
    ----------
    design
        The specification's people.
    member
        Membership of the n people, one array a shuffle, the survey's own first: where it has no
        fit there is nothing to compare with.
    contrast
        A risk difference or superiority.
    known
        Matching weights already made for this design, by the weight in each of its rows; what is
        made here is added.

    Returns
    -------
    Studentised
        Standard errors are those of the regressions, CR1 (HC0 without zones), whatever kind the
        model asks for.

    Raises
    ------
    NotEstimable
        If the survey itself has no fit.
    """
    known = {} if known is None else known
    estimates, errors = [], []
    start: FloatArray | None = None
    while batch := [one for _, one in zip(range(_BATCH), member, strict=False)]:
        sides = np.array(batch)
        counts = np.stack([_counts(design, one) for one in sides])
        factors, targets = _weights(design, counts, known)
        weighted = counts * factors[:, :, None]
        if start is None:
            start = _start(design, weighted[0])
        found = table_gaps(design.x, weighted, targets, start, contrast, design.link)
        estimates.append(found.estimate)
        errors.append(_std_errors(design, sides, factors, found.influence))
    return Studentised(np.concatenate(estimates), np.concatenate(errors))


def _slots(design: CellDesign, member: BoolArray) -> IntArray:
    """Row of `x` times J plus outcome level, shape (n,)."""
    rows = design.cell + design.n_cells * member
    return np.asarray(rows * design.n_levels + design.outcome)


def _counts(design: CellDesign, member: BoolArray) -> FloatArray:
    """Sampling weights by row and level, shape (2D, J)."""
    size = len(design.x) * design.n_levels
    slot = _slots(design, member)
    return np.bincount(slot, weights=design.weight, minlength=size).reshape(len(design.x), -1)


def _weights(
    design: CellDesign, counts: FloatArray, known: dict[bytes, FloatArray | None]
) -> tuple[FloatArray, FloatArray]:
    """Matching weights and targets of each shuffle, shape (B, 2D) each; zero where there are none.

    Shuffles that leave the groups' sizes in every cell as they are share their weights.
    """
    totals = counts.sum(axis=2)
    factors, targets = np.zeros_like(totals), np.zeros_like(totals)
    for b, total in enumerate(totals):
        key = total.tobytes()
        if key not in known:
            known[key] = _row_weights(design, total)
        found = known[key]
        if found is not None:
            factors[b], targets[b] = found
    return factors, targets


def _row_weights(design: CellDesign, total: FloatArray) -> FloatArray | None:
    """Matching weight and target of each row, shape (2, 2D); None where they cannot be had."""
    side, used = design.x[:, 0] == 1, total > 0
    factor, target = np.ones(total.size), np.ones(total.size)
    rows = _merged(design, side, total, used)
    try:
        if design.matching is not None:
            factor[:] = 0.0
            factor[used] = match(rows, design.matching).weight
            return np.stack([factor, side])
        if design.population is Population.OVERLAP and design.covariates:
            target[:] = 0.0
            odds = np.exp(linear_propensity(rows, design.covariates))
            target[used] = odds / (1 + odds) ** 2
    except NotEstimable:
        return None
    if design.population is Population.ALL_MEMBERS:
        target[:] = side
    return np.stack([factor, target])


def _merged(design: CellDesign, side: BoolArray, total: FloatArray, used: BoolArray) -> ModelRows:
    """Rows that somebody is in, as people who weigh as much as all of them."""
    n = int(used.sum())
    return ModelRows(
        index=np.arange(n),
        outcome=np.zeros(n, dtype=np.int64),
        levels=("",),
        member=side[used],
        factors={name: np.tile(codes, 2)[used] for name, codes in design.factors.items()},
        factor_levels=design.factor_levels,
        numeric=design.numeric,
        zone=None,
        weight=total[used],
        dropped=(),
    )


def _start(design: CellDesign, weighted: FloatArray) -> FloatArray:
    """Parameters of the survey's own fit, shape (p,); zero for columns that nobody has."""
    rows = weighted.sum(axis=1) > 0
    if not rows.any():
        raise NotEstimable("nobody is left")
    columns = np.ptp(design.x[rows], axis=0) > 0
    if not columns[0] or not (weighted.sum(axis=0) > 0).all():
        raise NotEstimable("a group or an answer is lost")
    fit = fit_ordinal(design.x[rows][:, columns], weighted[rows], link=design.link)
    slopes = np.zeros(columns.size)
    slopes[columns] = fit.slopes
    return np.concatenate([slopes, fit.thresholds])


def _std_errors(
    design: CellDesign, member: BoolArray, factors: FloatArray, influence: FloatArray
) -> FloatArray:
    """Standard error of each shuffle from sums of influence by zone, shape (B,)."""
    found = np.full(len(member), np.nan)
    for b, side in enumerate(member):
        slot = _slots(design, side)
        weight = design.weight * factors[b, slot // design.n_levels]
        own = weight * influence[b].ravel()[slot]
        if design.zone is None:
            found[b] = np.sqrt(own @ own)
            continue
        sums = np.bincount(design.zone, weights=own)
        n_zones = int((np.bincount(design.zone, weights=weight) > 0).sum())
        if n_zones > 1:
            found[b] = np.sqrt(n_zones / (n_zones - 1) * (sums @ sums))
    return found
