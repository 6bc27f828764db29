"""What the reading process and its parent share: refusals, and choosing columns by name.

Imports nothing but the standard library, so that the process starts at once.
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

REFUSED = 3
"""Exit code of a reading process that refuses a file, with the reason on standard output."""

MARK = "provenance"
"""The column that marks example data; it comes along with any choice of columns."""


class Refusal(Exception):
    """The file can be read but is not what is wanted."""

    def __init__(self, found: str, allowed: str) -> None:
        super().__init__(found)
        self.found = found
        self.allowed = allowed


def choose(names: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """Columns to read: those wanted and the provenance mark.

    Raises
    ------
    Refusal
        A wanted column is missing, or stands more than once.
    """
    counts = Counter(names)
    chosen = list(dict.fromkeys(name for name in names if name) if wanted is None else wanted)
    for name in chosen:
        if name not in counts:
            raise Refusal(f"no column {name!r}", _nearest(name, names))
        if counts[name] > 1:
            raise Refusal(
                f"column {name!r} stands {counts[name]} times in the header",
                "give every column its own name",
            )
    if MARK not in chosen and counts[MARK] == 1:
        chosen.append(MARK)
    return chosen


def one_part(
    parts: Sequence[tuple[str, Sequence[str]]], wanted: Sequence[str] | None, what: str
) -> int:
    """Place of the part of a file that is meant, such as a sheet; refused where two could be.

    Parameters
    ----------
    parts
        The name and the columns of each, at least one.
    wanted
        Columns; the first part is meant if None.
    what
        What the parts are called.
    """
    if wanted is None:
        alike = [place for place, (_, names) in enumerate(parts) if names == parts[0][1]]
    else:
        alike = [place for place, (_, names) in enumerate(parts) if set(wanted) <= set(names)]
    if len(alike) > 1:
        named = ", ".join(repr(parts[place][0]) for place in alike[:5])
        raise Refusal(
            f"{len(alike)} {what} have these columns: {named}",
            "leave one of them in the file, or save it as CSV",
        )
    return alike[0] if alike else 0


def _nearest(name: str, names: Sequence[str]) -> str:
    folded = {other.casefold().strip(): other for other in names if other}
    near = difflib.get_close_matches(name.casefold().strip(), folded, n=3, cutoff=0.6)
    if near:
        return "the nearest are " + ", ".join(repr(folded[key][:60]) for key in near)
    return f"none of its {len(names)} columns has a name like it"


def with_notes(table: pa.Table, notes: Mapping[str, Any]) -> pa.Table:
    """Table that carries labels and encoding as JSON in its schema metadata."""
    return table.replace_schema_metadata({"coopgap": json.dumps(notes, default=str)})
