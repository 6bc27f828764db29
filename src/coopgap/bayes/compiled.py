"""The kernel as C functions that the sampler calls without Python between.

Everything the kernel reads is packed into one buffer of 64-bit words, so that the functions are
compiled once for all models and kept in numba's cache on disk.
"""

from __future__ import annotations

from collections.abc import Iterable

import numba
import numpy as np
from numba import types

from coopgap.arrays import FloatArray, IntArray
from coopgap.bayes.kernel import log_density

__all__ = ["expand", "logp", "pack"]


def pack(arrays: Iterable[IntArray | FloatArray]) -> IntArray:
    """One buffer: its length, where each array begins and ends, then the arrays."""
    flat = [np.ascontiguousarray(array).reshape(-1).view(np.int64) for array in arrays]
    ends = 2 + len(flat) + np.cumsum([0, *(array.size for array in flat)])
    return np.concatenate([[ends[-1]], ends, *flat]).astype(np.int64)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _part(words, k):
    return words[words[1 + k] : words[2 + k]]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _unpacked(x, words, gradient):
    """The kernel on a packed buffer."""
    settings = _part(words, 0)
    blocks = _part(words, 1).reshape((-1, 4))
    return log_density(
        x,
        settings,
        blocks,
        _part(words, 2).view(np.float64).reshape((blocks.shape[0] + 2, 2)),
        _part(words, 3).reshape((settings[3], -1)),
        _part(words, 4),
        _part(words, 5),
        _part(words, 6),
        _part(words, 7),
        _part(words, 8),
        _part(words, 9).view(np.float64),
        _part(words, 10).view(np.float64).reshape((2, settings[0] - 1)),
        gradient,
    )


_NUMBERS = types.CPointer(types.float64)
_WORDS = types.CPointer(types.int64)


@numba.cfunc(types.int64(types.uint64, _NUMBERS, _NUMBERS, _NUMBERS, _WORDS), cache=True)
def logp(dim, x_, gradient_, value_, words_):
    """What nutpie calls for a density; 3 and 4 tell it that the point cannot be used.

    An exception cannot leave a C function, so the kernels divide as numpy does.
    """
    gradient = numba.carray(gradient_, (dim,))
    words = numba.carray(words_, (numba.carray(words_, (1,))[0],))
    value = _unpacked(numba.carray(x_, (dim,)), words, gradient)
    numba.carray(value_, (1,))[0] = value
    if not np.all(np.isfinite(gradient)):
        return 3
    return 0 if np.isfinite(value) else 4


@numba.cfunc(types.int64(types.uint64, types.uint64, _NUMBERS, _NUMBERS, _WORDS), cache=True)
def expand(dim, _expanded, x_, out_, _words):
    """What nutpie calls to make a draw: the free values as they are."""
    numba.carray(out_, (dim,))[:] = numba.carray(x_, (dim,))
    return 0
