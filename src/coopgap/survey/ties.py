"""A number for each person from their own record, whatever the order of a file's rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from coopgap.core.arrays import IntArray, UintArray

_GAMMA: Final = 0x9E3779B97F4A7C15
"""Odd step between the states of SplitMix64."""

_MIXING: Final = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))
"""Its mixing function: shifts and factors."""

_STATE: Final = (0x4459585143415445, 0x525A46525C555655, 0x5B4F52515D574351, 0x425050514B455C4B)
"""SipHash's constants under the key `0123456789123456`, which pandas has too."""

_CHUNK: Final = 1 << 13
"""Values hashed together: what a processor's cache holds."""


def hashed(values: Sequence[str] | np.ndarray[Any, Any]) -> UintArray:
    """A hash of each text or number (neither NaN nor -0), shape (k,), the same on every machine.

    It is what `pandas.util.hash_array` gives, without the time that pandas takes to import.
    """
    hashes = [np.empty(0, dtype=np.uint64)]
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        if isinstance(chunk, np.ndarray):
            hashes.append(_mixed(chunk.view(np.uint64).copy()))
        else:
            hashes.append(_mixed(_siphash(chunk)))
    return np.concatenate(hashes)


def _mixed(state: UintArray) -> UintArray:
    """The mixing function of SplitMix64, in place."""
    for shift, factor in _MIXING:
        state ^= state >> np.uint64(shift)
        state *= np.uint64(factor)
    return state


def _siphash(texts: Sequence[str]) -> UintArray:
    """SipHash-2-4 of texts as UTF-8, all of one number of blocks at a time; shape (k,)."""
    joined = "".join(texts)
    parts = texts if joined.isascii() else [text.encode() for text in texts]
    size = np.array([*map(len, parts)], dtype=np.int64)
    blocks = size // 8 + 1
    content = np.frombuffer(joined.encode() + bytes(8), np.uint8)
    start, kept = np.cumsum(size) - size, np.uint64(1) << (8 * (size % 8)).astype(np.uint64)
    result = np.empty(size.size, dtype=np.uint64)
    for count in np.unique(blocks).tolist():
        rows = np.flatnonzero(blocks == count)
        words = sliding_window_view(content, 8 * count)[start[rows]].view("<u8")
        words[:, -1] &= kept[rows] - np.uint64(1)
        words[:, -1] |= size[rows].astype(np.uint64) << np.uint64(56)
        v = [np.full(rows.size, word, dtype=np.uint64) for word in _STATE]
        for word in words.T:
            v[3] ^= word
            _rounds(v, 2)
            v[0] ^= word
        v[2] ^= np.uint64(0xFF)
        _rounds(v, 4)
        result[rows] = v[0] ^ v[1] ^ v[2] ^ v[3]
    return result


def _rounds(v: list[UintArray], number: int) -> None:
    """Rounds of SipHash on its four words of state."""
    for _ in range(number):
        for a, b, turn in ((0, 1, 13), (2, 3, 16), (0, 3, 21), (2, 1, 17)):
            v[a] += v[b]
            v[b] = _turned(v[b], turn) ^ v[a]
            if b == 1:
                v[a] = _turned(v[a], 32)


def _turned(word: UintArray, by: int) -> UintArray:
    return (word << np.uint64(by)) | (word >> np.uint64(64 - by))


def record_ties(parts: Iterable[UintArray]) -> UintArray:
    """One number for each person from the hashes of the parts of their record, shape (n,) each.

    Copies of one record are counted, and each has a number of its own: people of one record may
    change places, but a method that chooses by these numbers must not take all of them or none.
    """
    record = reduce(_joined, parts)
    copy = np.zeros(record.size, dtype=np.uint64)
    increasing = np.sort(record)
    if (increasing[1:] == increasing[:-1]).any():
        order = np.argsort(record, kind="stable")
        first = np.searchsorted(increasing, increasing)
        copy[order] = (np.arange(record.size) - first).astype(np.uint64)
    return _joined(record, copy)


def _joined(one: UintArray, other: UintArray) -> UintArray:
    return hashed(one * np.uint64(_GAMMA) + other)


def keyed_order(tie: UintArray, key: int) -> IntArray:
    """Positions of people in the order that a key makes of numbers from `record_ties`.

    Another key, not negative, makes an order that has nothing to do with this.

    References
    ----------
    Steele, Lea & Flood (2014), Fast splittable pseudorandom number generators, OOPSLA.
    """
    return np.argsort(hashed(tie + np.uint64(key * _GAMMA % 2**64)), kind="stable")
