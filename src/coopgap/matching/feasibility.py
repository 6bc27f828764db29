"""What a matching design can and cannot do with these people, before any outcome is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coopgap.arrays import BoolArray, FloatArray
from coopgap.estimate import DiagnosticRow
from coopgap.matching.balance import largest_smd_after
from coopgap.matching.dispatch import stratum_codes
from coopgap.matching.sample import MatchedSample
from coopgap.matching.weights import combined_weight, effective_size
from coopgap.study.spec import Matching
from coopgap.survey.records import ModelRows

__all__ = ["SMD_BAR", "Strata", "feasibility_rows", "pairs_possible", "stratum_counts"]

SMD_BAR = 0.1
"""Standardised difference above which a covariate counts as unbalanced."""

FEW = 5
"""Fewer comparison people than this in a stratum: each stands for many."""

_SAME_SIZE = 0.98
_NOTHING = 0.02
_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Strata:
    """Unweighted people of each group in each stratum, shape (s,)."""

    member: FloatArray
    comparison: FloatArray

    @property
    def members_only(self) -> int:
        """Strata without comparison people."""
        return int(((self.member > 0) & (self.comparison == 0)).sum())

    @property
    def comparison_only(self) -> int:
        """Strata without members."""
        return int(((self.member == 0) & (self.comparison > 0)).sum())


def stratum_counts(rows: ModelRows, on: Sequence[str]) -> Strata:
    """Count members and comparison people in each combination of `on` that occurs."""
    stratum = stratum_codes(rows, on)
    size = int(stratum.max(initial=-1)) + 1
    return Strata(
        member=np.bincount(stratum[rows.member], minlength=size).astype(np.float64),
        comparison=np.bincount(stratum[~rows.member], minlength=size).astype(np.float64),
    )


def pairs_possible(rows: ModelRows, on: Sequence[str]) -> int:
    """Most one-to-one pairs without replacement that agree on every variable of `on`.

    The sum over strata of the smaller group; with no variable, the smaller group.
    """
    strata = stratum_counts(rows, on)
    return int(np.minimum(strata.member, strata.comparison).sum())


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
    found = [*_complete(rows), *_positivity(rows, matching)]
    if matched is not None:
        found += _reached(rows, matched)
    found += _pairs(rows, matching)
    return [
        DiagnosticRow(
            model=model,
            diagnostic=item.name,
            value=item.value,
            bar=item.bar,
            passed=item.passed,
            note=item.note,
            source=source,
        )
        for item in found
    ]


@dataclass(frozen=True, slots=True)
class _Item:
    name: str
    value: float
    note: str
    bar: float | None = None
    passed: bool | None = None


def _complete(rows: ModelRows) -> list[_Item]:
    members = int(rows.member.sum())
    note = f"{members} members and {rows.n - members} comparison people answer all it needs"
    return [
        _Item("rows_complete", rows.n, note),
        *(_Item(f"dropped: {drop.reason}", drop.count, "people left out") for drop in rows.dropped),
    ]


def _positivity(rows: ModelRows, matching: Matching) -> list[_Item]:
    strata = stratum_counts(rows, matching.on)
    named = " x ".join(matching.on) or "no variable"
    total = strata.member.size
    few = (strata.member > 0) & (strata.comparison > 0) & (strata.comparison < FEW)
    return [
        _Item(
            "strata_members_only",
            strata.members_only,
            f"of {total} strata of {named} that occur; these hold members and no comparison person",
        ),
        _Item(
            "strata_comparison_only",
            strata.comparison_only,
            f"of {total} strata of {named} that occur; these hold comparison people and no member",
        ),
        _Item(
            "strata_few_comparison",
            int(few.sum()),
            f"of {total} strata of {named} that occur; these hold members and 1 to {FEW - 1} "
            "comparison people",
        ),
    ]


def _reached(rows: ModelRows, matched: MatchedSample) -> list[_Item]:
    kept = matched.weight > 0
    members, comparison = int(rows.member.sum()), int((~rows.member).sum())
    lost = int((rows.member & ~kept).sum())
    unused = int((~rows.member & ~kept).sum())
    weight = combined_weight(rows.weight, matched.weight)
    smd, where = largest_smd_after(rows, matched)
    before = MatchedSample(
        method=matched.method, weight=np.ones(rows.n), set_id=matched.set_id, n_sets=0
    )
    unmatched, at = largest_smd_after(rows, before)
    items = [
        _Item(
            "members_without_comparison",
            lost,
            f"of {members} members; the matched gap is about the others",
        ),
        _Item("members_without_comparison_share", lost / members, f"{lost} of {members} members"),
        _Item("comparison_unused", unused, f"of {comparison} comparison people"),
        _Item(
            "ess_comparison",
            effective_size(weight[~rows.member]),
            f"the weighted comparison group is worth this many of its {comparison} people",
        ),
        _Item("matched_sets", matched.n_sets, "sets that hold both groups"),
    ]
    items += [*_moved(rows, weight), *_lost_by_level(rows, kept)]
    if np.isfinite(unmatched):
        note = f"largest standardised difference of the unmatched groups, at {at}"
        items.append(_Item("largest_smd_before", unmatched, note))
    if np.isfinite(smd):
        items.append(
            _Item(
                "largest_smd_after",
                smd,
                f"largest standardised difference left, at {where}"
                if smd > 0
                else "no difference is left in any covariate",
                SMD_BAR,
                smd <= SMD_BAR,
            )
        )
    return items


def _moved(rows: ModelRows, weight: FloatArray) -> list[_Item]:
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
        _Item("comparison_weight_moved", other, note),
        _Item("member_weight_moved", own, about_members),
    ]


def _lost_by_level(rows: ModelRows, kept: BoolArray) -> list[_Item]:
    """Members without comparison by level of each covariate, where enough members have it."""
    lost = []
    asked = (name for name, codes in rows.factors.items() if (codes[~rows.member] >= 0).any())
    for name in asked:
        codes = rows.factors[name]
        for code, level in enumerate(rows.factor_levels[name]):
            here = rows.member & (codes == code)
            size, left = int(here.sum()), int((here & ~kept).sum())
            if left and size >= _SHOWN:
                lost.append(_Item(f"members_lost: {name}={level}", left, f"of {size} members"))
    return lost


def _pairs(rows: ModelRows, matching: Matching) -> list[_Item]:
    members, comparison = int(rows.member.sum()), int((~rows.member).sum())
    within = pairs_possible(rows, matching.on)
    named = ", ".join(matching.on) or "nothing"
    anyone = min(members, comparison)
    return [
        _Item(
            "pairs_possible",
            within,
            f"one-to-one pairs without replacement that agree on {named}, "
            f"of {members} members and {comparison} comparison people",
        ),
        _Item("pairs_ignoring_strata", anyone, _pair_note(members, comparison)),
        *_pairs_by_level(rows, matching),
    ]


def _pairs_by_level(rows: ModelRows, matching: Matching) -> list[_Item]:
    """The same within each level of the first variable of the strata."""
    if not matching.on:
        return []
    name, found = matching.on[0], []
    for code, level in enumerate(rows.factor_levels[name]):
        here = rows.factors[name] == code
        part = rows.take(here)
        members = int(part.member.sum())
        note = f"of {members} members and {part.n - members} comparison people"
        pairs = pairs_possible(part, matching.on) if part.n else 0
        found.append(_Item(f"pairs_possible: {name}={level}", pairs, note))
    return found


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
