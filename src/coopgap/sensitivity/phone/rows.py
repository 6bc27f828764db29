"""The phone checks of one model, in the order of the table."""

from __future__ import annotations

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.vocabulary import Check, Verdict
from coopgap.sensitivity.keys import unanswered
from coopgap.sensitivity.phone.borrow_rows import borrow_rows
from coopgap.sensitivity.phone.composition import composition_rows
from coopgap.sensitivity.phone.data import PhoneData, why_not
from coopgap.sensitivity.phone.equivalence import equivalence_rows
from coopgap.sensitivity.phone.gaps import gap_rows_with_phone
from coopgap.sensitivity.phone.joint import joint_shares
from coopgap.study.spec import ModelSpec, Study

PHONE_CHECKS = (
    Check.PHONE_COMPOSITION,
    Check.PHONE_EQUIVALENCE,
    Check.PHONE_REPLACES,
    Check.PHONE_JOINS,
)
BORROW_CHECKS = (Check.PHONE_POWER_PRIOR, Check.PHONE_ROBUST_MIXTURE)
"""Asked of `--checks full` only."""


def phone_rows(data: PhoneData, spec: ModelSpec, study: Study, source: str) -> list[SensitivityRow]:
    """Every row that the phone interviews give one model.

    Parameters
    ----------
    data
        Complete rows of the model by mode; `phone` may be empty.
    spec
        The model: its covariates are balanced, its exact strata are compared too.
    study
        Holds the declared margin of the outcome.
    source
        Key of the rows.

    Returns
    -------
    list of SensitivityRow
        Where there is nothing to analyse, one row a check that says why.
    """
    keys = Keys(model=spec.name, outcome=spec.outcome, source=source)
    silent = why_not(data)
    if silent is not None:
        return unanswered(PHONE_CHECKS, keys, *silent)
    compared = tuple(dict.fromkeys((*spec.covariates, *spec.matching.on)))
    result = composition_rows(data, compared, spec.covariates, keys) if compared else []
    if not compared:
        reason = "The model has no covariates to compare."
        result = unanswered(PHONE_CHECKS[:1], keys, Verdict.NOT_APPLICABLE, reason)
    try:
        margin = study.phone.margin.get(spec.outcome)
        result += equivalence_rows(data, spec.covariates, margin, keys)
    except NotEstimable as error:
        reason = f"Not estimable: {error.reason}."
        result += unanswered(PHONE_CHECKS[1:2], keys, Verdict.NOT_ASSESSED, reason)
    return result + gap_rows_with_phone(data, spec.covariates, keys, study.smallest_gap)


def borrowed_rows(
    data: PhoneData, spec: ModelSpec, source: str, smallest_gap: float, *, at: str = ""
) -> list[SensitivityRow]:
    """The gap with the comparison share borrowed in part from the phone interviews.

    Parameters
    ----------
    data
        Complete rows of the model by mode; `phone` may be empty.
    spec
        The model: its covariates are balanced.
    source
        Key of the rows.
    smallest_gap
        The smallest gap that matters.
    at
        The threshold declared to be first, or empty.

    Returns
    -------
    list of SensitivityRow
        Where there is nothing to borrow, one row a check that says why.
    """
    keys = Keys(model=spec.name, outcome=spec.outcome, source=source)
    silent = why_not(data)
    if silent is not None:
        return unanswered(BORROW_CHECKS, keys, *silent)
    try:
        joint = joint_shares(data, spec.covariates)
    except NotEstimable as error:
        reason = f"The comparison groups cannot be balanced to the members: {error.reason}."
        return unanswered(BORROW_CHECKS, keys, Verdict.NOT_ASSESSED, reason)
    return borrow_rows(joint, data.in_person.levels, data.members.n, keys, smallest_gap, at)
