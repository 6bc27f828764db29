"""Imputation by chained equations, and completed surveys of one model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit

from coopgap.checks.missing.models import (
    augment,
    cumulative_chances,
    draw_cumulative,
    draw_multinomial,
    fit_cumulative,
    fit_multinomial,
    multinomial_chances,
    nearest_donors,
)
from coopgap.checks.registry import derived_seed
from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.study.spec import ModelSpec, Study
from coopgap.survey.numeric import Numeric
from coopgap.survey.records import Survey

ROUNDS = 10
"""Times every incomplete column is imputed anew before the values are taken."""

_PEOPLE_A_COLUMN = 10
"""Answers needed for each indicator of an imputation model that is a group's own."""

_QUINTILES = (0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A variable of the imputation model; its codes, shape (n,), are -1 where missing.

    Two levels are ordered in any case. Codes of a numeric one are positions among its values.
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

    Of q `people` whose answer was missing: `log_odds` of a level ≤ j, shape (q, J − 1), infinite
    where nobody has a level below or above, and the `uniform` numbers that chose the levels.
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

    `trace`, shape (rounds, J) by incomplete column, counts imputed people at each level after each
    round, or in each fifth of a numeric one; `last` is of the first column.
    """

    codes: tuple[IntArray, ...]
    trace: dict[int, IntArray]
    last: Last


def impute(columns: Sequence[Column], rng: np.random.Generator, rounds: int = ROUNDS) -> Imputed:
    """Fill in missing levels, column by column, each given all others.

    The first column, the outcome, is ordered and imputed last in each round. In every column
    somebody has answered.

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
    codes = [column.codes.copy() for column in columns]
    for own, lack in zip(codes, lacks, strict=True):
        if lack.any():
            own[lack] = rng.choice(own[~lack], int(lack.sum()))
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
        if column.numeric is None:
            chances = _chances(x, column, lack, rng)
            uniform = rng.random(len(chances))
            drawn = (uniform[:, None] > chances).sum(axis=1)
            counted = np.bincount(drawn, minlength=column.n_levels)
            if number == 0:
                last = Last(people=np.flatnonzero(lack), log_odds=logit(chances), uniform=uniform)
        else:
            answered = column.codes[~lack]
            donors = nearest_donors(x[~lack], column.numeric.values[answered], x[lack], rng)
            drawn = answered[donors]
            fifths = np.searchsorted(np.quantile(answered, _QUINTILES), drawn)
            counted = np.bincount(fifths, minlength=5)
        codes[number][lack] = drawn
        parts[number] = _indicators(codes[number], column)
        trace[number].append(counted)
    return Imputed(
        codes=tuple(codes),
        trace={number: np.array(counts) for number, counts in trace.items()},
        last=last,
    )


def _indicators(codes: IntArray, column: Column) -> FloatArray:
    if column.numeric is not None:
        return column.numeric.columns[codes]
    return np.asarray(codes[:, None] == np.arange(1, column.n_levels), dtype=np.float64)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A survey without missing answers.

    `trace`, shape (rounds, q), are shares of the imputed people at each level of each incomplete
    variable; `lasts` are the last draws of the outcome, with positions in the survey.
    """

    survey: Survey
    trace: FloatArray
    lasts: tuple[Last, ...]

    def outcome(self, name: str, delta: float, member: bool) -> IntArray:
        """The outcome, `delta` added to one group's imputed log odds; the same random numbers."""
        codes = self.survey.codes[name].copy()
        for last in self.lasts:
            mine = self.survey.member[last.people] == member
            codes[last.people[mine]] = last.levels(delta)[mine]
        return codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Imputation:
    """How one model's missing answers are imputed.

    `names` are the variables of the imputation model, outcome first; `columns` theirs over the
    in-person `people`, positions in the survey, and further complete ones; `groups` masks over
    `people`: members and comparison people where each has an imputation model of its own, else
    everybody.
    """

    survey: Survey
    names: tuple[str, ...]
    columns: tuple[Column, ...]
    people: IntArray
    groups: tuple[BoolArray, ...]

    @property
    def separate(self) -> bool:
        """Whether each group has a model of its own."""
        return len(self.groups) > 1

    def completed(self, model: str, seed: int, m: int) -> Iterator[Completed]:
        """Complete the survey `m` times; each time has random numbers of its own."""
        for number in range(m):
            own = derived_seed(f"{seed} {model} imputation {number}", 8)
            yield self._complete(np.random.default_rng(own))

    def _complete(self, rng: np.random.Generator) -> Completed:
        codes = {name: self.survey.codes[name].copy() for name in self.names}
        traces: dict[int, IntArray] = {}
        lasts = []
        for group in self.groups:
            own = [replace(column, codes=column.codes[group]) for column in self.columns]
            imputed = impute(own, rng)
            where = self.people[group]
            for name, values in zip(self.names, imputed.codes, strict=False):
                codes[name][where] = values
            lasts.append(replace(imputed.last, people=where[imputed.last.people]))
            for number, counts in imputed.trace.items():
                traces[number] = traces[number] + counts if number in traces else counts
        shares = [counts / counts.sum(axis=1, keepdims=True) for counts in traces.values()]
        return Completed(
            survey=replace(self.survey, codes={**self.survey.codes, **codes}),
            trace=np.hstack([np.zeros((ROUNDS, 0)), *shares]),
            lasts=tuple(lasts),
        )


def imputation(survey: Survey, study: Study, spec: ModelSpec) -> Imputation:
    """Which columns one model's missing answers are imputed from, and within whom.

    Raises `NotEstimable` if nobody of a group answered some variable.

    Notes
    -----
    The columns are the model's variables, the region and fifths of the sampling weight; zones do
    not enter. Members and comparison people are imputed apart, so that any association of
    membership with an answer may differ by the other columns, where each group has at least ten
    answers to every incomplete variable for each indicator of the others; else together, with
    membership as a column. Covariates do not interact in the imputation models. Weights do not
    enter their likelihoods.
    """
    region = () if study.design.region is None else (study.design.region,)
    names = tuple(dict.fromkeys((*spec.variables, *region)))
    people = np.flatnonzero(~survey.phone)
    member = survey.member[people]
    columns = [
        Column(
            codes=survey.codes[name][people],
            n_levels=len(survey.variables[name].levels),
            ordered=survey.variables[name].type != "nominal" or name == spec.outcome,
            numeric=survey.numeric.get(name),
        )
        for name in names
    ]
    for side, whom in ((member, "member"), (~member, "comparison person")):
        for name, column in zip(names, columns, strict=True):
            if not (column.codes[side] >= 0).any():
                raise NotEstimable(f"no {whom} has an answer to {name}")
    if survey.weight is not None and np.ptp(survey.weight[people]) > 0:
        weight = survey.weight[people]
        fifth = np.searchsorted(np.quantile(weight, _QUINTILES), weight)
        columns.append(Column(codes=fifth, n_levels=5, ordered=True))
    groups: tuple[BoolArray, ...] = (member, ~member)
    if not all(_carries(columns, group) for group in groups):
        columns.append(Column(codes=member.astype(np.int64), n_levels=2, ordered=True))
        groups = (np.ones(people.size, dtype=bool),)
    return Imputation(
        survey=survey, names=names, columns=tuple(columns), people=people, groups=groups
    )


def _carries(columns: list[Column], group: BoolArray) -> bool:
    """Whether a group is large enough for imputation models of its own."""
    indicators = [column.width for column in columns]
    for column, own in zip(columns, indicators, strict=True):
        answered = int((column.codes[group] >= 0).sum())
        if answered < group.sum() and answered < _PEOPLE_A_COLUMN * (sum(indicators) - own):
            return False
    return True
