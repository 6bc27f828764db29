"""Clusters drawn again, matching and fit redone; and the wild score bootstrap of one slope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import numpy as np
from scipy import sparse

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import LOG_SCALE, Contrast, Interval, contrast_values, contrasts, null_value
from coopgap.regression.clusters import Grouping, grouping
from coopgap.regression.cumulative import cell_scores
from coopgap.regression.newton import batch_probabilities, fit_batch
from coopgap.regression.ordinal import fit_ordinal, total_information
from coopgap.regression.sampled import Sampled
from coopgap.study.spec import LinkName
from coopgap.survey.cells import group_codes

_BATCH = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """Margins of resampled clusters.

    `estimate` (2J,) are the margins of the sample itself, members then comparison people, `margins`
    (R − `n_failed`, 2J) those of each replicate that has a finite fit. `n_failed` replicates have
    none: separated, a group or a reference level lost, nobody matched. `n_lost_level` are kept
    though an outcome level has nobody; its probability is 0 there.
    """

    estimate: FloatArray
    margins: FloatArray
    n_failed: int
    n_lost_level: int
    n_clusters: int


def bootstrap_margins(
    x: FloatArray,
    member_column: int,
    target: FloatArray,
    counts: FloatArray,
    sampled: Sampled | IntArray,
    *,
    seed: int,
    replicates: int = 10_000,
    sets: IntArray | None = None,
    link: LinkName = "logit",
    shares: bool = False,
) -> Bootstrap:
    """Draw clusters with replacement and standardise again, many times.

    Parameters
    ----------
    x, member_column, target, counts, link
        As in `standardise` and `fit_ordinal`; `counts` are sums of sampling weights.
    sampled
        The clusters, shape (c,), or with a declared design those drawn, within their strata.
    seed, replicates
        The same seed gives the same R replicates.
    sets
        Shape (c,): exact-matching stratum of each cell. Given, each replicate is matched anew:
        comparison people are weighted to the members of their set, people of sets with one group
        only are left out, as in `exact_match`. `counts` are then weights before matching.
    shares
        Weighted shares of both groups in place of a regression.

    Raises
    ------
    NotEstimable
        If the sample itself has no finite fit, nobody to standardise over or too few clusters,
        or if no replicate has a fit.

    Notes
    -----
    A resample is a vector of multiplicities, so that it costs a product with the cells and not
    people; all replicates of a batch share Newton's iterations, started at the sample's fit.

    References
    ----------
    Davison & Hinkley (1997), Bootstrap Methods and their Application, section 3.8.
    """
    groups = Sampled.of(sampled).groups(counts.sum(axis=1))
    rows = resampling_rows(x, member_column, target, counts, groups, sets, link, shares=shares)
    estimate, result, _ = refit(rows, np.ones((1, groups.n)))
    if not result[0]:
        raise NotEstimable("the sample itself has no fit to resample")
    rng = np.random.default_rng(seed)
    sizes = [min(_BATCH, replicates - at) for at in range(0, replicates, _BATCH)]
    parts = [refit(rows, multiplicities(groups, size, rng)) for size in sizes]
    margins, fitted, lost = (np.concatenate(part) for part in zip(*parts, strict=True))
    if not fitted.any():
        raise NotEstimable("no resample of clusters has a finite fit")
    return Bootstrap(
        estimate=estimate[0],
        margins=margins[fitted],
        n_failed=int((~fitted).sum()),
        n_lost_level=int((lost & fitted).sum()),
        n_clusters=groups.n,
    )


def bootstrap_intervals(
    resampled: Bootstrap,
    levels: Sequence[str],
    prob: float = 0.95,
    *,
    kind: Literal["percentile", "basic"] = "percentile",
) -> dict[Contrast, Interval | None]:
    """Intervals of every contrast from resampled margins; `levels` are names, lowest first.

    `percentile`, or `basic` (reflected about the estimate; ratios on the logarithm). None where the
    ratio is not finite in the sample or in a replicate. The standard error is the replicates'
    standard deviation; the p-value is the smallest 1 − prob at which the interval leaves the null
    out, at least 2/(R + 1).
    """
    n = len(levels)
    result: dict[Contrast, Interval | None] = {}
    for contrast in contrasts(levels):
        log = contrast.quantity in LOG_SCALE
        value = contrast_values(contrast, resampled.estimate[:n], resampled.estimate[n:])
        draws = contrast_values(contrast, resampled.margins[:, :n], resampled.margins[:, n:])
        with np.errstate(divide="ignore"):
            centre, draws = (np.log(value), np.log(draws)) if log else (value, draws)
        if not (np.isfinite(centre) and np.isfinite(draws).all()):
            result[contrast] = None
            continue
        spread = float(draws.std(ddof=1))
        if kind == "basic":
            draws = 2 * centre - draws
        ends = np.quantile(draws, [(1 - prob) / 2, (1 + prob) / 2])
        null = null_value(contrast.quantity)
        null = float(np.log(null)) if log else null
        fewer = min(int((draws <= null).sum()), int((draws >= null).sum()))
        p_value = np.nan if np.isnan(null) else min(1.0, 2 * (fewer + 1) / (draws.size + 1))
        lower, upper = np.exp(ends) if log else ends
        result[contrast] = Interval(float(value), spread, float(lower), float(upper), p_value)
    return result


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
    """Merge cells into design rows; arguments of `bootstrap_margins`."""
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
    if shares:
        return rows
    weighted = _matched(rows, np.ones((1, groups.n)))[0]
    return replace(rows, full=fit_ordinal(rows.x, weighted, link=link).params)


def multiplicities(groups: Grouping, size: int, rng: np.random.Generator) -> FloatArray:
    """How often each cluster is drawn, (size, G): as many as there are, in each stratum."""
    drawn = np.zeros((size, groups.n))
    for stratum in np.unique(groups.stratum):
        own = np.flatnonzero(groups.stratum == stratum)
        n = own.size if groups.stage is None else int(groups.stage.n[stratum])
        # Clusters drawn of whom nobody is here are drawn again too.
        chances = np.append(np.full(own.size, 1 / n), [1 - own.size / n] if n > own.size else [])
        drawn[:, own] = rng.multinomial(n, chances, size)[:, : own.size]
    return drawn


def _matched(rows: ResamplingRows, drawn: FloatArray) -> FloatArray:
    """Counts of each replicate (B, r, J), times exact-matching weights made anew in each."""
    flat = np.ascontiguousarray((rows.by_cluster @ drawn.T).T)
    counts = flat.reshape(len(drawn), len(rows.x), rows.n_levels)
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
    counts = _matched(rows, drawn)
    present = counts.sum(axis=1) > 0
    margins = np.full((len(drawn), 2 * rows.n_levels), np.nan)
    if rows.shares:
        sides = [counts[:, side].sum(axis=1) for side in (rows.member, ~rows.member)]
        with np.errstate(invalid="ignore", divide="ignore"):
            margins = np.hstack([side / side.sum(axis=1, keepdims=True) for side in sides])
    else:
        patterns, which = np.unique(present, axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            alike = np.flatnonzero(which == number)
            if pattern.sum() > 1:
                margins[alike] = _margins(rows, counts[alike], pattern)
    fitted = np.isfinite(margins).all(axis=1)
    return margins, np.asarray(fitted), np.asarray(~present.all(axis=1))


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


ENUMERATED = 12
"""Up to so many clusters every pattern of signs is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WildScoreTest:
    """Test that one slope is zero.

    `statistic` is the sum of the clusters' scores for the slope over the root of their sum of
    squares, `p_value` two-sided, at least 2/2^G where signs are `enumerated`, else at least 1/(R +
    1), from `n_signs` sign patterns: 2^G, or R.
    """

    statistic: float
    p_value: float
    n_clusters: int
    n_signs: int
    enumerated: bool


def wild_score_test(
    x: FloatArray,
    column: int,
    counts: FloatArray,
    cluster: IntArray,
    *,
    seed: int,
    replicates: int = 9_999,
    link: LinkName = "logit",
) -> WildScoreTest:
    """Test that the slope of one column of a cumulative fit is zero, clusters dependent within.

    `x` (c, k), `counts` (c, J) and `link` are as in `fit_ordinal`, `cluster` (c,); `seed` and
    `replicates` serve random signs and are not used where all are enumerated. Raises NotEstimable
    if the model without the column has no finite fit, or there are fewer than two clusters.

    Notes
    -----
    The model is fitted without the column (the null imposed). Each cluster's score for the
    slope, less its projection on the scores of what is fitted, keeps or changes its sign at
    random (Rademacher). Over signs the sum of squares does not change, so that comparing sums
    is comparing studentised statistics.

    References
    ----------
    Kline & Santos (2012), Journal of Econometric Methods 1, 23-41.
    """
    groups = grouping(cluster, counts.sum(axis=1))
    without = fit_ordinal(np.delete(x, column, axis=1), counts, link=link)
    fit = replace(without, slopes=np.insert(without.slopes, column, 0.0))
    scores = groups.sums(cell_scores(fit, x, counts))
    others = np.delete(np.arange(scores.shape[1]), column)
    # `cov` is still that of the other parameters.
    weights = fit.cov @ total_information(fit, x, counts)[others, column]
    free = scores[:, column] - scores[:, others] @ weights
    scale = float(np.sqrt((free**2).sum()))
    enumerated = groups.n <= ENUMERATED
    if enumerated:
        signs = np.array(list(product((1.0, -1.0), repeat=groups.n)))
    else:
        signs = 2.0 * np.random.default_rng(seed).integers(0, 2, (replicates, groups.n)) - 1.0
    # Sums that differ by rounding only are ties.
    reached = int((np.abs(signs @ free) >= abs(float(free.sum())) - 1e-10 * scale).sum())
    n_signs = len(signs)
    return WildScoreTest(
        statistic=float(free.sum()) / scale if scale > 0 else 0.0,
        p_value=reached / n_signs if enumerated else (reached + 1) / (n_signs + 1),
        n_clusters=groups.n,
        n_signs=n_signs,
        enumerated=enumerated,
    )
