"""SAS transport files (.xpt): the data set that is meant, and missing values told apart by letter.

A file holds one data set after the other, in records of 80 bytes. It has no checksum, and before
version 8 no number of rows: all that follows a header is taken for rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np

from coopgap.survey.columns import Refusal, one_part

_RECORD: Final = 80
_COLUMN: Final = 140
_DATA_SET: Final = 3 * _RECORD
"""Where a data set begins, in a file that has one."""

_COLUMNS: Final = 8 * _RECORD
"""Where the descriptions of its columns begin."""

_NUMBER: Final = 1
"""Type of a column; 2 is text."""

_LETTERS: Final = b"_ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A data set as a transport file of its own.

    Attributes
    ----------
    content
        The bytes of that file.
    name
        Of the data set where its file has others too; else empty.
    """

    content: bytes
    name: str = ""

    def letters(
        self, columns: Sequence[str], wanted: Collection[str], n_rows: int
    ) -> dict[str, Counter[str]]:
        """Missing values of each wanted column by letter; refused where a row is not whole.

        Parameters
        ----------
        columns
            Every column, in the order of the file.
        wanted
            Those to look at.
        n_rows
            Rows as read.
        """
        fields = [self._field(place) for place in range(len(columns))]
        start, width = self._rows_start(len(columns)), sum(size for _, size in fields)
        end = start + n_rows * width
        self._check_rows(start, end, n_rows)
        rows = np.frombuffer(self.content[start:end], np.uint8).reshape(n_rows, width)
        found, at = {}, 0
        for name, (kind, size) in zip(columns, fields, strict=True):
            if kind == _NUMBER and name in wanted:
                cells = rows[:, at : at + size]
                lettered = np.isin(cells[:, 0], [*_LETTERS]) & ~cells[:, 1:].any(axis=1)
                found[name] = Counter(cells[lettered, 0].tobytes().decode("ascii"))
            at += size
        return found

    def _field(self, place: int) -> tuple[int, int]:
        """Type of a column, and its bytes in a row."""
        at = _COLUMNS + place * _COLUMN
        kind, _, size = np.frombuffer(self.content, ">i2", 3, at).tolist()
        return kind, size

    def _rows_start(self, n_columns: int) -> int:
        """Where rows begin: after the first record behind the columns that says so."""
        first = _COLUMNS + n_columns * _COLUMN
        records = range(first + -first % _RECORD, len(self.content), _RECORD)
        header = b"HEADER RECORD*******OBS"
        return next(at for at in records if self.content.startswith(header, at)) + _RECORD

    def _check_rows(self, start: int, end: int, n_rows: int) -> None:
        """Nothing but blanks follows the rows, which are as many as version 8 may state."""
        header = self.content[start - _RECORD : start]
        stated = header[48:63].strip() if header[23:25] == b"V8" else b""
        if stated.isdigit() and int(stated) not in (0, n_rows):
            raise Refusal(
                f"it says that it has {int(stated):,} rows and holds {n_rows:,}",
                "give the whole file",
            )
        if self.content[end:].strip(b" "):
            raise Refusal("it ends within a row: it is cut off", "give the whole file")


def choose_data_set(path: str, wanted: Sequence[str] | None, encoding: str | None) -> DataSet:
    """The data set that has the columns, or the first if all are wanted.

    Parameters
    ----------
    path
        The file.
    wanted
        Names of columns.
    encoding
        Of names, if it is known.
    """
    content = Path(path).read_bytes()
    if len(content) % _RECORD:
        raise Refusal("it ends within a record of 80 bytes: it is cut off", "give the whole file")
    starts = [*_starts(content)]
    if len(starts) < 2:
        return DataSet(content=content)
    ends = [*starts[1:], len(content)]
    each = [content[:_DATA_SET] + content[a:b] for a, b in zip(starts, ends, strict=True)]
    described = [_metadata(one, encoding) for one in each]
    parts = [(meta.table_name or "", meta.column_names) for meta in described]
    chosen = one_part(parts, wanted, "data sets")
    return DataSet(content=each[chosen], name=parts[chosen][0])


def _starts(content: bytes) -> Iterator[int]:
    """Where data sets begin."""
    header = b"HEADER RECORD*******MEMB"
    at = content.find(header)
    while at >= 0:
        if at % _RECORD == 0:
            yield at
        at = content.find(header, at + 1)


def _metadata(content: bytes, encoding: str | None) -> Any:
    import pyreadstat

    return pyreadstat.read_xport(BytesIO(content), metadataonly=True, encoding=encoding)[1]
