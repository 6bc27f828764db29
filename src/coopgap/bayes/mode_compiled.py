"""The kernel with mode shifts as a C function, beside that of `coopgap.bayes.compiled`.

It reads the buffer of the model without them, followed by what only it needs, and is kept in
numba's cache in the same way: by its own closure, in which the kernel's files are.
"""

from __future__ import annotations

import ctypes
import hashlib
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import types

from coopgap.bayes.compiled import _NUMBERS, _WORDS, _part
from coopgap.bayes.mode_kernel import log_density_by_mode
from coopgap.core.arrays import FloatArray, IntArray

PARTS = 12
"""Arrays of the model without mode shifts, in the order of `KernelInput`."""


def parts(words: IntArray) -> list[IntArray]:
    """The arrays of a buffer without mode shifts, as 64-bit words."""
    return [words[words[1 + k] : words[2 + k]] for k in range(PARTS)]


@numba.njit(nogil=True, error_model="numpy")
def _unpacked(x, words, gradient):
    """The kernel on a packed buffer; part 11 is the two groups', part 13 the four sides'."""
    settings = _part(words, 0)
    blocks = _part(words, 1).reshape((-1, 4))
    index = _part(words, 3).reshape((settings[3], -1))
    return log_density_by_mode(
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
        _part(words, 12),
        _part(words, 13).view(np.float64).reshape((4, settings[0] - 1)),
        gradient,
    )


def _density_function(sources: str) -> Any:
    """What nutpie calls for a density; `sources` is part of what numba knows its cache by."""

    @numba.cfunc(types.int64(types.uint64, _NUMBERS, _NUMBERS, _NUMBERS, _WORDS), cache=True)
    def logp_by_mode(dim, x_, gradient_, value_, words_):
        """Fill gradient and value; 3 and 4 say that the point cannot be used."""
        len(sources)  # Puts them into the closure.
        gradient = numba.carray(gradient_, (dim,))
        words = numba.carray(words_, (numba.carray(words_, (1,))[0],))
        value = _unpacked(numba.carray(x_, (dim,)), words, gradient)
        numba.carray(value_, (1,))[0] = value
        if not np.all(np.isfinite(gradient)):
            return 3
        return 0 if np.isfinite(value) else 4

    return logp_by_mode


def _sources() -> str:
    """SHA-256 of the files that the kernel is made of."""
    found = hashlib.sha256()
    for name in ("compiled.py", "kernel.py", "likelihood.py", "mode_kernel.py"):
        found.update(Path(__file__).with_name(name).read_bytes())
    return found.hexdigest()


logp_by_mode = _density_function(_sources())


def evaluate_by_mode(x: FloatArray, words: IntArray) -> tuple[float, FloatArray]:
    """Log-density and gradient at `x`, shape (p,), by the function that the sampler calls."""
    x = np.ascontiguousarray(x, dtype=np.float64)
    value, gradient = np.zeros(1), np.empty_like(x)
    numbers, whole = (ctypes.POINTER(kind) for kind in (ctypes.c_double, ctypes.c_int64))
    given = [array.ctypes.data_as(numbers) for array in (x, gradient, value)]
    logp_by_mode.ctypes(x.size, *given, words.ctypes.data_as(whole))
    return float(value[0]), gradient
