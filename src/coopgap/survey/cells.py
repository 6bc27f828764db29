"""Lossless collapse of people into cells.

Covariates are categorical, so people who share every code (and their cluster) are one cell with
a weighted count at each outcome level. Every likelihood, score and standardisation runs on cells:
the work grows with the number of distinct cells, not with the number of people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Distinct rows of codes with outcome counts.

    Attributes
    ----------
    codes
        Shape (c, k): one row a cell, one column a key given to `collapse`.
    counts, squares, people
        Shape (c, J): sums of weights and of squared weights, and unweighted people, at each
        outcome level.
    index
        Shape (n,): the cell of each person, -1 for people of weight zero.
    """

    codes: IntArray
    counts: FloatArray
    squares: FloatArray
    people: IntArray
    index: IntArray


def group_codes(columns: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """Number the distinct rows of several code columns of shape (n,), all at least -1.

    Returns
    -------
    codes : IntArray
        Shape (g, k): the distinct rows in lexicographic order.
    index : IntArray
        Shape (n,): the row of `codes` that each person has.

    Notes
    -----
    Mixed-radix packing into one integer, renumbered whenever the product of the radices would
    leave 63 bits.
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

    Parameters
    ----------
    columns
        Integer codes of shape (n,): membership, covariates, cluster, set: all that must be told
        apart.
    outcome
        Shape (n,): outcome level of each person, of `n_levels`.
    weight
        Shape (n,): non-negative weights; ones if absent. People of weight zero are left out.
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
