"""Who of a model's people lacks an answer, and to what."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coopgap.core.arrays import BoolArray
from coopgap.study.spec import ModelSpec, Study
from coopgap.survey.records import ModelRows, Survey, complete_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """In-person people by group, comparison people first.

    Attributes
    ----------
    people
        Everybody.
    outcome
        Those whose every covariate is known and whose outcome is not.
    covariate
        Those who lack a covariate or a variable of the matching.
    """

    people: tuple[int, int]
    outcome: tuple[int, int]
    covariate: tuple[int, int]

    @property
    def incomplete(self) -> int:
        """People who lack anything."""
        return sum(self.outcome) + sum(self.covariate)


def lacking(survey: Survey, spec: ModelSpec) -> Lacking:
    """Count the in-person people who lack an answer that a model needs."""
    in_person = ~survey.phone
    covariate = np.zeros(survey.n, dtype=bool)
    for name in spec.variables:
        if name != spec.outcome:
            covariate |= survey.codes[name] < 0
    outcome = (survey.codes[spec.outcome] < 0) & ~covariate

    def by_group(some: BoolArray) -> tuple[int, int]:
        some = some & in_person
        return int((some & ~survey.member).sum()), int((some & survey.member).sum())

    return Lacking(
        people=by_group(np.ones(survey.n, dtype=bool)),
        outcome=by_group(outcome),
        covariate=by_group(covariate),
    )


def rows_with_covariates(survey: Survey, study: Study, spec: ModelSpec) -> ModelRows:
    """In-person people with every covariate known; `outcome` is -1 where it is missing."""
    answered = survey.codes[spec.outcome]
    filled = replace(survey, codes={**survey.codes, spec.outcome: np.maximum(answered, 0)})
    rows = complete_rows(filled, study, spec)
    return replace(rows, outcome=answered[rows.index])
