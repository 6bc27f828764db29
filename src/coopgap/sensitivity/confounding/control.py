"""The gap in a negative control beside each outcome's, and the one less a share of the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from coopgap.arrays import FloatArray, IntArray
from coopgap.errors import NotEstimable
from coopgap.estimate import SensitivityRow
from coopgap.families.influence import ZoneInfluence, matched_influence
from coopgap.families.records import INTERVAL_PROB, FamilyEstimate, Sample
from coopgap.families.rows import Labels
from coopgap.families.suppression import is_suppressed
from coopgap.gap import Contrast, Interval, wald
from coopgap.sensitivity.again import same_conclusion
from coopgap.sensitivity.confounding.rows import base_row
from coopgap.sensitivity.keys import suppressed, with_interval
from coopgap.study.spec import NegativeControl
from coopgap.vocabulary import Check, Quantity, Status, Verdict

__all__ = ["CONTROL", "GAP", "SHARES", "MatchedModel", "control_rows", "netted_gaps"]

SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares ρ of the control's gap that are taken off; none at all is the gap itself."""

GAP: Final = "gap"
CONTROL: Final = "control "
"""`variant` of an outcome's gap; beginning of the `variant` of its control's."""

_NOTE = (
    "A control without a gap does not show that nothing confounds the outcome's gap: it can only "
    "tell of what would move both. The control's gap stands beside each threshold."
)
_NETTED = (
    "Less ρ times the control's gap, both in points; it rests on a declared exclusion: {reason}. "
    "ρ is not known, so the whole curve from none of it to all of it is shown."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedModel:
    """One model with its matched family."""

    labels: Labels
    sample: Sample
    estimate: FamilyEstimate


def netted_gaps(
    outcome: ZoneInfluence,
    control: ZoneInfluence,
    levels: tuple[int, int],
    shares: Sequence[float] = SHARES,
    *,
    prob: float = INTERVAL_PROB,
) -> list[Interval]:
    """A gap less shares of a control's gap, with their joint uncertainty.

    Parameters
    ----------
    outcome, control
        Contributions by zone of two models on overlapping people.
    levels
        Level at which each threshold starts.
    shares
        ρ.
    prob
        Coverage probability.

    Returns
    -------
    list of Interval
        One a share.

    Notes
    -----
    With a_g and b_g what zone g adds to either gap, the variance is Σ(a_g − ρ b_g)²: the
    two gaps covary through the people and the zones they share. Matching weights are taken as
    given, as in either gap alone. At ρ = 0 it is the gap as it stands; beyond, the smaller of the
    two degrees of freedom is taken.
    """
    zones = np.union1d(outcome.zones, control.zones).astype(np.int64)
    (gap, by_zone, df), (other, beside, df_other) = (
        _gap(one, level, zones) for one, level in zip((outcome, control), levels, strict=True)
    )
    found = []
    for share in shares:
        std_error = float(np.linalg.norm(by_zone - share * beside))
        found.append(
            wald(
                gap - share * other,
                std_error,
                df=df if share == 0 else min(df, df_other),
                prob=prob,
                null=0.0,
            )
        )
    return found


def _gap(one: ZoneInfluence, level: int, zones: IntArray) -> tuple[float, FloatArray, float]:
    """A threshold's gap, what each zone adds to it, and its degrees of freedom."""
    n_levels = one.margins.size // 2
    side = (np.arange(n_levels) >= level).astype(np.float64)
    contrast = np.concatenate([side, -side])
    by_zone = np.zeros(zones.size)
    by_zone[np.searchsorted(zones, one.zones)] = one.sums @ contrast
    return float(one.margins @ contrast), by_zone, one.df_of(contrast)


def control_rows(
    models: Sequence[MatchedModel],
    controls: Mapping[str, str],
    declared: NegativeControl | None,
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

    Returns
    -------
    list of SensitivityRow
        At each threshold the `gap`, the `control`'s, and where the exclusion covers the outcome
        the gap less each share. One row with the reason where there is no control, or its model
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
            result += _beside(one, name, known.get(model), covered, base)
    return result


def _beside(
    one: MatchedModel,
    name: str,
    control: MatchedModel | None,
    declared: NegativeControl | None,
    base: SensitivityRow,
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
    less = _Netting(one, control, at, declared) if covered and declared is not None else None
    for contrast, interval in one.estimate.intervals.items():
        if not contrast.is_threshold_gap or interval is None:
            continue
        row = replace(base, quantity=Quantity.RISK_DIFFERENCE, category=contrast.category)
        yield _row(replace(row, variant=GAP, note=_NOTE), interval, one.estimate, contrast)
        beside = replace(row, variant=f"{CONTROL}{name}{at.category and f' {at.category}'}")
        other = control.estimate.intervals[at]
        if other is not None:
            yield _row(replace(beside, note=_NOTE), other, control.estimate, at)
        if less is not None:
            yield from less.rows(contrast, interval, row)


def _middle(estimate: FamilyEstimate) -> Contrast:
    """The control's threshold that nearest to half of its people reach."""
    total = estimate.people.sum()
    return min(
        (one for one in estimate.intervals if one.is_threshold_gap),
        key=lambda one: abs(float(estimate.people[:, one.level :].sum() / total) - 0.5),
    )


def _row(
    row: SensitivityRow, interval: Interval, estimate: FamilyEstimate, contrast: Contrast
) -> SensitivityRow:
    """The row with its numbers, or suppressed."""
    if is_suppressed(estimate, contrast):
        return suppressed(row)
    return with_interval(row, interval)


class _Netting:
    """The gaps of one model less shares of its control's; both are fitted once."""

    def __init__(
        self,
        one: MatchedModel,
        control: MatchedModel,
        at: Contrast,
        declared: NegativeControl,
    ) -> None:
        self.estimates = one.estimate, control.estimate
        self.at = at
        self.note = _NETTED.format(reason=declared.exclusion.rstrip("."))
        self.parts: tuple[ZoneInfluence, ZoneInfluence] | None = None
        try:
            self.parts = matched_influence(one.sample), matched_influence(control.sample)
        except NotEstimable as error:
            self.note = f"Not netted: {error.reason}."

    def rows(
        self, contrast: Contrast, interval: Interval, row: SensitivityRow
    ) -> Iterator[SensitivityRow]:
        """A row a share above zero, or one with the reason."""
        row = replace(row, note=self.note)
        if self.parts is None:
            yield replace(row, variant=_name(SHARES[-1]), verdict=Verdict.NOT_ASSESSED)
            return
        pairs = zip(self.estimates, (contrast, self.at), strict=True)
        if any(is_suppressed(estimate, one) for estimate, one in pairs):
            yield suppressed(replace(row, variant=_name(SHARES[-1])))
            return
        for share, less in zip(
            SHARES, netted_gaps(*self.parts, (contrast.level, self.at.level)), strict=True
        ):
            if share == 0:
                continue
            holds = same_conclusion(interval, less, 0.0)
            yield replace(
                _row(row, less, self.estimates[0], contrast),
                variant=_name(share),
                verdict=Verdict.HOLDS if holds else Verdict.CHANGES,
            )


def _name(share: float) -> str:
    return f"less {share:g} x control"
