"""The hierarchical model again with the phone people: instead, together, with the mode in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from coopgap.bayes.cells import HierarchicalCells, hierarchical_cells
from coopgap.bayes.fit import HierarchicalFit, Request
from coopgap.bayes.layout import Form
from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Contrast, Interval, contrast_values, wald
from coopgap.core.vocabulary import Check, Comparator, Verdict, Version
from coopgap.families.records import INTERVAL_PROB
from coopgap.families.rows import Labels
from coopgap.sensitivity.phone.data import LIMITS, PhoneData, stack, with_mode
from coopgap.sensitivity.phone.mode_term import TWO_LEVELS
from coopgap.sensitivity.posterior import headline_contrasts, posterior_interval, posterior_row
from coopgap.sensitivity.verdict import compared
from coopgap.survey.records import ModelRows

_ABSORBS = (
    "No members were called, so the mode's level takes up that of the phone answers, drawn a "
    "little towards the in-person one by its prior: beyond that they inform the gap through the "
    "levels of {what} only."
)
_SHIFTS = (
    "The distances between the thresholds differ by mode as they do by membership; a prior like "
    "membership's draws the mode's shifts towards none, so that the phone answers inform those "
    "distances a little."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneRefit:
    """The model with other people in it.

    Attributes
    ----------
    check, variant
        What it answers.
    request
        What is fitted; None where it cannot be, with the reason in `why`.
    note
        What has to be said of its gap.
    """

    check: Check
    variant: str
    request: Request | None = None
    why: str = ""
    note: str = ""

    @property
    def name(self) -> str:
        """Its name among the refits of a model."""
        return f"{self.check}: {self.variant}"


def phone_refits(
    request: Request, data: PhoneData, covariates: Sequence[str], region: str
) -> list[PhoneRefit]:
    """The refits: phone people in place of the in-person comparison group, added, with the mode.

    Parameters
    ----------
    request
        The model in person.
    data
        People by mode.
    covariates
        The model's covariates.
    region
        The region variable.

    Returns
    -------
    list of PhoneRefit
        Each has a seed of its own, made of the model's and its name. The mode is a covariate of
        two levels that sum to zero, and for more than two outcome levels once more with shifts
        of the thresholds by mode; the gap is standardised over the members, all of them asked in
        person.
    """
    everybody, mode = with_mode(data)
    names = tuple(covariates)
    form = replace(request.form, mode=mode)
    wanted: list[tuple[Check, str, ModelRows, tuple[str, ...], Form]] = [
        (
            Check.PHONE_REPLACES,
            Version.PHONE,
            stack(data.members, data.called),
            names,
            request.form,
        ),
        (Check.PHONE_JOINS, Version.PHONE_AND_IN_PERSON, everybody, names, request.form),
        (Check.PHONE_JOINS_MODE, Version.MODE_TERM, everybody, (*names, mode), request.form),
    ]
    if len(request.cells.levels) > 2:
        wanted.append(
            (Check.PHONE_JOINS_MODE, Version.MODE_THRESHOLDS, everybody, (*names, mode), form)
        )
    return [_refit(request, region, *one) for one in wanted]


def _refit(
    request: Request,
    region: str,
    check: Check,
    variant: str,
    rows: ModelRows,
    covariates: tuple[str, ...],
    form: Form,
) -> PhoneRefit:
    found = PhoneRefit(check=check, variant=variant)
    try:
        cells = hierarchical_cells(rows, covariates, region, zones=form.zones)
    except NotEstimable as error:
        return replace(found, why=error.reason)
    own = hashlib.sha256(f"{request.seed} {found.name}".encode()).digest()[:4]
    again = replace(
        request, cells=cells, form=form, seed=int.from_bytes(own, "big"), populations={}
    )
    return replace(found, request=again, note=_note(check, again))


def _note(check: Check, request: Request) -> str:
    parts = [_borrows(request)] if check is Check.PHONE_JOINS_MODE else []
    empty = _without_comparison(request.cells)
    if empty:
        parts.append(
            f"No comparison person lives in {', '.join(empty)}: the members there stay, and their "
            "gap follows those of the other regions and the prior."
        )
    return " ".join((*parts, LIMITS))


def _borrows(request: Request) -> str:
    what = f"covariates, regions{' and zones' if request.form.zones else ''}"
    if request.cells.columns:
        what += " and the slopes of numeric covariates"
    if request.form.mode is not None:
        return f"{_ABSORBS.format(what=what)} {_SHIFTS}"
    beside = " and the distances between the thresholds" if len(request.cells.levels) > 2 else ""
    return _ABSORBS.format(what=f"{what}{beside}")


def _without_comparison(cells: HierarchicalCells) -> list[str]:
    """Regions with members and nobody to compare them with."""
    people = [cells.people(r) for r in range(len(cells.regions))]
    return [
        name
        for name, (comparison, members) in zip(cells.regions, people, strict=True)
        if members and not comparison
    ]


def phone_refit_rows(
    refits: Sequence[PhoneRefit],
    fits: Mapping[str, HierarchicalFit],
    base: HierarchicalFit,
    data: PhoneData,
    labels: Labels,
    smallest_gap: float,
) -> Iterator[SensitivityRow]:
    """Gaps of the refits beside those in person.

    Parameters
    ----------
    refits
        From `phone_refits`.
    fits
        By the refits' names.
    base
        The model in person, which passed its gate.
    data
        People by mode.
    labels
        Keys of the rows.
    smallest_gap
        The smallest gap that matters.

    Yields
    ------
    SensitivityRow
        Risk differences by threshold and, for more than two levels, superiority; each check has
        the gap in person beside it (variant `in person`), with which it is compared. A refit that
        the gate withholds has one row without numbers.
    """
    contrasts = headline_contrasts(labels.levels)
    beside = set[Check]()
    for refit in refits:
        fit = fits.get(refit.name)
        if fit is None or not fit.passed:
            yield _unanswered(refit.check, refit.variant, _why(refit, fit), labels)
        else:
            for contrast in contrasts:
                yield _gap_row(refit, contrast, fit, base, labels, smallest_gap)
        if refit.check not in beside:
            beside.add(refit.check)
            yield from _in_person(refit.check, contrasts, base, labels)
    if len(labels.levels) == 2:
        check, verdict = Check.PHONE_JOINS_MODE, Verdict.NOT_APPLICABLE
        yield _unanswered(check, Version.MODE_THRESHOLDS, TWO_LEVELS, labels, verdict)


def _in_person(
    check: Check, contrasts: Sequence[Contrast], base: HierarchicalFit, labels: Labels
) -> Iterator[SensitivityRow]:
    for contrast in contrasts:
        category, draws = contrast.category, _draws(contrast, base)
        yield posterior_row(check, Version.IN_PERSON, labels, category, draws, contrast.quantity)


def _why(refit: PhoneRefit, fit: HierarchicalFit | None) -> str:
    if fit is None:
        return f"Not estimable: {refit.why}."
    failed = ", ".join(item.name for item in fit.gate if not item.passed)
    return f"Withheld: {failed}."


def _unanswered(
    check: Check, variant: str, note: str, labels: Labels, verdict: Verdict = Verdict.NOT_ASSESSED
) -> SensitivityRow:
    row = posterior_row(check, variant, labels, quantity="", comparator=Comparator.PHONE)
    return replace(row, verdict=verdict, note=note)


def _draws(contrast: Contrast, fit: HierarchicalFit) -> FloatArray:
    return contrast_values(contrast, fit.member[0], fit.comparison[0])


def _gap_row(
    refit: PhoneRefit,
    contrast: Contrast,
    fit: HierarchicalFit,
    base: HierarchicalFit,
    labels: Labels,
    smallest_gap: float,
) -> SensitivityRow:
    draws = _draws(contrast, fit)
    row = posterior_row(
        refit.check,
        refit.variant,
        labels,
        contrast.category,
        draws,
        contrast.quantity,
        comparator=Comparator.PHONE,
    )
    first, again = (posterior_interval(one) for one in (_draws(contrast, base), draws))
    row = compared(row, first, again, _moved(refit.check, first, again), smallest_gap)
    return replace(row, note=refit.note)


def _moved(check: Check, first: Interval, again: Interval) -> Interval:
    """How far a refit lies from the fit in person, normal limits.

    Of people who join, the variance is what they take from it (Hausman 1978, Econometrica 46). Of
    others in place of some, those of both fits are added, which errs on the wide side: they share
    the members.
    """
    one, other = first.std_error**2, again.std_error**2
    variance = one + other if check is Check.PHONE_REPLACES else abs(one - other)
    value = again.estimate - first.estimate
    return wald(value, float(np.sqrt(variance)), df=np.inf, prob=INTERVAL_PROB, null=0.0)
