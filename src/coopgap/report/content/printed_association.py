"""What an association between printed numbers would need to be more, item by item."""

from __future__ import annotations

from coopgap.printed.items import DESIGN, MATCHED_ON, slug_of
from coopgap.printed.registry import Registry
from coopgap.printed.rows import PrintedResult
from coopgap.report.document import Block, Items, Paragraph
from coopgap.report.values import number
from coopgap.report.view import View
from coopgap.report.words import UNKNOWN, capital, clean
from coopgap.vocabulary import Diagnostic

__all__ = ["association_blocks"]

_CAN_CARRY = (
    "To be read as more than an association, each of the following would have to hold. The printed "
    "numbers cannot show that any of them does."
)


def association_blocks(view: View, result: PrintedResult) -> list[Block]:
    """The conditions, one by one, each with what the registry says of it."""
    items = (
        *_alike(view, result),
        (
            "Nothing else that differs.",
            f"How far people who join were already different before they joined: {UNKNOWN}. Every "
            "number was asked once.",
        ),
        ("Who was asked.", _chosen(result.registry)),
        ("When, and in which mode.", _asked(result.registry)),
        (
            "Who had left the co-operative.",
            "People who left count among the non-members if they count at all, and those who "
            f"stayed may be those it suited. How many had left: {UNKNOWN}.",
        ),
        (
            "One person's membership and another's answers.",
            "Where a place with a co-operative differs for everybody in it, the gap does not show "
            f"it. How far it does: {UNKNOWN}.",
        ),
    )
    return [Paragraph(text=_CAN_CARRY), Items(items=items)]


def _alike(view: View, result: PrintedResult) -> list[tuple[str, str]]:
    """How alike the printed samples are, on what they were matched on and on the rest."""
    bars = {row.about: row for row in view.printed_diagnostics if row.diagnostic == Diagnostic.SMD}
    known = {}
    for one in result.covariates:
        row = bars.get(one.name)
        if row is not None and row.value is not None:
            words = "alike" if row.passed else "not alike"
            known[one.name] = f"{words} (standardised difference {number(row.value, 2)})"
    matched = [row.category for row in result.registry.rows if row.item == MATCHED_ON]
    names = {slug_of(category) for category in matched}
    first = [
        f"{clean(one)}: {known.get(slug_of(one), f'not printed of both groups, {UNKNOWN}')}"
        for one in matched
    ] or [f"what the groups were matched on: {UNKNOWN}"]
    rest = [f"{clean(name)}: {words}" for name, words in known.items() if name not in names]
    return [
        ("Comparability on what was matched.", f"{capital('; '.join(first))}."),
        (
            "Comparability on what was not.",
            f"{capital('; '.join(rest) or f'nothing is printed of both groups: {UNKNOWN}')}. "
            "Whatever else differs is part of the gap.",
        ),
    ]


def _chosen(registry: Registry) -> str:
    said = _design(registry, "selection")
    text = f"As printed: {said}." if said else f"How people were chosen: {UNKNOWN}."
    if "quota" in said.casefold():
        text += " A quota sample has no formal margin of error."
    return f"{text} Shares of everybody in a country hold members too."


def _asked(registry: Registry) -> str:
    said = _design(registry, "fieldwork")
    text = f"As printed: {said}." if said else f"When and how people were asked: {UNKNOWN}."
    return (
        f"{text} Both groups would have to be asked at the same time in the same way, and answers "
        "by telephone and in person are not printed apart."
    )


def _design(registry: Registry, category: str) -> str:
    notes = [row.note for row in registry.find(item=DESIGN, category=category) if row.note]
    return clean("; ".join(notes))
