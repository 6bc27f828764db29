"""Which strata hold both groups, and how many pairs they can make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from coopgap.arrays import BoolArray, FloatArray
from coopgap.matching.dispatch import stratum_codes
from coopgap.study.spec import Matching
from coopgap.survey.records import ModelRows
from coopgap.vocabulary import Kind

__all__ = [
    "HARDLY_ANY",
    "Item",
    "Strata",
    "pairs",
    "pairs_possible",
    "positivity",
    "stratum_counts",
]

HARDLY_ANY = 5
"""Fewer comparison people than this in a stratum: each stands for many."""

_SAME_SIZE = 0.98


@dataclass(frozen=True, slots=True)
class Item:
    """One finding about a design."""

    name: str
    value: float | None
    note: str
    bar: float | None = None
    passed: bool | None = None
    kind: Kind = Kind.COUNT


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
    found = [
        Item(
            "strata_members_only",
            int(strata.members_only.sum()),
            f"{of} members and no comparison person",
        ),
        Item(
            "strata_comparison_only",
            int(strata.comparison_only.sum()),
            f"{of} comparison people and no member",
        ),
        Item("strata_few_comparison", int(strata.few_comparison.sum()), f"{of} members and {few}"),
    ]
    if on:
        found += _cells("members_only", strata, strata.members_only, "no comparison person")
        found += _cells("few_comparison", strata, strata.few_comparison, few)
    return found


def _cells(kind: str, strata: Strata, chosen: BoolArray, beside: str) -> Iterator[Item]:
    """Strata by name, with their number of members."""
    for at in np.flatnonzero(chosen):
        members = int(strata.member[at])
        yield Item(f"stratum_{kind}: {strata.labels[at]}", members, f"members and {beside}")


def pairs(rows: ModelRows, matching: Matching) -> list[Item]:
    """One-to-one pairs within strata, without strata, and by level of each stratum variable."""
    members, comparison = int(rows.member.sum()), int((~rows.member).sum())
    on = _levelled(rows, matching)
    named = ", ".join(on) or "nothing"
    return [
        Item(
            "pairs_possible",
            pairs_possible(rows, on),
            f"one-to-one pairs without replacement that agree on {named}, "
            f"of {members} members and {comparison} comparison people",
        ),
        Item("pairs_ignoring_strata", min(members, comparison), _pair_note(members, comparison)),
        *_pairs_by_level(rows, on),
    ]


def _pairs_by_level(rows: ModelRows, on: Sequence[str]) -> Iterator[Item]:
    """Pairs that agree on all of `on` within each level of each of its variables."""
    for name in on:
        for code, level in enumerate(rows.factor_levels[name]):
            part = rows.take(np.asarray(rows.factors[name] == code))
            members = int(part.member.sum())
            note = f"of {members} members and {part.n - members} comparison people"
            yield Item(f"pairs_possible: {name}={level}", pairs_possible(part, on), note)


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
