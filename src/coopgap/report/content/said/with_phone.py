"""Sentences about who was reached by phone, and the gap with them."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.content.said.common import interval, judged
from coopgap.report.values import count, p_value, value_words
from coopgap.report.view import View
from coopgap.report.words import category_words, clean, joined
from coopgap.vocabulary import Check, Quantity, Verdict, Version

__all__ = ["reached", "with_phone"]

_LEVEL = 0.05

_IN_PERSON = (Version.IN_PERSON, Version.SAME_MEMBERS)


def reached(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """Whether other people were reached, on what, and what balancing leaves."""
    found = {(row.variant, row.quantity, row.category): row for row in rows}
    tests = [row for row in rows if row.quantity == "rao_scott_f"]
    if not tests:
        return ()
    differing = [
        view.label(row.category) for row in tests if row.category and row.verdict == Verdict.CHANGES
    ]
    whole = found.get(("", "rao_scott_f", ""), tests[0])
    sentences = [f"{_differ(differing, whole)} (test of all together, p {p_value(whole.p_value)})."]
    size = found.get(("balanced", "ess", ""))
    left = next((row for row in rows if row.quantity == "largest_smd"), None)
    if size is not None and size.estimate is not None and left is not None:
        sentences.append(
            f"Balanced to the in-person margins they are worth {count(size.estimate)} people; the "
            f"largest standardised difference left is {_left(left)}."
            f"{_unmatched(found.get(('balanced', 'unmatched_share', '')))}"
        )
    return sentences


def _left(row: SensitivityRow) -> str:
    return "suppressed" if row.estimate is None else value_words("smd", row.estimate)


def _unmatched(row: SensitivityRow | None) -> str:
    if row is None or row.estimate == 0:
        return ""
    if row.estimate is None:
        return " A few people in person, whom nobody called resembles, are left out."
    share = value_words(row.quantity, row.estimate)
    return f" {share} of the people in person, whom nobody called resembles, are left out."


def _differ(differing: Sequence[str], whole: SensitivityRow) -> str:
    """Whether others were reached: on which variables, or over all of them only."""
    if differing:
        return f"Other people were reached: they differ in {joined(differing)}"
    if whole.p_value is None:
        return "Whether other people were reached is not tested"
    if whole.p_value >= _LEVEL:
        return "No difference in who was reached is shown"
    if whole.verdict == Verdict.CHANGES:
        return "Other people were reached: they differ over all variables together, in none alone"
    return "Other people were reached, but no standardised difference exceeds 0.1"


def with_phone(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The gap with the phone people beside the gap in person, where it changes."""
    gaps = [row for row in rows if row.quantity == Quantity.RISK_DIFFERENCE and not row.family]
    in_person = {row.category: row for row in gaps if row.variant in _IN_PERSON}
    others = [row for row in gaps if row.category in in_person and row.verdict]
    answered = [row for row in others if row.estimate is not None]
    if not answered:
        return ()
    replaces = answered[0].check == Check.PHONE_REPLACES
    who = "With the phone people in place" if replaces else "With the phone people added"
    changed = [row for row in answered if row.verdict == Verdict.CHANGES]
    shown = changed or [max(answered, key=lambda row: _move(row, in_person[row.category]))]
    parts = [_beside(view, row, in_person[row.category]) for row in shown]
    end = f"the gap {judged(answered)}"
    if end.endswith("holds") and len(answered) > 1:
        end += " at every threshold"
    return (f"{who} the gap {'; '.join(parts)}: {end}.",)


def _move(row: SensitivityRow, in_person: SensitivityRow) -> float:
    if row.estimate is None or in_person.estimate is None:
        return 0.0
    return abs(row.estimate - in_person.estimate)


def _beside(view: View, row: SensitivityRow, in_person: SensitivityRow) -> str:
    at = category_words(clean(row.category), view.levels(row.outcome)) if row.category else ""
    place = f"at “{at}” " if at else ""
    return f"{place}is {interval(row)}, in person (balanced) {interval(in_person)}"
