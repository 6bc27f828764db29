"""The hierarchical model again with the phone people: instead, together, with the mode in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from coopgap.bayes.cells import hierarchical_cells
from coopgap.bayes.fit import Request
from coopgap.bayes.records import Form, HierarchicalFit
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import Interval, contrast_values, wald
from coopgap.core.vocabulary import Check, Comparator, Verdict, Version
from coopgap.families.difference import INTERVAL_PROB
from coopgap.sensitivity.phone.gaps import TWO_LEVELS
from coopgap.sensitivity.phone.study import PhoneStudy
from coopgap.sensitivity.posterior import headline_contrasts, posterior_interval, posterior_row
from coopgap.sensitivity.verdict import compared
from coopgap.survey.records import ModelRows

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


def phone_refits(request: Request, phone: PhoneStudy, region: str) -> list[PhoneRefit]:
    """The refits: phone people in place of the in-person comparison group, added, with the mode.

    Returns
    -------
    list of PhoneRefit
        Each has a seed of its own, made of the model's and its name. The mode is a covariate of
        two levels that sum to zero, and for more than two outcome levels once more with shifts
        of the thresholds by mode; the gap is standardised over the members, all of them asked in
        person.
    """
    everybody, mode = phone.with_mode
    replaced = phone.pair("members", "called")
    names, with_mode, plain = phone.covariates, (*phone.covariates, mode), request.form
    wanted: list[tuple[Check, str, ModelRows, tuple[str, ...], Form]] = [
        (Check.PHONE_REPLACES, Version.PHONE, replaced, names, plain),
        (Check.PHONE_JOINS, Version.PHONE_AND_IN_PERSON, everybody, names, plain),
        (Check.PHONE_JOINS_MODE, Version.MODE_TERM, everybody, with_mode, plain),
    ]
    if len(request.cells.levels) > 2:
        shifts = replace(plain, mode=mode)
        last = (Check.PHONE_JOINS_MODE, Version.MODE_THRESHOLDS, everybody, with_mode, shifts)
        wanted.append(last)
    refits = []
    for check, variant, rows, covariates, form in wanted:
        refit = PhoneRefit(check=check, variant=variant)
        try:
            cells = hierarchical_cells(rows, covariates, region, zones=form.zones)
        except NotEstimable as error:
            refits.append(replace(refit, why=error.reason))
            continue
        own = hashlib.sha256(f"{request.seed} {refit.name}".encode()).digest()[:4]
        seed = int.from_bytes(own, "big")
        again = replace(request, cells=cells, form=form, seed=seed, populations={})
        refits.append(replace(refit, request=again, note=_note(check, again, phone)))
    return refits


def _note(check: Check, request: Request, phone: PhoneStudy) -> str:
    parts = [_borrows(request, phone.nobody)] if check is Check.PHONE_JOINS_MODE else []
    cells = request.cells
    people = [cells.people(r) for r in range(len(cells.regions))]
    # Regions with members and nobody to compare them with.
    empty = [
        name
        for name, (comparison, members) in zip(cells.regions, people, strict=True)
        if members and not comparison
    ]
    if empty:
        parts.append(
            f"No comparison person lives in {', '.join(empty)}: the members there stay, and their "
            "gap follows those of the other regions and the prior."
        )
    return " ".join((*parts, phone.limits))


def _borrows(request: Request, nobody: str) -> str:
    what = f"covariates, regions{' and zones' if request.form.zones else ''}"
    if request.cells.columns:
        what += " and the slopes of numeric covariates"
    if request.form.mode is not None:
        return f"{_ABSORBS.format(nobody=nobody, what=what)} {_SHIFTS}"
    beside = " and the distances between the thresholds" if len(request.cells.levels) > 2 else ""
    return _ABSORBS.format(nobody=nobody, what=f"{what}{beside}")


def phone_refit_rows(
    refits: Sequence[PhoneRefit],
    fits: Mapping[str, HierarchicalFit],
    base: HierarchicalFit,
    keys: Keys,
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
    keys
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
    headline = headline_contrasts(keys.levels)
    in_person = {one: contrast_values(one, base.member[0], base.comparison[0]) for one in headline}
    beside = set[Check]()
    for refit in refits:
        fit = fits.get(refit.name)
        if fit is None or not fit.passed:
            yield _unanswered(refit.check, refit.variant, _why(refit, fit), keys)
        else:
            for contrast, before in in_person.items():
                draws = contrast_values(contrast, fit.member[0], fit.comparison[0])
                row = posterior_row(
                    refit.check,
                    refit.variant,
                    keys,
                    contrast.category,
                    draws,
                    contrast.quantity,
                    comparator=Comparator.PHONE,
                )
                first, again = (posterior_interval(one) for one in (before, draws))
                moved = _moved(refit.check, first, again)
                yield replace(compared(row, first, again, moved, smallest_gap), note=refit.note)
        if refit.check in beside:
            continue
        beside.add(refit.check)
        for one, draws in in_person.items():
            yield posterior_row(
                refit.check, Version.IN_PERSON, keys, one.category, draws, one.quantity
            )
    if len(keys.levels) == 2:
        check, verdict = Check.PHONE_JOINS_MODE, Verdict.NOT_APPLICABLE
        yield _unanswered(check, Version.MODE_THRESHOLDS, TWO_LEVELS, keys, verdict)


def _why(refit: PhoneRefit, fit: HierarchicalFit | None) -> str:
    if fit is None:
        return f"Not estimable: {refit.why}."
    failed = ", ".join(item.name for item in fit.gate if not item.passed)
    return f"Withheld: {failed}."


def _unanswered(
    check: Check, variant: str, note: str, keys: Keys, verdict: Verdict = Verdict.NOT_ASSESSED
) -> SensitivityRow:
    row = posterior_row(check, variant, keys, quantity="", comparator=Comparator.PHONE)
    return replace(row, verdict=verdict, note=note)


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
