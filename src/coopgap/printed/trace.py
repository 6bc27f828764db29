"""Where each printed number went: the rows it stands behind, or why there is none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coopgap.datasets.registry import ALL, Printed, Registry
from coopgap.printed.items import tables
from coopgap.printed.phone import ITEM
from coopgap.printed.records import Line

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Traced", "is_used", "registry_frame", "trace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """One printed number with the models of gaps.csv it is used in, or a reason for none."""

    printed: Printed
    models: tuple[str, ...]
    reason: str


def is_used(line: Line) -> bool:
    """Whether a line has rows: two shares, or one whose base is printed."""
    if line.member is not None and line.other is not None:
        return True
    side = line.member or line.other
    return side is not None and side.n is not None


def trace(
    registry: Registry,
    found: Iterable[Line],
    others: Mapping[str, str] | None = None,
    *,
    powered: bool = True,
) -> Iterator[Traced]:
    """Every number of the registry, in its order.

    Parameters
    ----------
    registry
        The printed numbers.
    found
        Lines that have rows.
    others
        Models by the id of a number that has rows without being in a line.
    powered
        Whether what the phone interviews could confirm stands in sensitivity.csv.
    """
    models: dict[str, dict[str, None]] = defaultdict(dict)
    for one, model in (others or {}).items():
        models[one][model] = None
    for line in found:
        for side in (line.member, line.other):
            for one in () if side is None else side.ids:
                models[one][f"printed_{line.slug}"] = None
    repeats = {
        other: one
        for table in tables(registry)
        for one, same in table.same.items()
        for other in same
    }
    for row in registry.rows:
        named = tuple(models.get(row.id, ()))
        yield Traced(printed=row, models=named, reason=_reason(row, repeats, bool(named), powered))


def _reason(row: Printed, repeats: Mapping[str, str], used: bool, powered: bool) -> str:
    if used:
        return f"prints the same as {repeats[row.id]}" if row.id in repeats else ""
    if row.stat == "not printed":
        return row.note or "no number is printed"
    if row.item == "sample size":
        return "the size of a sample"
    if row.item == ITEM and powered:
        return "the phone interviews: their power stands in sensitivity.csv"
    if row.stat == "mean":
        return "a mean without a spread: no interval can be made"
    if row.stat == "count" and row.base is None:
        return "a count, not a share of people: it has no sampling error to show"
    if row.group == ALL and row.stat == "percent":
        return "both groups together: no gap in it, and a percentage is not checked against parts"
    if row.group == ALL:
        return "both groups together: only checked to be their sum"
    return "no base is printed and nothing is printed beside it: no interval can be made"


def registry_frame(traced: Iterable[Traced]) -> pd.DataFrame:
    """Every printed number with the models it is used in, or why it is in none."""
    import pandas as pd

    records = [
        {
            "id": one.printed.id,
            "source": one.printed.place,
            "group": one.printed.group,
            "item": one.printed.item,
            "category": one.printed.category,
            "stat": one.printed.stat,
            "value": _as_printed(one.printed),
            "base_n": one.printed.base,
            "models": "; ".join(one.models),
            "reason": one.reason,
        }
        for one in traced
    ]
    return pd.DataFrame(records, dtype=object)


def _as_printed(number: Printed) -> int | float | None:
    """A whole number where no decimals are printed, None where nothing is."""
    if number.stat == "not printed":
        return None
    return number.value if number.decimals else int(number.value)
