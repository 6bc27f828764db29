"""Sentences about the gap estimated again: variants, several headlines, design effects."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.content.said.common import interval, name, value, verdict_words
from coopgap.report.values import count, p_value, ratio, spread
from coopgap.report.view import View, is_first
from coopgap.report.words import clean, joined
from coopgap.sensitivity.matching_ties import KEYS
from coopgap.vocabulary import Verdict

__all__ = ["headlines", "under_design_effects", "under_other_keys", "variants"]


def variants(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The lowest and the highest gap over the variants, and under which the gap changes."""
    shown = [row for row in rows if row.estimate is not None and is_first(view, row)]
    if not shown:
        return ()
    low, high = (pick(shown, key=lambda row: row.estimate or 0.0) for pick in (min, max))
    n_variants = len({row.variant for row in shown})
    if n_variants == 1:
        told = f"Under “{clean(low.variant)}” {name(view, low)} is {interval(low)}."
    else:
        told = (
            f"Over {count(n_variants)} variants {name(view, low)} lies between {value(low)} "
            f"(“{clean(low.variant)}”) and {value(high)} (“{clean(high.variant)}”)."
        )
    judged = verdict_words(view, [row for row in rows if row.estimate is not None])
    return (told, judged) if judged else (told,)


def under_other_keys(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The widest spread of a gap over the keys that break ties, and where one changes it."""
    two = len(view.levels(rows[0].outcome)) == 2
    kind = "median_risk_difference" if two else "median_superiority"
    shown = [row for row in rows if row.quantity == kind and row.estimate is not None]
    if not shown:
        return ()
    widest = max(shown, key=lambda row: (row.upper or 0.0) - (row.lower or 0.0))
    subject = "the gap" if two else "the probability of superiority"
    unit = " points" if two else ""
    under = f" under “{clean(widest.variant)}”" if widest.variant else ""
    found = (
        f"With ties broken in {count(KEYS)} other ways {subject}{under} is "
        f"{spread(kind, widest.lower, widest.upper)}{unit}."
    )
    changed = [row for row in rows if row.verdict == Verdict.CHANGES]
    if not changed:
        return (found, "The gap holds under each.")
    named = dict.fromkeys(
        f"under “{clean(row.variant)}”" if row.variant else "as declared" for row in changed
    )
    return (found, f"The gap changes with the key, matched {joined(list(named))}.")


def headlines(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The p-values adjusted for several headlines, or that there is one only."""
    found = {row.variant: row for row in rows if row.p_value is not None}
    if not found:
        return [clean(row.note) for row in rows]
    told = joined([f"{p_value(row.p_value)} ({method})" for method, row in found.items()])
    moved = [method for method, row in found.items() if row.verdict == Verdict.CHANGES]
    how = f"by {joined(moved)} moves" if moved else "does not move"
    return (f"Adjusted over the declared headlines p is {told}: adjusting {how} it across 5 %.",)


def under_design_effects(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The design effect found, and the interval under the largest one stated."""
    found = next((row for row in rows if row.quantity == "design_effect"), None)
    if found is None:
        return ()
    told = f"Clustering in zones multiplies the variance by {ratio(found.estimate)}."
    wide = [row for row in rows if row.estimate is not None and row is not found]
    if not wide:
        return (told,)
    last = wide[-1]
    return (told, f"At {clean(last.variant)} {name(view, last)} would be {interval(last)}.")
