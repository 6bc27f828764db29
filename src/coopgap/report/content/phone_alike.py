"""Whether phone and in-person comparison people answer alike, and what could be confirmed."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.content.phone_note import own_note
from coopgap.report.content.said.phone import beyond_reach, one_odds_ratio
from coopgap.report.document import Block, Items, Table
from coopgap.report.values import (
    DASH,
    estimate_words,
    p_value,
    percent,
    points,
    spread,
)
from coopgap.report.view import View
from coopgap.report.words import capital, category_words, clean, once, verdict_words
from coopgap.vocabulary import Quantity

__all__ = ["ALIKE", "alike_blocks", "margin_blocks"]

ALIKE = {
    "largest_difference": "all thresholds together",
    "superiority": "superiority of a phone person",
    "cumulative_odds_ratio": "odds ratio over all thresholds",
    "risk_difference": "",
}
"""Quantities of the comparison, with what stands for their threshold."""

_UNTESTED = {Quantity.SUPERIORITY, Quantity.CUMULATIVE_ODDS_RATIO}
_MARGINS = {
    "smallest_margin": "confirmed with 80 % probability",
    "smallest_margin_possible": "up to which nothing is ever confirmed",
}


def alike_blocks(view: View, rows: Sequence[SensitivityRow]) -> list[Block]:
    """Verdicts in words, then every difference."""
    return [Items(items=_sentences(view, rows)), _alike_table(view, rows)]


def margin_blocks(view: View, rows: Sequence[SensitivityRow]) -> list[Block]:
    """Which margins the interviews could confirm, and which they never could."""
    margins = [row for row in rows if row.quantity in _MARGINS]
    if not margins:
        return []
    outcomes = dict.fromkeys(row.outcome for row in margins)
    told = tuple(
        (f"{view.label(outcome)}.", sentence)
        for outcome in outcomes
        if (sentence := beyond_reach(view, [row for row in margins if row.outcome == outcome]))
    )
    return [_margin_table(view, margins), *([Items(items=told)] if told else [])]


def _at(view: View, row: SensitivityRow) -> str:
    return category_words(row.category, view.levels(row.outcome))


def _sentences(view: View, rows: Sequence[SensitivityRow]) -> tuple[tuple[str, str], ...]:
    """One item an outcome: verdicts in words, the joint one first; a note stands once."""
    items = []
    told = {""}
    for outcome in dict.fromkeys(row.outcome for row in rows):
        found: dict[tuple[str, str], list[str]] = {}
        mine = [row for row in rows if row.outcome == outcome and row.variant == "adjusted"]
        for row in sorted(mine, key=lambda row: row.quantity != "largest_difference"):
            if row.quantity not in _UNTESTED:
                found.setdefault((verdict_words(row.verdict), own_note(row)), []).append(
                    _where(view, row)
                )
        parts = []
        for (verdict, note), where in found.items():
            parts.append(f"{capital(verdict)}: {'; '.join(where)}.")
            parts += [] if note in told else [note]
            told.add(note)
        parts += one_odds_ratio(mine)
        if parts:
            items.append((f"{view.label(outcome)}.", " ".join(parts)))
    return tuple(items)


def _where(view: View, row: SensitivityRow) -> str:
    name = ALIKE.get(row.quantity) or f"“{_at(view, row)}”"
    return f"{name} {_difference(row)}".strip()


def _difference(row: SensitivityRow) -> str:
    if row.estimate is None:
        return ""
    if row.lower is None and row.upper is None:
        return f"(largest {points(row.estimate, signed=True)} points)"
    share = f"{100 * row.interval_prob:.3g} % interval " if row.interval_prob else ""
    return (
        f"{points(row.estimate, signed=True)} points "
        f"({share}{spread(row.quantity, row.lower, row.upper)})"
    )


def _alike_table(view: View, rows: Sequence[SensitivityRow]) -> Table:
    lines = [
        (
            view.label(row.outcome),
            ALIKE.get(row.quantity) or _at(view, row) or DASH,
            clean(row.variant),
            estimate_words(row.quantity, row.estimate, row.lower, row.upper),
            DASH if row.threshold is None else f"± {points(row.threshold)}",
            DASH if row.quantity in _UNTESTED else p_value(row.p_value),
            percent(row.power),
            verdict_words(row.verdict),
        )
        for row in rows
    ]
    return Table(
        caption="Phone less in-person comparison people, in points or as an odds ratio",
        header=(
            "Outcome",
            "At",
            "Which",
            "Difference and 90 % interval",
            "Margin",
            "p of the two tests",
            "Power",
            "Verdict",
        ),
        rows=once(lines),
        leading=3,
        trailing=1,
        notes=(
            "Not significant is not equivalent: the verdict is equivalent only if the whole 90 % "
            "interval lies inside the margin. Power is the probability "
            "to confirm that when nothing "
            "differs. All thresholds together: the largest difference, tested for all at once. "
            "A difference is tested at 5 % on both sides together, as a 95 % interval does: one "
            "whose 90 % interval just excludes zero is not yet shown.",
        ),
        mark=view.mark,
    )


def _margin_table(view: View, rows: Sequence[SensitivityRow]) -> Table:
    """A column a scenario; a line for each kind of smallest margin at each threshold."""
    variants = list(dict.fromkeys(row.variant for row in rows))
    found: dict[tuple[str, str, str], dict[str, SensitivityRow]] = {}
    for row in rows:
        found.setdefault((row.outcome, row.category, row.quantity), {})[row.variant] = row
    lines = []
    for (outcome, category, quantity), mine in found.items():
        first = next(iter(mine.values()))
        lines.append(
            (
                view.label(outcome),
                category_words(category, view.levels(outcome)) or DASH,
                _MARGINS[quantity],
                points(first.threshold),
                *(_margin(mine.get(name)) for name in variants),
            )
        )
    return Table(
        caption=(
            "Smallest margins these interviews could confirm, in points, "
            "and power at the margin declared"
        ),
        header=(
            "Outcome",
            "At",
            "Margin",
            "Declared",
            *(clean(name) or "as it is" for name in variants),
        ),
        rows=once(lines),
        leading=3,
        notes=tuple(dict.fromkeys(own_note(row) for row in rows if row.note)),
        mark=view.mark,
    )


def _margin(row: SensitivityRow | None) -> str:
    if row is None:
        return DASH
    told = row.power is not None and row.quantity == "smallest_margin"
    power = f" (power\N{NO-BREAK SPACE}{percent(row.power)})" if told else ""
    return f"{points(row.estimate)}{power}"
