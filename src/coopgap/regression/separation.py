"""Separation: which estimates would be infinite."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linprog

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.regression.cumulative import CumulativeFit, split_columns
from coopgap.regression.ordinal import fit_ordinal
from coopgap.study.spec import LinkName
from coopgap.survey.cells import group_codes

SLACK = 1e-6
"""Slack, and movement of a term, that counts as more than rounding."""

SOLVER_SECONDS = 120.0
"""Of one linear programme."""

MOST_NUMBERS = 5_000_000
"""In the constraints of one linear programme: a tenth of them is solved in seconds."""

_OUT_OF_TIME = 1
"""SciPy's status of a solver that was stopped."""

_SHARP = 1e-6
"""A fit whose sharpness is above it has a finite maximum: under separation the curvature fades with
the score, which is below 1e-10 where Newton stops."""


def finite_fit(
    x: FloatArray,
    counts: FloatArray,
    terms: Sequence[str] | None = None,
    free: Sequence[int] = (),
    *,
    people: IntArray | None = None,
    link: LinkName = "logit",
) -> tuple[CumulativeFit | None, tuple[str, ...]]:
    """The fit, or none and the terms without a finite estimate; arguments of `fit_ordinal`.

    Raises NotEstimable as `fit_ordinal` does, where no term is without one.
    """
    fit, failed = None, None
    try:
        fit = fit_ordinal(x, counts, people=people, link=link, terms=terms, free=free)
    except NotEstimable as error:
        failed = error
    if fit is not None and fit.sharpness > _SHARP:
        return fit, ()
    infinite = separated_terms(x, counts, terms or [*map(str, range(x.shape[1]))], free)
    if infinite:
        return None, infinite
    if failed is not None:
        raise failed
    return fit, ()


def separated_terms(
    x: FloatArray, counts: FloatArray, terms: Sequence[str], free: Sequence[int] = ()
) -> tuple[str, ...]:
    """Terms without a finite estimate in a cumulative model; empty if all are finite.

    Arguments as in `fit_ordinal`, `x` of full rank beside an intercept; of `counts` only where they
    are positive matters.

    Raises
    ------
    NotEstimable
        If the linear programme is too large, or could not be solved.

    Notes
    -----
    One stacked linear programme: the maximum is finite unless some (t, d) ≠ 0 has
    t_{y−1} ≤ x'd ≤ t_y for everybody (Albert & Anderson 1984; Haberman 1980). Asking it of each
    split by itself would flag data whose proportional-odds estimate is finite; a freed column
    has its own d at each cut. The total slack is maximised over |d| ≤ 1 (Konis 2007), columns
    scaled to [0, 1]; a positive total means separation. Distinct rows enter once; without freed
    columns only with their lowest and highest level, because t rises.
    """
    seen = np.asarray(counts, dtype=np.float64) > 0
    seen = seen[:, seen.any(axis=0)]
    used = seen.any(axis=1)
    rows, answered = _distinct(np.asarray(x, dtype=np.float64)[used], seen[used])
    k, cuts = rows.shape[1], seen.shape[1] - 1
    if not k or cuts < 1:
        return ()
    if not free:
        row, highest = np.arange(len(answered)), cuts - answered[:, ::-1].argmax(axis=1)
        lowest, answered = answered.argmax(axis=1), np.zeros_like(answered)
        answered[row, lowest] = answered[row, highest] = True
    conditions = int(answered[:, :-1].sum() + answered[:, 1:].sum())
    n_params = k + len(free) * (cuts - 1) + cuts
    if conditions * n_params > MOST_NUMBERS:  # before they are built
        raise NotEstimable(
            f"whether {n_params:,} parameters are finite is {conditions:,} conditions, too many to "
            "be looked at"
        )
    direction = recession(_constraints(rows, answered, tuple(free)), k - len(free), k)
    fixed = np.setdiff1d(np.arange(k), list(free))
    moves = np.zeros(k)
    moves[fixed] = np.abs(direction[: fixed.size])
    by_cut = direction[fixed.size : fixed.size + len(free) * cuts].reshape(len(free), cuts)
    moves[list(free)] = np.abs(by_cut).max(axis=1, initial=0.0)
    return tuple(term for term, move in zip(terms, moves, strict=True) if move > SLACK)


def check_separation(
    x: FloatArray, counts: FloatArray, terms: Sequence[str], free: Sequence[int] = ()
) -> None:
    """Refuse data in which some estimate would be infinite, naming the terms."""
    result = separated_terms(x, counts, terms, free)
    if result:
        raise NotEstimable(f"separation: no finite estimate for {', '.join(result)}")


def _distinct(x: FloatArray, seen: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Distinct rows scaled to [0, 1] with the levels that occur among each."""
    span = np.ptp(x, axis=0)
    scaled = (x - x.min(axis=0)) / np.where(span > 0, span, 1.0)
    columns = [np.unique(column, return_inverse=True)[1] for column in scaled.T]
    codes, index = group_codes(columns) if columns else (np.zeros((1, 0)), np.zeros(len(x), int))
    answered = np.zeros((codes.shape[0], seen.shape[1]), dtype=bool)
    np.logical_or.at(answered, index, seen)
    return scaled[np.unique(index, return_index=True)[1]], answered


def _constraints(x: FloatArray, answered: BoolArray, free: tuple[int, ...]) -> FloatArray:
    """Rows a with a'(d, freed d, t) ≤ 0 for directions in which nobody's likelihood falls."""
    fixed, sides = split_columns(x, free)
    cuts = answered.shape[1] - 1
    row, cut = np.nonzero(answered[:, :-1])
    above, cut_above = np.nonzero(answered[:, 1:])
    sign = np.concatenate([np.full(row.size, -1.0), np.ones(above.size)])
    row, cut = np.concatenate([row, above]), np.concatenate([cut, cut_above])
    blocks = np.zeros((row.size, sides.shape[1], cuts))
    blocks[np.arange(row.size), :, cut] = sign[:, None] * sides[row]
    people = np.column_stack([-sign[:, None] * fixed[row], blocks.reshape(row.size, -1)])
    if free:
        return people
    # The slack between cuts counts too: two groups that share one middle level move apart there.
    rising = np.zeros((cuts - 1, people.shape[1]))
    step = np.arange(cuts - 1)
    rising[step, fixed.shape[1] + step], rising[step, fixed.shape[1] + step + 1] = 1.0, -1.0
    return np.vstack([people, rising])


def recession(constraints: FloatArray, n_fixed: int, k: int) -> FloatArray:
    """Direction of recession with the largest total slack, zero if there is none.

    Rows a of `constraints` (r, p) have a'd ≤ 0 for directions d in which nobody's likelihood falls.
    The first `n_fixed` parts of d lie within [−1, 1], the rest within [−k, k], k columns.
    """
    objective = constraints.sum(axis=0)
    rest = constraints.shape[1] - n_fixed
    bounds = [(-1.0, 1.0)] * n_fixed + [(-float(k), float(k))] * rest
    solved = linprog(
        objective,
        A_ub=constraints,
        b_ub=np.zeros(len(constraints)),
        bounds=bounds,
        method="highs",
        options={"time_limit": SOLVER_SECONDS},
    )
    if solved.status == _OUT_OF_TIME:
        raise NotEstimable(f"the check for separation took more than {SOLVER_SECONDS:g} seconds")
    if solved.status != 0 or solved.x is None:
        raise NotEstimable("the check for separation could not be solved")
    if -float(objective @ solved.x) <= SLACK:
        return np.zeros(constraints.shape[1])
    return np.asarray(solved.x)
