"""Columns that depend on the others are found before a fit, and named."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable

_TOLERANCE = 1e-9
_CLEAR = 1e-6


def dependent_columns(x: FloatArray) -> tuple[int, ...]:
    """Columns that are linear in a constant and the columns before them.

    Parameters
    ----------
    x
        Shape (n, k).

    Returns
    -------
    tuple of int
        Positions, in order; empty for a design of full rank beside an intercept.

    Notes
    -----
    Gram-Schmidt, twice, on centred columns of unit length; a column whose remainder is shorter
    than 1e-9 depends on the others. A squared remainder is no smaller than the least eigenvalue of
    the correlations: where that is clearly positive, nothing depends on anything.
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
    lengths = np.linalg.norm(centred, axis=0)
    largest = np.abs(x).max(axis=0, initial=1e-300)
    if not x.shape[1] or not (lengths > _TOLERANCE * largest).all():
        return False
    unit = centred / lengths
    return bool(np.linalg.eigvalsh(unit.T @ unit)[0] > _CLEAR)


def require_full_rank(x: FloatArray, terms: Sequence[str] | None = None) -> None:
    """Refuse a design with dependent columns.

    Raises
    ------
    NotEstimable
        Naming the columns, by `terms` where given.
    """
    dependent = dependent_columns(x)
    if dependent:
        names = [f"column {i + 1}" if terms is None else terms[i] for i in dependent]
        raise NotEstimable(f"{', '.join(names)} cannot be told apart from the other terms")
