"""The five tables as records, with the study's labels at hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

from coopgap.estimate import (
    TABLES,
    BalanceRow,
    CoefficientRow,
    DiagnosticRow,
    GapRow,
    SensitivityRow,
)
from coopgap.gap import Contrast
from coopgap.headline import declared_at, headline_contrast, headline_models, is_headline
from coopgap.report.words import FAMILIES, NOT_MATCHED, clean, group_words, joined, readable
from coopgap.study.spec import ModelSpec, Study
from coopgap.vocabulary import EXAMPLE, PRINTED, Check, IntervalKind, Quantity

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["View", "headline_rows", "is_first", "make_view", "pick"]


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


@dataclass(frozen=True, kw_only=True)
class View:
    """What a report is written from.

    Attributes
    ----------
    gaps
        Rows of the survey, interval by interval; the printed ones stand apart, and differences
        of two groups' gaps are in gaps.csv alone.
    joint
        Threshold gaps with the limits that hold at all thresholds together.
    printed, printed_coefficients, printed_sensitivity, printed_diagnostics
        Rows re-analysed from a printed report.
    printed_covariates
        Items of it that say what its sample is made of.
    """

    study: Study
    meta: Mapping[str, Any]
    gaps: tuple[GapRow, ...]
    joint: tuple[GapRow, ...]
    printed: tuple[GapRow, ...]
    coefficients: tuple[CoefficientRow, ...]
    balance: tuple[BalanceRow, ...]
    sensitivity: tuple[SensitivityRow, ...]
    diagnostics: tuple[DiagnosticRow, ...]
    printed_coefficients: tuple[CoefficientRow, ...]
    printed_covariates: frozenset[str]
    printed_sensitivity: tuple[SensitivityRow, ...]
    printed_diagnostics: tuple[DiagnosticRow, ...]

    @cached_property
    def is_example(self) -> bool:
        """Whether the survey is an example: the run says so, or any row does."""
        rows: Sequence[Any] = (*self.gaps, *self.sensitivity, *self.balance, *self.diagnostics)
        return bool(self.meta.get("is_example")) or any(row.source == EXAMPLE for row in rows)

    @property
    def mark(self) -> str:
        """What every table and figure from the survey is marked with."""
        return EXAMPLE if self.is_example else ""

    @cached_property
    def headlines(self) -> tuple[tuple[str, str], ...]:
        """Outcome and model of every declared answer, question by question."""
        return headline_models(self.study)

    def first(self, row: GapRow | SensitivityRow) -> Contrast:
        """What a row's model puts first."""
        return headline_contrast(self.levels(row.outcome), declared_at(self.study, row.model))

    @cached_property
    def by_model(self) -> dict[tuple[str, str], list[GapRow]]:
        """Survey rows by (model, outcome), headline models first."""
        found: dict[tuple[str, str], list[GapRow]] = defaultdict(list)
        for row in self.gaps:
            found[(row.model, row.outcome)].append(row)
        declared = [(model, outcome) for outcome, model in self.headlines]
        order = [key for key in declared if key in found]
        return {key: found[key] for key in dict.fromkeys((*order, *found))}

    def spec(self, model: str) -> ModelSpec | None:
        """The model file a row comes from."""
        return next((spec for spec in self.study.models if spec.name == model), None)

    def levels(self, outcome: str) -> tuple[str, ...]:
        """Levels of an outcome, lowest first; none if the study does not declare it."""
        variable = self.study.variables.get(outcome)
        return () if variable is None else variable.levels

    def label(self, name: str) -> str:
        """A variable in words; an interaction `A:B` by those of its variables."""
        variable = self.study.variables.get(name)
        if variable is None and ":" in name:
            return " × ".join(self.label(part) for part in name.split(":"))
        return clean(variable.label) if variable is not None and variable.label else readable(name)

    def labels(self, names: Sequence[str]) -> list[str]:
        """Variables in words, for the middle of a sentence."""
        found = [self.label(name) for name in names]
        return [word[:1].lower() + word[1:] if word[1:2].islower() else word for word in found]

    def group(self, name: str) -> str:
        """A group in words, its variable by its label."""
        variable, mark, level = name.partition("=")
        if not mark or variable == "region":
            return group_words(name)
        return f"{self.label(variable)}: {clean(level)}"

    def choices(self, row: SensitivityRow) -> Mapping[str, str]:
        """By axis, what a specification of the multiverse chooses."""
        return next(
            (
                one["choices"]
                for one in self.specifications(row.model)
                if one["variant"] == row.variant
            ),
            {},
        )

    def specifications(self, model: str) -> Sequence[Mapping[str, Any]]:
        """Specifications of a model's multiverse, as run.json has them."""
        listed: Sequence[Mapping[str, Any]] = self.meta.get("multiverse", {}).get(model, ())
        return listed

    def in_order(self, models: Iterable[str]) -> list[str]:
        """Models once each, headline models first, in the order declared."""
        found = list(dict.fromkeys(models))
        declared = [name for _, name in self.headlines if name in found]
        return list(dict.fromkeys((*declared, *found)))

    def is_headline(self, model: str, outcome: str) -> bool:
        """Whether a model is declared to answer a question."""
        return (outcome, model) in self.headlines

    def is_matched(self, model: str) -> bool:
        """Whether a model declares a matching."""
        spec = self.spec(model)
        return spec is None or spec.matching.is_declared

    @cached_property
    def has_matching(self) -> bool:
        """Whether some model of the tables declares one."""
        return any(self.is_matched(model) for model, _ in self.by_model)

    def how(self, models: Iterable[str]) -> str:
        """By what the headlines of some models are made comparable: `matched`, `adjusted`."""
        return joined(
            list(dict.fromkeys("matched" if self.is_matched(one) else "adjusted" for one in models))
        )

    def in_headline(self, row: GapRow) -> bool:
        """Whether a row is of its model's headline, in whatever group."""
        spec = self.spec(row.model)
        return spec is not None and is_headline(spec, row)

    def family(self, name: str) -> str:
        """A family in words; where nothing is matched none is told apart by that."""
        words = FAMILIES.get(name, readable(name))
        return words if self.has_matching else words.removesuffix(NOT_MATCHED)

    def is_negative_control(self, outcome: str) -> bool:
        """Whether no reason is evident for members to differ in this outcome."""
        variable = self.study.variables.get(outcome)
        return variable is not None and variable.role_for(outcome) == "negative_control"

    def thresholds(self, outcome: str) -> tuple[str, ...]:
        """Categories of the cumulative contrasts, highest first."""
        levels = self.levels(outcome)
        return ("",) if len(levels) == 2 else tuple(f">={level}" for level in levels[:0:-1])


def headline_rows(view: View, model: str, outcome: str) -> list[GapRow]:
    """Rows of the headline's family over everybody it is about."""
    return [
        row
        for row in view.by_model.get((model, outcome), [])
        if view.in_headline(row) and row.group == "all"
    ]


def predicted_shares(view: View, model: str, outcome: str) -> list[SensitivityRow]:
    """Shares the hierarchical model predicts; of two levels the upper, the other mirrors it."""
    levels = view.levels(outcome)
    return [
        row
        for row in view.sensitivity
        if row.check == Check.POSTERIOR_PREDICTIVE
        and (row.model, row.outcome) == (model, outcome)
        and (len(levels) != 2 or row.category == levels[1])
        and None not in (row.estimate, row.threshold)
    ]


def is_first(view: View, row: GapRow | SensitivityRow) -> bool:
    """Whether a row is what its model puts first."""
    first = view.first(row)
    return (row.quantity, row.category) == (first.quantity, first.category)


def pick(rows: Sequence[GapRow], quantity: Quantity, category: str = "") -> GapRow | None:
    """The row of a quantity at a category."""
    return next(
        (row for row in rows if row.quantity == quantity and row.category == category), None
    )


def _declared_first(rows: list[SensitivityRow], study: Study) -> list[SensitivityRow]:
    """Rows with the headline outcomes first, in the order declared."""
    order = {outcome: number for number, (outcome, _) in enumerate(headline_models(study))}
    return sorted(rows, key=lambda row: order.get(row.outcome, len(order)))


def make_view(frames: Mapping[str, pd.DataFrame], study: Study, meta: Mapping[str, Any]) -> View:
    """Read the tables back into records.

    Parameters
    ----------
    frames
        By table name, columns as in `coopgap.estimate`.
    study
        Where labels and levels are declared.
    meta
        What run.json holds.
    """
    rows = {name: _records(name, frames[name]) for name in TABLES}
    return View(
        study=study,
        meta=meta,
        gaps=tuple(
            row
            for row in rows["gaps"]
            if row.source != PRINTED
            and row.interval_kind != IntervalKind.JOINT
            and row.quantity != Quantity.GAP_DIFFERENCE
        ),
        joint=tuple(row for row in rows["gaps"] if row.interval_kind == IntervalKind.JOINT),
        printed=tuple(row for row in rows["gaps"] if row.source == PRINTED),
        coefficients=tuple(row for row in rows["coefficients"] if row.source != PRINTED),
        balance=tuple(
            row for row in rows["balance"] if row.group == "all" and row.source != PRINTED
        ),
        sensitivity=tuple(
            row for row in _declared_first(rows["sensitivity"], study) if row.source != PRINTED
        ),
        printed_coefficients=tuple(row for row in rows["coefficients"] if row.source == PRINTED),
        printed_covariates=frozenset(
            row.covariate for row in rows["balance"] if row.source == PRINTED
        ),
        printed_sensitivity=tuple(row for row in rows["sensitivity"] if row.source == PRINTED),
        diagnostics=tuple(row for row in rows["diagnostics"] if row.source != PRINTED),
        printed_diagnostics=tuple(row for row in rows["diagnostics"] if row.source == PRINTED),
    )
