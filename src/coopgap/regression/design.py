"""Design matrices from level codes: treatment coding without formulas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from coopgap.arrays import BoolArray, FloatArray, IntArray

__all__ = ["Design", "design_matrix"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Indicator columns of several factors.

    Attributes
    ----------
    x
        Shape (n, k): zeros and ones; no intercept.
    terms
        k names, `VARIABLE=LEVEL`.
    """

    x: FloatArray
    terms: tuple[str, ...]


def design_matrix(
    codes: Mapping[str, IntArray], levels: Mapping[str, tuple[str, ...]], n: int | None = None
) -> Design:
    """Treatment coding of factors, the first declared level as reference.

    Parameters
    ----------
    codes
        By variable, shape (n,): index into its levels; never negative.
    levels
        By variable, its levels.
    n
        Number of rows; needed only where `codes` may be empty.

    Returns
    -------
    Design
        A level with nobody gives no column, so a variable with a single level present gives
        none. Where nobody has the reference level the first level present takes its place.

    Raises
    ------
    ValueError
        If a code is negative or beyond the declared levels.
    """
    if n is None:
        n = next((column.size for column in codes.values()), 0)
    columns: list[BoolArray] = [np.zeros((n, 0), dtype=np.bool_)]
    terms: list[str] = []
    for name, code in codes.items():
        if code.size and (code.min() < 0 or code.max() >= len(levels[name])):
            raise ValueError(f"codes of {name} must be indices into its {len(levels[name])} levels")
        present = np.flatnonzero(np.bincount(code))[1:]
        columns.append(code[:, None] == present)
        terms += [f"{name}={levels[name][level]}" for level in present]
    return Design(x=np.hstack(columns, dtype=np.float64), terms=tuple(terms))
