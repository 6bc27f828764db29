"""Every other sensitivity check: one table a check, its notes once below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from coopgap.estimate import SensitivityRow
from coopgap.report.confounders import is_benchmark
from coopgap.report.content.confounders import benchmark_blocks
from coopgap.report.content.multiverse import multiverse_blocks
from coopgap.report.content.pooled_checks import pooled_summary
from coopgap.report.content.said.dispatch import said
from coopgap.report.content.said.places import INFLUENCE, most_moving
from coopgap.report.content.unanswered import unanswered_items
from coopgap.report.document import Block, Heading, Items, Paragraph, Section, Table
from coopgap.report.values import DASH, estimate_words, interval_name, p_value, quantity_words
from coopgap.report.view import View
from coopgap.report.words import (
    CHECKS,
    capital,
    category_words,
    clean,
    once,
    readable,
    verdict_words,
)
from coopgap.vocabulary import BY_REGION, Check, Version

__all__ = ["check_blocks", "checks_section"]

_WIDE = 6
"""Versions of one check that fit side by side."""

_WIDER: Mapping[str, int] = {Check.ROSENBAUM: 9}
"""Checks whose cells are so short that more versions do."""

_LONG = 60
"""Rows of one check that a page still carries; the csv has them all."""


def checks_section(view: View, drawn: Sequence[str] = ()) -> Section | None:
    """Sensitivity besides the phone interviews; None where nothing was checked."""
    rows = [row for row in view.sensitivity if not row.check.startswith("phone")]
    pooled = pooled_summary(view)
    blocks = check_blocks(view, [row for row in rows if row.check not in BY_REGION], drawn)
    silent = unanswered_items(view, [row for row in rows if not row.variant or row.quantity])
    if silent:
        blocks += [Heading(text="Checks without an answer here"), Items(items=silent)]
    if pooled:
        blocks += [
            Heading(text="The model by region", brief=False),
            Paragraph(text="Tables and pictures stand under “By region”.", brief=False),
            Items(items=pooled, brief=False),
        ]
    if not blocks:
        return None
    first = Paragraph(
        text=(
            "Each check compares another estimate with the declared one. Changes: the interval of "
            "their difference excludes zero and the difference exceeds half the smallest gap that "
            "matters. Holds: it lies within that gap. Else it is undecided. No check shows that "
            "nothing was left unmeasured. Every number is in sensitivity.csv."
        )
    )
    return Section(title="Other sensitivity checks", anchor="checks", blocks=(first, *blocks))


def check_blocks(
    view: View, rows: Sequence[SensitivityRow], drawn: Sequence[str] = ()
) -> list[Block]:
    """A heading and a table a check, in the order of the vocabulary."""
    order = {check: number for number, check in enumerate(Check)}
    blocks: list[Block] = []
    told = [row for row in rows if row.quantity or row.variant]
    for check in sorted(dict.fromkeys(row.check for row in told), key=lambda c: order.get(c, 99)):
        mine = [row for row in rows if row.check == check]
        answered = _tabulated(check, mine)
        sentences = said(view, mine)
        blocks.append(Heading(text=CHECKS.get(check, readable(check)), brief=bool(sentences)))
        blocks += [Items(items=sentences)] if sentences else []
        blocks += _verdicts(mine)
        if check == Check.MULTIVERSE:
            blocks += multiverse_blocks(view, answered, drawn)
        elif answered:
            blocks.append(_table(view, answered))
        blocks += benchmark_blocks(view, mine, drawn)
        blocks += [
            Paragraph(
                lead=f"{view.label(row.outcome)}{f', {row.variant}' if row.variant else ''}.",
                text=f"{verdict_words(row.verdict).capitalize()}. {clean(row.note)}".strip(),
                brief=False,
            )
            for row in mine
            if row.variant and not row.quantity
        ]
    return blocks


def _tabulated(check: str, rows: Sequence[SensitivityRow]) -> list[SensitivityRow]:
    """The rows a page shows: of the zones left out, those that move the gap most."""
    answered = [
        _named(row)
        for row in rows
        if row.quantity and row.quantity != INFLUENCE and not is_benchmark(row)
    ]
    if check != Check.LEAVE_ONE_ZONE:
        return answered
    models = dict.fromkeys(row.model for row in answered)
    return [row for name in models for row in most_moving([r for r in rows if r.model == name])]


def _named(row: SensitivityRow) -> SensitivityRow:
    """The row, that of a control with its name and threshold in its version."""
    if row.variant != Version.CONTROL:
        return row
    return replace(row, variant=" ".join(filter(None, (row.variant, row.about, row.choice))))


def _verdicts(rows: Sequence[SensitivityRow]) -> list[Block]:
    """How often each verdict fell."""
    found: dict[str, int] = {}
    for row in rows:
        if row.verdict:
            found[verdict_words(row.verdict)] = found.get(verdict_words(row.verdict), 0) + 1
    if not found:
        return []
    text = "; ".join(f"{name}: {number}" for name, number in found.items())
    return [Paragraph(lead="Verdicts.", text=f"{text}.", brief=False)]


def _table(view: View, rows: Sequence[SensitivityRow]) -> Table:
    """Versions side by side where they fit on a page, below one another where they do not."""
    names = list(dict.fromkeys(row.variant for row in rows))
    versions = list(dict.fromkeys((row.variant, row.quantity) for row in rows))
    versions.sort(key=lambda version: names.index(version[0]))
    if len(versions) > _WIDER.get(rows[0].check, _WIDE):
        header, lines, leading = _long(view, rows)
    else:
        header, lines, leading = _pivot(view, rows, versions)
    notes = dict.fromkeys(clean(row.note) for row in rows if row.note)
    kinds = dict.fromkeys(
        interval_name(row.interval_prob, row.interval_kind) for row in rows if row.interval_kind
    )
    cut = f"The first {_LONG} of {len(lines)} rows; sensitivity.csv has all."
    return Table(
        caption=CHECKS.get(rows[0].check, readable(rows[0].check)),
        header=header,
        rows=once(lines[:_LONG]),
        leading=leading,
        trailing=int(header[-1] == "Verdict"),
        notes=(
            *((cut,) if len(lines) > _LONG else ()),
            *list(notes)[:8],
            *((f"In brackets: {' or '.join(kinds)}.",) if kinds else ()),
        ),
        mark=view.mark,
        brief=False,
    )


type _Lines = tuple[tuple[str, ...], list[tuple[str, ...]], int]
"""Header, lines, and how many leading columns are words."""


def _cell(row: SensitivityRow | None) -> str:
    if row is None:
        return DASH
    if row.quantity == "p_bound":
        return p_value(row.p_value)
    if row.check == Check.MULTIPLICITY:
        return f"p\N{NO-BREAK SPACE}{p_value(row.p_value)}"
    return estimate_words(row.quantity, row.estimate, row.lower, row.upper)


def _pivot(
    view: View, rows: Sequence[SensitivityRow], versions: Sequence[tuple[str, str]]
) -> _Lines:
    """A line an outcome, group and threshold; a column a version."""
    places: dict[tuple[str, str, str], list[SensitivityRow]] = {}
    for row in rows:
        places.setdefault((row.outcome, row.group or "all", row.category), []).append(row)
    grouped = any(group != "all" for _, group, _ in places)
    judged = any(row.verdict for row in rows)
    quantities = {quantity for _, quantity in versions}
    told = len(quantities) > 1 and rows[0].check not in _WIDER
    heads = [_head(name, quantity, told) for name, quantity in versions]
    lines = []
    for (outcome, group, category), here in places.items():
        found = {(row.variant, row.quantity): row for row in here}
        lines.append(
            (
                view.label(outcome) if outcome else DASH,
                *((view.group(group),) if grouped else ()),
                category_words(category, view.levels(outcome)) or "whole distribution",
                *(_cell(found.get(version)) for version in versions),
                *((_verdict_of(here),) if judged else ()),
            )
        )
    header = (
        "Outcome",
        *(("Who",) if grouped else ()),
        "At",
        *heads,
        *(("Verdict",) if judged else ()),
    )
    return header, lines, 2 + int(grouped)


def _head(variant: str, quantity: str, told: bool) -> str:
    """A version's name, with the quantity where there are several."""
    name = clean(variant)
    if not name:
        return capital(quantity_words(quantity))
    return f"{capital(name)}, {quantity_words(quantity)}" if told else capital(name)


def _verdict_of(rows: Sequence[SensitivityRow]) -> str:
    """One verdict where versions agree, each version's where they do not."""
    judged = [row for row in rows if row.verdict]
    verdicts = list(dict.fromkeys(verdict_words(row.verdict) for row in judged))
    if len(verdicts) < 2:
        return verdicts[0] if verdicts else DASH
    return "; ".join(
        f"{clean(row.variant) or 'as declared'}: {verdict_words(row.verdict)}" for row in judged
    )


def _long(view: View, rows: Sequence[SensitivityRow]) -> _Lines:
    """A line a row; columns that hold nothing are left out."""
    heads = ("Outcome", "Version", "Who", "What", "At", "Estimate", "p", "Verdict")
    lines = [
        (
            view.label(row.outcome) if row.outcome else DASH,
            clean(row.variant) or DASH,
            view.group(row.group),
            quantity_words(row.quantity),
            category_words(row.category, view.levels(row.outcome)) or DASH,
            _cell(row),
            p_value(row.p_value),
            verdict_words(row.verdict),
        )
        for row in rows
    ]
    blank = {DASH, "everyone"}
    kept = [
        number
        for number, head in enumerate(heads)
        if head in ("Outcome", "Estimate") or any(line[number] not in blank for line in lines)
    ]
    header = tuple(heads[number] for number in kept)
    shown = [tuple(line[number] for number in kept) for line in lines]
    return header, shown, sum(1 for number in kept if number < 5)
