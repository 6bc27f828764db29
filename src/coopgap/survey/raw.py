"""A survey as it stands in its file or table, before any codebook."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from coopgap.core.arrays import BoolArray, IntArray
from coopgap.core.errors import SurveyError
from coopgap.core.vocabulary import EXAMPLE
from coopgap.study.values import Code, lossless, normalise

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MARK: Final = "provenance"
"""The column that marks example data; it comes along with any choice of columns."""


_PLAIN: Final = re.compile(
    r"(?:(?:0|[1-9]\d{0,14}|(?!(?:true|false)\n)[a-z_](?:[!-~ ]*[!-~])?)\n)*+", re.ASCII | re.I
)
"""Lines of whole numbers in plain digits, or of text that no other text is the same as."""


class ArrowStream(Protocol):
    """A table of pandas, polars, pyarrow, DuckDB or another library of Arrow's C interface."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A capsule of its columns."""


type Columns = ArrowStream | Mapping[str, Any]
"""Survey data in memory: a table, or columns by name."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """One column as its k distinct values and who gave which: shape (n,), -1 for an empty cell."""

    values: tuple[Code, ...]
    index: IntArray

    @cached_property
    def counts(self) -> IntArray:
        """Shape (k,): how often each value stands."""
        return np.bincount(self.index[self.index >= 0], minlength=len(self.values))

    @cached_property
    def plain(self) -> bool:
        """Whether all are spelt as they stand: a column may hold a million identifiers."""
        kinds = set(map(type, self.values))
        return kinds <= {int} or (
            kinds == {str} and bool(_PLAIN.fullmatch("\n".join((*self.values, ""))))  # type: ignore[arg-type]
        )

    @cached_property
    def numeric(self) -> bool:
        """Whether texts that write numbers are numbers: no two of them write the same one."""
        return self.plain or lossless(self.values)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The values in the spelling in which they are compared; empty for a blank."""
        return tuple(map(str if self.plain else self.spell, self.values))

    def spell(self, code: Code) -> str:
        """A code as this column would spell it."""
        return normalise(code, numeric=self.numeric)

    def take(self, keep: BoolArray) -> Answers:
        """The rows where `keep`, shape (n,), is true; values that only others gave are gone."""
        index = self.index[keep]
        used = np.bincount(index[index >= 0], minlength=len(self.values)) > 0
        places = np.append(np.cumsum(used) - 1, -1)
        values = tuple(self.values[place] for place in np.flatnonzero(used))
        return Answers(values=values, index=places[index])

    def rows(self, of_value: Sequence[Any] | np.ndarray[Any, Any], blank: Any) -> Any:
        """What holds of each distinct value, and of a blank, by row; shape (n,)."""
        of_value = np.asarray(of_value, dtype=np.asarray(blank).dtype)
        return np.append(of_value, blank)[self.index]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedMissing:
    """A missing value that its file tells from others by a letter: `.a` of Stata, `.A` of SAS."""

    column: str
    code: str
    label: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTable:
    """A survey as it stands in its file.

    Attributes
    ----------
    name, where
        The file without its folder, and as the user named it, for messages.
    sha256
        Of the file's bytes (of the columns' names and values, for a DataFrame).
    data
        The columns that were wanted, and `provenance` if there is one: Arrow columns, in whose
        place come their `Answers` once they are asked for.
    user_missing
        By column, closed ranges of codes that the file itself declares missing.
    label_rows
        Rows under the header that hold labels of the columns, in `n_rows` not counted.
    sheet
        The part of a file (a sheet, a data set) that has others too.
    decimal_commas
        A column of the file whose numbers have decimal commas; empty where there is none.
    """

    name: str
    where: str
    sha256: str
    is_example: bool
    n_rows: int
    data: dict[str, Any]
    labels: Mapping[str, str] = field(default_factory=dict)
    value_labels: Mapping[str, Mapping[Code, str]] = field(default_factory=dict)
    user_missing: Mapping[str, tuple[tuple[Code, Code], ...]] = field(default_factory=dict)
    label_rows: int = 0
    extended: tuple[ExtendedMissing, ...] = ()
    encoding: str = ""
    sheet: str = ""
    delimiter: str = ""
    decimal_commas: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that are here."""
        return tuple(self.data)

    def take(self, keep: BoolArray) -> RawTable:
        """The rows where `keep`, shape (n,), is true; values that only others gave are gone."""
        data = {name: self.answers(name).take(keep) for name in self.data}
        return replace(self, n_rows=int(keep.sum()), data=data)

    def answers(self, column: str) -> Answers:
        """Distinct values of a column, and who gave which; found once."""
        if column not in self.data:
            raise self.refusal(column, "no such column", _nearest(column, self.columns))
        found = self.data[column]
        if not isinstance(found, Answers):
            found = self.data[column] = distinct(found)
        return found

    def refusal(self, column: str, found: str, allowed: str) -> SurveyError:
        """The error that names a column of the file."""
        return SurveyError(f"{self.where}: {column}", found, allowed)


def distinct(column: Any) -> Answers:
    """Distinct values of a pyarrow column, and who gave which."""
    import pyarrow as pa

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    places, words = array.indices, array.dictionary
    index = (places.fill_null(-1) if places.null_count else places).to_numpy(zero_copy_only=False)
    if not (words.null_count or pa.types.is_floating(words.type)):
        return Answers(values=tuple(words.to_numpy(zero_copy_only=False).tolist()), index=index)
    values = words.to_pylist()
    # Only NaN differs from itself.
    kept = np.array([value is not None and value == value for value in values], dtype=bool)
    renumbered = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
    values = [value for value, keep in zip(values, kept, strict=True) if keep]
    return Answers(values=tuple(values), index=renumbered[index])


def from_answers(data: dict[str, Answers], name: str) -> RawTable:
    """A survey of columns whose distinct values are known; its hash covers names and values."""
    digest = hashlib.sha256()
    for column, answers in data.items():
        digest.update(json.dumps([column, [repr(value) for value in answers.values]]).encode())
        digest.update(np.ascontiguousarray(answers.index, dtype="<i8").tobytes())
    return RawTable(
        name=name,
        where=name,
        sha256=digest.hexdigest(),
        is_example=says_example(data.get(MARK), name),
        n_rows=next(iter(data.values())).index.size,
        data={**data},
        encoding="UTF-8",
    )


def says_example(marks: Answers | None, where: str) -> bool:
    """Whether every row is marked; rows of both kinds in one survey are refused."""
    if marks is None:
        return False
    marked = np.array([str(value).strip() == EXAMPLE for value in marks.values], dtype=bool)
    n_marked, n_rows = int(marks.counts[marked].sum()), marks.index.size
    if 0 < n_marked < n_rows:
        raise SurveyError(
            f"{where}: {MARK}",
            f"{n_marked} of {n_rows} rows say {EXAMPLE}",
            "example rows and real rows may not be mixed",
        )
    return n_marked > 0


class Refusal(Exception):
    """The file can be read but is not what is wanted."""

    def __init__(self, found: str, allowed: str) -> None:
        super().__init__(found)
        self.found = found
        self.allowed = allowed


def choose(names: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """Columns to read: those wanted, each there once, and the provenance mark.

    One wanted as `name*` stands for all that begin so.
    """
    counts = Counter(names)
    every = [name for name in names if name] if wanted is None else expand(wanted, names)
    chosen = list(dict.fromkeys(every))
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


def expand(wanted: Iterable[str], names: Sequence[str]) -> list[str]:
    """The columns wanted; for a name with a `*` that is no column all that fit it, by number.

    The `*` stands for a character or more: `PWGTP*` is not `PWGTP`.
    """
    result: list[str] = []
    for name in wanted:
        if "*" not in name or name in names:
            result.append(name)
            continue
        first, _, last = name.partition("*")
        fits = {
            other
            for other in names
            if other.startswith(first) and other.endswith(last) and len(other) >= len(name)
        }
        if not fits:
            raise Refusal(f"no column fits {name!r}", _nearest(first + last, names))
        result += sorted(fits, key=_by_number)
    return result


def _by_number(name: str) -> list[str | int]:
    """A key by which `w2` stands before `w10`."""
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def _nearest(name: str, names: Sequence[str]) -> str:
    folded = {other.casefold().strip(): other for other in names if other}
    near = difflib.get_close_matches(name.casefold().strip(), folded, n=3, cutoff=0.6)
    if near:
        return "the nearest are " + ", ".join(repr(folded[key][:60]) for key in near)
    return f"none of its {len(names)} columns has a name like it"


def one_part(
    parts: Sequence[tuple[str, Sequence[str]]], wanted: Sequence[str] | None, what: str
) -> int:
    """Place of the part, such as a sheet, that has the columns wanted; refused where two have."""
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


def with_notes(table: pa.Table, notes: Mapping[str, Any]) -> pa.Table:
    """Table that carries fields of `RawTable` as JSON in its schema metadata."""
    return table.replace_schema_metadata({"coopgap": json.dumps(notes, default=str)})


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as booleans, integers, floats, or dictionary-encoded text."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_nested(kind):
        raise Refusal("a wanted column holds nested values", "a column holds text or numbers")
    if pa.types.is_dictionary(kind):
        # The values by themselves: not every type of text can be cast inside a dictionary.
        text = pa.types.is_string_view(kind.value_type)
        kind = pa.string() if text else kind.value_type
        chunks = [chunk.dictionary.cast(kind).take(chunk.indices) for chunk in column.chunks]
        column = pa.chunked_array(chunks, kind)
    if pa.types.is_boolean(kind) or pa.types.is_signed_integer(kind):
        return column
    if pa.types.is_integer(kind):
        return column.cast(pa.int64())
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        return shortest(column)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    if pa.types.is_timestamp(kind) and kind.tz is None:
        import pyarrow.compute as pc

        # Days that a library has stored as their first instants, as pandas does.
        days = column.cast(pa.date32(), safe=False)
        if pc.all(pc.equal(days.cast(kind), column)).as_py():
            column = days
    if "binary" in str(kind):
        raise Refusal("a wanted column holds binary data", "a column holds text or numbers")
    return column.cast(pa.string()).dictionary_encode()


def shortest(column: Any) -> pa.ChunkedArray:
    """Numbers of single or half precision as the shortest decimals that they stand for."""
    import pyarrow as pa

    numbers = column.to_numpy(zero_copy_only=False)
    distinct, places = np.unique(numbers, return_inverse=True)
    decimals = np.array([float(str(number)) for number in distinct])
    return pa.chunked_array([pa.array(decimals[places], pa.float64(), from_pandas=True)])


def from_dataframe(frame: Columns, columns: Sequence[str] | None = None) -> RawTable:
    """Take a survey from a table in memory, all columns if none are named; no index is read."""
    name = type(frame).__name__
    try:
        data = _columns(frame, columns)
    except Refusal as refusal:
        raise SurveyError(name, refusal.found, refusal.allowed) from refusal
    return from_answers(data, name)


def _columns(frame: Columns, wanted: Sequence[str] | None) -> dict[str, Answers]:
    import pandas as pd
    import pyarrow as pa

    if isinstance(frame, Mapping):
        try:
            frame = pd.DataFrame(frame)
        except ValueError as error:
            raise Refusal("the columns differ in length", "give one value a person") from error
    if isinstance(frame, pd.DataFrame):
        names, n_rows = [str(column) for column in frame.columns], len(frame)
        columns = {name: frame.iloc[:, place] for place, name in enumerate(names)}
    elif hasattr(frame, "__arrow_c_stream__"):
        table = pa.RecordBatchReader.from_stream(frame).read_all()
        names, n_rows = table.column_names, table.num_rows
        columns = dict(zip(names, table.columns, strict=True))
    else:
        raise Refusal("this is no table", "give a path, a DataFrame, an Arrow table or columns")
    if n_rows == 0 or not names:
        raise Refusal("there are no rows", "give one row a person")
    return {name: distinct(plain(_as_arrow(columns[name]))) for name in choose(names, wanted)}


def _as_arrow(column: pd.Series[Any] | pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as Arrow; one of mixed types becomes text, value by value."""
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        return column
    try:
        return pa.chunked_array([pa.Array.from_pandas(column)])
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        cells = zip(column.tolist(), column.isna().tolist(), strict=True)
        texts = [
            None if empty else value if isinstance(value, str) else normalise(str(value))
            for value, empty in cells
        ]
        return pa.chunked_array([pa.array(texts, type=pa.string())])
