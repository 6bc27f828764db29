"""What the specifications of a multiverse say together, against shuffles of membership."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.families.difference import INTERVAL_PROB

_SLACK = 1e-9
"""Shuffles that differ by rounding only count as equal."""


class Joint(NamedTuple):
    """Over the specifications of a survey or of each shuffle.

    `median` is the median of the studentised gaps, without its sign; `same_sign` the share that
    has the more frequent sign; `significant` the share whose interval leaves out no gap on that
    side.
    """

    median: FloatArray
    same_sign: FloatArray
    significant: FloatArray


def joint_statistics(studentised: FloatArray, df: FloatArray) -> Joint:
    """Joint statistics of studentised gaps, shape (..., S); the result has shape (...).

    Parameters
    ----------
    studentised
        Gap less its value of no difference, over its standard error; NaN without a fit, which
        is neither of one sign nor significant.
    df
        Shape (S,): degrees of freedom of the specifications' t distributions.

    References
    ----------
    Simonsohn, Simmons & Nelson (2020), Specification curve analysis. Nature Human Behaviour 4.
    """
    values = np.nan_to_num(np.asarray(studentised, dtype=np.float64))
    above, below = (values > 0).mean(axis=-1), (values < 0).mean(axis=-1)
    bar = stats.t.ppf((1 + INTERVAL_PROB) / 2, df)
    high, low = (values > bar).mean(axis=-1), (values < -bar).mean(axis=-1)
    # Signs that balance have no dominant one: the stronger side counts.
    tied = np.maximum(high, low)
    return Joint(
        median=np.abs(np.median(values, axis=-1)),
        same_sign=np.maximum(above, below),
        significant=np.where(above > below, high, np.where(below > above, low, tied)),
    )


def joint_p_values(observed: Joint, shuffled: Joint) -> Joint:
    """Share of shuffles, the survey itself among them, that are as far out or farther."""
    size = shuffled.median.size
    return Joint(
        *(
            np.asarray((1 + (other >= own - _SLACK).sum()) / (size + 1))
            for own, other in zip(observed, shuffled, strict=True)
        )
    )


def shuffle_members(member: BoolArray, cell: IntArray, rng: np.random.Generator) -> BoolArray:
    """Membership handed out anew among the people of each cell.

    Parameters
    ----------
    member
        Shape (n,).
    cell
        Shape (n,): people who may change places.
    rng
        Draws one order of everybody.

    Returns
    -------
    BoolArray
        Shape (n,): as many members in each cell as before.
    """
    order = np.lexsort((rng.random(member.size), cell))
    shuffled = np.empty_like(member)
    shuffled[order] = member[np.argsort(cell, kind="stable")]
    return shuffled
