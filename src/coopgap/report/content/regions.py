"""Gaps by region: each region alone beside the hierarchical model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from coopgap.estimate import GapRow
from coopgap.report.content.pooled import headline_blocks, spread_blocks
from coopgap.report.content.pooled_checks import pooled_check_blocks
from coopgap.report.document import Block, Figure, Heading, Paragraph, Section, Table
from coopgap.report.figures.names import region_name
from coopgap.report.values import DASH, count, estimate_words, number, percent, points
from coopgap.report.view import View
from coopgap.report.words import category_words, group_words, once
from coopgap.vocabulary import Family, Quantity

__all__ = ["regions_section"]

_ALONE, _POOLED = "alone", "pooled"
_NEVER: Final = 0.001
_CHANCES = (Quantity.PROB_ABOVE_ZERO, Quantity.PROB_ABOVE_SMALLEST, Quantity.EXPECTED_RANK)


def regions_section(view: View, drawn: Sequence[str]) -> Section | None:
    """Regional gaps; None where no row has a region."""
    blocks: list[Block] = []
    any_pooled = False
    for (model, outcome), rows in view.by_model.items():
        inside = [row for row in rows if row.group.startswith("region=") and _shown(view, row)]
        if not inside:
            continue
        blocks.append(Heading(text=view.label(outcome)))
        blocks += headline_blocks(view, model, outcome, rows)
        blocks.append(_table(view, outcome, inside))
        if region_name(model) in drawn:
            blocks.append(
                Figure(
                    name=region_name(model),
                    caption=_caption(inside),
                    mark=view.mark,
                )
            )
        pooled = [row for row in rows if row.family == Family.HIERARCHICAL]
        any_pooled |= bool(pooled)
        chances = _chances(view, outcome, pooled)
        blocks += [chances] if chances.rows else []
        blocks += spread_blocks(view, model, outcome, rows)
        blocks += pooled_check_blocks(view, model, outcome, rows, drawn)
    if not blocks:
        return None
    first = Paragraph(text=_ALONE_IS_FEW + (_POOLING if any_pooled else ""))
    return Section(title="By region", anchor="regions", blocks=(first, *blocks))


_ALONE_IS_FEW = (
    "A region alone has few people and few zones, so its interval is wide and sometimes cannot be "
    "had at all."
)
_POOLING = (
    " Partial pooling lets the regions inform one another: it moves each towards the whole by as "
    "much as its own answers leave open."
)


def _shown(view: View, row: GapRow) -> bool:
    return view.in_headline(row) or row.family == Family.HIERARCHICAL


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
    how = view.how(row.model for row in rows)
    notes = {
        False: f"Alone: the {how} gap of the region's own people, 95 % confidence interval.",
        True: "Pooled: the gap of the hierarchical model, 95 % credible interval.",
    }
    return Table(
        caption="Gap in points by region",
        header=("Region", "How", *(category_words(at, view.levels(outcome)) for at in thresholds)),
        rows=once(lines),
        leading=2,
        notes=tuple(notes[kind] for kind in sorted(present)),
        mark=view.mark,
    )


def _chances(view: View, outcome: str, rows: Sequence[GapRow]) -> Table:
    """Posterior probabilities by threshold and the expected rank, two lines a region."""
    smallest = points(view.study.smallest_gap)
    bars = {
        Quantity.PROB_ABOVE_ZERO: "above zero",
        Quantity.PROB_ABOVE_SMALLEST: f"above {smallest} points",
    }
    inside = [row for row in rows if row.group != "all" and row.quantity in _CHANCES]
    found = {(row.group, row.quantity, row.category): row for row in inside}
    groups = list(dict.fromkeys(row.group for row in inside))
    thresholds = view.thresholds(outcome)
    rank = Quantity.EXPECTED_RANK
    lines = [
        (
            group_words(group),
            words,
            *(_chance(found.get((group, quantity, at))) for at in thresholds),
            _rank(found.get((group, rank, ""))) if quantity is Quantity.PROB_ABOVE_ZERO else "",
        )
        for group in groups
        for quantity, words in bars.items()
    ]
    return Table(
        caption="What the hierarchical model adds: probabilities and ranks",
        header=(
            "Region",
            "Probability of a gap",
            *(category_words(at, view.levels(outcome)) for at in thresholds),
            "Expected rank",
        ),
        rows=once(lines),
        leading=2,
        notes=(
            f"{smallest} points is the smallest gap that the study declares to matter. Rank 1 is "
            "the largest gap on the latent scale; in brackets: between which ranks the region "
            "lies with probability 95 %.",
        ),
        mark=view.mark,
        brief=False,
    )


def _chance(row: GapRow | None) -> str:
    """A posterior probability, which draws never show to be 0 or 1."""
    if row is None or row.estimate is None:
        return _cell(row)
    if row.estimate < _NEVER:
        return f"<\N{NO-BREAK SPACE}{percent(_NEVER)}"
    if row.estimate > 1 - _NEVER:
        return f">\N{NO-BREAK SPACE}{percent(1 - _NEVER)}"
    return percent(row.estimate)


def _rank(row: GapRow | None) -> str:
    if row is None or row.estimate is None:
        return _cell(row)
    return f"{number(row.estimate, 1)} ({count(row.lower)} to {count(row.upper)})"
