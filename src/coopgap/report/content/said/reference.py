"""Sentences about the phone shares among subsamples, and about people asked twice."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.values import (
    estimate_words,
    number,
    p_value,
    percent,
    spread,
    value_words,
)
from coopgap.report.view import View
from coopgap.report.words import category_words, joined
from coopgap.vocabulary import Quantity, Verdict

__all__ = ["among_subsamples", "asked_twice"]


def among_subsamples(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """Where the adjusted phone share lies, at one threshold or at all that are shown."""
    mine = [row for row in rows if row.variant == "adjusted" and row.estimate is not None]
    shares = [row for row in mine if row.quantity == Quantity.SHARE]
    if not shares:
        return ()
    if len(shares) == 1:
        (row,) = shares
        where = "outside" if row.verdict == Verdict.CHANGES else "inside"
        return (
            f"The phone share, {percent(row.estimate)}, lies {where} the range of 95 % of "
            f"in-person subsamples of that size, {spread(row.quantity, row.lower, row.upper)} "
            f"(p {p_value(row.p_value)}).",
            *_caution(where),
        )
    outside = [row for row in shares if row.verdict == Verdict.CHANGES]
    whole = next((row for row in mine if row.quantity == "largest_difference"), None)
    together = f" (all together: p {p_value(whole.p_value)})" if whole else ""
    if not outside:
        return (
            f"At each of {len(shares)} thresholds the phone share lies inside the range of 95 % "
            f"of in-person subsamples of that size{together}.",
            *_caution("inside"),
        )
    at = joined([f"“{category_words(row.category, view.levels(row.outcome))}”" for row in outside])
    return (
        f"The phone share lies outside the range of 95 % of in-person subsamples of that size at "
        f"{at}, of {len(shares)} thresholds{together}.",
    )


def _caution(where: str) -> tuple[str, ...]:
    return ("That does not show that they answer alike.",) if where == "inside" else ()


def asked_twice(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """How many people gave the same answer twice, and how far the gap moves with the second."""
    found = {(row.quantity, row.variant): row for row in rows if row.estimate is not None}
    people = found.get(("people_linked", ""))
    if people is None:
        return ()
    share = found.get(("agreement_share", ""))
    who = f"{value_words(people.quantity, people.estimate)} people answered in both modes"
    if share is None:
        return (f"{who}; too few answered otherwise, or alike, to show a share.",)
    beyond = next(
        (row for row in rows if row.quantity == "kappa" and row.estimate is not None), None
    )
    kappa = f"; kappa {number(beyond.estimate, 2)}" if beyond else ""
    first = (
        f"{who}: {percent(share.estimate)} "
        f"({spread(share.quantity, share.lower, share.upper)}) gave the same answer twice{kappa}."
    )
    moved = [
        row
        for row in rows
        if row.variant == "gap, by phone minus in person" and row.estimate is not None
    ]
    if not moved:
        return (first,)
    most = max(moved, key=lambda row: abs(row.estimate or 0.0))
    at = category_words(most.category, view.levels(most.outcome))
    what = f"With their phone answers the gap{f' at “{at}”' if len(moved) > 1 else ''} moves by"
    size = estimate_words(most.quantity, most.estimate, most.lower, most.upper)
    all_of = ", the most of all thresholds" if len(moved) > 1 else ""
    return (first, f"{what} {size} points{all_of}.")
