"""What a report is made of: its sections, its figures and the tables for a manuscript."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from coopgap.report.document import Section, Table
from coopgap.report.view import View

if TYPE_CHECKING:
    from coopgap.report.figures.canvas import Drawing

__all__ = ["RUN", "Shape"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The parts of a report, made from its rows.

    Attributes
    ----------
    sections
        From the rows, the names of the figures that were drawn and the texts in them.
    drawings
        Called inside `drawing_style`.
    tables
        For LaTeX and Word.
    """

    sections: Callable[[View, Sequence[str], Sequence[str]], list[Section]]
    drawings: Callable[[View], list[Drawing]]
    tables: Callable[[View], list[Table]]


def _sections(view: View, drawn: Sequence[str], figures: Sequence[str]) -> list[Section]:
    from coopgap.report.page import sections

    return sections(view, drawn, figures)


def _drawings(view: View) -> list[Drawing]:
    from coopgap.report.figures.draw import drawings

    return drawings(view)


def _tables(view: View) -> list[Table]:
    from coopgap.report.documents import readable_tables

    return readable_tables(view)


RUN: Final = Shape(sections=_sections, drawings=_drawings, tables=_tables)
"""The report of a run."""
