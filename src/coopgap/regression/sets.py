"""Matched sets as padded arrays, and sums over all ways to choose m people of a set.

In a set with groups g of n_g alike people, weight w_g = exp(x_g'b), let r_g be how many of a
group are chosen and R = Σ r_g. For the totals R = m that are wanted this gives the logarithm of
Σ Π C(n_g, r_g) w_g^{r_g}, the elementary symmetric polynomial e_m, and mean and covariance of
Σ x_g r_g given R = m.

Groups enter one after another. Moments are kept conditional on the total, so that each step is
a convex combination and the law of total covariance: nothing cancels and nothing overflows. The
first group alone is known at once, and the last, which is the largest, enters only at the totals
that are wanted. Two groups are therefore a noncentral hypergeometric distribution, summed in
time linear in the smaller of them; every group between costs its size times the total so far.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import special

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.survey.cells import group_codes

_BATCH_NUMBERS = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SetGroups:
    """Distinct design rows within sets.

    Group g stands in `set` g (from 0) with rows `x` (g, k) less the mean over the people of the
    set, `size` people, `above` (g, C) of them at or above each cut. `cuts` (C,) are the levels that
    a cut starts at; levels that nobody has give none. `cell` (c,) is the group of each cell given
    and `span` (k,) the range of each column over everybody.
    """

    set: IntArray
    x: FloatArray
    size: IntArray
    above: IntArray
    cuts: IntArray
    cell: IntArray
    n_sets: int
    span: FloatArray


class SetBatch(NamedTuple):
    """S sets of similar size, padded to G groups, at least two, with size zero.

    `x` (S, G, k), `size` (S, G), `above` (S, G, C), `total` (S, C), and `group` (S, G), the
    position of each group.
    """

    x: FloatArray
    size: IntArray
    above: IntArray
    total: IntArray
    group: IntArray


def group_sets(x: FloatArray, counts: IntArray, sets: IntArray) -> SetGroups:
    """Merge cells of a set (c,) that share a design row (c, k); `counts` (c, J) are people."""
    columns = [np.unique(column, return_inverse=True)[1] for column in (sets, *x.T)]
    codes, cell = group_codes(columns)
    of, n_groups = codes[:, 0], len(codes)
    n_sets = int(of.max(initial=-1)) + 1
    people = np.zeros((n_groups, counts.shape[1]), dtype=np.int64)
    np.add.at(people, cell, counts.astype(np.int64))
    rows = np.zeros((n_groups, x.shape[1]))
    rows[cell] = x
    size = people.sum(axis=1)
    total = np.bincount(of, weights=size, minlength=n_sets)
    mean = np.zeros((n_sets, x.shape[1]))
    np.add.at(mean, of, size[:, None] * rows)
    present = np.flatnonzero(people.sum(axis=0) > 0)
    cuts = present[1:]
    above = people[:, ::-1].cumsum(axis=1)[:, ::-1][:, cuts]
    return SetGroups(
        set=of,
        x=rows - (mean / np.maximum(total, 1)[:, None])[of],
        size=size,
        above=above,
        cuts=cuts,
        cell=cell,
        n_sets=n_sets,
        span=np.ptp(x, axis=0) if len(x) else np.zeros(x.shape[1]),
    )


def batches(groups: SetGroups, x: FloatArray, *, moments: bool = True) -> tuple[SetBatch, ...]:
    """Sets in batches that share padding, with rows `x` (g, k) in place of those of `groups`.

    For second moments of k columns, or without `moments` for the means of G indicators.
    """
    order = np.lexsort((groups.size, groups.set))
    start = np.searchsorted(groups.set[order], np.arange(groups.n_sets + 1))
    n_groups = np.diff(start)
    people = np.bincount(groups.set, weights=groups.size, minlength=groups.n_sets)
    by_size = np.lexsort((n_groups, people, n_groups > 2))
    width = x.shape[1] ** 2 if moments else 1
    return tuple(
        _pad(groups, x, [order[start[s] : start[s + 1]] for s in chunk])
        for chunk in _chunks(by_size, people, n_groups, width, moments)
    )


def _chunks(
    by_size: IntArray, people: FloatArray, n_groups: IntArray, width: int, moments: bool
) -> Iterator[IntArray]:
    """Runs of sets whose padded working arrays stay small and whose sizes are alike.

    Sets of two groups, which cost one number a person, stand apart from those of more.
    """
    first = 0
    while first < by_size.size:
        last, most = first, 0
        smallest, two = people[by_size[first]], n_groups[by_size[first]] <= 2
        while last < by_size.size:
            n, here = people[by_size[last]], n_groups[by_size[last]]
            most = max(most, here)
            each = (n + 1) * (1 if two else n + 1) * (width if moments else most)
            full = n > 1.5 * smallest or each * (last - first + 1) > _BATCH_NUMBERS
            if last > first and (full or (here <= 2) != two):
                break
            last += 1
        yield by_size[first:last]
        first = last


def _pad(groups: SetGroups, x: FloatArray, members: list[IntArray]) -> SetBatch:
    most = max(2, *map(len, members))
    position = np.zeros((len(members), most), dtype=np.int64)
    filled = np.zeros((len(members), most), dtype=bool)
    for s, group in enumerate(members):
        position[s, most - len(group) :] = group
        filled[s, most - len(group) :] = True
    above = groups.above[position] * filled[:, :, None]
    return SetBatch(
        x=x[position] * filled[:, :, None],
        size=groups.size[position] * filled,
        above=above,
        total=above.sum(axis=1),
        group=position,
    )


_AT_ONCE = 20_000_000
"""Numbers held of a step; of a large set some totals are taken after the others."""


class SubsetMoments(NamedTuple):
    """By set and total: shapes (S, R), (S, R, k) and (S, R, k, k).

    `log_sum` is −inf for totals that a set does not reach.
    """

    log_sum: FloatArray
    mean: FloatArray
    cov: FloatArray


def subset_moments(
    x: FloatArray,
    size: IntArray,
    log_weight: FloatArray,
    total: IntArray,
    *,
    second: bool = True,
) -> SubsetMoments:
    """Moments of a batch of S sets with at most G groups each, at C totals of each set.

    `x` (S, G, k) has at least two groups, `size` (S, G) people, zero for padding, `log_weight` (S,
    G) is x'b of one person and `total` (S, C) how many are chosen. Unless the `second` moments are
    wanted the covariance has shape (S, C, 0, 0).

    References
    ----------
    Gail, Lubin & Rubinstein (1981), Biometrika 68, 703-707.
    """
    n_groups = x.shape[1]
    state = _alone(x[:, 0], size[:, 0], log_weight[:, 0], second)
    for g in range(1, n_groups - 1):
        reach = int(size[:, : g + 1].sum(axis=1).max(initial=0)) + 1
        state = _add_group(state, x[:, g], size[:, g], log_weight[:, g], reach)
    return _close(state, x[:, -1], size[:, -1], log_weight[:, -1], total)


def _alone(x: FloatArray, size: IntArray, log_weight: FloatArray, second: bool) -> SubsetMoments:
    """Every total of one group: there is no choice but of whom."""
    n_sets, k = x.shape
    chosen = np.arange(int(size.max(initial=0)) + 1)
    depth = k if second else 0
    return SubsetMoments(
        _log_ways(size[:, None], chosen, log_weight[:, None]),
        chosen[:, None] * x[:, None, :],
        np.broadcast_to(0.0, (n_sets, chosen.size, depth, depth)),
    )


def _add_group(
    state: SubsetMoments, x: FloatArray, size: IntArray, log_weight: FloatArray, reach: int
) -> SubsetMoments:
    """Convolve the totals so far with one more group; `reach` totals are kept."""
    most = int(size.max(initial=0))
    chosen = np.arange(most, -1, -1)
    log_ways = _log_ways(size[:, None], chosen, log_weight[:, None])[:, None, :]
    fills = (-np.inf, 0.0, 0.0)
    windows = [_windows(*one)[:, :reach] for one in zip(state, [most] * 3, fills, strict=True)]
    return _totals(SubsetMoments(*windows), x, chosen[None, None, :], log_ways)


def _close(
    state: SubsetMoments, x: FloatArray, size: IntArray, log_weight: FloatArray, total: IntArray
) -> SubsetMoments:
    """Moments with the last group at the totals wanted, over every total without it."""
    chosen = total[:, :, None] - np.arange(state.log_sum.shape[1])
    log_ways = _log_ways(size[:, None, None], chosen, log_weight[:, None, None])
    before = SubsetMoments(
        state.log_sum[:, None],
        state.mean.transpose(0, 2, 1)[:, None],
        state.cov.transpose(0, 2, 3, 1)[:, None],
    )
    return _totals(before, x, chosen, log_ways)


def _log_ways(size: IntArray, chosen: IntArray, log_weight: FloatArray) -> FloatArray:
    """Logarithm of C(n, r) w^r; −inf where a group has not so many."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ways = -np.log1p(size) - special.betaln(size - chosen + 1.0, chosen + 1.0)
    possible = (chosen >= 0) & (chosen <= size)
    return np.where(possible, ways + chosen * log_weight, -np.inf)


def _totals(
    before: SubsetMoments, x: FloatArray, chosen: IntArray, log_ways: FloatArray
) -> SubsetMoments:
    """Moments at R totals, over A ways to reach each: the last axis of all that is given.

    Axes of sets and totals are as in `SubsetMoments`, or of length one where all share a value.
    """
    n_totals = max(chosen.shape[1], before.log_sum.shape[1])
    step = max(1, _AT_ONCE // max(x.size * chosen.shape[2], 1))
    parts = [
        _mixture(
            SubsetMoments(*(_some(values, low, step) for values in before)),
            x,
            _some(chosen, low, step),
            _some(log_ways, low, step),
        )
        for low in range(0, n_totals, step)
    ]
    return SubsetMoments(*(np.concatenate(each, axis=1) for each in zip(*parts, strict=True)))


def _some[A: (FloatArray, IntArray)](values: A, low: int, step: int) -> A:
    """The values at some totals; those that all totals share stay."""
    return values if values.shape[1] == 1 else values[:, low : low + step]


def _mixture(
    before: SubsetMoments, x: FloatArray, chosen: IntArray, log_ways: FloatArray
) -> SubsetMoments:
    """Moments over how many of the new group are chosen."""
    terms = before.log_sum + log_ways
    highest = terms.max(axis=2, keepdims=True)
    share = np.exp(terms - np.where(np.isfinite(highest), highest, 0.0))
    total = share.sum(axis=2, keepdims=True)
    with np.errstate(divide="ignore"):
        log_sum = (highest + np.log(total))[:, :, 0]
    share /= np.where(total > 0, total, 1.0)
    each = before.mean + chosen[:, :, None, :] * x[:, None, :, None]
    mean = np.einsum("srka,sra->srk", each, share)
    if not before.cov.shape[2]:
        return SubsetMoments(log_sum, mean, np.zeros((*log_sum.shape, 0, 0)))
    each -= mean[:, :, :, None]
    within = np.einsum("srkla,sra->srkl", before.cov, share)
    between = (each * share[:, :, None, :]) @ each.transpose(0, 1, 3, 2)
    return SubsetMoments(log_sum, mean, within + between)


def _windows(values: FloatArray, most: int, fill: float) -> FloatArray:
    """The values at totals r − most … r as a last axis, for r from 0 to R + most."""
    pad = [(0, 0), (most, most)] + [(0, 0)] * (values.ndim - 2)
    padded = np.pad(values, pad, constant_values=fill)
    return np.asarray(sliding_window_view(padded, most + 1, axis=1))
