"""Rosenbaum bounds: how large a hidden bias within matched sets the association survives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import Contrast, contrasts, null_value
from coopgap.core.vocabulary import Check, Direction, Quantity, Verdict, Version
from coopgap.families.estimate import Estimate
from coopgap.families.sample import Sample
from coopgap.sensitivity.confounding.rows import base_row
from coopgap.sensitivity.confounding.scores import mirrored, score_bound, set_scores
from coopgap.sensitivity.confounding.sets import binary_bound, gamma_at, set_counts
from coopgap.sensitivity.keys import NO_MATCHING

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


def rosenbaum_rows(sample: Sample, estimate: Estimate, labels: Keys) -> list[SensitivityRow]:
    """Largest p-values over a grid of Γ, and the Γ at which they reach a level.

    Parameters
    ----------
    sample
        Rows with their matched sets.
    estimate
        The matched family, for the keys and the direction of the gap.
    labels
        Keys of the rows.

    Returns
    -------
    list of SensitivityRow
        At each threshold, and with more than two levels for the whole distribution: the number
        of sets that carry it (`n_sets`), the largest p-value (`p_bound`, in `p_value`, with Γ in
        `threshold`) and Γ (`gamma`, with the level in `threshold`). A Γ of one: the level is not
        reached even without hidden bias. `direction` says which way the sets point: they count
        alike whatever their size, so it may not be that of the gap (`opposed`). Γ and the level
        stand in `setting` too.
    """
    base = base_row(Check.ROSENBAUM, estimate, labels)
    if not sample.matched.n_sets:
        none = "This matching makes no sets." if sample.is_matched else NO_MATCHING
        note = sample.matched.reason or none
        return [replace(base, verdict=Verdict.NOT_APPLICABLE, note=note)]
    result: list[SensitivityRow] = []
    if len(labels.levels) > 2:
        n_sets, bound, higher = _overall(sample)
        whole = next(c for c in contrasts(labels.levels) if c.quantity is Quantity.SUPERIORITY)
        row = _pointing(replace(base, note=_OVERALL), higher, whole, estimate)
        result += _rows(row, n_sets, bound)
    for contrast in contrasts(labels.levels):
        if not contrast.is_threshold_gap:
            continue
        row = replace(base, category=contrast.category, note=_NOTE)
        n_sets, bound, higher = _threshold(sample, contrast.level)
        result += _rows(_pointing(row, higher, contrast, estimate), n_sets, bound)
    if not any(row.quantity == P_BOUND for row in result):
        note = "No matched set holds both groups and different answers."
        return [replace(base, verdict=Verdict.NOT_APPLICABLE, note=note)]
    return result


def _pointing(
    row: SensitivityRow, higher: bool, contrast: Contrast, estimate: Estimate
) -> SensitivityRow:
    """The row with the way the sets point, and whether the gap points the other way."""
    gap = estimate.intervals.get(contrast)
    away = 0.0 if gap is None else gap.estimate - null_value(contrast.quantity)
    direction = Direction.MEMBERS_HIGHER if higher else Direction.MEMBERS_LOWER
    return replace(row, direction=direction, opposed=bool(away) and (away > 0) != higher)


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


def _level(alpha: float) -> str:
    return f"Γ at p {alpha:g}"


def _rows(row: SensitivityRow, n_sets: int, bound: _Bound) -> Iterator[SensitivityRow]:
    if not n_sets or row.direction is None:
        return
    note = _POINTS[row.direction] + (_OPPOSED if row.opposed else "")
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
            variant=_level(alpha),
            quantity="gamma",
            estimate=gamma_at(bound, alpha),
            threshold=alpha,
            setting=alpha,
        )
