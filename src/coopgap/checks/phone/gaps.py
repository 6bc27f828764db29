"""The gap with the phone people instead, together, and together with a term for the mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from coopgap.checks.balance import Balanced, balance, stack
from coopgap.checks.by_mode import Group, PhoneStudy, reached
from coopgap.checks.compare import again_row, alone, compared, numbers_of
from coopgap.checks.context import Context
from coopgap.checks.registry import NotAssessed, Topic, check
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import Contrast
from coopgap.core.vocabulary import Check, Comparator, Population, Quantity, Verdict, Version
from coopgap.families.difference import difference
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate
from coopgap.families.sample import Sample
from coopgap.matching.entropy import common_support, entropy_match
from coopgap.matching.sample import MatchedSample
from coopgap.matching.weights import combined_weight, effective_size

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


@check(
    Check.PHONE_REPLACES,
    title="Phone interviews replace those in person",
    question="What is the gap with the people called in the comparison group's place?",
    topic=Topic.PHONE,
    needs=(reached,),
    of_model=True,
    order=32,
    page=6,
)
def replaces(context: Context) -> list[SensitivityRow]:
    """The balanced gap against those called."""
    return gap_rows(context.phone, Check.PHONE_REPLACES, context.keys, context.smallest_gap)


@check(
    Check.PHONE_JOINS,
    title="Phone interviews join those in person",
    question="What is the gap with the people called added to the comparison group?",
    topic=Topic.PHONE,
    needs=(reached,),
    of_model=True,
    order=33,
    page=2,
)
def joins(context: Context) -> list[SensitivityRow]:
    """The balanced gap against those of both modes."""
    return gap_rows(context.phone, Check.PHONE_JOINS, context.keys, context.smallest_gap)


def gap_rows(
    phone: PhoneStudy, name: Check, keys: Keys, smallest_gap: float
) -> list[SensitivityRow]:
    """Replace the in-person comparison group by the phone people, or join the two.

    Returns
    -------
    list of SensitivityRow
        The gap at each threshold, beside it the same estimator on the in-person comparison group
        (variant `in person`, and where members are lost the same on the members kept), and the
        share of members lost.

    Notes
    -----
    The verdict is by the interval of the difference to the same estimator in person on the same
    members, who take no part in it.
    """
    group: Group
    variant, group, who = Version.PHONE_AND_IN_PERSON, "everybody_else", _JOINS
    if name is Check.PHONE_REPLACES:
        variant, group, who = Version.PHONE, "called", _REPLACES
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
    base = SensitivityRow(
        check=name,
        model=keys.model,
        outcome=keys.outcome,
        quantity=Quantity.RISK_DIFFERENCE,
        source=keys.source,
        **own,
    )
    named = replace(base, variant=variant, comparator=Comparator.PHONE)
    in_person = replace(base, variant=Version.IN_PERSON, comparator=Comparator.COMPARISON)
    result = []
    for contrast, again in version.gaps.items():
        row, moved = _gap_row(version, contrast, named), difference(version, same, contrast)
        row = compared(row, same.gaps[contrast], again, moved, smallest_gap)
        result.append(replace(row, note=f"{who} {phone.limits}"))
        result.append(_gap_row(reference, contrast, in_person))
        if same is not reference:
            kept_alike = replace(in_person, variant=Version.SAME_MEMBERS)
            result.append(_gap_row(same, contrast, kept_alike))
    levels, lost, n = ", ".join(version.lost), version.n_lost, phone.members.n
    where = f" (no comparison person at {levels})" if levels else ""
    left_out = replace(
        named,
        quantity="members_lost_share",
        estimate=lost / n,
        n=lost,
        of=n,
        note=f"Members left out: {lost:,} of {n}{where}.",
    )
    note = "People that the balanced comparison group is worth."
    return [*result, left_out, replace(named, quantity="ess", estimate=version.ess, note=note)]


def _gap_row(version: Balanced, contrast: Contrast, base: SensitivityRow) -> SensitivityRow:
    return replace(base, category=contrast.category, **numbers_of(version.gaps[contrast]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A matched sample with the phone people in it.

    Attributes
    ----------
    sample
        The people of both modes; the mode is a covariate named `mode`.
    mode
        Name of that covariate.
    lost
        By `VARIABLE=LEVEL`, members whose level no phone person has: the phone people's weights
        reproduce the margins of the other members.
    ess
        Effective size of the weighted phone people.
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
    the gap: those whom no phone person resembles have in-person people beside them.

    Raises
    ------
    NotEstimable
        The phone people cannot reproduce the members' margins.
    """
    target = sample.kept & phone.in_person.member
    kept = replace(phone.in_person.take(target), weight=sample.weight[target])
    both = stack(kept, phone.called)
    factors = {name: both.factors[name] for name in sample.covariates}
    labels = {name: both.factor_levels[name] for name in sample.covariates}
    groups = factors, labels, both.member
    called = entropy_match(*groups, both.weight, both.numeric).weight[kept.n :]
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
        lost=common_support(*groups, both.numeric).lost,
        ess=effective_size(combined_weight(phone.called.weight, called)),
    )


@check(
    Check.PHONE_JOINS_MODE,
    title="Phone interviews added, with a mode term",
    question="What is the gap with the people called added, and a term for how they were asked?",
    topic=Topic.PHONE,
    needs=(reached,),
    of_model=True,
    order=34,
    page=3,
)
def joins_with_mode(context: Context) -> Iterator[SensitivityRow]:
    """The gap of the whole model, matched, with the phone people and the mode in the regression.

    Yields
    ------
    SensitivityRow
        Variants `in person`, `joins with a mode term` (one shift of the phone answers for all
        thresholds) and, for more than two levels, `joins with mode-specific thresholds` (a shift
        a threshold): risk differences by threshold and superiority, standardised over the same
        members as if asked in person; then the members left out and the effective size of the
        phone people.

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
    for row in _mode_version(context, Version.IN_PERSON, matched):
        yield alone(row) if row.estimate is not None else row
    for name, version, what in _mode_versions(joined):
        again = headline_estimate(version)
        if not again.intervals:
            note = f"Not estimable: {again.reason}."
            yield context.bare(variant=name, verdict=Verdict.NOT_ASSESSED, note=note)
            continue
        same = _BALANCED if _is_unmoved(again, matched) else ""
        borrows = _BORROWS.format(nobody=phone.nobody, what=what)
        note = " ".join(filter(None, (borrows, same, phone.limits)))
        for row in _mode_version(context, name, again):
            said = row.note if row.estimate is None else note
            yield replace(row, comparator=Comparator.PHONE, note=said)
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


def _mode_version(context: Context, name: str, again: Estimate) -> Iterator[SensitivityRow]:
    for contrast in context.headline.intervals:
        superiority = contrast.quantity is Quantity.SUPERIORITY and len(context.keys.levels) > 2
        if contrast.is_threshold_gap or superiority:
            yield again_row(context, contrast, again, variant=name)


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
