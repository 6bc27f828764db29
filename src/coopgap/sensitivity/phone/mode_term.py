"""The matched gap with the phone people in the regression and a term for the mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys, SensitivityRow
from coopgap.core.gap import Contrast
from coopgap.core.vocabulary import Check, Comparator, Quantity, Verdict, Version
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate
from coopgap.families.sample import Sample
from coopgap.matching.sample import MatchedSample, combined_weight, effective_size
from coopgap.matching.weighting import common_support, entropy_match
from coopgap.sensitivity.again import Beside, again_row
from coopgap.sensitivity.keys import unanswered
from coopgap.sensitivity.phone.data import (
    LIMITS,
    PhoneData,
    stack,
    why_not,
    with_mode,
)
from coopgap.sensitivity.verdict import alone

_ROUNDING = 1e-9
"""Two fits that agree in everything differ by less."""

_BORROWS = (
    "No members were called, so the mode's term takes up the level of the phone answers: they "
    "inform the gap through {what} only."
)
_BALANCED = (
    "The matching weights balance the covariates already: the estimate is the in-person one and "
    "only its interval can move."
)
TWO_LEVELS = (
    "An outcome of two levels has one threshold: a threshold of its own for each mode is the mode "
    "term."
)


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


def joined_sample(sample: Sample, data: PhoneData) -> Joined:
    """Add the phone people to a matched sample.

    Parameters
    ----------
    sample
        The whole model in person, matched.
    data
        Its people by mode, in the order of `sample`.

    Returns
    -------
    Joined
        People in person keep their matching weights. Phone people are weighted by entropy
        balancing to the covariates' margins among the members kept, on top of their sampling
        weights; the weights are then taken as given, as matching weights are. No member leaves
        the gap: those whom no phone person resembles have in-person people beside them.

    Raises
    ------
    NotEstimable
        The phone people cannot reproduce the members' margins.
    """
    target = sample.kept & data.in_person.member
    kept = replace(data.in_person.take(target), weight=sample.weight[target])
    both = stack(kept, data.called)
    factors = {name: both.factors[name] for name in sample.covariates}
    labels = {name: both.factor_levels[name] for name in sample.covariates}
    data_of = factors, labels, both.member
    called = entropy_match(*data_of, both.weight, both.numeric).weight[kept.n :]
    rows, mode = with_mode(data)
    apart = int(sample.matched.set_id.max(initial=-1)) + 1
    matched = MatchedSample(
        method=sample.matched.method,
        weight=np.concatenate([sample.matched.weight, called]),
        # A set of one's own: where sets are a way of clustering, phone people are in none.
        set_id=np.concatenate([sample.matched.set_id, apart + np.arange(data.called.n)]),
        n_sets=sample.matched.n_sets,
    )
    return Joined(
        sample=replace(sample, rows=rows, matched=matched, covariates=(*sample.covariates, mode)),
        mode=mode,
        lost=common_support(*data_of, both.numeric).lost,
        ess=effective_size(combined_weight(data.called.weight, called)),
    )


def mode_rows(
    data: PhoneData, sample: Sample, beside: Beside, labels: Keys
) -> list[SensitivityRow]:
    """The matched gap with the phone people joined and the mode in the regression.

    Parameters
    ----------
    data
        People by mode.
    sample
        The whole model in person, matched.
    beside
        The matched family in person.
    labels
        Model, outcome and source.

    Returns
    -------
    list of SensitivityRow
        Variants `in person`, `joins with a mode term` (one shift of the phone answers for all
        thresholds) and, for more than two levels, `joins with mode-specific thresholds` (a shift
        a threshold): risk differences by threshold and superiority, standardised over the same
        members as if asked in person; then the members left out and the effective size of the
        phone people. Where there is no answer, one row that says why.

    Notes
    -----
    Without covariates, or with the mode free to interact with every combination of them, phone
    people share no parameter with the others and the gap of two levels is the in-person one
    exactly, with its standard error; with more levels that holds for mode-specific thresholds.
    Where the matching weights balance the covariates, the likelihood equations of the logit make
    the gap the weighted difference of the in-person shares, whatever the slopes: its estimate
    cannot move. Its standard error can, because zones covary through the slopes.
    """
    checks, matched = (Check.PHONE_JOINS_MODE,), beside.estimate
    silent = why_not(data)
    if silent is not None:
        return unanswered(checks, labels, *silent)
    if not matched.intervals:
        reason = f"Not estimable in person: {matched.reason}."
        return unanswered(checks, labels, Verdict.NOT_ASSESSED, reason)
    try:
        joined = joined_sample(sample, data)
    except NotEstimable as error:
        reason = f"The phone people cannot be balanced to the members: {error.reason}."
        return unanswered(checks, labels, Verdict.NOT_ASSESSED, reason)
    result = list(_version(Version.IN_PERSON, matched, beside, labels, ""))
    for name, version, what in _versions(joined):
        again = headline_estimate(version)
        if not again.intervals:
            note = f"Not estimable: {again.reason}."
            row = unanswered(checks, labels, Verdict.NOT_ASSESSED, note)[0]
            result.append(replace(row, variant=name))
            continue
        same = _BALANCED if _is_unmoved(again, matched) else ""
        note = " ".join(filter(None, (_BORROWS.format(what=what), same, LIMITS)))
        result += _version(name, again, beside, labels, note)
    if len(labels.levels) == 2:
        row = unanswered(checks, labels, Verdict.NOT_APPLICABLE, TWO_LEVELS)[0]
        result.append(replace(row, variant=Version.MODE_THRESHOLDS))
    return [*result, *_size_rows(joined, data, result[0])]


def _versions(joined: Joined) -> Iterator[tuple[str, Sample, str]]:
    """Each version, and through what the phone people enter the gap."""
    slopes = "the covariates' slopes"
    if len(joined.sample.rows.levels) == 2:
        yield Version.MODE_TERM, joined.sample, slopes
        return
    yield Version.MODE_TERM, joined.sample, f"{slopes} and the distances between the thresholds"
    fitting = joined.sample.fitting
    freed = replace(fitting, free=(*fitting.free, joined.mode))
    yield Version.MODE_THRESHOLDS, replace(joined.sample, fitting=freed), slopes


def _version(
    name: str, again: Estimate, beside: Beside, labels: Keys, note: str
) -> Iterator[SensitivityRow]:
    for contrast in beside.estimate.intervals:
        if not _is_shown(contrast, labels):
            continue
        row = again_row(Check.PHONE_JOINS_MODE, name, contrast, again, beside, labels)
        if name == Version.IN_PERSON:
            yield alone(row) if row.estimate is not None else row
        elif row.estimate is None:
            yield replace(row, comparator=Comparator.PHONE)
        else:
            yield replace(row, comparator=Comparator.PHONE, note=note)


def _is_unmoved(again: Estimate, matched: Estimate) -> bool:
    """Whether the phone people leave every estimate where it is."""
    pairs = [(again.intervals[one], interval) for one, interval in matched.intervals.items()]
    return all(
        now is None or then is None or abs(now.estimate - then.estimate) <= _ROUNDING
        for now, then in pairs
    )


def _is_shown(contrast: Contrast, labels: Keys) -> bool:
    if contrast.is_threshold_gap:
        return True
    return contrast.quantity is Quantity.SUPERIORITY and len(labels.levels) > 2


def _size_rows(joined: Joined, data: PhoneData, base: SensitivityRow) -> Iterator[SensitivityRow]:
    rows, kept = joined.sample.rows, joined.sample.kept
    members = int(rows.member.sum())
    left_out = int((rows.member & ~kept).sum())
    levels = ", ".join(joined.lost)
    without = (
        f" No phone person is at {levels}: the phone people are weighted to the other members."
        if levels
        else ""
    )
    row = SensitivityRow(
        check=base.check,
        variant=Version.MODE_TERM,
        model=base.model,
        family=base.family,
        outcome=base.outcome,
        comparator=Comparator.PHONE,
        group=base.group,
        population=base.population,
        source=base.source,
    )
    left = f"Members left out: {left_out:,} of {members}, the same as in person."
    yield replace(
        row,
        quantity="members_lost_share",
        estimate=left_out / members,
        n=left_out,
        of=members,
        note=f"{left}{without}",
    )
    yield replace(
        row,
        quantity="ess",
        estimate=joined.ess,
        of=data.called.n,
        note=f"People that the weighted phone interviews are worth, of {data.called.n}.",
    )
