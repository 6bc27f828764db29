"""Checks of one model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from coopgap.checks.context import Context
from coopgap.checks.phone.equivalence import phone_shifts
from coopgap.checks.registry import Answer, NotAssessed, Topic, check, rows_of
from coopgap.core.vocabulary import Check, Family
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate
from coopgap.families.plan import sample_for
from coopgap.families.proportional import bootstrap_row, proportionality_rows, wild_score_row
from coopgap.families.sample import Sample
from coopgap.matching.feasibility import variant_row
from coopgap.sensitivity.again import Beside, variant_rows
from coopgap.sensitivity.confounding.benchmarks import (
    benchmark_rows,
    covariate_robustness_rows,
    measured_covariates,
)
from coopgap.sensitivity.confounding.e_values import e_value_rows
from coopgap.sensitivity.confounding.robustness import robustness_rows
from coopgap.sensitivity.confounding.rosenbaum import rosenbaum_rows
from coopgap.sensitivity.design_analysis import design_rows
from coopgap.sensitivity.design_effect import design_effect_rows
from coopgap.sensitivity.leave_one import leave_one_rows
from coopgap.sensitivity.multiverse.rows import multiverse_rows
from coopgap.sensitivity.resampled import bootstrap_rows
from coopgap.sensitivity.tipping import tipping_rows
from coopgap.study.spec import ModelSpec
from coopgap.survey.records import complete_rows


def _beside(context: Context) -> Beside:
    return Beside(estimate=context.headline, smallest_gap=context.smallest_gap)


@rows_of("", order=0)
def odds(context: Context) -> Iterator[Answer]:
    """Whether one odds ratio holds at every threshold."""
    if len(context.keys.levels) > 2:
        yield from proportionality_rows(context.sample, context.keys)


@rows_of("", order=40)
def wild(context: Context) -> Iterator[Answer]:
    """The wild score test of the headline."""
    if context.rows.zone is not None:
        yield wild_score_row(context.sample, context.headline, context.keys, context.seed)


@rows_of("", cost="full", order=130)
def odds_bootstrap(context: Context) -> Iterator[Answer]:
    """Proportional odds with zones drawn again."""
    if len(context.keys.levels) > 2 and np.ptp(context.rows.weight) == 0:
        yield bootstrap_row(context.sample, context.keys, context.seed)


_OTHERS = {
    True: (Family.MATCHED_PROPORTIONAL, Family.SHARES, Family.DOUBLY_ROBUST),
    False: (Family.ADJUSTED_PROPORTIONAL, Family.DOUBLY_ROBUST),
}
"""Families that answer the headline's question otherwise, with a matching and without."""


@check(
    Check.VARIANT,
    title="Variants",
    question="What is the gap under each declared variant, and by other families?",
    of_model=True,
    order=10,
    page=1,
)
def variants(context: Context) -> Iterator[Answer]:
    """The gap again under each declared variant, and by the other families of its people."""
    beside = _beside(context)
    for variant in context.spec.variants:
        rows = complete_rows(context.survey, context.study, variant.spec)
        sample = sample_for(rows, variant.spec)
        again = headline_estimate(sample)
        pair = _same_people(context, variant.spec, sample, again)
        for row in variant_rows(variant.name, again, beside, context.keys, pair):
            yield replace(row, about=variant.name)
        keys = context.keys
        yield variant_row(variant.name, rows, sample.matched, model=keys.model, source=keys.source)
    for estimate in context.estimates:
        if estimate.family in _OTHERS[context.sample.is_matched] and estimate.intervals:
            name = f"{estimate.family}, {estimate.population}"
            yield from variant_rows(name, estimate, beside, context.keys)
    if not context.headline.intervals:
        reason = f"There is no declared gap to compare with: {context.headline.reason}."
        raise NotAssessed(reason)


def _same_people(
    context: Context, spec: ModelSpec, sample: Sample, again: Estimate
) -> tuple[Estimate, Estimate] | None:
    """Both estimates on the people complete in both; None where these are everybody's.

    Another set of covariates leaves other people complete.
    """
    keep, stay = (
        np.isin(a.index, b.index)
        for a, b in ((sample.rows, context.rows), (context.rows, sample.rows))
    )
    if keep.all() and stay.all():
        return None
    found = [again, context.headline]
    if not keep.all():
        found[0] = headline_estimate(sample_for(sample.rows.take(keep), spec))
    if not stay.all():
        found[1] = headline_estimate(sample_for(context.rows.take(stay), context.spec))
    return found[0], found[1]


@rows_of(Check.VARIANT, cost="full", order=140)
def bootstrap(context: Context) -> Iterator[Answer]:
    """As today."""
    yield from bootstrap_rows(context.sample, _beside(context), context.keys, context.seed)


@check(
    Check.TIPPING_POINT,
    title="Tipping point",
    question="How many in-person answers would have to be off before the conclusion moves?",
    topic=Topic.UNMEASURED,
    order=50,
    page=5,
)
def tipping(context: Context) -> Iterator[Answer]:
    """As today."""
    shifts = phone_shifts(context.phone, context.spec.link)
    yield from tipping_rows(context.sample, context.headline, context.keys, shifts)


@check(
    Check.DESIGN_ANALYSIS,
    title="Design analysis",
    question="What gap could this design have found, and what would it make of a smaller one?",
    order=60,
    page=9,
)
def design_analysis(context: Context) -> Iterator[Answer]:
    """As today."""
    yield from design_rows(
        context.sample, context.headline, context.phone, context.smallest_gap, context.keys
    )


@check(
    Check.E_VALUE,
    title="E-values",
    question="How strong would an unmeasured confounder have to be, as a risk ratio?",
    topic=Topic.UNMEASURED,
    order=80,
    page=1,
)
def e_values(context: Context) -> Iterator[Answer]:
    """As today."""
    yield from e_value_rows(context.headline, context.keys)


@check(
    Check.ROSENBAUM,
    title="Rosenbaum bounds",
    question="How large a hidden bias within matched sets does the association survive?",
    topic=Topic.UNMEASURED,
    order=90,
    page=2,
)
def rosenbaum(context: Context) -> Iterator[Answer]:
    """As today."""
    yield from rosenbaum_rows(context.sample, context.headline, context.keys)


@check(
    Check.ROBUSTNESS_VALUE,
    title="Robustness values",
    question="How much variance would an unmeasured confounder have to explain?",
    topic=Topic.UNMEASURED,
    order=100,
    page=3,
)
def robustness(context: Context) -> Iterator[Answer]:
    """As today."""
    if context.sample.is_matched:
        linear = context.family(Family.LINEAR)
        yield from robustness_rows(context.sample, linear, context.keys)
    else:
        yield from covariate_robustness_rows(context.sample, context.headline, context.keys)
    names = measured_covariates(context.spec, context.survey.variables)
    measured = complete_rows(context.survey, context.study, replace(context.spec, covariates=names))
    yield from benchmark_rows(
        measured,
        names,
        context.keys,
        context.smallest_gap,
        matched=context.sample.is_matched,
    )


@check(
    Check.DESIGN_EFFECT,
    title="Design effect",
    question="How much do zones widen the interval, and what if they did more?",
    cost="full",
    order=150,
    page=8,
)
def design_effect(context: Context) -> Iterator[Answer]:
    """As today."""
    yield from design_effect_rows(context.sample, context.headline, context.keys)


def _left_out(context: Context, name: Check) -> Iterator[Answer]:
    for row in leave_one_rows(
        context.sample,
        _beside(context),
        context.keys,
        region=context.region,
        zone_labels=context.survey.zone_labels,
    ):
        if row.check == name:
            yield row


@check(
    Check.LEAVE_ONE_REGION,
    title="Leaving one region out",
    question="Does the gap rest on a single region?",
    cost="full",
    order=170,
    page=4,
)
def without_region(context: Context) -> Iterator[Answer]:
    """As today."""
    yield from _left_out(context, Check.LEAVE_ONE_REGION)


@check(
    Check.LEAVE_ONE_ZONE,
    title="Leaving one zone out",
    question="Does the gap rest on a single zone?",
    cost="full",
    order=171,
    page=5,
)
def without_zone(context: Context) -> Iterator[Answer]:
    """As today."""
    yield from _left_out(context, Check.LEAVE_ONE_ZONE)


@check(
    Check.MULTIVERSE,
    title="Multiverse",
    question="What do all combinations of the declared choices say together?",
    cost="full",
    order=180,
    page=3,
)
def multiverse(context: Context) -> Iterator[Answer]:
    """As today."""
    yield from multiverse_rows(
        context.survey,
        context.study,
        context.spec,
        context.headline,
        context.keys,
        seed=context.seed,
        jobs=context.jobs,
        scheduler=context.scheduler,
    )
