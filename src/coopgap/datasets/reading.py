"""A registry file, read strictly: one clear line for the first thing that is wrong."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from coopgap.core.errors import StudyError, refuse_marks
from coopgap.datasets.registry import ALL, NAMED, SHIPPED, Printed, Registry

COLUMNS: Final = (
    "id",
    "source",
    "group",
    "item",
    "category",
    "stat",
    "value",
    "base_n",
    "note",
)
"""Columns that every registry has."""

OPTIONAL: Final = (
    *("name", "rank", "role", "against"),
    *("called", "same_as", "apart_from", "within"),
)
"""Columns that a registry may have."""

STATS: Final = ("percent", "count", "mean", "points", "not printed")
"""What a printed number can be."""

_ROLES: Final = ("", "covariate")
_NUMBER = re.compile(r"-?\d{1,15}(?:\.(\d{1,9}))?")
_NON_MEMBERS = re.compile(
    r"(.+ )?(?:non[- ]?members?|non[- ]?co-?operative[- ]members?)", re.IGNORECASE
)
_WHOLE = re.compile(r"\d{1,12}")
# Every base that rounds to a printed share is looked at, one by one.
_MOST = 10_000_000
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def read_registry(where: str, content: bytes) -> tuple[Printed, ...]:
    """Printed numbers from the bytes of a CSV file.

    Parameters
    ----------
    where
        The file's name, for messages.
    content
        UTF-8, with a header of `COLUMNS` and any of `OPTIONAL`.

    Raises
    ------
    StudyError
        For an absent or unknown column, a cell that is not what its column holds, a number
        printed twice in one place, and an order or a reference that does not fit.
    """
    try:
        text = content.decode("utf-8-sig")
        if "\0" in text:
            raise StudyError(where, "holds NUL bytes", "save it as UTF-8 text")
        refuse_marks(where, text)
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = next(lines, [])
        _check_header(where, header)
        rows = [_row(where, lines.line_num, header, cells) for cells in lines if any(cells)]
    except UnicodeDecodeError as error:
        raise StudyError(where, "is not UTF-8", "save it as UTF-8") from error
    except csv.Error as error:
        raise StudyError(where, f"is not CSV: {error}", "mend that line") from error
    _check_once(where, rows)
    _check_names(where, rows)
    _check_ranks(where, rows)
    _check_against(where, rows)
    _check_others(where, rows)
    return tuple(rows)


def _check_header(where: str, header: Sequence[str]) -> None:
    allowed = (*COLUMNS, *OPTIONAL)
    for name in header:
        if name not in allowed:
            found = f"unknown column {name}" if name else "a column without a name"
            raise StudyError(where, found, f"allowed: {', '.join(allowed)}")
        if header.count(name) > 1:
            raise StudyError(where, f"has the column {name} twice", "allowed: each once")
    absent = [name for name in COLUMNS if name not in header]
    if absent:
        raise StudyError(where, f"has no column {absent[0]}", f"give {', '.join(COLUMNS)}")


def _row(where: str, line: int, header: Sequence[str], cells: Sequence[str]) -> Printed:
    at = f"{where}: line {line}"
    if len(cells) != len(header):
        raise StudyError(
            at, "has another number of cells than the header", f"allowed: {len(header)}"
        )
    row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    for name in ("id", "source", "group", "item"):
        if not row[name]:
            raise StudyError(f"{at}: {name}", "is empty", "give a text")
    stat, role = row["stat"], row.get("role", "")
    if stat not in STATS:
        raise StudyError(f"{at}: stat", f'is "{stat}"', f"allowed: {', '.join(STATS)}")
    if role not in _ROLES:
        raise StudyError(f"{at}: role", f'is "{role}"', "allowed: covariate, or empty")
    name = row.get("name", "")
    if name and not _NAME.fullmatch(name):
        raise StudyError(
            f"{at}: name", f'is "{name}"', "allowed: small letters, digits and _, a letter first"
        )
    base = _whole(at, "base_n", row)
    value, decimals = _value(at, row, base)
    return Printed(
        id=row["id"],
        place=row["source"],
        group=_group(row["group"]),
        item=row["item"],
        category=row["category"],
        stat=stat,
        value=value,
        base=base,
        note=row["note"],
        decimals=decimals,
        name=name,
        rank=_whole(at, "rank", row),
        role=role,
        against=row.get("against", ""),
        called=_group(row.get("called", "")),
        same_as=row.get("same_as", ""),
        apart_from=row.get("apart_from", ""),
        within=_whole(at, "within", row),
    )


def _group(text: str) -> str:
    """A group's name; those that mean something are found in any case."""
    plain = text.casefold()
    if plain in NAMED:
        return plain
    found = _NON_MEMBERS.fullmatch(text)
    if found:
        return f"{found[1] or ''}non-member{'s' if found[1] else ''}"
    words = re.fullmatch(r"(.+ )members?", text, re.IGNORECASE)
    return f"{words[1]}{plain[len(words[1]) :]}" if words else text


def _whole(at: str, name: str, row: Mapping[str, str]) -> int | None:
    text = row.get(name, "")
    if not text:
        return None
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= _MOST:
        raise StudyError(
            f"{at}: {name}", f'is "{text}"', f"allowed: a whole number to {_MOST}, or empty"
        )
    return int(text)


def _value(at: str, row: Mapping[str, str], base: int | None) -> tuple[float, int]:
    text, stat = row["value"], row["stat"]
    if stat == "not printed":
        if text:
            raise StudyError(f"{at}: value", "is given", "leave it empty: nothing is printed")
        return float("nan"), 0
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise StudyError(f"{at}: value", f'is "{text}"', "allowed: a number, without a sign of %")
    value, decimals = float(text), len(found[1] or "")
    allowed = {
        "percent": (0.0, 100.0),
        "points": (-100.0, 100.0),
        "count": (0.0, float("inf") if base is None else base),
        "mean": (-float("inf"), float("inf")),
    }[stat]
    if not allowed[0] <= value <= allowed[1]:
        limits = f"{allowed[0]:g} to {allowed[1]:g}"
        raise StudyError(f"{at}: value", f"is {text}", f"allowed for {stat}: {limits}")
    if stat == "count" and decimals:
        raise StudyError(f"{at}: value", f"is {text}", "allowed for count: a whole number")
    return value, decimals


def _check_once(where: str, rows: Sequence[Printed]) -> None:
    if not rows:
        raise StudyError(where, "holds no printed number", "give one a line")
    ids: set[str] = set()
    seen: dict[tuple[str, ...], str] = {}
    for row in rows:
        if row.id in ids:
            raise StudyError(where, f"has the id {row.id} twice", "allowed: each once")
        ids.add(row.id)
        key = (row.place, row.group, row.item, row.category)
        if key in seen:
            raise StudyError(
                where,
                f"{row.id} repeats {seen[key]}: source, group, item and category",
                "give each number once a place",
            )
        seen[key] = row.id


def _check_names(where: str, rows: Sequence[Printed]) -> None:
    by_item: dict[str, str] = {}
    by_name: dict[str, str] = {}
    for row in rows:
        name = by_item.setdefault(row.item, row.name)
        if name != row.name:
            raise StudyError(
                f"{where}: name", f"{row.id} names its item otherwise", "allowed: one name an item"
            )
        if row.name and by_name.setdefault(row.name, row.item) != row.item:
            raise StudyError(
                f"{where}: name", f"{row.name} stands for two items", "allowed: one item a name"
            )


def _check_ranks(where: str, rows: Sequence[Printed]) -> None:
    ranks: dict[tuple[str, str], int] = {}
    taken: dict[tuple[str, int], str] = {}
    for row in rows:
        if row.rank is None:
            continue
        same = ranks.setdefault((row.item, row.category), row.rank) == row.rank
        if not same or taken.setdefault((row.item, row.rank), row.category) != row.category:
            raise StudyError(
                f"{where}: rank",
                f"{row.id} has another rank than its category elsewhere, or a taken one",
                "allowed: one rank a category of an item",
            )


def _check_against(where: str, rows: Sequence[Printed]) -> None:
    targets = {row.id for row in rows if row.is_share and row.group != ALL and not row.against}
    for row in rows:
        if row.against and (row.against not in targets or not row.is_share):
            raise StudyError(
                f"{where}: against",
                f"{row.id} is set against {row.against}",
                "allowed: the id of another percentage, or count with a base, of a group other "
                f"than {ALL} and not itself set against one",
            )


def _check_others(where: str, rows: Sequence[Printed]) -> None:
    groups = {row.id: row.group for row in rows if row.stat == "percent"}
    for row in rows:
        for column, says in (("same_as", "of the same as"), ("apart_from", "apart from")):
            other = getattr(row, column)
            if other and (other == row.id or groups.get(other) != row.group):
                raise StudyError(
                    f"{where}: {column}",
                    f"{row.id} is {says} {other}",
                    "allowed: the id of another percentage of its group",
                )


def load_registry(source: str | Path) -> Registry:
    """Read a registry.

    Parameters
    ----------
    source
        The name of a shipped registry, or the path of a CSV file.

    Raises
    ------
    StudyError
        For a name that is not shipped, and for whatever is wrong with the file.
    """
    if isinstance(source, Path):
        try:
            content = source.read_bytes()
        except OSError as error:
            raise StudyError(
                source.name, "cannot be read", error.strerror or "check the file"
            ) from error
        name, where = source.stem, source.name
    elif source in SHIPPED:
        name, where = source, f"{source}.csv"
        content = (files("coopgap.datasets") / "data" / where).read_bytes()
    else:
        raise StudyError("printed", f"no registry {source}", f"shipped: {', '.join(SHIPPED)}")
    rows = read_registry(where, content)
    return Registry(name=name, rows=rows, sha256=hashlib.sha256(content).hexdigest())
