"""The matched gap with ties broken otherwise: how much rests on who of equals was taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import Contrast, null_value
from coopgap.core.vocabulary import Check, Quantity, Verdict
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate
from coopgap.families.plan import ModelPlan, Plan, sample_for
from coopgap.families.sample import PAIRED, Sample
from coopgap.sensitivity.again import Beside, again_row
from coopgap.sensitivity.keys import NO_MATCHING, unanswered, with_number
from coopgap.sensitivity.verdict import half_gap, side
from coopgap.study.spec import ModelSpec
from coopgap.survey.complete import complete_rows
from coopgap.survey.records import ModelRows

KEYS: Final = 20
"""Keys after the declared one under which a design is matched again."""

_QUICK = 5_000
"""People up to whom matching so often takes seconds."""


def matching_ties_rows(
    plan: Plan, model: ModelPlan, matched: Estimate, labels: Keys, *, quick: bool
) -> Iterator[SensitivityRow]:
    """The spread of the matched gap over keys, for the declared design and each variant.

    Parameters
    ----------
    plan, model
        What is run.
    matched
        The headline's family as declared.
    labels
        Model, outcome and source.
    quick
        Designs that are matched again in seconds, and the row of a model that has none whose ties
        a key breaks; otherwise the other designs: cardinality matching, and many people.

    Yields
    ------
    SensitivityRow
        For each design, named by its variant and empty for the declared one: the members with
        ties; for each threshold's difference and superiority the median, smallest and largest
        estimate over the keys, and their standard deviation in a row of its own. The gap `changes`
        where a key moves it by more than half the smallest gap that matters, or turns a clear gap
        round. No sampling error is in it: all keys are of the same people.
    """
    designs = [("", model.spec), *((one.name, one.spec) for one in model.spec.variants)]
    tied = [(name, spec) for name, spec in designs if spec.matching.has_ties]
    if not tied and quick:
        reason = "No declared design chooses between people who are equally near."
        if not any(spec.matching.is_declared for _, spec in designs):
            reason = NO_MATCHING
        yield from unanswered([Check.MATCHING_TIES], labels, Verdict.NOT_APPLICABLE, reason)
    for name, spec in tied:
        rows = complete_rows(plan.survey, plan.study, spec) if name else model.rows
        if (spec.matching.method in PAIRED and rows.n <= _QUICK) == quick:
            sample = sample_for(rows, spec) if name else model.sample
            own = headline_estimate(sample) if name else matched
            smallest = plan.study.smallest_gap
            yield from _design_rows(name, spec, sample, own, labels, smallest)


def _design_rows(
    name: str,
    spec: ModelSpec,
    sample: Sample,
    own: Estimate,
    labels: Keys,
    smallest_gap: float,
) -> Iterator[SensitivityRow]:
    if not own.intervals:
        reason = f"There is no gap to compare with: {own.reason}."
        (row,) = unanswered([Check.MATCHING_TIES], labels, Verdict.NOT_ASSESSED, reason)
        yield replace(row, variant=name)
        return
    again = [_under_key(sample.rows, spec, spec.matching.seed + 1 + k) for k in range(KEYS)]
    beside = Beside(estimate=own, smallest_gap=smallest_gap)
    first = True
    for contrast in own.intervals:
        if not (contrast.is_threshold_gap or contrast.quantity is Quantity.SUPERIORITY):
            continue
        row = again_row(Check.MATCHING_TIES, name, contrast, own, beside, labels)
        if first and sample.matched.n_tied is not None:
            tied = with_number(replace(row, category=""), "tied_members", sample.matched.n_tied, "")
            n, of = int(sample.matched.n_tied), int(sample.rows.member.sum())
            yield replace(tied, n=n, of=of)
        first = False
        if row.estimate is not None:
            yield from _spread(row, contrast, own, again, smallest_gap)


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
    """Two rows of one contrast."""
    found = [one.intervals.get(contrast) for one in again]
    values = np.array([one.estimate for one in found if one is not None])
    declared, null = own.intervals[contrast], null_value(contrast.quantity)
    if values.size < 2 or declared is None:
        return
    moved = np.abs(values - declared.estimate).max() > half_gap(contrast.quantity, smallest_gap)
    turned = ((values - null) * side(declared, contrast.quantity) < 0).any()
    note = f"Median over {values.size} keys, in brackets the smallest and the largest."
    yield replace(
        with_number(row, f"median_{contrast.quantity}", float(np.median(values)), note),
        lower=float(values.min()),
        upper=float(values.max()),
        verdict=Verdict.CHANGES if moved or turned else Verdict.HOLDS,
    )
    note = "Standard deviation over the keys."
    spread = float(values.std(ddof=1))
    yield with_number(row, f"sd_{contrast.quantity}", spread, note)
