"""What a matching design can and cannot do with these people, before any outcome is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray
from coopgap.core.estimate import DiagnosticRow
from coopgap.core.vocabulary import Diagnostic, Kind
from coopgap.matching.balance import largest_smd_after, with_interactions
from coopgap.matching.dispatch import stratum_codes
from coopgap.matching.sample import MatchedSample, combined_weight, effective_size
from coopgap.study.spec import Matching
from coopgap.survey.records import ModelRows

SMD_BAR = 0.1
"""Standardised difference above which a covariate counts as unbalanced."""

_NOTHING = 0.02

HARDLY_ANY = 5
"""Fewer comparison people than this in a stratum: each stands for many."""

_SAME_SIZE = 0.98


@dataclass(frozen=True, slots=True)
class Item:
    """One finding about a design; the fields are those of a row of diagnostics.csv."""

    name: Diagnostic
    value: float | None
    note: str
    bar: float | None = None
    passed: bool | None = None
    kind: Kind = Kind.COUNT
    about: str = ""
    category: str = ""
    n: int | None = None
    of: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Strata:
    """Unweighted people of each group in each stratum, shape (s,), and the strata's labels.

    A label is the stratum's levels in the order of its variables.
    """

    member: FloatArray
    comparison: FloatArray
    labels: tuple[str, ...]

    @property
    def members_only(self) -> BoolArray:
        """Shape (s,): strata without comparison people."""
        return np.asarray((self.member > 0) & (self.comparison == 0))

    @property
    def comparison_only(self) -> BoolArray:
        """Shape (s,): strata without members."""
        return np.asarray((self.member == 0) & (self.comparison > 0))

    @property
    def few_comparison(self) -> BoolArray:
        """Shape (s,): strata that hold members and fewer than `HARDLY_ANY` comparison people."""
        few = (self.comparison > 0) & (self.comparison < HARDLY_ANY)
        return np.asarray((self.member > 0) & few)


def feasibility_rows(
    rows: ModelRows,
    matching: Matching,
    matched: MatchedSample | None,
    *,
    model: str,
    source: str,
) -> list[DiagnosticRow]:
    """Counts that say what the declared design reaches.

    `matched` is None where the design is not estimable: then only what the people themselves say is
    reported.
    """
    result = [*_complete(rows)]
    if matching.is_declared:
        result += positivity(rows, matching)
        result += [] if matched is None else _reached(rows, matching, matched)
        result += pairs(rows, matching)
    elif matched is not None:
        result += _largest_before(rows, matched)
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
        for item in result
    ]


def variant_row(
    name: str, rows: ModelRows, matched: MatchedSample, *, model: str, source: str
) -> DiagnosticRow:
    """Whom a variant compares.

    `value` is the effective size of the comparison group; without one where the matching leaves
    nobody, and `note` is then its reason. `n` are the members kept, `of` all.
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
        note = f"largest standardised difference left, at {place_name(name, level)}"
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


def place_name(name: str, level: str) -> str:
    """A level with its covariate, or the covariate of a number, which has no levels."""
    return f"{name}={level}" if level else name


def _largest_before(rows: ModelRows, matched: MatchedSample) -> Iterator[Item]:
    """Largest standardised difference of the groups as they are."""
    unmatched = replace(matched, weight=np.ones(rows.n), n_sets=0)
    smd, name, level = largest_smd_after(rows, unmatched)
    if np.isfinite(smd):
        groups = "groups as they are" if matched.method == "none" else "unmatched groups"
        note = f"largest standardised difference of the {groups}, at {place_name(name, level)}"
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
    result = []
    for group in (~rows.member, rows.member):
        after, before = weight[group], rows.weight[group]
        result.append(float(np.abs(after / after.sum() - before / before.sum()).sum() / 2))
    other, own = result
    note = "share of the comparison group's weight that the matching moves"
    if max(result) <= _NOTHING:
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
    names = (name for name, codes in rows.factors.items() if (codes[~rows.member] >= 0).any())
    for name in names:
        codes = rows.factors[name]
        for code, level in enumerate(rows.factor_levels[name]):
            own = rows.member & (codes == code)
            size, left = int(own.sum()), int((own & ~kept).sum())
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


def stratum_counts(rows: ModelRows, on: Sequence[str]) -> Strata:
    """Count members and comparison people in each combination of `on` that occurs."""
    stratum = stratum_codes(rows, on)
    size = int(stratum.max(initial=-1)) + 1
    first = np.zeros(size, dtype=np.int64)
    first[stratum[::-1]] = np.arange(rows.n - 1, -1, -1)
    return Strata(
        member=np.bincount(stratum[rows.member], minlength=size).astype(np.float64),
        comparison=np.bincount(stratum[~rows.member], minlength=size).astype(np.float64),
        labels=tuple(
            " x ".join(rows.factor_levels[name][rows.factors[name][at]] for name in on)
            for at in first
        ),
    )


def pairs_possible(rows: ModelRows, on: Sequence[str]) -> int:
    """Most one-to-one pairs without replacement that agree on `on`: Σ of the smaller groups."""
    strata = stratum_counts(rows, on)
    return int(np.minimum(strata.member, strata.comparison).sum())


def _levelled(rows: ModelRows, matching: Matching) -> tuple[str, ...]:
    """What a matching is on that has levels: of numbers no two people need be alike."""
    return tuple(name for name in matching.on if name not in rows.numeric)


def positivity(rows: ModelRows, matching: Matching) -> list[Item]:
    """Strata that lack a group or nearly so: how many, and which hold members."""
    on = _levelled(rows, matching)
    strata = stratum_counts(rows, on)
    named = " x ".join(on) or "no variable"
    of = f"of {strata.member.size} strata of {named} that occur; these hold"
    few = f"1 to {HARDLY_ANY - 1} comparison people"
    kinds = (
        (Diagnostic.STRATA_MEMBERS_ONLY, strata.members_only, "members and no comparison person"),
        (
            Diagnostic.STRATA_COMPARISON_ONLY,
            strata.comparison_only,
            "comparison people and no member",
        ),
        (Diagnostic.STRATA_FEW_COMPARISON, strata.few_comparison, f"members and {few}"),
    )
    result = [
        Item(name, n, f"{of} {who}", n=n, of=strata.member.size)
        for name, chosen, who in kinds
        for n in (int(chosen.sum()),)
    ]
    if on:
        only, some = Diagnostic.STRATUM_MEMBERS_ONLY, Diagnostic.STRATUM_FEW_COMPARISON
        result += _cells(only, strata, strata.members_only, "no comparison person")
        result += _cells(some, strata, strata.few_comparison, few)
    return result


def _cells(name: Diagnostic, strata: Strata, chosen: BoolArray, beside: str) -> Iterator[Item]:
    """Strata by name, with their number of members."""
    for at in np.flatnonzero(chosen):
        members = int(strata.member[at])
        yield Item(name, members, f"members and {beside}", about=strata.labels[at])


def pairs(rows: ModelRows, matching: Matching) -> list[Item]:
    """One-to-one pairs within strata, without strata, and by level of each stratum variable."""
    members, comparison = int(rows.member.sum()), int((~rows.member).sum())
    on = _levelled(rows, matching)
    named = ", ".join(on) or "nothing"
    possible, most = pairs_possible(rows, on), min(members, comparison)
    note = (
        f"one-to-one pairs without replacement that agree on {named}, "
        f"of {members} members and {comparison} comparison people"
    )
    loose = _pair_note(members, comparison)
    return [
        Item(Diagnostic.PAIRS_POSSIBLE, possible, note, n=possible, of=members),
        Item(Diagnostic.PAIRS_IGNORING_STRATA, most, loose, n=most, of=members),
        *_pairs_by_level(rows, on),
    ]


def _pairs_by_level(rows: ModelRows, on: Sequence[str]) -> Iterator[Item]:
    """Pairs that agree on all of `on` within each level of each of its variables."""
    for name in on:
        for code, level in enumerate(rows.factor_levels[name]):
            part = rows.take(np.asarray(rows.factors[name] == code))
            members = int(part.member.sum())
            note = f"of {members} members and {part.n - members} comparison people"
            yield Item(
                Diagnostic.PAIRS_POSSIBLE,
                possible := pairs_possible(part, on),
                note,
                about=name,
                category=level,
                n=possible,
                of=members,
            )


def _pair_note(members: int, comparison: int) -> str:
    if min(members, comparison) < _SAME_SIZE * comparison:
        return (
            f"one-to-one matching without replacement would choose {members} of {comparison} "
            "comparison people"
        )
    if comparison >= _SAME_SIZE * members:
        return (
            "one-to-one matching without replacement on these people changes nothing: "
            f"{members} members against {comparison} comparison people use up both groups"
        )
    return (
        "one-to-one matching without replacement would leave the comparison group as it is and "
        f"only leave out members: {members} members against {comparison} comparison people"
    )
