"""A number for each person from their own record, whatever the order of a file's rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, Final

import numpy as np

from coopgap.core.arrays import IntArray, UintArray

_GAMMA: Final = 0x9E3779B97F4A7C15
"""Odd step between the states of SplitMix64, whose mixing function `hash_array` applies."""


def hashed(values: Sequence[str] | np.ndarray[Any, Any]) -> UintArray:
    """A hash of each text or number, shape (k,), the same on every machine."""
    from pandas.util import hash_array

    column = values if isinstance(values, np.ndarray) else np.array(values, dtype=object)
    return hash_array(column, categorize=False)


def record_ties(parts: Iterable[UintArray]) -> UintArray:
    """One number for each person from the hashes of the parts of their record.

    Parameters
    ----------
    parts
        Shape (n,) each, from `hashed`; equal where two people are equal.

    Returns
    -------
    UintArray
        Shape (n,). Copies of one record are counted, and each copy has a number of its own: people
        of one record may change places, but a method that chooses by these numbers must not take
        all of them or none.
    """
    from pandas import Series

    record = reduce(_mixed, parts)
    copy = Series(record).groupby(record).cumcount().to_numpy()
    return _mixed(record, copy.astype(np.uint64))


def _mixed(one: UintArray, other: UintArray) -> UintArray:
    return hashed(one * np.uint64(_GAMMA) + other)


def keyed_order(tie: UintArray, key: int) -> IntArray:
    """Positions of people in the order that a key makes of their numbers, shape (n,).

    Parameters
    ----------
    tie
        Shape (n,): from `record_ties`.
    key
        Not negative. Another one makes an order that has nothing to do with this.

    References
    ----------
    Steele, Lea & Flood (2014), Fast splittable pseudorandom number generators, OOPSLA.
    """
    return np.argsort(hashed(tie + np.uint64(key * _GAMMA % 2**64)), kind="stable")
