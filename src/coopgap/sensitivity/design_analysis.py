"""The smallest gap that this design could have found, and what it would make of a smaller one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from coopgap.checks.by_mode import Group, PhoneStudy
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import Contrast, Margins, contrast_gradient
from coopgap.core.vocabulary import Check, Comparator, Quantity, Status, Verdict, Version
from coopgap.families.estimate import Estimate
from coopgap.families.headline import headline_contrast, headline_first
from coopgap.families.sample import Sample
from coopgap.matching.sample import effective_size
from coopgap.sensitivity.moved import Movable, Moved, movable, moved_margins, shift_moves
from coopgap.sensitivity.retrodesign import (
    DESIGN_EFFECTS,
    detectable_gap,
    retrodesign,
    superiority_error,
)

_POWER = 0.8

_NOTES = {
    "smallest_detectable": (
        "Smallest true gap found with 80 % probability by a two-sided test at 5 %; power is that "
        "at the declared gap."
    ),
    "type_s": "Chance that a significant estimate has the wrong sign if the declared gap is true.",
    "type_m": "How many times too large a significant estimate is on average if it is true.",
    "smallest_superiority": (
        "Smallest chance of a member to stand higher that is found with 80 % probability; the "
        "declared gap is one of shares and is read at each threshold only."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Design:
    """A variant's standard error of a contrast at no gap, with its degrees of freedom.

    `factor` is the design effect of a simple random sample.
    """

    variant: str
    std_error: float
    df: float = np.inf
    factor: float | None = None


def design_rows(
    sample: Sample,
    estimate: Estimate,
    phone: PhoneStudy,
    gap: float,
    labels: Keys,
) -> list[SensitivityRow]:
    """Smallest detectable gap, and type S and type M errors at the declared one.

    Parameters
    ----------
    sample, estimate
        The matched sample and its family.
    phone
        People by mode.
    gap
        The study's smallest gap that matters, read as the true one; a difference of shares.
    labels
        Keys of the rows.

    Returns
    -------
    list of SensitivityRow
        At each threshold, for the matched design, for the phone interviews in its comparison
        group's place and for phone against in person. The headline also for a simple random
        sample of the same effective sizes under each design effect. On superiority no gap is
        declared: it has the smallest detectable value only, and the phone designs have thresholds
        only.

    Notes
    -----
    Standard errors are those at no gap. In person, the comparison group's answers are moved by
    the coefficient of membership and everything is fitted anew (see `moved_margins`). By phone,
    the group's variance becomes that of the other group's share under its own design effect.
    """
    base = SensitivityRow(
        check=Check.DESIGN_ANALYSIS,
        model=labels.model,
        family=estimate.family,
        outcome=labels.outcome,
        comparator=Comparator.COMPARISON,
        group=labels.group,
        population=estimate.population,
        source=labels.source,
    )
    if estimate.status is not Status.OK:
        note = f"There is no estimate: {estimate.reason or estimate.status}."
        return [replace(base, verdict=Verdict.NOT_APPLICABLE, note=note)]
    try:
        at = movable(sample)
        start, level = moved_margins(at, at.nothing()), _without_gap(at)
    except NotEstimable as error:
        note = f"Not estimable: {error.reason}."
        return [replace(base, verdict=Verdict.NOT_ASSESSED, note=note)]
    sizes = (
        effective_size(sample.weight[sample.rows.member & sample.kept]),
        effective_size(sample.weight[~sample.rows.member & sample.kept]),
    )
    rows: list[SensitivityRow] = []
    for contrast in headline_first(labels.levels, labels.at):
        one = replace(base, category=contrast.category)
        designs = list(_in_person(estimate, contrast, start, level))
        if contrast == headline_contrast(labels.levels, labels.at):
            designs += _simple(contrast, level.margins, sizes)
        for design in designs:
            rows += _rows(design, contrast, gap, one)
    rows += _phone_rows(phone, sample.covariates, gap, labels, base)
    if not rows:
        note = "No quantity has a standard error."
        return [replace(base, verdict=Verdict.NOT_APPLICABLE, note=note)]
    return rows


def _without_gap(at: Movable) -> Moved:
    """The comparison group's answers moved by the estimated gap, so that none is left."""
    free = at.fit.free
    slope = at.fit.freed[free.index(0)].mean() if 0 in free else at.fit.slopes[0]
    return moved_margins(at, shift_moves(at, float(slope)))


def _in_person(
    estimate: Estimate, contrast: Contrast, start: Moved, level: Moved
) -> Iterator[_Design]:
    interval = estimate.intervals.get(contrast)
    before = start.variance(contrast)
    if interval is None or not interval.std_error > 0 or not before > 0:
        return
    yield _Design(
        variant=Version.IN_PERSON,
        std_error=interval.std_error * (level.variance(contrast) / before) ** 0.5,
        df=interval.df,
    )


def _simple(contrast: Contrast, margins: Margins, sizes: tuple[float, float]) -> Iterator[_Design]:
    """A simple random sample of the same effective sizes, both groups with the members' shares."""
    if contrast.quantity is Quantity.SUPERIORITY:
        error = superiority_error(margins.member, *sizes)
    else:
        share = float(margins.member[contrast.level :].sum())
        error = (share * (1 - share) * sum(1 / size for size in sizes)) ** 0.5
    for factor in DESIGN_EFFECTS:
        yield _Design(
            variant=f"design effect {factor:g}", std_error=error * factor**0.5, factor=factor
        )


def null_error(margins: Margins, level: int) -> float:
    """Standard error of the difference at a threshold, had both groups the first one's share.

    Parameters
    ----------
    margins
        Of the two groups.
    level
        Index of the level the threshold starts at.

    Returns
    -------
    float
        The second group's variance becomes that of the first group's share under its own
        design effect, the covariance moves with its root; NaN where everybody of it answers alike.
    """
    n = margins.member.size
    pick = np.zeros((2, 2 * n))
    pick[0, level:n] = pick[1, n + level :] = 1.0
    cov = pick @ margins.cov @ pick.T
    first, second = (float(side[level:].sum()) for side in (margins.member, margins.comparison))
    if not 0 < second < 1:
        return np.nan
    scale = first * (1 - first) / (second * (1 - second))
    variance = cov[0, 0] + cov[1, 1] * scale - 2 * cov[0, 1] * scale**0.5
    return float(np.sqrt(max(variance, 0.0)))


def _phone_rows(
    phone: PhoneStudy,
    covariates: tuple[str, ...],
    gap: float,
    labels: Keys,
    base: SensitivityRow,
) -> Iterator[SensitivityRow]:
    """The same with the people called as comparison group, and against those asked in person."""
    if not phone.called.n or not phone.comparison.n:
        return
    pairs: Mapping[str, tuple[Group, Group]] = {
        Version.PHONE_IN_PLACE: ("members", "called"),
        Version.PHONE_AGAINST: ("comparison", "called"),
    }
    for variant, pair in pairs.items():
        one = replace(base, variant=variant, comparator=Comparator.PHONE, family=None)
        try:
            margins = phone.balanced(*pair, covariates).margins
        except NotEstimable as error:
            note = f"The phone people cannot be balanced to the other group: {error.reason}."
            yield replace(one, verdict=Verdict.NOT_ASSESSED, note=note)
            continue
        yield from _threshold_rows(margins, gap, labels, one)


def _threshold_rows(
    margins: Margins, gap: float, labels: Keys, base: SensitivityRow
) -> Iterator[SensitivityRow]:
    for contrast in headline_first(labels.levels, labels.at):
        if not contrast.is_threshold_gap:
            continue
        error = null_error(margins, contrast.level)
        df = margins.df
        if margins.df_of is not None:
            df = margins.df_of(contrast_gradient(contrast, margins))
        design = _Design(variant=base.variant, std_error=error, df=df)
        yield from _rows(design, contrast, gap, replace(base, category=contrast.category))


def _rows(
    design: _Design, contrast: Contrast, gap: float, base: SensitivityRow
) -> Iterator[SensitivityRow]:
    if not design.std_error > 0:
        return
    smallest = detectable_gap(design.std_error, df=design.df, power=_POWER)
    row = replace(base, variant=design.variant, setting=design.factor, std_error=design.std_error)
    if contrast.quantity is Quantity.SUPERIORITY:
        name = "smallest_superiority"
        yield replace(row, quantity=name, estimate=0.5 + smallest, note=_NOTES[name])
        return
    found = retrodesign(gap, design.std_error, df=design.df)
    yield replace(
        row,
        quantity="smallest_detectable",
        estimate=smallest,
        threshold=gap,
        power=found.power,
        note=_NOTES["smallest_detectable"],
    )
    if design.factor is not None:
        return
    for name, value in (("type_s", found.type_s), ("type_m", found.type_m)):
        known = value if np.isfinite(value) else None
        yield replace(row, quantity=name, estimate=known, threshold=gap, note=_NOTES[name])
