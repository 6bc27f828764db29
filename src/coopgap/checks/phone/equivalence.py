"""Whether phone interviews answer like interviews in person: shares, odds and latent shifts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from coopgap.checks.balance import fewest_zones, require_clusters, swapped
from coopgap.checks.by_mode import PhoneStudy, reached
from coopgap.checks.compare import numbers_of
from coopgap.checks.context import Context
from coopgap.checks.registry import Topic, check
from coopgap.checks.retrodesign import DESIGN_EFFECTS
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys, SensitivityRow, finite
from coopgap.core.gap import Margins, contrasts, estimate_contrasts, wald
from coopgap.core.tost import (
    Equivalence,
    power_at_zero,
    smallest_margin,
    smallest_possible,
    two_one_sided,
    verdict_over_all,
)
from coopgap.core.vocabulary import Check, Comparator, Quantity, Verdict, Version
from coopgap.families.cells import CellFit, fit_cells
from coopgap.families.sample import Sample, are_few
from coopgap.matching.sample import MatchedSample, effective_size
from coopgap.study.spec import Fitting, LinkName
from coopgap.survey.records import ModelRows

_PROB = 0.90

_MARGIN = (
    "Smallest margin confirmed with 80 % probability if nothing differed, and power at the "
    "declared margin, under this design effect."
)
_POSSIBLE = (
    "Up to this margin a sample of this size can never confirm that nothing differs, whatever it "
    "finds: the power is exactly zero."
)
_NO_ERROR = "Zones or people do not differ, so that there is no standard error to test with."
_RATIO = "Odds of a higher answer by phone over in person, one ratio for all thresholds."
_REDUCED = "Some covariate has no finite estimate: bias is reduced instead."

_WORDS = {
    Verdict.EQUIVALENT: "The difference is shown to lie within the declared margin.",
    Verdict.DIFFERENT_WITHIN_MARGIN: (
        "There is a difference, and it is shown to lie within the declared margin."
    ),
    Verdict.DIFFERENT: "There is a difference, and it is not shown to lie within the margin.",
    Verdict.INCONCLUSIVE: (
        "Neither a difference nor equivalence is shown: too few interviews for this margin."
    ),
    Verdict.NOT_ASSESSED: (
        "No margin is declared for this outcome; the threshold is the smallest margin that these "
        "interviews would confirm with 80 % probability if nothing differed."
    ),
}


@check(
    Check.PHONE_EQUIVALENCE,
    title="Phone against in-person answers",
    question="Do people called answer like those asked in person, within the declared margin?",
    topic=Topic.PHONE,
    needs=(reached,),
    of_model=True,
    order=31,
    page=1,
)
def equivalence(context: Context) -> list[SensitivityRow]:
    """Shares and odds by mode, against the margin that the study declares."""
    margin = context.study.phone.margin.get(context.keys.outcome)
    return equivalence_rows(context.phone, margin, context.keys)


def equivalence_rows(phone: PhoneStudy, margin: float | None, keys: Keys) -> list[SensitivityRow]:
    """Phone minus in-person comparison group, plain and adjusted, tested against the margin.

    Notes
    -----
    An outcome with more than two levels gets a row a threshold and, for its verdict, one row
    over all of them (`largest difference`; rule in `verdict_over_all`). Intervals have probability
    90 %, which is what two one-sided tests at 5 % mean. The difference then stands once more as
    one cumulative odds ratio over all thresholds.
    """
    base = SensitivityRow(
        check=Check.PHONE_EQUIVALENCE,
        model=keys.model,
        outcome=keys.outcome,
        comparator=Comparator.COMPARISON,
        source=keys.source,
    )
    rows = phone.pair("called", "comparison")
    margins = phone.balanced("called", "comparison", ()).margins
    plain, adjusted = (
        replace(base, variant=variant, note=phone.limits)
        for variant in (Version.UNADJUSTED, Version.ADJUSTED)
    )
    result = list(_difference_rows(margins, rows.levels, margin, plain))
    try:
        balanced = phone.balanced("comparison", "called")
    except NotEstimable as error:
        note = f"The phone people cannot be balanced to the in-person margins: {error.reason}."
        result.append(replace(adjusted, verdict=Verdict.NOT_ASSESSED, note=note))
    else:
        lost, n = balanced.n_lost, phone.comparison.n
        left = f" Left out for want of phone people at their level: {lost:,} of {n:,}."
        for row in _difference_rows(swapped(balanced.margins), rows.levels, margin, adjusted):
            counted = replace(row, n=lost, of=n, note=row.note + (left if lost else ""))
            result.append(row if row.estimate is None else counted)
    if len(rows.levels) > 2:
        result += odds_ratio_rows(rows, phone.covariates, base)
    sizes = [effective_size(rows.weight[side]) for side in (rows.member, ~rows.member)]
    return result + list(_scenario_rows(margins, sizes, rows.levels, margin, base))


def _difference_rows(
    margins: Margins, levels: Sequence[str], margin: float | None, base: SensitivityRow
) -> Iterator[SensitivityRow]:
    """Each threshold and all together; `base` has for its note what every note ends with."""
    tests: list[tuple[float, Equivalence]] = []
    for contrast, interval in estimate_contrasts(margins, levels, _PROB).items():
        if interval is None:
            continue
        row = replace(
            replace(base, **numbers_of(interval, _PROB)),
            quantity=contrast.quantity,
            category=contrast.category,
            p_value=None,
        )
        if contrast.is_threshold_gap:
            test = two_one_sided(interval.estimate, interval.std_error, margin, df=interval.df)
            tests.append((interval.estimate, test))
            row = _tested(row, margin, test.p_equivalence, test.smallest_margin, test.verdict)
            yield replace(row, power=finite(test.power))
        elif contrast.quantity is Quantity.SUPERIORITY and len(levels) > 2:
            note = "Probability that a phone answer is above an in-person answer, ties halved."
            yield replace(row, note=note)
    if len(levels) > 2 and tests:
        smallest = [test.smallest_margin for _, test in tests if np.isfinite(test.smallest_margin)]
        row = _tested(
            replace(base, quantity="largest_difference"),
            margin,
            max(test.p_equivalence for _, test in tests),
            max(smallest, default=np.nan),
            verdict_over_all([test.verdict for _, test in tests]),
        )
        note = f"Over all thresholds, together. {row.note}"
        yield replace(row, estimate=max((value for value, _ in tests), key=abs), note=note)


def _tested(
    row: SensitivityRow, margin: float | None, p_value: float, smallest: float, verdict: Verdict
) -> SensitivityRow:
    """The row of a test; the threshold is the margin, or the smallest that could be confirmed."""
    unassessed = verdict is Verdict.NOT_ASSESSED and margin is not None
    return replace(
        row,
        p_value=finite(p_value),
        threshold=finite(smallest) if margin is None else margin,
        verdict=verdict,
        note=f"{_NO_ERROR if unassessed else _WORDS[verdict]} {row.note}",
    )


def _scenario_rows(
    margins: Margins,
    sizes: Sequence[float],
    levels: Sequence[str],
    margin: float | None,
    base: SensitivityRow,
) -> Iterator[SensitivityRow]:
    """Smallest margins and power as functions of the design effect, at the in-person share."""
    for contrast in contrasts(levels):
        if not contrast.is_threshold_gap:
            continue
        share = float(margins.comparison[contrast.level :].sum())
        simple = (share * (1 - share) * sum(1 / size for size in sizes)) ** 0.5
        if not simple > 0:
            continue
        for factor in DESIGN_EFFECTS:
            std_error = simple * factor**0.5
            scenario = replace(
                base,
                variant=f"design effect {factor:g}",
                setting=factor,
                category=contrast.category,
                std_error=std_error,
            )
            yield replace(
                scenario,
                quantity="smallest_margin",
                estimate=smallest_margin(std_error),
                threshold=margin,
                power=None if margin is None else power_at_zero(std_error, margin),
                note=_MARGIN,
            )
            yield replace(
                scenario,
                quantity="smallest_margin_possible",
                estimate=smallest_possible(std_error),
                power=0.0,
                note=_POSSIBLE,
            )


def phone_fit(rows: ModelRows, covariates: Sequence[str], link: LinkName = "logit") -> CellFit:
    """Cumulative regression of the outcome on the mode and covariates.

    Parameters
    ----------
    rows
        Comparison people of both modes; `member` marks those interviewed by phone.
    covariates
        Factors beside the mode.
    link
        Of the model; with two levels the logit is logistic regression.

    Returns
    -------
    CellFit
        The first coefficient is the mode's, positive where phone answers are higher; with the
        logit it is a log odds ratio. Its covariance is clustered on zone: CR2 with
        Satterthwaite's degrees of freedom where the zones of either mode are few, else CR1.

    Raises
    ------
    NotEstimable
        On a rank-deficient design, one answer only, or fewer clusters of either mode than a
        standard error needs.
    """
    require_clusters(rows)
    everybody = MatchedSample(
        method="none", weight=np.ones(rows.n), set_id=np.full(rows.n, -1), n_sets=0
    )
    sample = Sample(
        rows=rows,
        matched=everybody,
        covariates=tuple(covariates),
        link=link,
        strata=(),
        fitting=Fitting(std_errors="CR2") if are_few(fewest_zones(rows)) else Fitting(),
    )
    return fit_cells(sample, rows.weight)


def odds_ratio_rows(
    rows: ModelRows, covariates: Sequence[str], base: SensitivityRow
) -> Iterator[SensitivityRow]:
    """The cumulative odds ratio of `phone_fit` without and with covariates."""
    for variant, names in ((Version.UNADJUSTED, ()), (Version.ADJUSTED, covariates)):
        row = replace(base, variant=variant, quantity=Quantity.CUMULATIVE_ODDS_RATIO)
        try:
            fit = phone_fit(rows, names)
        except NotEstimable as error:
            note = f"No odds ratio: {error.reason}."
            yield replace(row, verdict=Verdict.NOT_ASSESSED, note=note)
            continue
        interval = wald(
            float(np.exp(fit.fit.slopes[0])),
            float(fit.covariance.cov[0, 0]) ** 0.5,
            df=float(fit.covariance.coefficient_df[0]),
            prob=_PROB,
            null=1.0,
            log=True,
        )
        note = f"{_RATIO} {_REDUCED}" if fit.infinite else _RATIO
        yield replace(replace(row, **numbers_of(interval, _PROB)), note=note)


class PhoneShift(NamedTuple):
    """Phone minus in-person comparison group, with its interval of probability `prob`."""

    estimate: float
    std_error: float
    lower: float
    upper: float
    prob: float


def phone_shift(
    rows: ModelRows, covariates: tuple[str, ...], link: LinkName = "logit"
) -> PhoneShift:
    """How much higher phone people answer on the latent scale, covariates held (`phone_fit`)."""
    fit = phone_fit(rows, covariates, link)
    std_error = float(np.sqrt(fit.covariance.cov[0, 0]))
    df = float(fit.covariance.coefficient_df[0])
    interval = wald(float(fit.fit.params[0]), std_error, df=df, prob=_PROB, null=0.0)
    return PhoneShift(interval.estimate, std_error, interval.lower, interval.upper, _PROB)


def phone_shifts(phone: PhoneStudy, link: LinkName = "logit") -> dict[str, PhoneShift | str]:
    """Latent shifts of the phone interviews by category, or why there is none.

    Empty category: all levels at once, one shift for all thresholds. `>=B`: the answers cut
    there, a shift of its own. Empty without phone interviews.
    """
    if not phone.called.n or not phone.comparison.n:
        return {}
    rows = phone.pair("called", "comparison")
    cuts = {"": rows} if len(rows.levels) > 2 else {}
    for contrast in contrasts(rows.levels):
        if contrast.is_threshold_gap:
            reached = (rows.outcome >= contrast.level).astype(np.int64)
            cuts[contrast.category] = replace(rows, outcome=reached, levels=("below", "reached"))
    shifts: dict[str, PhoneShift | str] = {}
    for category, cut in cuts.items():
        try:
            shifts[category] = phone_shift(cut, phone.covariates, link)
        except NotEstimable as error:
            shifts[category] = error.reason
    return shifts
