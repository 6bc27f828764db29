"""Separation: which estimates would be infinite, found before anything is fitted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linprog

from coopgap.arrays import BoolArray, FloatArray, IntArray
from coopgap.errors import NotEstimable
from coopgap.survey.cells import group_codes

__all__ = ["check_separation", "separated_terms"]

_SLACK = 1e-6


def separated_terms(x: FloatArray, counts: FloatArray, terms: Sequence[str]) -> tuple[str, ...]:
    """Terms without a finite estimate in a cumulative model.

    Parameters
    ----------
    x
        Shape (c, k): design rows without intercept, of full rank beside one.
    counts
        Shape (c, J): only where they are positive matters.
    terms
        k names.

    Returns
    -------
    tuple of str
        Terms that move along a direction in which the likelihood never falls; empty if the
        estimates are finite.

    Notes
    -----
    One stacked linear programme: the maximum is finite unless some (t, d) ≠ 0 has
    t_{y−1} ≤ x'd ≤ t_y for everybody (Albert & Anderson 1984; Haberman 1980). Asking it of each
    split by itself would flag data whose proportional-odds estimate is finite. The total slack
    is maximised over |d| ≤ 1 (Konis 2007), columns scaled to [0, 1]; a positive total means
    separation. Distinct rows enter once, with their lowest and highest level.
    """
    seen = np.asarray(counts, dtype=np.float64) > 0
    seen = seen[:, seen.any(axis=0)]
    used = seen.any(axis=1)
    rows, low, high = _extremes(np.asarray(x, dtype=np.float64)[used], seen[used])
    k, n_cuts = rows.shape[1], seen.shape[1] - 1
    if not k or n_cuts < 1:
        return ()
    direction = _direction(rows, low, high, n_cuts)
    return tuple(term for term, move in zip(terms, direction, strict=True) if abs(move) > _SLACK)


def check_separation(x: FloatArray, counts: FloatArray, terms: Sequence[str]) -> None:
    """Refuse data in which some estimate would be infinite.

    Raises
    ------
    NotEstimable
        Naming the terms.
    """
    found = separated_terms(x, counts, terms)
    if found:
        raise NotEstimable(f"separation: no finite estimate for {', '.join(found)}")


def _extremes(x: FloatArray, seen: BoolArray) -> tuple[FloatArray, IntArray, IntArray]:
    """Distinct rows scaled to [0, 1] with the lowest and highest level among each."""
    span = np.ptp(x, axis=0)
    scaled = (x - x.min(axis=0)) / np.where(span > 0, span, 1.0)
    columns = [np.unique(column, return_inverse=True)[1] for column in scaled.T]
    codes, index = group_codes(columns) if columns else (np.zeros((1, 0)), np.zeros(len(x), int))
    n_levels = seen.shape[1]
    low = np.full(codes.shape[0], n_levels)
    high = np.full(codes.shape[0], -1)
    np.minimum.at(low, index, seen.argmax(axis=1))
    np.maximum.at(high, index, n_levels - 1 - seen[:, ::-1].argmax(axis=1))
    first = np.unique(index, return_index=True)[1]
    return scaled[first], low, high


def _direction(x: FloatArray, low: IntArray, high: IntArray, n_cuts: int) -> FloatArray:
    """Slopes of the direction of recession with the largest total slack, zero if there is none."""
    k = x.shape[1]
    under = np.flatnonzero(low < n_cuts)
    over = np.flatnonzero(high > 0)
    constraints = np.zeros((under.size + over.size + n_cuts - 1, k + n_cuts))
    a, b, c = np.split(constraints, [under.size, under.size + over.size])
    a[:, :k] = x[under]
    a[np.arange(under.size), k + low[under]] = -1.0
    b[:, :k] = -x[over]
    b[np.arange(over.size), k + high[over] - 1] = 1.0
    step = np.arange(n_cuts - 1)
    c[step, k + step], c[step, k + step + 1] = 1.0, -1.0
    # The slack between cuts counts too: two groups that share one middle level move apart there.
    objective = constraints.sum(axis=0)
    bounds = [(-1.0, 1.0)] * k + [(-float(k), float(k))] * n_cuts
    solved = linprog(
        objective, A_ub=constraints, b_ub=np.zeros(len(constraints)), bounds=bounds, method="highs"
    )
    if solved.status != 0 or solved.x is None:
        raise NotEstimable("the check for separation could not be solved")
    if -float(objective @ solved.x) <= _SLACK:
        return np.zeros(k)
    return np.asarray(solved.x[:k])
