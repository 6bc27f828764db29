"""Who was reached by phone, beside the comparison people asked in person."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.content.said.dispatch import said
from coopgap.report.document import Block, Heading, Items, Table
from coopgap.report.values import (
    DASH,
    estimate_words,
    p_value,
    percent,
    quantity_words,
    spread,
    value_words,
)
from coopgap.report.view import View
from coopgap.report.words import clean, verdict_words
from coopgap.vocabulary import Check, Verdict, Version

__all__ = ["reached_blocks"]


def reached_blocks(view: View, rows: Sequence[SensitivityRow]) -> list[Block]:
    """Who was reached, once for all models that ask the same people the same covariates."""
    mine = [row for row in rows if row.check == Check.PHONE_COMPOSITION and row.category]
    shares = [
        row
        for row in mine
        if row.quantity in ("share", "mean", "smd") and row.variant != Version.BALANCED
    ]
    if not shares:
        return []
    tests = [
        row
        for row in rows
        if row.check == Check.PHONE_COMPOSITION and row.quantity == "rao_scott_f"
    ]
    model = shares[0].model
    found = {(row.category, row.quantity, row.variant): row for row in shares if row.model == model}
    lines = []
    for category in dict.fromkeys(key[0] for key in found):
        one = next(row for row in shares if row.category == category)
        variable, level = one.about, one.choice
        of_level = "share" if level else "mean"
        phone = found.get((category, of_level, "phone"))
        person = found.get((category, of_level, "in person"))
        smd = found.get((category, "smd", ""))
        lines.append(
            (
                f"{view.label(variable)}: {clean(level)}" if level else view.label(variable),
                *(_share(row) for row in (phone, person)),
                DASH if smd is None else value_words("smd", smd.estimate),
                _within(smd),
            )
        )
    table = Table(
        caption=f"Who was reached by phone (people of the model {view.label(shares[0].outcome)})",
        header=("Level", "By phone", "In person", "Standardised difference", "Within 0.1"),
        rows=tuple(lines),
        trailing=1,
        notes=(
            "Other models that need other answers differ a little; all stand in sensitivity.csv.",
        ),
        mark=view.mark,
        brief=False,
    )
    items = tuple(
        (
            f"{'All together' if not row.category else view.label(row.category)}:",
            f"{quantity_words(row.quantity)} "
            f"{value_words(row.quantity, row.estimate)}, p "
            f"{p_value(row.p_value)}, {verdict_words(row.verdict)}.",
        )
        for row in tests
        if row.model == model
    )
    told = said(view, [row for row in rows if row.check == Check.PHONE_COMPOSITION])
    before, after = ([Items(items=part)] if part else [] for part in (told, items))
    return [Heading(text="Who was reached?"), *before, table, *after]


def _within(row: SensitivityRow | None) -> str:
    if row is None:
        return DASH
    words: dict[Verdict | None, str] = {Verdict.HOLDS: "yes", Verdict.CHANGES: "no"}
    return words.get(row.verdict, verdict_words(row.verdict))


def _share(row: SensitivityRow | None) -> str:
    if row is None:
        return DASH
    if row.estimate is None:
        return "suppressed" if row.verdict == Verdict.NOT_ASSESSED else DASH
    if row.quantity == "mean":
        return estimate_words(row.quantity, row.estimate, row.lower, row.upper)
    return f"{percent(row.estimate)} ({spread('share', row.lower, row.upper)})"
