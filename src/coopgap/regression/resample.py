"""Design rows of a survey whose clusters are drawn again, and their standardised margins."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.regression.batch import batch_probabilities, fit_batch
from coopgap.regression.clusters import Grouping
from coopgap.regression.ordinal import fit_ordinal
from coopgap.study.spec import LinkName
from coopgap.survey.cells import group_codes


@dataclass(frozen=True, slots=True, kw_only=True)
class ResamplingRows:
    """Distinct design rows r with what each cluster puts in them.

    `x` is (r, k) in columns of order one that are zero where the original column is lowest;
    `by_cluster` (r J, G) holds sums of weights; `sets` (r,) numbers matching sets or is None;
    `full` (p,) is the fit of the sample in these columns; with `shares` nothing is fitted and
    margins are weighted shares.
    """

    x: FloatArray
    member_column: int
    sides: tuple[float, float]
    target: FloatArray
    by_cluster: sparse.csr_array
    n_levels: int
    sets: IntArray | None
    link: LinkName
    full: FloatArray
    shares: bool = False

    @property
    def member(self) -> BoolArray:
        """Shape (r,)."""
        return np.asarray(self.x[:, self.member_column] == self.sides[0])


def resampling_rows(
    x: FloatArray,
    member_column: int,
    target: FloatArray,
    counts: FloatArray,
    groups: Grouping,
    sets: IntArray | None,
    link: LinkName,
    *,
    shares: bool = False,
) -> ResamplingRows:
    """Merge cells into design rows; arguments of `bootstrap_margins`.

    Raises
    ------
    NotEstimable
        If the sample itself has no finite fit.
    """
    used = groups.index >= 0
    x, target, counts = x[used], target[used], counts[used]
    cells, n_levels = np.flatnonzero(used), counts.shape[1]
    keys = [np.unique(column, return_inverse=True)[1] for column in (*x.T, target)]
    if sets is not None:
        keys.append(np.unique(sets[used], return_inverse=True)[1])
    codes, index = group_codes(keys)
    first = np.unique(index, return_index=True)[1]
    low, spread = x.min(axis=0), x.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    slots = index[:, None] * n_levels + np.arange(n_levels)
    owners = np.broadcast_to(groups.index[cells][:, None], slots.shape)
    by_cluster = sparse.csr_array(
        (counts.ravel(), (slots.ravel(), owners.ravel())),
        shape=(len(codes) * n_levels, groups.n),
    )
    rows = ResamplingRows(
        x=(x[first] - low) / scale,
        member_column=member_column,
        sides=(
            float((1.0 - low[member_column]) / scale[member_column]),
            float(-low[member_column] / scale[member_column]),
        ),
        target=target[first],
        by_cluster=by_cluster,
        n_levels=n_levels,
        sets=None if sets is None else codes[:, -1],
        link=link,
        full=np.zeros(0),
        shares=shares,
    )
    return rows if shares else _with_start(rows, groups.n)


def _with_start(rows: ResamplingRows, n_clusters: int) -> ResamplingRows:
    """Add the fit of the sample itself; raises if it has none."""
    weighted = _matched(rows, _resampled(rows, np.ones((1, n_clusters))))[0]
    fit = fit_ordinal(rows.x, weighted, link=rows.link)
    return replace(rows, full=fit.params)


def multiplicities(groups: Grouping, size: int, rng: np.random.Generator) -> FloatArray:
    """How often each cluster is drawn, shape (size, G): as many as there are, in each stratum."""
    drawn = np.zeros((size, groups.n))
    for stratum in range(groups.n_strata):
        here = np.flatnonzero(groups.stratum == stratum)
        drawn[:, here] = rng.multinomial(here.size, np.full(here.size, 1 / here.size), size)
    return drawn


def _resampled(rows: ResamplingRows, drawn: FloatArray) -> FloatArray:
    """Counts of each replicate, shape (B, r, J), before matching."""
    flat = (rows.by_cluster @ drawn.T).T
    return np.ascontiguousarray(flat).reshape(len(drawn), len(rows.x), rows.n_levels)


def _matched(rows: ResamplingRows, counts: FloatArray) -> FloatArray:
    """Counts times exact-matching weights, made anew in each replicate."""
    if rows.sets is None:
        return counts
    n_sets = int(rows.sets.max()) + 1
    inside = sparse.csr_array(
        (np.ones(rows.sets.size), (np.arange(rows.sets.size), rows.sets)),
        shape=(rows.sets.size, n_sets),
    )
    weight = counts.sum(axis=2)
    members = (weight * rows.member) @ inside
    others = (weight * ~rows.member) @ inside
    both = (members > 0) & (others > 0)
    kept_members, kept_others = (np.where(both, part, 0.0) for part in (members, others))
    with np.errstate(invalid="ignore"):
        scale = kept_others.sum(axis=1) / kept_members.sum(axis=1)
    ratio = np.divide(kept_members, others, out=np.zeros_like(members), where=both)
    factor = np.where(rows.member, both[:, rows.sets], scale[:, None] * ratio[:, rows.sets])
    return np.asarray(counts * np.nan_to_num(factor)[:, :, None])


def refit(rows: ResamplingRows, drawn: FloatArray) -> tuple[FloatArray, BoolArray, BoolArray]:
    """Margins (B, 2J) of resamples (B, G), whether each has a fit, whether it lost a level."""
    counts = _matched(rows, _resampled(rows, drawn))
    present = counts.sum(axis=1) > 0
    if rows.shares:
        margins = _shares(rows, counts)
        return margins, np.isfinite(margins).all(axis=1), np.asarray(~present.all(axis=1))
    margins = np.full((len(drawn), 2 * rows.n_levels), np.nan)
    patterns, which = np.unique(present, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        here = np.flatnonzero(which == number)
        if pattern.sum() > 1:
            margins[here] = _margins(rows, counts[here], pattern)
    fitted = np.isfinite(margins).all(axis=1)
    return margins, np.asarray(fitted), np.asarray(~present.all(axis=1))


def _shares(rows: ResamplingRows, counts: FloatArray) -> FloatArray:
    """Weighted shares of both groups in each replicate, NaN where one has nobody."""
    sides = [counts[:, side].sum(axis=1) for side in (rows.member, ~rows.member)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.hstack([side / side.sum(axis=1, keepdims=True) for side in sides])


def _margins(rows: ResamplingRows, counts: FloatArray, present: BoolArray) -> FloatArray:
    """Margins of replicates that have the same levels present, NaN without a fit."""
    k, levels = rows.x.shape[1], np.flatnonzero(present)
    start = np.concatenate([rows.full[:k], rows.full[k + levels[1:] - 1]])
    fit = fit_batch(rows.x, counts[:, :, levels], start, rows.link)
    inside = rows.target > 0
    share = counts[:, inside].sum(axis=2) * rows.target[inside]
    total = share.sum(axis=1)
    margins = np.full((len(counts), 2, rows.n_levels), np.nan)
    good = np.flatnonzero(fit.converged & (total > 0))
    margins[good] = 0.0
    for side, value in enumerate(rows.sides):
        moved = rows.x[inside].copy()
        moved[:, rows.member_column] = value
        predicted = batch_probabilities(moved, fit.params[good], rows.link)
        mean = np.einsum("br,brj->bj", share[good] / total[good, None], predicted)
        margins[np.ix_(good, [side], levels)] = mean[:, None, :]
    return np.asarray(margins.reshape(len(counts), -1))
