"""Design matrices from codes: treatment coding and numeric columns, without formulas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.survey.numeric import Numeric


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Columns of several variables.

    Attributes
    ----------
    x
        Shape (n, k): zeros and ones, and of numeric variables their columns; no intercept.
    terms
        k names, `VARIABLE=LEVEL`, or as in `Numeric`.
    columns
        By variable, its positions in `x`.
    scale
        Shape (k,): what columns were divided by; ones for indicators.
    """

    x: FloatArray
    terms: tuple[str, ...]
    columns: Mapping[str, tuple[int, ...]]
    scale: FloatArray


def design_matrix(
    codes: Mapping[str, IntArray],
    levels: Mapping[str, tuple[str, ...]],
    n: int | None = None,
    numeric: Mapping[str, Numeric] | None = None,
) -> Design:
    """Treatment coding of factors, the first declared level as reference; numbers as they are.

    Parameters
    ----------
    codes
        By variable, shape (n,): index into its levels; never negative.
    levels
        By variable, its levels.
    n
        Number of rows; needed only where `codes` may be empty.
    numeric
        Of numeric variables, values and columns; their codes are positions among the values.

    Returns
    -------
    Design
        A level with nobody gives no column, so a variable with a single level or value present
        gives none. Where nobody has the reference level the first level present takes its place.

    Raises
    ------
    ValueError
        If a code is negative or beyond the declared levels.
    """
    if n is None:
        n = next((column.size for column in codes.values()), 0)
    parts: list[FloatArray] = [np.zeros((n, 0))]
    terms: list[str] = []
    scale: list[float] = []
    columns: dict[str, tuple[int, ...]] = {}
    for name, code in codes.items():
        own = None if numeric is None else numeric.get(name)
        first = len(terms)
        if own is not None:
            varies = bool(np.ptp(code)) if code.size else False
            parts += [own.columns[code]] if varies else []
            terms += own.terms if varies else ()
            scale += own.scale.tolist() if varies else []
            columns[name] = tuple(range(first, len(terms)))
            continue
        if code.size and (code.min() < 0 or code.max() >= len(levels[name])):
            raise ValueError(f"codes of {name} must be indices into its {len(levels[name])} levels")
        present = np.flatnonzero(np.bincount(code))[1:]
        parts.append(np.asarray(code[:, None] == present, dtype=np.float64))
        terms += [f"{name}={levels[name][level]}" for level in present]
        scale += [1.0] * present.size
        columns[name] = tuple(range(first, len(terms)))
    return Design(x=np.hstack(parts), terms=tuple(terms), columns=columns, scale=np.array(scale))
