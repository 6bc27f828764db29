"""The checks of the phone interviews."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from coopgap.bayes.fit import Request
from coopgap.checks.context import Context
from coopgap.checks.hierarchical import RegionContext
from coopgap.checks.registry import Scope, Topic, check, rows_of
from coopgap.core.estimate import SensitivityRow
from coopgap.core.vocabulary import Check
from coopgap.sensitivity.again import Beside
from coopgap.sensitivity.phone.data import PhoneData, truthful, why_not
from coopgap.sensitivity.phone.hierarchical import PhoneRefit, phone_refit_rows, phone_refits
from coopgap.sensitivity.phone.linked import linked_rows
from coopgap.sensitivity.phone.mode_term import mode_rows
from coopgap.sensitivity.phone.reference import reference_rows
from coopgap.sensitivity.phone.rows import borrowed_rows, phone_rows
from coopgap.survey.complete import complete_rows

type _Rows = Callable[[Context], Iterable[SensitivityRow]]


def _only(name: Check, rows: _Rows) -> _Rows:
    """The rows of one check, of a function that makes those of several."""

    def own(context: Context) -> Iterator[SensitivityRow]:
        found = [row for row in rows(context) if row.check == name]
        yield from truthful(found, context.phone)

    return own


def _answers(context: Context) -> Iterable[SensitivityRow]:
    return phone_rows(context.phone, context.spec, context.study, context.keys.source)


def _borrowed(context: Context) -> Iterable[SensitivityRow]:
    keys = context.keys
    return borrowed_rows(context.phone, context.spec, keys.source, context.smallest_gap, at=keys.at)


def _mode(context: Context) -> Iterable[SensitivityRow]:
    beside = Beside(estimate=context.headline, smallest_gap=context.smallest_gap)
    return mode_rows(context.phone, context.sample, beside, context.keys)


def _subsamples(context: Context) -> Iterable[SensitivityRow]:
    covariates = context.spec.covariates
    return reference_rows(context.phone, covariates, context.region, context.keys, context.seed)


def _linked(context: Context) -> Iterable[SensitivityRow]:
    return linked_rows(
        context.survey, context.study, context.spec, context.rows, context.keys.source
    )


check(
    Check.PHONE_COMPOSITION,
    title="Who was reached by phone",
    question="Who was reached by phone, and can they be weighted to stand for those in person?",
    topic=None,
    order=30,
)(_only(Check.PHONE_COMPOSITION, _answers))
check(
    Check.PHONE_EQUIVALENCE,
    title="Phone against in-person answers",
    question="Do people called answer like those asked in person, within the declared margin?",
    topic=Topic.PHONE,
    order=31,
    page=1,
)(_only(Check.PHONE_EQUIVALENCE, _answers))
check(
    Check.PHONE_REPLACES,
    title="Phone interviews replace those in person",
    question="What is the gap with the people called in the comparison group's place?",
    topic=Topic.PHONE,
    order=32,
    page=6,
)(_only(Check.PHONE_REPLACES, _answers))
check(
    Check.PHONE_JOINS,
    title="Phone interviews join those in person",
    question="What is the gap with the people called added to the comparison group?",
    topic=Topic.PHONE,
    order=33,
    page=2,
)(_only(Check.PHONE_JOINS, _answers))
check(
    Check.PHONE_JOINS_MODE,
    title="Phone interviews added, with a mode term",
    question="What is the gap with the people called added, and a term for how they were asked?",
    topic=Topic.PHONE,
    order=34,
    page=3,
)(_only(Check.PHONE_JOINS_MODE, _mode))
check(
    Check.PHONE_LINKED,
    title="People asked in both modes",
    question="Do people who were asked in both modes answer alike?",
    topic=Topic.PHONE,
    order=35,
    page=4,
)(_linked)
check(
    Check.PHONE_SUBSAMPLE_REFERENCE,
    title="Phone interviews against in-person subsamples",
    question="Would as few in-person interviews differ by chance as much as those by phone?",
    topic=Topic.PHONE,
    cost="full",
    order=110,
    page=8,
)(_only(Check.PHONE_SUBSAMPLE_REFERENCE, _subsamples))
check(
    Check.PHONE_POWER_PRIOR,
    title="Power prior",
    question="What is the gap if a phone interview counts as part of one in person?",
    topic=Topic.PHONE,
    cost="full",
    order=120,
    page=5,
)(_only(Check.PHONE_POWER_PRIOR, _borrowed))
check(
    Check.PHONE_ROBUST_MIXTURE,
    title="Robust mixture prior",
    question="What is the gap if the phone answers count only as far as they agree?",
    topic=Topic.PHONE,
    cost="full",
    order=121,
    page=7,
)(_only(Check.PHONE_ROBUST_MIXTURE, _borrowed))


def _people(context: RegionContext) -> PhoneData:
    """People by mode; the refit clusters on nothing but declared zones, so nobody is made one."""
    survey, spec = context.plan.survey, context.model.spec
    called = complete_rows(survey, context.plan.study, spec, mode="phone")
    members = bool((survey.phone & survey.member).any())
    return PhoneData(in_person=context.model.rows, phone=called, members_called=members)


def _refits(context: RegionContext) -> list[PhoneRefit]:
    """The refits with those called; none where nobody was."""
    data, region = _people(context), context.plan.study.design.region
    if region is None or why_not(data) is not None:
        return []
    return phone_refits(context.request, data, context.model.spec.covariates, region)


def _wanted(context: RegionContext) -> dict[str, Request]:
    return {one.name: one.request for one in _refits(context) if one.request is not None}


@rows_of("", cost="full", scope=Scope.REFIT, wants=_wanted, order=330)
def by_region(context: RegionContext) -> Iterator[SensitivityRow]:
    """The gap of the model by region with those called."""
    refits, data = _refits(context), _people(context)
    if refits:
        rows = phone_refit_rows(
            refits,
            context.refits,
            context.fit,
            data,
            context.keys,
            context.request.smallest_gap,
        )
        yield from truthful(rows, data)
