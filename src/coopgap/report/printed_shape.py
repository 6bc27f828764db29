"""The report on a printed report, as a whole: its study, its sections, its figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from coopgap.printed.items import label_of, slug_of, tables
from coopgap.printed.registry import Registry
from coopgap.printed.rows import PrintedResult
from coopgap.printed.standardise import Surface, standardisable, surface
from coopgap.report.content.printed import two_group
from coopgap.report.content.printed_items import entries, partial
from coopgap.report.content.printed_report import printed_sections
from coopgap.report.document import Section, Table
from coopgap.report.figures.canvas import Drawing
from coopgap.report.figures.printed import gaps, is_chart, place, surface_drawing
from coopgap.report.shape import Shape
from coopgap.report.view import View
from coopgap.study.spec import Design, Group, Study, Variable
from coopgap.vocabulary import Quantity

__all__ = ["printed_shape", "printed_study"]

_POINTS = 45


def printed_study(registry: Registry, title: str) -> Study:
    """A study that only names the registry's items, for their labels and levels."""
    return Study(
        name=registry.name,
        title=title,
        survey=None,
        group=Group(column="", member=(1,), comparison=(0,)),
        design=Design(),
        variables=_variables(registry),
        models=(),
        headline={},
        folder=Path(),
        sha256=registry.sha256,
        printed=registry.name,
    )


def _variables(registry: Registry) -> dict[str, Variable]:
    found = {
        row.name or slug_of(row.item): _variable(row.name or slug_of(row.item), row.item, ())
        for row in registry.rows
    }
    for table in tables(registry):
        if table.ordered:
            found[table.outcome] = _variable(table.outcome, table.item, table.categories)
    return found


def _variable(name: str, item: str, levels: tuple[str, ...]) -> Variable:
    return Variable(
        name=name,
        column=name,
        type="ordinal",
        levels=levels,
        declared_levels=levels,
        label=label_of(item),
    )


def printed_shape(result: PrintedResult) -> Shape:
    """Sections and figures of a re-analysis."""

    def sections(view: View, drawn: Sequence[str], figures: Sequence[str] = ()) -> list[Section]:
        return printed_sections(view, drawn, result, figures)

    def drawings(view: View) -> list[Drawing]:
        places = dict.fromkeys(line.place for line in result.lines if is_chart(line.place))
        attempts = [
            gaps(view, two_group(view, entries(view.printed))),
            *(place(view, name, result.lines) for name in places),
            *(surface_drawing(one) for one in _surfaces(result)),
        ]
        return [one for one in attempts if one is not None]

    def readable(view: View) -> list[Table]:
        return [
            block
            for section in printed_sections(view, (), result)
            for block in section.blocks
            if isinstance(block, Table) and block.brief
        ]

    return Shape(sections=sections, drawings=drawings, tables=readable)


def _surfaces(result: PrintedResult) -> list[Surface]:
    """For each item of one share whose gap the bounds over an ordered covariate can undo."""
    undone = {
        (row.model, row.category)
        for row in result.gaps
        if partial(row)
        and row.quantity == Quantity.RISK_DIFFERENCE
        and row.lower is not None
        and row.upper is not None
        and row.lower < 0 < row.upper
    }
    clear = {
        row.model
        for row in result.gaps
        if row.quantity == Quantity.RISK_DIFFERENCE and row.lower is not None and row.lower > 0
    }
    first = {line.outcome: line.slug for line in reversed(result.lines)}
    return [
        surface(line, one, _POINTS)
        for line in standardisable(result.lines)
        for one in result.covariates
        if one.ordered
        and not line.category
        and first[line.outcome] == line.slug
        and f"printed_{line.slug}" in clear
        and (f"printed_{line.slug}_by_{one.name}", line.category) in undone
    ]
