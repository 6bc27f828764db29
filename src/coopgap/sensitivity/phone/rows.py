"""The phone checks of every run, in the order of the table."""

from __future__ import annotations

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.vocabulary import Check, Verdict
from coopgap.sensitivity.keys import unanswered
from coopgap.sensitivity.phone.composition import composition_rows
from coopgap.sensitivity.phone.equivalence import equivalence_rows
from coopgap.sensitivity.phone.gaps import gap_rows_with_phone
from coopgap.sensitivity.phone.study import PhoneStudy
from coopgap.study.spec import ModelSpec, Study

PHONE_CHECKS = (
    Check.PHONE_COMPOSITION,
    Check.PHONE_EQUIVALENCE,
    Check.PHONE_REPLACES,
    Check.PHONE_JOINS,
)


def phone_rows(
    phone: PhoneStudy, spec: ModelSpec, study: Study, source: str
) -> list[SensitivityRow]:
    """Every row that the phone interviews give one model; one that says why where there are none.

    Exact strata are compared beside the covariates, which are balanced.
    """
    keys = Keys(model=spec.name, outcome=spec.outcome, source=source)
    if phone.why_not is not None:
        return unanswered(PHONE_CHECKS, keys, *phone.why_not)
    compared = tuple(dict.fromkeys((*spec.covariates, *spec.matching.on)))
    result = composition_rows(phone, compared, keys) if compared else []
    if not compared:
        reason = "The model has no covariates to compare."
        result = unanswered(PHONE_CHECKS[:1], keys, Verdict.NOT_APPLICABLE, reason)
    try:
        result += equivalence_rows(phone, study.phone.margin.get(spec.outcome), keys)
    except NotEstimable as error:
        reason = f"Not estimable: {error.reason}."
        result += unanswered(PHONE_CHECKS[1:2], keys, Verdict.NOT_ASSESSED, reason)
    return result + gap_rows_with_phone(phone, keys, study.smallest_gap)
