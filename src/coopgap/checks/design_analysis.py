"""The smallest gap that this design could have found, and what it would make of a smaller one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from coopgap.checks.by_mode import Group
from coopgap.checks.compare import unassessed
from coopgap.checks.context import Context
from coopgap.checks.moved import movable, moved_margins, shift_moves
from coopgap.checks.registry import NotApplicable, check
from coopgap.checks.retrodesign import (
    DESIGN_EFFECTS,
    detectable_gap,
    retrodesign,
    superiority_error,
)
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow, finite
from coopgap.core.gap import Contrast, Margins, contrast_gradient
from coopgap.core.vocabulary import Check, Comparator, Quantity, Version
from coopgap.families.headline import headline_first
from coopgap.families.sample import Sample
from coopgap.matching.sample import effective_size

_POWER: Final = 0.8

_NOTES: Final = {
    "smallest_detectable": (
        "Smallest true gap found with 80 % probability by a two-sided test at 5 %; power is that "
        "at the declared gap."
    ),
    "type_s": "Chance that a significant estimate has the wrong sign if the declared gap is true.",
    "type_m": "How many times too large a significant estimate is on average if it is true.",
    "smallest_superiority": (
        "Smallest chance of a member to stand higher that is found with 80 % probability; the "
        "declared gap is one of shares and is read at each threshold only."
    ),
}


class _Design(NamedTuple):
    """A standard error at no gap and its degrees of freedom; `factor` is a stated design effect."""

    variant: str
    std_error: float
    df: float = np.inf
    factor: float | None = None


@check(
    Check.DESIGN_ANALYSIS,
    title="Design analysis",
    question="What gap could this design have found, and what would it make of a smaller one?",
    needs=(Context.estimated,),
    place=(60, 90),
)
def design_analysis(context: Context) -> Iterator[SensitivityRow]:
    """Smallest detectable gap, and type S and type M errors at the declared one, read as true.

    At each threshold, for the matched design, for the phone interviews in its comparison group's
    place and for phone against in person. The headline also for a simple random sample of the same
    effective sizes under each design effect. On superiority no gap is declared: it has the smallest
    detectable value only, and the phone designs have thresholds only. Standard errors are those at
    no gap: of the matched design the comparison group's answers are moved by the coefficient of
    membership and everything is fitted anew.
    """
    rows = [*_in_person(context), *_by_phone(context)]
    if not rows:
        raise NotApplicable("No quantity has a standard error.")
    yield from rows


def _in_person(context: Context) -> Iterator[SensitivityRow]:
    at = movable(context.sample)
    free = at.fit.free
    slope = at.fit.freed[free.index(0)].mean() if 0 in free else at.fit.slopes[0]
    start = moved_margins(at, at.nothing())
    level = moved_margins(at, shift_moves(at, float(slope)))
    for contrast in headline_first(context.keys.levels, context.keys.at):
        interval, before = context.headline.intervals.get(contrast), start.variance(contrast)
        designs = []
        if interval is not None and interval.std_error > 0 and before > 0:
            error = interval.std_error * (level.variance(contrast) / before) ** 0.5
            designs.append(_Design(Version.IN_PERSON, error, interval.df))
        if contrast == context.first:
            designs += _simple(contrast, level.margins, context.sample)
        for design in designs:
            yield from _rows(design, contrast, context.smallest_gap, context.row())


def _simple(contrast: Contrast, margins: Margins, sample: Sample) -> Iterator[_Design]:
    """A simple random sample of the same effective sizes, both groups with the members' shares."""
    member = sample.rows.member
    sizes = [effective_size(sample.weight[one & sample.kept]) for one in (member, ~member)]
    if contrast.quantity is Quantity.SUPERIORITY:
        error = superiority_error(margins.member, *sizes)
    else:
        share = float(margins.member[contrast.level :].sum())
        error = (share * (1 - share) * sum(1 / size for size in sizes)) ** 0.5
    for factor in DESIGN_EFFECTS:
        yield _Design(f"design effect {factor:g}", error * factor**0.5, factor=factor)


def null_error(margins: Margins, level: int) -> float:
    """Standard error of the difference at a threshold, had both groups the first one's share.

    The second group's variance becomes that of the first group's share under its own design
    effect, the covariance moves with its root; NaN where everybody of it answers alike. `level` is
    the index of the level the threshold starts at.
    """
    n = margins.member.size
    pick = np.zeros((2, 2 * n))
    pick[0, level:n] = pick[1, n + level :] = 1.0
    cov = pick @ margins.cov @ pick.T
    first, second = (float(side[level:].sum()) for side in (margins.member, margins.comparison))
    if not 0 < second < 1:
        return np.nan
    scale = first * (1 - first) / (second * (1 - second))
    variance = cov[0, 0] + cov[1, 1] * scale - 2 * cov[0, 1] * scale**0.5
    return float(np.sqrt(max(variance, 0.0)))


def _by_phone(context: Context) -> Iterator[SensitivityRow]:
    """The same with the people called as comparison group, and against those asked in person."""
    phone = context.phone
    if not phone.called.n or not phone.comparison.n:
        return
    pairs: dict[str, Group] = {
        Version.PHONE_IN_PLACE: "members",
        Version.PHONE_AGAINST: "comparison",
    }
    for variant, people in pairs.items():
        base = context.row(variant=variant, comparator=Comparator.PHONE, family=None)
        try:
            margins = phone.balanced(people, "called", context.sample.covariates).margins
        except NotEstimable as error:
            note = f"The phone people cannot be balanced to the other group: {error.reason}."
            yield unassessed(base, note)
            continue
        for contrast in headline_first(context.keys.levels, context.keys.at):
            if contrast.is_threshold_gap:
                df = margins.df_for(contrast_gradient(contrast, margins))
                design = _Design(variant, null_error(margins, contrast.level), df)
                yield from _rows(design, contrast, context.smallest_gap, base)


def _rows(
    design: _Design, contrast: Contrast, gap: float, base: SensitivityRow
) -> Iterator[SensitivityRow]:
    if not design.std_error > 0:
        return
    smallest = detectable_gap(design.std_error, df=design.df, power=_POWER)
    row = replace(
        base,
        variant=design.variant,
        category=contrast.category,
        setting=design.factor,
        std_error=design.std_error,
    )
    if contrast.quantity is Quantity.SUPERIORITY:
        name = "smallest_superiority"
        yield replace(row, quantity=name, estimate=0.5 + smallest, note=_NOTES[name])
        return
    power, type_s, type_m = retrodesign(gap, design.std_error, df=design.df)
    numbers = {"smallest_detectable": smallest}
    if design.factor is None:
        numbers |= {"type_s": type_s, "type_m": type_m}
    for name, value in numbers.items():
        yield replace(
            row,
            quantity=name,
            estimate=finite(value),
            threshold=gap,
            power=power if name == "smallest_detectable" else None,
            note=_NOTES[name],
        )
