"""The gap with the phone people instead, together, and together with a term for the mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from coopgap.checks.balance import Balanced, balance, groups, stack
from coopgap.checks.by_mode import Group, PhoneStudy
from coopgap.checks.compare import again_row, alone, compared, unassessed, with_interval
from coopgap.checks.context import Context, phone_check
from coopgap.checks.registry import NotAssessed
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import headline_contrasts
from coopgap.core.vocabulary import Check, Comparator, Population, Verdict, Version
from coopgap.families.difference import difference
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate
from coopgap.families.sample import Sample
from coopgap.matching.sample import MatchedSample, combined_weight, effective_size
from coopgap.matching.weighting import common_support, entropy_match

_ROUNDING = 1e-9
"""Two fits that agree in everything differ by less."""

_BORROWS = (
    "{nobody}, so the mode's term takes up the level of the phone answers: they inform the gap "
    "through {what} only."
)
_BALANCED = (
    "The matching weights balance the covariates already: the estimate is the in-person one and "
    "only its interval can move."
)
TWO_LEVELS = (
    "An outcome of two levels has one threshold: a threshold of its own for each mode is the mode "
    "term."
)

_REPLACES = "The phone people in place of the in-person comparison group."
_JOINS = "The phone people added to the in-person comparison group."


@phone_check(
    Check.PHONE_REPLACES,
    title="Phone interviews replace those in person",
    question="What is the gap with the people called in the comparison group's place?",
    formula="Δ = p_members − p_phone, with the people called balanced to the members",
    place=(32, 6),
)
def replaces(context: Context) -> Iterator[SensitivityRow]:
    """The balanced gap against those called."""
    yield from _balanced_rows(context, Version.PHONE, "called", _REPLACES)


@phone_check(
    Check.PHONE_JOINS,
    title="Phone interviews join those in person",
    question="What is the gap with the people called added to the comparison group?",
    formula="Δ = p_members − p_both modes, balanced to the members",
    place=(33, 2),
)
def joins(context: Context) -> Iterator[SensitivityRow]:
    """The balanced gap against those of both modes."""
    yield from _balanced_rows(context, Version.PHONE_AND_IN_PERSON, "everybody_else", _JOINS)


def _balanced_rows(
    context: Context, variant: Version, group: Group, who: str
) -> Iterator[SensitivityRow]:
    """The gap against a comparison group at each threshold, and the share of members lost.

    Beside it the same estimator on the in-person comparison group (`in person`) and, where members
    are lost, on the members kept: the verdict is by the difference to the gap in person of the same
    members, who take no part in it.
    """
    phone = context.phone
    own: dict[str, Any] = {"group": "all", "population": Population.MEMBERS}
    try:
        reference = same = phone.balanced("members", "comparison")
        version = phone.balanced("members", group)
        if version.n_lost != reference.n_lost:
            kept = version.rows.take(version.rows.member)
            same = balance(stack(kept, phone.comparison), phone.covariates)
    except NotEstimable as error:
        reason = f"The comparison group cannot be balanced to the members: {error.reason}."
        raise NotAssessed(reason, **own) from None
    named = context.bare(variant=variant, comparator=Comparator.PHONE, **own)
    in_person = context.bare(variant=Version.IN_PERSON, comparator=Comparator.COMPARISON, **own)
    beside: list[tuple[Balanced, SensitivityRow]] = [(reference, in_person)]
    if same is not reference:
        beside.append((same, replace(in_person, variant=Version.SAME_MEMBERS)))
    for contrast, again in version.gaps.items():
        row = replace(with_interval(named, contrast, again), note=f"{who} {phone.limits}")
        moved = difference(version, same, contrast)
        yield compared(row, same.gaps[contrast], again, moved, context.smallest_gap)
        for other, row in beside:
            yield with_interval(row, contrast, other.gaps[contrast])
    levels, lost, n = ", ".join(version.lost), version.n_lost, phone.members.n
    where = f" (no comparison person at {levels})" if levels else ""
    note = f"Members left out: {lost:,} of {n}{where}."
    left_out = replace(named, quantity="members_lost_share", estimate=lost / n, n=lost, of=n)
    yield replace(left_out, note=note)
    note = "People that the balanced comparison group is worth."
    yield replace(named, quantity="ess", estimate=version.ess, note=note)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A matched sample with the phone people in it.

    The mode is one more covariate, named `mode`. `lost` has by `VARIABLE=LEVEL` the members whose
    level no phone person has: the phone people's weights, of effective size `ess`, reproduce the
    margins of the other members.
    """

    sample: Sample
    mode: str
    lost: Mapping[str, int]
    ess: float


def joined_sample(sample: Sample, phone: PhoneStudy) -> Joined:
    """Add the phone people to the matched sample of the whole model in person.

    People in person keep their matching weights. Phone people are weighted by entropy
    balancing to the covariates' margins among the members kept, on top of their sampling
    weights; the weights are then taken as given, as matching weights are. No member leaves
    the gap: those whom no phone person resembles have in-person people beside them. Raises
    `NotEstimable` where the phone people cannot reproduce the members' margins.
    """
    target = sample.kept & phone.in_person.member
    kept = replace(phone.in_person.take(target), weight=sample.weight[target])
    both = stack(kept, phone.called)
    sides = groups(both, sample.covariates)
    called = entropy_match(*sides, both.weight, both.numeric).weight[kept.n :]
    rows, mode = phone.with_mode
    apart = int(sample.matched.set_id.max(initial=-1)) + 1
    matched = MatchedSample(
        method=sample.matched.method,
        weight=np.concatenate([sample.matched.weight, called]),
        # A set of one's own: where sets are a way of clustering, phone people are in none.
        set_id=np.concatenate([sample.matched.set_id, apart + np.arange(phone.called.n)]),
        n_sets=sample.matched.n_sets,
    )
    return Joined(
        sample=replace(sample, rows=rows, matched=matched, covariates=(*sample.covariates, mode)),
        mode=mode,
        lost=common_support(*sides, both.numeric).lost,
        ess=effective_size(combined_weight(phone.called.weight, called)),
    )


@phone_check(
    Check.PHONE_JOINS_MODE,
    title="Phone interviews added, with a mode term",
    question="What is the gap with the people called added, and a term for how they were asked?",
    formula="P(Y ≥ j) = F(x′b + β_j M + γ_(j) phone − θ_j), standardised with phone = 0",
    place=(34, 3),
)
def joins_with_mode(context: Context) -> Iterator[SensitivityRow]:
    """The gap of the whole model, matched, with the phone people and the mode in the regression.

    Variants `in person`, `joins with a mode term` (one shift of the phone answers for all
    thresholds) and, for more than two levels, `joins with mode-specific thresholds` (a shift a
    threshold): risk differences by threshold and superiority, standardised over the same members as
    if asked in person; then the members left out and the effective size of the phone people.

    Notes
    -----
    Without covariates, or with the mode free to interact with every combination of them, phone
    people share no parameter with the others and the gap of two levels is the in-person one
    exactly, with its standard error; with more levels that holds for mode-specific thresholds.
    Where the matching weights balance the covariates, the likelihood equations of the logit make
    the gap the weighted difference of the in-person shares, whatever the slopes: its estimate
    cannot move. Its standard error can, because zones covary through the slopes.
    """
    phone, matched = context.phone, context.headline
    if not matched.intervals:
        raise NotAssessed(f"Not estimable in person: {matched.reason}.")
    try:
        joined = joined_sample(context.sample, phone)
    except NotEstimable as error:
        reason = f"The phone people cannot be balanced to the members: {error.reason}."
        raise NotAssessed(reason) from None
    shown = headline_contrasts(context.keys.levels)
    for contrast in shown:
        row = again_row(context, contrast, matched, variant=Version.IN_PERSON)
        yield alone(row) if row.estimate is not None else row
    for name, version, what in _mode_versions(joined):
        again = headline_estimate(version)
        if not again.intervals:
            yield unassessed(context.bare(variant=name), f"Not estimable: {again.reason}.")
            continue
        same = _BALANCED if _is_unmoved(again, matched) else ""
        borrows = _BORROWS.format(nobody=phone.nobody, what=what)
        note = " ".join(filter(None, (borrows, same, phone.limits)))
        for contrast in shown:
            row = again_row(context, contrast, again, variant=name)
            own = row.note if row.estimate is None else note
            yield replace(row, comparator=Comparator.PHONE, note=own)
    if len(context.keys.levels) == 2:
        yield context.bare(
            variant=Version.MODE_THRESHOLDS, verdict=Verdict.NOT_APPLICABLE, note=TWO_LEVELS
        )
    yield from _size_rows(context, joined)


def _mode_versions(joined: Joined) -> Iterator[tuple[str, Sample, str]]:
    """Each version, and through what the phone people enter the gap."""
    slopes = "the covariates' slopes"
    if len(joined.sample.rows.levels) == 2:
        yield Version.MODE_TERM, joined.sample, slopes
        return
    yield Version.MODE_TERM, joined.sample, f"{slopes} and the distances between the thresholds"
    fitting = joined.sample.fitting
    freed = replace(fitting, free=(*fitting.free, joined.mode))
    yield Version.MODE_THRESHOLDS, replace(joined.sample, fitting=freed), slopes


def _is_unmoved(again: Estimate, matched: Estimate) -> bool:
    """Whether the phone people leave every estimate where it is."""
    pairs = [(again.intervals[one], interval) for one, interval in matched.intervals.items()]
    return all(
        now is None or then is None or abs(now.estimate - then.estimate) <= _ROUNDING
        for now, then in pairs
    )


def _size_rows(context: Context, joined: Joined) -> Iterator[SensitivityRow]:
    """Members left out, and what the phone people are worth."""
    rows, called = joined.sample.rows, context.phone.called.n
    members, left_out = int(rows.member.sum()), int((rows.member & ~joined.sample.kept).sum())
    row = context.row(variant=Version.MODE_TERM, comparator=Comparator.PHONE)
    note = f"Members left out: {left_out:,} of {members}, the same as in person."
    if joined.lost:
        note += (
            f" No phone person is at {', '.join(joined.lost)}: the phone people are weighted to "
            "the other members."
        )
    share = left_out / members
    lost = replace(row, quantity="members_lost_share", estimate=share, n=left_out, of=members)
    yield replace(lost, note=note)
    worth = f"People that the weighted phone interviews are worth, of {called}."
    yield replace(row, quantity="ess", estimate=joined.ess, of=called, note=worth)
