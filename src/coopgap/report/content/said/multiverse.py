"""Sentences about a multiverse, and which of its rows a page carries."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.content.said.common import place
from coopgap.report.values import estimate_words, p_value
from coopgap.report.view import View
from coopgap.report.words import clean, readable
from coopgap.vocabulary import Check, Quantity, Verdict, Version

__all__ = ["is_specification", "many_choices"]


def is_specification(row: SensitivityRow) -> bool:
    """Whether a row is one specification of many: the picture and sensitivity.csv have them."""
    single = row.quantity in (Quantity.RISK_DIFFERENCE, Quantity.SUPERIORITY)
    return row.check == Check.MULTIVERSE and single


def many_choices(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """How far the choices move the gap, and how often shuffles of membership give as much."""
    single = [row for row in rows if is_specification(row)]
    shown = sorted(row.estimate for row in single if row.estimate is not None)
    if not shown:
        return ()
    quantity, at = single[0].quantity, place(view, single[0])
    n_changed, n_open = (
        sum(row.verdict == one for row in single) for one in (Verdict.CHANGES, Verdict.UNDECIDED)
    )
    ends = [estimate_words(quantity, end) for end in (shown[0], shown[-1])]
    lost = len(single) - len(shown)
    missing = f"; {lost} without an estimate" if lost else ""
    first = (
        f"The declared gap changes under {n_changed} of {len(single)} combinations of choices and "
        f"is undecided under {n_open}{missing}. The {_what(quantity)}{at} lies between "
        f"{ends[0]} and {ends[1]}."
    )
    return (first, *_moved(rows), *_shuffled(rows))


def _what(quantity: str) -> str:
    if quantity == Quantity.SUPERIORITY:
        return "probability of superiority"
    return "difference in points"


def _moved(rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The choice between whose values the median moves most."""
    medians: dict[str, list[tuple[float, str, SensitivityRow]]] = {}
    for row in rows:
        if row.quantity.startswith("median_") and row.variant != Version.TOGETHER:
            medians.setdefault(row.about, []).append((row.estimate or 0.0, row.choice, row))
    if not medians:
        return ()
    axis = max(medians, key=lambda name: max(medians[name])[0] - min(medians[name])[0])
    low, high = min(medians[axis])[1:], max(medians[axis])[1:]
    words = [
        f"{estimate_words(row.quantity, row.estimate)} ({clean(readable(value))})"
        for value, row in (low, high)
    ]
    return (f"Its median moves most with the {axis}: from {words[0]} to {words[1]}.",)


def _shuffled(rows: Sequence[SensitivityRow]) -> Sequence[str]:
    found = {row.quantity: row.p_value for row in rows if row.variant == Version.TOGETHER}
    median = next((p for name, p in found.items() if name.startswith("median_")), None)
    if median is None:
        return ()
    return (
        f"Where membership is shuffled, a median as far from no gap has p {p_value(median)}, as "
        f"many on one side p {p_value(found.get('share_same_sign'))}, as many intervals that leave "
        f"out no gap p {p_value(found.get('share_significant'))}. Combinations share "
        "their people, so most shuffles have them on one side too.",
    )
