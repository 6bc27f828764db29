"""What a matching design can and cannot do with these people, before any outcome is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray
from coopgap.core.estimate import DiagnosticRow
from coopgap.core.vocabulary import Diagnostic, Kind
from coopgap.matching.balance import largest_smd_after
from coopgap.matching.interactions import with_interactions
from coopgap.matching.positivity import Item, pairs, positivity
from coopgap.matching.sample import MatchedSample
from coopgap.matching.weights import combined_weight, effective_size
from coopgap.study.spec import Matching
from coopgap.survey.records import ModelRows

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
            about=item.about,
            category=item.category,
            n=item.n,
            of=item.of,
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
        leaves nobody, and `note` is then its reason. `n` are the members kept, `of` all.
    """
    kept = matched.weight > 0
    sizes = [
        f"{int((group & kept).sum())} of {int(group.sum())} {people}"
        for group, people in ((rows.member, "members"), (~rows.member, "comparison people"))
    ]
    weight = combined_weight(rows.weight, matched.weight)[~rows.member]
    return DiagnosticRow(
        model=model,
        diagnostic=Diagnostic.VARIANT,
        about=name,
        n=int((rows.member & kept).sum()),
        of=int(rows.member.sum()),
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
    yield Item(Diagnostic.ROWS_COMPLETE, rows.n, note, n=members, of=rows.n)
    for drop in rows.dropped:
        yield Item(Diagnostic.DROPPED, drop.count, "people left out", about=drop.reason)


def _reached(rows: ModelRows, matching: Matching, matched: MatchedSample) -> list[Item]:
    kept = matched.weight > 0
    members, comparison = int(rows.member.sum()), int((~rows.member).sum())
    lost = int((rows.member & ~kept).sum())
    unused = int((~rows.member & ~kept).sum())
    weight = combined_weight(rows.weight, matched.weight)
    note = f"of {members} members; the matched gap is about the others"
    return [
        Item(Diagnostic.MEMBERS_WITHOUT_COMPARISON, lost, note, n=lost, of=members),
        Item(
            Diagnostic.MEMBERS_WITHOUT_COMPARISON_SHARE,
            lost / members,
            f"{lost:,} of {members} members",
            kind=Kind.SHARE,
            n=lost,
            of=members,
        ),
        Item(
            Diagnostic.COMPARISON_UNUSED,
            unused,
            f"of {comparison} comparison people",
            n=unused,
            of=comparison,
        ),
        Item(
            Diagnostic.ESS_COMPARISON,
            effective_size(weight[~rows.member]),
            f"the weighted comparison group is worth this many of its {comparison} people",
            of=comparison,
        ),
        Item(Diagnostic.MATCHED_SETS, matched.n_sets, "sets that hold both groups"),
        *_tied(matched, members),
        *_moved(rows, weight),
        *_lost_by_level(rows, kept),
        *_largest(with_interactions(rows, matching.interactions), matched),
    ]


def _tied(matched: MatchedSample, members: int) -> Iterator[Item]:
    if matched.n_tied is not None:
        note = f"of {members} members, for whom several comparison people are equally near"
        yield Item(Diagnostic.TIED_MEMBERS, matched.n_tied, note, n=int(matched.n_tied), of=members)


def _largest(rows: ModelRows, matched: MatchedSample) -> Iterator[Item]:
    """Largest standardised difference of the unmatched groups, and what is left of it."""
    yield from _largest_before(rows, matched)
    smd, name, level = largest_smd_after(rows, matched)
    if np.isfinite(smd):
        note = f"largest standardised difference left, at {_place(name, level)}"
        if smd == 0:
            note = "no difference is left in any covariate"
        yield Item(
            Diagnostic.LARGEST_SMD_AFTER,
            smd,
            note,
            SMD_BAR,
            smd <= SMD_BAR,
            Kind.STANDARDISED,
            about=name,
            category=level,
        )


def _place(name: str, level: str) -> str:
    return f"{name}={level}" if level else name


def _largest_before(rows: ModelRows, matched: MatchedSample) -> Iterator[Item]:
    """Largest standardised difference of the groups as they are."""
    unmatched = replace(matched, weight=np.ones(rows.n), n_sets=0)
    smd, name, level = largest_smd_after(rows, unmatched)
    if np.isfinite(smd):
        groups = "groups as they are" if matched.method == "none" else "unmatched groups"
        note = f"largest standardised difference of the {groups}, at {_place(name, level)}"
        yield Item(
            Diagnostic.LARGEST_SMD_BEFORE,
            smd,
            note,
            kind=Kind.STANDARDISED,
            about=name,
            category=level,
        )


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
        Item(Diagnostic.COMPARISON_WEIGHT_MOVED, other, note, kind=Kind.SHARE),
        Item(Diagnostic.MEMBER_WEIGHT_MOVED, own, about_members, kind=Kind.SHARE),
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
                lost.append(
                    Item(
                        Diagnostic.MEMBERS_LOST,
                        left,
                        f"of {size} members",
                        about=name,
                        category=level,
                        n=left,
                        of=size,
                    )
                )
    return lost
