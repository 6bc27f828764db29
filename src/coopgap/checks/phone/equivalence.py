"""Whether phone interviews answer like interviews in person: shares, odds and latent shifts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from coopgap.checks.balance import fewest_zones, require_clusters, swapped
from coopgap.checks.by_mode import PhoneStudy
from coopgap.checks.compare import numbers_of, unassessed, with_interval
from coopgap.checks.context import Context, phone_check
from coopgap.checks.design import DESIGN_EFFECTS
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow, finite
from coopgap.core.gap import Interval, Margins, estimate_contrasts, threshold_gaps, wald
from coopgap.core.tost import (
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

PROB = 0.90
"""Of intervals: what two one-sided tests at 5 % mean."""

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


@phone_check(
    Check.PHONE_EQUIVALENCE,
    title="Phone against in-person answers",
    question="Do people called answer like those asked in person, within the declared margin?",
    formula=(
        "two one-sided tests: equivalent if the 90 % interval of p_phone − p_in person lies "
        "within ± margin"
    ),
    place=(31, 1),
)
def equivalence(context: Context) -> Iterator[SensitivityRow]:
    """Phone minus in-person comparison group, plain and adjusted, against the declared margin.

    An outcome with more than two levels gets a row a threshold and, for its verdict, one row
    over all of them (`largest difference`; rule in `verdict_over_all`). The difference then stands
    once more as one cumulative odds ratio over all thresholds.
    """
    phone, levels = context.phone, context.phone.called.levels
    margin = context.study.phone.margin.get(context.keys.outcome)
    base = context.bare(comparator=Comparator.COMPARISON)
    rows = phone.pair("called", "comparison")
    plain = phone.balanced("called", "comparison", ()).margins
    unadjusted = replace(base, variant=Version.UNADJUSTED, note=phone.limits)
    yield from _difference_rows(plain, levels, margin, unadjusted)
    adjusted = replace(base, variant=Version.ADJUSTED, note=phone.limits)
    try:
        balanced = phone.balanced("comparison", "called")
    except NotEstimable as error:
        note = f"The phone people cannot be balanced to the in-person margins: {error.reason}."
        yield unassessed(adjusted, note)
    else:
        lost, n = balanced.n_lost, phone.comparison.n
        left = f" Left out for want of phone people at their level: {lost:,} of {n:,}."
        for row in _difference_rows(swapped(balanced.margins), levels, margin, adjusted):
            counted = replace(row, n=lost, of=n, note=row.note + (left if lost else ""))
            yield row if row.estimate is None else counted
    if len(levels) > 2:
        yield from odds_ratio_rows(rows, phone.covariates, base)
    sizes = [effective_size(rows.weight[side]) for side in (rows.member, ~rows.member)]
    yield from _scenario_rows(plain, sizes, levels, margin, base)


def _difference_rows(
    margins: Margins, levels: Sequence[str], margin: float | None, base: SensitivityRow
) -> Iterator[SensitivityRow]:
    """Each threshold and all together; `base` has for its note what every note ends with."""
    tests = []
    for contrast, interval in estimate_contrasts(margins, levels, PROB).items():
        if interval is None:
            continue
        row = replace(with_interval(base, contrast, interval, PROB), p_value=None)
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
    not_tested = verdict is Verdict.NOT_ASSESSED and margin is not None
    return replace(
        row,
        p_value=finite(p_value),
        threshold=finite(smallest) if margin is None else margin,
        verdict=verdict,
        note=f"{_NO_ERROR if not_tested else _WORDS[verdict]} {row.note}",
    )


def _scenario_rows(
    margins: Margins,
    sizes: Sequence[float],
    levels: Sequence[str],
    margin: float | None,
    base: SensitivityRow,
) -> Iterator[SensitivityRow]:
    """Smallest margins and power as functions of the design effect, at the in-person share."""
    for contrast in threshold_gaps(levels):
        share = float(margins.comparison[contrast.level :].sum())
        simple = (share * (1 - share) * sum(1 / size for size in sizes)) ** 0.5
        for factor in DESIGN_EFFECTS if simple > 0 else ():
            error = simple * factor**0.5
            row = replace(base, variant=f"design effect {factor:g}", setting=factor)
            row = replace(row, category=contrast.category, std_error=error)
            yield replace(
                row,
                quantity="smallest_margin",
                estimate=smallest_margin(error),
                threshold=margin,
                power=None if margin is None else power_at_zero(error, margin),
                note=_MARGIN,
            )
            possible = smallest_possible(error)
            row = replace(row, quantity="smallest_margin_possible", estimate=possible)
            yield replace(row, power=0.0, note=_POSSIBLE)


def phone_fit(rows: ModelRows, covariates: Sequence[str], link: LinkName = "logit") -> CellFit:
    """Cumulative regression of the outcome on the mode and covariates.

    `rows` are comparison people of both modes, those interviewed by phone marked as members. The
    first coefficient is the mode's, positive where phone answers are higher. Its covariance is
    clustered on zone: CR2 with Satterthwaite's degrees of freedom where the zones of either mode
    are few, else CR1. Raises `NotEstimable` as `fit_cells`, and with fewer clusters of either mode
    than a standard error needs.
    """
    require_clusters(rows)
    sample = Sample(
        rows=rows,
        matched=MatchedSample.everybody(rows.n),
        covariates=tuple(covariates),
        link=link,
        strata=(),
        fitting=Fitting(std_errors="CR2") if are_few(fewest_zones(rows)) else Fitting(),
    )
    return fit_cells(sample, rows.weight)


def _mode_interval(fit: CellFit, *, ratio: bool = False) -> Interval:
    """Of the mode's coefficient, or of its odds ratio."""
    slope = float(fit.fit.params[0])
    return wald(
        float(np.exp(slope)) if ratio else slope,
        float(fit.covariance.cov[0, 0]) ** 0.5,
        df=float(fit.covariance.coefficient_df[0]),
        prob=PROB,
        null=1.0 if ratio else 0.0,
        log=ratio,
    )


def odds_ratio_rows(
    rows: ModelRows, covariates: Sequence[str], base: SensitivityRow
) -> Iterator[SensitivityRow]:
    """The cumulative odds ratio of `phone_fit` without and with covariates."""
    for variant, names in ((Version.UNADJUSTED, ()), (Version.ADJUSTED, covariates)):
        row = replace(base, variant=variant, quantity=Quantity.CUMULATIVE_ODDS_RATIO)
        try:
            fit = phone_fit(rows, names)
        except NotEstimable as error:
            yield unassessed(row, f"No odds ratio: {error.reason}.")
            continue
        note = f"{_RATIO} {_REDUCED}" if fit.infinite else _RATIO
        yield replace(row, **numbers_of(_mode_interval(fit, ratio=True), PROB) | {"note": note})


def phone_shifts(phone: PhoneStudy, link: LinkName = "logit") -> dict[str, Interval | str]:
    """How much higher phone people answer on the latent scale, by category, or why not known.

    Empty category: all levels at once, one shift for all thresholds. `>=B`: the answers cut
    there, a shift of its own. Empty without phone interviews. Covariates are held (`phone_fit`).
    """
    if not phone.called.n or not phone.comparison.n:
        return {}
    rows = phone.pair("called", "comparison")
    cuts = {"": rows} if len(rows.levels) > 2 else {}
    for contrast in threshold_gaps(rows.levels):
        above = (rows.outcome >= contrast.level).astype(np.int64)
        cuts[contrast.category] = replace(rows, outcome=above, levels=("below", "reached"))
    shifts: dict[str, Interval | str] = {}
    for category, cut in cuts.items():
        try:
            shifts[category] = _mode_interval(phone_fit(cut, phone.covariates, link))
        except NotEstimable as error:
            shifts[category] = error.reason
    return shifts
