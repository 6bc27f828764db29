"""The printed numbers, re-analysed: real, and kept apart from whatever the survey is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from coopgap.estimate import GapRow
from coopgap.report.document import Block, Items, Paragraph, Section, Table
from coopgap.report.view import View
from coopgap.report.words import (
    DASH,
    category_words,
    comparator_words,
    estimate_words,
    group_words,
    interval_name,
    number,
    percent,
    points,
    quantity_words,
    readable,
    spread,
)
from coopgap.vocabulary import Quantity

__all__ = ["printed_section"]

_ROUNDING = "_rounding"
_MARK = "printed numbers"


@dataclass(slots=True)
class _Line:
    """What the printed rows say of one item at one category."""

    item: str
    outcome: str
    category: str
    comparator: str = ""
    member: GapRow | None = None
    other: GapRow | None = None
    gap: GapRow | None = None
    rounding: GapRow | None = None
    used: list[GapRow] = field(default_factory=list)


def printed_section(view: View) -> Section | None:
    """Printed gaps with intervals and rounding bounds; None where nothing printed was read."""
    contradictions = [row for row in view.diagnostics if row.diagnostic.startswith("contradiction")]
    if not view.printed and not contradictions:
        return None
    lines, rest = _lines(view.printed)
    binary = [line for line in lines if not line.category]
    classes = [line for line in lines if line.category]
    blocks: list[Block] = [Paragraph(text=_INTRODUCTION)]
    if binary:
        blocks.append(_gap_table(view, binary))
    by_outcome = dict.fromkeys((line.item, line.outcome) for line in classes)
    blocks += [
        _class_table(view, [x for x in classes if (x.item, x.outcome) == key]) for key in by_outcome
    ]
    if rest:
        blocks.append(_rest_table(view, rest))
    if contradictions:
        blocks.append(
            Paragraph(
                lead="Where the report contradicts itself",
                text="The printed numbers that do not agree with one another:",
            )
        )
        blocks.append(
            Items(items=tuple((_pair(row.value, row.bar), row.note) for row in contradictions))
        )
    return Section(
        title="What the printed report holds",
        anchor="printed",
        blocks=tuple(blocks),
        tone="printed",
    )


_INTRODUCTION = (
    "These are the numbers the published report prints, with the uncertainty that its sample sizes "
    "imply. Nothing here comes from a survey file. Intervals treat people as drawn independently, "
    "so they are narrower than the truth where answers cluster in zones. Rounding bounds say how "
    "far each gap could move if every printed share were exact before it was rounded. A quota "
    "sample has no formal margin of error: the intervals rest on a model."
)


def _pair(found: float | None, other: float | None) -> str:
    if found is None or other is None:
        return ""
    return f"{number(found, _decimals(found))} and {number(other, _decimals(other))}"


def _decimals(value: float) -> int:
    return 0 if value == int(value) else 1


def _lines(rows: Sequence[GapRow]) -> tuple[list[_Line], list[GapRow]]:
    """Bring the rows of one item together; what fits nowhere is given back."""
    found: dict[tuple[str, str, str], _Line] = {}
    rest: list[GapRow] = []
    for row in rows:
        plain = row.quantity in (Quantity.RISK_DIFFERENCE, Quantity.SHARE) and row.group == "all"
        item = row.model.removesuffix(_ROUNDING)
        if not plain or row.category.startswith((">=", "<")):
            rest.append(row)
            continue
        line = found.setdefault(
            (item, row.outcome, row.category),
            _Line(item=item, outcome=row.outcome, category=row.category),
        )
        if not _place(line, row):
            rest.append(row)
    complete = [line for line in found.values() if line.gap is not None]
    for line in found.values():
        if line.gap is None:
            rest += line.used
    return complete, rest


def _place(line: _Line, row: GapRow) -> bool:
    """Put a row where it belongs in its line; false where the place is taken."""
    if row.model.endswith(_ROUNDING):
        slot = "rounding" if row.quantity == Quantity.RISK_DIFFERENCE else ""
    elif row.quantity == Quantity.RISK_DIFFERENCE:
        slot = "gap"
    else:
        slot = "other" if row.comparator else "member"
    if not slot or getattr(line, slot) is not None:
        return False
    setattr(line, slot, row)
    line.used.append(row)
    if row.comparator:
        line.comparator = row.comparator
    return True


def _share(row: GapRow | None) -> str:
    return DASH if row is None else percent(row.estimate)


def _bounds(row: GapRow | None) -> str:
    return DASH if row is None else spread(row.quantity, row.lower, row.upper) or DASH


def _gap(row: GapRow | None) -> tuple[str, str]:
    """The gap, and its interval."""
    if row is None:
        return DASH, DASH
    return points(row.estimate, signed=True), spread(row.quantity, row.lower, row.upper) or DASH


def _interval_head(lines: Sequence[_Line]) -> str:
    rows = [line.gap for line in lines if line.gap is not None and line.gap.interval_kind]
    return interval_name(rows[0].interval_prob, rows[0].interval_kind) if rows else "interval"


def _gap_table(view: View, lines: Sequence[_Line]) -> Table:
    return Table(
        caption="Printed gaps between members and those they are compared with",
        header=(
            "Item",
            "Compared with",
            "Members",
            "Others",
            "Gap, points",
            _interval_head(lines),
            "Rounding bounds",
        ),
        rows=tuple(
            (
                _item(view, line),
                comparator_words(line.comparator),
                _share(line.member),
                _share(line.other),
                *_gap(line.gap),
                _bounds(line.rounding),
            )
            for line in lines
        ),
        leading=2,
        mark=_MARK,
    )


def _item(view: View, line: _Line) -> str:
    label, item = view.label(line.outcome), readable(line.item)
    return label if item in (readable(line.outcome), label) else f"{label} ({item})"


def _class_table(view: View, lines: Sequence[_Line]) -> Table:
    comparators = dict.fromkeys(line.comparator for line in lines)
    other = " / ".join(comparator_words(name) for name in comparators)
    return Table(
        caption=f"{_item(view, lines[0])}: members against the {other}",
        header=(
            "Level",
            "Members",
            other.capitalize(),
            "Gap, points",
            _interval_head(lines),
            "Rounding bounds",
        ),
        rows=tuple(
            (
                category_words(line.category, view.levels(line.outcome)),
                _share(line.member),
                _share(line.other),
                *_gap(line.gap),
                _bounds(line.rounding),
            )
            for line in lines
        ),
        notes=(*(_NATIONAL if "national" in comparators else ()),),
        mark=_MARK,
    )


_NATIONAL = (
    "The national average holds members too, and people of all regions in another mix than the "
    "members': it is not a group of non-members.",
)


def _rest_table(view: View, rows: Sequence[GapRow]) -> Table:
    return Table(
        caption="What else the printed numbers imply",
        header=(
            "Item",
            "Compared with",
            "Who",
            "What",
            "At",
            "Estimate and interval or bounds",
            "Kind",
        ),
        rows=tuple(
            (
                f"{view.label(row.outcome)} ({readable(row.model)})",
                comparator_words(row.comparator),
                group_words(row.group),
                quantity_words(row.quantity),
                category_words(row.category, view.levels(row.outcome)) or DASH,
                estimate_words(row.quantity, row.estimate, row.lower, row.upper, row.status),
                interval_name(row.interval_prob, row.interval_kind) if row.interval_kind else DASH,
            )
            for row in rows
        ),
        leading=5,
        mark=_MARK,
        brief=False,
    )
