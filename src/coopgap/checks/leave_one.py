"""Leave one region, zone or type of co-operative out, to see whether the gap rests on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from coopgap.checks.compare import again_row, with_number
from coopgap.checks.context import Context
from coopgap.checks.registry import NotApplicable, check
from coopgap.core.arrays import BoolArray
from coopgap.core.estimate import SensitivityRow
from coopgap.core.vocabulary import Check
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate
from coopgap.families.plan import sample_for


@check(
    Check.LEAVE_ONE_REGION,
    title="Leaving one region out",
    question="Does the gap rest on a single region?",
    formula="Δ without region r, less Δ, r by r",
    cost="full",
    of_model=True,
    place=(170, 40),
)
def without_regions(context: Context) -> Iterator[SensitivityRow]:
    """The gap again without each region."""
    rows, region = context.rows, context.region
    levels = rows.factor_levels[region] if region else ()
    codes = rows.factors[region] if region else ()
    places = {name: np.asarray(codes != code) for code, name in enumerate(levels)}
    yield from _without_places(context, places, "region")


@check(
    Check.LEAVE_ONE_ZONE,
    title="Leaving one zone out",
    question="Does the gap rest on a single zone?",
    formula="Δ without zone z, less Δ, z by z",
    cost="full",
    of_model=True,
    place=(171, 50),
)
def without_zones(context: Context) -> Iterator[SensitivityRow]:
    """The gap again without each zone."""
    zone, labels = context.rows.zone, context.survey.zone_labels
    places = {} if zone is None else {labels[k]: np.asarray(zone != k) for k in np.unique(zone)}
    yield from _without_places(context, places, "zone")


def _without_places(
    context: Context, places: Mapping[str, BoolArray], kind: str
) -> Iterator[SensitivityRow]:
    """Without each place; weights and sets stay as matched, whoever is left carries them."""
    if len(places) < 2:
        raise NotApplicable(f"The study declares no {kind}, or one {kind} only.")
    context.compares()
    for name, keep in places.items():
        again = headline_estimate(context.sample.take(keep))
        yield from _rows(context, again, name, name, "the place")


@check(
    "leave_one_cooperative",
    title="Leaving one type of co-operative out",
    question="Does the gap rest on the members of a single type of co-operative?",
    formula="Δ without the members of type c, matched anew, less Δ",
    cost="full",
    of_model=True,
    place=(172, 55),
)
def without_types(context: Context) -> Iterator[SensitivityRow]:
    """The gap again without the members of each type; whoever is left is matched anew."""
    rows = context.rows
    members: list[tuple[str, str, BoolArray]] = []
    for name, variable in context.study.variables.items():
        if not variable.groups or name == context.region or name not in rows.factors:
            continue
        codes = rows.factors[name]
        levels = np.unique(codes[codes >= 0])
        if levels.size > 1 and not (~rows.member & (codes >= 0)).any():
            names = rows.factor_levels[name]
            members += [(name, names[code], np.asarray(codes != code)) for code in levels]
    if not members:
        raise NotApplicable("The study declares no group of members alone, or none has two levels.")
    context.compares()
    for name, level, keep in members:
        again = headline_estimate(sample_for(rows.take(keep), context.spec))
        yield from _rows(context, again, f"{name}={level}", level, "these members")


def _rows(
    context: Context, again: Estimate, name: str, about: str, who: str
) -> Iterator[SensitivityRow]:
    """The contrast put first again, and the declared gap less it, `influence`."""
    row = again_row(context, context.first, again, variant=f"without {name}", about=about)
    yield row
    if row.estimate is not None and row.reference is not None:
        note = f"The declared gap less the gap without {who}."
        yield with_number(row, "influence", row.reference - row.estimate, note)
