"""Everything a report's printed numbers say, as rows."""

from __future__ import annotations

from dataclasses import dataclass

from coopgap.estimate import DiagnosticRow, GapRow
from coopgap.printed.compare import class_rows, pair_rows, pairs
from coopgap.printed.contradictions import contradictions
from coopgap.printed.design import design_rows
from coopgap.printed.registry import load_registry

__all__ = ["PrintedResult", "printed_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedResult:
    """Rows of gaps.csv and diagnostics.csv that come from a printed report."""

    gaps: tuple[GapRow, ...]
    diagnostics: tuple[DiagnosticRow, ...]


def printed_rows(name: str) -> PrintedResult:
    """Re-analyse a printed report.

    Parameters
    ----------
    name
        A shipped registry.

    Raises
    ------
    StudyError
        For a name that is not shipped.
    """
    registry = load_registry(name)
    gaps = [row for pair in pairs(registry) for row in pair_rows(pair)]
    gaps += class_rows(registry)
    return PrintedResult(
        gaps=tuple(gaps), diagnostics=(*design_rows(registry), *contradictions(registry))
    )
