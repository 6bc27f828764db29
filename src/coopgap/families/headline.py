"""What is put first: one contrast of a model, one row a question; its p-values adjusted.

Whatever sets one number off (a check of the whole gap, a row's adjusted p-value, a sentence) takes
it from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from coopgap.core.estimate import GapRow
from coopgap.core.gap import Contrast, contrasts, threshold_gaps
from coopgap.core.vocabulary import Family, IntervalKind, Population, Quantity, Status
from coopgap.study.spec import Headline, ModelSpec, Study

_MATCHED = frozenset({Family.MATCHED_LOGIT, Family.MATCHED_ORDINAL})
_ADJUSTED = frozenset({Family.ADJUSTED_LOGIT, Family.ADJUSTED_ORDINAL})


def headline_families(spec: ModelSpec) -> frozenset[Family]:
    """The families of a model's headline: matched, or adjusted without a matching."""
    return _MATCHED if spec.matching.is_declared else _ADJUSTED


def headline_contrast(levels: Sequence[str], at: str = "") -> Contrast:
    """The contrast that is put first, at the declared threshold if there is one.

    It is the risk difference there, and of two levels; where more levels have none declared,
    superiority, which stands for the whole distribution.
    """
    gap = bool(at) or len(levels) == 2
    quantity = Quantity.RISK_DIFFERENCE if gap else Quantity.SUPERIORITY
    return next(one for one in contrasts(levels) if one.quantity is quantity and one.category == at)


def headline_first(levels: Sequence[str], at: str = "") -> list[Contrast]:
    """The headline, then the gap at every other threshold, and superiority of more levels."""
    first = headline_contrast(levels, at)
    whole = headline_contrast(levels)
    return list(dict.fromkeys((first, whole, *threshold_gaps(levels))))


def declared_at(study: Study, model: str) -> str:
    """The threshold that a model puts first; empty where none is declared."""
    answers = (one for models in study.headline.values() for one in models)
    return next((one.at for one in answers if one.model == model), "")


def headline_models(study: Study) -> tuple[tuple[str, str], ...]:
    """Outcome and model of every declared answer, question by question, its headline first."""
    outcomes = {model.name: model.outcome for model in study.models}
    return tuple(
        (outcomes[one.model], one.model) for models in study.headline.values() for one in models
    )


def is_negative_control(study: Study, outcome: str) -> bool:
    """Whether a study declares an outcome as its own negative control."""
    return study.variables[outcome].role_for(outcome) == "negative_control"


def control_models(study: Study) -> dict[str, str]:
    """By negative control, the model that stands for it: the first declared, or the first."""
    first = {model.outcome: model.name for model in reversed(study.models)}
    first |= dict(reversed(headline_models(study)))
    return {outcome: name for outcome, name in first.items() if is_negative_control(study, outcome)}


def declared_headlines(study: Study) -> dict[str, Headline]:
    """The headline of each question, negative controls excluded."""
    return {
        question: models[0]
        for question, models in study.headline.items()
        if not is_negative_control(study, question)
    }


def is_headline(spec: ModelSpec, row: GapRow) -> bool:
    """Whether a row is of its model's headline, in whatever group.

    That is the matched family, over the members who have a comparison or, with overlap weights,
    over the overlap; of a model without matching the adjusted family over all members.
    """
    if row.family not in headline_families(spec):
        return False
    return spec.matching.is_declared or row.population == Population.ALL_MEMBERS


def headline_positions(gaps: Sequence[GapRow], study: Study) -> tuple[int, ...]:
    """Positions of the headline rows: of each question's first model, no negative controls."""
    specs = {spec.name: spec for spec in study.models}
    first = {
        (question, one.model): headline_contrast(study.variables[question].levels, one.at)
        for question, one in declared_headlines(study).items()
    }

    def is_first(row: GapRow) -> bool:
        contrast = first.get((row.outcome, row.model))
        return (
            contrast is not None
            and (row.quantity, row.category) == (contrast.quantity, contrast.category)
            and row.group == "all"
            and is_headline(specs[row.model], row)
            and row.interval_kind != IntervalKind.JOINT
            and row.status in (Status.OK, Status.FEW_PEOPLE)
        )

    return tuple(number for number, row in enumerate(gaps) if is_first(row))


def with_adjusted(
    gaps: Sequence[GapRow], positions: Sequence[int], p_adjusted: Iterable[float]
) -> list[GapRow]:
    """The rows, with adjusted p-values at the given positions."""
    result = list(gaps)
    for position, value in zip(positions, p_adjusted, strict=True):
        result[position] = replace(result[position], p_adjusted=float(value))
    return result


_BINARY = (
    Family.UNADJUSTED,
    Family.ADJUSTED_LOGIT,
    Family.MATCHED_LOGIT,
    Family.CONDITIONAL_LOGIT,
    Family.LINEAR,
    Family.SHARES,
    Family.DOUBLY_ROBUST,
)
_ORDINAL = (
    Family.UNADJUSTED,
    Family.ADJUSTED_ORDINAL,
    Family.ADJUSTED_PROPORTIONAL,
    Family.MATCHED_ORDINAL,
    Family.MATCHED_PROPORTIONAL,
    Family.CONDITIONAL_ORDINAL,
    Family.LINEAR,
    Family.SHARES,
    Family.DOUBLY_ROBUST,
)
_OF_MATCHED = {
    Family.MATCHED_LOGIT,
    Family.MATCHED_ORDINAL,
    Family.CONDITIONAL_LOGIT,
    Family.CONDITIONAL_ORDINAL,
    Family.MATCHED_PROPORTIONAL,
    Family.LINEAR,
    Family.SHARES,
}
"""Families that a model without matching has not."""


def families_for(spec: ModelSpec, n_levels: int) -> tuple[Family, ...]:
    """Families a model gets: by its levels, its matching, and `[hierarchical]` where it has one."""
    families: tuple[Family, ...] = _BINARY if n_levels == 2 else _ORDINAL
    if not spec.matching.is_declared:
        families = tuple(family for family in families if family not in _OF_MATCHED)
    return (*families, Family.HIERARCHICAL) if spec.hierarchical else families
