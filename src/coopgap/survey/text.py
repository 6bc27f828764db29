"""Text: encodings, delimiters, headers, rows of labels, and CSV with every cell as it stands."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from coopgap.survey.raw import Refusal, choose, with_notes
from coopgap.survey.values import reads_as_missing, shows_commas

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 1 << 23
_SAMPLE = 1 << 17
_WESTERN = "cp1252"
_MARKS = (",", ";", "\t", "|")
_SEP_LINE = re.compile(rb"""["']?sep=([^\w\s"']|\t)\1*["']?[ \t]*(?:\r\n|\n|\r)""", re.IGNORECASE)
_FIRST_ROWS = 50
_SIGNS = frozenset("¿¡°«»–—‘’“”„…€´·§©®\u00a0")
_FIGURES = re.compile(r"(?=.*\d)[\d\s:/.,+\-TZ]+", re.ASCII)
"""Numbers, dates, times and lists of codes."""

_IMPORT_ROW = re.compile(r'\{"ImportId":.*\}')
"""A third row that Qualtrics writes: an identifier of each question as JSON."""

_FEWEST_FIGURES: Final = 2
"""Columns of figures that have to hold a text in the first row."""


def read_csv(path: str, wanted: Sequence[str] | None, encoding: str | None) -> pa.Table:
    """CSV by pyarrow with every cell as the text that stands there."""
    import pyarrow as pa

    content, encoding = to_utf8(Path(path).read_bytes(), encoding)
    delimiter, header, body = split_header(content)
    names = choose(header, wanted)
    if not body.strip():
        raise Refusal("the file has a header and no rows", "give one row a person")
    labels, n_labels, body = _take_labels(body, delimiter, header)
    table = _parse(body, delimiter, len(header), [header.index(name) for name in names])
    if table.num_rows < sum(1 for _ in re.finditer(rb"[^\r\n]+", body)):
        _check_quotes(body, delimiter)
    notes = {
        "labels": labels,
        "label_rows": n_labels,
        "encoding": encoding,
        "delimiter": delimiter,
        "decimal_commas": _decimal_commas(body, delimiter, header),
    }
    return with_notes(pa.table(table.columns, names=names), notes)


def _decimal_commas(body: bytes, delimiter: str, header: Sequence[str]) -> str:
    """The first column, wanted or not, whose numbers have decimal commas."""
    start, end = (b'"', b'"') if delimiter == "," else (rb"(?:^|[^\w.,])", rb"(?:$|[^\w.,])")
    if not re.search(start + rb"[+-]?\d*,\d+" + end, body):
        return ""
    below = _distinct(body, delimiter, len(header))
    return next((n for n, texts in zip(header, below, strict=True) if shows_commas(texts)), "")


def _distinct(body: bytes, delimiter: str, width: int) -> list[set[str]]:
    """The distinct texts of each column."""
    table = _parse(body, delimiter, width, range(width))
    return [
        {text for chunk in column.chunks for text in chunk.dictionary.to_pylist()}
        for column in table.columns
    ]


def _take_labels(
    body: bytes, delimiter: str, header: Sequence[str]
) -> tuple[dict[str, str], int, bytes]:
    """Labels by column, the rows that hold them, and the rows below; none where there are none."""
    rows = _first_rows(body, delimiter, 2)
    if not rows:
        return {}, 0, body

    def below(n_rows: int) -> list[set[str]]:
        rest = _after(body, rows[n_rows - 1][1])
        return _distinct(rest, delimiter, len(header)) if rest.strip() else [set()] * len(header)

    labels, n_rows = label_rows(header, [row for row, _ in rows], below)
    return labels, n_rows, _after(body, rows[n_rows - 1][1]) if n_rows else body


def label_rows(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    below: Callable[[int], Sequence[Collection[str]]],
) -> tuple[dict[str, str], int]:
    """Labels by column, and how many of the first rows hold them, as survey programs export them.

    `below` gives each column's distinct texts under so many rows: some columns have only figures
    there, and no cell of the first row comes back in its column, else it is somebody's answer.
    """
    if not rows or len(rows[0]) != len(header) or not _may_be_labels(rows[0]):
        return {}, 0
    n_rows = 2 if len(rows) > 1 and _is_import_row(rows[1]) else 1
    cells, figures = [" ".join(cell.split()) for cell in rows[0]], 0
    for cell, column in zip(rows[0], below(n_rows), strict=True):
        others = {text.strip() for text in column} - {""}
        if cell.strip() in others:
            return {}, 0
        figures += bool(cell.strip() and others and all(map(_FIGURES.fullmatch, others)))
    if figures < _FEWEST_FIGURES:
        return {}, 0
    return {name: cell for name, cell in zip(header, cells, strict=True) if cell}, n_rows


def _may_be_labels(cells: Sequence[str]) -> bool:
    """Whether a row could be one of labels: mostly filled, with words, most of them different."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    enough = 2 * len(filled) >= len(cells) and 2 * len(set(filled)) > len(filled)
    return enough and all(_is_word(text) for text in filled)


def _is_word(text: str) -> bool:
    if _FIGURES.fullmatch(text) or not any(char.isalpha() for char in text):
        return False
    return text.casefold() not in ("true", "false") and not reads_as_missing(text, label=False)


def _is_import_row(cells: Sequence[str]) -> bool:
    """Whether a row holds what only the exporting program reads."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    return bool(filled) and all(map(_IMPORT_ROW.fullmatch, filled))


def _after(content: bytes, lines: int) -> bytes:
    """What follows some lines."""
    ends = (match.end() for match in re.finditer(rb"\r\n|\n|\r", content))
    end = next(itertools.islice(ends, lines - 1, None), len(content))
    return content[end:].lstrip(b"\r\n")


def _parse(
    body: bytes, delimiter: str, width: int, places: Sequence[int], *, threads: bool = True
) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    bad: list[Any] = []

    def refuse(row: Any) -> str:
        bad.append(row)
        return "error"

    every = [f"c{place}" for place in range(width)]
    kept = [every[place] for place in places]
    text = pa.dictionary(pa.int32(), pa.string())
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(body),
            read_options=arrow_csv.ReadOptions(
                column_names=every, use_threads=threads, block_size=_BLOCK
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(kept, text), include_columns=kept, null_values=[]
            ),
        )
    except pa.ArrowInvalid as error:
        if bad and threads:
            return _parse(body, delimiter, width, places, threads=False)
        found = "the rows are not well formed"
        if bad:
            row = bad[0]
            found = f"row {row.number} below the header has {row.actual_columns} cells"
            found += f" where the header has {row.expected_columns}"
        raise Refusal(found, "write the file again as CSV, cells quoted where needed") from error


def _check_quotes(body: bytes, delimiter: str) -> None:
    """Refuse a quotation mark left open: it would swallow the rows that follow."""
    csv.field_size_limit(1 << 30)
    lines = io.StringIO(body.decode("utf-8"), newline="")
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        for _ in reader:
            pass
    except csv.Error as error:
        raise Refusal(
            f"a quotation mark is not closed, at line {reader.line_num} below the header",
            "close it, or double it inside a cell",
        ) from error


def to_utf8(content: bytes, encoding: str | None) -> tuple[bytes, str]:
    """Text as UTF-8, with the name of the encoding it was in: named, marked, UTF-8 or cp1252."""
    name = encoding or _detect(content)
    try:
        text = content.decode(name)
    except (UnicodeDecodeError, LookupError) as error:
        raise Refusal(f"the text is not {name[:40]}", "save the file as UTF-8") from error
    if "\0" in text:
        raise Refusal("the content is binary, not text", "give a CSV file")
    plain_utf8 = name.lower().replace("_", "-") in {"utf-8", "utf8"}
    return (content if plain_utf8 else text.encode("utf-8")), name


def _detect(content: bytes) -> str:
    for mark, name in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe\0\0", "utf-32"),
        (b"\0\0\xfe\xff", "utf-32"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if content.startswith(mark):
            return name
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return guess_encoding(content)
    return "utf-8"


def guess_encoding(content: bytes) -> str:
    """Western European where text that is not UTF-8 is likely to be that; else a refusal."""
    import charset_normalizer

    lines = (match.group() for match in re.finditer(rb"[^\r\n]*[\x80-\xff][^\r\n]*", content))
    sample = b""
    for line in lines:
        sample += line + b"\n"
        if len(sample) > _SAMPLE:
            break
    if re.search(rb"[\x00-\x08\x0e-\x1f]", sample):
        raise Refusal("the content is binary, not text", "give a CSV file")
    # A match stands for every encoding in which the bytes are the same text.
    fitting = [
        name
        for match in charset_normalizer.from_bytes(sample)
        for name in match.could_be_from_charset
    ]
    if _WESTERN in fitting or _looks_western(sample):
        return _WESTERN
    likely = f", it may be {fitting[0]}" if fitting else ""
    raise Refusal(
        f"the text is neither UTF-8 nor {_WESTERN}{likely}",
        "name its encoding, or save the file as UTF-8",
    )


def _looks_western(sample: bytes) -> bool:
    """Whether a few words, too few for a detector, read as cp1252.

    In other alphabets' words all letters would be accented, and some a sign within a word.
    """
    try:
        text = sample.decode(_WESTERN)
    except UnicodeDecodeError:
        return False
    letters = "".join(word for word in re.findall(r"\w+", text) if not word.isascii())
    plain = 2 * sum(not char.isascii() for char in letters) <= len(letters)
    common = _SIGNS.issuperset(re.findall(r"[^\w\x00-\x7f]", text))
    return plain and common and not re.search(r"[^\W\d_][^\w\x00-\x7f\u2019][^\W\d_]", text)


def split_header(content: bytes) -> tuple[str, list[str], bytes]:
    """Delimiter, column names and the rows below them, from UTF-8 text.

    The delimiter is the one that a first line `sep=;` names, or that parts the header into most
    cells and the first rows into as many.
    """
    content = content.lstrip(b"\r\n")
    named = _SEP_LINE.match(content)
    marks: tuple[str, ...] = _MARKS
    if named:
        content, marks = content[named.end() :].lstrip(b"\r\n"), (named[1].decode(),)
    head = content[: 1 << 20].decode("utf-8", errors="ignore")
    if not head.strip():
        raise Refusal("the file is empty", "give a header and one row a person")
    parsed = {mark: _first_rows(content, mark, _FIRST_ROWS) for mark in marks}
    if not all(parsed.values()):
        raise Refusal("the header is not well formed", "give one line of column names")
    even = [mark for mark in marks if _is_even([row for row, _ in parsed[mark] if row])]
    delimiter = max(even or marks, key=lambda mark: len(parsed[mark][0][0]))
    names, lines = parsed[delimiter][0]
    return delimiter, [name.strip() for name in names], _after(content, lines)


def _first_rows(content: bytes, delimiter: str, most: int) -> list[tuple[list[str], int]]:
    """The first rows with the line where each ends, up to one that is not well formed."""
    head = content[: 1 << 20].decode("utf-8", errors="ignore")
    reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
    rows: list[tuple[list[str], int]] = []
    with suppress(csv.Error):
        rows.extend((row, reader.line_num) for row in itertools.islice(reader, most))
    return rows


def _is_even(rows: Sequence[Sequence[str]]) -> bool:
    """Whether rows have as many cells as the header, and several; the last may be cut off."""
    widths = {len(row) for row in (rows if len(rows) < 3 else rows[:-1])}
    return len(widths) == 1 and widths != {1}
