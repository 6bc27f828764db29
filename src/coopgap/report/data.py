"""The five tables of a run as records, question by question, with the study's labels at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

from coopgap.core.estimate import (
    TABLES,
    BalanceRow,
    CoefficientRow,
    DiagnosticRow,
    GapRow,
    Rows,
    SensitivityRow,
)
from coopgap.core.gap import Contrast
from coopgap.core.vocabulary import EXAMPLE, PRINTED, Family, IntervalKind, Quantity
from coopgap.families.headline import declared_at, headline_contrast, is_headline
from coopgap.report.printed import Published
from coopgap.report.words import capital, category_words, clean, readable
from coopgap.study.spec import ModelSpec, Study

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a report is written from: a run's tables, what run.json says, and the study."""

    study: Study
    meta: Mapping[str, Any]
    survey: Rows
    printed: Rows

    @cached_property
    def is_example(self) -> bool:
        """Whether the survey is an example: the run says so, or any row does."""
        rows: Sequence[Any] = (*self.survey.gaps, *self.survey.sensitivity, *self.survey.balance)
        return bool(self.meta.get("is_example")) or any(row.source == EXAMPLE for row in rows)

    @property
    def mark(self) -> str:
        """What every figure and table from the survey is marked with."""
        return EXAMPLE if self.is_example else ""

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """Models that have gaps: those of the declared questions first, in their order."""
        declared = [one.model for models in self.study.headline.values() for one in models]
        outcomes = {row.model: row.outcome for row in self.survey.gaps}
        order = [name for name in declared if name in outcomes]
        return tuple(
            Answer(results=self, model=name, outcome=outcomes[name], is_declared=name in declared)
            for name in dict.fromkeys((*order, *outcomes))
        )

    @cached_property
    def questions(self) -> tuple[tuple[Answer, ...], ...]:
        """The answers of each question: its headline first, then those that answer otherwise.

        Declared questions stand first; a model that answers none stands for its own.
        """
        by_model = {answer.model: answer for answer in self.answers}
        found: list[tuple[Answer, ...]] = []
        for models in self.study.headline.values():
            told = [by_model.pop(one.model) for one in models if one.model in by_model]
            if told:
                found.append(tuple(told))
        return (*found, *((answer,) for answer in by_model.values()))

    @cached_property
    def headlines(self) -> tuple[Answer, ...]:
        """What the first screen shows: each question's first model; every model without any."""
        return tuple(first for first, *_ in self.questions if first.is_declared) or self.answers

    def label(self, name: str) -> str:
        """A variable where a cell or a sentence begins; an interaction by those of `A:B`."""
        if name in self.study.variables:
            return capital(self.label_inside(name))
        return " × ".join(map(self.label, name.split(":"))) if ":" in name else readable(name)

    def label_inside(self, name: str) -> str:
        """A variable within a sentence: as the study labels it."""
        variable = self.study.variables.get(name)
        return clean(variable.label) if variable is not None and variable.label else readable(name)

    def group(self, name: str) -> str:
        """A group of people as the study labels it."""
        variable, mark, level = name.partition("=")
        if not mark:
            return "all" if name in ("", "all") else readable(name)
        is_place = variable in ("region", *self.study.design.places.values())
        return clean(level) if is_place else f"{self.label(variable)}: {clean(level)}"

    def levels(self, outcome: str) -> tuple[str, ...]:
        """Levels of an outcome, lowest first; none if the study does not declare it."""
        variable = self.study.variables.get(outcome)
        return () if variable is None else variable.levels

    @property
    def members(self) -> str:
        """What the study calls its members."""
        return clean(self.study.group.member_label)

    @property
    def others(self) -> str:
        """What the study calls those they are compared with."""
        return clean(self.study.group.comparison_label)

    @cached_property
    def published(self) -> Published:
        """The published numbers that the study names."""
        return Published(self.printed, self.study, self.meta, self.label, self.group, self.others)

    @property
    def has_phone(self) -> bool:
        """Whether people of the survey were interviewed by telephone."""
        return bool(self.meta.get("n_phone"))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One model: its rows of every table, and what it puts first."""

    results: Results
    model: str
    outcome: str
    is_declared: bool

    @property
    def label(self) -> str:
        """The outcome as the study labels it."""
        return self.results.label(self.outcome)

    @property
    def title(self) -> str:
        """The outcome with the threshold put first, and whether it is a negative control."""
        category = self.first.category
        at = f": {category_words(category, self.levels)}" if category else ""
        return f"{self.label}{at}{' (negative control)' if self.is_control else ''}"

    @property
    def anchor(self) -> str:
        """Name that a link inside the page has."""
        return "outcome-" + "".join(c if c.isalnum() else "-" for c in self.model)

    @cached_property
    def spec(self) -> ModelSpec | None:
        """The model file."""
        models = self.results.study.models
        return next((spec for spec in models if spec.name == self.model), None)

    @property
    def is_matched(self) -> bool:
        """Whether the model declares a matching."""
        return self.spec is None or self.spec.matching.is_declared

    @property
    def is_pooled(self) -> bool:
        """Whether it has a hierarchical model by region."""
        return any(row.family == Family.HIERARCHICAL for row in self.gaps)

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels of the outcome, lowest first."""
        return self.results.levels(self.outcome)

    @property
    def is_ordinal(self) -> bool:
        """Whether the outcome has more than two levels."""
        return len(self.levels) > 2

    @property
    def is_control(self) -> bool:
        """Whether no reason is evident for members to differ in this outcome."""
        variable = self.results.study.variables.get(self.outcome)
        return variable is not None and variable.role_for(self.outcome) == "negative_control"

    @cached_property
    def thresholds(self) -> tuple[str, ...]:
        """Categories of the threshold gaps, highest first; one empty one of two levels."""
        return tuple(f">={level}" for level in self.levels[:0:-1]) if self.is_ordinal else ("",)

    @cached_property
    def first(self) -> Contrast:
        """The contrast that is put first."""
        return headline_contrast(self.levels, declared_at(self.results.study, self.model))

    def _mine[Row: (GapRow, SensitivityRow, DiagnosticRow, CoefficientRow, BalanceRow)](
        self, rows: Iterable[Row]
    ) -> tuple[Row, ...]:
        return tuple(row for row in rows if row.model == self.model)

    @cached_property
    def gaps(self) -> tuple[GapRow, ...]:
        """Rows of gaps.csv with pointwise intervals."""
        mine = self._mine(self.results.survey.gaps)
        return tuple(row for row in mine if row.interval_kind != IntervalKind.JOINT)

    @cached_property
    def joint(self) -> tuple[GapRow, ...]:
        """Threshold gaps with limits that hold at all thresholds together."""
        mine = self._mine(self.results.survey.gaps)
        return tuple(row for row in mine if row.interval_kind == IntervalKind.JOINT)

    @cached_property
    def headlines(self) -> tuple[GapRow, ...]:
        """Rows of the headline's family over everybody."""
        return tuple(row for row in self.gaps if self.is_headline(row) and row.group == "all")

    def is_headline(self, row: GapRow) -> bool:
        """Whether a row is of the model's headline, in whatever group."""
        return self.spec is not None and is_headline(self.spec, row)

    def is_first(self, row: GapRow | SensitivityRow) -> bool:
        """Whether a row is of the contrast that is put first."""
        return (row.quantity, row.category) == (self.first.quantity, self.first.category)

    @cached_property
    def headline(self) -> GapRow | None:
        """The row that is put first."""
        return next((row for row in self.headlines if self.is_first(row)), None)

    def pick(self, quantity: str, category: str = "") -> GapRow | None:
        """The headline family's row of a quantity at a category, over everybody."""
        found = (row for row in self.headlines if row.comparator != "")
        return next((r for r in found if (r.quantity, r.category) == (quantity, category)), None)

    def share(self, comparator: str, category: str | None = None) -> float | None:
        """Standardised share at a threshold, of members (comparator empty) or of the others."""
        category = self.first.category if category is None else category
        levels = self.levels
        start = levels.index(category.removeprefix(">=")) if category else 1
        wanted = levels[start:] if category or len(levels) == 2 else ()
        found = {
            row.category: row.estimate
            for row in self.headlines
            if row.quantity == Quantity.SHARE and row.comparator == comparator
        }
        values = [found.get(level) for level in wanted]
        known = [value for value in values if value is not None]
        return min(1.0, sum(known)) if known and len(known) == len(values) else None

    def check(self, *names: str) -> tuple[SensitivityRow, ...]:
        """Rows of sensitivity.csv of some checks."""
        return tuple(row for row in self.sensitivity if row.check in names)

    @cached_property
    def sensitivity(self) -> tuple[SensitivityRow, ...]:
        """Rows of sensitivity.csv."""
        return self._mine(self.results.survey.sensitivity)

    @cached_property
    def diagnostics(self) -> tuple[DiagnosticRow, ...]:
        """Rows of diagnostics.csv."""
        return self._mine(self.results.survey.diagnostics)

    @cached_property
    def coefficients(self) -> tuple[CoefficientRow, ...]:
        """Rows of coefficients.csv."""
        return self._mine(self.results.survey.coefficients)

    @cached_property
    def balance(self) -> tuple[BalanceRow, ...]:
        """Rows of balance.csv of everybody."""
        return tuple(row for row in self._mine(self.results.survey.balance) if row.group == "all")

    def diagnostic(self, name: str) -> float | None:
        """Value of a diagnostic that the model has once."""
        return next((row.value for row in self.diagnostics if row.diagnostic == name), None)


def make_results(
    frames: Mapping[str, pd.DataFrame], study: Study, meta: Mapping[str, Any]
) -> Results:
    """Read tables of `coopgap.core.estimate` into records; `meta` is what run.json holds."""
    return results_of({name: _records(name, frames[name]) for name in TABLES}, study, meta)


def results_of(
    tables: Mapping[str, Sequence[Any]], study: Study, meta: Mapping[str, Any]
) -> Results:
    """Records of every table, those of printed numbers apart."""
    survey, printed = (
        Rows(
            **{
                name: tuple(row for row in rows if (row.source == PRINTED) is is_printed)
                for name, rows in tables.items()
            }
        )
        for is_printed in (False, True)
    )
    return Results(study=study, meta=meta, survey=survey, printed=printed)


def _records(name: str, frame: pd.DataFrame) -> list[Any]:
    """Rows of a table as its records; missing numbers are None."""
    cls = TABLES[name]
    names = [item.name for item in fields(cls)]
    plain = frame[names].astype(object)
    plain = plain.where(frame[names].notna(), None)
    return [
        cls(**dict(zip(names, values, strict=True)))
        for values in plain.itertuples(index=False, name=None)
    ]


def by(rows: Iterable[Any], name: str) -> dict[Any, list[Any]]:
    """Rows by the value of a field, in the order of first appearance."""
    found: dict[Any, list[Any]] = {}
    for row in rows:
        found.setdefault(getattr(row, name), []).append(row)
    return found
