"""Sentences about what an unmeasured confounder would have to be."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.confounders import Benchmarks, benchmarks_of
from coopgap.report.values import estimate_words, p_value, percent, ratio
from coopgap.report.view import View
from coopgap.report.words import category_words, joined
from coopgap.vocabulary import Direction, Verdict, Version

__all__ = ["beside_control", "e_values", "explained", "hidden_bias"]

_LEVEL = 0.025


def _at(view: View, row: SensitivityRow) -> str:
    """The threshold of a row in quotes."""
    words = category_words(row.category, view.levels(row.outcome))
    return f"“{words}”" if words else "the whole distribution"


def e_values(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The weakest confounder that would do, over the thresholds that are told."""
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
    against = [_at(view, row) for row in rows if row.quantity == "n_sets" and row.opposed]
    if against:
        sentences.append(
            f"For {joined(against)} the sets point the other way than the gap, so this bound says "
            "nothing of the gap."
        )
    if others:
        low, high = (pick(others, key=lambda row: row.estimate or 0.0) for pick in (min, max))
        sentences.append(
            f"By threshold this Γ lies between {ratio(low.estimate)} ({_at(view, low)}) and "
            f"{ratio(high.estimate)} ({_at(view, high)})."
        )
    return sentences


def _direction(main: SensitivityRow, rows: Sequence[SensitivityRow]) -> str:
    """Which way the sets of a row point, as an addition to a sentence."""
    words = {
        Direction.MEMBERS_HIGHER: " that members stand higher",
        Direction.MEMBERS_LOWER: " that members stand lower",
    }
    mine = [row for row in rows if row.quantity == "n_sets" and row.category == main.category]
    return next((words[Direction(row.direction)] for row in mine if row.direction), "")


def _bias(view: View, main: SensitivityRow, rows: Sequence[SensitivityRow]) -> str:
    """How large a hidden bias the p-value of one row withstands."""
    whose = f"The one-sided p-value for {_at(view, main)}{_direction(main, rows)}"
    if main.estimate is not None and main.estimate > 1:
        return (
            f"{whose} stays below {_LEVEL:g} as long as two people "
            "of one matched set differ in the odds of being a member by a factor of no "
            f"more than {ratio(main.estimate)}."
        )
    plain = next(
        (row for row in rows if row.category == main.category and row.threshold == 1.0), None
    )
    p = "" if plain is None else f", {p_value(plain.p_value)}"
    return (
        f"{whose}{p}, is above {_LEVEL:g} without any hidden bias, so "
        "no bias is needed to account for it."
    )


def explained(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The robustness value at the threshold of the benchmarks, and what those leave."""
    model = rows[0].model
    found = benchmarks_of(rows, model)
    values = [row for row in rows if row.quantity == "robustness_value"]
    if found is not None:
        values = [row for row in values if row.category == found.alone.category]
    by_variant = {row.variant: row for row in values[:2]}
    sentences = []
    if {"estimate", "interval"} <= set(by_variant):
        whole, limit = by_variant["estimate"], by_variant["interval"]
        sentences.append(
            f"To account for the whole linear difference at {_at(view, whole)}, a confounder "
            f"would have to explain {percent(whole.estimate)} of what is left of both membership "
            f"and the answer; to bring zero into its interval, {percent(limit.estimate)}."
        )
    if found is None:
        return sentences
    # The two are of different people: what was matched on no longer goes with membership.
    before = "The covariates are measured on all complete rows, before the matching."
    apart = sentences and found.found and view.is_matched(model)
    return [*sentences, _like(view, found), *([before] if apart else [])]


def _like(view: View, found: Benchmarks) -> str:
    """Whether a confounder like a covariate would change the gap, and the worst of them."""
    changed = {
        name: min(
            (
                one.multiple
                for one in found.found
                if one.covariate == name and one.left.verdict == Verdict.CHANGES
            ),
            default=0,
        )
        for name in found.covariates
    }
    named = [
        f"{times} times {view.labels((name,))[0]}" if times > 1 else view.labels((name,))[0]
        for name, times in changed.items()
        if times
    ]
    if named:
        return f"One as strong as {joined(named, 'or')} would change the gap."
    if not found.found:
        return "No covariate gives it a measure."
    alone = found.alone
    if alone.lower is None or alone.upper is None or alone.lower <= 0 <= alone.upper:
        return "The interval holds zero without any, and with one up to three times a covariate."
    worst = min(found.found, key=lambda one: abs(one.left.estimate or 0.0))
    left = estimate_words(worst.left.quantity, worst.left.estimate)
    return (
        "No confounder up to three times as strong as a covariate would change the gap; "
        f"the one that comes nearest, {worst.multiple} times "
        f"{view.labels((worst.covariate,))[0]}, leaves {left} points of "
        f"{estimate_words(alone.quantity, alone.estimate)}."
    )


def beside_control(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The control's gap, whether it is clear of zero, and what netting does where declared."""
    control = next((row for row in rows if row.variant == Version.CONTROL), None)
    if control is None or control.lower is None or control.upper is None:
        return ()
    name = control.about
    gap = estimate_words(control.quantity, control.estimate, control.lower, control.upper)
    clear = not control.lower <= 0 <= control.upper
    sentences = [
        f"The gap in the control, “{view.label(name)}”, is {gap} points: "
        + (
            "clear of zero, which speaks against the comparison."
            if clear
            else "not clear of zero, which does not show that nothing confounds this gap."
        )
    ]
    netted = [row for row in rows if row.setting is not None and row.estimate is not None]
    return [*sentences, *_netted(view, netted)]


def _netted(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """By threshold, the shares at which the gap changes."""
    changed: dict[str, list[str]] = {}
    for row in rows:
        shares = changed.setdefault(_at(view, row), [])
        if row.verdict == Verdict.CHANGES:
            shares.append(f"{row.setting:g}")
    moved = {place: shares for place, shares in changed.items() if shares}
    undecided = {_at(view, row) for row in rows if row.verdict == Verdict.UNDECIDED}
    if not rows:
        return ()
    if not moved:
        if undecided:
            return ("Less a share of it, whether the gap changes is undecided.",)
        return ("Less any share of it the gap holds.",)
    if len(changed) == 1:
        (shares,) = moved.values()
        return (f"Less a share of it the gap changes at ρ = {joined(shares)}.",)
    told = [f"for {place} at ρ = {joined(shares)}" for place, shares in moved.items()]
    rest = [place for place in changed if place not in moved]
    holds = [place for place in rest if place not in undecided]
    left = [place for place in rest if place in undecided]
    end = f"; it holds for {joined(holds)}" if holds else ""
    end += f"; it is undecided for {joined(left)}" if left else ""
    return (f"Less a share of it the gap changes {'; '.join(told)}{end}.",)
