"""Members, and the comparison group, beside declared outside shares."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import GapRow
from coopgap.families.benchmark import COMPARISON_GROUP
from coopgap.report.document import Block, Paragraph, Table
from coopgap.report.values import DASH, estimate_words, interval_name
from coopgap.report.view import View
from coopgap.report.words import category_words, clean, comparator_words, once
from coopgap.vocabulary import Family, Population, Quantity

__all__ = ["outside_blocks"]

_WHO = {"all": "Members", COMPARISON_GROUP: "Comparison people"}


def outside_blocks(view: View, outcome: str, rows: Sequence[GapRow]) -> list[Block]:
    """One table of differences from outside shares, and where those come from."""
    outside = [row for row in rows if row.family == Family.BENCHMARK and row.comparator]
    gaps = [
        row for row in outside if row.quantity in (Quantity.RISK_DIFFERENCE, Quantity.SUPERIORITY)
    ]
    if not gaps:
        return []
    sources = [
        f"{comparator_words(one.name).capitalize()}: {clean(one.source)}."
        for one in view.study.benchmarks
        if one.outcome == outcome
    ]
    return [
        _table(view, outcome, gaps),
        Paragraph(
            lead="Outside shares.",
            text=(
                f"{' '.join(sources)} They describe everybody who lives there, members among "
                "them, and are no comparison group. “At the sample's regions” weighs the outside "
                "regions as the people on the left live; “raked” weighs those people to the "
                f"declared population{_file(view)}, which is the country's and not the members'."
            ),
            brief=False,
        ),
    ]


def _file(view: View) -> str:
    declared = view.study.design.population
    return "" if declared is None else f" ({clean(declared.file)})"


def _table(view: View, outcome: str, rows: Sequence[GapRow]) -> Table:
    levels, thresholds = view.levels(outcome), view.thresholds(outcome)
    wanted = [(Quantity.RISK_DIFFERENCE, category) for category in thresholds]
    heads = [category_words(category, levels) for category in thresholds]
    if len(levels) != 2:
        wanted.append((Quantity.SUPERIORITY, ""))
        heads.append("person of the survey stands higher")
    found = {(_place(row), row.quantity, row.category): row for row in rows}
    lines = [
        (
            _WHO.get(group) or f"Members, {view.group(group)}",
            comparator_words(comparator)
            + (", raked" if population == Population.POSTSTRATIFIED else ""),
            *(_cell(found.get(((group, comparator, population), *what))) for what in wanted),
        )
        for group, comparator, population in dict.fromkeys(_place(row) for row in rows)
    ]
    kinds = dict.fromkeys(
        interval_name(row.interval_prob, row.interval_kind) for row in rows if row.interval_kind
    )
    return Table(
        caption=f"{view.label(outcome)}: points above or below outside shares",
        header=("Who", "Against", *heads),
        rows=once(sorted(lines, key=_order)),
        leading=2,
        notes=(f"In brackets: {' or '.join(kinds)}.",) if kinds else (),
        mark=view.mark,
    )


def _order(line: tuple[str, ...]) -> int:
    """Members first, then the comparison group, then regions; within each as estimated."""
    names = [*_WHO.values()]
    return names.index(line[0]) if line[0] in names else len(names)


def _place(row: GapRow) -> tuple[str, str, str]:
    return row.group, row.comparator, row.population


def _cell(row: GapRow | None) -> str:
    if row is None:
        return DASH
    return estimate_words(row.quantity, row.estimate, row.lower, row.upper, row.status)
