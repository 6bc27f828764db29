"""Which strata hold both groups, and how many pairs they can make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray
from coopgap.core.vocabulary import Diagnostic, Kind
from coopgap.matching.dispatch import stratum_codes
from coopgap.study.spec import Matching
from coopgap.survey.records import ModelRows

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
    """Most one-to-one pairs without replacement that agree on every variable of `on`.

    The sum over strata of the smaller group; with no variable, the smaller group.
    """
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
    found = [
        Item(name, n, f"{of} {who}", n=n, of=strata.member.size)
        for name, chosen, who in kinds
        for n in (int(chosen.sum()),)
    ]
    if on:
        only, some = Diagnostic.STRATUM_MEMBERS_ONLY, Diagnostic.STRATUM_FEW_COMPARISON
        found += _cells(only, strata, strata.members_only, "no comparison person")
        found += _cells(some, strata, strata.few_comparison, few)
    return found


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
