"""Rosenbaum bounds: how large a hidden bias within matched sets the association survives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from coopgap.checks.compare import NO_MATCHING
from coopgap.checks.context import Context
from coopgap.checks.hidden_bias import (
    binary_bound,
    gamma_at,
    mirrored,
    score_bound,
    set_counts,
    set_scores,
)
from coopgap.checks.registry import NotApplicable, Topic, check
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Contrast, contrasts, null_value
from coopgap.core.vocabulary import Check, Direction, Quantity, Version
from coopgap.families.sample import Sample

GAMMAS: Final = (1.0, 1.1, 1.25, 1.5, 2.0, 3.0)
"""Hidden biases at which the largest p-value is shown."""

ALPHAS: Final = (0.025, 0.05)
"""One-sided levels whose Γ is looked for."""

P_BOUND: Final = "p_bound"

_NOTE = (
    "Largest p-value, one-sided in the direction observed, that nobody's answer differs by "
    "membership, if two people of one matched set may differ in the odds of being a member by at "
    "most Γ. Only sets with both groups and different answers carry it. Sets are taken as "
    "independent, so zones are ignored, and so are sampling weights; Γ is not on the scale of "
    "the gap."
)
_OVERALL = (
    "The whole distribution counts in each set who stands higher (scores over the people of the "
    "set); its p-values are normal approximations, those of a threshold exact for up to 20,000 "
    "members at the answer."
)

_POINTS: Final = {
    Direction.MEMBERS_HIGHER: "Direction observed in the sets: members higher.",
    Direction.MEMBERS_LOWER: "Direction observed in the sets: members lower.",
}
_OPPOSED: Final = " The gap is the other way."
"""Notes of a row `n_sets`: which way its p-values look, and whether the gap looks there."""

type _Bound = Callable[[float], float]


@check(
    Check.ROSENBAUM,
    title="Rosenbaum bounds",
    question="How large a hidden bias within matched sets does the association survive?",
    topic=Topic.UNMEASURED,
    order=90,
    page=2,
)
def rosenbaum(context: Context) -> Iterator[SensitivityRow]:
    """Largest p-values over a grid of Γ, and the Γ at which they reach a level.

    At each threshold, and with more than two levels for the whole distribution: the number of sets
    that carry it (`n_sets`), the largest p-value (`p_bound`, in `p_value`, with Γ in `threshold`)
    and Γ (`gamma`, with the level in `threshold`). A Γ of one: the level is not reached even
    without hidden bias. `direction` says which way the sets point: they count alike whatever their
    size, so it may not be that of the gap (`opposed`). Γ and the level stand in `setting` too.
    """
    sample, levels = context.sample, context.keys.levels
    if not sample.matched.n_sets:
        none = "This matching makes no sets." if sample.is_matched else NO_MATCHING
        raise NotApplicable(sample.matched.reason or none)
    rows: list[SensitivityRow] = []
    for contrast in contrasts(levels):
        if contrast.is_threshold_gap:
            base = context.row(category=contrast.category, note=_NOTE)
            rows += _rows(base, contrast, context, _threshold(sample, contrast.level))
        elif contrast.quantity is Quantity.SUPERIORITY and len(levels) > 2:
            base = context.row(note=_OVERALL)
            rows = [*_rows(base, contrast, context, _overall(sample)), *rows]
    if not rows:
        raise NotApplicable("No matched set holds both groups and different answers.")
    yield from rows


def _threshold(sample: Sample, level: int) -> tuple[int, _Bound, bool]:
    """Sets that carry one threshold, the bound in the direction observed, whether it is up."""
    rows = sample.rows
    above = np.asarray(rows.outcome >= level)
    counts = set_counts(above, rows.member, sample.matched.set_id)
    higher = bool(counts.observed >= counts.expected)
    if not higher:
        counts = counts.mirrored
    return counts.n_sets, lambda gamma: binary_bound(counts, gamma), higher


def _overall(sample: Sample) -> tuple[int, _Bound, bool]:
    """The same of the whole distribution."""
    rows = sample.rows
    kinds, observed = set_scores(rows.outcome, rows.member, sample.matched.set_id)
    higher = bool(observed >= 0)
    if not higher:
        kinds, observed = mirrored(kinds, observed)
    n_sets = sum(kind.sets for kind in kinds)
    return n_sets, lambda gamma: score_bound(kinds, observed, gamma), higher


def _rows(
    row: SensitivityRow, contrast: Contrast, context: Context, bounded: tuple[int, _Bound, bool]
) -> Iterator[SensitivityRow]:
    """Rows of one contrast, with the way its sets point and whether the gap points otherwise."""
    n_sets, bound, higher = bounded
    if not n_sets:
        return
    gap = context.headline.intervals.get(contrast)
    away = 0.0 if gap is None else gap.estimate - null_value(contrast.quantity)
    direction = Direction.MEMBERS_HIGHER if higher else Direction.MEMBERS_LOWER
    row = replace(row, direction=direction, opposed=bool(away) and (away > 0) != higher)
    note = _POINTS[direction] + (_OPPOSED if row.opposed else "")
    yield replace(row, variant=Version.SETS, quantity="n_sets", estimate=float(n_sets), note=note)
    for gamma in GAMMAS:
        yield replace(
            row,
            variant=f"largest p, Γ {gamma:g}",
            quantity=P_BOUND,
            p_value=bound(gamma),
            threshold=gamma,
            setting=gamma,
        )
    for alpha in ALPHAS:
        yield replace(
            row,
            variant=f"Γ at p {alpha:g}",
            quantity="gamma",
            estimate=gamma_at(bound, alpha),
            threshold=alpha,
            setting=alpha,
        )
