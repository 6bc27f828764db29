"""Outside shares beside printed ones: where they come from, and how far apart they lie."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.report.content.outside import OUTSIDE, taken_as
from coopgap.report.content.printed_items import Entry, compared_with
from coopgap.report.document import Block, Paragraph
from coopgap.report.values import points
from coopgap.report.words import capital, clean
from coopgap.study.spec import Benchmark
from coopgap.vocabulary import Comparator

__all__ = ["printed_outside_blocks"]


def printed_outside_blocks(found: Sequence[Entry], benchmarks: Sequence[Benchmark]) -> list[Block]:
    """Where outside shares come from, and what was taken for granted with them."""
    blocks = [
        Paragraph(
            lead=f"{capital(compared_with(one.name))}.",
            text=f"{clean(one.source)}. {taken_as(one)}{_apart(found, one)}",
        )
        for one in benchmarks
    ]
    return [*blocks, Paragraph(text=OUTSIDE)] if blocks else []


def _apart(found: Sequence[Entry], one: Benchmark) -> str:
    """How far its shares lie from the printed ones of the same people; empty without any."""
    sides: dict[str, dict[str, float]] = {}
    for entry in found:
        share = None if entry.other is None else entry.other.estimate
        if share is not None and not entry.is_threshold and entry.outcome == one.outcome:
            sides.setdefault(entry.comparator, {})[entry.category] = share
    printed, its = (sides.get(name, {}) for name in (Comparator.NATIONAL, one.name))
    apart = [
        f"{clean(level)} {points(share - printed[level], signed=True)}"
        for level, share in its.items()
        if level in printed
    ]
    if one.name == Comparator.NATIONAL or not apart:
        return ""
    return (
        f" Less the printed national average: {', '.join(apart)} points. So far do two surveys of "
        "one country lie apart."
    )
