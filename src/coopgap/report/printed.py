"""The published numbers: printed rows of the tables, and the registry's own words for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coopgap.core.estimate import CoefficientRow, DiagnosticRow, GapRow, Rows, SensitivityRow
from coopgap.core.vocabulary import (
    ROUNDING,
    Check,
    Comparator,
    Diagnostic,
    IntervalKind,
    Quantity,
    Scale,
)
from coopgap.datasets.registry import Printed, Registry, load_registry
from coopgap.families.benchmark import standardised_name
from coopgap.report.words import capital, category_words, clean
from coopgap.study.spec import Benchmark, Design, Group, Study

if TYPE_CHECKING:
    from coopgap.printed.rows import PrintedResult


def printed_study(result: PrintedResult, source: str | Path, title: str) -> Study:
    """A study of nothing but printed numbers; `source` is a shipped registry's name or its file."""
    return Study(
        name=result.registry.name,
        title=title,
        survey=None,
        group=Group(column="", member=(1,), comparison=(0,)),
        design=Design(),
        variables={},
        models=(),
        headline={},
        folder=Path(),
        sha256=result.registry.sha256,
        printed=source,
        benchmarks=result.benchmarks,
    )


class Published:
    """What templates and figures tell of the printed rows; false where a run has none.

    `label` and `group` give a variable and a group of people in the study's words, `others` are
    its non-members.
    """

    def __init__(
        self,
        rows: Rows,
        study: Study,
        meta: Mapping[str, Any],
        label: Callable[[str], str],
        group: Callable[[str], str],
        others: str,
    ) -> None:
        self.rows, self.study, self.meta = rows, study, meta
        self._label, self._group, self._others = label, group, others

    def __bool__(self) -> bool:
        return bool(self.rows.gaps or self.rows.diagnostics)

    @cached_property
    def registry(self) -> Registry:
        """The printed numbers themselves."""
        named = self.study.printed
        return Registry(name="", rows=()) if named is None else load_registry(named)

    @cached_property
    def labels(self) -> dict[str, str]:
        """Items by the model of their rows, with the place where places differ."""
        from coopgap.printed.lines import lines

        named = {f"printed_{one.slug}": one.label for one in reversed([*lines(self.registry)])}
        named |= {f"{model}{ROUNDING}": label for model, label in named.items()}
        return named | {model: named.get(base, "") for model, (base, _) in self.mixed.items()}

    @cached_property
    def mixed(self) -> dict[str, tuple[str, str]]:
        """By model of what a covariate leaves open: the item's model, and the covariate."""
        models = {row.model for row in self.rows.gaps}
        pairs = [(model, name) for model in models for name in self.covariates]
        return {f"{model}_by_{name}": (model, name) for model, name in pairs}

    @cached_property
    def levels(self) -> dict[str, tuple[str, ...]]:
        """Categories of ordered items, lowest first, by outcome."""
        from coopgap.printed.items import tables

        return {one.outcome: one.categories for one in tables(self.registry) if one.ordered}

    @cached_property
    def covariates(self) -> dict[str, dict[str, DiagnosticRow]]:
        """Tests of what the samples are made of, by covariate and by what was looked at."""
        wanted = (Diagnostic.CHI2_P, Diagnostic.SMD, Diagnostic.PAIRS)
        found: dict[str, dict[str, DiagnosticRow]] = {}
        for row in self.rows.diagnostics:
            if row.diagnostic in wanted:
                found.setdefault(row.about, {})[row.diagnostic] = row
        return found

    @property
    def contradictions(self) -> list[DiagnosticRow]:
        """Where the printed numbers do not agree."""
        return [r for r in self.rows.diagnostics if r.diagnostic == Diagnostic.CONTRADICTION]

    @property
    def has_intervals(self) -> bool:
        """Whether the people behind any printed share are known."""
        return any(row.interval_prob is not None for row in self.rows.gaps)

    @property
    def design(self) -> list[Printed]:
        """What the report says of how people were chosen and asked."""
        from coopgap.printed.items import DESIGN

        return [row for row in self.registry.find(item=DESIGN) if row.note]

    @property
    def unused(self) -> dict[str, list[Printed]]:
        """Printed numbers that stand behind no row, by the reason."""
        reasons, found = self.meta.get("unused", {}), dict[str, list[Printed]]()
        for row in self.registry.rows:
            if row.id in reasons:
                found.setdefault(reasons[row.id], []).append(row)
        return found

    @property
    def benchmarks(self) -> list[Benchmark]:
        """Outside shares that printed ones are compared with."""
        names = {row.comparator for row in self.rows.gaps}
        declared = self.study.benchmarks
        return [one for one in declared if names & {one.name, standardised_name(one.name)}]

    def label(self, model: str, outcome: str) -> str:
        """The item as the report has it."""
        named = self.labels.get(model) or self.labels.get(f"printed_{outcome}")
        return capital(clean(named) if named else self._label(outcome))

    def category(self, row: GapRow | SensitivityRow) -> str:
        """A row's category, and which members where it is not all."""
        text = (
            category_words(row.category, self.levels.get(row.outcome, ())) if row.category else ""
        )
        who = "" if row.group == "all" else self._group(row.group)
        return ", ".join(part for part in (text, who) if part)

    def item(self, row: GapRow | SensitivityRow) -> str:
        """A row's item with its category."""
        named = (self.label(row.model, row.outcome), self.category(row))
        return ": ".join(part for part in named if part)

    def covariate(self, name: str) -> str:
        """A covariate as the report has it."""
        return self.label(f"printed_{name}", name)

    def mixing(self, row: GapRow) -> str:
        """The covariate by whose mix a row is bounded."""
        return self.covariate(self.mixed[row.model][1])

    def beside(self, comparator: str) -> str:
        """Those beside the members, in words; empty where nobody is."""
        others = {
            Comparator.COMPARISON.value: self._others,
            Comparator.NATIONAL.value: "the national average",
        }
        return others.get(comparator, clean(comparator))

    @cached_property
    def _found(self) -> dict[tuple[str, ...], GapRow]:
        return {(*_key(row), row.comparator, row.quantity): row for row in self.rows.gaps}

    def own(self, row: GapRow) -> GapRow | None:
        """The members' share behind a gap."""
        return self._found.get((*_key(row), "", Quantity.SHARE))

    def other(self, row: GapRow) -> GapRow | None:
        """The share of those beside them."""
        return self._found.get((*_key(row), row.comparator, Quantity.SHARE))

    def rounding(self, row: GapRow) -> GapRow | None:
        """What rounding alone leaves of a row; None where nothing is rounded."""
        model, *rest = _key(row)
        return self._found.get((f"{model}{ROUNDING}", *rest, row.comparator, row.quantity))

    @cached_property
    def _reach(self) -> dict[tuple[str, ...], SensitivityRow]:
        rows = (r for r in self.rows.sensitivity if r.check == Check.DESIGN_EFFECT)
        return {(*_key(r), r.comparator): r for r in rows if r.quantity == "design_effect"}

    def vanishes(self, row: GapRow) -> SensitivityRow | None:
        """The design effect at which an interval without zero reaches it."""
        return self._reach.get((*_key(row), row.comparator))

    def estimated(self, *quantities: str) -> list[GapRow]:
        """Rows that are no bounds: the comparison group first, those of one outcome together."""
        rows = [
            row
            for row in self.rows.gaps
            if row.quantity in quantities
            and row.interval_kind != IntervalKind.BOUNDS
            and row.estimate is not None
        ]
        order = list(dict.fromkeys((row.comparator, row.outcome) for row in rows))

        def place(row: GapRow) -> tuple[bool, int]:
            return row.comparator != Comparator.COMPARISON, order.index(
                (row.comparator, row.outcome)
            )

        return sorted(rows, key=place)

    def asked[Row: (GapRow, SensitivityRow)](self, rows: Iterable[Row]) -> list[Row]:
        """Rows about what was asked; of ordered answers at a threshold, or over all of them."""
        return [row for row in rows if self._is_asked(row)]

    def _is_asked(self, row: GapRow | SensitivityRow) -> bool:
        cuts = {"", *(f">={level}" for level in self.levels.get(row.outcome, ()))}
        return row.outcome not in self.covariates and (len(cuts) == 1 or row.category in cuts)

    @property
    def rest(self) -> list[GapRow]:
        """The other gaps: single levels, and what the samples are made of."""
        gaps = self.estimated(Quantity.RISK_DIFFERENCE)
        return [row for row in gaps if not self._is_asked(row)]

    @cached_property
    def shown(self) -> list[GapRow]:
        """Gaps of all members, each item beside the first it is compared with."""
        gaps = self.asked(self.estimated(Quantity.RISK_DIFFERENCE))
        everybody = [row for row in gaps if row.group == "all"]
        first = {row.model: row.comparator for row in reversed(everybody)}
        return [row for row in everybody if row.comparator == first[row.model]]

    def first(self, most: int) -> list[GapRow]:
        """Items of one share; where every item has categories, all of them."""
        return ([row for row in self.shown if not row.category] or self.shown)[:most]

    @property
    def alone(self) -> list[GapRow]:
        """Shares with nobody beside them."""
        gaps = self.estimated(Quantity.RISK_DIFFERENCE)
        used = {id(row) for gap in gaps for row in (self.own(gap), self.other(gap))}
        return [row for row in self.estimated(Quantity.SHARE) if id(row) not in used]

    @property
    def odds(self) -> list[tuple[CoefficientRow, list[DiagnosticRow]]]:
        """Odds ratios of membership under proportional odds, each with its tests."""
        tests = [r for r in self.rows.diagnostics if r.diagnostic == Diagnostic.PROPORTIONAL_ODDS]
        return [
            (_exponentiated(row), [one for one in tests if one.model == row.model])
            for row in self.rows.coefficients
            if (row.term, row.scale) == ("member", Scale.LOG_ODDS)
        ]


def _key(row: GapRow | SensitivityRow) -> tuple[str, str, str]:
    return row.model, row.group, row.category


def _exponentiated(row: CoefficientRow) -> CoefficientRow:
    """A log odds ratio as an odds ratio."""
    values = (row.estimate, row.lower, row.upper)
    estimate, lower, upper = (None if one is None else math.exp(one) for one in values)
    return replace(row, estimate=estimate, lower=lower, upper=upper)
