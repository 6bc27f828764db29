"""Leave one region or one zone out, to see whether the headline rests on a single place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from coopgap.checks.compare import again_row, has_declared, with_number
from coopgap.checks.context import Context
from coopgap.checks.registry import NotApplicable, check
from coopgap.core.arrays import BoolArray
from coopgap.core.estimate import SensitivityRow
from coopgap.core.vocabulary import Check
from coopgap.families.dispatch import headline_estimate


@check(
    Check.LEAVE_ONE_REGION,
    title="Leaving one region out",
    question="Does the gap rest on a single region?",
    cost="full",
    of_model=True,
    order=170,
    page=40,
)
def without_regions(context: Context) -> Iterator[SensitivityRow]:
    """The gap again without each region."""
    rows, region = context.rows, context.region
    levels = rows.factor_levels[region] if region else ()
    codes = rows.factors[region] if region else ()
    places = {name: np.asarray(codes != code) for code, name in enumerate(levels)}
    yield from without_each(context, places, "region")


@check(
    Check.LEAVE_ONE_ZONE,
    title="Leaving one zone out",
    question="Does the gap rest on a single zone?",
    cost="full",
    of_model=True,
    order=171,
    page=50,
)
def without_zones(context: Context) -> Iterator[SensitivityRow]:
    """The gap again without each zone."""
    zone, labels = context.rows.zone, context.survey.zone_labels
    places = {} if zone is None else {labels[k]: np.asarray(zone != k) for k in np.unique(zone)}
    yield from without_each(context, places, "zone")


def without_each(
    context: Context, places: Mapping[str, BoolArray], kind: str
) -> Iterator[SensitivityRow]:
    """The contrast put first without each place, and the declared gap less it, `influence`.

    `places` holds who stays; weights and sets stay as matched, whoever is left carries them.
    """
    if len(places) < 2:
        raise NotApplicable(f"The study declares no {kind}, or one {kind} only.")
    has_declared(context)
    declared = context.declared
    for name, keep in places.items():
        again = headline_estimate(context.sample.take(keep))
        row = again_row(context, context.first, again, variant=f"without {name}", about=name)
        yield row
        if row.estimate is not None and declared is not None:
            note = "The declared gap less the gap without the place."
            yield with_number(row, "influence", declared.estimate - row.estimate, note)
