"""What a matching design can and cannot do with these people, before any outcome is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from coopgap.arrays import BoolArray, FloatArray
from coopgap.estimate import DiagnosticRow
from coopgap.matching.balance import largest_smd_after
from coopgap.matching.interactions import with_interactions
from coopgap.matching.positivity import Item, pairs, positivity
from coopgap.matching.sample import MatchedSample
from coopgap.matching.weights import combined_weight, effective_size
from coopgap.study.spec import Matching
from coopgap.survey.records import ModelRows
from coopgap.vocabulary import Kind

__all__ = ["SMD_BAR", "feasibility_rows", "variant_row"]

SMD_BAR = 0.1
"""Standardised difference above which a covariate counts as unbalanced."""

_NOTHING = 0.02


def feasibility_rows(
    rows: ModelRows,
    matching: Matching,
    matched: MatchedSample | None,
    *,
    model: str,
    source: str,
) -> list[DiagnosticRow]:
    """Counts that say what the declared design reaches.

    Parameters
    ----------
    rows
        Complete rows.
    matching
        The declared design.
    matched
        Its result, or None where the design is not estimable: then only what the people
        themselves say is reported.
    model, source
        Keys of the rows.

    Returns
    -------
    list of DiagnosticRow
    """
    found = [*_complete(rows)]
    if matching.is_declared:
        found += positivity(rows, matching)
        found += [] if matched is None else _reached(rows, matching, matched)
        found += pairs(rows, matching)
    elif matched is not None:
        found += _largest_before(rows, matched)
    return [
        DiagnosticRow(
            model=model,
            diagnostic=item.name,
            value=item.value,
            kind=item.kind,
            bar=item.bar,
            passed=item.passed,
            note=item.note,
            source=source,
        )
        for item in found
    ]


def variant_row(
    name: str, rows: ModelRows, matched: MatchedSample, *, model: str, source: str
) -> DiagnosticRow:
    """Whom a variant compares.

    Parameters
    ----------
    name
        The variant's.
    rows, matched
        Its complete rows and its matched sample.
    model, source
        Keys of the row.

    Returns
    -------
    DiagnosticRow
        `value` is the effective size of the comparison group; without one where the matching
        leaves nobody, and `note` is then its reason.
    """
    kept = matched.weight > 0
    sizes = [
        f"{int((group & kept).sum())} of {int(group.sum())} {people}"
        for group, people in ((rows.member, "members"), (~rows.member, "comparison people"))
    ]
    weight = combined_weight(rows.weight, matched.weight)[~rows.member]
    return DiagnosticRow(
        model=model,
        diagnostic=f"variant: {name}",
        value=None if matched.reason else effective_size(weight),
        kind=Kind.COUNT,
        note=matched.reason
        or f"{_kept_by(matched)} {' and '.join(sizes)}, whose effective size this is",
        source=source,
    )


def _kept_by(matched: MatchedSample) -> str:
    return "no matching:" if matched.method == "none" else f"{matched.method} keeps"


def _complete(rows: ModelRows) -> Iterator[Item]:
    members = int(rows.member.sum())
    note = f"{members} members and {rows.n - members} comparison people answer all it needs"
    yield Item("rows_complete", rows.n, note)
    for drop in rows.dropped:
        yield Item(f"dropped: {drop.reason}", drop.count, "people left out")


def _reached(rows: ModelRows, matching: Matching, matched: MatchedSample) -> list[Item]:
    kept = matched.weight > 0
    members, comparison = int(rows.member.sum()), int((~rows.member).sum())
    lost = int((rows.member & ~kept).sum())
    unused = int((~rows.member & ~kept).sum())
    weight = combined_weight(rows.weight, matched.weight)
    note = f"of {members} members; the matched gap is about the others"
    return [
        Item("members_without_comparison", lost, note),
        Item(
            "members_without_comparison_share",
            lost / members,
            f"{lost:,} of {members} members",
            kind=Kind.SHARE,
        ),
        Item("comparison_unused", unused, f"of {comparison} comparison people"),
        Item(
            "ess_comparison",
            effective_size(weight[~rows.member]),
            f"the weighted comparison group is worth this many of its {comparison} people",
        ),
        Item("matched_sets", matched.n_sets, "sets that hold both groups"),
        *_tied(matched, members),
        *_moved(rows, weight),
        *_lost_by_level(rows, kept),
        *_largest(with_interactions(rows, matching.interactions), matched),
    ]


def _tied(matched: MatchedSample, members: int) -> Iterator[Item]:
    if matched.n_tied is not None:
        note = f"of {members} members, for whom several comparison people are equally near"
        yield Item("tied_members", matched.n_tied, note)


def _largest(rows: ModelRows, matched: MatchedSample) -> Iterator[Item]:
    """Largest standardised difference of the unmatched groups, and what is left of it."""
    yield from _largest_before(rows, matched)
    smd, at = largest_smd_after(rows, matched)
    if np.isfinite(smd):
        note = f"largest standardised difference left, at {at}"
        if smd == 0:
            note = "no difference is left in any covariate"
        yield Item("largest_smd_after", smd, note, SMD_BAR, smd <= SMD_BAR, Kind.STANDARDISED)


def _largest_before(rows: ModelRows, matched: MatchedSample) -> Iterator[Item]:
    """Largest standardised difference of the groups as they are."""
    unmatched = replace(matched, weight=np.ones(rows.n), n_sets=0)
    smd, at = largest_smd_after(rows, unmatched)
    if np.isfinite(smd):
        groups = "groups as they are" if matched.method == "none" else "unmatched groups"
        note = f"largest standardised difference of the {groups}, at {at}"
        yield Item("largest_smd_before", smd, note, kind=Kind.STANDARDISED)


def _moved(rows: ModelRows, weight: FloatArray) -> list[Item]:
    """Share of each group's weight that stands elsewhere after the matching.

    A design changes nothing only where both groups stay as they are: pairs from a larger group
    of members leave the comparison group alone and trim the members.
    """
    found = []
    for group in (~rows.member, rows.member):
        after, before = weight[group], rows.weight[group]
        found.append(float(np.abs(after / after.sum() - before / before.sum()).sum() / 2))
    other, own = found
    note = "share of the comparison group's weight that the matching moves"
    if max(found) <= _NOTHING:
        note = (
            f"this design changes nothing: {other:.1%} of the comparison group's weight and "
            f"{own:.1%} of the members' moves"
        )
    about_members = (
        "share of the members' weight that the matching moves: those lost, or reweighted"
    )
    return [
        Item("comparison_weight_moved", other, note, kind=Kind.SHARE),
        Item("member_weight_moved", own, about_members, kind=Kind.SHARE),
    ]


def _lost_by_level(rows: ModelRows, kept: BoolArray) -> list[Item]:
    """Members without comparison by level of each covariate."""
    lost = []
    asked = (name for name, codes in rows.factors.items() if (codes[~rows.member] >= 0).any())
    for name in asked:
        codes = rows.factors[name]
        for code, level in enumerate(rows.factor_levels[name]):
            here = rows.member & (codes == code)
            size, left = int(here.sum()), int((here & ~kept).sum())
            if left:
                lost.append(Item(f"members_lost: {name}={level}", left, f"of {size} members"))
    return lost
