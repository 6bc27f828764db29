"""Rows of every table as a run makes them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from coopgap.core.estimate import (
    BalanceRow,
    CoefficientRow,
    DiagnosticRow,
    GapRow,
    Keys,
    SensitivityRow,
)
from coopgap.families.headline import declared_at
from coopgap.families.plan import ModelPlan, Plan
from coopgap.families.records import FamilyEstimate
from coopgap.families.rows import (
    coefficient_rows,
    constant_row,
    cut_rows,
    decimals_row,
    ess_row,
    fallback_row,
    gap_rows,
    infinite_row,
    reason_row,
    std_errors_row,
)


@dataclass(slots=True)
class Tables:
    """Rows of every table as they come in, and where the time went."""

    gaps: list[GapRow] = field(default_factory=list)
    coefficients: list[CoefficientRow] = field(default_factory=list)
    balance: list[BalanceRow] = field(default_factory=list)
    sensitivity: list[SensitivityRow] = field(default_factory=list)
    diagnostics: list[DiagnosticRow] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the seconds of what stands within to a name."""
        started = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - started

    def add(self, rows: Iterable[SensitivityRow | DiagnosticRow]) -> None:
        """Rows of checks, with what they say of themselves in diagnostics."""
        for row in rows:
            if isinstance(row, DiagnosticRow):
                self.diagnostics.append(row)
            else:
                self.sensitivity.append(row)

    def collect(self, estimate: FamilyEstimate, labels: Keys) -> None:
        """The rows of one family, and what has to be said of it."""
        self.gaps += gap_rows(estimate, labels)
        if labels.group == "all":
            # coefficients.csv has no column for a domain.
            self.coefficients += coefficient_rows(estimate, labels)
            if estimate.correct_decimals is not None:
                self.diagnostics.append(decimals_row(estimate, labels))
            if estimate.std_errors:
                self.diagnostics.append(std_errors_row(estimate, labels))
        size = ess_row(estimate, labels)
        self.diagnostics += [] if size is None else [size]
        if estimate.reason:
            self.diagnostics.append(reason_row(estimate, labels))
        if estimate.fell_back:
            self.diagnostics.append(fallback_row(estimate, labels))
        if estimate.constant:
            self.diagnostics.append(constant_row(estimate, labels))
        self.diagnostics += cut_rows(estimate, labels)
        if estimate.infinite:
            self.diagnostics.append(infinite_row(estimate, labels))


def model_labels(plan: Plan, model: ModelPlan) -> Keys:
    """What every row of a model says of itself."""
    return Keys(
        model=model.spec.name,
        outcome=model.spec.outcome,
        levels=model.rows.levels,
        source=plan.survey.source,
        at=declared_at(plan.study, model.spec.name),
    )
