"""Rows about confounders as strong as a covariate, put together again for table and figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coopgap.estimate import SensitivityRow
from coopgap.vocabulary import Check, Quantity, Version

__all__ = ["Benchmark", "Benchmarks", "benchmarks_of", "is_benchmark"]

_QUANTITIES = {Quantity.RISK_DIFFERENCE, "bias_scale", "df", "r2_membership", "r2_outcome"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A confounder so many times as strong as a covariate, and the gap it leaves."""

    covariate: str
    multiple: int
    member: float
    outcome: float
    left: SensitivityRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmarks:
    """The linear gap of one outcome, and what confounders would leave of it."""

    alone: SensitivityRow
    bias_scale: float
    df: float
    found: tuple[Benchmark, ...]

    @property
    def covariates(self) -> tuple[str, ...]:
        """Covariates that confounders are likened to, in order."""
        return tuple(dict.fromkeys(one.covariate for one in self.found))


def is_benchmark(row: SensitivityRow) -> bool:
    """Whether a row belongs here rather than to the robustness values."""
    return row.check == Check.ROBUSTNESS_VALUE and row.quantity in _QUANTITIES


def benchmarks_of(rows: Sequence[SensitivityRow], model: str) -> Benchmarks | None:
    """The rows of one model; None where it has no linear gap."""
    mine = {
        (row.variant, row.quantity): row for row in rows if row.model == model and is_benchmark(row)
    }
    alone = mine.get((Version.NO_CONFOUNDER, str(Quantity.RISK_DIFFERENCE)))
    scale, df = (_number(mine, Version.NO_CONFOUNDER, name) for name in ("bias_scale", "df"))
    if alone is None or scale is None or df is None:
        return None
    found = []
    for (variant, quantity), row in mine.items():
        if quantity != Quantity.RISK_DIFFERENCE or row.setting is None:
            continue
        member, outcome = (_number(mine, variant, part) for part in ("r2_membership", "r2_outcome"))
        if member is None or outcome is None:
            continue
        found.append(
            Benchmark(
                covariate=row.about,
                multiple=int(row.setting),
                member=member,
                outcome=outcome,
                left=row,
            )
        )
    return Benchmarks(alone=alone, bias_scale=scale, df=df, found=tuple(found))


def _number(
    rows: dict[tuple[str, str], SensitivityRow], variant: str, quantity: str
) -> float | None:
    row = rows.get((variant, quantity))
    return None if row is None else row.estimate
