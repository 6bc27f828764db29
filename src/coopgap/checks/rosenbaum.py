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
    set_scores,
)
from coopgap.checks.registry import NotApplicable, Topic, check
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Contrast, headline_contrasts, null_value
from coopgap.core.vocabulary import Check, Direction, Version
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
    place=(90, 2),
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
    for contrast in sorted(headline_contrasts(levels), key=lambda one: one.is_threshold_gap):
        note = _NOTE if contrast.is_threshold_gap else _OVERALL
        base = context.row(category=contrast.category, note=note)
        rows += _rows(base, contrast, context, *_bounded(sample, contrast))
    if not rows:
        raise NotApplicable("No matched set holds both groups and different answers.")
    yield from rows


def _bounded(sample: Sample, contrast: Contrast) -> tuple[int, _Bound, bool]:
    """Sets that carry a contrast, the bound in the direction observed, whether it is up."""
    rows, of_threshold = sample.rows, contrast.is_threshold_gap
    outcome = (rows.outcome >= contrast.level).astype(np.int64) if of_threshold else rows.outcome
    kinds, observed = set_scores(outcome, rows.member, sample.matched.set_id)
    # Sets that point neither way are off zero by rounding.
    higher = observed >= -1e-9
    kinds, observed = (kinds, observed) if higher else mirrored(kinds, observed)
    largest = binary_bound if of_threshold else score_bound
    n_sets = sum(kind.sets for kind in kinds)
    return n_sets, lambda gamma: largest(kinds, observed, gamma), higher


def _rows(
    row: SensitivityRow,
    contrast: Contrast,
    context: Context,
    n_sets: int,
    bound: _Bound,
    higher: bool,
) -> Iterator[SensitivityRow]:
    """Rows of one contrast, with the way its sets point and whether the gap points otherwise."""
    if not n_sets:
        return
    gap = context.headline.intervals.get(contrast)
    away = 0.0 if gap is None else gap.estimate - null_value(contrast.quantity)
    direction = Direction.MEMBERS_HIGHER if higher else Direction.MEMBERS_LOWER
    row = replace(row, direction=direction, opposed=bool(away) and (away > 0) != higher)
    note = _POINTS[direction] + (_OPPOSED if row.opposed else "")
    yield replace(row, variant=Version.SETS, quantity="n_sets", estimate=float(n_sets), note=note)
    for gamma in GAMMAS:
        at = replace(row, quantity=P_BOUND, threshold=gamma, setting=gamma)
        yield replace(at, variant=f"largest p, Γ {gamma:g}", p_value=bound(gamma))
    for alpha in ALPHAS:
        at = replace(row, quantity="gamma", threshold=alpha, setting=alpha)
        yield replace(at, variant=f"Γ at p {alpha:g}", estimate=gamma_at(bound, alpha))
