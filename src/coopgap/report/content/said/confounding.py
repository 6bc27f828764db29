"""Sentences about what an unmeasured confounder would have to be."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.values import p_value, ratio
from coopgap.report.view import View
from coopgap.report.words import category_words

__all__ = ["e_values", "hidden_bias"]

_LEVEL = 0.025


def _at(view: View, row: SensitivityRow) -> str:
    """The threshold of a row in quotes."""
    words = category_words(row.category, view.levels(row.outcome))
    return f"“{words}”" if words else "the whole distribution"


def e_values(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The weakest confounder that would do, over thresholds and both codings."""
    found = [row for row in rows if row.quantity == "e_value" and row.estimate is not None]
    if not found:
        return ()
    least = min(found, key=lambda row: row.estimate or 0.0)
    limit = min(found, key=lambda row: row.lower or 0.0)
    first = (
        "The weakest confounder that could account for a whole ratio would have to go with both "
        f"membership and the answer by a risk ratio of {ratio(least.estimate)} each "
        f"({_at(view, least)})."
    )
    if limit.lower is None:
        return (first,)
    if limit.lower <= 1:
        return (first, f"An interval holds one as it is ({_at(view, limit)}).")
    return (
        first,
        f"To bring one into an interval, {ratio(limit.lower)} would do ({_at(view, limit)}).",
    )


def hidden_bias(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The hidden bias at which the p-value passes .025, and its range over the thresholds."""
    found = [
        row
        for row in rows
        if row.quantity == "gamma" and row.threshold == _LEVEL and row.estimate is not None
    ]
    if not found:
        return ()
    main = next((row for row in found if not row.category), found[0])
    others = [row for row in found if row is not main]
    sentences = [_bias(view, main, rows)]
    if others:
        low, high = (pick(others, key=lambda row: row.estimate or 0.0) for pick in (min, max))
        sentences.append(
            f"By threshold this Γ lies between {ratio(low.estimate)} ({_at(view, low)}) and "
            f"{ratio(high.estimate)} ({_at(view, high)})."
        )
    return sentences


def _bias(view: View, main: SensitivityRow, rows: Sequence[SensitivityRow]) -> str:
    if main.estimate is not None and main.estimate > 1:
        return (
            f"The one-sided p-value for {_at(view, main)} stays below {_LEVEL:g} as long as two "
            "people of one matched set differ in the odds of being a member by a factor of no "
            f"more than {ratio(main.estimate)}."
        )
    plain = next(
        (row for row in rows if row.category == main.category and row.threshold == 1.0), None
    )
    p = "" if plain is None else f", {p_value(plain.p_value)}"
    return (
        f"The one-sided p-value for {_at(view, main)}{p}, is above {_LEVEL:g} without any hidden "
        "bias, so no bias is needed to account for it."
    )
