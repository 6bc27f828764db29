"""Leave one region or one zone out, to see whether the headline rests on a single place."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from coopgap.arrays import BoolArray
from coopgap.estimate import SensitivityRow
from coopgap.families.dispatch import matched_estimate
from coopgap.families.records import FamilyEstimate, Sample
from coopgap.families.rows import Labels
from coopgap.gap import Contrast
from coopgap.sensitivity.again import again_row
from coopgap.vocabulary import Check, Quantity, Verdict

__all__ = ["leave_one_rows"]


def leave_one_rows(
    sample: Sample,
    matched: FamilyEstimate,
    labels: Labels,
    *,
    region: str | None,
    zone_labels: tuple[str, ...],
) -> Iterator[SensitivityRow]:
    """The matched gap again without each region, then without each zone.

    Parameters
    ----------
    sample
        The whole model. Weights and sets stay as matched; whoever is left carries them.
    matched
        The matched family on everybody, whose conclusion is compared.
    labels
        Model, outcome and source.
    region
        The region variable, or None.
    zone_labels
        Labels of the zone indices.

    Yields
    ------
    SensitivityRow
        For each place left out the row that stands for the whole distribution: the risk
        difference of two levels, superiority of more. `variant` names the place. A check whose
        places the study does not declare writes one row, `not_applicable`.
    """
    rows = sample.rows
    levels = rows.factor_levels[region] if region else ()
    places = [(name, rows.factors[region] != code) for code, name in enumerate(levels) if region]
    yield from _check(Check.LEAVE_ONE_REGION, "region", places, sample, matched, labels)
    zone = rows.zone
    zones = [] if zone is None else [(zone_labels[k], zone != k) for k in np.unique(zone)]
    yield from _check(Check.LEAVE_ONE_ZONE, "zone", zones, sample, matched, labels)


def _check(
    check: Check,
    kind: str,
    places: list[tuple[str, BoolArray]],
    sample: Sample,
    matched: FamilyEstimate,
    labels: Labels,
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
    contrast = _headline(matched)
    if contrast is None:
        return
    for name, keep in places:
        again = matched_estimate(sample.take(keep))
        yield again_row(check, f"without {name}", contrast, again, matched.intervals, labels)


def _headline(matched: FamilyEstimate) -> Contrast | None:
    n_levels = matched.people.shape[1]
    quantity = Quantity.RISK_DIFFERENCE if n_levels == 2 else Quantity.SUPERIORITY
    return next((c for c in matched.intervals if c.quantity is quantity), None)
