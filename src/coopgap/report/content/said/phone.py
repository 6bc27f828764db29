"""Sentences about a term for the mode, and about what the phone interviews could confirm."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.content.said.common import interval, judged, name
from coopgap.report.values import interval_name, points, ratio, spread
from coopgap.report.view import View, is_first
from coopgap.report.words import category_words, clean, joined
from coopgap.vocabulary import Family, Quantity, Verdict

__all__ = ["beyond_reach", "one_odds_ratio", "with_mode_term"]

_IN_PERSON = "in person"
_ROUNDING = 1e-9


def with_mode_term(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The gap with a term for the mode beside the one in person, in each model that has it."""
    found = []
    for hierarchical in (False, True):
        mine = [
            row
            for row in rows
            if (row.family == Family.HIERARCHICAL) == hierarchical and is_first(view, row)
        ]
        here = next((row for row in mine if row.variant == _IN_PERSON), None)
        others = [row for row in mine if row.variant != _IN_PERSON and row.estimate is not None]
        if here is not None and here.estimate is not None and others:
            found.append(_beside(view, here, others, "the model by region" if hierarchical else ""))
    return found


def _beside(view: View, here: SensitivityRow, others: Sequence[SensitivityRow], model: str) -> str:
    first = others[0]
    kind = interval_name(first.interval_prob, first.interval_kind)
    given = [f"{interval(row)} when it {clean(row.variant)}" for row in others]
    what = name(view, first).removeprefix("the ")
    changed = [clean(row.variant) for row in others if row.verdict == Verdict.CHANGES]
    if changed:
        end = f"The gap changes when it {joined(changed)}"
    elif all(_is_the_same(here, row) for row in others):
        end = "The weights balance the covariates, so that only the interval could move"
    else:
        end = f"The gap {judged(others)}"
    where = f"In {model} the" if model else "The"
    which = "" if model else f" ({view.how([here.model])})"
    return (
        f"{where} {what} is {interval(here)} in person{which}; with the phone group "
        f"{joined(given)} ({kind}). {end}."
    )


def _is_the_same(here: SensitivityRow, row: SensitivityRow) -> bool:
    return abs((here.estimate or 0.0) - (row.estimate or 0.0)) < _ROUNDING


def one_odds_ratio(rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The phone answers as one odds ratio over all thresholds."""
    return [
        f"Over all thresholds the odds of a higher answer by phone are {ratio(row.estimate)} times "
        f"those in person ({interval_name(row.interval_prob, row.interval_kind)} "
        f"{spread(row.quantity, row.lower, row.upper)})."
        for row in rows
        if row.quantity == Quantity.CUMULATIVE_ODDS_RATIO and row.estimate is not None
    ]


def beyond_reach(view: View, rows: Sequence[SensitivityRow]) -> str:
    """At which thresholds the declared margin can never be confirmed, by design effect."""
    declared = {row.category: row.threshold for row in rows if row.quantity == "smallest_margin"}
    found: dict[str, list[str]] = {}
    told: set[str] = set()
    for row in rows:
        margin = declared.get(row.category)
        least = row.estimate if row.quantity == "smallest_margin_possible" else None
        if margin is None or least is None or margin > least or row.category in told:
            continue
        told.add(row.category)
        name = category_words(row.category, view.levels(row.outcome))
        found.setdefault(clean(row.variant), []).append(f"“{name}”")
    if not found:
        return ""
    margin = next(value for value in declared.values() if value is not None)
    parts = [
        f"{joined(places)} from a {variant.replace('design effect ', 'design effect of ')} on"
        for variant, places in sorted(found.items())
    ]
    return (
        f"Whatever these interviews find, the declared ± {points(margin)} points cannot be "
        f"confirmed at {'; '.join(parts)}."
    )
