"""The gap in a negative control beside each outcome's, and the one less a share of the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import Contrast, Interval
from coopgap.core.vocabulary import Check, Quantity, Status, Verdict, Version
from coopgap.families.difference import difference
from coopgap.families.estimate import Estimate
from coopgap.sensitivity.confounding.rows import base_row
from coopgap.sensitivity.keys import with_interval, with_people
from coopgap.sensitivity.verdict import compared
from coopgap.study.spec import NegativeControl

SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares ρ of the control's gap that are taken off; none at all is the gap itself."""

_NOTE = (
    "A control without a gap does not show that nothing confounds the outcome's gap: it can only "
    "tell of what would move both. The control's gap stands beside each threshold."
)
_NETTED = (
    "Less ρ times the control's gap, both in points; it rests on a declared exclusion: {reason}. "
    "ρ is not known, so the whole curve from none of it to all of it is shown."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadlineModel:
    """One model with its headline's family."""

    labels: Keys
    estimate: Estimate


def netted_gaps(
    gap: Estimate,
    control: Estimate,
    contrasts: tuple[Contrast, Contrast],
    shares: Sequence[float] = SHARES,
) -> list[Interval]:
    """A gap less shares of a control's gap, with their joint uncertainty.

    Parameters
    ----------
    gap, control
        The headlines of two whole models on overlapping people.
    contrasts
        Threshold gap of each.
    shares
        ρ.

    Returns
    -------
    list of Interval
        One a share; at ρ = 0 the gap as it stands.

    Raises
    ------
    NotEstimable
        As `difference`.

    Notes
    -----
    With a_i and b_i what person i adds to either gap the variance is that of the sums of
    a_i − ρ b_i by cluster: the two gaps covary through the people and the zones they share.
    """
    return [difference(gap, control, *contrasts, share=share) for share in shares]


def control_rows(
    models: Sequence[HeadlineModel],
    controls: Mapping[str, str],
    declared: NegativeControl | None,
    smallest_gap: float,
) -> list[SensitivityRow]:
    """Rows of every model of a run.

    Parameters
    ----------
    models
        Those of the run.
    controls
        By negative control that the study declares, the model that stands for it.
    declared
        The exclusion the study states, without which nothing is netted.
    smallest_gap
        The smallest gap that matters.

    Returns
    -------
    list of SensitivityRow
        At each threshold the `gap`, the `control`'s (`about` is the control, `choice` its
        threshold), and where the exclusion covers the outcome the gap less each share
        (`setting`). One row with the reason where there is no control, or its model
        or an estimate is missing.
    """
    known = {one.labels.model: one for one in models}
    result: list[SensitivityRow] = []
    for one in models:
        base = base_row(Check.NEGATIVE_CONTROL, one.estimate, one.labels)
        if one.labels.outcome in controls or not controls:
            note = (
                "The outcome is itself the negative control."
                if controls
                else "The study declares no negative control."
            )
            result.append(replace(base, verdict=Verdict.NOT_APPLICABLE, note=note))
            continue
        for name, model in controls.items():
            covered = declared if declared is not None and declared.variable == name else None
            about = replace(base, about=name)
            result += _beside(one, name, known.get(model), covered, about, smallest_gap)
    return result


def _beside(
    one: HeadlineModel,
    name: str,
    control: HeadlineModel | None,
    declared: NegativeControl | None,
    base: SensitivityRow,
    smallest_gap: float,
) -> Iterator[SensitivityRow]:
    if control is None:
        note = f"The model of the control {name} is not part of this run."
        yield replace(base, verdict=Verdict.NOT_ASSESSED, note=note)
        return
    for each in (one, control):
        if each.estimate.status is not Status.OK:
            note = f"No gap of {each.labels.outcome}: {each.estimate.reason}."
            yield replace(base, verdict=Verdict.NOT_ASSESSED, note=note)
            return
    at = _middle(control.estimate)
    covered = declared is not None and one.labels.outcome in declared.outcomes
    less = (
        _Netting(one, control, at, declared, smallest_gap)
        if covered and declared is not None
        else None
    )
    for contrast, interval in one.estimate.intervals.items():
        if not contrast.is_threshold_gap or interval is None:
            continue
        row = replace(base, quantity=Quantity.RISK_DIFFERENCE, category=contrast.category)
        row = with_people(row, (one.estimate.people, contrast))
        yield with_interval(replace(row, variant=Version.GAP, note=_NOTE), interval)
        beside = replace(row, variant=Version.CONTROL, choice=at.category)
        other = control.estimate.intervals[at]
        if other is not None:
            beside = with_people(beside, (control.estimate.people, at))
            yield with_interval(replace(beside, note=_NOTE), other)
        if less is not None:
            yield from less.rows(contrast, interval, row)


def _middle(estimate: Estimate) -> Contrast:
    """The control's threshold that nearest to half of its people reach."""
    total = estimate.people.sum()
    return min(
        (one for one in estimate.intervals if one.is_threshold_gap),
        key=lambda one: abs(float(estimate.people[:, one.level :].sum() / total) - 0.5),
    )


class _Netting:
    """The gaps of one model less shares of its control's; both are fitted once."""

    def __init__(
        self,
        one: HeadlineModel,
        control: HeadlineModel,
        at: Contrast,
        declared: NegativeControl,
        smallest_gap: float,
    ) -> None:
        self.at, self.smallest_gap = at, smallest_gap
        self.estimates = one.estimate, control.estimate
        self.note = _NETTED.format(reason=declared.exclusion.rstrip("."))

    def rows(
        self, contrast: Contrast, interval: Interval, row: SensitivityRow
    ) -> Iterator[SensitivityRow]:
        """A row a share above zero, or one with the reason."""
        try:
            found = netted_gaps(*self.estimates, (contrast, self.at))
        except NotEstimable as error:
            row = _less(row, SHARES[-1], note=f"Not netted: {error.reason}.")
            yield replace(row, verdict=Verdict.NOT_ASSESSED)
            return
        other = self.estimates[1].intervals[self.at]
        for share, less in zip(SHARES, found, strict=True):
            if share == 0 or other is None:
                continue
            row = with_people(
                row, (self.estimates[0].people, contrast), (self.estimates[1].people, self.at)
            )
            row = _less(with_interval(row, less), share, self.note)
            yield compared(row, interval, less, _scaled(other, -share), self.smallest_gap)


def _scaled(interval: Interval, factor: float) -> Interval:
    """An interval times a negative number."""
    ends = factor * interval.upper, factor * interval.lower
    return Interval(factor * interval.estimate, -factor * interval.std_error, *ends, np.nan)


def _less(row: SensitivityRow, share: float, note: str) -> SensitivityRow:
    """A row of the gap less a share of the control's."""
    return replace(row, variant=f"less {share:g} x control", setting=share, note=note)
