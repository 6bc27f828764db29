"""The hierarchical model again with the phone people: instead, together, with the mode in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from coopgap.bayes.cells import Departments, hierarchical_cells
from coopgap.bayes.fit import Request
from coopgap.checks.by_mode import PhoneStudy, by_mode
from coopgap.checks.compare import compared, unassessed
from coopgap.checks.hierarchical import RegionContext, why_withheld
from coopgap.checks.phone.gaps import TWO_LEVELS
from coopgap.checks.registry import Scope, check, derived_seed
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Interval, contrast_values, headline_contrasts, wald
from coopgap.core.vocabulary import Check, Comparator, Verdict, Version
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.hierarchical import posterior_interval
from coopgap.families.plan import model_departments
from coopgap.survey.records import complete_rows

_ABSORBS = (
    "{nobody}, so the mode's level takes up that of the phone answers, drawn a little towards the "
    "in-person one by its prior: beyond that they inform the gap through the levels of {what} "
    "only."
)
_SHIFTS = (
    "The distances between the thresholds differ by mode as they do by membership; a prior like "
    "membership's draws the mode's shifts towards none, so that the phone answers inform those "
    "distances a little."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneRefit:
    """What a refit with other people answers, its request or `why` there is none, and a note."""

    check: Check
    variant: str
    request: Request | None = None
    why: str = ""
    note: str = ""

    @property
    def name(self) -> str:
        """Its name among the refits of a model."""
        return f"{self.check}: {self.variant}"


def _refits_of(context: RegionContext) -> list[PhoneRefit]:
    """The refits with those called; none where nobody was."""
    survey, study, model = context.plan.survey, context.plan.study, context.model
    called = complete_rows(survey, study, model.spec, mode="phone")
    # The refit clusters on declared zones alone, so people do not become clusters.
    phone = by_mode(replace(survey, person=None), model.rows, called, model.spec.covariates)
    region = study.design.region
    if region is None or phone.why_not:
        return []
    return phone_refits(
        context.request, phone, region, model_departments(context.plan, context.model)
    )


def phone_refits(
    request: Request, phone: PhoneStudy, region: str, departments: Departments | None = None
) -> list[PhoneRefit]:
    """The refits: phone people in place of the in-person comparison group, added, with the mode.

    Each has a seed of its own, made of the model's and its name. The mode is a covariate of
    two levels that sum to zero, and for more than two outcome levels once more with shifts
    of the thresholds by mode; the gap is standardised over the members, all of them asked in
    person.
    """
    everybody, mode = phone.with_mode
    names, with_mode, plain = phone.covariates, (*phone.covariates, mode), request.form
    wanted = [
        (Check.PHONE_REPLACES, Version.PHONE, phone.pair("members", "called"), names, plain),
        (Check.PHONE_JOINS, Version.PHONE_AND_IN_PERSON, everybody, names, plain),
        (Check.PHONE_JOINS_MODE, Version.MODE_TERM, everybody, with_mode, plain),
    ]
    if len(request.cells.levels) > 2:
        shifts = replace(plain, mode=mode)
        last = (Check.PHONE_JOINS_MODE, Version.MODE_THRESHOLDS, everybody, with_mode, shifts)
        wanted.append(last)
    refits = []
    for name, variant, rows, covariates, form in wanted:
        refit = PhoneRefit(check=name, variant=variant)
        try:
            cells = hierarchical_cells(
                rows, covariates, region, zones=form.zones, departments=departments
            )
        except NotEstimable as error:
            refits.append(replace(refit, why=error.reason))
            continue
        seed = derived_seed(f"{request.seed} {refit.name}", 4)
        again = replace(request, cells=cells, form=form, seed=seed, populations={})
        refits.append(replace(refit, request=again, note=_note(name, again, phone)))
    return refits


def _note(name: Check, request: Request, phone: PhoneStudy) -> str:
    parts, cells = [], request.cells
    if name is Check.PHONE_JOINS_MODE:
        what = f"covariates, regions{' and zones' if request.form.zones else ''}"
        if cells.columns:
            what += " and the slopes of numeric covariates"
        if request.form.mode is None and len(cells.levels) > 2:
            what += " and the distances between the thresholds"
        parts.append(_ABSORBS.format(nobody=phone.nobody, what=what))
        if request.form.mode is not None:
            parts.append(_SHIFTS)
    people = {name: cells.people(r) for r, name in enumerate(cells.regions)}
    # Regions with members and nobody to compare them with.
    empty = [name for name, (comparison, members) in people.items() if members and not comparison]
    if empty:
        parts.append(
            f"No comparison person lives in {', '.join(empty)}: the members there stay, and their "
            "gap follows those of the other regions and the prior."
        )
    return " ".join((*parts, phone.limits))


def _requests(context: RegionContext) -> dict[str, Request]:
    return {one.name: one.request for one in _refits_of(context) if one.request is not None}


@check("", cost="full", scope=Scope.REFIT, wants=_requests, place=(330, 0))
def by_region(context: RegionContext) -> Iterator[SensitivityRow]:
    """The gaps of the model by region with those called, beside those in person."""
    refits = _refits_of(context)
    if refits:
        yield from phone_refit_rows(refits, context)


def phone_refit_rows(refits: list[PhoneRefit], context: RegionContext) -> Iterator[SensitivityRow]:
    """Gaps of the refits beside those in person, which passed their gate.

    Risk differences by threshold and, for more than two levels, superiority; each check has
    the gap in person beside it (variant `in person`), with which it is compared. A refit that
    the gate withholds has one row without numbers.
    """
    own = context.fit
    in_person = {
        one: contrast_values(one, own.member[0], own.comparison[0])
        for one in headline_contrasts(context.keys.levels)
    }
    beside = set[Check]()
    for refit in refits:
        fit = context.refits.get(refit.name)
        named = {"check": refit.check, "variant": refit.variant, "comparator": Comparator.PHONE}
        if fit is None or not fit.passed:
            note = f"Not estimable: {refit.why}." if fit is None else f"W{why_withheld(fit)[1:]}."
            yield unassessed(context.row(**named), note)
        else:
            for one, before in in_person.items():
                draws = contrast_values(one, fit.member[0], fit.comparison[0])
                row = context.posterior(
                    draws, quantity=one.quantity, category=one.category, **named
                )
                first, again = posterior_interval(before), posterior_interval(draws)
                moved = _moved(refit.check, first, again)
                row = compared(row, first, again, moved, context.request.smallest_gap)
                yield replace(row, note=refit.note)
        if refit.check not in beside:
            beside.add(refit.check)
            named = {"check": refit.check, "variant": Version.IN_PERSON}
            for one, draws in in_person.items():
                keys = {"quantity": one.quantity, "category": one.category}
                yield context.posterior(draws, **keys, **named)
    if len(context.keys.levels) == 2:
        yield context.row(
            check=Check.PHONE_JOINS_MODE,
            variant=Version.MODE_THRESHOLDS,
            comparator=Comparator.PHONE,
            verdict=Verdict.NOT_APPLICABLE,
            note=TWO_LEVELS,
        )


def _moved(name: Check, first: Interval, again: Interval) -> Interval:
    """How far a refit lies from the fit in person, normal limits.

    Of people who join, the variance is what they take from it (Hausman 1978, Econometrica 46). Of
    others in place of some, those of both fits are added, which errs on the wide side: they share
    the members.
    """
    one, other = first.std_error**2, again.std_error**2
    variance = one + other if name is Check.PHONE_REPLACES else abs(one - other)
    value = again.estimate - first.estimate
    return wald(value, float(np.sqrt(variance)), df=np.inf, prob=INTERVAL_PROB, null=0.0)
