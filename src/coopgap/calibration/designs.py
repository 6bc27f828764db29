"""The surveys whose outcomes are drawn anew: who was asked, where, with which covariates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from coopgap.core.arrays import BoolArray
from coopgap.survey.records import ModelRows

SMALL: Final = 250


def _everybody(rows: ModelRows, _region: str) -> BoolArray:
    return np.ones(rows.n, dtype=np.bool_)


def _small(rows: ModelRows, _region: str) -> BoolArray:
    """250 people, members and comparison people in turn, spread evenly over the file."""
    keep = np.zeros(rows.n, dtype=np.bool_)
    for side in (True, False):
        inside = np.flatnonzero(rows.member == side)
        places = np.linspace(0, inside.size - 1, min(SMALL // 2, inside.size)).round()
        keep[inside[places.astype(np.int64)]] = True
    return keep


def _empty_cell(rows: ModelRows, region: str) -> BoolArray:
    """Everybody but the comparison people of the last region."""
    codes = rows.factors[region]
    return np.asarray(rows.member | (codes != codes.max()))


DESIGNS: Final[dict[str, Callable[[ModelRows, str], BoolArray]]] = {
    "default": _everybody,
    "small": _small,
    "empty_cell": _empty_cell,
}
"""Who is kept of a model's complete rows, by name."""


def design_rows(rows: ModelRows, design: str, region: str) -> ModelRows:
    """The rows of a model under a design.

    Parameters
    ----------
    rows
        Complete in-person rows.
    design
        A key of `DESIGNS`.
    region
        The region variable.
    """
    return rows.take(DESIGNS[design](rows, region))
