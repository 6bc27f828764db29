"""What is compared, before it is estimated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One group's share with what is known of it.

    Attributes
    ----------
    value
        As printed, on the probability scale; a sum or product of printed shares where it is one.
    n
        People asked; None where no base is printed.
    range
        Lowest and highest share that rounding allows; None where nothing is rounded, or where no
        whole number of the base gives the percentage.
    fixed
        Taken as exact: shares of a population that no sample of this report is behind.
    ids
        Of the printed numbers.
    """

    value: float
    n: int | None
    range: tuple[float, float] | None
    fixed: bool
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of a comparison, before it is estimated.

    Attributes
    ----------
    slug, outcome, label
        The item's short name, with the place's where places differ; without it; the item in words.
    category
        A level, a threshold, or empty.
    group, comparator
        As in gaps.csv; the comparator is empty without one.
    threshold
        Whether it is a cumulative share of ordered categories.
    whole
        Whether it is a share of everybody asked, not of some of them.
    role
        `covariate` or empty.
    within
        People by which the two counts differ at most, where the report says so.
    """

    slug: str
    outcome: str
    label: str
    place: str
    category: str
    group: str
    comparator: str
    member: Share | None
    other: Share | None
    threshold: bool = False
    whole: bool = True
    role: str = ""
    within: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """Members and a comparator over the same ordered categories, lowest first.

    Attributes
    ----------
    model
        Of its coefficients: the item's, with the comparator where members stand beside several.
    """

    model: str
    slug: str
    outcome: str
    label: str
    place: str
    role: str
    group: str
    comparator: str
    levels: tuple[str, ...]
    member: tuple[Share, ...]
    other: tuple[Share, ...]

    def shares(self) -> tuple[FloatArray, FloatArray]:
        """Printed shares of both, scaled to sum to one."""
        sides = (np.array([one.value for one in side]) for side in (self.member, self.other))
        first, second = (side / side.sum() for side in sides)
        return first, second
