"""Registries of printed numbers, and their files, read strictly.

`data/peru.csv` holds what What Difference Do Cooperatives Make? Peru (ICRG / OCDC) prints of its
survey and of whom it sets beside it, with its place in the report. The other shipped registries
hold what is quoted elsewhere of the sister studies in Kenya, Poland and the Philippines, with its
source.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Final

from coopgap.core.errors import StudyError, refuse_marks
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


COLUMNS: Final = (
    *("id", "source", "group", "item", "category"),
    *("stat", "value", "base_n", "note"),
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
_MEMBERS = re.compile(r"(.+ )(members?)", re.IGNORECASE)
_WHOLE = re.compile(r"\d{1,12}")
_MOST = 10_000_000
"""Largest base: every base that rounds to a printed share is looked at, one by one."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def load_registry(source: str | Path) -> Registry:
    """Read a shipped registry by its name, or a CSV file by its path.

    Raises `StudyError` for a name that is not shipped, and for whatever is wrong with the file.
    """
    if isinstance(source, Path):
        try:
            content = source.read_bytes()
        except OSError as error:
            reason = error.strerror or "check the file"
            raise StudyError(source.name, "cannot be read", reason) from error
        name, where = source.stem, source.name
    elif source in SHIPPED:
        name, where = source, f"{source}.csv"
        content = (files("coopgap.datasets") / "data" / where).read_bytes()
    else:
        raise StudyError("printed", f"no registry {source}", f"shipped: {', '.join(SHIPPED)}")
    rows = read_registry(where, content)
    return Registry(name=name, rows=rows, sha256=hashlib.sha256(content).hexdigest())


def read_registry(where: str, content: bytes) -> tuple[Printed, ...]:
    """Printed numbers from the bytes of a CSV file in UTF-8; `where` names it in messages.

    Refused are an absent or unknown column, a cell that is not what its column holds, a number
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
    _check_consistent(where, rows)
    _check_references(where, rows)
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
    if text.casefold() in NAMED:
        return text.casefold()
    if others := _NON_MEMBERS.fullmatch(text):
        return f"{others[1] or ''}non-member{'s' if others[1] else ''}"
    if members := _MEMBERS.fullmatch(text):
        return members[1] + members[2].casefold()
    return text


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


def _check_consistent(where: str, rows: Sequence[Printed]) -> None:
    """One name an item and one rank a category of it, each for nothing else."""
    names: dict[str, str] = {}
    items: dict[str, str] = {}
    ranks: dict[tuple[str, str], int] = {}
    ranked: dict[tuple[str, int], str] = {}
    for row in rows:
        if names.setdefault(row.item, row.name) != row.name:
            found = f"{row.id} names its item otherwise"
            raise StudyError(f"{where}: name", found, "allowed: one name an item")
        if row.name and items.setdefault(row.name, row.item) != row.item:
            found = f"{row.name} stands for two items"
            raise StudyError(f"{where}: name", found, "allowed: one item a name")
    for row in rows:
        if row.rank is None:
            continue
        same = ranks.setdefault((row.item, row.category), row.rank) == row.rank
        if not same or ranked.setdefault((row.item, row.rank), row.category) != row.category:
            raise StudyError(
                f"{where}: rank",
                f"{row.id} has another rank than its category elsewhere, or a taken one",
                "allowed: one rank a category of an item",
            )


def _check_references(where: str, rows: Sequence[Printed]) -> None:
    targets = {row.id for row in rows if row.is_share and row.group != ALL and not row.against}
    for row in rows:
        if row.against and (row.against not in targets or not row.is_share):
            raise StudyError(
                f"{where}: against",
                f"{row.id} is set against {row.against}",
                "allowed: the id of another percentage, or count with a base, of a group other "
                f"than {ALL} and not itself set against one",
            )
    groups = {row.id: row.group for row in rows if row.stat == "percent"}
    for row in rows:
        for column, words in (("same_as", "of the same as"), ("apart_from", "apart from")):
            other = getattr(row, column)
            if other and (other == row.id or groups.get(other) != row.group):
                raise StudyError(
                    f"{where}: {column}",
                    f"{row.id} is {words} {other}",
                    "allowed: the id of another percentage of its group",
                )
