"""From a survey file to a table of raw answers, read in a child process with limits."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coopgap.arrays import IntArray
from coopgap.errors import SurveyError
from coopgap.study.spec import Code
from coopgap.survey.reader_process import MARK, REFUSED, Refusal, choose, plain
from coopgap.vocabulary import EXAMPLE

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMATS", "Answers", "Limits", "RawTable", "from_dataframe", "read_table"]

FORMATS: Mapping[str, str] = {
    ".sav": "SPSS",
    ".zsav": "SPSS",
    ".dta": "Stata",
    ".csv": "CSV",
    ".parquet": "Parquet",
}
"""File formats by extension."""

_GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the reading process may use.

    Attributes
    ----------
    memory
        Bytes of address space.
    seconds
        Of processor time and of waiting.
    """

    memory: int
    seconds: int

    @classmethod
    def for_size(cls, size: int) -> Limits:
        """Limits that a sound file of `size` bytes stays far below."""
        return cls(memory=8 * _GIB + 20 * size, seconds=120 + size // 500_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """One column as its distinct values and who gave which.

    Attributes
    ----------
    values
        The k distinct values as they stand: text, numbers or booleans, none of them missing.
    index
        Shape (n,): position in `values`, -1 where the cell is empty (or not a number).
    """

    values: tuple[Code, ...]
    index: IntArray

    @property
    def counts(self) -> IntArray:
        """Shape (k,): how often each value stands."""
        return np.bincount(self.index[self.index >= 0], minlength=len(self.values))


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTable:
    """A survey as it stands in its file.

    Attributes
    ----------
    name
        Name of the file, without its folder.
    where
        The file as the user named it, for messages.
    sha256
        Of the file's bytes (of the columns' names and values, for a DataFrame).
    n_rows
        Rows in the file.
    is_example
        Whether a column `provenance` says EXAMPLE DATA in every row.
    table
        A pyarrow Table with the columns that were wanted, and `provenance` if there is one.
    labels
        Variable labels, of every column of the file that has one.
    value_labels
        By column, labels of its codes.
    user_missing
        By column, closed ranges of codes that the file itself declares missing.
    encoding
        How text is encoded in the file.
    """

    name: str
    where: str
    sha256: str
    n_rows: int
    is_example: bool
    table: Any
    labels: Mapping[str, str] = field(default_factory=dict)
    value_labels: Mapping[str, Mapping[Code, str]] = field(default_factory=dict)
    user_missing: Mapping[str, tuple[tuple[Code, Code], ...]] = field(default_factory=dict)
    encoding: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that are here."""
        return tuple(self.table.column_names)

    def answers(self, column: str) -> Answers:
        """Distinct values of a column, and who gave which."""
        return _answers(self.table[column])


def _answers(column: Any) -> Answers:
    import pyarrow as pa

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    values = array.dictionary.to_pylist()
    index = array.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    # Only NaN differs from itself.
    kept = np.array([value is not None and value == value for value in values], dtype=bool)
    if not kept.all():
        places = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
        index = places[index]
        values = [value for value, keep in zip(values, kept, strict=True) if keep]
    return Answers(values=tuple(values), index=index)


def read_table(
    path: Path,
    columns: Sequence[str] | None,
    encoding: str | None = None,
    limits: Limits | None = None,
) -> RawTable:
    """Read a survey file in a child process.

    Parameters
    ----------
    path
        An SPSS (.sav, .zsav), Stata (.dta), CSV (.csv) or Parquet (.parquet) file.
    columns
        The columns wanted; all if None. `provenance` comes along wherever there is one.
    encoding
        Of a CSV file; detected if None.
    limits
        On memory and time; `Limits.for_size` if None.

    Returns
    -------
    RawTable

    Raises
    ------
    SurveyError
        The file is missing, is not what its extension says, is damaged, has no rows, or lacks a
        wanted column (the nearest names are given).
    """
    size = _check_file(path)
    _check_content(path)
    limits = limits or Limits.for_size(size)
    table = _read_in_child(path, columns, encoding, limits)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    notes = json.loads((table.schema.metadata or {}).get(b"coopgap", b"{}"))
    return RawTable(
        name=path.name,
        where=str(path),
        sha256=sha256,
        n_rows=table.num_rows,
        is_example=_is_example(table, str(path)),
        table=table,
        labels=notes.get("labels", {}),
        value_labels={
            name: {code: str(label) for code, label in pairs}
            for name, pairs in notes.get("value_labels", {}).items()
        },
        user_missing={
            name: tuple((low, high) for low, high in spans)
            for name, spans in notes.get("user_missing", {}).items()
        },
        encoding=notes.get("encoding") or "",
    )


def _check_file(path: Path) -> int:
    """Size of a readable, non-empty file with a known extension."""
    where = str(path)
    if path.is_dir():
        raise SurveyError(where, "this is a folder", "give a survey file")
    if path.suffix.lower() not in FORMATS:
        found = f"extension {path.suffix!r}" if path.suffix else "no extension"
        raise SurveyError(where, found, "a survey file ends in " + ", ".join(FORMATS))
    if not path.exists():
        raise SurveyError(where, "no such file", "give the path of a survey file")
    if not path.is_file():
        raise SurveyError(where, "this is not a regular file", "give a survey file")
    size = path.stat().st_size
    if size == 0:
        raise SurveyError(where, "the file is empty", "give a header and one row a person")
    return size


_MAGIC = (
    (b"$FL2", "SPSS"),
    (b"$FL3", "SPSS"),
    (b"<stata_dta>", "Stata"),
    (b"PAR1", "Parquet"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF", "a PDF"),
)
_OLD_STATA = tuple(bytes([version]) for version in (104, 105, 108, 110, 111, 113, 114, 115))


def _check_content(path: Path) -> None:
    """Refuse content that is not what the extension says, before any reader sees it."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise SurveyError(str(path), "it cannot be opened", "check its permissions") from error
    wanted = FORMATS[path.suffix.lower()]
    if wanted == "Stata" and head[:1] in _OLD_STATA and head[1:2] in (b"\x01", b"\x02"):
        return
    found = next((name for mark, name in _MAGIC if head.startswith(mark)), None)
    if found is None:
        wide = head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff"))
        found = "binary data of an unknown kind" if b"\0" in head and not wide else "CSV"
    if found != wanted:
        named = "text" if found == "CSV" else found
        raise SurveyError(
            str(path),
            f"the content is {named}, not {wanted}",
            f"a file that ends in {path.suffix} holds {wanted}",
        )


def _command() -> list[str]:
    return [sys.executable, "-P", str(Path(__file__).with_name("reader_process.py"))]


def _read_in_child(
    path: Path, columns: Sequence[str] | None, encoding: str | None, limits: Limits
) -> Any:
    import pyarrow as pa

    where, kind = str(path), FORMATS[path.suffix.lower()]
    request = {
        "path": str(path.resolve()),
        "kind": path.suffix.lower()[1:],
        "columns": None if columns is None else list(dict.fromkeys(columns)),
        "encoding": encoding,
        "memory": limits.memory,
        "seconds": limits.seconds,
    }
    try:
        done = subprocess.run(
            _command(),
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=limits.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SurveyError(
            where, f"reading took more than {limits.seconds} seconds", f"give a sound {kind} file"
        ) from error
    if done.returncode == REFUSED:
        refusal = json.loads(done.stdout)
        raise SurveyError(where, refusal["found"], refusal["allowed"])
    if done.returncode != 0:
        raise _damaged(where, kind)
    try:
        table = pa.ipc.open_stream(pa.BufferReader(done.stdout)).read_all()
        table.validate(full=True)
    except pa.ArrowException as error:
        raise _damaged(where, kind) from error
    return table


def _damaged(where: str, kind: str) -> SurveyError:
    return SurveyError(
        where, f"the file is damaged: it cannot be read as {kind}", f"give a sound {kind} file"
    )


def _is_example(table: Any, where: str) -> bool:
    """Whether every row is marked; rows of both kinds in one survey are refused."""
    if MARK not in table.column_names:
        return False
    answers = _answers(table[MARK])
    marked = np.array([str(value).strip() == EXAMPLE for value in answers.values], dtype=bool)
    n_marked = int(answers.counts[marked].sum())
    if 0 < n_marked < table.num_rows:
        raise SurveyError(
            f"{where}: {MARK}",
            f"{n_marked} of {table.num_rows} rows say {EXAMPLE}",
            "example rows and real rows may not be mixed",
        )
    return n_marked > 0


def from_dataframe(
    frame: pd.DataFrame, columns: Sequence[str] | None = None, name: str = "DataFrame"
) -> RawTable:
    """Take a survey from a DataFrame.

    Parameters
    ----------
    frame
        One row a person; its index is not looked at.
    columns
        The columns wanted; all if None.
    name
        Stands where the name of a file would.

    Returns
    -------
    RawTable
        Its sha256 covers the names and values of the columns taken, in the order wanted.

    Raises
    ------
    SurveyError
        A wanted column is missing or stands twice, or there are no rows.
    """
    import pyarrow as pa

    if len(frame) == 0:
        raise SurveyError(name, "there are no rows", "give one row a person")
    try:
        names = choose([str(column) for column in frame.columns], columns)
        places = {str(column): place for place, column in enumerate(frame.columns)}
        table = pa.table({key: _from_series(frame.iloc[:, places[key]]) for key in names})
    except Refusal as refusal:
        raise SurveyError(name, refusal.found, refusal.allowed) from refusal
    return RawTable(
        name=name,
        where=name,
        sha256=_hash_columns(table),
        n_rows=table.num_rows,
        is_example=_is_example(table, name),
        table=table,
        encoding="UTF-8",
    )


def _from_series(series: pd.Series[Any]) -> Any:
    """A column of a DataFrame as Arrow; columns of mixed types become text, value by value."""
    import pyarrow as pa

    try:
        column = pa.chunked_array([pa.Array.from_pandas(series)])
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        cells = zip(series.tolist(), series.isna().tolist(), strict=True)
        texts = [None if empty else str(value) for value, empty in cells]
        column = pa.chunked_array([pa.array(texts, type=pa.string())])
    if pa.types.is_nested(column.type):
        raise Refusal("a wanted column holds nested values", "a column holds text or numbers")
    return plain(column)


def _hash_columns(table: Any) -> str:
    digest = hashlib.sha256()
    for name in table.column_names:
        answers = _answers(table[name])
        digest.update(json.dumps([name, [repr(value) for value in answers.values]]).encode())
        digest.update(np.ascontiguousarray(answers.index, dtype="<i8").tobytes())
    return digest.hexdigest()
