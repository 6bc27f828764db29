"""How alike the printed members and non-members are, from what the report says of its sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.estimate import BalanceRow, DiagnosticRow
from coopgap.core.vocabulary import PRINTED, Comparator, Diagnostic
from coopgap.datasets.registry import ALL, Registry
from coopgap.matching.balance import multinomial_smd, smd
from coopgap.printed.items import Table, comparator_of, group_of, is_distribution, is_member, tables
from coopgap.printed.rounding import whole_people

_BAR = 0.1
_ALIKE = " Both groups print the same percentages: rounding makes it small, so no p-value is given."


@dataclass(frozen=True, slots=True, kw_only=True)
class Covariate:
    """What members and non-members are made of, by one variable.

    Attributes
    ----------
    member, comparison
        Shape (k,): shares of the levels, as printed.
    member_people, comparison_people
        Shape (k,): people, where percentages are printed the nearest whole ones.
    counted
        Whether people are printed, not percentages.
    """

    name: str
    place: str
    levels: tuple[str, ...]
    ordered: bool
    member: FloatArray
    comparison: FloatArray
    member_people: FloatArray
    comparison_people: FloatArray
    counted: bool


def covariates(registry: Registry) -> tuple[Covariate, ...]:
    """Covariates that are printed for members and non-members alike."""
    return tuple(
        found
        for table in tables(registry)
        if table.role == "covariate" and (found := _covariate(table)) is not None
    )


def _covariate(table: Table) -> Covariate | None:
    members = [one for one in table.groups if is_member(one) and group_of(one) == ALL]
    others = [one for one in table.groups if comparator_of(one) == Comparator.COMPARISON]
    sides = [table.of(side[0]) if side else () for side in (members, others)]
    if any(len(rows) != len(table.categories) or not is_distribution(rows) for rows in sides):
        return None
    bases = [rows[0].base for rows in sides]
    if None in bases:
        return None
    shares = [np.array([row.share for row in rows]) for rows in sides]
    people = [
        whole_people(share.tolist(), base)
        for share, base in zip(shares, bases, strict=True)
        if base is not None
    ]
    return Covariate(
        name=table.slug,
        place=table.place,
        levels=table.categories,
        ordered=table.ordered,
        member=shares[0] / shares[0].sum(),
        comparison=shares[1] / shares[1].sum(),
        member_people=people[0],
        comparison_people=people[1],
        counted=sides[0][0].stat == "count",
    )


def balance_rows(registry: Registry) -> Iterator[BalanceRow]:
    """Shares and standardised differences of every level; nothing was matched here."""
    for one in covariates(registry):
        gaps = smd(one.member, one.comparison, one.member, one.comparison)
        for place, level in enumerate(one.levels):
            yield BalanceRow(
                model=PRINTED,
                group="all",
                covariate=one.name,
                level=level,
                member_mean=float(one.member[place]),
                comparison_mean_before=float(one.comparison[place]),
                smd_before=float(gaps[place]) if np.isfinite(gaps[place]) else None,
                source=PRINTED,
            )


def design_rows(registry: Registry) -> Iterator[DiagnosticRow]:
    """Balance of each covariate, and the one-to-one pairs that it allows.

    The p-value is None where both groups print the same rounded percentages: the statistic is
    small because they are rounded alike.
    """
    from scipy import stats

    for one in covariates(registry):
        people = np.array([one.member_people, one.comparison_people])
        test = stats.chi2_contingency(people[:, people.sum(axis=0) > 0], correction=False)
        nearest = "" if one.counted else " The nearest whole people of the printed percentages."
        alike = not one.counted and bool(np.all(one.member == one.comparison))
        about = f"{one.place}: {one.name} by membership."
        row = partial(_row, one.name)
        yield row(Diagnostic.CHI2, float(test.statistic), f"{about}{nearest}")
        yield row(Diagnostic.CHI2_DF, float(test.dof), about)
        yield replace(
            row(
                Diagnostic.CHI2_P,
                None if alike else float(test.pvalue),
                f"{about}{_ALIKE if alike else nearest}",
            ),
            statistic=float(test.statistic),
            df=int(test.dof),
        )
        yield row(
            Diagnostic.SMD,
            multinomial_smd(one.member, one.comparison),
            f"{one.place}: multinomial standardised difference of {one.name} between the printed "
            "groups.",
            bar=_BAR,
        )
        yield row(
            Diagnostic.PAIRS,
            float(np.minimum(one.member_people, one.comparison_people).sum()),
            f"The most one-to-one pairs of the same printed level of {one.name} that the groups "
            f"allow.{nearest}",
        )


def _row(
    covariate: str, name: Diagnostic, value: float | None, note: str, bar: float | None = None
) -> DiagnosticRow:
    return DiagnosticRow(
        model=PRINTED,
        diagnostic=name,
        about=covariate,
        value=value,
        bar=bar,
        passed=None if bar is None or value is None else value <= bar,
        note=note,
        source=PRINTED,
    )
