"""Sentences about borrowing from the phone interviews."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.values import estimate_words, percent, spread, value_words
from coopgap.report.view import View
from coopgap.report.words import category_words, joined
from coopgap.sensitivity.phone.borrow_rows import VAGUE, WEIGHTS
from coopgap.vocabulary import Quantity, Verdict, Version

__all__ = ["discount_words", "mixture", "power_prior"]

_FIRST_VAGUE = next(iter(VAGUE))
_NOT_HELD = {Verdict.CHANGES: "changes", Verdict.UNDECIDED: "is undecided"}


def power_prior(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """How far the discount moved, and the gap averaged over it."""
    where, shown = _main(view, rows)
    needed = (Version.IN_PERSON, Version.AVERAGED, Version.PRIOR, Version.POSTERIOR, Version.AGREED)
    if not all(name in shown for name in needed):
        return ()
    person, averaged, before, after, alike = (shown[name] for name in needed)
    moved = (
        f"{_opening(where, 'a')} phone interview counts as {discount_words(after)} of one in "
        f"person, {discount_words(before)} before the answers are compared; were the "
        f"two shares the same it would be {value_words('discount', alike.estimate)}."
    )
    gap = (
        f"Averaged over that the gap is {_gap(averaged)} points, in person {_gap(person)}: it "
        f"{_holds([averaged])}."
    )
    return (moved, gap, *_changed(view, [row for row in rows if row.variant == Version.AVERAGED]))


def mixture(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """What is left of the weight on the phone interviews, and the gaps."""
    where, _ = _main(view, rows)
    category = _category(view, rows)
    here = [row for row in rows if row.category == category]
    weights = {
        row.setting: row
        for row in here
        if row.quantity == "phone_weight" and row.choice == _FIRST_VAGUE
    }
    gaps = [row for row in here if _is_gap(row)]
    if not gaps or not all(weight in weights for weight in WEIGHTS):
        return ()
    kept = joined([percent(weights[weight].estimate) for weight in WEIGHTS])
    low, high = (pick(gaps, key=lambda row: row.estimate or 0.0) for pick in (min, max))
    ends = [value_words(row.quantity, row.estimate, signed=True) for row in (low, high)]
    between = f"is {ends[0]}" if ends[0] == ends[1] else f"lies between {ends[0]} and {ends[1]}"
    prior = joined([f"{weight:g}" for weight in WEIGHTS])
    found = (
        f"{_opening(where, 'of')} a prior weight of {prior} on what the phone interviews say, "
        f"{kept} lies there once the in-person answers are seen (vague part {_FIRST_VAGUE})."
    )
    told = f"The gap {between} points over all weights and vague parts: it {_holds(gaps)}."
    return (found, told, *_changed(view, [row for row in rows if _is_gap(row)]))


def discount_words(row: SensitivityRow) -> str:
    """A discount or a weight with its interval."""
    limits = spread(row.quantity, row.lower, row.upper)
    value = value_words(row.quantity, row.estimate)
    return f"{value} ({limits})" if limits else value


def _is_gap(row: SensitivityRow) -> bool:
    return row.quantity == Quantity.RISK_DIFFERENCE and row.estimate is not None


def _gap(row: SensitivityRow) -> str:
    return estimate_words(row.quantity, row.estimate, row.lower, row.upper)


def _category(view: View, rows: Sequence[SensitivityRow]) -> str:
    """The threshold nearest the middle of those that are shown, the higher of two."""
    shown = list(dict.fromkeys(row.category for row in rows if row.estimate is not None))
    places = view.thresholds(rows[0].outcome)
    known = [name for name in places if name in shown]
    middle = (len(places) - 1) / 2
    if known:
        return min(known, key=lambda name: abs(places.index(name) - middle))
    return shown[0] if shown else ""


def _main(view: View, rows: Sequence[SensitivityRow]) -> tuple[str, dict[str, SensitivityRow]]:
    """The threshold told about, in words where there are several, and its rows by variant."""
    category = _category(view, rows)
    words = category_words(category, view.levels(rows[0].outcome)) if category else ""
    here = {
        row.variant: row for row in rows if row.category == category and row.estimate is not None
    }
    return words, here


def _opening(where: str, first: str) -> str:
    """The first word of a sentence, behind the threshold where one is named."""
    return f"At “{where}”, {first}" if where else first.capitalize()


def _holds(rows: Sequence[SensitivityRow]) -> str:
    for verdict, words in _NOT_HELD.items():
        found = sum(row.verdict == verdict for row in rows)
        if found:
            return words if found == len(rows) else f"{words} under {found} of {len(rows)}"
    return "holds"


def _changed(view: View, rows: Sequence[SensitivityRow]) -> tuple[str, ...]:
    """Over all thresholds, where there are several."""
    shown = [row for row in rows if row.estimate is not None]
    if len({row.category for row in shown}) < 2:
        return ()
    levels = view.levels(shown[0].outcome)
    told = []
    for verdict, words in _NOT_HELD.items():
        found = dict.fromkeys(row.category for row in shown if row.verdict == verdict)
        at = joined([f"“{category_words(one, levels)}”" for one in found])
        told += [f"{words} at {at}"] if found else []
    if not told:
        return ("It holds at every threshold shown.",)
    return (f"Over all thresholds it {' and '.join(told)}.",)
