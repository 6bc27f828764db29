"""Lossless collapse of people into cells: who shares every code is one, with weighted counts.

Every likelihood, score and standardisation runs on cells: the work grows with their number, not
with that of people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Distinct rows of codes, shape (c, k), with outcome counts.

    Sums of weights, of squared weights and of people are of shape (c, J), by outcome level.
    `index`, shape (n,), is the cell of each person, -1 for people of weight zero.
    """

    codes: IntArray
    counts: FloatArray
    squares: FloatArray
    people: IntArray
    index: IntArray

    @property
    def first(self) -> IntArray:
        """The first person of each cell, shape (c,)."""
        used = np.flatnonzero(self.index >= 0)[::-1]
        first = np.zeros(len(self.codes), dtype=np.int64)
        first[self.index[used]] = used
        return first


def group_codes(columns: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """The distinct rows, shape (g, k), of k columns of codes from -1 up, and each person's row.

    Rows are in lexicographic order: mixed-radix packing into one integer, renumbered whenever the
    product of the radices would leave 63 bits.
    """
    n = columns[0].size
    key = np.zeros(n, dtype=np.int64)
    width = 1
    for column in columns:
        low = int(column.min(initial=0))
        radix = int(column.max(initial=0)) - low + 1
        if width > (2**62) // radix:
            distinct, key = np.unique(key, return_inverse=True)
            width = distinct.size
        key = key * radix + (column - low)
        width *= radix
    index = _renumber(key, width)
    first = np.zeros(int(index.max(initial=-1)) + 1, dtype=np.int64)
    first[index[::-1]] = np.arange(n - 1, -1, -1)
    codes: IntArray = np.column_stack([column[first] for column in columns])
    return codes, index


def _renumber(key: IntArray, width: int) -> IntArray:
    """Rank of each key among the distinct ones; linear where a table of all keys is affordable."""
    if width > 8 * key.size:
        return np.unique(key, return_inverse=True)[1].astype(np.int64)
    present = np.zeros(width, dtype=np.bool_)
    present[key] = True
    return np.asarray((np.cumsum(present) - 1)[key])


def collapse(
    columns: Sequence[IntArray], outcome: IntArray, n_levels: int, weight: FloatArray | None = None
) -> Cells:
    """Collapse people into cells.

    Shapes (n,): `columns` of codes of all that must be told apart, the level of the outcome, and
    non-negative weights, ones if absent; people of weight zero are left out.
    """
    weight = np.ones(outcome.size) if weight is None else weight
    keep = weight > 0
    if not keep.all():
        columns = [column[keep] for column in columns]
        outcome, weight = outcome[keep], weight[keep]
    codes, index = group_codes(columns)
    of_person = np.full(keep.size, -1, dtype=np.int64)
    of_person[keep] = index
    slot = index * n_levels + outcome
    size = codes.shape[0] * n_levels

    def total(values: FloatArray | None) -> FloatArray:
        sums: FloatArray = np.bincount(slot, weights=values, minlength=size).astype(np.float64)
        return sums.reshape(-1, n_levels)

    return Cells(
        codes=codes,
        counts=total(weight),
        squares=total(weight**2),
        people=total(None).astype(np.int64),
        index=of_person,
    )
