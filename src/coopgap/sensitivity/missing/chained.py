"""Imputation by chained equations of columns with few levels, and of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.sensitivity.missing.augmented import (
    augment,
    cumulative_chances,
    draw_cumulative,
    draw_multinomial,
    fit_cumulative,
    fit_multinomial,
    multinomial_chances,
)
from coopgap.sensitivity.missing.donors import nearest_donors
from coopgap.survey.numeric import Numeric

ROUNDS = 10
"""Times every incomplete column is imputed anew before the values are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A variable of the imputation model.

    Attributes
    ----------
    codes
        Shape (n,): level, -1 where missing.
    n_levels
        How many levels are declared.
    ordered
        Whether levels are ordered; two levels are in any case.
    numeric
        Of a numeric variable; codes are positions among its values.
    """

    codes: IntArray
    n_levels: int
    ordered: bool
    numeric: Numeric | None = None

    @property
    def width(self) -> int:
        """Columns with which it enters the others' models."""
        return self.n_levels - 1 if self.numeric is None else self.numeric.columns.shape[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """The last draw of the column imputed last, to be drawn again with its odds shifted.

    Attributes
    ----------
    people
        Shape (q,): positions of people whose answer was missing.
    log_odds
        Shape (q, J − 1): log odds of a level ≤ j, infinite where nobody has a level below or
        above.
    uniform
        Shape (q,): the numbers that chose the levels.
    """

    people: IntArray
    log_odds: FloatArray
    uniform: FloatArray

    def levels(self, delta: float) -> IntArray:
        """Levels drawn where the log odds of a higher level are larger by `delta`, shape (q,)."""
        chances = expit(self.log_odds - delta)
        return np.asarray((self.uniform[:, None] > chances).sum(axis=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Imputed:
    """One completed set of columns.

    Attributes
    ----------
    codes
        Shape (n,) each, in the order of the columns; nothing is missing.
    trace
        By incomplete column, shape (rounds, J): imputed people at each level after each round, or
        in each fifth of a numeric one.
    last
        Of the first column.
    """

    codes: tuple[IntArray, ...]
    trace: dict[int, IntArray]
    last: Last


def impute(columns: Sequence[Column], rng: np.random.Generator, rounds: int = ROUNDS) -> Imputed:
    """Fill in missing levels, column by column, each given all others.

    Parameters
    ----------
    columns
        At least one; the first, the outcome, is ordered and imputed last in each round. In every
        column somebody has answered.
    rng
        Source of every draw.
    rounds
        Rounds.

    Returns
    -------
    Imputed

    Notes
    -----
    To begin with, a missing level is drawn from those answered. In a round the columns are taken
    by rising number of missing answers: the people who answered are fitted, with pseudo-people
    (`augment`), by a proportional-odds logit where levels are ordered and a multinomial logit
    where they are not; parameters are drawn from their approximate posterior, and levels given
    them. The others enter with one indicator a level, ordered or not. Numbers are taken from
    people who gave one, of much the same prediction (`nearest_donors`), and enter as they do in
    the regressions.

    References
    ----------
    van Buuren (2018), Flexible Imputation of Missing Data, 2nd ed., sections 3.6 and 4.5.
    White, Royston & Wood (2011), Statistics in Medicine 30, 377-399.
    """
    lacks = [column.codes < 0 for column in columns]
    codes = [_start(column, lack, rng) for column, lack in zip(columns, lacks, strict=True)]
    parts = [_indicators(own, column) for own, column in zip(codes, columns, strict=True)]
    order = sorted(
        (number for number, lack in enumerate(lacks) if lack.any()),
        key=lambda number: (number == 0, int(lacks[number].sum())),
    )
    trace: dict[int, list[IntArray]] = {number: [] for number in order}
    last = Last(people=np.zeros(0, np.int64), log_odds=np.zeros((0, 0)), uniform=np.zeros(0))
    for number in order * rounds:
        column, lack = columns[number], lacks[number]
        others = (part for other, part in enumerate(parts) if other != number)
        x = np.hstack([np.zeros((lack.size, 0)), *others])
        x = x[:, np.ptp(x, axis=0) > 0]
        if column.numeric is not None:
            codes[number][lack] = _numbers(x, column, lack, rng)
            parts[number] = _indicators(codes[number], column)
            trace[number].append(_fifths(column, codes[number][lack]))
            continue
        chances = _chances(x, column, lack, rng)
        uniform = rng.random(len(chances))
        drawn = (uniform[:, None] > chances).sum(axis=1)
        codes[number][lack] = drawn
        parts[number] = _indicators(codes[number], column)
        trace[number].append(np.bincount(drawn, minlength=column.n_levels))
        if number == 0:
            last = Last(people=np.flatnonzero(lack), log_odds=logit(chances), uniform=uniform)
    return Imputed(
        codes=tuple(codes),
        trace={number: np.array(counts) for number, counts in trace.items()},
        last=last,
    )


def _start(column: Column, lack: BoolArray, rng: np.random.Generator) -> IntArray:
    codes = column.codes.copy()
    if lack.any():
        codes[lack] = rng.choice(codes[~lack], int(lack.sum()))
    return codes


def _indicators(codes: IntArray, column: Column) -> FloatArray:
    if column.numeric is not None:
        return column.numeric.columns[codes]
    return np.asarray(codes[:, None] == np.arange(1, column.n_levels), dtype=np.float64)


def _numbers(x: FloatArray, column: Column, lack: BoolArray, rng: np.random.Generator) -> IntArray:
    """Numbers of donors for those who lack one, as codes, shape (q,)."""
    assert column.numeric is not None
    answered = column.codes[~lack]
    chosen = nearest_donors(x[~lack], column.numeric.values[answered], x[lack], rng)
    return np.asarray(answered[chosen])


def _fifths(column: Column, drawn: IntArray) -> IntArray:
    """How many drawn numbers lie in each fifth of those answered."""
    edges = np.quantile(column.codes[column.codes >= 0], (0.2, 0.4, 0.6, 0.8))
    return np.bincount(np.searchsorted(edges, drawn), minlength=5)


def _chances(
    x: FloatArray, column: Column, lack: BoolArray, rng: np.random.Generator
) -> FloatArray:
    """P(level ≤ j) of those who lack an answer, from a drawn model, shape (q, J − 1)."""
    answered = np.flatnonzero(~lack)
    present, level = np.unique(column.codes[answered], return_inverse=True)
    # A level that nobody has shares its upper limit with the next one below that somebody has.
    below = np.searchsorted(present, np.arange(column.n_levels - 1), side="right")
    edges = np.ones((int(lack.sum()), present.size + 1))
    edges[:, 0] = 0.0
    if present.size > 1:
        data = augment(x, answered, level, present.size)
        if column.ordered or present.size == 2:
            params = draw_cumulative(fit_cumulative(data), present.size - 1, rng)
            edges[:, 1:-1] = cumulative_chances(params, x[lack])
        else:
            params = draw_multinomial(fit_multinomial(data), rng)
            edges[:, 1:-1] = multinomial_chances(params, x[lack])
    return edges[:, below]
