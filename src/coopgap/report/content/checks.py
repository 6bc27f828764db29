"""Every other sensitivity check: one table a check, its notes once below it."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.document import Block, Heading, Paragraph, Section, Table
from coopgap.report.view import View
from coopgap.report.words import (
    CHECKS,
    DASH,
    VERDICTS,
    category_words,
    clean,
    estimate_words,
    interval_name,
    p_value,
    quantity_words,
    readable,
    value_words,
)
from coopgap.vocabulary import Check

__all__ = ["check_blocks", "checks_section"]

_LONG = 60
"""Rows of one check that a page still carries; the csv has them all."""


def checks_section(view: View) -> Section | None:
    """Sensitivity besides the phone interviews; None where nothing was checked."""
    rows = [row for row in view.sensitivity if not row.check.startswith("phone")]
    blocks = check_blocks(view, rows)
    if not blocks:
        return None
    first = Paragraph(
        text=(
            "Each check asks whether the conclusion would stand under another choice. Holds: it "
            "would. Changes: it would not. No check shows that nothing was left unmeasured."
        )
    )
    return Section(title="Other sensitivity checks", anchor="checks", blocks=(first, *blocks))


def check_blocks(view: View, rows: Sequence[SensitivityRow]) -> list[Block]:
    """A heading and a table a check, in the order of the vocabulary."""
    order = {check: number for number, check in enumerate(Check)}
    blocks: list[Block] = []
    for check in sorted(dict.fromkeys(row.check for row in rows), key=lambda c: order.get(c, 99)):
        mine = [row for row in rows if row.check == check]
        answered = [row for row in mine if row.quantity]
        blocks.append(Heading(text=CHECKS.get(check, readable(check)), brief=False))
        blocks += _verdicts(mine)
        blocks += [_table(view, answered)] if answered else []
        blocks += [
            Paragraph(
                lead=f"{view.label(row.outcome)}{f', {row.variant}' if row.variant else ''}.",
                text=f"{_verdict(row).capitalize()}. {clean(row.note)}".strip(),
                brief=False,
            )
            for row in mine
            if not row.quantity
        ]
    return blocks


def _verdict(row: SensitivityRow) -> str:
    return VERDICTS.get(row.verdict or "", row.verdict or "") or DASH


def _verdicts(rows: Sequence[SensitivityRow]) -> list[Block]:
    """How often each verdict fell."""
    found: dict[str, int] = {}
    for row in rows:
        if row.verdict:
            found[_verdict(row)] = found.get(_verdict(row), 0) + 1
    if not found:
        return []
    text = "; ".join(f"{name}: {number}" for name, number in found.items())
    return [Paragraph(lead="Verdicts.", text=f"{text}.", brief=False)]


def _bar(row: SensitivityRow) -> str:
    if row.threshold is None:
        return DASH
    if row.p_value is not None and row.check == Check.MULTIPLICITY:
        return p_value(row.threshold)
    return value_words(row.quantity, row.threshold)


def _table(view: View, rows: Sequence[SensitivityRow]) -> Table:
    """A check's rows; columns that hold nothing are left out."""
    heads = ("Outcome", "Version", "Who", "What", "At", "Estimate", "p", "Bar", "Verdict")
    lines = [
        (
            view.label(row.outcome) if row.outcome else DASH,
            clean(row.variant) or DASH,
            view.group(row.group),
            quantity_words(row.quantity),
            category_words(row.category, view.levels(row.outcome)) or DASH,
            estimate_words(row.quantity, row.estimate, row.lower, row.upper),
            p_value(row.p_value),
            _bar(row),
            _verdict(row),
        )
        for row in rows
    ]
    blank = {DASH, "everyone"}
    kept = [
        number
        for number, head in enumerate(heads)
        if head in ("Outcome", "Estimate") or any(line[number] not in blank for line in lines)
    ]
    leading = sum(1 for number in kept if number < 5)
    notes = dict.fromkeys(clean(row.note) for row in rows if row.note)
    kinds = dict.fromkeys(
        interval_name(row.interval_prob, row.interval_kind) for row in rows if row.interval_kind
    )
    more = (
        (f"The first {_LONG} of {len(lines)} rows; sensitivity.csv has all.",)
        if len(lines) > _LONG
        else ()
    )
    return Table(
        caption=CHECKS.get(rows[0].check, readable(rows[0].check)),
        header=tuple(heads[number] for number in kept),
        rows=tuple(tuple(line[number] for number in kept) for line in lines[:_LONG]),
        leading=leading,
        notes=(
            *more,
            *list(notes)[:8],
            *((f"In brackets: {' or '.join(kinds)}.",) if kinds else ()),
        ),
        mark=view.mark,
        brief=False,
    )
