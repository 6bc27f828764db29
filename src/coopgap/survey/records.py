"""Validated answers of a survey's people, and the complete rows of each model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray, UintArray
from coopgap.study.spec import ModelSpec, ReplicateType, Study, Variable
from coopgap.survey.drawn import Drawn
from coopgap.survey.numeric import Numeric
from coopgap.survey.raw import ExtendedMissing

ModeName = Literal["in person", "phone", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """People left out, and why: without an answer to a `variable`, where it is that."""

    reason: str
    count: int
    variable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A number taken as it stands that may be a code for no answer."""

    column: str
    code: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicates:
    """Replicate weights of n people, each with the sampling weight in it, zero or more.

    Attributes
    ----------
    type
        BRR, JK1, JKn or bootstrap.
    weights, whole
        Shape (n, R), and shape (n,): the sampling weights of the whole sample.
    scale, rscales
        Factor of all squares of deviations, and shape (R,) of each replicate's.
    leaves_out
        Whether each leaves people out and weighs the others alike: then they do for estimates of
        people without weights too.
    """

    type: ReplicateType
    weights: FloatArray
    whole: FloatArray
    scale: float
    rscales: FloatArray
    leaves_out: bool = False

    def take(self, keep: IntArray) -> Replicates:
        """The people at these positions."""
        return replace(self, weights=self.weights[keep], whole=self.whole[keep])

    @property
    def n(self) -> int:
        """How many there are."""
        return int(self.weights.shape[1])

    @property
    def df(self) -> float:
        """Degrees of freedom of a variance."""
        return float(self.n - 1)

    @property
    def name(self) -> str:
        """How many, and of what type."""
        return f"{self.n} replicate weights ({self.type})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Validated answers of n people, as integer codes into declared levels.

    Attributes
    ----------
    member, phone
        Shape (n,). True for members; True for interviews by phone.
    codes
        By variable, shape (n,): index into the variable's `levels`, or of a numeric one into its
        values, -1 where missing.
    zone, weight
        Shape (n,): cluster index from 0, and positive weights; None where none is declared.
    replicates
        Replicate weights, or None.
    stratum, drawn
        Shape (n,): index of the sampling stratum; and what was drawn. None where no sampling
        design is declared.
    person
        Shape (n,): a number for each declared identifier, or None. Unique, save where a phone row
        repeats the identifier of an in-person row.
    tie
        Shape (n,): from `coopgap.survey.ties`, decides between people alike in all a method sees.
    n_read
        Rows in the file, without those of labels.
    doubts
        Numbers, weights and zones that may stand for no answer.
    department_region
        Shape (L,): of each department its region, an index into the region's levels; None where
        no departments are declared.
    """

    source: str
    sha256: str
    is_example: bool
    member: BoolArray
    phone: BoolArray
    codes: Mapping[str, IntArray]
    variables: Mapping[str, Variable]
    zone: IntArray | None
    zone_labels: tuple[str, ...]
    weight: FloatArray | None
    person: IntArray | None
    tie: UintArray
    n_read: int
    encoding: str
    dropped: tuple[Drop, ...]
    sheet: str = ""
    label_rows: int = 0
    extended: tuple[ExtendedMissing, ...] = ()
    numeric: Mapping[str, Numeric] = field(default_factory=dict)
    doubts: tuple[Doubt, ...] = ()
    department_region: IntArray | None = None
    replicates: Replicates | None = None
    stratum: IntArray | None = None
    drawn: Drawn | None = None

    @property
    def n(self) -> int:
        """People kept."""
        return int(self.member.size)

    def by_record(self) -> Survey:
        """The people in the order of `tie`: no sum or draw over them depends on the file's rows."""
        order = np.argsort(self.tie, kind="stable")
        person = self.person
        if person is not None:
            # Numbered by their first row; of assignments to one place the last one stays.
            person, places = person[order], np.arange(self.n)
            first = np.zeros(person.max(initial=-1) + 1, dtype=np.int64)
            first[person[::-1]] = places[::-1]
            first = first[person]
            person = (np.cumsum(first == places) - 1)[first]
        return replace(
            self,
            member=self.member[order],
            phone=self.phone[order],
            codes={name: codes[order] for name, codes in self.codes.items()},
            zone=None if self.zone is None else self.zone[order],
            stratum=None if self.stratum is None else self.stratum[order],
            weight=None if self.weight is None else self.weight[order],
            replicates=None if self.replicates is None else self.replicates.take(order),
            person=person,
            tie=self.tie[order],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRows:
    """The complete rows of one model: n people with an answer to everything it needs.

    Attributes
    ----------
    index, outcome
        Shape (n,): position in the survey; index into the outcome's levels, lowest first.
    factors, factor_levels
        By variable (covariates, exact strata, region, department and declared groups), shape
        (n,): level index, or of numeric ones position among the values; and its levels. Declared
        groups and places may hold -1; covariates and strata never do.
    zone, weight
        Shape (n,): cluster index, or None; sampling weights, ones where none is declared.
    replicates
        Replicate weights of the whole survey, at `index`, or None.
    replicate
        Whose weights `weight` are, from 0; None for those of the whole sample.
    stratum, drawn
        Shape (n,): as of the survey; what was drawn stays, whoever is taken.
    tie
        Shape (n,): as of the survey; None for rows that are not people of a survey.
    dropped
        People left out for a missing answer, by the first variable that lacked one.
    """

    index: IntArray
    outcome: IntArray
    levels: tuple[str, ...]
    member: BoolArray
    factors: Mapping[str, IntArray]
    factor_levels: Mapping[str, tuple[str, ...]]
    zone: IntArray | None
    weight: FloatArray
    tie: UintArray | None = None
    dropped: tuple[Drop, ...]
    numeric: Mapping[str, Numeric] = field(default_factory=dict)
    replicates: Replicates | None = None
    replicate: int | None = None
    stratum: IntArray | None = None
    drawn: Drawn | None = None

    @property
    def n(self) -> int:
        """People in the model."""
        return int(self.member.size)

    def in_replicate(self, number: int) -> ModelRows:
        """The people who have weight in a replicate, with that weight."""
        assert self.replicates is not None
        kept = self.take(self.has_weight(number))
        return replace(kept, weight=self.replicates.weights[kept.index, number], replicate=number)

    def has_weight(self, number: int) -> BoolArray:
        """Who has weight in a replicate, shape (n,)."""
        assert self.replicates is not None
        return np.asarray(self.replicates.weights[self.index, number] > 0)

    @property
    def n_smaller(self) -> int:
        """People of the smaller group."""
        return int(min(self.member.sum(), self.n - self.member.sum()))

    def people_by_level(self, keep: BoolArray | None = None) -> IntArray:
        """Unweighted people by group and outcome level, shape (2, J), comparison group first."""
        n_levels = len(self.levels)
        slot = self.member.astype(np.int64) * n_levels + self.outcome
        counts = np.bincount(slot if keep is None else slot[keep], minlength=2 * n_levels)
        return counts.reshape(2, n_levels).astype(np.int64)

    def split(self, level: str) -> ModelRows:
        """The same people with two answers: below a level, and that level or higher."""
        above = self.outcome >= self.levels.index(level)
        levels = (f"below {level}", f">={level}")
        return replace(self, outcome=above.astype(np.int64), levels=levels)

    def take(self, keep: BoolArray | IntArray) -> ModelRows:
        """Rows where `keep`, shape (n,), is true, or at those positions; `dropped` stays."""
        return replace(
            self,
            index=self.index[keep],
            outcome=self.outcome[keep],
            member=self.member[keep],
            factors={name: codes[keep] for name, codes in self.factors.items()},
            zone=None if self.zone is None else self.zone[keep],
            stratum=None if self.stratum is None else self.stratum[keep],
            weight=self.weight[keep],
            tie=None if self.tie is None else self.tie[keep],
        )


def complete_rows(
    survey: Survey, study: Study, spec: ModelSpec, mode: ModeName = "in person"
) -> ModelRows:
    """Rows with an answer to all a model needs; groups and region by themselves drop nobody."""
    keep = survey.phone == (mode == "phone") if mode != "both" else np.ones(survey.n, dtype=bool)
    dropped = []
    for name in spec.variables:
        lacking = keep & (survey.codes[name] < 0)
        if lacking.any():
            why = f"{name} missing"
            dropped.append(Drop(reason=why, count=int(lacking.sum()), variable=name))
            keep &= ~lacking
    index = np.flatnonzero(keep)
    factors = _factors(survey, study, spec)
    return ModelRows(
        index=index,
        outcome=survey.codes[spec.outcome][index],
        levels=survey.variables[spec.outcome].levels,
        member=survey.member[index],
        factors={name: survey.codes[name][index] for name in factors},
        factor_levels={name: survey.variables[name].levels for name in factors},
        zone=None if survey.zone is None else survey.zone[index],
        stratum=None if survey.stratum is None else survey.stratum[index],
        drawn=survey.drawn,
        weight=np.ones(index.size) if survey.weight is None else survey.weight[index],
        replicates=survey.replicates,
        tie=survey.tie[index],
        dropped=tuple(dropped),
        numeric=survey.numeric,
    )


def _factors(survey: Survey, study: Study, spec: ModelSpec) -> tuple[str, ...]:
    """Covariates, strata, places and declared groups, once each; never the outcome itself."""
    groups = tuple(name for name, variable in survey.variables.items() if variable.groups)
    names = dict.fromkeys((*spec.variables, *study.design.places, *groups))
    return tuple(name for name in names if name != spec.outcome)


def people_meta(survey: Survey) -> dict[str, Any]:
    """Whom the survey holds, and whom it left out."""
    member, phone = survey.member, survey.phone
    return {
        "n_read": survey.n_read,
        "label_rows": survey.label_rows,
        "n_member": int((member & ~phone).sum()),
        "n_comparison": int((~member & ~phone).sum()),
        "n_phone": int(phone.sum()),
        "n_phone_member": int((member & phone).sum()),
        "dropped": dropped_meta(survey.dropped),
        "extended_missing": [asdict(one) for one in survey.extended],
        "doubts": [asdict(doubt) for doubt in survey.doubts],
    }


def dropped_meta(drops: Iterable[Drop]) -> list[dict[str, Any]]:
    """Whom a step left out, and why."""
    return [
        {"reason": one.reason, "count": one.count}
        | ({"variable": one.variable} if one.variable else {})
        for one in drops
    ]


def label_row_words(n_rows: int) -> str:
    """What is said of rows of labels."""
    if n_rows == 1:
        return "1 row under the header holds labels of the columns and is not counted"
    return f"{n_rows} rows under the header hold labels of the columns and are not counted"
