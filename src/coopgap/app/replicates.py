"""All estimates of a model again with each replicate weight, over processes where it takes long."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from coopgap.core.estimate import DiagnosticRow, Keys
from coopgap.core.executor import cores, executor
from coopgap.core.vocabulary import Diagnostic, Kind, Population
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate
from coopgap.families.every import every_estimate
from coopgap.families.headline import headline_contrast
from coopgap.families.plan import ModelPlan, Plan, sample_for
from coopgap.families.replicates import (
    NOBODY,
    Place,
    Point,
    held_fixed,
    place_of,
    point_of,
    with_replicates,
)
from coopgap.survey.records import Replicates

_LONG: Final = 10.0
"""Seconds of work for which processes are started, which takes some seconds itself."""


class _Replicate(NamedTuple):
    """Every estimate in one replicate, and the headline with the matching of the whole sample."""

    points: Mapping[Place, Point]
    held: Point


def replicated(
    plan: Plan,
    model: ModelPlan,
    estimates: Iterable[Estimate],
    jobs: int | None = None,
    scheduler: str | None = None,
) -> tuple[list[Estimate], list[DiagnosticRow]]:
    """Estimates of a model, in their order, with the errors of replicates; and what matching costs.

    The matching, and the raking to declared margins, is made anew in each replicate.
    """
    replicates = model.rows.replicates
    assert replicates is not None
    made = _every_replicate(plan, model, replicates.n, jobs, scheduler)
    again = []
    for estimate in estimates:
        place = place_of(estimate)
        points = [one.points.get(place, NOBODY) for one in made]
        matched = model.sample.is_matched and place.population in _MATCHED
        again.append(with_replicates(estimate, points, replicates, matched=matched))
    return again, [*_held_row(plan.keys(model), model, again, made, replicates)]


_MATCHED: Final = frozenset({Population.MEMBERS, Population.OVERLAP})


def _every_replicate(
    plan: Plan, model: ModelPlan, n: int, jobs: int | None, scheduler: str | None
) -> list[_Replicate]:
    started = time.perf_counter()
    first = _replicate(plan, model, 0)
    seconds = (time.perf_counter() - started) * (n - 1)
    parts = min(cores(jobs), n - 1)
    if scheduler is None and (seconds < _LONG or parts < 2):
        return [first, *(_replicate(plan, model, number) for number in range(1, n))]
    # Every part takes the plan along, which is large.
    alone = replace(plan, models=(model,))
    with executor(parts, scheduler) as pool:
        runs = [pool.submit(_some, alone, range(1 + part, n, parts)) for part in range(parts)]
        by_number = {number: one for run in runs for number, one in run.result().items()}
    return [first, *(by_number[number] for number in range(1, n))]


def _some(plan: Plan, numbers: Sequence[int]) -> dict[int, _Replicate]:
    """Some replicates of a plan's only model."""
    (model,) = plan.models
    return {number: _replicate(plan, model, number) for number in numbers}


def _replicate(plan: Plan, model: ModelPlan, number: int) -> _Replicate:
    """The people of a replicate matched and estimated as those of the whole sample were."""
    whole = model.sample
    fitting = replace(model.spec.fitting, intervals="wald")
    spec = replace(model.spec, fitting=fitting)
    sample = sample_for(whole.rows.in_replicate(number), spec)
    again = replace(model, spec=spec, sample=sample)
    matched = whole.matched.take(whole.rows.has_weight(number), whole.rows.member)
    return _Replicate(
        points={place_of(one): point_of(one) for one in every_estimate(plan, again)},
        held=point_of(headline_estimate(replace(sample, matched=matched))),
    )


def _held_row(
    keys: Keys,
    model: ModelPlan,
    estimates: Sequence[Estimate],
    made: Sequence[_Replicate],
    replicates: Replicates,
) -> Iterator[DiagnosticRow]:
    """The headline's standard error with the matching held fixed, over that with it made anew."""
    if not model.sample.is_matched:
        return
    own = headline_estimate(model.sample).named(keys)
    headline = next(one for one in estimates if place_of(one) == place_of(own))
    contrast = headline_contrast(keys.levels, keys.at)
    errors = held_fixed(headline, contrast, [one.held for one in made], replicates)
    if errors is not None:
        yield DiagnosticRow(
            model=keys.model,
            diagnostic=Diagnostic.MATCHING_HELD,
            value=errors.held / errors.anew,
            kind=Kind.RATIO,
            family=headline.family,
            group="all",
            population=headline.population,
            category=contrast.category,
            n=replicates.n,
            note="standard error with the matching held fixed in the replicates, over the one with "
            "it made anew in each",
            source=keys.source,
        )
