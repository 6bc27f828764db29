"""How many in-person answers would have to be off before the gap's conclusion moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np
from scipy import optimize

from coopgap.checks.compare import numbers_of, unassessed
from coopgap.checks.context import Context
from coopgap.checks.moved import (
    Movable,
    Moved,
    largest_first,
    movable,
    moved_margins,
    shift_moves,
)
from coopgap.checks.phone.equivalence import PROB, phone_shifts
from coopgap.checks.registry import NotApplicable, Topic, check
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Contrast, Interval, null_value
from coopgap.core.tails import t_quantile
from coopgap.core.vocabulary import Check, Verdict, Version
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.headline import headline_first

_SHARE_NOTE: Final = (
    "Share of answers off: in-person comparison answers that would have to be different, the odds "
    "multiplied alike in every cell, so that no cell gives more answers than it has; fit, "
    "standardisation and interval are made anew."
)
_MULTIPLE_NOTE: Final = (
    "Multiple of the odds: the same move; of more than two answers at every threshold alike, its "
    "logarithm the shift on the latent scale."
)
_SHIFT_NOTE = "Latent shift: the same move on the scale of the model's link."
_LEAST_NOTE = "At least: the answers that weigh most moved first, as far as they can go."
_PHONE_NOTE: Final = (
    "Phone minus in person: what the comparison people called say about such a move, adjusted for "
    "the covariates; mode is one reason of several."
)

_FARTHEST = 16.0
"""Latent shift beyond which every answer lies at one end."""

_EXACT = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One contrast of the matched sample, and what is left of it as answers move.

    The gap as reported, `interval`, anchors standard errors after a move; `start` is before any
    move, `shifted` after a latent shift of the comparison group's answers.
    """

    at: Movable
    contrast: Contrast
    interval: Interval
    start: Moved
    shifted: Callable[[float], Moved]

    @property
    def null(self) -> float:
        """Value of no gap."""
        return null_value(self.contrast.quantity)

    @property
    def sign(self) -> float:
        """Sign of the gap; zero where there is none."""
        return float(np.sign(self.interval.estimate - self.null))

    @property
    def scale(self) -> str:
        """The quantity as which a row gives a latent shift."""
        return "odds_multiple" if self.at.link == "logit" else "latent_shift"

    def on_scale(self, shift: float) -> float:
        """A latent shift as a row gives it."""
        return float(np.exp(shift)) if self.at.link == "logit" else shift

    def gap(self, moved: Moved) -> float:
        """Distance from no gap, positive on the side where the gap was."""
        return self.sign * (moved.value(self.contrast) - self.null)

    def limit(self, moved: Moved) -> float:
        """Distance from no gap of the interval's nearer limit, positive where it excludes it."""
        ratio = moved.variance(self.contrast) / self.start.variance(self.contrast)
        half = t_quantile((1 + INTERVAL_PROB) / 2, self.interval.df) * self.interval.std_error
        return self.gap(moved) - half * float(np.sqrt(ratio))

    def tipping_shift(self, left: Callable[[Moved], float]) -> float:
        """Latent shift of the comparison group's answers at which nothing is `left`.

        `left` is positive before the move, negative once the conclusion has moved. Signed like the
        gap: positive where answers would have to be higher. Raises `NotEstimable` where the fit
        breaks down on the way.
        """

        def at(shift: float) -> float:
            return left(self.shifted(self.sign * shift))

        far = 0.5
        while far < _FARTHEST and at(far) > 0:
            far *= 2
        if far >= _FARTHEST:
            raise NotEstimable("no shift of the comparison group's answers is large enough")
        near = 0.0 if far == 0.5 else far / 2
        return self.sign * float(optimize.brentq(at, near, far, xtol=_EXACT))

    def share_off(self, shift: float) -> float:
        """Share of the comparison answers that a shift moves; each kept one counts once."""
        level = np.arange(self.at.n_levels)
        side = level >= self.contrast.level if self.contrast.is_threshold_gap else level
        crosses = side[:, None] != side[None, :]
        people, moves = self.at.answers, shift_moves(self.at, shift)
        return float(np.einsum("ca,cab,ab->", people, moves, crosses) / people.sum())

    def least_share(self, most: float) -> float:
        """Smallest share of answers, the weightiest first, that takes the interval to no gap."""
        total = float(self.at.answers.sum())

        def left(people: float) -> float:
            moves = largest_first(self.at, self.start, self.contrast, people, self.sign)
            return self.limit(moved_margins(self.at, moves))

        far = most * total
        while left(far) > 0:
            if far >= total:  # only where moving an answer as far as it goes loses to spreading
                raise NotEstimable("not all answers together are enough")
            far = min(1.25 * far, total)
        return float(optimize.brentq(left, 0.0, far, xtol=1e-6 * total)) / total


@check(
    Check.TIPPING_POINT,
    title="Tipping point",
    question="How many in-person answers would have to be off before the conclusion moves?",
    formula=(
        "logit p* = logit p + log m in every cell of the comparison group; the m at which the "
        "interval of Δ(m) reaches 0, or Δ(m) = Δ/2"
    ),
    topic=Topic.UNMEASURED,
    needs=(Context.estimated,),
    place=(50, 5),
)
def tipping_points(context: Context) -> Iterator[SensitivityRow]:
    """Tipping points of the gap, with what the phone interviews say of them."""
    shifts = phone_shifts(context.phone, context.spec.link)
    yield from tipping_rows(context, shifts)


def tipping_rows(
    context: Context, shifts: Mapping[str, Interval | str]
) -> Iterator[SensitivityRow]:
    """Tipping points of the headline, each threshold, the whole distribution.

    For each quantity: the share of in-person comparison answers that would have to be off before
    the interval reaches no gap and before the gap halves, beside each the multiple of the odds that
    makes it (with other links than the logit, the latent shift); for the headline also the least
    share; and what the phone interviews say about that multiple. The verdict compares the phone
    interval with the first multiple: `holds` where the whole interval falls short of it, `changes`
    where the whole interval exceeds it, `inconclusive` in between, and none without phone
    interviews.
    """
    intervals = context.headline.intervals
    order = headline_first(context.keys.levels, context.keys.at)
    wanted = [(one, intervals.get(one)) for one in order]
    if not any(interval is not None and interval.std_error > 0 for _, interval in wanted):
        raise NotApplicable("No quantity has a standard error.")
    at = movable(context.sample)
    start = moved_margins(at, at.nothing())

    @cache
    def shifted(shift: float) -> Moved:
        return moved_margins(at, shift_moves(at, shift))

    for contrast, interval in wanted:
        if interval is not None and interval.std_error > 0:
            course = Course(
                at=at, contrast=contrast, interval=interval, start=start, shifted=shifted
            )
            base = context.row(category=contrast.category)
            phone = shifts.get(contrast.category)
            yield from _course_rows(course, phone, base, headline=contrast == context.first)


def _course_rows(
    course: Course, phone: Interval | str | None, base: SensitivityRow, *, headline: bool
) -> Iterator[SensitivityRow]:
    zero, away = None, course.limit(course.start) if course.sign else 0.0
    row = replace(base, variant=Version.INTERVAL_AT_ZERO, quantity="share_off")
    if away <= 0:
        note = "The interval holds no gap already."
        yield replace(row, verdict=Verdict.NOT_APPLICABLE, note=note)
    else:
        try:
            zero = course.tipping_shift(course.limit)
        except NotEstimable as error:
            yield unassessed(row, f"Not estimable: {error.reason}.")
    if zero is not None:
        share, scale = _moved_rows(course, zero, row)
        yield replace(share, threshold=away)
        yield replace(
            scale, verdict=phone_verdict(zero, phone) if isinstance(phone, Interval) else None
        )
        if headline:
            row = replace(row, quantity="least_share_off")
            try:
                least = course.least_share(share.estimate or 0.0)
                yield replace(row, estimate=least, note=_LEAST_NOTE)
            except NotEstimable as error:
                yield unassessed(row, f"Not estimable: {error.reason}.")
    if course.sign:
        row = replace(base, variant=Version.GAP_HALVES, quantity="share_off")
        half = course.gap(course.start) / 2
        try:
            shift = course.tipping_shift(lambda moved: course.gap(moved) - half)
            yield from _moved_rows(course, shift, row)
        except NotEstimable as error:
            yield unassessed(row, f"Not estimable: {error.reason}.")
    row = replace(base, variant=Version.PHONE_SHIFT, quantity=course.scale)
    if isinstance(phone, str):
        yield unassessed(row, f"The phone interviews say nothing about it: {phone}.")
    elif phone is not None:
        numbers = numbers_of(phone, PROB) | {
            name: course.on_scale(getattr(phone, name)) for name in ("estimate", "lower", "upper")
        }
        threshold = None if zero is None else course.on_scale(zero)
        numbers |= {"p_value": None, "threshold": threshold, "note": _PHONE_NOTE}
        yield replace(row, **numbers)


def _moved_rows(
    course: Course, shift: float, row: SensitivityRow
) -> tuple[SensitivityRow, SensitivityRow]:
    """The share of answers that a shift moves, and the shift on its scale."""
    note = _MULTIPLE_NOTE if course.scale == "odds_multiple" else _SHIFT_NOTE
    return (
        replace(row, estimate=course.share_off(shift), note=_SHARE_NOTE),
        replace(row, quantity=course.scale, estimate=course.on_scale(shift), note=note),
    )


def phone_verdict(shift: float, phone: Interval) -> Verdict:
    """Whether the phone interval falls short of the shift, both on the latent scale."""
    low, high = (phone.lower, phone.upper) if shift > 0 else (-phone.upper, -phone.lower)
    if high < abs(shift):
        return Verdict.HOLDS
    return Verdict.CHANGES if low > abs(shift) else Verdict.INCONCLUSIVE
