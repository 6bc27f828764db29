"""Whether phone interviews answer like interviews in person, within a declared margin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import Margins, contrasts, estimate_contrasts
from coopgap.core.vocabulary import Check, Comparator, Quantity, Verdict, Version
from coopgap.matching.sample import effective_size
from coopgap.sensitivity.keys import with_interval
from coopgap.sensitivity.phone.balanced import balanced_margins, swapped
from coopgap.sensitivity.phone.data import LIMITS, PhoneData, stack
from coopgap.sensitivity.phone.odds import odds_ratio_rows
from coopgap.sensitivity.phone.tost import (
    Equivalence,
    power_at_zero,
    smallest_margin,
    smallest_possible,
    two_one_sided,
    verdict_over_all,
)
from coopgap.sensitivity.retrodesign import DESIGN_EFFECTS

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


def equivalence_rows(
    data: PhoneData, covariates: Sequence[str], margin: float | None, keys: Keys
) -> list[SensitivityRow]:
    """Phone minus in-person comparison group, plain and adjusted, tested against the margin.

    Parameters
    ----------
    data
        People by mode.
    covariates
        Factors to whose in-person margins the phone people are balanced for the adjusted version.
    margin
        Declared margin on the probability scale, or None.
    keys
        Model, outcome and source.

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
    rows = stack(data.called, data.comparison)
    n_levels = len(rows.levels)
    margins = balanced_margins(rows, ()).margins
    plain = replace(base, variant=Version.UNADJUSTED)
    result = list(_difference_rows(margins, rows.levels, margin, plain))
    adjusted = replace(base, variant=Version.ADJUSTED)
    try:
        balanced = balanced_margins(stack(data.comparison, data.called), covariates)
        moved = swapped(balanced.margins)
        lost = int((~rows.member).sum() - (balanced.matched.weight[: data.comparison.n] > 0).sum())
        found = _difference_rows(moved, rows.levels, margin, adjusted)
        result += [_told(row, lost, data.comparison.n) for row in found]
    except NotEstimable as error:
        note = f"The phone people cannot be balanced to the in-person margins: {error.reason}."
        result.append(replace(adjusted, verdict=Verdict.NOT_ASSESSED, note=note))
    if n_levels > 2:
        result += odds_ratio_rows(rows, covariates, _PROB, base)
    sizes = [effective_size(rows.weight[side]) for side in (rows.member, ~rows.member)]
    return result + list(_scenario_rows(margins, sizes, rows.levels, margin, base))


def _told(row: SensitivityRow, lost: int, n: int) -> SensitivityRow:
    """The row, saying how many people in person it leaves out."""
    if row.estimate is None:
        return row
    left = f" Left out for want of phone people at their level: {lost:,} of {n:,}."
    return replace(row, n=lost, of=n, note=row.note + (left if lost else ""))


def _difference_rows(
    margins: Margins, levels: Sequence[str], margin: float | None, base: SensitivityRow
) -> Iterator[SensitivityRow]:
    tests: list[tuple[float, Equivalence]] = []
    for contrast, interval in estimate_contrasts(margins, levels, _PROB).items():
        if interval is None:
            continue
        row = replace(
            with_interval(base, interval, _PROB),
            quantity=contrast.quantity,
            category=contrast.category,
            p_value=None,
        )
        if contrast.is_threshold_gap:
            test = two_one_sided(interval.estimate, interval.std_error, margin, df=interval.df)
            tests.append((interval.estimate, test))
            yield _tested(row, test, margin)
        elif contrast.quantity is Quantity.SUPERIORITY and len(levels) > 2:
            note = "Probability that a phone answer is above an in-person answer, ties halved."
            yield replace(row, note=note)
    if len(levels) > 2 and tests:
        yield _overall(tests, margin, base)


def _tested(row: SensitivityRow, test: Equivalence, margin: float | None) -> SensitivityRow:
    return replace(
        row,
        p_value=_known(test.p_equivalence),
        threshold=_known(test.smallest_margin) if margin is None else margin,
        power=_known(test.power),
        verdict=test.verdict,
        note=f"{_words(test.verdict, margin)} {LIMITS}",
    )


def _words(verdict: Verdict, margin: float | None) -> str:
    unassessed = verdict is Verdict.NOT_ASSESSED and margin is not None
    return _NO_ERROR if unassessed else _WORDS[verdict]


def _overall(
    tests: Sequence[tuple[float, Equivalence]], margin: float | None, base: SensitivityRow
) -> SensitivityRow:
    """All thresholds as one statement: each has to be within the margin, and be seen to be."""
    verdict = verdict_over_all([test.verdict for _, test in tests])
    assessed = [test for _, test in tests if np.isfinite(test.smallest_margin)]
    smallest = max((test.smallest_margin for test in assessed), default=float("nan"))
    return replace(
        base,
        quantity="largest_difference",
        estimate=max((value for value, _ in tests), key=abs),
        p_value=_known(max(test.p_equivalence for _, test in tests)),
        threshold=_known(smallest) if margin is None else margin,
        verdict=verdict,
        note=f"Over all thresholds, together. {_words(verdict, margin)} {LIMITS}",
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


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
