"""The gap with the phone people: in their place, together, and with a term for the mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coopgap.estimate import SensitivityRow
from coopgap.report.content.phone_note import own_note
from coopgap.report.content.said.dispatch import said
from coopgap.report.document import Block, Heading, Items, Paragraph, Table
from coopgap.report.values import DASH, estimate_words
from coopgap.report.view import View
from coopgap.report.words import category_words, clean, once, verdict_words
from coopgap.vocabulary import Check, Family, Version

__all__ = ["VERSIONS", "gap_blocks", "is_version"]

VERSIONS = (Check.PHONE_REPLACES, Check.PHONE_JOINS, Check.PHONE_JOINS_MODE)
"""Checks whose rows are gaps with the phone people in them."""

_HERE = "In person only"
_SHOWN = ("risk_difference", "superiority")
_SAME = "Holds: the interval says the same about zero as in person. "
_TWO = (
    "The gap in person stands here balanced on the covariates, as the phone people can be, and "
    "with a term for the mode as the model {makes} it: the two differ a little because their "
    "weights do."
)
_MODE: dict[str, str] = {
    Version.MODE_TERM: "With a mode term",
    Version.MODE_THRESHOLDS: "With thresholds by mode",
}
_INSTEAD = {Check.PHONE_REPLACES: "By phone instead", Check.PHONE_JOINS: "Both together"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One estimator's table: its caption and its note."""

    caption: str
    note: str


_BALANCED = _Kind(
    caption="Gap between members and the comparison group with the phone interviews, in points",
    note=(
        f"{_SAME}The comparison group is balanced on the covariates; members left out and "
        "effective sizes stand in sensitivity.csv. In brackets: 95 % confidence interval."
    ),
)
_TERM = _Kind(
    caption="The same with both modes in the {how} regression and a term for the mode, in points",
    note=(
        f"{_SAME}Standardised over the same members, as asked in person. No member's answer by "
        "phone enters: the term takes up the level of the phone answers, so that they inform the "
        "gap only through the covariates and, with one term for all thresholds, through the "
        "distances between them. In brackets: 95 % confidence interval."
    ),
)
_POOLED = _Kind(
    caption="The same in the model by region, in points",
    note=(
        f"{_SAME}Over all members, as asked in person. The mode is a covariate whose levels are "
        "drawn together by their prior; thresholds by mode have distances between them that its "
        "prior draws together too. In brackets: 95 % credible interval."
    ),
)


def is_version(row: SensitivityRow) -> bool:
    """Whether a row without numbers concerns one version of a check and not the whole of it."""
    return row.check in VERSIONS and bool(row.variant)


def gap_blocks(view: View, rows: Sequence[SensitivityRow]) -> list[Block]:
    """Each check in words, a table an estimator, and why a version has no number."""
    mine = [row for row in rows if row.check in VERSIONS]
    pooled = [row for row in mine if row.family == Family.HIERARCHICAL]
    mode = [row for row in mine if row.check == Check.PHONE_JOINS_MODE and row not in pooled]
    plain = [row for row in mine if row not in pooled and row not in mode]
    blocks: list[Block] = []
    for kind, found in ((_BALANCED, plain), (_TERM, mode), (_POOLED, pooled)):
        if any(row.quantity in _SHOWN for row in found):
            blocks.append(_table(view, found, kind))
    if not blocks:
        return []
    told = [said(view, [row for row in mine if row.check == check]) for check in VERSIONS]
    silent = tuple(_without_number(view, mine))
    makes = "matches" if view.has_matching else "adjusts"
    return [
        Heading(text="What would the gap be with them?"),
        *([Paragraph(text=_TWO.format(makes=makes))] if plain and mode else []),
        *(Items(items=items) for items in told if items),
        *blocks,
        *([Items(items=silent, brief=False)] if silent else []),
    ]


def _without_number(view: View, rows: Sequence[SensitivityRow]) -> list[tuple[str, str]]:
    """Reasons of versions that have none, each with the outcomes it holds for."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if is_version(row) and not row.quantity:
            family = ", in the model by region" if row.family == Family.HIERARCHICAL else ""
            lead = f"{_heading(row)}{family}: {verdict_words(row.verdict)}."
            found.setdefault((lead, own_note(row)), []).append(view.label(row.outcome))
    return [(lead, f"{note} ({'; '.join(outcomes)})") for (lead, note), outcomes in found.items()]


def _heading(row: SensitivityRow) -> str:
    return _MODE.get(row.variant) or _INSTEAD.get(Check(row.check)) or clean(row.variant)


def _table(view: View, rows: Sequence[SensitivityRow], kind: _Kind) -> Table:
    """A line a threshold; the gap in person, then each version with its conclusion."""
    found: dict[tuple[str, str, str], dict[str, SensitivityRow]] = {}
    for row in rows:
        if row.quantity in _SHOWN:
            slots = found.setdefault((row.outcome, row.quantity, row.category), {})
            if row.variant == Version.SAME_MEMBERS:
                slots[f"{Version.SAME_MEMBERS} {row.check}"] = row
            else:
                slots.setdefault(_HERE if row.variant == Version.IN_PERSON else _heading(row), row)
    used = {slot for slots in found.values() for slot in slots}
    heads = [head for head in (*_INSTEAD.values(), *_MODE.values()) if head in used]
    lines = [
        (
            view.label(outcome),
            category_words(category, view.levels(outcome)) or "superiority",
            _gap(slots.get(_HERE)),
            *(cell for head in heads for cell in _cells(slots.get(head), slots)),
        )
        for (outcome, _, category), slots in found.items()
    ]
    return Table(
        caption=kind.caption.format(how=view.how(row.model for row in rows)),
        header=(
            "Outcome",
            "At",
            _HERE,
            *(name for head in heads for name in (head, "Conclusion")),
        ),
        rows=once(lines),
        leading=2,
        notes=(kind.note,),
        mark=view.mark,
        brief=False,
    )


def _cells(row: SensitivityRow | None, slots: dict[str, SensitivityRow]) -> tuple[str, str]:
    """A gap and its conclusion, which is drawn beside the gap in person of the same members."""
    same = None if row is None else slots.get(f"{Version.SAME_MEMBERS} {row.check}")
    beside = "" if same is None else f"; same members in person {_gap(same)}"
    return _gap(row) + beside, DASH if row is None else verdict_words(row.verdict)


def _gap(row: SensitivityRow | None) -> str:
    if row is None:
        return DASH
    if row.estimate is None:
        return own_note(row).split(":")[0].lower() or DASH
    return estimate_words(row.quantity, row.estimate, row.lower, row.upper)
