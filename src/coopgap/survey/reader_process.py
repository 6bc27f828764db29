"""Read a survey file in a process of its own, so that a crash of the reader is only a message.

Runs as a script, imports nothing of coopgap, and takes one JSON request on standard input. On
exit 0 standard output is an Arrow stream whose schema metadata hold labels as JSON; on exit 3 it
is a JSON refusal. Any other exit means that the file broke the reader.
"""

from __future__ import annotations

import csv
import difflib
import io
import itertools
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

if TYPE_CHECKING:
    import pyarrow as pa

REFUSED = 3
MARK = "provenance"

_BLOCK = 1 << 23
_SAMPLE = 1 << 17
_WESTERN = "cp1252"


class Refusal(Exception):
    """The file can be read but is not what is wanted."""

    def __init__(self, found: str, allowed: str) -> None:
        super().__init__(found)
        self.found = found
        self.allowed = allowed


def limit(memory: int, seconds: int) -> None:
    """Bound address space and processor time, and leave no core dump, where the system can."""
    try:
        import resource
    except ImportError:
        return
    for name, value in (("RLIMIT_CORE", 0), ("RLIMIT_AS", memory), ("RLIMIT_CPU", seconds)):
        what = getattr(resource, name, None)
        if what is None:
            continue
        _, hard = resource.getrlimit(what)
        soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(what, (soft, soft))
        except (OSError, ValueError):
            continue


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


def _nearest(name: str, names: Sequence[str]) -> str:
    folded = {other.casefold().strip(): other for other in names if other}
    near = difflib.get_close_matches(name.casefold().strip(), folded, n=3, cutoff=0.6)
    if near:
        return "the nearest are " + ", ".join(repr(folded[key][:60]) for key in near)
    return f"none of its {len(names)} columns has a name like it"


def read_statistical(path: str, kind: str, wanted: Sequence[str] | None) -> pa.Table:
    """SPSS or Stata by pyreadstat: raw codes, with labels and user-missing ranges beside them.

    Stata's extended missing values (.a to .z) come as empty, as its own commands treat them;
    SPSS user-missing codes come as they are, for the codebook to decide.
    """
    import pyarrow as pa
    import pyreadstat

    read: Any = pyreadstat.read_dta if kind == "dta" else pyreadstat.read_sav
    _, meta = read(path, metadataonly=True)
    names = choose(meta.column_names, wanted)
    options: dict[str, Any] = {
        "usecols": names,
        "output_format": "dict",
        "apply_value_formats": False,
        "disable_datetime_conversion": True,
        "user_missing": kind != "dta",
    }
    values, meta = read(path, **options)
    kept = set(names)
    notes = {
        "labels": {name: text for name, text in meta.column_names_to_labels.items() if text},
        "value_labels": {
            name: list(labels.items())
            for name, labels in meta.variable_value_labels.items()
            if name in kept
        },
        "user_missing": {
            name: [(span["lo"], span["hi"]) for span in spans]
            for name, spans in meta.missing_ranges.items()
            if name in kept
        },
        "encoding": meta.file_encoding,
    }
    return _with_notes(pa.table({name: pa.array(values[name]) for name in names}), notes)


def read_parquet(path: str, wanted: Sequence[str] | None) -> pa.Table:
    """Parquet by pyarrow."""
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        schema = file.schema_arrow
        every = [name for name in schema.names if not name.startswith("__index_level_")]
        if wanted is None:
            every = [name for name in every if not pa.types.is_nested(schema.field(name).type)]
        names = choose(every, wanted)
        nested = [name for name in names if pa.types.is_nested(schema.field(name).type)]
        if nested:
            raise Refusal(
                f"column {nested[0]!r} holds nested values", "a column holds text or numbers"
            )
        table = file.read(columns=names).select(names)
    table = pa.table({name: plain(table[name]) for name in names})
    return _with_notes(table, {"encoding": "UTF-8"})


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as booleans, integers, floats, or dictionary-encoded text."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = kind.value_type
    if pa.types.is_boolean(kind) or pa.types.is_signed_integer(kind):
        return column
    if pa.types.is_integer(kind):
        return column.cast(pa.int64())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise Refusal("a wanted column holds binary data", "a column holds text or numbers")
    return column.cast(pa.string()).dictionary_encode()


def read_csv(path: str, wanted: Sequence[str] | None, encoding: str | None) -> pa.Table:
    """CSV by pyarrow with every cell as the text that stands there."""
    import pyarrow as pa

    with open(path, "rb") as file:  # noqa: PTH123 (the request carries text)
        content = file.read()
    content, encoding = to_utf8(content, encoding)
    delimiter, header, body = split_header(content)
    names = choose(header, wanted)
    places = [header.index(name) for name in names]
    if not body.strip():
        raise Refusal("the file has a header and no rows", "give one row a person")
    table = _parse(body, delimiter, len(header), places)
    if table.num_rows < sum(1 for line in body.splitlines() if line.strip(b"\r\n")):
        _check_quotes(body, delimiter)
    return _with_notes(pa.table(table.columns, names=names), {"encoding": encoding})


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
    """Text as UTF-8, with the name of the encoding it was in.

    Parameters
    ----------
    content
        The file.
    encoding
        The encoding to use. If None: by byte order mark, then UTF-8, then Western European
        (cp1252) where the text is likely to be that; nothing else is guessed.

    Raises
    ------
    Refusal
        No encoding fits, or the named one does not.
    """
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
        return _guess(content)
    return "utf-8"


def _guess(content: bytes) -> str:
    import charset_normalizer

    lines = (match.group() for match in re.finditer(rb"[^\r\n]*[\x80-\xff][^\r\n]*", content))
    sample = b""
    for line in lines:
        sample += line + b"\n"
        if len(sample) > _SAMPLE:
            break
    if re.search(rb"[\x00-\x08\x0e-\x1f]", sample):
        raise Refusal("the content is binary, not text", "give a CSV file")
    fitting = [match.encoding for match in charset_normalizer.from_bytes(sample)]
    if _WESTERN in fitting:
        return _WESTERN
    likely = f", it may be {fitting[0]}" if fitting else ""
    raise Refusal(f"the text is neither UTF-8 nor {_WESTERN}{likely}", "save the file as UTF-8")


def split_header(content: bytes) -> tuple[str, list[str], bytes]:
    """Delimiter, column names and the rows below them, from UTF-8 text.

    The delimiter is the one of comma, semicolon and tab that parts the header into most cells.
    """
    content = content.lstrip(b"\r\n")
    head = content[: 1 << 20].decode("utf-8", errors="ignore")
    if not head.strip():
        raise Refusal("the file is empty", "give a header and one row a person")
    parsed = {mark: _first_record(head, mark) for mark in (",", ";", "\t")}
    delimiter = max(parsed, key=lambda mark: len(parsed[mark][0]))
    names, lines = parsed[delimiter]
    ends = (match.end() for match in re.finditer(rb"\r\n|\n|\r", content))
    end = next(itertools.islice(ends, lines - 1, None), len(content))
    return delimiter, [name.strip() for name in names], content[end:].lstrip(b"\r\n")


def _first_record(head: str, delimiter: str) -> tuple[list[str], int]:
    reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
    try:
        return next(reader), reader.line_num
    except csv.Error as error:
        raise Refusal("the header is not well formed", "give one line of column names") from error


def _with_notes(table: pa.Table, notes: dict[str, Any]) -> pa.Table:
    return table.replace_schema_metadata({"coopgap": json.dumps(notes, default=str)})


def read(request: dict[str, Any]) -> pa.Table:
    """Table for a request with the keys path, kind, columns and encoding."""
    path, wanted = request["path"], request["columns"]
    match request["kind"]:
        case "csv":
            table = read_csv(path, wanted, request["encoding"])
        case "parquet":
            table = read_parquet(path, wanted)
        case kind:
            table = read_statistical(path, kind, wanted)
    if table.num_rows == 0:
        raise Refusal("the file has no rows", "give one row a person")
    return table


def main(out: BinaryIO) -> int:
    """Serve the one request on standard input; the answer goes to `out`."""
    import pyarrow as pa

    request = json.load(sys.stdin.buffer)
    limit(request["memory"], request["seconds"])
    try:
        table = read(request).unify_dictionaries()
    except Refusal as refusal:
        out.write(json.dumps({"found": refusal.found, "allowed": refusal.allowed}).encode())
        return REFUSED
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return 0


def _run() -> NoReturn:
    # Libraries may print: only the answer may reach the pipe.
    answer = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(answer, "wb") as out:
        code = main(out)
    sys.exit(code)


if __name__ == "__main__":
    _run()
