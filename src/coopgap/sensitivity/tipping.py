"""How many in-person answers would have to be off before the gap's conclusion moves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache

import numpy as np

from coopgap.checks.phone.equivalence import PhoneShift
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import Contrast, Interval
from coopgap.core.vocabulary import Check, Comparator, IntervalKind, Status, Verdict, Version
from coopgap.families.estimate import Estimate
from coopgap.families.headline import headline_contrast, headline_first
from coopgap.families.sample import Sample
from coopgap.sensitivity.course import Course, least_share, share_off, tipping_shift
from coopgap.sensitivity.moved import Moved, movable, moved_margins, shift_moves


def tipping_rows(
    sample: Sample,
    estimate: Estimate,
    labels: Keys,
    shifts: Mapping[str, PhoneShift | str] | None = None,
) -> list[SensitivityRow]:
    """Tipping points of the matched gap: the headline, each threshold, the whole distribution.

    Parameters
    ----------
    sample
        The matched sample.
    estimate
        Its family.
    labels
        Keys of the rows.
    shifts
        The phone interviews' own latent shift by category, or why there is none.

    Returns
    -------
    list of SensitivityRow
        For each quantity: the share of in-person comparison answers that would have to be off
        before the interval reaches no gap and before the gap halves, beside each the multiple of
        the odds that makes it (with other links than the logit, the latent shift); for the
        headline also the least share; and what the phone interviews say about that multiple. The
        verdict compares the phone interval with the first multiple: `holds` where the whole
        interval falls short of it, `changes` where the whole interval exceeds it, `inconclusive`
        in between, and none without phone interviews.
    """
    base = SensitivityRow(
        check=Check.TIPPING_POINT,
        model=labels.model,
        family=estimate.family,
        outcome=labels.outcome,
        comparator=Comparator.COMPARISON,
        group=labels.group,
        population=estimate.population,
        source=labels.source,
    )
    if estimate.status is not Status.OK:
        note = f"There is no estimate: {estimate.reason or estimate.status}."
        return [replace(base, verdict=Verdict.NOT_APPLICABLE, note=note)]
    wanted = _wanted(estimate, labels)
    if not wanted:
        note = "No quantity has a standard error."
        return [replace(base, verdict=Verdict.NOT_APPLICABLE, note=note)]
    at = movable(sample)
    start = moved_margins(at, at.nothing())

    @cache
    def shifted(shift: float) -> Moved:
        return moved_margins(at, shift_moves(at, shift))

    result: list[SensitivityRow] = []
    for contrast, interval in wanted.items():
        course = Course(at=at, contrast=contrast, interval=interval, start=start, shifted=shifted)
        phone = (shifts or {}).get(contrast.category)
        first = contrast == headline_contrast(labels.levels, labels.at)
        result += _course_rows(course, phone, replace(base, category=contrast.category), first)
    return result


def _wanted(estimate: Estimate, labels: Keys) -> dict[Contrast, Interval]:
    """The headline first, then what else there is."""
    order = headline_first(labels.levels, labels.at)
    found = {one: estimate.intervals.get(one) for one in order}
    return {
        one: interval
        for one, interval in found.items()
        if interval is not None and interval.std_error > 0
    }


def _course_rows(
    course: Course, phone: PhoneShift | str | None, base: SensitivityRow, headline: bool
) -> Iterator[SensitivityRow]:
    zero = None
    open_row = replace(base, variant=Version.INTERVAL_AT_ZERO, quantity="share_off")
    if course.sign == 0 or course.limit(course.start) <= 0:
        note = "The interval holds no gap already."
        yield replace(open_row, verdict=Verdict.NOT_APPLICABLE, note=note)
    else:
        try:
            zero = tipping_shift(course, course.limit)
        except NotEstimable as error:
            note = f"Not estimable: {error.reason}."
            yield replace(open_row, verdict=Verdict.NOT_ASSESSED, note=note)
    if zero is not None:
        verdict = None
        if isinstance(phone, PhoneShift):
            verdict = phone_verdict(zero, phone.lower, phone.upper)
        yield from _pair(course, zero, replace(base, variant=Version.INTERVAL_AT_ZERO), verdict)
        if headline:
            yield _least_row(
                course,
                zero,
                replace(base, variant=Version.INTERVAL_AT_ZERO, quantity="least_share_off"),
            )
    if course.sign != 0:
        yield from _half(course, replace(base, variant=Version.GAP_HALVES))
    if phone is not None:
        yield _phone_row(course, phone, zero, base)


def _half(course: Course, base: SensitivityRow) -> Iterator[SensitivityRow]:
    half = course.gap(course.start) / 2
    try:
        shift = tipping_shift(course, lambda moved: course.gap(moved) - half)
    except NotEstimable as error:
        note = f"Not estimable: {error.reason}."
        yield replace(base, quantity="share_off", verdict=Verdict.NOT_ASSESSED, note=note)
        return
    yield from _pair(course, shift, base, None)


def _pair(
    course: Course, shift: float, base: SensitivityRow, verdict: Verdict | None
) -> Iterator[SensitivityRow]:
    share = share_off(course.at, course.contrast, shift_moves(course.at, shift))
    yield replace(
        base,
        quantity="share_off",
        estimate=share,
        threshold=abs(course.limit(course.start))
        if base.variant == Version.INTERVAL_AT_ZERO
        else None,
        note=_SHARE_NOTE,
    )
    yield replace(
        base,
        quantity=_scale(course),
        estimate=_on_scale(course, shift),
        verdict=verdict,
        note=_MULTIPLE_NOTE if _scale(course) == "odds_multiple" else _SHIFT_NOTE,
    )


def _least_row(course: Course, shift: float, base: SensitivityRow) -> SensitivityRow:
    share = share_off(course.at, course.contrast, shift_moves(course.at, shift))
    try:
        least = least_share(course, share)
    except NotEstimable as error:
        return replace(base, verdict=Verdict.NOT_ASSESSED, note=f"Not estimable: {error.reason}.")
    return replace(base, estimate=least, note=_LEAST_NOTE)


_SHARE_NOTE = (
    "Share of answers off: in-person comparison answers that would have to be different, the odds "
    "multiplied alike in every cell, so that no cell gives more answers than it has; fit, "
    "standardisation and interval are made anew."
)
_MULTIPLE_NOTE = (
    "Multiple of the odds: the same move; of more than two answers at every threshold alike, its "
    "logarithm the shift on the latent scale."
)
_SHIFT_NOTE = "Latent shift: the same move on the scale of the model's link."
_LEAST_NOTE = "At least: the answers that weigh most moved first, as far as they can go."
_PHONE_NOTE = (
    "Phone minus in person: what the comparison people called say about such a move, adjusted for "
    "the covariates; mode is one reason of several."
)


def _scale(course: Course) -> str:
    return "odds_multiple" if course.at.link == "logit" else "latent_shift"


def _on_scale(course: Course, shift: float) -> float:
    return float(np.exp(shift)) if course.at.link == "logit" else shift


def _phone_row(
    course: Course, phone: PhoneShift | str, zero: float | None, base: SensitivityRow
) -> SensitivityRow:
    row = replace(base, variant=Version.PHONE_SHIFT, quantity=_scale(course))
    if isinstance(phone, str):
        note = f"The phone interviews say nothing about it: {phone}."
        return replace(row, verdict=Verdict.NOT_ASSESSED, note=note)
    estimate, lower, upper = (
        _on_scale(course, value) for value in (phone.estimate, phone.lower, phone.upper)
    )
    return replace(
        row,
        estimate=estimate,
        std_error=phone.std_error,
        lower=lower,
        upper=upper,
        interval_prob=phone.prob,
        interval_kind=IntervalKind.CONFIDENCE,
        threshold=None if zero is None else _on_scale(course, zero),
        note=_PHONE_NOTE,
    )


def phone_verdict(shift: float, lower: float, upper: float) -> Verdict:
    """Whether the phone interval, in the direction of the move, falls short of the shift.

    Parameters
    ----------
    shift, lower, upper
        The move and the ends of the phone interval, on the latent scale.
    """
    low, high = (lower, upper) if shift > 0 else (-upper, -lower)
    if high < abs(shift):
        return Verdict.HOLDS
    return Verdict.CHANGES if low > abs(shift) else Verdict.INCONCLUSIVE
