"""One specification under many shuffles of membership: its estimate over its standard error.

Matching weights of exact cells, entropy balancing and overlap weights are the same for everybody
of a design cell and group, so that a shuffle is a table of cells by group and outcome level. All
shuffles are fitted in one pass; what one person moves an estimate by is summed by zone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Contrast
from coopgap.core.vocabulary import Population, Quantity
from coopgap.matching.dispatch import match
from coopgap.matching.distances import linear_propensity
from coopgap.regression.design import design_matrix
from coopgap.regression.links import LINKS, intervals
from coopgap.regression.newton import batch_information, fit_batch
from coopgap.regression.ordinal import fit_ordinal
from coopgap.study.spec import LinkName, Matching, ModelSpec
from coopgap.survey.cells import group_codes
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

    `people` are the complete rows, of which `cell`, `outcome` and `zone`, shape (n,), are the
    design cell, outcome level and cluster index from 0; `x`, shape (2D, 1 + k), is membership, then
    covariates. `factors` have by variable of the design its level, shape (D,); `covariates` are
    those of the regression. `matching` is None where that is over all complete rows; the gap is
    standardised over the covariates of `population`.
    """

    people: ModelRows
    cell: IntArray
    zone: IntArray | None
    x: FloatArray
    factors: Mapping[str, IntArray]
    covariates: tuple[str, ...]
    link: LinkName
    matching: Matching | None
    population: Population

    @property
    def n_cells(self) -> int:
        """D."""
        return len(self.x) // 2


def cell_design(rows: ModelRows, spec: ModelSpec, population: Population | None) -> CellDesign:
    """Collapse complete rows into design cells; no `population` is the matched sample's."""
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
        people=rows,
        cell=cell,
        zone=None if zone is None else np.unique(zone, return_inverse=True)[1],
        x=np.column_stack([sides, np.vstack([design.x, design.x])]),
        factors=factors,
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
    """The gap of each shuffle with its standard error: CR1 on zones, HC0 without any.

    `member` gives the membership of the n people, the survey's own first: where it has no fit there
    is nothing to compare with, and `NotEstimable` is raised. `known` holds matching weights already
    made for this design, by the weight in each of its rows; what is made here is added.
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
        gaps = table_gaps(design.x, weighted, targets, start, contrast, design.link)
        estimates.append(gaps.estimate)
        errors.append(_std_errors(design, sides, factors, gaps.influence))
    return Studentised(np.concatenate(estimates), np.concatenate(errors))


def _slots(design: CellDesign, member: BoolArray) -> IntArray:
    """Row of `x` times J plus outcome level, shape (n,)."""
    rows = design.cell + design.n_cells * member
    return np.asarray(rows * len(design.people.levels) + design.people.outcome)


def _counts(design: CellDesign, member: BoolArray) -> FloatArray:
    """Sampling weights by row and level, shape (2D, J)."""
    size = len(design.x) * len(design.people.levels)
    totals = np.bincount(_slots(design, member), design.people.weight, minlength=size)
    return totals.reshape(len(design.x), -1)


def _weights(
    design: CellDesign, counts: FloatArray, known: dict[bytes, FloatArray | None]
) -> tuple[FloatArray, FloatArray]:
    """Matching weights and targets of each shuffle, shape (B, 2D) each; zero without any."""
    totals = counts.sum(axis=2)
    factors, targets = np.zeros_like(totals), np.zeros_like(totals)
    for b, total in enumerate(totals):
        key = total.tobytes()
        if key not in known:
            known[key] = _row_weights(design, total)
        weights = known[key]
        if weights is not None:
            factors[b], targets[b] = weights
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
    return replace(
        design.people,
        index=np.arange(n),
        outcome=np.zeros(n, dtype=np.int64),
        levels=("",),
        member=side[used],
        factors={name: np.tile(codes, 2)[used] for name, codes in design.factors.items()},
        zone=None,
        weight=total[used],
        tie=None,
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
    errors = np.full(len(member), np.nan)
    for b, side in enumerate(member):
        slot = _slots(design, side)
        weight = design.people.weight * factors[b, slot // len(design.people.levels)]
        own = weight * influence[b].ravel()[slot]
        if design.zone is None:
            errors[b] = np.sqrt(own @ own)
            continue
        sums = np.bincount(design.zone, weights=own)
        n_zones = int((np.bincount(design.zone, weights=weight) > 0).sum())
        if n_zones > 1:
            errors[b] = np.sqrt(n_zones / (n_zones - 1) * (sums @ sums))
    return errors


class TableGaps(NamedTuple):
    """Estimates, shape (B,), and what a person of weight one moves them by, (B, 2D, J)."""

    estimate: FloatArray
    influence: FloatArray


def table_gaps(
    x: FloatArray,
    weighted: FloatArray,
    targets: FloatArray,
    start: FloatArray,
    contrast: Contrast,
    link: LinkName,
) -> TableGaps:
    """Fit, standardise, and stack the scores, as `coopgap.regression.standardise` does for one.

    `x`, shape (2D, 1 + k), is membership, then covariates; the D design cells of comparison people,
    then the same of members. `weighted`, (B, 2D, J), are sums of weights, `targets`, (B, 2D), what
    a row's people count for in the population standardised over, `start`, (p,), parameters near the
    answers. The contrast is a risk difference or superiority.

    Notes
    -----
    With q = share · gradient · P, the estimate moves with the parameters by the sum of q times the
    score of a person at each row and level.
    """
    half = len(x) // 2
    share = targets * weighted.sum(axis=2)
    empty = ~(share.sum(axis=1) > 0)
    # Ones in place of nobody: the fit goes through, and its numbers are left out.
    weighted = np.where(empty[:, None, None], 1.0, weighted)
    fit = fit_batch(x, weighted, start, link)
    params = np.where(fit.converged[:, None], fit.params, start)
    k = x.shape[1]
    eta = params[:, None, k:] - (params[:, :k] @ x.T)[:, :, None]
    at = intervals(eta.reshape(-1, eta.shape[2]), LINKS[link])
    shape = (*weighted.shape[:2], -1)
    probability = np.exp(at.log_prob).reshape(shape)
    below, above = at.below.reshape(shape), at.above.reshape(shape)
    total = share.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cells = (share[:, :half] + share[:, half:]) / total[:, None]
        member = np.einsum("bd,bdj->bj", cells, probability[:, half:])
        comparison = np.einsum("bd,bdj->bj", cells, probability[:, :half])
        estimate, of_member, of_comparison = _contrast(contrast, member, comparison)
        gradient = np.concatenate(
            [
                np.broadcast_to(g[:, None], (*cells.shape, g.shape[1]))
                for g in (of_comparison, of_member)
            ],
            axis=1,
        )
        pull = gradient * probability
        information = batch_information(x, weighted, params, link)
        q = np.tile(cells, 2)[:, :, None] * pull
        influence = _by_fit(x, information, q, below, above)
        each = pull.sum(axis=2)
        each = each[:, :half] + each[:, half:]
        own = targets * np.tile(each - (cells * each).sum(axis=1)[:, None], 2) / total[:, None]
    lost = ~fit.converged | empty
    return TableGaps(np.where(lost, np.nan, estimate), influence + own[:, :, None])


def _by_fit(
    x: FloatArray, information: FloatArray, q: FloatArray, below: FloatArray, above: FloatArray
) -> FloatArray:
    """What a person of weight one moves the estimate by through the parameters, (B, 2D, J)."""
    k = x.shape[1]
    score = np.zeros_like(q)
    score[:, :, :-1] += below
    score[:, :, 1:] -= above
    by_slope = -((q * score).sum(axis=2) @ x)
    by_threshold = (q[:, :, :-1] * below - q[:, :, 1:] * above).sum(axis=1)
    step = _solved(information, np.hstack([by_slope, by_threshold]))
    influence: FloatArray = -(step[:, :k] @ x.T)[:, :, None] * score
    influence[:, :, :-1] += step[:, None, k:] * below
    influence[:, :, 1:] -= step[:, None, k:] * above
    return influence


def _solved(information: FloatArray, right: FloatArray) -> FloatArray:
    """Information⁻¹ times the gradient, NaN where it is singular."""
    steps = np.full(right.shape, np.nan)
    for b, (matrix, vector) in enumerate(zip(information, right, strict=True)):
        if np.isfinite(matrix).all() and np.isfinite(vector).all():
            try:
                steps[b] = np.linalg.solve(matrix, vector)
            except np.linalg.LinAlgError:
                continue
    return steps


def _contrast(
    contrast: Contrast, member: FloatArray, comparison: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Value (B,) and gradients (B, J) of a risk difference or superiority."""
    if contrast.quantity is Quantity.SUPERIORITY:
        below = np.cumsum(comparison, axis=1) - comparison / 2
        above = np.cumsum(member[:, ::-1], axis=1)[:, ::-1] - member / 2
        return (member * below).sum(axis=1), below, above
    marker = np.zeros_like(member)
    marker[:, contrast.level :] = 1.0
    return ((member - comparison) * marker).sum(axis=1), marker, -marker
