"""The matched gap with ties broken otherwise: how much rests on who of equals was taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from coopgap.checks.compare import (
    NO_MATCHING,
    again_row,
    half_gap,
    side,
    unassessed,
    with_number,
)
from coopgap.checks.context import Context, Design
from coopgap.checks.registry import NotApplicable, check
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Contrast, null_value
from coopgap.core.vocabulary import Check, Quantity, Verdict
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate
from coopgap.families.plan import sample_for
from coopgap.families.sample import PAIRED
from coopgap.study.spec import ModelSpec
from coopgap.survey.records import ModelRows

KEYS: Final = 20
"""Keys after the declared one under which a design is matched again."""

_QUICK = 5_000
"""People up to whom matching so often takes seconds."""


@check(
    Check.MATCHING_TIES,
    title="Ties in matching broken otherwise",
    question="How much does the gap rest on who of equally near people was taken?",
    of_model=True,
    place=(20, 20),
)
def matching_ties(context: Context) -> Iterator[SensitivityRow]:
    """The spread of the matched gap over keys, of designs that are matched again in seconds.

    For the declared design and each variant: the members with ties; for each threshold's
    difference and superiority the median, smallest and largest estimate over the keys, and their
    standard deviation in a row of its own. The gap `changes` where a key moves it by more than half
    the smallest gap that matters, or turns a clear gap round. No sampling error is in it: all keys
    are of the same people.
    """
    spec = context.spec
    designs = [spec.matching, *(one.spec.matching for one in spec.variants)]
    if not any(one.is_declared for one in designs):
        raise NotApplicable(NO_MATCHING)
    if not any(one.has_ties for one in designs):
        raise NotApplicable("No declared design chooses between people who are equally near.")
    yield from _designs(context, quick=True)


@check(Check.MATCHING_TIES, cost="full", place=(160, 0))
def slow_ties(context: Context) -> Iterator[SensitivityRow]:
    """The same of the other designs: cardinality matching, and many people."""
    yield from _designs(context, quick=False)


def _designs(context: Context, *, quick: bool) -> Iterator[SensitivityRow]:
    declared = Design("", context.spec, context.sample, context.headline)
    for design in (declared, *context.variants):
        if not design.spec.matching.has_ties:
            continue
        paired = design.spec.matching.method in PAIRED
        if (paired and design.sample.rows.n <= _QUICK) == quick:
            yield from _design_rows(context, design)


def _design_rows(context: Context, design: Design) -> Iterator[SensitivityRow]:
    name, spec, sample, own = design
    if not own.intervals:
        note = f"There is no gap to compare with: {own.reason}."
        yield unassessed(context.bare(variant=name), note)
        return
    again = [_under_key(sample.rows, spec, spec.matching.seed + 1 + k) for k in range(KEYS)]
    shown = [
        one for one in own.intervals if one.is_threshold_gap or one.quantity is Quantity.SUPERIORITY
    ]
    for number, contrast in enumerate(shown):
        row = again_row(replace(context, headline=own), contrast, own, variant=name)
        if not number and sample.matched.n_tied is not None:
            n, of = int(sample.matched.n_tied), int(sample.rows.member.sum())
            yield with_number(
                row, "tied_members", sample.matched.n_tied, "", category="", n=n, of=of
            )
        if row.estimate is not None:
            yield from _spread(row, contrast, own, again, context.smallest_gap)


def _under_key(rows: ModelRows, spec: ModelSpec, seed: int) -> Estimate:
    """The matched family under another key; without zones, which move no estimate."""
    other = replace(spec, matching=replace(spec.matching, seed=seed))
    return headline_estimate(sample_for(replace(rows, zone=None), other))


def _spread(
    row: SensitivityRow,
    contrast: Contrast,
    own: Estimate,
    again: list[Estimate],
    smallest_gap: float,
) -> Iterator[SensitivityRow]:
    """Two rows of one contrast: the middle between the ends, and the standard deviation."""
    intervals = [one.intervals.get(contrast) for one in again]
    values = np.array([one.estimate for one in intervals if one is not None])
    declared, null = own.intervals[contrast], null_value(contrast.quantity)
    if values.size < 2 or declared is None:
        return
    moved = np.abs(values - declared.estimate).max() > half_gap(contrast.quantity, smallest_gap)
    turned = ((values - null) * side(declared, contrast.quantity) < 0).any()
    yield with_number(
        row,
        f"median_{contrast.quantity}",
        float(np.median(values)),
        f"Median over {values.size} keys, in brackets the smallest and the largest.",
        lower=float(values.min()),
        upper=float(values.max()),
        verdict=Verdict.CHANGES if moved or turned else Verdict.HOLDS,
    )
    spread, note = float(values.std(ddof=1)), "Standard deviation over the keys."
    yield with_number(row, f"sd_{contrast.quantity}", spread, note)
