"""How alike the printed members and non-members are, from what the report says of its sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.estimate import BalanceRow, DiagnosticRow, finite
from coopgap.core.vocabulary import PRINTED, Comparator, Diagnostic
from coopgap.datasets.registry import ALL, Registry
from coopgap.matching.balance import multinomial_smd, smd
from coopgap.printed.items import Table, comparator_of, group_of, is_member, tables
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

    @property
    def differs(self) -> bool:
        """Whether the two groups are made up otherwise, as printed."""
        return not np.allclose(self.member, self.comparison, atol=1e-12)


def covariates(registry: Registry) -> tuple[Covariate, ...]:
    """Covariates that are printed for members and non-members alike."""
    made = (_covariate(table) for table in tables(registry) if table.role == "covariate")
    return tuple(covariate for covariate in made if covariate is not None)


def _covariate(table: Table) -> Covariate | None:
    members = [group for group in table.groups if is_member(group) and group_of(group) == ALL]
    others = [g for g in table.groups if comparator_of(g) == Comparator.COMPARISON]
    if not (members and others and table.is_whole(members[0]) and table.is_whole(others[0])):
        return None
    sides = table.of(members[0]), table.of(others[0])
    shares = [np.array([row.share for row in rows]) for rows in sides]
    people = [
        whole_people(share.tolist(), rows[0].base)
        for share, rows in zip(shares, sides, strict=True)
        if rows[0].base is not None
    ]
    if len(people) < 2:
        return None
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


def balance_rows(covariates: Iterable[Covariate]) -> Iterator[BalanceRow]:
    """Shares and standardised differences of every level; nothing was matched here."""
    for by in covariates:
        gaps = smd(by.member, by.comparison, by.member, by.comparison)
        for place, level in enumerate(by.levels):
            yield BalanceRow(
                model=PRINTED,
                group="all",
                covariate=by.name,
                level=level,
                member_mean=float(by.member[place]),
                comparison_mean_before=float(by.comparison[place]),
                smd_before=finite(gaps[place]),
                source=PRINTED,
            )


def sample_rows(covariates: Iterable[Covariate]) -> Iterator[DiagnosticRow]:
    """Balance of each covariate, and the one-to-one pairs that it allows.

    The p-value is None where both groups print the same rounded percentages: the statistic is
    small because they are rounded alike.
    """
    from scipy import stats

    for by in covariates:

        def row(
            name: Diagnostic, value: float | None, note: str, about: str = by.name, **cells: Any
        ) -> DiagnosticRow:
            return DiagnosticRow(
                model=PRINTED,
                diagnostic=name,
                about=about,
                value=value,
                note=note,
                source=PRINTED,
                **cells,
            )

        people = np.array([by.member_people, by.comparison_people])
        test = stats.chi2_contingency(people[:, people.sum(axis=0) > 0], correction=False)
        nearest = "" if by.counted else " The nearest whole people of the printed percentages."
        alike = not by.counted and bool(np.all(by.member == by.comparison))
        about = f"{by.place}: {by.name} by membership."
        yield row(Diagnostic.CHI2, float(test.statistic), f"{about}{nearest}")
        yield row(Diagnostic.CHI2_DF, float(test.dof), about)
        yield row(
            Diagnostic.CHI2_P,
            None if alike else float(test.pvalue),
            f"{about}{_ALIKE if alike else nearest}",
            statistic=float(test.statistic),
            df=int(test.dof),
        )
        value = multinomial_smd(by.member, by.comparison)
        yield row(
            Diagnostic.SMD,
            value,
            f"{by.place}: multinomial standardised difference of {by.name} between the printed "
            "groups.",
            bar=_BAR,
            passed=value <= _BAR,
        )
        yield row(
            Diagnostic.PAIRS,
            float(people.min(axis=0).sum()),
            f"The most one-to-one pairs of the same printed level of {by.name} that the groups "
            f"allow.{nearest}",
        )
