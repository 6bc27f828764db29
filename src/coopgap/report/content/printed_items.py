"""One printed item: its rows, found by what they hold, and their parts as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coopgap.estimate import GapRow
from coopgap.report.values import DASH, estimate_words, interval_name, percent, points, spread
from coopgap.report.view import View
from coopgap.report.words import readable
from coopgap.vocabulary import Quantity

__all__ = [
    "Item",
    "comparator_of",
    "estimate_text",
    "found_at",
    "gap_texts",
    "grouped",
    "interval_text",
    "item_label",
    "item_name",
    "limits_text",
    "own_levels",
    "share_text",
]

_PREFIX, _ROUNDING = "printed_", "_rounding"

type Key = tuple[str, bool, str, str]
"""Quantity, whether rounding alone, comparator, category."""
type Item = Mapping[Key, GapRow]


def item_name(model: str) -> str:
    """The printed item a model name stands for."""
    return model.removeprefix(_PREFIX).removesuffix(_ROUNDING)


def grouped(
    rows: Sequence[GapRow],
) -> tuple[dict[tuple[str, str], dict[Key, GapRow]], list[GapRow]]:
    """Rows by item and outcome; items without a difference are given back as they are."""
    found: dict[tuple[str, str], dict[Key, GapRow]] = {}
    rest: list[GapRow] = []
    for row in rows:
        item = found.setdefault((item_name(row.model), row.outcome), {})
        rounding = row.model.endswith(_ROUNDING)
        key = (row.quantity, rounding, row.comparator, row.category)
        if row.group != "all" or key in item:
            rest.append(row)
        else:
            item[key] = row
    for name, item in list(found.items()):
        if not any(key[0] == Quantity.RISK_DIFFERENCE and not key[1] for key in item):
            rest += found.pop(name).values()
    return found, rest


def own_levels(item: Item) -> list[str]:
    """Levels with a difference of their own; none for an item of two answers."""
    return [
        category
        for quantity, rounding, _, category in item
        if quantity == Quantity.RISK_DIFFERENCE
        and not rounding
        and category
        and not category.startswith(">=")
    ]


def comparator_of(item: Item) -> str:
    """Whom the item compares members with."""
    return next(key[2] for key in item if key[0] == Quantity.RISK_DIFFERENCE)


def found_at(
    item: Item, quantity: str, category: str = "", *, rounding: bool = False, own: bool = False
) -> GapRow | None:
    """One row of the item; `own` is the members' own share."""
    return item.get((quantity, rounding, "" if own else comparator_of(item), category))


def share_text(row: GapRow | None) -> str:
    """A share in percent."""
    return DASH if row is None else percent(row.estimate)


def estimate_text(row: GapRow | None) -> str:
    """An estimate with its limits in brackets."""
    if row is None:
        return DASH
    return estimate_words(row.quantity, row.estimate, row.lower, row.upper, row.status)


def limits_text(row: GapRow | None) -> str:
    """Lower to upper limit."""
    return DASH if row is None else spread(row.quantity, row.lower, row.upper) or DASH


def gap_texts(item: Item, category: str = "") -> tuple[str, str, str]:
    """The gap, its interval and its rounding bounds."""
    row = found_at(item, Quantity.RISK_DIFFERENCE, category)
    bounds = found_at(item, Quantity.RISK_DIFFERENCE, category, rounding=True)
    size = DASH if row is None else points(row.estimate, signed=True)
    return size, limits_text(row), limits_text(bounds)


def interval_text(item: Item) -> str:
    """What the limits of the item are."""
    rows = [row for key, row in item.items() if not key[1] and row.interval_kind]
    return interval_name(rows[0].interval_prob, rows[0].interval_kind) if rows else "interval"


def item_label(view: View, key: tuple[str, str]) -> str:
    """The outcome's label, with the item where that says more."""
    name, outcome = key
    label, item = view.label(outcome), readable(name)
    plain = {readable(outcome), label}
    text = label if item in plain or item.startswith(readable(outcome)) else f"{label} ({item})"
    if item.startswith(readable(outcome)) and item not in plain:
        text = f"{label}, {item.removeprefix(readable(outcome)).strip()}"
    return text[:1].upper() + text[1:]
