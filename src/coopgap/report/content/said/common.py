"""How a sentence names what a row estimates."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.values import estimate_words
from coopgap.report.view import View
from coopgap.report.words import category_words, clean, joined
from coopgap.vocabulary import Quantity, Verdict

__all__ = ["interval", "judged", "name", "place", "value", "verdict_words"]


def judged(rows: Sequence[SensitivityRow]) -> str:
    """What the verdicts of some rows come to: one `changes` counts, then one `undecided`."""
    found = {row.verdict for row in rows}
    if Verdict.CHANGES in found:
        return "changes"
    if Verdict.UNDECIDED in found:
        return "is undecided"
    return "holds" if Verdict.HOLDS in found else ""


def places(view: View, rows: Sequence[SensitivityRow], verdict: Verdict) -> list[str]:
    """Variants with a verdict at some threshold, and at which."""
    at: dict[str, list[str]] = {}
    for row in rows:
        if row.verdict == verdict:
            words = category_words(row.category, view.levels(row.outcome)) if row.category else ""
            at.setdefault(clean(row.variant), []).append(words)
    several = len({row.category for row in rows}) > 1
    return [
        f"“{variant}” ({', '.join(filter(None, words)) or 'superiority'})"
        if several
        else f"“{variant}”"
        for variant, words in at.items()
    ]


def verdict_words(view: View, rows: Sequence[SensitivityRow]) -> str:
    """Where the gap changes or is undecided, over every variant and threshold."""
    changed, open_ = (places(view, rows, one) for one in (Verdict.CHANGES, Verdict.UNDECIDED))
    told = [f"The gap changes under {joined(changed)}."] if changed else []
    if open_:
        gap = "it" if changed else "the gap"
        told.append(f"Whether {gap} changes is undecided under {joined(open_)}.")
    if told or not judged(rows):
        return " ".join(told)
    each = " under each" if len({row.variant for row in rows}) > 1 else ""
    at = " at every threshold" if len({row.category for row in rows}) > 1 else ""
    return f"The gap holds{each}{at}."


def place(view: View, row: SensitivityRow) -> str:
    """The threshold of a row, as an addition to a sentence; empty without one."""
    if not row.category:
        return ""
    return f" at “{category_words(row.category, view.levels(row.outcome))}”"


def name(view: View, row: SensitivityRow) -> str:
    """What the row estimates, as the subject of a sentence."""
    if row.quantity == Quantity.SUPERIORITY:
        return "the probability of superiority"
    return f"the gap{place(view, row)}"


def value(row: SensitivityRow) -> str:
    """The estimate with its unit."""
    return estimate_words(row.quantity, row.estimate) + _unit(row)


def interval(row: SensitivityRow) -> str:
    """The estimate with its unit and its interval."""
    limits = estimate_words(row.quantity, row.estimate, row.lower, row.upper)
    first, bracket, rest = limits.partition(" (")
    return f"{first}{_unit(row)}{bracket}{rest}"


def _unit(row: SensitivityRow) -> str:
    return " points" if row.quantity == Quantity.RISK_DIFFERENCE else ""
