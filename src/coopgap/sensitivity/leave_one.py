"""Leave one region or one zone out, to see whether the headline rests on a single place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from coopgap.core.arrays import BoolArray
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.vocabulary import Check, Verdict
from coopgap.families.dispatch import headline_estimate
from coopgap.families.headline import headline_contrast
from coopgap.families.sample import Sample
from coopgap.sensitivity.again import Beside, again_row
from coopgap.sensitivity.keys import unanswered, with_number


def leave_one_rows(
    sample: Sample,
    beside: Beside,
    labels: Keys,
    *,
    region: str | None,
    zone_labels: tuple[str, ...],
) -> Iterator[SensitivityRow]:
    """The matched gap again without each region, then without each zone.

    Parameters
    ----------
    sample
        The whole model. Weights and sets stay as matched; whoever is left carries them.
    beside
        The matched family on everybody, with which each is compared.
    labels
        Model, outcome and source.
    region
        The region variable, or None.
    zone_labels
        Labels of the zone indices.

    Yields
    ------
    SensitivityRow
        For each place left out the contrast that is put first, and the declared gap less it,
        `influence`. `about` is the place. A check whose
        places the study does not declare writes one row, `not_applicable`; one without a
        declared gap, `not_assessed`.
    """
    rows = sample.rows
    levels = rows.factor_levels[region] if region else ()
    places = [(name, rows.factors[region] != code) for code, name in enumerate(levels) if region]
    yield from _check(Check.LEAVE_ONE_REGION, "region", places, sample, beside, labels)
    zone = rows.zone
    zones = [] if zone is None else [(zone_labels[k], zone != k) for k in np.unique(zone)]
    yield from _check(Check.LEAVE_ONE_ZONE, "zone", zones, sample, beside, labels)


def _check(
    check: Check,
    kind: str,
    places: list[tuple[str, BoolArray]],
    sample: Sample,
    beside: Beside,
    labels: Keys,
) -> Iterator[SensitivityRow]:
    if len(places) < 2:
        yield SensitivityRow(
            check=check,
            model=labels.model,
            outcome=labels.outcome,
            verdict=Verdict.NOT_APPLICABLE,
            note=f"The study declares no {kind}, or one {kind} only.",
            source=labels.source,
        )
        return
    matched = beside.estimate
    contrast = headline_contrast(labels.levels, labels.at)
    if contrast not in matched.intervals:
        reason = f"There is no declared gap to compare with: {matched.reason or matched.status}."
        yield from unanswered([check], labels, Verdict.NOT_ASSESSED, reason)
        return
    declared = matched.intervals[contrast]
    for name, keep in places:
        again = headline_estimate(sample.take(keep))
        row = again_row(check, f"without {name}", contrast, again, beside, labels)
        row = replace(row, about=name)
        yield row
        if row.estimate is not None and declared is not None:
            note = "The declared gap less the gap without the place."
            yield with_number(row, "influence", declared.estimate - row.estimate, note)
