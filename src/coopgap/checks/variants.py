"""The gap again under each declared variant, by other families, and over zones drawn again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from coopgap.checks.compare import NO_MATCHING, gaps_again
from coopgap.checks.context import Context, Design
from coopgap.checks.registry import Answer, NotApplicable, NotAssessed, check
from coopgap.core.errors import NotEstimable
from coopgap.core.vocabulary import Check, Family, Version
from coopgap.families.cells import form_of
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate
from coopgap.families.plan import sample_for
from coopgap.families.proportional import bootstrap_row, proportionality_rows, wild_score_row
from coopgap.families.sample import Sample
from coopgap.families.shares import estimate_shares
from coopgap.matching.feasibility import variant_row
from coopgap.regression.bootstrap import Bootstrap, bootstrap_intervals, bootstrap_margins
from coopgap.regression.design import design_matrix
from coopgap.survey.cells import collapse

REPLICATES: Final = 1000

_OTHERS: Final = {
    True: (Family.MATCHED_PROPORTIONAL, Family.SHARES, Family.DOUBLY_ROBUST),
    False: (Family.ADJUSTED_PROPORTIONAL, Family.DOUBLY_ROBUST),
}
"""Families that answer the headline's question otherwise, with a matching and without."""


@check(
    Check.VARIANT,
    title="Variants",
    question="What is the gap under each declared variant, and by other families?",
    of_model=True,
    place=(10, 10),
)
def variants(context: Context) -> Iterator[Answer]:
    """The gap again under each declared variant, and by the other families of its people."""
    keys = context.keys
    for design in context.variants:
        name, _, sample, again = design
        pair = _same_people(context, design)
        yield from gaps_again(context, again, pair=pair, variant=name, about=name)
        yield variant_row(name, sample.rows, sample.matched, model=keys.model, source=keys.source)
    for estimate in context.estimates:
        if estimate.family in _OTHERS[context.sample.is_matched] and estimate.intervals:
            name = f"{estimate.family}, {estimate.population}"
            yield from gaps_again(context, estimate, variant=name)
    if not context.headline.intervals:
        reason = f"There is no declared gap to compare with: {context.headline.reason}."
        raise NotAssessed(reason)


def _same_people(context: Context, design: Design) -> tuple[Estimate, Estimate] | None:
    """Both estimates on the people complete in both; None where these are everybody's.

    Another set of covariates leaves other people complete.
    """
    own, other = context.rows, design.sample.rows
    pair = []
    for rows, beside, spec, estimate in (
        (other, own, design.spec, design.estimate),
        (own, other, context.spec, context.headline),
    ):
        keep = np.isin(rows.index, beside.index)
        if not keep.all():
            estimate = headline_estimate(sample_for(rows.take(keep), spec))
        pair.append(estimate)
    again, declared = pair
    unchanged = again is design.estimate and declared is context.headline
    return None if unchanged else (again, declared)


@check(Check.VARIANT, cost="full", place=(140, 0))
def bootstrap(context: Context) -> Iterator[Answer]:
    """Percentile intervals of the gap over zones drawn again, for exact matching with zones.

    Pairs are not redrawn: with replacement the bootstrap is not valid (Abadie & Imbens 2008,
    Econometrica 76), and other distances would have to be matched a thousand times.
    """
    sample, headline = context.sample, context.headline
    try:
        drawn = resampled(sample, context.seed)
    except NotEstimable as error:
        raise NotApplicable(error.reason, variant=Version.BOOTSTRAP, comparator="") from error
    note = (
        f"{REPLICATES:,} draws of {drawn.n_clusters} zones, matched anew; percentile interval; "
        f"{drawn.n_failed} draws without a fit"
    )
    own = headline if form_of(sample) == "proportional" else estimate_shares(sample)
    intervals = bootstrap_intervals(drawn, sample.rows.levels, INTERVAL_PROB)
    again = replace(own, given=intervals, reason=note)
    yield from gaps_again(context, again, variant=Version.BOOTSTRAP)


def resampled(sample: Sample, seed: int, replicates: int = REPLICATES) -> Bootstrap:
    """Margins over zones drawn again, of a whole model that is matched exactly.

    Those of the matched fit where it has two levels or proportional odds, else weighted shares.
    Raises `NotEstimable` for another matching, freed covariates, no zones, or no fit.
    """
    rows, matched = sample.rows, sample.matched
    shares = form_of(sample) != "proportional"
    if not sample.is_matched:
        raise NotEstimable(NO_MATCHING.rstrip("."))
    if matched.method != "exact":
        raise NotEstimable(f"zones are redrawn for exact matching only; this is {matched.method}")
    if sample.fitting.free and not shares:
        raise NotEstimable("zones are redrawn without freed covariates only")
    if rows.zone is None:
        raise NotEstimable("the study declares no zone")
    # A stratum with one group in the survey has one in every draw, and never counts.
    inside = np.flatnonzero(matched.set_id >= 0)
    names = sample.covariates
    factors = [rows.member.astype(np.int64), matched.set_id, rows.zone]
    factors += [rows.factors[name] for name in names]
    cells = collapse(
        [factor[inside] for factor in factors],
        rows.outcome[inside],
        len(rows.levels),
        rows.weight[inside],
    )
    codes = {name: cells.codes[:, 3 + k] for k, name in enumerate(names)}
    design = design_matrix(codes, rows.factor_levels, len(cells.codes), rows.numeric)
    member = cells.codes[:, 0].astype(np.float64)
    return bootstrap_margins(
        np.column_stack([member, design.x]),
        0,
        member,
        cells.counts,
        cells.codes[:, 2],
        seed=seed,
        replicates=replicates,
        sets=cells.codes[:, 1],
        link=sample.link,
        shares=shares,
    )


@check("", place=(0, 0))
def odds(context: Context) -> Iterator[Answer]:
    """Whether one odds ratio holds at every threshold."""
    if len(context.keys.levels) > 2:
        yield from proportionality_rows(context.sample, context.keys)


@check("", cost="full", place=(130, 0))
def odds_over_zones(context: Context) -> Iterator[Answer]:
    """The same with zones drawn again."""
    if len(context.keys.levels) > 2 and np.ptp(context.rows.weight) == 0:
        yield bootstrap_row(context.sample, context.keys, context.seed)


@check("", place=(40, 0))
def wild(context: Context) -> Iterator[Answer]:
    """The wild score test of the headline, which holds with few zones."""
    if context.rows.zone is not None:
        yield wild_score_row(context.sample, context.headline, context.keys, context.seed)
