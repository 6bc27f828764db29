"""SPSS, Stata and SAS files: raw codes, labels, declared missing values, encodings."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coopgap.survey.arrow import shortest
from coopgap.survey.columns import Refusal, choose, with_notes
from coopgap.survey.csv_text import guess_encoding
from coopgap.survey.transport import choose_data_set

if TYPE_CHECKING:
    import pyarrow as pa

_ANY_BYTES = "ISO-8859-1"
"""An encoding in which every byte is a character, so that the bytes can be had back."""

_DEFAULT = "cp1252"
"""What readers take a file to be in that declares nothing, such as Stata before version 14."""

_BYTES = {"int8": 1, "int16": 2, "int32": 4, "float": 4, "double": 8}
"""What a number takes in a Stata file; a text takes at least one."""

_SPSS = ("sav", "zsav")
_OTHER_NAMES = {"mac-roman": "MACINTOSH"}
_UNREADABLE = ("(invalid byte sequence)", "unsupported character set")
"""How a reader's error ends where text is not in the encoding it was read as."""


def read_statistical(
    path: str, kind: str, wanted: Sequence[str] | None, encoding: str | None
) -> pa.Table:
    """SPSS, Stata or SAS by pyreadstat: raw codes, with labels and user-missing ranges beside them.

    Text is in the encoding named; else in the one that the file declares, or in UTF-8 or cp1252
    where its bytes show that it is that.
    Extended missing values (.a to .z of Stata, .A to .Z and ._ of SAS) are empty, as commands there
    treat them, and are counted by letter; SPSS user-missing codes come as they are, for the
    codebook to decide. Dates are the numbers that stand there.
    """
    import pyarrow as pa

    data_set = choose_data_set(path, wanted, encoding) if kind == "xpt" else None
    source = path if data_set is None else data_set.content
    values, meta, encoding = _decoded(source, kind, wanted, encoding)
    names = choose(list(values), wanted)
    kept = set(names)
    if data_set is None:
        letters = {} if kind in _SPSS else _take_letters(values, meta)
    else:
        every = _metadata(source, kind, _iconv_name(encoding) if encoding else None).column_names
        letters = data_set.letters(every, kept, meta.number_rows)
    notes = {
        "labels": {name: text for name, text in meta.column_names_to_labels.items() if text},
        "value_labels": {
            name: [(code, text) for code, text in labels.items() if not isinstance(code, str)]
            if kind not in _SPSS
            else list(labels.items())
            for name, labels in meta.variable_value_labels.items()
            if name in kept
        },
        "user_missing": {
            name: [(span["lo"], span["hi"]) for span in spans]
            for name, spans in meta.missing_ranges.items()
            if name in kept
        },
        "extended": _extended(letters, meta.variable_value_labels),
        "encoding": encoding,
        "sheet": "" if data_set is None else data_set.name,
    }
    single = {name for name, kind in meta.readstat_variable_types.items() if kind == "float"}
    return with_notes(
        pa.table(
            {
                name: shortest(pa.array(values[name], pa.float32()))
                if name in single
                else pa.array(values[name])
                for name in names
            }
        ),
        notes,
    )


type _Source = str | bytes
"""A path, or what a file holds."""

type _Content = tuple[dict[str, list[Any]], Any]


def _decoded(
    source: _Source, kind: str, wanted: Sequence[str] | None, encoding: str | None
) -> tuple[dict[str, list[Any]], Any, str]:
    """Values, metadata, and the encoding of their text as named, declared or found."""
    import pyreadstat

    def read(name: str | None, wanted: Sequence[str] | None) -> _Content:
        return _read(source, kind, wanted, name)

    try:
        if encoding is not None:
            return *read(_iconv_name(encoding), wanted), encoding
        names = _metadata(source, kind, None)
        if not _shows_utf8(names, {}):
            values, meta = read(None, wanted)
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
        values, meta = read(_ANY_BYTES, None)
        found = guess_encoding("\n".join(_texts(meta, values)).encode(_ANY_BYTES))
    return *read(_iconv_name(found), wanted), found


def _reader(kind: str) -> Any:
    import pyreadstat

    readers = {
        "dta": pyreadstat.read_dta,
        "sas7bdat": pyreadstat.read_sas7bdat,
        "xpt": pyreadstat.read_xport,
    }
    return readers.get(kind, pyreadstat.read_sav)


def _opened(source: _Source) -> str | BytesIO:
    return BytesIO(source) if isinstance(source, bytes) else source


def _metadata(source: _Source, kind: str, encoding: str | None) -> Any:
    return _reader(kind)(_opened(source), metadataonly=True, encoding=encoding)[1]


_OPTIONS: Mapping[str, Mapping[str, bool]] = {"xpt": {}, "sas7bdat": {"user_missing": True}}
"""What a reader is asked for that not every reader knows."""


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
    """Refuse a number of rows that the file has no room for, before room is made for them.

    Stata writes every row in full. In SPSS a value takes 8 bytes or, compressed, at least one, of
    which zlib leaves at least one in 1,032. In SAS a compressed row takes more than one byte.
    """
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
    found = {}
    for name in meta.missing_user_values:
        if name in values:
            found[name] = Counter(value for value in values[name] if isinstance(value, str))
            values[name] = [None if isinstance(value, str) else value for value in values[name]]
    return found


def _extended(
    letters: Mapping[str, Counter[str]], labels: Mapping[str, Mapping[Any, str]]
) -> list[dict[str, Any]]:
    """Extended missing values as they are told."""
    return [
        {
            "column": name,
            "code": f".{letter}",
            "label": labels.get(name, {}).get(letter, ""),
            "count": count,
        }
        for name, counts in letters.items()
        for letter, count in sorted(counts.items())
    ]
