"""Whether one odds ratio holds at every threshold of an outcome, and the gap where it need not."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import DiagnosticRow, SensitivityRow
from coopgap.report.document import Block, Paragraph, Table
from coopgap.report.values import DASH, estimate_words, interval_name, p_value
from coopgap.report.view import View, headline_rows, pick
from coopgap.report.words import category_words, clean, verdict_words
from coopgap.vocabulary import FREED, SHIFT, Quantity

__all__ = ["proportional_blocks"]

_TEST = "proportional_odds: "


def proportional_blocks(view: View, model: str, outcome: str) -> list[Block]:
    """Tests in a sentence, then the gap with and without the assumption; none for two levels."""
    tests = [
        row for row in view.diagnostics if row.model == model and row.diagnostic.startswith(_TEST)
    ]
    rows = [row for row in view.sensitivity if row.model == model and row.variant in (FREED, SHIFT)]
    blocks: list[Block] = []
    if tests:
        blocks.append(
            Paragraph(
                lead="One odds ratio for every threshold?",
                text=(
                    "The ordinal models take it so. A small p counts against it: "
                    f"{_sentence(view, tests)}. With many people small departures are found, with "
                    "few large ones are missed, so the table shows what they do to the gap."
                ),
            )
        )
    return [*blocks, _table(view, model, outcome, rows)] if rows else blocks


def _sentence(view: View, tests: Sequence[DiagnosticRow]) -> str:
    """Tests by term, membership and all terms first."""
    found: dict[str, list[str]] = {}
    for row in tests:
        term, _, name = row.diagnostic.removeprefix(_TEST).rpartition(", ")
        p = f"p\N{NO-BREAK SPACE}{p_value(row.value)}" if row.value is not None else "not estimable"
        found.setdefault(term, []).append(f"{name} {p}")
    order = [term for term in ("member", "all terms") if term in found]
    names = {"member": "membership", "all terms": "all terms"}
    return "; ".join(
        f"{names.get(term) or clean(view.label(term)).lower()}: {', '.join(found[term])}"
        for term in dict.fromkeys((*order, *found))
    )


def _table(view: View, model: str, outcome: str, rows: Sequence[SensitivityRow]) -> Table:
    thresholds = view.thresholds(outcome)
    declared = headline_rows(view, model, outcome)
    kinds = dict.fromkeys(
        interval_name(row.interval_prob, row.interval_kind) for row in rows if row.interval_kind
    )
    first = []
    for at in thresholds:
        row = pick(declared, Quantity.RISK_DIFFERENCE, at)
        cell = DASH
        if row is not None:
            cell = estimate_words(row.quantity, row.estimate, row.lower, row.upper, row.status)
        first.append(cell)
    return Table(
        caption=f"{view.label(outcome)}: matched gap in points, with and without one odds ratio",
        header=("Odds ratio", *(category_words(at, view.levels(outcome)) for at in thresholds)),
        rows=(
            ("the same at every threshold (declared)", *first),
            ("free at each threshold", *(_cell(rows, FREED, at) for at in thresholds)),
            ("difference of the two", *(_cell(rows, SHIFT, at) for at in thresholds)),
        ),
        notes=(f"In brackets: {' or '.join(kinds)}.",) if kinds else (),
        mark=view.mark,
    )


def _cell(rows: Sequence[SensitivityRow], variant: str, at: str) -> str:
    row = next(
        (
            one
            for one in rows
            if one.variant == variant
            and one.category == at
            and one.quantity == Quantity.RISK_DIFFERENCE
        ),
        None,
    )
    if row is None:
        return DASH
    if row.estimate is None:
        return "suppressed" if row.note.startswith("Suppressed") else verdict_words(row.verdict)
    return estimate_words(row.quantity, row.estimate, row.lower, row.upper)
