"""The gap in a negative control beside each outcome's, and the one less a share of the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from coopgap.checks.compare import compared, numbers_of, people_of
from coopgap.checks.context import Context, RunContext
from coopgap.checks.registry import Scope, Topic, check
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Contrast, Interval
from coopgap.core.vocabulary import Check, Quantity, Status, Verdict, Version
from coopgap.families.estimate import Estimate
from coopgap.families.headline import control_models

SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares ρ of the control's gap that are taken off; none at all is the gap itself."""

_NOTE: Final = (
    "A control without a gap does not show that nothing confounds the outcome's gap: it can only "
    "tell of what would move both. The control's gap stands beside each threshold."
)
_NETTED: Final = (
    "Less ρ times the control's gap, both in points; it rests on a declared exclusion: {reason}. "
    "ρ is not known, so the whole curve from none of it to all of it is shown."
)


def netted_gaps(
    gap: Estimate,
    control: Estimate,
    contrasts: tuple[Contrast, Contrast],
    shares: Sequence[float] = SHARES,
) -> list[Interval]:
    """A gap less shares ρ of a control's gap, with their joint uncertainty.

    Both are headlines of whole models on overlapping people, `contrasts` a threshold gap of each.
    With a_i and b_i what person i adds to either gap the variance is that of the sums of
    a_i − ρ b_i by cluster: the two gaps covary through the people and the zones they share.
    Raises `NotEstimable` as `difference` does.
    """
    return [gap.difference(control, *contrasts, share=share) for share in shares]


@check(
    Check.NEGATIVE_CONTROL,
    title="Negative control",
    question="Is there a gap where none has a reason, and what is left of the gap without it?",
    topic=Topic.UNMEASURED,
    scope=Scope.MODELS,
    order=200,
    page=4,
)
def negative_control(context: RunContext) -> Iterator[SensitivityRow]:
    """At each threshold the `gap`, the `control`'s, and the gap less each share of it.

    `about` is the control, `choice` its threshold, `setting` the share; the gap is netted where the
    declared exclusion covers the outcome. One row with the reason where there is no control, or
    its model or an estimate is missing.
    """
    controls = control_models(context.study)
    known = {one.keys.model: one for one in context.models}
    for one in context.models:
        if one.keys.outcome in controls or not controls:
            reason = (
                "The outcome is itself the negative control."
                if controls
                else "The study declares no negative control."
            )
            yield one.row(verdict=Verdict.NOT_APPLICABLE, note=reason)
            continue
        for name, model in controls.items():
            yield from _beside(one, name, known.get(model))


def _beside(one: Context, name: str, control: Context | None) -> Iterator[SensitivityRow]:
    if control is None:
        note = f"The model of the control {name} is not part of this run."
        yield one.row(about=name, verdict=Verdict.NOT_ASSESSED, note=note)
        return
    for each in (one, control):
        if each.headline.status is not Status.OK:
            note = f"No gap of {each.keys.outcome}: {each.headline.reason}."
            yield one.row(about=name, verdict=Verdict.NOT_ASSESSED, note=note)
            return
    at = _middle(control.headline)
    other = control.headline.intervals[at]
    for contrast, interval in one.headline.intervals.items():
        if not contrast.is_threshold_gap or interval is None:
            continue
        row = one.row(
            about=name, quantity=Quantity.RISK_DIFFERENCE, category=contrast.category, note=_NOTE
        )
        own, beside = (one.headline.people, contrast), (control.headline.people, at)
        yield replace(row, variant=Version.GAP, **people_of(own), **numbers_of(interval))
        if other is None:
            continue
        yield replace(
            row,
            variant=Version.CONTROL,
            choice=at.category,
            **people_of(beside),
            **numbers_of(other),
        )
        declared = one.study.negative_control
        if declared and declared.variable == name and one.keys.outcome in declared.outcomes:
            row = replace(row, note=_NETTED.format(reason=declared.exclusion.rstrip(".")))
            yield from _netted(replace(row, **people_of(own, beside)), one, control, (contrast, at))


def _middle(estimate: Estimate) -> Contrast:
    """The control's threshold that nearest to half of its people reach."""
    total = estimate.people.sum()
    return min(
        (one for one in estimate.intervals if one.is_threshold_gap),
        key=lambda one: abs(float(estimate.people[:, one.level :].sum() / total) - 0.5),
    )


def _netted(
    row: SensitivityRow, one: Context, control: Context, contrasts: tuple[Contrast, Contrast]
) -> Iterator[SensitivityRow]:
    """A row a share above zero, or one with the reason."""
    interval, other = (
        each.headline.intervals[at] for each, at in zip((one, control), contrasts, strict=True)
    )
    try:
        found = netted_gaps(one.headline, control.headline, contrasts)
    except NotEstimable as error:
        yield replace(
            row,
            variant=f"less {SHARES[-1]:g} x control",
            setting=SHARES[-1],
            **people_of((one.headline.people, contrasts[0])),
            verdict=Verdict.NOT_ASSESSED,
            note=f"Not netted: {error.reason}.",
        )
        return
    assert interval is not None
    assert other is not None
    for share, less in zip(SHARES[1:], found[1:], strict=True):
        ends = -share * other.upper, -share * other.lower
        moved = Interval(-share * other.estimate, share * other.std_error, *ends, np.nan)
        shown = replace(row, variant=f"less {share:g} x control", setting=share, **numbers_of(less))
        yield compared(shown, interval, less, moved, one.smallest_gap)
