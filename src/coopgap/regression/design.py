"""Design matrices from codes: treatment coding and numeric columns, and whether columns depend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.survey.numeric import Numeric


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Columns of several variables.

    `x` (n, k) has zeros and ones, and of numeric variables their columns; no intercept. `terms` are
    `VARIABLE=LEVEL`, or as in `Numeric`; `columns` gives by variable its positions in `x`, `scale`
    (k,) what columns were divided by, ones for indicators.
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

    `codes` are by variable indices into its levels, shape (n,), never negative, of numeric
    variables positions among the values; `n` is needed only where `codes` may be empty. A level
    with nobody gives no column, so a variable with a single level or value present gives none.
    Where nobody has the reference level the first level present takes its place.

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


_TOLERANCE = 1e-9
_CLEAR = 1e-6


def dependent_columns(x: FloatArray) -> tuple[int, ...]:
    """Positions of columns of `x` (n, k) that are linear in a constant and earlier columns.

    Gram-Schmidt, twice, on centred columns of unit length; a column whose remainder is shorter than
    1e-9 depends on the others. A squared remainder is no smaller than the least eigenvalue of the
    correlations: where that is clearly positive, nothing depends on anything.
    """
    if _clearly_full(x):
        return ()
    basis = np.zeros((x.shape[0], 0))
    dependent = []
    for position in range(x.shape[1]):
        column = x[:, position] - x[:, position].mean()
        length = float(np.linalg.norm(column))
        if length > _TOLERANCE * max(float(np.abs(x[:, position]).max(initial=0.0)), 1e-300):
            column = column / length
            for _ in range(2):
                column = column - basis @ (basis.T @ column)
            length = float(np.linalg.norm(column))
        else:
            length = 0.0
        if length <= _TOLERANCE:
            dependent.append(position)
        else:
            basis = np.column_stack([basis, column / length])
    return tuple(dependent)


def _clearly_full(x: FloatArray) -> bool:
    centred = x - x.mean(axis=0)
    products = centred.T @ centred
    squares = np.einsum("ii->i", products)
    # By far more than rounding leaves of a constant.
    if not x.shape[1] or not (squares > _TOLERANCE * np.einsum("ij,ij->j", x, x)).all():
        return False
    squares *= 1 - _CLEAR
    try:
        np.linalg.cholesky(products)
    except np.linalg.LinAlgError:
        return False
    return True


def require_full_rank(x: FloatArray, terms: Sequence[str] | None = None) -> None:
    """Refuse a design with dependent columns, named by `terms` where given."""
    dependent = dependent_columns(x)
    if dependent:
        names = [f"column {i + 1}" if terms is None else terms[i] for i in dependent]
        raise NotEstimable(f"{', '.join(names)} cannot be told apart from the other terms")
