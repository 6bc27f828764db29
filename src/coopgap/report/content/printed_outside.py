"""Outside shares beside printed ones: where they come from, and how far apart they lie."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.report.content.printed_items import Entry, compared_with
from coopgap.report.content.printed_tables import capital
from coopgap.report.document import Block, Paragraph
from coopgap.report.values import count, points
from coopgap.report.words import clean
from coopgap.study.spec import Benchmark
from coopgap.vocabulary import Comparator

__all__ = ["outside_blocks"]


def outside_blocks(found: Sequence[Entry], benchmarks: Sequence[Benchmark]) -> list[Block]:
    """Where outside shares come from, and what was taken for granted with them."""
    return [
        Paragraph(
            lead=f"{capital(compared_with(one.name))}.",
            text=(
                f"{clean(one.source)}. {_sampled(one)} It describes everybody who lives there, "
                "members among them, of its own year, and is no comparison group."
                f"{_apart(found, one)}"
            ),
        )
        for one in benchmarks
    ]


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


def _sampled(one: Benchmark) -> str:
    parts = [one.whole] if one.whole is not None else list(one.regions.values())
    sizes = [part.n for part in parts if part.n is not None]
    if not sizes:
        return "No size is declared: its shares are taken as exact."
    return f"Taken as a simple random sample of {count(sum(sizes))} people."
