"""The gap again under each variant, by other families, over zones drawn again, with other ties."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from coopgap.checks.compare import (
    NO_MATCHING,
    again_row,
    gaps_again,
    half_gap,
    side,
    unassessed,
    with_number,
)
from coopgap.checks.context import Context, Design
from coopgap.checks.registry import Answer, NotApplicable, NotAssessed, check
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Contrast, null_value
from coopgap.core.vocabulary import Check, Family, Quantity, Verdict, Version
from coopgap.families.cells import form_of
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate
from coopgap.families.plan import sample_for
from coopgap.families.proportional import bootstrap_row, proportionality_rows, wild_score_row
from coopgap.families.sample import PAIRED, Sample
from coopgap.families.shares import estimate_shares
from coopgap.matching.feasibility import variant_row
from coopgap.regression.bootstrap import Bootstrap, bootstrap_intervals, bootstrap_margins
from coopgap.regression.design import design_matrix
from coopgap.study.spec import ModelSpec
from coopgap.survey.cells import collapse
from coopgap.survey.records import ModelRows

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
    formula=(
        "D = Δ_variant − Δ_headline on the people that both have, V(D) from their joint "
        "influence values; `changes` if 0 ∉ D ± t·SE(D) and |D| > smallest_gap/2"
    ),
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
    """Both estimates on the people complete in both; None where these are everybody's."""
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


KEYS: Final = 20
"""Keys after the declared one under which a design is matched again."""

_QUICK = 5_000
"""People up to whom matching so often takes seconds."""


@check(
    Check.MATCHING_TIES,
    title="Ties in matching broken otherwise",
    question="How much does the gap rest on who of equally near people was taken?",
    formula=(
        "Δ_k for the keys k = 1 … 20 of the hash that breaks ties: median, least, most and "
        "standard deviation of Δ_k"
    ),
    of_model=True,
    place=(20, 20),
)
def matching_ties(context: Context) -> Iterator[SensitivityRow]:
    """The spread of the matched gap over keys, of designs that are matched again in seconds.

    For the declared design and each variant: the members with ties; for each threshold's
    difference and superiority the median, smallest and largest estimate over the keys, and their
    standard deviation in a row of its own. The gap `changes` where a key moves it by more than half
    the smallest gap that matters, or turns a clear gap round. No sampling error is in it: all keys
    are of the same people.
    """
    spec = context.spec
    designs = [spec.matching, *(one.spec.matching for one in spec.variants)]
    if not any(one.is_declared for one in designs):
        raise NotApplicable(NO_MATCHING)
    if not any(one.has_ties for one in designs):
        raise NotApplicable("No declared design chooses between people who are equally near.")
    yield from _designs(context, quick=True)


@check(Check.MATCHING_TIES, cost="full", place=(160, 0))
def slow_ties(context: Context) -> Iterator[SensitivityRow]:
    """The same of the other designs: cardinality matching, and many people."""
    yield from _designs(context, quick=False)


def _designs(context: Context, *, quick: bool) -> Iterator[SensitivityRow]:
    declared = Design("", context.spec, context.sample, context.headline)
    for design in (declared, *context.variants):
        if not design.spec.matching.has_ties:
            continue
        paired = design.spec.matching.method in PAIRED
        if (paired and design.sample.rows.n <= _QUICK) == quick:
            yield from _design_rows(context, design)


def _design_rows(context: Context, design: Design) -> Iterator[SensitivityRow]:
    name, spec, sample, own = design
    if not own.intervals:
        note = f"There is no gap to compare with: {own.reason}."
        yield unassessed(context.bare(variant=name), note)
        return
    again = [_under_key(sample.rows, spec, spec.matching.seed + 1 + k) for k in range(KEYS)]
    shown = [
        one for one in own.intervals if one.is_threshold_gap or one.quantity is Quantity.SUPERIORITY
    ]
    for number, contrast in enumerate(shown):
        row = again_row(replace(context, headline=own), contrast, own, variant=name)
        if not number and sample.matched.n_tied is not None:
            n, of = int(sample.matched.n_tied), int(sample.rows.member.sum())
            yield with_number(
                row, "tied_members", sample.matched.n_tied, "", category="", n=n, of=of
            )
        if row.estimate is not None:
            yield from _spread(row, contrast, own, again, context.smallest_gap)


def _under_key(rows: ModelRows, spec: ModelSpec, seed: int) -> Estimate:
    """The matched family under another key; without zones, which move no estimate."""
    other = replace(spec, matching=replace(spec.matching, seed=seed))
    return headline_estimate(sample_for(replace(rows, zone=None), other))


def _spread(
    row: SensitivityRow,
    contrast: Contrast,
    own: Estimate,
    again: list[Estimate],
    smallest_gap: float,
) -> Iterator[SensitivityRow]:
    """Two rows of one contrast: the middle between the ends, and the standard deviation."""
    intervals = [one.intervals.get(contrast) for one in again]
    values = np.array([one.estimate for one in intervals if one is not None])
    declared, null = own.intervals[contrast], null_value(contrast.quantity)
    if values.size < 2 or declared is None:
        return
    moved = np.abs(values - declared.estimate).max() > half_gap(contrast.quantity, smallest_gap)
    turned = ((values - null) * side(declared, contrast.quantity) < 0).any()
    yield with_number(
        row,
        f"median_{contrast.quantity}",
        float(np.median(values)),
        f"Median over {values.size} keys, in brackets the smallest and the largest.",
        lower=float(values.min()),
        upper=float(values.max()),
        verdict=Verdict.CHANGES if moved or turned else Verdict.HOLDS,
    )
    spread, note = float(values.std(ddof=1)), "Standard deviation over the keys."
    yield with_number(row, f"sd_{contrast.quantity}", spread, note)
