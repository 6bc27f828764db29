"""The registry of printed numbers: place, group, item, base, note.

`data/peru.csv` holds every number printed in What Difference Do Cooperatives Make? Peru (ICRG /
OCDC), with its place in the report.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files

from coopgap.errors import StudyError

__all__ = ["Printed", "Registry", "load_registry"]

SHIPPED = ("peru",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """One printed number.

    Attributes
    ----------
    place
        Table, figure or section.
    stat
        `percent`, `count` or `mean`.
    base
        People behind a percentage; None where no base is printed.
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

    @property
    def share(self) -> float:
        """A percentage on the probability scale."""
        return self.value / 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The printed numbers of one report, in its order."""

    name: str
    rows: tuple[Printed, ...]

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

    def one(self, **keys: str) -> Printed:
        """The only row of its keys.

        Raises
        ------
        LookupError
            If there is none or more than one.
        """
        found = self.find(**keys)
        if len(found) != 1:
            raise LookupError(f"{len(found)} printed numbers for {keys}")
        return found[0]


def load_registry(name: str) -> Registry:
    """Read a shipped registry.

    Raises
    ------
    StudyError
        For a name that is not shipped.
    """
    if name not in SHIPPED:
        raise StudyError("printed", f"no registry {name}", f"shipped: {', '.join(SHIPPED)}")
    text = (files("coopgap.printed") / "data" / f"{name}.csv").read_text(encoding="utf-8")
    return Registry(
        name=name,
        rows=tuple(
            Printed(
                id=row["id"],
                place=row["source"],
                group=row["group"],
                item=row["item"],
                category=row["category"],
                stat=row["stat"],
                value=float(row["value"]),
                base=int(row["base_n"]) if row["base_n"] else None,
                note=row["note"],
            )
            for row in csv.DictReader(text.splitlines())
        ),
    )
