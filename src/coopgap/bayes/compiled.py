"""The kernel as C functions that the sampler calls without Python between.

Everything the kernel reads is packed into one buffer of 64-bit words, so that the functions are
compiled once for all models. Only these functions are kept in numba's cache on disk. The cache
knows a function by its own file and closure, and not by what it calls: the files of the kernel are
in the closure, or a new version of the kernel would be passed over for the old one.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import types

from coopgap.bayes.kernel import log_density
from coopgap.core.arrays import FloatArray, IntArray


def pack(arrays: Iterable[IntArray | FloatArray]) -> IntArray:
    """One buffer: its length, where each array begins and ends, then the arrays."""
    flat = [np.ascontiguousarray(array).reshape(-1).view(np.int64) for array in arrays]
    ends = 2 + len(flat) + np.cumsum([0, *(array.size for array in flat)])
    return np.concatenate([[ends[-1]], ends, *flat]).astype(np.int64)


@numba.njit(nogil=True, error_model="numpy")
def _part(words, k):
    return words[words[1 + k] : words[2 + k]]


@numba.njit(nogil=True, error_model="numpy")
def _unpacked(x, words, gradient):
    """The kernel on a packed buffer."""
    settings = _part(words, 0)
    blocks = _part(words, 1).reshape((-1, 4))
    index = _part(words, 3).reshape((settings[3], -1))
    return log_density(
        x,
        settings,
        blocks,
        _part(words, 2).view(np.float64).reshape((blocks.shape[0] + 3, 2)),
        index,
        _part(words, 4).view(np.float64).reshape((settings[5], index.shape[1])),
        _part(words, 5),
        _part(words, 6),
        _part(words, 7),
        _part(words, 8),
        _part(words, 9),
        _part(words, 10).view(np.float64),
        _part(words, 11).view(np.float64).reshape((2, settings[0] - 1)),
        gradient,
    )


_NUMBERS = types.CPointer(types.float64)
_WORDS = types.CPointer(types.int64)


def _density_function(sources: str) -> Any:
    """What nutpie calls for a density; `sources` is part of what numba knows its cache by."""

    @numba.cfunc(types.int64(types.uint64, _NUMBERS, _NUMBERS, _NUMBERS, _WORDS), cache=True)
    def logp(dim, x_, gradient_, value_, words_):
        """Fill gradient and value; 3 and 4 say that the point cannot be used.

        An exception cannot leave a C function, so the kernels divide as numpy does.
        """
        len(sources)  # Puts them into the closure.
        gradient = numba.carray(gradient_, (dim,))
        words = numba.carray(words_, (numba.carray(words_, (1,))[0],))
        value = _unpacked(numba.carray(x_, (dim,)), words, gradient)
        numba.carray(value_, (1,))[0] = value
        if not np.all(np.isfinite(gradient)):
            return 3
        return 0 if np.isfinite(value) else 4

    return logp


def _sources() -> str:
    """SHA-256 of the kernel's files."""
    found = hashlib.sha256()
    for name in ("kernel.py", "likelihood.py"):
        found.update(Path(__file__).with_name(name).read_bytes())
    return found.hexdigest()


logp = _density_function(_sources())


@numba.cfunc(types.int64(types.uint64, types.uint64, _NUMBERS, _NUMBERS, _WORDS), cache=True)
def expand(dim, _expanded, x_, out_, _words):
    """What nutpie calls to make a draw: the free values as they are."""
    numba.carray(out_, (dim,))[:] = numba.carray(x_, (dim,))
    return 0


def evaluate(x: FloatArray, words: IntArray) -> tuple[float, FloatArray]:
    """Log-density and gradient at `x`, shape (p,), by the function that the sampler calls."""
    x = np.ascontiguousarray(x, dtype=np.float64)
    value, gradient = np.zeros(1), np.empty_like(x)
    numbers, whole = (ctypes.POINTER(kind) for kind in (ctypes.c_double, ctypes.c_int64))
    given = [array.ctypes.data_as(numbers) for array in (x, gradient, value)]
    logp.ctypes(x.size, *given, words.ctypes.data_as(whole))
    return float(value[0]), gradient
