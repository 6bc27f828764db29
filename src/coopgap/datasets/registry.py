"""The registry of printed numbers: place, group, item, base, note.

`data/peru.csv` holds what What Difference Do Cooperatives Make? Peru (ICRG / OCDC) prints of its
survey and of whom it sets beside it, with its place in the report. The other shipped registries
hold what is quoted elsewhere of the sister studies in Kenya, Poland and the Philippines, with its
source.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from coopgap.core.vocabulary import Comparator
from coopgap.datasets.ranges import Range, share_range, two_stage_ranges

SHIPPED: Final = ("kenya", "peru", "philippines", "poland")
"""Registries that come with coopgap."""

ALL: Final = "all"
KNOWN_GROUPS = {
    "non-member": Comparator.COMPARISON,
    "non-members": Comparator.COMPARISON,
    "comparison": Comparator.COMPARISON,
    "national average": Comparator.NATIONAL,
    "national": Comparator.NATIONAL,
}
NAMED = frozenset({"member", "members", ALL, *KNOWN_GROUPS})
"""Groups that a rule knows by name, in small letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """One printed number.

    Attributes
    ----------
    place
        Table, figure or section.
    stat
        `percent`, `count`, `mean`, `points` (a difference in percentage points), or
        `not printed` for what is named without a number.
    value
        As printed; NaN where nothing is.
    base
        People behind a percentage or a count; None where no base is printed.
    decimals
        Digits printed behind the decimal point.
    name
        Short name of the item; empty where none is given.
    rank
        Place of an ordered category, 1 the lowest; None where categories have no order.
    role
        `covariate` for what the sample is made of; empty for what was asked.
    against
        The id of the number this one is set beside; empty where a rule finds it.
    called
        The group that the text calls this one's; empty where it calls it by its own name.
    same_as
        The id of a number of the same thing under another item; empty where there is none.
    apart_from
        The id of a share of the same group that nobody can be in as well; empty where none is said.
    within
        People by which the report says two groups' counts differ at most; None where it does not.
    """

    id: str
    place: str
    group: str
    item: str
    category: str
    stat: str
    value: float
    base: int | None
    note: str
    decimals: int = 0
    name: str = ""
    rank: int | None = None
    role: str = ""
    against: str = ""
    called: str = ""
    same_as: str = ""
    apart_from: str = ""
    within: int | None = None

    @property
    def is_share(self) -> bool:
        """Whether it is a share of people: a percentage, or a count of a base."""
        return self.stat == "percent" or (self.stat == "count" and self.base is not None)

    @property
    def share(self) -> float:
        """The share on the probability scale, as printed."""
        if self.stat == "count" and self.base is not None:
            return self.value / self.base
        return self.value / 100

    @property
    def exact(self) -> Fraction:
        """The printed number itself, without the error of a float."""
        return Fraction(f"{self.value:.{self.decimals}f}")

    @property
    def range(self) -> Range | None:
        """Lowest and highest share that prints so; None if no count of the base does."""
        if self.stat == "count":
            return self.share, self.share
        return share_range(self.exact, self.base, self.decimals)

    def after(self, first: Printed) -> tuple[Range, Range] | None:
        """Ranges of this share of those who passed `first`: of them, and of all.

        None where the base of `first` is not printed, or no counts give the two percentages.
        """
        if first.base is None:
            return None
        decimals = first.decimals, self.decimals
        return two_stage_ranges(first.exact, self.exact, first.base, decimals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The printed numbers of one report, in its order; `sha256` is of the file's bytes."""

    name: str
    rows: tuple[Printed, ...]
    sha256: str = ""

    def find(
        self,
        *,
        item: str,
        group: str | None = None,
        category: str | None = None,
        place: str | None = None,
    ) -> tuple[Printed, ...]:
        """Rows of an item, narrowed down by group, category and place."""
        return tuple(
            row
            for row in self.rows
            if row.item == item
            and group in (None, row.group)
            and category in (None, row.category)
            and place in (None, row.place)
        )

    def base_of(self, *groups: str) -> int | None:
        """People asked of a group under any of its names; None where no `sample size` says it."""
        found = [row for row in self.find(item="sample size") if row.group in groups]
        return int(found[0].value) if found and found[0].stat == "count" else None
