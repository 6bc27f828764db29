"""Gaps by region: each region alone beside the hierarchical model."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import GapRow
from coopgap.report.document import Block, Figure, Heading, Items, Paragraph, Section, Table
from coopgap.report.figures.names import region_name
from coopgap.report.values import DASH, estimate_words, points, quantity_words
from coopgap.report.view import MATCHED, View
from coopgap.report.words import category_words, group_words, once
from coopgap.vocabulary import Family, Quantity

__all__ = ["regions_section"]

_ALONE, _POOLED = "alone, matched", "partially pooled"
_SPREADS = (Quantity.SD_FINITE, Quantity.SD_SUPERPOPULATION)


def regions_section(view: View, drawn: Sequence[str]) -> Section | None:
    """Regional gaps; None where no row has a region."""
    blocks: list[Block] = []
    for (model, outcome), rows in view.by_model.items():
        inside = [row for row in rows if row.group.startswith("region=") and _shown(row)]
        if not inside:
            continue
        blocks.append(Heading(text=view.label(outcome)))
        blocks.append(_table(view, outcome, inside))
        if region_name(model) in drawn:
            blocks.append(
                Figure(
                    name=region_name(model),
                    caption=(
                        "Each region alone, and drawn towards the whole by the hierarchical model."
                    ),
                    mark=view.mark,
                )
            )
        pooled = [row for row in rows if row.family == Family.HIERARCHICAL]
        chances = _chances(view, outcome, pooled)
        blocks += [chances] if chances.rows else []
        blocks += [Items(items=_spreads(pooled))] if _spreads(pooled) else []
    if not blocks:
        return None
    first = Paragraph(
        text=(
            "A region alone has few people and few zones, so its interval is wide and sometimes "
            "cannot be had at all. Partial pooling lets the regions inform one another: it moves "
            "each towards the whole by as much as its own answers leave open."
        )
    )
    return Section(title="By region", anchor="regions", blocks=(first, *blocks))


def _shown(row: GapRow) -> bool:
    return row.family in MATCHED or row.family == Family.HIERARCHICAL


def _cell(row: GapRow | None) -> str:
    if row is None:
        return DASH
    return estimate_words(row.quantity, row.estimate, row.lower, row.upper, row.status)


def _caption(rows: Sequence[GapRow]) -> str:
    if any(row.family == Family.HIERARCHICAL for row in rows):
        return "Each region alone, and drawn towards the whole by the hierarchical model."
    return "Each region alone."


def _table(view: View, outcome: str, rows: Sequence[GapRow]) -> Table:
    thresholds = view.thresholds(outcome)
    found = {
        (row.group, row.family == Family.HIERARCHICAL, row.category): row
        for row in rows
        if row.quantity == Quantity.RISK_DIFFERENCE
    }
    present = {key[1] for key in found}
    lines = [
        (group_words(group), how, *(_cell(found.get((group, pooled, at))) for at in thresholds))
        for group in dict.fromkeys(row.group for row in rows)
        for how, pooled in ((_ALONE, False), (_POOLED, True))
        if pooled in present
    ]
    notes = {False: "95 % confidence interval", True: "95 % credible interval of the pooled gap"}
    return Table(
        caption="Gap in points by region",
        header=("Region", "How", *(category_words(at, view.levels(outcome)) for at in thresholds)),
        rows=once(lines),
        leading=2,
        notes=(f"In brackets: {' or '.join(notes[kind] for kind in sorted(present))}.",),
        mark=view.mark,
    )


def _chances(view: View, outcome: str, rows: Sequence[GapRow]) -> Table:
    """Posterior probabilities and ranks, a line a region and threshold."""
    wanted = (Quantity.PROB_ABOVE_ZERO, Quantity.PROB_ABOVE_SMALLEST, Quantity.EXPECTED_RANK)
    shown = [row for row in rows if row.quantity in wanted]
    found = {(row.group, row.category, row.quantity): row for row in shown}
    places = dict.fromkeys((row.group, row.category) for row in shown)
    smallest = points(view.study.smallest_gap)
    return Table(
        caption="What the hierarchical model adds: probabilities and ranks",
        header=("Region", "At", "Gap above zero", f"Gap above {smallest} points", "Expected rank"),
        rows=once(
            [
                (
                    group_words(group),
                    category_words(at, view.levels(outcome)) or "all thresholds",
                    *(_cell(found.get((group, at, quantity))) for quantity in wanted),
                )
                for group, at in places
            ]
        ),
        leading=2,
        notes=(f"{smallest} points is the smallest gap that the study declares to matter.",),
        mark=view.mark,
        brief=False,
    )


def _spreads(rows: Sequence[GapRow]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (
            f"{quantity_words(row.quantity)[:1].upper()}{quantity_words(row.quantity)[1:]}:",
            _cell(row),
        )
        for row in rows
        if row.quantity in _SPREADS
    )
