"""Completed surveys of one model: everybody in person has an answer to everything it needs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.sensitivity.missing.chained import ROUNDS, Column, Imputed, Last, impute
from coopgap.study.spec import ModelSpec, Study
from coopgap.survey.records import Survey

_PEOPLE_A_COLUMN = 10
"""Answers needed for each indicator of an imputation model that is a group's own."""

_QUINTILES = (0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A survey without missing answers.

    Attributes
    ----------
    survey
        The survey with imputed codes.
    trace
        Shape (rounds, q): share of the imputed people at each level of each incomplete variable.
    lasts
        Last draws of the outcome with positions in the survey; `member` says whose.
    """

    survey: Survey
    trace: FloatArray
    lasts: tuple[Last, ...]

    def outcome(self, name: str, delta: float, member: bool) -> IntArray:
        """The outcome's codes with one group's imputed answers shifted on the log odds.

        Parameters
        ----------
        name
            The outcome.
        delta
            Added to the log odds of a higher level.
        member
            Whose missing answers are shifted.

        Notes
        -----
        The same random numbers choose the levels whatever `delta` is, so that the gap moves
        evenly; covariates stay as imputed.
        """
        codes = self.survey.codes[name].copy()
        for last in self.lasts:
            mine = self.survey.member[last.people] == member
            codes[last.people[mine]] = last.levels(delta)[mine]
        return codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Imputation:
    """How one model's missing answers are imputed.

    Attributes
    ----------
    names
        Variables of the imputation model, outcome first.
    columns
        Their columns over `people`; further complete columns follow.
    people
        Positions of the in-person people in the survey.
    groups
        Masks over `people`: members and comparison people where each has an imputation model of
        its own, else everybody.
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
            digest = hashlib.sha256(f"{seed} {model} imputation {number}".encode()).digest()
            yield self._complete(np.random.default_rng(int.from_bytes(digest[:8])))

    def _complete(self, rng: np.random.Generator) -> Completed:
        codes = {name: self.survey.codes[name].copy() for name in self.names}
        traces: dict[int, IntArray] = {}
        lasts = []
        for group in self.groups:
            found = impute([_take(column, group) for column in self.columns], rng)
            where = self.people[group]
            for name, own in zip(self.names, found.codes, strict=False):
                codes[name][where] = own
            lasts.append(replace(found.last, people=where[found.last.people]))
            _add(traces, found)
        shares = [counts / counts.sum(axis=1, keepdims=True) for counts in traces.values()]
        return Completed(
            survey=replace(self.survey, codes={**self.survey.codes, **codes}),
            trace=np.hstack([np.zeros((ROUNDS, 0)), *shares]),
            lasts=tuple(lasts),
        )


def imputation(survey: Survey, study: Study, spec: ModelSpec) -> Imputation:
    """Which columns one model's missing answers are imputed from, and within whom.

    Parameters
    ----------
    survey, study, spec
        What the model is asked of.

    Raises
    ------
    NotEstimable
        If nobody of a group answered some variable.

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
    columns = [_column(survey, name, people, spec.outcome) for name in names]
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


def _column(survey: Survey, name: str, people: IntArray, outcome: str) -> Column:
    variable = survey.variables[name]
    return Column(
        codes=survey.codes[name][people],
        n_levels=len(variable.levels),
        ordered=variable.type != "nominal" or name == outcome,
        numeric=survey.numeric.get(name),
    )


def _take(column: Column, group: BoolArray) -> Column:
    return replace(column, codes=column.codes[group])


def _carries(columns: list[Column], group: BoolArray) -> bool:
    """Whether a group is large enough for imputation models of its own."""
    indicators = [column.width for column in columns]
    for column, own in zip(columns, indicators, strict=True):
        answered = int((column.codes[group] >= 0).sum())
        if answered < group.sum() and answered < _PEOPLE_A_COLUMN * (sum(indicators) - own):
            return False
    return True


def _add(traces: dict[int, IntArray], found: Imputed) -> None:
    for number, counts in found.trace.items():
        traces[number] = traces[number] + counts if number in traces else counts
