"""The gap in a negative control beside each outcome's, and the one less a share of the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np

from coopgap.checks.compare import (
    compared,
    middle_gap,
    numbers_of,
    people_of,
    unassessed,
    with_interval,
)
from coopgap.checks.context import Context, RunContext
from coopgap.checks.registry import Scope, Topic, check
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Contrast, Interval
from coopgap.core.vocabulary import Check, Status, Verdict, Version
from coopgap.families.headline import control_models

SHARES: Final = (0.25, 0.5, 0.75, 1.0)
"""Shares ρ of the control's gap that are taken off."""

_NOTE: Final = (
    "A control without a gap does not show that nothing confounds the outcome's gap: it can only "
    "tell of what would move both. The control's gap stands beside each threshold."
)
_NETTED: Final = (
    "Less ρ times the control's gap, both in points; it rests on a declared exclusion: {reason}. "
    "ρ is not known, so the whole curve from none of it to all of it is shown."
)


@check(
    Check.NEGATIVE_CONTROL,
    title="Negative control",
    question="Is there a gap where none has a reason, and what is left of the gap without it?",
    formula="Δ − ρ·Δ_control, ρ from 0 to 1, V from the joint covariance of both",
    topic=Topic.UNMEASURED,
    scope=Scope.MODELS,
    place=(200, 4),
)
def negative_control(context: RunContext) -> Iterator[SensitivityRow]:
    """At each threshold the `gap`, the `control`'s, and the gap less each share of it.

    `about` is the control, `choice` its threshold, `setting` the share; the gap is netted where the
    declared exclusion covers the outcome. One row with the reason where there is no control, or
    its model or an estimate is missing.
    """
    controls = control_models(context.study)
    models = {one.keys.model: one for one in context.models}
    for one in context.models:
        if one.keys.outcome in controls:
            reason = "The outcome is itself the negative control."
            yield one.row(verdict=Verdict.NOT_APPLICABLE, note=reason)
        elif not controls:
            reason = "The study declares no negative control."
            yield one.row(verdict=Verdict.NOT_APPLICABLE, note=reason)
        else:
            for name, model in controls.items():
                yield from _beside(one, name, models.get(model))


def _beside(one: Context, name: str, control: Context | None) -> Iterator[SensitivityRow]:
    if control is None:
        note = f"The model of the control {name} is not part of this run."
        yield unassessed(one.row(about=name), note)
        return
    for each in (one, control):
        if each.headline.status is not Status.OK:
            note = f"No gap of {each.keys.outcome}: {each.headline.reason}."
            yield unassessed(one.row(about=name), note)
            return
    people = control.headline.people
    at = middle_gap(control.keys.levels, people.sum(axis=0))
    other = control.headline.intervals[at]
    for contrast, interval in one.headline.intervals.items():
        if not contrast.is_threshold_gap or interval is None:
            continue
        own, beside = (one.headline.people, contrast), (people, at)
        row = with_interval(one.row(about=name, note=_NOTE), contrast, interval)
        row = replace(row, variant=Version.GAP, **people_of(own))
        yield row
        if other is None:
            continue
        numbers = people_of(beside) | numbers_of(other)
        yield replace(row, variant=Version.CONTROL, choice=at.category, **numbers)
        declared = one.study.negative_control
        if declared and declared.variable == name and one.keys.outcome in declared.outcomes:
            note = _NETTED.format(reason=declared.exclusion.rstrip("."))
            row = one.row(
                about=name, note=note, quantity=contrast.quantity, category=contrast.category
            )
            try:
                yield from _netted(row, one, control, (contrast, at))
            except NotEstimable as error:
                row = replace(row, **_less(SHARES[-1]), **people_of(own))
                yield unassessed(row, f"Not netted: {error.reason}.")


def _netted(
    row: SensitivityRow, one: Context, control: Context, pair: tuple[Contrast, Contrast]
) -> Iterator[SensitivityRow]:
    """A row a share; the two gaps covary through the people and the zones that they share."""
    gap, other = (
        each.headline.intervals[at] for each, at in zip((one, control), pair, strict=True)
    )
    assert gap is not None
    assert other is not None
    people = people_of(*zip((one.headline.people, control.headline.people), pair, strict=True))
    for share in SHARES:
        less = one.headline.difference(control.headline, *pair, share=share)
        ends = -share * other.upper, -share * other.lower
        moved = Interval(-share * other.estimate, share * other.std_error, *ends, np.nan)
        shown = replace(row, **_less(share), **numbers_of(less), **people)
        yield compared(shown, gap, less, moved, one.smallest_gap)


def _less(share: float) -> dict[str, Any]:
    return {"variant": f"less {share:g} x control", "setting": share}
