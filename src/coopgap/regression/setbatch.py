"""Matched sets as groups of alike people, and groups of sets as padded arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.survey.cells import group_codes

_BATCH_NUMBERS = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SetGroups:
    """Distinct design rows within sets.

    Attributes
    ----------
    set
        Shape (g,): set of each group, from 0.
    x
        Shape (g, k): design rows less the mean over the people of the set.
    size
        Shape (g,): people.
    above
        Shape (g, C): people at or above each cut.
    cuts
        Shape (C,): levels that a cut starts at; levels that nobody has give none.
    cell
        Shape (c,): group of each cell given.
    n_sets
        Number of sets.
    span
        Shape (k,): range of each column over everybody.
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
    """Merge cells of a set that share a design row.

    Parameters
    ----------
    x
        Shape (c, k).
    counts
        Shape (c, J): people at each level.
    sets
        Shape (c,).
    """
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
    """Sets in batches that share padding.

    Parameters
    ----------
    groups
        From `group_sets`.
    x
        Shape (g, k): design rows to carry, in place of those of `groups`.
    moments
        Whether the batches are for second moments of k columns; else for the means of G
        indicators.
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
