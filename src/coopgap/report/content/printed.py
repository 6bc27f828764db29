"""The printed numbers, re-analysed: real, and kept apart from whatever the survey is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coopgap.estimate import DiagnosticRow, GapRow
from coopgap.report.document import Block, Items, Paragraph, Section, Table
from coopgap.report.values import (
    DASH,
    count,
    estimate_words,
    interval_name,
    number,
    percent,
    points,
    quantity_words,
    spread,
)
from coopgap.report.view import View
from coopgap.report.words import (
    category_words,
    clean,
    comparator_words,
    group_words,
    once,
    readable,
)
from coopgap.vocabulary import Quantity

__all__ = ["printed_section"]

_PREFIX, _ROUNDING = "printed_", "_rounding"
_MARK = "printed numbers"
_RATIOS = (Quantity.RISK_RATIO, Quantity.ODDS_RATIO, Quantity.CUMULATIVE_ODDS_RATIO)

type _Key = tuple[str, bool, str, str]
"""Quantity, whether rounding alone, comparator, category."""
type _Item = Mapping[_Key, GapRow]

_INTRODUCTION = (
    "These are the numbers the published report prints, with the uncertainty that its sample sizes "
    "imply. Nothing here comes from a survey file. Intervals treat people as drawn independently, "
    "so they are narrower than the truth where answers cluster in zones. Rounding bounds say how "
    "far a gap could move if every printed share were exact before it was rounded. A quota sample "
    "has no formal margin of error: the intervals rest on a model. Every gap is an association."
)
_NATIONAL = (
    "The national average holds members too, and people of all regions in another mix than the "
    "members': it is not a group of non-members. Intervals take it as exact."
)


def printed_section(view: View) -> Section | None:
    """Printed gaps with intervals and rounding bounds; None where nothing printed was read."""
    if not view.printed and not view.printed_diagnostics:
        return None
    items, rest = _items(view.printed)
    two = {key: item for key, item in items.items() if not _levels(item)}
    blocks: list[Block] = [Paragraph(text=_INTRODUCTION)]
    if two:
        blocks += [_gap_table(view, two)]
    for key, item in items.items():
        blocks += _classes(view, key, item) if _levels(item) else []
    if two:
        blocks += _ratio_table(view, two)
    blocks += [_rest_table(view, rest)] if rest else []
    blocks += _implied(view.printed_diagnostics)
    blocks += _contradictions(view.printed_diagnostics)
    return Section(
        title="What the printed report holds",
        anchor="printed",
        blocks=tuple(blocks),
        tone="printed",
    )


def _name(model: str) -> str:
    return model.removeprefix(_PREFIX).removesuffix(_ROUNDING)


def _items(
    rows: Sequence[GapRow],
) -> tuple[dict[tuple[str, str], dict[_Key, GapRow]], list[GapRow]]:
    """Rows by item and outcome; items without a difference are given back as they are."""
    found: dict[tuple[str, str], dict[_Key, GapRow]] = {}
    rest: list[GapRow] = []
    for row in rows:
        item = found.setdefault((_name(row.model), row.outcome), {})
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


def _levels(item: _Item) -> list[str]:
    """Levels with a difference of their own; none for an item of two answers."""
    return [
        category
        for quantity, rounding, _, category in item
        if quantity == Quantity.RISK_DIFFERENCE
        and not rounding
        and category
        and not category.startswith(">=")
    ]


def _comparator(item: _Item) -> str:
    return next(key[2] for key in item if key[0] == Quantity.RISK_DIFFERENCE)


def _at(
    item: _Item, quantity: str, category: str = "", *, rounding: bool = False, own: bool = False
) -> GapRow | None:
    return item.get((quantity, rounding, "" if own else _comparator(item), category))


def _share(row: GapRow | None) -> str:
    return DASH if row is None else percent(row.estimate)


def _estimate(row: GapRow | None) -> str:
    if row is None:
        return DASH
    return estimate_words(row.quantity, row.estimate, row.lower, row.upper, row.status)


def _limits(row: GapRow | None) -> str:
    return DASH if row is None else spread(row.quantity, row.lower, row.upper) or DASH


def _gap(item: _Item, category: str = "") -> tuple[str, str, str]:
    """The gap, its interval and its rounding bounds."""
    row = _at(item, Quantity.RISK_DIFFERENCE, category)
    bounds = _at(item, Quantity.RISK_DIFFERENCE, category, rounding=True)
    size = DASH if row is None else points(row.estimate, signed=True)
    return size, _limits(row), _limits(bounds)


def _interval(item: _Item) -> str:
    rows = [row for key, row in item.items() if not key[1] and row.interval_kind]
    return interval_name(rows[0].interval_prob, rows[0].interval_kind) if rows else "interval"


def _label(view: View, key: tuple[str, str]) -> str:
    name, outcome = key
    label, item = view.label(outcome), readable(name)
    plain = {readable(outcome), label}
    text = label if item in plain or item.startswith(readable(outcome)) else f"{label} ({item})"
    if item.startswith(readable(outcome)) and item not in plain:
        text = f"{label}, {item.removeprefix(readable(outcome)).strip()}"
    return text[:1].upper() + text[1:]


def _gap_table(view: View, items: Mapping[tuple[str, str], _Item]) -> Table:
    comparators = list(dict.fromkeys(_comparator(item) for item in items.values()))
    several = len(comparators) > 1
    first = next(iter(items.values()))
    lines = []
    for key, item in items.items():
        gap = _at(item, Quantity.RISK_DIFFERENCE)
        lines.append(
            (
                _label(view, key),
                *((comparator_words(_comparator(item)),) if several else ()),
                _share(_at(item, Quantity.SHARE, own=True)),
                _share(_at(item, Quantity.SHARE)),
                *_gap(item),
                count(gap.n_member if gap else None),
                count(gap.n_comparison if gap else None),
            )
        )
    against = "" if several else f": members against {comparator_words(comparators[0])}"
    return Table(
        caption=f"Printed gaps{against}",
        header=(
            "Item",
            *(("Compared with",) if several else ()),
            "Members",
            "Others",
            "Gap, points",
            _interval(first),
            "Rounding bounds",
            "Members asked",
            "Others asked",
        ),
        rows=tuple(lines),
        leading=2 if several else 1,
        mark=_MARK,
    )


def _classes(view: View, key: tuple[str, str], item: _Item) -> list[Block]:
    """Level by level, then threshold by threshold."""
    levels = view.levels(key[1])
    other = comparator_words(_comparator(item))
    national = _comparator(item) == "national"
    by_level = Table(
        caption=f"{_label(view, key)}: members against the {other}",
        header=(
            "Level",
            "Members",
            other.capitalize(),
            "Gap, points",
            _interval(item),
            "Rounding bounds",
        ),
        rows=tuple(
            (
                category_words(level, levels),
                _share(_at(item, Quantity.SHARE, level, own=True)),
                _share(_at(item, Quantity.SHARE, level)),
                *_gap(item, level),
            )
            for level in _levels(item)
        ),
        notes=(_NATIONAL,) if national else (),
        mark=_MARK,
    )
    blocks: list[Block] = [by_level, *_thresholds(view, key, item)]
    stands = _at(item, Quantity.SUPERIORITY)
    if stands is not None and stands.estimate is not None:
        text = (
            "A member drawn at random stands higher than a person drawn from the "
            f"{other} with probability {percent(stands.estimate)} ({_interval(item)} "
            f"{_limits(stands)}), ties counted as half; {percent(0.5)} would be no gap."
        )
        blocks.append(Paragraph(text=text))
    return blocks


def _thresholds(view: View, key: tuple[str, str], item: _Item) -> list[Block]:
    thresholds = [
        k[3]
        for k in item
        if k[0] == Quantity.RISK_DIFFERENCE and not k[1] and k[3].startswith(">=")
    ]
    if not thresholds:
        return []
    shown = [name for name in _RATIOS if any(k[0] == name and not k[1] for k in item)]
    table = Table(
        caption=f"{_label(view, key)}: gap at each threshold",
        header=("At", "Gap, points", *(_capital(quantity_words(name)) for name in shown)),
        rows=tuple(
            (
                category_words(at, view.levels(key[1])),
                _estimate(_at(item, Quantity.RISK_DIFFERENCE, at)),
                *(_estimate(_at(item, name, at)) for name in shown),
            )
            for at in thresholds
        ),
        notes=(f"In brackets: {_interval(item)}.",),
        mark=_MARK,
    )
    return [table]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _ratio_table(view: View, items: Mapping[tuple[str, str], _Item]) -> list[Block]:
    shown = [
        name for name in _RATIOS if any(_at(item, name) is not None for item in items.values())
    ]
    if not shown:
        return []
    first = next(iter(items.values()))
    heads = [head for name in shown for head in (_capital(quantity_words(name)), "Rounding bounds")]
    lines = [
        (
            _label(view, key),
            *(
                cell
                for name in shown
                for cell in (
                    _estimate(_at(item, name)),
                    _limits(_at(item, name, rounding=True)),
                )
            ),
        )
        for key, item in items.items()
    ]
    table = Table(
        caption="The same gaps as ratios",
        header=("Item", *heads),
        rows=tuple(lines),
        notes=(f"In brackets: {_interval(first)}.",),
        mark=_MARK,
        brief=False,
    )
    return [table]


def _rest_table(view: View, rows: Sequence[GapRow]) -> Table:
    lines = [
        (
            _label(view, (_name(row.model), row.outcome)),
            comparator_words(row.comparator),
            group_words(row.group),
            quantity_words(row.quantity),
            category_words(row.category, view.levels(row.outcome)) or DASH,
            estimate_words(row.quantity, row.estimate, row.lower, row.upper, row.status),
            interval_name(row.interval_prob, row.interval_kind) if row.interval_kind else DASH,
        )
        for row in rows
    ]
    return Table(
        caption="What else was computed from the printed numbers",
        header=("Item", "Compared with", "Who", "What", "At", "Estimate and limits", "Limits are"),
        rows=once(lines),
        leading=5,
        trailing=1,
        mark=_MARK,
        brief=False,
    )


def _implied(rows: Sequence[DiagnosticRow]) -> list[Block]:
    """What the printed margins alone imply: one line a note, lower and upper ends together."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if not row.diagnostic.startswith("contradiction"):
            note = clean(row.note) or readable(row.diagnostic)
            found.setdefault(note, []).append(_printed_value(row))
    if not found:
        return []
    items = tuple((f"{' to '.join(values)}.", note) for note, values in found.items())
    return [Paragraph(text="What the printed margins alone imply:"), Items(items=items)]


def _printed_value(row: DiagnosticRow) -> str:
    name = row.diagnostic
    if name.endswith(("_lower", "_upper")):
        return percent(row.value)
    if name.endswith("_smd"):
        bar = "" if row.bar is None else f" (bar {number(row.bar, 1)})"
        return number(row.value, 2) + bar
    whole = row.value is not None and row.value == int(row.value)
    return number(row.value, 0 if whole else 1)


def _contradictions(rows: Sequence[DiagnosticRow]) -> list[Block]:
    notes = [clean(row.note) for row in rows if row.diagnostic.startswith("contradiction")]
    if not notes:
        return []
    return [
        Paragraph(text="Where the printed numbers do not agree with one another:"),
        Items(items=tuple(("", f"{_capital(note).rstrip('.')}.") for note in notes)),
    ]
