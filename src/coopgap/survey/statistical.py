"""SPSS, Stata and SAS files: raw codes, labels, declared missing values, encodings."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from coopgap.survey.raw import Refusal, choose, one_part, shortest, with_notes
from coopgap.survey.text import guess_encoding

if TYPE_CHECKING:
    import pyarrow as pa

_ANY_BYTES: Final = "ISO-8859-1"
"""An encoding in which every byte is a character, so that the bytes can be had back."""

_DEFAULT: Final = "cp1252"
"""What readers take a file to be in that declares nothing, such as Stata before version 14."""

_BYTES: Final = {"int8": 1, "int16": 2, "int32": 4, "float": 4, "double": 8}
"""What a number takes in a Stata file; a text takes at least one."""

_SPSS: Final = ("sav", "zsav")
_READERS: Final = {"dta": "read_dta", "sas7bdat": "read_sas7bdat", "xpt": "read_xport"}
_OTHER_NAMES: Final = {"mac-roman": "MACINTOSH"}
_UNREADABLE: Final = ("(invalid byte sequence)", "unsupported character set")
"""How a reader's error ends where text is not in the encoding it was read as."""

_OPTIONS: Final[Mapping[str, Mapping[str, bool]]] = {"xpt": {}, "sas7bdat": {"user_missing": True}}
"""What a reader is asked for that not every reader knows."""

type _Source = str | bytes
"""A path, or what a file holds."""

type _Content = tuple[dict[str, list[Any]], Any]
"""Values by column, and the reader's metadata."""


def read_statistical(
    path: str, kind: str, wanted: Sequence[str] | None, encoding: str | None
) -> pa.Table:
    """SPSS, Stata or SAS by pyreadstat: raw codes, with labels and user-missing ranges beside them.

    Text is in the encoding named, declared, or shown by its bytes. Extended missing values (.a to
    .z, ._) are empty and counted by letter; SPSS user-missing codes come as they are.
    """
    import pyarrow as pa

    source, sheet = _data_set(path, wanted, encoding) if kind == "xpt" else (path, "")
    values, meta, encoding = _decoded(source, kind, wanted, encoding)
    names = choose(list(values), wanted)
    if isinstance(source, bytes):
        every = _metadata(source, kind, _iconv_name(encoding) if encoding else None).column_names
        letters = _letters(source, every, names, meta.number_rows)
    else:
        letters = {} if kind in _SPSS else _take_letters(values, meta)
    notes = {
        "labels": {name: text for name, text in meta.column_names_to_labels.items() if text},
        "value_labels": {
            # Labels of letters are those of missing values.
            name: [item for item in labels.items() if kind in _SPSS or not isinstance(item[0], str)]
            for name, labels in meta.variable_value_labels.items()
            if name in names
        },
        "user_missing": {
            name: [(span["lo"], span["hi"]) for span in spans]
            for name, spans in meta.missing_ranges.items()
            if name in names
        },
        "extended": [
            {
                "column": name,
                "code": f".{letter}",
                "label": meta.variable_value_labels.get(name, {}).get(letter, ""),
                "count": count,
            }
            for name, counts in letters.items()
            for letter, count in sorted(counts.items())
        ],
        "encoding": encoding,
        "sheet": sheet,
    }
    kinds = meta.readstat_variable_types
    columns = {
        name: shortest(pa.array(values[name], pa.float32()))
        if kinds[name] == "float"
        else pa.array(values[name])
        for name in names
    }
    return with_notes(pa.table(columns), notes)


def _decoded(
    source: _Source, kind: str, wanted: Sequence[str] | None, encoding: str | None
) -> tuple[dict[str, list[Any]], Any, str]:
    """Values, metadata, and the encoding of their text as named, declared or found."""
    import pyreadstat

    try:
        if encoding is not None:
            return *_read(source, kind, wanted, _iconv_name(encoding)), encoding
        names = _metadata(source, kind, None)
        if not _shows_utf8(names, {}):
            values, meta = _read(source, kind, wanted, None)
            if not _shows_utf8(meta, values):
                return values, meta, meta.file_encoding or ""
        found = "utf-8"
    except (UnicodeDecodeError, pyreadstat.ReadstatError) as error:
        if not (isinstance(error, UnicodeDecodeError) or str(error).endswith(_UNREADABLE)):
            raise
        if encoding is not None:
            raise Refusal(
                f"the text is not {encoding[:40]}", "name the encoding it was written in"
            ) from error
        values, meta = _read(source, kind, None, _ANY_BYTES)
        found = guess_encoding("\n".join(_texts(meta, values)).encode(_ANY_BYTES))
    return *_read(source, kind, wanted, _iconv_name(found)), found


def _reader(kind: str) -> Any:
    import pyreadstat

    return getattr(pyreadstat, _READERS.get(kind, "read_sav"))


def _opened(source: _Source) -> str | BytesIO:
    return BytesIO(source) if isinstance(source, bytes) else source


def _metadata(source: _Source, kind: str, encoding: str | None) -> Any:
    return _reader(kind)(_opened(source), metadataonly=True, encoding=encoding)[1]


def _read(
    source: _Source, kind: str, wanted: Sequence[str] | None, encoding: str | None
) -> _Content:
    meta = _metadata(source, kind, encoding)
    names = choose(meta.column_names, wanted)
    if isinstance(source, str):
        _check_rows(source, kind, meta)
    options = _OPTIONS.get(kind, {"user_missing": True, "apply_value_formats": False})
    content: _Content = _reader(kind)(
        _opened(source),
        usecols=names,
        output_format="dict",
        disable_datetime_conversion=True,
        encoding=encoding,
        **options,
    )
    return content


def _check_rows(path: str, kind: str, meta: Any) -> None:
    """Refuse a number of rows that the file has no room for, before room is made for them."""
    # Stata writes rows in full. A value of SPSS takes a byte at least, of which zlib leaves one in
    # 1,032; a compressed row of SAS takes more than one byte.
    file = Path(path)
    most = file.stat().st_size
    width = len(meta.column_names)
    if kind == "dta":
        width = sum(_BYTES.get(name, 1) for name in meta.readstat_variable_types.values())
    elif kind == "sas7bdat":
        width = 1
    else:
        with file.open("rb") as content:
            most *= 1032 if content.read(4) == b"$FL3" else 1
    rows = meta.number_rows or 0
    if rows * width > most:
        raise Refusal(
            f"it says that it has {rows:,} rows, for which it is too small", "give a sound file"
        )


def _iconv_name(encoding: str) -> str:
    """The name under which the C library knows an encoding that Python knows."""
    try:
        name = codecs.lookup(encoding).name
    except LookupError as error:
        raise Refusal(
            f"no encoding is called {encoding[:40]}", "name one such as UTF-8 or cp1252"
        ) from error
    return _OTHER_NAMES.get(name, name.upper())


def _texts(meta: Any, values: Mapping[str, Iterable[Any]]) -> Iterator[str]:
    """Every distinct text of a file that is not plain ASCII."""
    labels = (text for table in meta.variable_value_labels.values() for text in table.values())
    kinds = meta.readstat_variable_types
    columns = (column for name, column in values.items() if kinds.get(name) == "string")
    cells = (cell for column in columns for cell in set(column))
    for text in chain(meta.column_names, meta.column_names_to_labels.values(), labels, cells):
        if isinstance(text, str) and not text.isascii():
            yield text


def _shows_utf8(meta: Any, values: Mapping[str, Iterable[Any]]) -> bool:
    """Whether text that was taken for another encoding is UTF-8 in every place."""
    declared = meta.file_encoding or _DEFAULT
    try:
        if codecs.lookup(declared).name == "utf-8":
            return False
        texts = [text.encode(declared) for text in _texts(meta, values)]
        return bool(texts) and all(text.decode("utf-8") for text in texts)
    except (LookupError, UnicodeError):
        return False


def _take_letters(values: dict[str, list[Any]], meta: Any) -> dict[str, Counter[str]]:
    """Empty the cells of extended missing values, which come as letters, and count them."""
    letters = {}
    for name in meta.missing_user_values:
        if name in values:
            letters[name] = Counter(value for value in values[name] if isinstance(value, str))
            values[name] = [None if isinstance(value, str) else value for value in values[name]]
    return letters


# SAS transport files hold one data set after the other, in records of 80 bytes. They have no
# checksum, and before version 8 no number of rows: all that follows a header is taken for rows.
_RECORD: Final = 80
_DATA_SET: Final = 3 * _RECORD
"""Where a data set begins, in a file that has one."""

_COLUMNS: Final = 8 * _RECORD
"""Where the descriptions of its columns begin."""

_COLUMN: Final = 140
_NUMBER: Final = 1
"""Type of a column; 2 is text."""

_LETTERS: Final = b"_ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _data_set(path: str, wanted: Sequence[str] | None, encoding: str | None) -> tuple[bytes, str]:
    """A transport file of the data set that is meant, and its name where there are others."""
    content = Path(path).read_bytes()
    if len(content) % _RECORD:
        raise Refusal("it ends within a record of 80 bytes: it is cut off", "give the whole file")
    records = range(0, len(content), _RECORD)
    starts = [at for at in records if content.startswith(b"HEADER RECORD*******MEMB", at)]
    if len(starts) < 2:
        return content, ""
    each = [content[:_DATA_SET] + content[a:b] for a, b in pairwise([*starts, len(content)])]
    described = [_metadata(one, "xpt", encoding) for one in each]
    parts = [(meta.table_name or "", meta.column_names) for meta in described]
    chosen = one_part(parts, wanted, "data sets")
    return each[chosen], parts[chosen][0]


def _letters(
    content: bytes, columns: Sequence[str], wanted: Sequence[str], n_rows: int
) -> dict[str, Counter[str]]:
    """Missing values of each wanted column by letter, from the bytes of one data set.

    `columns` are all of the file, in its order. Refused where a row is not whole.
    """
    starts = [_COLUMNS + place * _COLUMN for place in range(len(columns))]
    fields = [np.frombuffer(content, ">i2", 3, at).tolist() for at in starts]
    after = _COLUMNS + len(columns) * _COLUMN
    records = range(after + -after % _RECORD, len(content), _RECORD)
    # Rows begin after the first record behind the columns that says so.
    at = next(at for at in records if content.startswith(b"HEADER RECORD*******OBS", at))
    header, start = content[at : at + _RECORD], at + _RECORD
    width = sum(size for _, _, size in fields)
    end = start + n_rows * width
    stated = header[48:63].strip() if header[23:25] == b"V8" else b""
    if stated.isdigit() and int(stated) not in (0, n_rows):
        raise Refusal(
            f"it says that it has {int(stated):,} rows and holds {n_rows:,}", "give the whole file"
        )
    if content[end:].strip(b" "):
        raise Refusal("it ends within a row: it is cut off", "give the whole file")
    rows = np.frombuffer(content[start:end], np.uint8).reshape(n_rows, width)
    letters, at = {}, 0
    for name, (kind, _, size) in zip(columns, fields, strict=True):
        if kind == _NUMBER and name in wanted:
            cells = rows[:, at : at + size]
            lettered = np.isin(cells[:, 0], [*_LETTERS]) & ~cells[:, 1:].any(axis=1)
            letters[name] = Counter(cells[lettered, 0].tobytes().decode("ascii"))
        at += size
    return letters
