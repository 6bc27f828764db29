"""The declared headline rows, and their p-values adjusted for there being several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from coopgap.estimate import GapRow
from coopgap.families.dispatch import MATCHED
from coopgap.study.spec import Study
from coopgap.vocabulary import Quantity, Status

__all__ = [
    "control_models",
    "declared_headlines",
    "headline_positions",
    "is_negative_control",
    "with_adjusted",
]


def is_negative_control(study: Study, outcome: str) -> bool:
    """Whether a study declares an outcome as its own negative control."""
    return study.variables[outcome].role_for(outcome) == "negative_control"


def control_models(study: Study) -> dict[str, str]:
    """By negative control, the model that stands for it: its headline, or its first."""
    first = {model.outcome: model.name for model in reversed(study.models)}
    return {
        outcome: study.headline.get(outcome, first[outcome])
        for outcome in dict.fromkeys(model.outcome for model in study.models)
        if is_negative_control(study, outcome)
    }


def declared_headlines(study: Study) -> set[tuple[str, str]]:
    """Outcome and model of each declared headline, negative controls excluded."""
    return {
        (outcome, model)
        for outcome, model in study.headline.items()
        if not is_negative_control(study, outcome)
    }


def headline_positions(gaps: Sequence[GapRow], study: Study) -> tuple[int, ...]:
    """Positions of the headline rows: one a declared outcome, negative controls excluded.

    The headline of an outcome is the matched family of its declared model, over the members who
    have a comparison or, with overlap weights, over the overlap: the risk difference of a
    two-level outcome, superiority where there are more levels, so that one row stands for the
    whole distribution.
    """
    declared = declared_headlines(study)

    def is_headline(row: GapRow) -> bool:
        binary = len(study.variables[row.outcome].levels) == 2
        return (
            row.group == "all"
            and row.family in MATCHED
            and row.quantity is (Quantity.RISK_DIFFERENCE if binary else Quantity.SUPERIORITY)
            and row.status is Status.OK
        )

    return tuple(
        number
        for number, row in enumerate(gaps)
        if (row.outcome, row.model) in declared and is_headline(row)
    )


def with_adjusted(
    gaps: Sequence[GapRow], positions: Sequence[int], p_adjusted: Iterable[float]
) -> list[GapRow]:
    """The rows, with adjusted p-values at the given positions."""
    result = list(gaps)
    for position, value in zip(positions, p_adjusted, strict=True):
        result[position] = replace(result[position], p_adjusted=float(value))
    return result
