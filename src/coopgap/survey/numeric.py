"""What a numeric variable gives a design: a straight line, or a natural cubic spline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Numeric:
    """Distinct values of a numeric variable, and the columns that each has in a design.

    `values`, shape (m,), are increasing; codes of people are positions in them. `columns`, shape
    (m, k), were divided by `scale`, shape (k,): a slope over it is one of the variable. `terms`
    are `VARIABLE`, or `VARIABLE[KNOT]` for every knot but the first.
    """

    values: FloatArray
    columns: FloatArray
    scale: FloatArray
    terms: tuple[str, ...]

    @property
    def independent(self) -> bool:
        """Whether no column is linear in a constant and the others, as where knots lie apart."""
        centred = self.columns - self.columns.mean(axis=0)
        lengths = np.linalg.norm(centred, axis=0)
        if (lengths <= 1e-9 * np.abs(self.columns).max(axis=0)).any():
            return False
        return bool(np.linalg.matrix_rank(centred / lengths, tol=1e-9) == lengths.size)


def numeric(name: str, values: FloatArray, knots: Sequence[float] = ()) -> Numeric:
    """The columns of a variable with these distinct values, two or more and increasing.

    A line is divided by the standard deviation of the values: fits then do not depend on the unit,
    and incomes in thousands stand beside indicators. With knots, a natural spline.
    """
    if knots:
        columns = natural_spline(values, knots)
        terms = tuple(f"{name}[{knot:g}]" for knot in knots[1:])
        return Numeric(values=values, columns=columns, scale=np.ones(len(terms)), terms=terms)
    scale = values.std()
    return Numeric(
        values=values, columns=values[:, None] / scale, scale=np.array([scale]), terms=(name,)
    )


def natural_spline(values: FloatArray, knots: Sequence[float]) -> FloatArray:
    """Natural cubic spline basis, linear beyond the outer knots, without a constant.

    Shape (m, K − 1) for K increasing knots: column k is the spline that is one at knot k + 1 and
    zero at every other, so that its slope is the curve's height there above the first knot. With a
    constant it spans what R's `splines::ns` does with the same knots.

    References
    ----------
    Hastie, Tibshirani & Friedman (2009), The Elements of Statistical Learning, section 5.2.1.
    """
    from scipy.interpolate import CubicSpline

    at = np.asarray(knots, dtype=np.float64)
    spline = CubicSpline(at, np.eye(at.size), bc_type="natural")
    inside = np.clip(values, at[0], at[-1])
    return np.asarray(spline(inside) + spline(inside, 1) * (values - inside)[:, None])[:, 1:]
