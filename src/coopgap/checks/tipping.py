"""How many in-person answers would have to be off before the gap's conclusion moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np
from scipy import optimize

from coopgap.checks.context import Context
from coopgap.checks.moved import (
    Movable,
    Moved,
    largest_first,
    movable,
    moved_margins,
    shift_moves,
)
from coopgap.checks.phone.equivalence import PhoneShift, phone_shifts
from coopgap.checks.registry import NotApplicable, Topic, check
from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Contrast, Interval, null_value
from coopgap.core.tails import t_quantile
from coopgap.core.vocabulary import Check, IntervalKind, Verdict, Version
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

    def gap(self, moved: Moved) -> float:
        """Distance from no gap, positive on the side where the gap was."""
        return self.sign * (moved.value(self.contrast) - self.null)

    def std_error(self, moved: Moved) -> float:
        """The reported standard error, times what the move makes of the sandwich."""
        ratio = moved.variance(self.contrast) / self.start.variance(self.contrast)
        return self.interval.std_error * float(np.sqrt(ratio))

    @property
    def scale(self) -> str:
        """The quantity as which a row gives a latent shift."""
        return "odds_multiple" if self.at.link == "logit" else "latent_shift"

    def on_scale(self, shift: float) -> float:
        """A latent shift as a row gives it."""
        return float(np.exp(shift)) if self.at.link == "logit" else shift

    def limit(self, moved: Moved) -> float:
        """Distance from no gap of the interval's nearer limit, positive where it excludes it."""
        half = t_quantile((1 + INTERVAL_PROB) / 2, self.interval.df)
        return self.gap(moved) - half * self.std_error(moved)


def tipping_shift(course: Course, left: Callable[[Moved], float]) -> float:
    """Latent shift of the comparison group's answers at which nothing is `left`.

    `left` is positive before the move, negative once the conclusion has moved. Signed like the gap:
    positive where answers would have to be higher. Raises `NotEstimable` where the fit breaks down
    on the way.
    """

    def at(shift: float) -> float:
        return left(course.shifted(course.sign * shift))

    far = 0.5
    while far < _FARTHEST and at(far) > 0:
        far *= 2
    if far >= _FARTHEST:
        raise NotEstimable("no shift of the comparison group's answers is large enough")
    near = 0.0 if far == 0.5 else far / 2
    return course.sign * float(optimize.brentq(at, near, far, xtol=_EXACT))


def share_off(at: Movable, contrast: Contrast, moves: FloatArray) -> float:
    """Share of the comparison group's answers that move.

    Of a threshold gap, those that cross the threshold; else those that change their level. Each
    answer kept by the matching counts once, whatever its weight.
    """
    level = np.arange(at.n_levels)
    side = level >= contrast.level if contrast.is_threshold_gap else level
    crosses = side[:, None] != side[None, :]
    people = at.answers
    return float(np.einsum("ca,cab,ab->", people, moves, crosses) / people.sum())


def least_share(course: Course, most: float) -> float:
    """Smallest share of answers that takes the interval to no gap, the weightiest moved first.

    `most` is a share that is enough when it is spread evenly.
    """
    total = float(course.at.answers.sum())

    def left(people: float) -> float:
        moves = largest_first(course.at, course.start, course.contrast, people, course.sign)
        return course.limit(moved_margins(course.at, moves))

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
    topic=Topic.UNMEASURED,
    needs=(Context.estimated,),
    order=50,
    page=5,
)
def tipping_points(context: Context) -> Iterator[SensitivityRow]:
    """Tipping points of the gap, with what the phone interviews say of them."""
    shifts = phone_shifts(context.phone, context.spec.link)
    yield from tipping_rows(context, shifts)


def tipping_rows(
    context: Context, shifts: Mapping[str, PhoneShift | str]
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
    wanted = {one: interval for one in order if (interval := intervals.get(one)) is not None}
    wanted = {one: interval for one, interval in wanted.items() if interval.std_error > 0}
    if not wanted:
        raise NotApplicable("No quantity has a standard error.")
    at = movable(context.sample)
    start = moved_margins(at, at.nothing())

    @cache
    def shifted(shift: float) -> Moved:
        return moved_margins(at, shift_moves(at, shift))

    for contrast, interval in wanted.items():
        course = Course(at=at, contrast=contrast, interval=interval, start=start, shifted=shifted)
        base = context.row(category=contrast.category)
        phone = shifts.get(contrast.category)
        yield from _course_rows(course, phone, base, headline=contrast == context.first)


def _course_rows(
    course: Course, phone: PhoneShift | str | None, base: SensitivityRow, *, headline: bool
) -> Iterator[SensitivityRow]:
    zero = None
    row = replace(base, variant=Version.INTERVAL_AT_ZERO, quantity="share_off")
    if course.sign == 0 or course.limit(course.start) <= 0:
        note = "The interval holds no gap already."
        yield replace(row, verdict=Verdict.NOT_APPLICABLE, note=note)
    else:
        try:
            zero = tipping_shift(course, course.limit)
        except NotEstimable as error:
            yield _not_estimable(row, error)
    if zero is not None:
        verdict = None
        if isinstance(phone, PhoneShift):
            verdict = phone_verdict(zero, phone.lower, phone.upper)
        yield replace(_share_row(course, zero, row), threshold=abs(course.limit(course.start)))
        yield _scale_row(course, zero, replace(row, verdict=verdict))
        if headline:
            yield _least_row(course, zero, replace(row, quantity="least_share_off"))
    if course.sign != 0:
        row = replace(base, variant=Version.GAP_HALVES, quantity="share_off")
        half = course.gap(course.start) / 2
        try:
            shift = tipping_shift(course, lambda moved: course.gap(moved) - half)
        except NotEstimable as error:
            yield _not_estimable(row, error)
        else:
            yield _share_row(course, shift, row)
            yield _scale_row(course, shift, row)
    if phone is not None:
        yield _phone_row(course, phone, zero, base)


def _not_estimable(row: SensitivityRow, error: NotEstimable) -> SensitivityRow:
    note = f"Not estimable: {error.reason}."
    return replace(row, verdict=Verdict.NOT_ASSESSED, note=note)


def _share_row(course: Course, shift: float, row: SensitivityRow) -> SensitivityRow:
    share = share_off(course.at, course.contrast, shift_moves(course.at, shift))
    return replace(row, estimate=share, note=_SHARE_NOTE)


def _scale_row(course: Course, shift: float, row: SensitivityRow) -> SensitivityRow:
    note = _MULTIPLE_NOTE if course.scale == "odds_multiple" else _SHIFT_NOTE
    return replace(row, quantity=course.scale, estimate=course.on_scale(shift), note=note)


def _least_row(course: Course, shift: float, row: SensitivityRow) -> SensitivityRow:
    share = share_off(course.at, course.contrast, shift_moves(course.at, shift))
    try:
        least = least_share(course, share)
    except NotEstimable as error:
        return _not_estimable(row, error)
    return replace(row, estimate=least, note=_LEAST_NOTE)


def _phone_row(
    course: Course, phone: PhoneShift | str, zero: float | None, base: SensitivityRow
) -> SensitivityRow:
    row = replace(base, variant=Version.PHONE_SHIFT, quantity=course.scale)
    if isinstance(phone, str):
        note = f"The phone interviews say nothing about it: {phone}."
        return replace(row, verdict=Verdict.NOT_ASSESSED, note=note)
    return replace(
        row,
        estimate=course.on_scale(phone.estimate),
        std_error=phone.std_error,
        lower=course.on_scale(phone.lower),
        upper=course.on_scale(phone.upper),
        interval_prob=phone.prob,
        interval_kind=IntervalKind.CONFIDENCE,
        threshold=None if zero is None else course.on_scale(zero),
        note=_PHONE_NOTE,
    )


def phone_verdict(shift: float, lower: float, upper: float) -> Verdict:
    """Whether the phone interval, in the direction of the move, falls short of the shift.

    All three on the latent scale.
    """
    low, high = (lower, upper) if shift > 0 else (-upper, -lower)
    if high < abs(shift):
        return Verdict.HOLDS
    return Verdict.CHANGES if low > abs(shift) else Verdict.INCONCLUSIVE
