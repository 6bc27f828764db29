"""Sentences about the gap estimated again: variants, several headlines, design effects."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.content.said.common import interval, name, value
from coopgap.report.values import count, p_value, ratio
from coopgap.report.view import View
from coopgap.report.words import clean, joined
from coopgap.vocabulary import Quantity, Verdict

__all__ = ["headlines", "under_design_effects", "variants"]


def variants(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The lowest and the highest gap over the variants, and under which the conclusion changes."""
    shown = [row for row in rows if row.estimate is not None and _stands_for_all(view, row)]
    if not shown:
        return ()
    low, high = (pick(shown, key=lambda row: row.estimate or 0.0) for pick in (min, max))
    n_variants = len({row.variant for row in shown})
    if n_variants == 1:
        told = f"Under “{clean(low.variant)}” {name(low)} is {interval(low)}."
    else:
        told = (
            f"Over {count(n_variants)} variants {name(low)} lies between {value(low)} "
            f"(“{clean(low.variant)}”) and {value(high)} (“{clean(high.variant)}”)."
        )
    changed = [f"“{clean(row.variant)}”" for row in shown if row.verdict == Verdict.CHANGES]
    if not changed:
        return (told, "The conclusion holds under each.")
    return (told, f"The conclusion changes under {joined(changed)}.")


def _stands_for_all(view: View, row: SensitivityRow) -> bool:
    """Whether a row is the one number of its outcome."""
    two = len(view.levels(row.outcome)) == 2
    return row.quantity == (Quantity.RISK_DIFFERENCE if two else Quantity.SUPERIORITY)


def headlines(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The p-values adjusted for several headlines, or that there is one only."""
    found = {row.variant: row for row in rows if row.p_value is not None}
    if not found:
        return [clean(row.note) for row in rows]
    told = joined([f"{p_value(row.p_value)} ({method})" for method, row in found.items()])
    changed = any(row.verdict == Verdict.CHANGES for row in found.values())
    end = "the conclusion changes" if changed else "the conclusion holds"
    return (f"Adjusted over the declared headlines p is {told}: {end}.",)


def under_design_effects(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The design effect found, and the stated one at which the conclusion changes."""
    found = next((row for row in rows if row.quantity == "design_effect"), None)
    if found is None:
        return ()
    told = f"Clustering in zones multiplies the variance by {ratio(found.estimate)}."
    changed = [clean(row.variant) for row in rows if row.verdict == Verdict.CHANGES]
    if not changed:
        return (told, "The conclusion holds up to the largest design effect tried.")
    return (told, f"The conclusion changes at {joined(changed)}.")
